"""Starts of rsp that import nothing: one process for each process of tests has imported rsp, and forks for each start.

A start costs a third of a second of processor time, nearly all of it imports, and the tests start rsp a thousand times.
From ``main`` on everything is as with ``python -m rsp``: arguments, directory, output, process group, exit status.
Not the same: the parent, and that modules which only children need are there before the fork.  So tests of what is
loaded, of memory, and of the command line start a real one; and so does any test that has changed its environment or
its limits.
"""

import functools
import gc
import importlib
import io
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

_LIMITS = (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_DATA)
_PATIENCE = 60.0
_IMPORTED = (
    "rsp.cli", "rsp.master", "rsp.supervise.fleet", "rsp.worker", "rsp.control.process", "rsp.loader",
    "rsp.lua.evaluate", "rsp.tls.reader", "rsp.commands.rehearsal", "uvloop", "ssl",
)  # fmt: skip


class Started:
    """A running rsp, with the methods of :class:`subprocess.Popen` that tests use."""

    def __init__(self, pid: int, end: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._end = end
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        with self._lock:
            if self.returncode is None:
                self._end.settimeout(timeout)
                try:
                    said = self._end.recv(100)
                except (TimeoutError, BlockingIOError):
                    raise subprocess.TimeoutExpired("rsp", timeout or 0) from None
                self.returncode = int(said)
                self._end.close()
            return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    directory: Path,
    arguments: list[str],
    stdout: IO[bytes],
    stderr: IO[bytes],
    program: str,
    like: "Like | None" = None,
) -> Started | subprocess.Popen:
    """``program``: a module to execute; without one it is rsp, forked if forks have the conditions of this process."""
    if like is not None or (not program and _conditions() == _stem().conditions):
        return _stem().start(directory, arguments, stdout, stderr, like or Like())
    command = [sys.executable, "-m", program or "rsp", *arguments]
    return subprocess.Popen(command, cwd=directory, stdout=stdout, stderr=stderr)


def run(directory: Path, main: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself; ``main``: its module.  Forked as well, if forks have the conditions of this process."""
    if _conditions() != _stem().conditions:
        command = [sys.executable, "-m", main.removesuffix(".cli"), *arguments]
        return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = _stem().start(directory, list(arguments), stdout, stderr, Like(main=main, imported=[main]))
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        said = []
        for file in (stdout, stderr):
            file.seek(0)
            said.append(io.TextIOWrapper(file).read())
    return subprocess.CompletedProcess([main, *arguments], process.returncode, *said)


def _conditions() -> tuple[object, ...]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return environment, [resource.getrlimit(each) for each in _LIMITS]


class Like(NamedTuple):
    """What else a fork has: more of the environment, another ``main``, modules that are imported before the fork."""

    environment: dict[str, str] = {}
    main: str = "rsp.cli"
    imported: list[str] = []


class _Stem:
    """The process that forks."""

    def __init__(self) -> None:
        self.conditions = _conditions()
        self._lock = threading.Lock()
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.starts", str(theirs.fileno())]
        self._process = subprocess.Popen(command, cwd=Path(__file__).parent.parent, pass_fds=[theirs.fileno()])
        theirs.close()

    def start(self, directory: Path, arguments: list[str], stdout: IO[bytes], stderr: IO[bytes], like: Like) -> Started:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        order = json.dumps({"directory": str(directory), "arguments": arguments, **like._asdict()}).encode()
        with self._lock, theirs:
            socket.send_fds(self._orders, [order], [stdout.fileno(), stderr.fileno(), theirs.fileno()])
        return Started(int(ours.recv(100)), ours)


_stem = functools.cache(_Stem)


def _serve(orders: socket.socket) -> dict | None:
    """Fork for each order, and tell the status of those that end.  In a fork: the order; ``None`` at the end."""
    poll = select.poll()
    poll.register(orders, select.POLLIN)
    running: dict[int, tuple[int, socket.socket]] = {}
    while True:
        for descriptor, _ in poll.poll():
            if descriptor != orders.fileno():
                poll.unregister(descriptor)
                os.close(descriptor)
                pid, end = running.pop(descriptor)
                _say(end, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                end.close()
                continue
            data, descriptors, _, _ = socket.recv_fds(orders, 65536, 3)
            if not data:
                return None
            order = json.loads(data)
            for name in order["imported"]:
                importlib.import_module(name)
            pid = os.fork()
            if pid == 0:
                _become(order, *descriptors[:2])
                for left in (orders, *(end for _, end in running.values())):
                    left.close()
                for left in (*descriptors, *running):
                    os.close(left)
                return order
            os.close(descriptors[0])
            os.close(descriptors[1])
            end = socket.socket(fileno=descriptors[2])
            _say(end, pid)
            watched = os.pidfd_open(pid)
            running[watched] = pid, end
            poll.register(watched, select.POLLIN)


def _say(end: socket.socket, number: int) -> None:
    with suppress(OSError):  # the test has ended
        end.send(str(number).encode())


def _become(order: dict, stdout: int, stderr: int) -> None:
    os.chdir(order["directory"])
    os.environ.update(order["environment"])
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    sys.argv[1:] = order["arguments"]
    sys.orig_argv[:] = [sys.executable, "-m", "rsp", *order["arguments"]]  # what an upgrade starts


def _main() -> None:
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        for name in _IMPORTED:
            importlib.import_module(name)
        importlib.import_module("rsp.lua.runtime").engine()
        gc.collect()
        gc.freeze()  # a collection in a fork would copy every page
        try:
            order = _serve(orders)
        except KeyboardInterrupt:
            return
    if order is not None:
        sys.exit(importlib.import_module(order["main"]).main(order["arguments"]))


if __name__ == "__main__":
    _main()
