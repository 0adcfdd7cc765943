"""Real processes, real sockets: what the process-level tests are made of.

Everything here waits for a condition, never for a time.
"""

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.over_tls import secured
from tests.ports import free_port
from tests.starts import run, start

PATIENCE = 30.0


def wait_until(condition: Callable[[], object], what: str = "condition", patience: float = PATIENCE) -> None:
    give_up, pause = time.monotonic() + patience, 0.01
    while not condition():
        assert time.monotonic() < give_up, f"waited too long for: {what}"
        time.sleep(pause)
        pause = min(pause * 1.3, 0.15)  # many conditions cost a process of their own


class Rsp:
    """A running ``rsp`` on a configuration text; ``{port}`` in the text is a free port.

    ``program``: executed, as a module, where the test is not to get a fork (tests/starts.py).
    """

    def __init__(
        self, directory: Path, text: str, workers: int | None = 1, *, started: bool = True, program: str = ""
    ) -> None:
        self.directory = directory
        self.port = free_port()
        self.file = directory / "site.lua"
        self.stderr = directory / "stderr"
        self.stdout = directory / "stdout"
        self.write(text)
        arguments = [*(["-w", str(workers)] if workers else []), "site.lua"]
        with self.stderr.open("wb") as stderr, self.stdout.open("wb") as stdout:
            self.process = start(directory, arguments, stdout, stderr, program)
        self.reloads = 0
        if started:
            wait_until(lambda: "Started." in self.log or self.process.poll() is not None, "Started")
            assert self.process.poll() is None, self.log

    def write(self, text: str) -> None:
        text = secured(text, self.port).replace("{port}", str(self.port))
        self.file.write_text('admin = "admin.sock" ' + text)

    @property
    def log(self) -> str:
        return self.stderr.read_text(errors="replace")

    @property
    def access_log(self) -> str:
        return self.stdout.read_text(errors="replace")

    def workers(self) -> dict[int, int]:
        """Pid of the worker in each slot, by process title."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            try:
                title = re.match(r"rsp: worker (\d+)", " ".join(child.cmdline()))
            except psutil.Error:
                continue
            if title and child.status() != psutil.STATUS_ZOMBIE:
                found[int(title[1])] = child.pid
        return found

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def reload(self, text: str | None = None) -> None:
        """HUP, and wait until it is done."""
        if text is not None:
            self.write(text)
        before = self.log.count("Reloaded:") + self.log.count("Reload refused")
        self.signal(signal.SIGHUP)
        wait_until(lambda: self.log.count("Reloaded:") + self.log.count("Reload refused") > before, "reload")

    def admin(self, path: str, order: object = None) -> dict:
        """Ask the admin interface; with ``order``, by POST."""
        connection = http.client.HTTPConnection("rsp", timeout=PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.directory / "admin.sock"))
        try:
            connection.request("GET" if order is None else "POST", path, None if order is None else json.dumps(order))
            response = connection.getresponse()
            return {"http_status": response.status, **json.loads(response.read())}
        finally:
            connection.close()

    def rspctl(self, *arguments: str) -> subprocess.CompletedProcess:
        return run(self.directory, "rsp.rspctl", "-s", "admin.sock", *arguments)

    def peers(self, upstream: str = "app") -> dict[str, dict]:
        """The peers of an upstream, by address."""
        return {one["peer"]: one for one in self.admin("/peers")["peers"] if one["upstream"] == upstream}

    def state(self, address: str, upstream: str = "app") -> str:
        return self.peers(upstream)[address]["state"]

    def stop(self) -> int:
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def kill(self) -> None:
        with suppress(psutil.NoSuchProcess):  # it was ending anyway
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> "Rsp":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
        if kind is None:
            assert "Unexpected" not in self.log, self.log  # how rsp tells of its own defects


def run_rsp(directory: Path, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess:
    """``rsp`` that ends by itself; ``text``: its site.lua."""
    if text is not None:
        (directory / "site.lua").write_text(text)
    return run(directory, "rsp.cli", *arguments)


Handler = Callable[[socket.socket, bytes, bytes], bool]


class Backend:
    """A threaded backend on a real socket.

    ``handler(connection, head, rest)`` answers one request, ``rest`` being what came with the head; it returns
    whether to go on with the connection.  Every head received is in ``heads``.
    """

    def __init__(
        self,
        handler: Handler | None = None,
        *,
        name: str = "one",
        unix: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.name = name
        self.heads: list[bytes] = []
        self.connections = 0
        self._handler = handler or self._answer
        self.open: set[socket.socket] = set()
        self._closed = False
        self._listener = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(unix or (host, port or free_port()))
        self._listener.listen(512)
        self.port = 0 if unix else self._listener.getsockname()[1]
        self.address = f"unix:{unix}" if unix else f"{host}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if connection.family == socket.AF_INET:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self.open.add(connection)
            if self._closed:  # it was accepted in that moment
                connection.close()
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        data = b""
        try:
            while True:
                while b"\r\n\r\n" not in data:
                    more = connection.recv(65536)
                    if not more:
                        return
                    data += more
                head, _, rest = data.partition(b"\r\n\r\n")
                if b"User-Agent: rsp-init" not in head:  # another test's ``rsp init`` looks who listens
                    self.heads.append(head + b"\r\n\r\n")
                data = b""
                if not self._handler(connection, head + b"\r\n\r\n", rest):
                    return
        except OSError:
            pass
        finally:
            connection.close()
            self.open.discard(connection)

    def _answer(self, connection: socket.socket, head: bytes, rest: bytes) -> bool:
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        missing = int(length[1]) - len(rest) if length else 0
        while missing > 0:
            missing -= len(receive(connection, min(missing, 65536)))
        body = self.name.encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        return True

    def close(self) -> None:
        """Stop listening and reset what is open."""
        self._closed = True
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self) -> "Backend":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def answering(data: bytes, *, keep: bool = True) -> Handler:
    """A handler that answers with exactly these bytes."""

    def handler(connection: socket.socket, head: bytes, rest: bytes) -> bool:
        connection.sendall(data)
        return keep

    return handler


@contextmanager
def hanging_backend() -> Iterator[Backend]:
    """Its requests are never answered."""
    end = threading.Event()

    def hang(connection: socket.socket, head: bytes, rest: bytes) -> bool:
        end.wait(60)
        return False

    with Backend(hang) as backend:
        yield backend
    end.set()


def exchange(port: int, data: bytes, *, half_close: bool = False, patience: float = PATIENCE) -> bytes:
    """Send raw bytes on a new connection; everything that comes back until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as client:
        client.sendall(data)
        if half_close:
            client.shutdown(socket.SHUT_WR)
        received = b""
        while more := client.recv(65536):
            received += more
        return received


def receive(sock: socket.socket, most: int) -> bytes:
    """What comes next, for loops that wait for more: an end is an error, or they would spin for the rest of the run."""
    data = sock.recv(most)
    if not data:
        raise ConnectionError("the other side has ended")
    return data


def accepts(port: int) -> bool:
    """Whether a connection to it can be made."""
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE).close()
    except OSError:
        return False
    return True


def get(port: int, path: str = "/", host: str = "test", extra: str = "") -> bytes:
    """One GET on a connection of its own; the whole response as bytes."""
    return exchange(port, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{extra}\r\n".encode())


@dataclass
class Load:
    """What a load has seen: bodies of good answers, and what went wrong.

    ``pause``: seconds that each client waits after an answer.
    """

    pause: float = 0.0
    bodies: Counter[bytes] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def good(self) -> int:
        return sum(self.bodies.values())


async def _client(port: int, load: Load, quota: list[int], stop: threading.Event) -> None:
    """One keep-alive client; a connection that the server closes in good order after an answer is opened again."""
    reader = writer = None
    request = b"GET /load HTTP/1.1\r\nHost: test\r\n\r\n"
    while quota[0] > 0 and not stop.is_set():
        quota[0] -= 1
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
            length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
            body = await asyncio.wait_for(reader.readexactly(length), PATIENCE)
            if head.startswith(b"HTTP/1.1 200"):
                load.bodies[body] += 1
            else:
                load.failures.append(head.split(b"\r\n")[0].decode())
            if b"connection: close" in head.lower():
                writer.close()
                writer = None
            if load.pause:
                await asyncio.sleep(load.pause)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            load.failures.append(repr(error))
            await asyncio.sleep(0.01)  # a refusal comes without a suspension: the other clients would starve
            if writer is not None:
                writer.close()
            writer = None
    if writer is not None:
        writer.close()


def run_load(
    port: int, connections: int, requests: int, stop: threading.Event | None = None, load: Load | None = None
) -> Load:
    load = Load() if load is None else load
    quota = [requests]

    async def main() -> None:
        event = stop or threading.Event()
        await asyncio.gather(*(_client(port, load, quota, event) for _ in range(connections)))

    asyncio.run(main())
    return load


@contextmanager
def background_load(port: int, connections: int, at_least: int = 100, pause: float = 0.0) -> Iterator[Load]:
    """Full load while the block runs, and until ``at_least`` requests were answered, or one was not."""
    stop = threading.Event()
    load = Load(pause)
    thread = threading.Thread(target=run_load, args=(port, connections, 10**9, stop, load))
    thread.start()
    try:
        yield load
        wait_until(lambda: load.good > at_least or load.failures, f"{at_least} requests")
    finally:
        stop.set()
        thread.join()


def resident(pid: int) -> int:
    return psutil.Process(pid).memory_info().rss


def proxy_to(*addresses: str, extra: str = "") -> str:
    peers = ", ".join(f'"{address}"' for address in addresses)
    return f'listen "127.0.0.1:{{port}}"\nupstream "app" {{ {peers} }}\nroute {{ to = "app" }}\n{extra}\n'


def is_root() -> bool:
    return os.geteuid() == 0


def as_root() -> str:
    """For the configuration of a test whose peers are unix sockets in a directory of its own, which may be root's."""
    return ' user = "root" ' if is_root() else ""
