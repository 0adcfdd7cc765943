"""The backend of the scenarios that a static server cannot serve: swallows uploads, echoes WebSockets.

python -m bench.backend PORT
"""

import asyncio
import sys

import uvloop


class Connection(asyncio.Protocol):
    """Enough HTTP for well-behaved proxies: answers an upload with the number of bytes that came."""

    def connection_made(self, transport):
        self.transport = transport
        self.buffer = b""
        self.left = self.length = -1
        self.echo = False

    def data_received(self, data):
        if self.echo:
            self.transport.write(data)
        elif self.left >= 0:
            self.body(len(data))
        else:
            self.buffer += data
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if end:
                self.buffer = b""
                self.head(head.lower(), rest)

    def head(self, head, rest):
        if b"upgrade: websocket" in head:
            self.echo = True
            self.transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n" + rest
            )
            return
        self.left = self.length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        self.body(len(rest))

    def body(self, size):
        self.left -= size
        if self.left <= 0:
            self.left = -1
            body = b"%d\n" % self.length
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


async def main(port):
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
