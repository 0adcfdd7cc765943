"""A worker whose instructions can be counted: without sockets, loop and tick, two runs count the same.

``python -m tests.unit.still_worker MARKS``, under callgrind.  Everything between two transports is real: a client's
connection, the service, an exchange with its route and filters, the pool, a peer's connection, the access log.
``MARKS``: the library of ``bench/marks.c``.  The clock is read as always; nothing here waits for it.
"""

import ctypes
import gc
import os
import sys
from pathlib import Path

from rsp.exchange.assemble import assemble
from rsp.exchange.service import HttpService
from rsp.http.h1.client import PeerConnection
from rsp.http.h1.server import ServerConnection
from rsp.ipc.peer_registry import PeerRegistry
from rsp.ipc.scoreboard import RETIRED_ROW, Scoreboard
from rsp.ipc.worker_cells import ROWS
from rsp.logs.access_logs import AccessLogs
from rsp.net.context import WorkerContext
from rsp.net.poller import Poller
from rsp.net.transport import Transport
from tests.unit.fakes import FakeLoop, configuration

HOST = b"Host: shop.example.com\r\n"
BROWSER = HOST + (
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    b"Accept-Language: en-GB,en;q=0.9,de;q=0.7\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Cookie: session=8d4f1c0e2b7a49f6b3a5; theme=dark; _ga=GA1.2.1123581321.1714000000\r\n"
    b"Referer: http://shop.example.com/catalogue/shoes?page=3\r\nCache-Control: max-age=0\r\n"
    b"Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n"
    b'Sec-Fetch-Site: same-origin\r\nSec-CH-UA-Platform: "Linux"\r\n'
)
REQUESTS = {
    "GET, 13 fields": b"GET /small?item=7919 HTTP/1.1\r\n" + BROWSER + b"\r\n",
    "POST of 4 KB": b"POST /upload HTTP/1.1\r\n%bContent-Type: application/json\r\nContent-Length: 4096\r\n\r\n%b"
    % (HOST, b"x" * 4096),
}
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: origin\r\nDate: Wed, 25 Nov 2026 22:00:00 GMT\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 13\r\nCache-Control: max-age=60\r\nVary: Accept-Encoding\r\nX-Frame-Options: DENY\r\n"
    b'ETag: "5f3a"\r\n\r\nhello, world\n'
)
WARM, COUNTED = 50, 500


class StillLoop(FakeLoop):
    def add_reader(self, descriptor, callback) -> None:
        """Nothing is ever ready."""


class Memory(Transport):
    """What is written to it is in ``sent``."""

    def __init__(self, poller: Poller) -> None:
        super().__init__(poller, os.eventfd(0))  # never readable: a connection that has not ended
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data

    def write_both(self, first: bytes, second: bytes) -> None:
        self.sent = self.sent + first + second


class StillWorker:
    def __init__(self, log: str) -> None:
        scoreboard = Scoreboard()
        scoreboard.row(RETIRED_ROW)[ROWS] = 1
        loop = StillLoop(0.0)
        context = WorkerContext(scoreboard, 0, b"secret", Poller(loop))
        logs = AccessLogs()
        logs.use({log: os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)})
        config = configuration(f'access_log = "{log}" upstream "app" {{ "127.0.0.1:1" }} route "/" {{ to = "app" }}')
        service = HttpService(context)
        service.use(
            assemble(config, context, service.directory, logs), PeerRegistry(scoreboard).arrange(config)[0].table()
        )
        context.tick()
        (peer,) = service.config.upstreams["app"].peers
        self.peer_end, self.client_end = Memory(context.poller), Memory(context.poller)
        self.peer = PeerConnection(context, peer.pool, self.peer_end)
        self.peer.release(None)
        session = service.session(b"192.0.2.1", "127.0.0.1:1")
        self.client = ServerConnection.__new__(ServerConnection)
        self.client.set_up(context, service, self.client_end, session, False)
        self.poller = context.poller

    def answer(self, request: bytes, times: int) -> None:
        """``times`` requests from a client, one after the other, each with a peer's response."""
        client, peer, near, far, poller = self.client, self.peer, self.client_end, self.peer_end, self.poller
        for _ in range(times):
            client.data_received(request)
            poller.look()
            peer.data_received(RESPONSE)
            poller.look()
            near.sent = far.sent = b""

    def check(self, request: bytes) -> None:
        self.client.data_received(request)
        assert self.peer_end.sent.startswith(request.partition(b" HTTP")[0])
        assert self.peer_end.sent.endswith(request.partition(b"\r\n\r\n")[2])
        self.poller.look()
        self.peer.data_received(RESPONSE)
        self.poller.look()
        assert self.client_end.sent.startswith(b"HTTP/1.1 200 OK\r\n")
        assert self.client_end.sent.endswith(b"hello, world\n")
        self.peer_end.sent = self.client_end.sent = b""


def main() -> None:
    """Writes a file of counts for each of :data:`REQUESTS`, ``counts.2``, ``counts.4``, ...; what comes before warms up."""
    marks = ctypes.CDLL(sys.argv[1])
    worker = StillWorker(str(Path(sys.argv[1]).with_name("access.log")))
    gc.disable()
    for request in REQUESTS.values():
        worker.check(request)
    marks.begin_counting()
    for request in REQUESTS.values():
        worker.answer(request, WARM)
        marks.write_counts(b"warm")
        worker.answer(request, COUNTED)
        marks.write_counts(b"counted")
    os._exit(0)  # what Python does at its end is counted as well, and takes as long


if __name__ == "__main__":
    main()
