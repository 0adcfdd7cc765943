"""Readiness, watchdog, status and socket activation, with a manager's end of each held by the test."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest

from tests.harness import Backend, background_load, free_port, get, run_load, wait_until

ROUTE = 'upstream "app" {{ "{0}" }} route {{ to = "app" }} admin = "off" '


@pytest.fixture(scope="module")
def backend():
    with Backend() as one:
        yield one


class Manager:
    """Listens at a notify socket, and passes sockets to the rsp that it runs."""

    def __init__(self, directory, text, *, sockets=(), names="", watchdog=0.0, workers=2):
        self.directory = directory
        self.messages = []
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(directory / "notify"))
        threading.Thread(target=self._listen, daemon=True).start()
        (directory / "site.lua").write_text(text)
        self._sockets, self._names, self._watchdog, self._workers = sockets, names, watchdog, workers
        self.stderr = directory / "stderr"
        self.start()

    def start(self):
        sockets = self._sockets
        environment = {**os.environ, "NOTIFY_SOCKET": str(self.directory / "notify")}
        if self._watchdog:
            environment["WATCHDOG_USEC"] = str(int(self._watchdog * 1e6))
        if sockets:
            environment |= {"LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": self._names}

        # What sd_listen_fds(3) wants: descriptors from 3 on, and the process's own number.
        code = (
            "import os, sys; os.environ.get('LISTEN_FDS') and os.environ.update(LISTEN_PID=str(os.getpid()));"
            "fds = [int(n) for n in sys.argv[1].split(',') if n];"
            "high = [__import__('fcntl').fcntl(fd, __import__('fcntl').F_DUPFD, 100) for fd in fds];"
            "[os.dup2(fd, 3 + i) for i, fd in enumerate(high)]; [os.close(fd) for fd in high];"
            "os.execv(sys.executable, [sys.executable, '-m', 'rsp', *sys.argv[2:]])"
        )
        numbers = ",".join(str(one.fileno()) for one in sockets)
        with self.stderr.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, numbers, "-w", str(self._workers), "site.lua"],
                cwd=self.directory, env=environment, stderr=stderr, stdout=subprocess.DEVNULL,
                pass_fds=[one.fileno() for one in sockets],
            )  # fmt: skip

    @property
    def log(self):
        return self.stderr.read_text()

    def _listen(self):
        while True:
            self.messages.append((time.monotonic(), self._notify.recv(4096).decode()))

    def said(self, text):
        return any(text in message for _, message in self.messages)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            for one in psutil.Process(self.process.pid).children(recursive=True):
                one.kill()
            self.process.kill()
            self.process.wait()


def listening(**options):
    sock = socket.create_server(("127.0.0.1", 0), backlog=1024, **options)
    return sock, sock.getsockname()[1]


def test_it_tells_when_all_accept_and_what_it_does(tmp_path, backend):
    port = free_port()
    with Manager(tmp_path, f'listen "127.0.0.1:{port}" ' + ROUTE.format(backend.address)) as manager:
        wait_until(lambda: manager.said("READY=1"), "readiness")
        assert get(port).startswith(b"HTTP/1.1 200"), "who says that it is ready accepts"
        assert "Started." in manager.log
        assert manager.said("STATUS=2 workers, 0 connections, version 1")
        manager.process.send_signal(signal.SIGHUP)
        wait_until(lambda: manager.said("RELOADING=1\nMONOTONIC_USEC="), "the reload")
        wait_until(lambda: sum("READY=1" in message for _, message in manager.messages) == 2, "its end")
        assert manager.said("STATUS=Reloaded: version 2")
        assert manager.stop() == 0
        wait_until(lambda: manager.said("STOPPING=1"), "the farewell")


def test_it_is_not_ready_as_long_as_a_worker_does_not_accept(tmp_path, backend):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        text = f'listen "127.0.0.1:{busy.getsockname()[1]}" ' + ROUTE.format(backend.address)
        with Manager(tmp_path, text) as manager:
            assert manager.process.wait(30) == 1
            assert not manager.said("READY")


@pytest.mark.parametrize("who", ["the master", "all workers"])
def test_the_watchdog_hears_nothing_of_who_hangs(tmp_path, backend, who):
    port = free_port()
    with Manager(tmp_path, f'listen "127.0.0.1:{port}" ' + ROUTE.format(backend.address), watchdog=1.5) as manager:
        wait_until(lambda: sum("WATCHDOG=1" in message for _, message in manager.messages) > 2, "signs of life")
        master = psutil.Process(manager.process.pid)
        workers = [one for one in master.children() if "worker" in " ".join(one.cmdline())]
        assert len(workers) == 2
        victims = [master] if who == "the master" else workers
        for victim in victims:
            victim.suspend()
        wait_until(
            lambda: time.monotonic() - max(at for at, message in manager.messages if "WATCHDOG" in message) > 3.0,
            "silence that is longer than the manager's patience",
        )
        for victim in victims:
            victim.resume()
        since = time.monotonic()
        wait_until(lambda: any(at > since and "WATCHDOG" in text for at, text in manager.messages), "life again")


def test_a_restart_with_sockets_that_stay_open_loses_nothing(tmp_path, backend):
    sock, port = listening()
    with (
        sock,
        Manager(tmp_path, f'listen "127.0.0.1:{port}" ' + ROUTE.format(backend.address), sockets=[sock]) as manager,
    ):
        wait_until(lambda: manager.said("READY=1"), "readiness")
        with background_load(port, 16) as load:
            for _ in range(3):
                assert manager.stop() == 0
                manager.messages.clear()
                manager.start()
                wait_until(lambda: manager.said("READY=1"), "readiness")
        assert load.failures == []


@pytest.mark.parametrize("workers", [1, 3])
def test_several_sockets_of_one_address_by_name(tmp_path, backend, workers):
    """One for each worker; with fewer workers nobody waits in vain at the others."""
    first = socket.socket()
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    first.bind(("127.0.0.1", 0))
    second = socket.socket()
    second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    second.bind(first.getsockname())
    port = first.getsockname()[1]
    for one in (first, second):
        one.listen(128)
    text = 'listen "systemd:web" ' + ROUTE.format(backend.address)
    with Manager(tmp_path, text, sockets=[first, second], names="web:web", workers=workers) as manager:
        wait_until(lambda: manager.said("READY=1"), "readiness")
        assert "Listening on systemd:web." in manager.log
        assert run_load(port, 32, 200).failures == []
        assert all(get(port).startswith(b"HTTP/1.1 200") for _ in range(40))


def test_a_unix_socket_and_one_too_many(tmp_path, backend):
    path = str(tmp_path / "web.sock")
    extra, port = listening()
    with socket.socket(socket.AF_UNIX) as sock, extra:
        sock.bind(path)
        sock.listen()
        text = f'listen "unix:{path}" ' + ROUTE.format(backend.address)
        with Manager(tmp_path, text, sockets=[sock, extra], names="web:other") as manager:
            wait_until(lambda: manager.said("READY=1"), "readiness")
            assert f"at no address in the configuration: 127.0.0.1:{port} (other)" in manager.log
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.recv(1000).startswith(b"HTTP/1.1 200")
            assert manager.stop() == 0
        assert os.path.exists(path), "whose socket it is, his is the file"


def test_a_name_that_is_not_passed(tmp_path, backend):
    with Manager(tmp_path, 'listen "systemd:web" ' + ROUTE.format(backend.address)) as manager:
        assert manager.process.wait(30) == 1
        assert 'cannot listen on systemd:web: systemd passed no socket named "web"' in manager.log


def test_the_dual_stack_socket_that_systemd_makes(tmp_path, backend):
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as sock:
        port = sock.getsockname()[1]
        with Manager(tmp_path, f"listen({port}) " + ROUTE.format(backend.address), sockets=[sock]) as manager:
            wait_until(lambda: manager.said("READY=1"), "readiness")
            assert get(port).startswith(b"HTTP/1.1 200")
            assert b"X-Forwarded-For: 127.0.0.1\r\n" in backend.heads[-1]


def test_with_systemds_own_tool(tmp_path, backend, program):
    """It starts rsp with the first connection, which is answered."""
    tool = program("systemd-socket-activate")
    port = free_port()
    (tmp_path / "site.lua").write_text(f'listen "127.0.0.1:{port}" ' + ROUTE.format(backend.address))
    command = [
        tool,
        "-l",
        f"127.0.0.1:{port}",
        *(f"-E{name}={value}" for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "RSP_PURE")),
    ]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, sys.executable, "-m", "rsp", "-w", "2", "site.lua"], cwd=tmp_path, stderr=log
        )
        try:
            wait_until(lambda: "Listening on" in (tmp_path / "log").read_text(), "the tool")
            assert get(port).startswith(b"HTTP/1.1 200")
            assert run_load(port, 8, 100).failures == []
        finally:
            process.terminate()
            assert process.wait(30) == 0


def test_the_journal_gets_priorities_instead_of_times(tmp_path, backend):
    ours, theirs = socket.socketpair()
    status = os.fstat(theirs.fileno())
    (tmp_path / "site.lua").write_text("x = = 1")
    done = subprocess.run(
        [sys.executable, "-m", "rsp", "site.lua"], cwd=tmp_path, stderr=theirs.fileno(), timeout=30, check=False,
        env={**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"},
    )  # fmt: skip
    assert done.returncode == 1
    assert ours.recv(1000).startswith(b"<3>Error parsing config file: site.lua:1:")
    ours.close()
    theirs.close()
