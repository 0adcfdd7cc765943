"""Many upgraded connections at once, each an echo, held by one thread on either side."""

import asyncio
import threading

_UPGRADE = b"GET /socket HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"


class Loop:
    """An event loop in a thread."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(120)


class EchoBackend(Loop):
    """Answers ``ok``, and an upgrade with an echo of all that follows."""

    def __init__(self):
        super().__init__()
        self.requests = 0
        self.delay = 0.0
        self._server = self.run(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024))
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests += 1
                if b"\nUpgrade:" in head or b"\nupgrade:" in head:
                    writer.write(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
                    while data := await reader.read(1000):
                        writer.write(data)
                    return
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


class Tunnels(Loop):
    """``count`` open tunnels through the proxy at ``port``."""

    def __init__(self, port, count):
        super().__init__()
        self._ends = self.run(self._open_all(port, count))

    async def _open_all(self, port, count):
        return [await self._open(port) for _ in range(count)]

    async def _open(self, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_UPGRADE)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        return reader, writer

    def alive(self):
        """How many still echo."""
        return self.run(self._echo_all())

    async def _echo_all(self):
        answers = await asyncio.gather(*(self._echo(*end) for end in self._ends), return_exceptions=True)
        return sum(answer == b"ping" for answer in answers)

    async def _echo(self, reader, writer):
        writer.write(b"ping")
        return await asyncio.wait_for(reader.readexactly(4), 20)

    def close(self):
        async def close():
            for _, writer in self._ends:
                writer.close()

        self.run(close())
