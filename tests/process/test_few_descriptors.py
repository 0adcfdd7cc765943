"""Low limits of open files: an error at the start that says the number, or service; nothing in between."""

import contextlib
import re
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rsp.system.descriptors import Room
from tests.harness import Backend, free_port, get, wait_until

NEEDED = re.compile(r"ulimit -n \d+: too few open files are allowed: .* need (\d+); raise the limit")


class Limited:
    """rsp that may open so many files."""

    def __init__(self, directory: Path, limit: int, text: str, workers: int = 1) -> None:
        self.directory = directory
        self.write(text)
        self._stderr = (directory / "stderr").open("wb")
        command = [sys.executable, "-m", "rsp", "-w", str(workers), "site.lua"]
        self.process = subprocess.Popen(
            command,
            cwd=directory,
            stdout=subprocess.DEVNULL,
            stderr=self._stderr,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
        )
        self.wait(lambda: "Started." in self.log or self.process.poll() is not None)

    def write(self, text: str) -> None:
        (self.directory / "site.lua").write_text(f'admin = "admin.sock" access_log = "access.log" {text}')

    @property
    def log(self) -> str:
        return (self.directory / "stderr").read_text()

    def wait(self, condition) -> None:
        wait_until(condition, "rsp")

    def reload(self, text: str) -> None:
        self.write(text)
        before = len(re.findall("Reload", self.log))
        self.process.send_signal(signal.SIGHUP)
        self.wait(lambda: len(re.findall("Reload", self.log)) > before)

    def needed(self) -> int:
        assert self.process.wait(20) == 1
        assert "Traceback" not in self.log
        return int(NEEDED.search(self.log)[1])

    def close(self) -> None:
        self._stderr.close()
        if self.process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(self.process.pid).children(recursive=True):
                    child.kill()
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def limited(directory: Path, limit: int, text: str, workers: int = 1) -> Iterator[Limited]:
    one = Limited(directory, limit, text, workers)
    try:
        yield one
    finally:
        one.close()


def site(backend: Backend, ports: list[int], extra: str = "") -> str:
    listeners = " ".join(f'listen "127.0.0.1:{port}"' for port in ports)
    return f'{listeners} upstream "app" {{ "{backend.address}" }} route {{ to = "app" }} {extra}'


HOOKS = "function on_request(req) end"


@pytest.mark.parametrize(
    ("workers", "listeners", "extra"), [(1, 1, ""), (1, 1, HOOKS), (8, 6, ""), (1, 20, "")], ids=str
)
def test_the_number_that_the_error_names_is_enough(tmp_path, workers, listeners, extra):
    ports = [free_port() for _ in range(listeners)]
    with Backend() as backend:
        text = site(backend, ports, extra)
        with limited(tmp_path, 48, text, workers) as rsp:
            number = rsp.needed()
        with limited(tmp_path, number, text, workers) as rsp:
            assert rsp.process.poll() is None, rsp.log
            clients = [socket.create_connection(("127.0.0.1", ports[0])) for _ in range(8)]
            for client in clients:
                client.settimeout(20)
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            answers = [client.recv(4096) for client in clients]
            assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers), answers
            rsp.reload(text + "-- changed")
            assert "Reloaded" in rsp.log
            for child in psutil.Process(rsp.process.pid).children():
                child.kill()
            rsp.wait(lambda: "is restarted" in rsp.log)
            for client in clients:
                client.close()
            rsp.wait(lambda: serves(ports[-1]))
            rsp.process.send_signal(signal.SIGTERM)
            assert rsp.process.wait(20) == 0
            assert not re.search("open files|Traceback|Unexpected", rsp.log), rsp.log


def serves(port: int) -> bool:
    with contextlib.suppress(OSError):
        return get(port).startswith(b"HTTP/1.1 200")
    return False


def test_the_first_clients_were_told_that_they_were_too_many(tmp_path):
    """64 to 96 descriptors: a fixed reserve of 100 left none."""
    port = free_port()
    with Backend() as backend, limited(tmp_path, 64, site(backend, [port])) as rsp:
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(150)]
        try:
            for client in idle[:5]:
                client.settimeout(20)
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.recv(4096).startswith(b"HTTP/1.1 200")
        finally:
            for client in idle:
                client.close()
        rsp.wait(lambda: serves(port))
        assert "Cannot accept" not in rsp.log


def test_a_reload_that_needs_more_than_there_is_is_refused(tmp_path):
    port = free_port()
    with Backend() as backend, limited(tmp_path, 96, site(backend, [port])) as rsp:
        rsp.reload(site(backend, [port, *(free_port() for _ in range(40))]))
        assert re.search(r"Reload refused, the running configuration stays: " + NEEDED.pattern, rsp.log)
        assert serves(port)
        rsp.reload(site(backend, [port]))
        assert "Reloaded" in rsp.log


def test_one_worker_more_than_there_are_descriptors_for(tmp_path):
    ports = [free_port() for _ in range(7)]
    with Backend() as backend, limited(tmp_path, 78, site(backend, ports)) as rsp:
        for before in range(6):
            rsp.process.send_signal(signal.SIGTTIN)
            rsp.wait(lambda before=before: rsp.log.count("workers.") > before)
        assert NEEDED.search(rsp.log)
        assert serves(ports[0])


@pytest.mark.soak
def test_idle_connections_to_many_peers_took_the_descriptors_of_clients(tmp_path):
    port = free_port()
    peers = ", ".join(f'"127.0.0.{number}:PORT"' for number in range(1, 101))
    with Backend(host="0.0.0.0") as backend:
        text = f'listen "127.0.0.1:{port}" upstream "app" {{ {peers} }} route {{ to = "app" }}'
        with limited(tmp_path, 80, text.replace("PORT", str(backend.port))):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.settimeout(20)
                for _ in range(200):
                    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    assert client.recv(4096).startswith(b"HTTP/1.1 200")
            assert serves(port)
        lines = (tmp_path / "access.log").read_text().splitlines()
        assert all(line.count("127.0.0.") == 2 for line in lines), "a request was tried twice"


@pytest.mark.soak
def test_checks_of_many_peers_took_them_for_down(tmp_path):
    port = free_port()
    peers = ", ".join(f'"127.0.0.{number}:PORT"' for number in range(1, 121))
    with Backend(host="0.0.0.0") as backend:
        text = (
            f'listen "127.0.0.1:{port}" upstream "app" {{ {peers}, health = {{ path = "/", interval = "300ms", timeout = "300ms" }} }} '
            'route { to = "app" }'
        )
        with limited(tmp_path, 64, text.replace("PORT", str(backend.port))) as rsp:
            rsp.wait(lambda: len(backend.heads) > 500)
            assert "is down" not in rsp.log and "is doubtful" not in rsp.log


def test_more_connections_than_there_is_room_for_are_told_and_not_taken(tmp_path):
    port = free_port()
    with Backend() as backend, limited(tmp_path, 128, site(backend, [port], "limits = { connections = 5000 }")) as rsp:
        assert re.search(r"limits.connections = 5000 needs 10106 open files in a worker; with 128 it serves", rsp.log)
        with contextlib.ExitStack() as stack:
            idle = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(60)]
            idle[0].settimeout(20)
            idle[0].sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert idle[0].recv(4096).startswith(b"HTTP/1.1 200")


def test_room_grows_with_the_limit_and_shrinks_with_listeners(monkeypatch):
    rooms = []
    for limit in (40, 64, 96, 128, 256, 1024, 1 << 20):
        monkeypatch.setattr("rsp.system.descriptors.limit", lambda limit=limit: limit)
        one, many = Room.of(1), Room.of(10)
        assert one.clients >= many.clients >= 1
        assert one.clients * 2 + one.lingering <= max(limit, 64)
        rooms.append(one.clients)
    assert rooms == sorted(rooms)
    assert rooms[1] >= 8
