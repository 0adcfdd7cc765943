"""The fault lab: backends on real sockets that misbehave on demand, and a load that counts.

``Lab`` runs backends in a thread with a loop of its own; what one does can be changed while it runs.
"""

import asyncio
import random
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.certificates import authority
from tests.ports import free_port

RESET = struct.pack("ii", 1, 0)


class Faulty:
    """One backend.  ``fault`` is what it does with the next request:

    ``ok``, ``hang`` (never answers), ``reset`` (before it answers), ``half_head``, ``half_body`` (resets within),
    ``garbage``, ``slow`` (a byte a second), ``error`` (500), ``busy`` (503), ``tenth`` (500 for one request in ten).
    ``delay``: seconds before an answer.  ``tls``: how it speaks TLS, if it does.
    """

    def __init__(self, name: str, tls: ssl.SSLContext | None = None) -> None:
        self.name = name
        self._tls = tls
        self.fault = "ok"
        self.health = "ok"  # what a request for /health gets
        self.delay = 0.0
        self.requests = 0  # /health aside
        self.checks = 0
        self.running = self.most = 0  # requests at once
        self.seen: list[bytes] = []  # request heads, when ``keep`` is set
        self.bodies: list[bytes] = []
        self.keep = False
        self.connections = 0
        self.port = 0
        self._listener: socket.socket | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()  # one for each connection

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def up(self) -> None:
        self.port = self.port or free_port()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=1024)
        self._listener.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    async def down(self) -> None:
        """As when the process is killed: nobody listens, every connection is reset."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for writer in list(self._open):
            _reset(writer)

    def _accept(self, listener: socket.socket) -> None:
        """:func:`asyncio.start_server` will not do: a connection that it has accepted in the moment in which it is
        closed gets no protocol, and stays open until the garbage is collected."""
        with suppress(BlockingIOError):
            while True:
                connection, _ = listener.accept()
                task = asyncio.create_task(self._serve(connection, listener))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: socket.socket, listener: socket.socket) -> None:
        try:
            reader, writer = await _streams(connection, self._tls)
        except OSError:  # the handshake
            connection.close()
            return
        if listener is not self._listener:  # accepted in the moment of its death
            _reset(writer)
            return
        self._open.add(writer)
        self.connections += 1
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await _body(reader, head)
                checked = b" /health " in head.split(b"\r\n")[0]
                if checked:
                    self.checks += 1
                else:
                    self.requests += 1
                    if self.keep:
                        self.seen.append(head)
                        self.bodies.append(body)
                self.running += not checked
                self.most = max(self.most, self.running)
                try:
                    if not await self._answer(self.health if checked else self.fault, writer):
                        return
                finally:
                    self.running -= not checked
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, fault: str, writer: asyncio.StreamWriter) -> bool:
        """Whether to go on with the connection."""
        if self.delay:
            await asyncio.sleep(self.delay)
        name = self.name.encode()
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name)
        if fault == "tenth":
            fault = "error" if random.random() < 0.1 else "ok"
        if fault == "ok":
            writer.write(whole)
        elif fault == "hang":
            await asyncio.sleep(3600)
        elif fault in ("error", "busy"):
            status = b"500 Oops" if fault == "error" else b"503 Busy"
            writer.write(b"HTTP/1.1 %b\r\nContent-Length: 4\r\n\r\noops" % status)
        elif fault == "slow":
            for number in range(len(whole)):
                writer.write(whole[number : number + 1])
                await writer.drain()
                await asyncio.sleep(1.0)
        elif fault == "garbage":
            writer.write(b"\x16\x03\x01 nonsense\r\n\r\n")
        else:
            part = {
                "reset": b"",
                "half_head": whole[:20],
                "half_body": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nab",
            }
            writer.write(part[fault])
            await writer.drain()
            _reset(writer)
            return False
        await writer.drain()
        return True


async def _streams(
    connection: socket.socket, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=tls)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as directory:
        context.load_cert_chain(authority("Lab CA").issue("127.0.0.1").write(Path(directory), "lab"))
    return context


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    lower = head.lower()
    if b"content-length:" in lower:
        return await reader.readexactly(int(lower.partition(b"content-length:")[2].split(b"\r\n")[0]))
    body = b""
    if b"transfer-encoding:" in lower:
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    return body


@contextmanager
def without_descriptors() -> Iterator[str]:
    """The address of a backend that has but 16 descriptors: it accepts some connections and lets the others wait."""
    program = (
        "import resource, time; resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16));"
        "from tests.harness import Backend; one = Backend(name='poor');"
        "print(one.address, flush=True); time.sleep(3600)"
    )
    poor = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield poor.stdout.readline().strip()
    finally:
        poor.kill()
        poor.wait()


class Lab:
    """``backends`` that listen, in order.  Their loop runs in a thread; :meth:`call` does things there."""

    def __init__(self, count: int = 3, *, over_tls: bool = False) -> None:
        self._security = "tls = { verify = false }," if over_tls else ""
        tls = _tls() if over_tls else None
        self.backends = [Faulty(f"b{number}", tls) for number in range(count)]
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        for backend in self.backends:
            self.call(backend.up())

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def kill(self, backend: Faulty) -> None:
        self.call(backend.down())

    def start(self, backend: Faulty) -> None:
        self.call(backend.up())

    @staticmethod
    def listens(backend: Faulty) -> bool:
        return backend._listener is not None

    def __enter__(self) -> "Lab":
        return self

    def __exit__(self, *_: object) -> None:
        for backend in self.backends:
            self.call(backend.down())
        self.call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _end(self) -> None:
        """Whoever hangs does so no more."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def site(self, options: str = "", *, peers: str | None = None, extra: str = "") -> str:
        """A configuration with all backends in upstream ``app``."""
        listed = peers if peers is not None else ", ".join(f'"{one.address}"' for one in self.backends)
        return (
            f'listen "127.0.0.1:{{port}}"\nupstream "app" {{ {listed}, {self._security} {options} }}\n'
            f'route {{ to = "app" }}\n{extra}\n'
        )


@dataclass
class Count:
    """What a load has seen.  ``seconds``: of each answer, in order of their ends."""

    statuses: Counter[int] = field(default_factory=Counter)
    bodies: Counter[bytes] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def sent(self) -> int:
        return sum(self.statuses.values()) + len(self.broken)

    @property
    def failed(self) -> int:
        return self.sent - self.statuses[200]

    def quantile(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def _client(
    port: int, count: Count, stop: Callable[[], bool], request: Callable[[], bytes], pause: float
) -> None:
    reader = writer = None
    while not stop():
        started = time.monotonic()
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request())
            head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 90)).lower()
            length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
            body = await asyncio.wait_for(reader.readexactly(length), 90)
            count.statuses[int(head[9:12])] += 1
            count.bodies[body] += 1
            if b"connection: close" in head:
                writer.close()
                writer = None
        except (OSError, ValueError, asyncio.IncompleteReadError, TimeoutError) as error:
            count.broken.append(repr(error))
            if writer is not None:
                writer.close()
            writer = None
            await asyncio.sleep(0.01)
        count.seconds.append(time.monotonic() - started)
        if pause:
            await asyncio.sleep(pause)
    if writer is not None:
        writer.close()


GET = b"GET /load HTTP/1.1\r\nHost: test\r\n\r\n"


def load(
    port: int,
    connections: int,
    *,
    requests: int = 10**9,
    seconds: float = 1e9,
    request: bytes | Callable[[], bytes] = GET,
    pause: float = 0.0,
    stop: threading.Event | None = None,
) -> Count:
    """Keep-alive connections, each with one request after the other; until ``requests``, ``seconds`` or ``stop``."""
    count = Count()
    left = [requests]
    end = time.monotonic() + seconds

    def over() -> bool:
        left[0] -= 1
        return left[0] < 0 or time.monotonic() > end or (stop is not None and stop.is_set())

    make = request if callable(request) else lambda: request

    async def main() -> None:
        await asyncio.gather(*(_client(port, count, over, make, pause) for _ in range(connections)))

    asyncio.run(main())
    return count


@contextmanager
def under_load(port: int, connections: int, **options) -> Iterator[Count]:
    """While the block runs; look at the result after it."""
    stop = threading.Event()
    result = Count()

    def run() -> None:
        found = load(port, connections, stop=stop, **options)
        result.statuses, result.bodies, result.broken = found.statuses, found.bodies, found.broken
        result.seconds = found.seconds

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield result
    finally:
        stop.set()
        thread.join()
