"""One backend of the demo, as a program: it answers with its name and port.

``python -m rsp.commands.demo.backend NAME PORT DESCRIPTOR``, with the descriptor of a listening socket.  It stands for
the user's own application and has nothing to do with the proxy's code: plain asyncio streams, and HTTP/1.1 with
keep-alive, as much of it as a demo needs.
"""

import asyncio
import signal
import socket
import sys
from typing import Final

_WORK: Final = 0.004  # seconds for an answer, so that a killed backend leaves requests unanswered


class Backend:
    def __init__(self, name: str, port: int) -> None:
        self._name = name
        self._port = port

    async def serve(self, listening: socket.socket) -> None:
        """For ever."""
        server = await asyncio.start_server(self._client, sock=listening)
        await server.serve_forever()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, ValueError, IndexError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection stays open."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        fields = {line.split(":")[0].lower(): line.split(":", 1)[1].strip() for line in head.split("\r\n")[1:-2]}
        body = await reader.readexactly(int(fields.get("content-length", "0")))
        await asyncio.sleep(_WORK)
        text = f"Hello from {self._name} on port {self._port}.  You asked for {head.split(' ')[1]}"
        text += f" and sent {len(body)} bytes.\n" if body else ".\n"
        answer = text.encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Backend: %b\r\nContent-Length: %d\r\n\r\n"
            % (self._name.encode(), len(answer))
            + (b"" if head.startswith("HEAD ") else answer)
        )
        await writer.drain()
        return fields.get("connection", "").lower() != "close"


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the demo's: it ends its backends last
    name, port, descriptor = sys.argv[1:]
    asyncio.run(Backend(name, int(port)).serve(socket.socket(fileno=int(descriptor))))


if __name__ == "__main__":
    main()
