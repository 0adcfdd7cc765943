"""etcd and Redis as processes of a test's own, for what nodes share."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness import wait_until
from tests.ports import free_port

_ETCD_QUICK = ("--heartbeat-interval=50", "--election-timeout=500", "--unsafe-no-fsync")


def program(name: str) -> str:
    """Where it is; a test without it is skipped, unless all have to run."""
    found = shutil.which(name)
    if found is None and not os.environ.get("RSP_TEST_ALL"):
        pytest.skip(f"{name} is not installed")
    return found or name


class Server:
    """A process that can be stopped (as if cut off), continued, killed and started again at the same port."""

    def __init__(self, command: list[str], directory: Path, port: int) -> None:
        self._command = command
        self._directory = directory
        self.port = port
        self.process: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        with (self._directory / "server.log").open("ab") as log:
            self.process = subprocess.Popen(self._command, cwd=self._directory, stdout=log, stderr=log)
        wait_until(self._accepts, f"{self._command[0]} accepts")

    def _accepts(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        tasks = Path(f"/proc/{self.process.pid}/task")
        while any((task / "stat").read_text().rpartition(")")[2].split()[0] != "T" for task in tasks.iterdir()):
            time.sleep(0.001)  # a busy machine takes its time to stop each thread

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def etcd(directory: Path, *more: str) -> Iterator[Server]:
    port, peer = free_port(), free_port()
    client, other = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
    command = [program("etcd"), "--data-dir", str(directory / "etcd"), *_ETCD_QUICK]
    command += ["--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", other]
    command += ["--initial-advertise-peer-urls", other, "--initial-cluster", f"default={other}", *more]
    yield from _running(Server(command, directory, port))


@contextmanager
def redis(directory: Path, *more: str) -> Iterator[Server]:
    port = free_port()
    command = [program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory), *more]
    yield from _running(Server(command, directory, port))


def _running(server: Server) -> Iterator[Server]:
    try:
        yield server
    finally:
        server.kill()
