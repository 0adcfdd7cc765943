"""Standard error and standard output that take no more: nothing waits for them, in any process."""

import contextlib
import fcntl
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from tests.harness import Backend, accepts, free_port, get, is_root, receive, run_load, wait_until

CHATTY = 'function on_request(req) print(req.headers["User-Agent"]) end'
LONG = "User-Agent: " + "u" * 4000 + "\r\n"
ADMIN = 'admin = "admin.sock" worker_timeout = "10s" '  # a process that blocks for longer is a failure


@contextlib.contextmanager
def serving(
    tmp_path: Path, extra: str = "", *, workers: int = 2, prefix: Sequence[str] = (), **streams: object
) -> Iterator[tuple[subprocess.Popen, int]]:
    """rsp with these standard streams, once it accepts; it has to end in good order."""
    port = free_port()
    with Backend() as backend:
        (tmp_path / "site.lua").write_text(
            f'{ADMIN} listen "127.0.0.1:{port}" upstream "app" {{ "{backend.address}" }} route {{ to = "app" }} {extra}'
        )
        process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "rsp", "-w", str(workers), "site.lua"], cwd=tmp_path, **streams
        )
        try:
            wait_until(lambda: (tmp_path / "admin.sock").exists() or process.poll() is not None, "rsp")
            wait_until(lambda: accepts(port) or process.poll() is not None, "rsp")
            assert process.poll() is None
            yield process, port
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            if process.poll() is None:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
                process.kill()
                process.wait()


def fill(port: int, number: int = 60) -> None:
    """Each request makes more than 4 KB of log; together more than a pipe, terminal or socket holds."""
    for _ in range(number):
        assert get(port, extra=LONG).startswith(b"HTTP/1.1 200")


def abort_all(process: subprocess.Popen) -> None:
    """faulthandler writes the stacks of workers and control process; others replace them."""

    def pids() -> set[int]:
        return {child.pid for child in psutil.Process(process.pid).children()}

    before = pids()
    for pid in before:
        os.kill(pid, signal.SIGABRT)
    wait_until(lambda: len(pids() - before) == len(before) and not pids() & before, "all are replaced")


def unread_pipe() -> tuple[int, int]:
    return os.pipe()


def unread_terminal() -> tuple[int, int]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    return master, slave


def stopped_terminal() -> tuple[int, int]:
    master, slave = pty.openpty()
    termios.tcflow(slave, termios.TCOOFF)  # Ctrl-S
    return master, slave


def unread_socket() -> tuple[int, int]:
    """As the journal's."""
    ours, theirs = socket.socketpair()
    return ours.detach(), theirs.detach()


def unread_datagrams() -> tuple[int, int]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    return ours.detach(), theirs.detach()


UNREAD = [unread_pipe, unread_terminal, stopped_terminal, unread_socket, unread_datagrams]


@pytest.mark.parametrize("make", UNREAD)
def test_standard_error_that_is_not_read_blocked_workers_and_then_the_master(tmp_path, make):
    ours, theirs = make()
    try:
        before = os.get_blocking(theirs)
        with serving(tmp_path, CHATTY, stdout=subprocess.DEVNULL, stderr=theirs) as (process, port):
            fill(port)
            abort_all(process)
            fill(port, 5)
            process.send_signal(signal.SIGHUP)
            process.send_signal(signal.SIGUSR1)
            fill(port, 5)
        assert os.get_blocking(theirs) == before  # others that write there did not ask for anything else
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("make", UNREAD)
def test_standard_output_that_is_not_read_blocked_a_worker(tmp_path, make):
    ours, theirs = make()
    try:
        with serving(tmp_path, stdout=theirs, stderr=subprocess.DEVNULL) as (_, port):
            assert run_load(port, 8, 3000).good == 3000
        assert os.get_blocking(theirs)
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.skipif(not is_root(), reason="needs rights to give up")
@pytest.mark.parametrize("make", [unread_pipe, unread_terminal, unread_socket])
def test_an_access_log_turned_on_by_a_reload_blocked_a_worker_without_rights(tmp_path, make):
    ours, theirs = make()
    try:
        with (
            (tmp_path / "log").open("wb") as log,
            serving(tmp_path, 'access_log = "off"', stdout=theirs, stderr=log) as (process, port),
        ):
            file = tmp_path / "site.lua"
            file.write_text(file.read_text().replace('access_log = "off"', 'access_log = "stdout"'))
            process.send_signal(signal.SIGHUP)
            wait_until(lambda: "Reloaded" in (tmp_path / "log").read_text(), "the reload")
            assert run_load(port, 8, 3000).good == 3000
            assert b'"GET /load HTTP/1.1" 200' in os.read(ours, 65536)
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.skipif(not is_root() or not shutil.which("setpriv"), reason="needs another user")
@pytest.mark.parametrize("make", [unread_pipe, unread_terminal, stopped_terminal])
def test_streams_that_belong_to_another_user_blocked(tmp_path, make):
    """They cannot be opened anew: `sudo -u app rsp site.lua | logger`."""
    ours, theirs = make()
    os.fchown(theirs, 65534, 65534)
    os.fchmod(theirs, 0o600)
    without = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    try:
        with serving(tmp_path, CHATTY, prefix=without, stdout=theirs, stderr=theirs) as (process, port):
            own = os.stat(f"/proc/{process.pid}/fd/2").st_ino
            assert own != os.fstat(theirs).st_ino, "it can be opened: nothing is tested"
            fill(port)
            abort_all(process)
            fill(port, 5)
    finally:
        os.close(ours)
        os.close(theirs)


def test_lines_that_standard_error_did_not_take_are_counted_when_it_takes_more(tmp_path):
    ours, theirs = unread_pipe()
    try:
        with serving(tmp_path, CHATTY, workers=1, stdout=subprocess.DEVNULL, stderr=theirs) as (_, port):
            fill(port, 40)
            os.set_blocking(ours, False)
            read = bytearray()

            def told() -> object:
                with contextlib.suppress(BlockingIOError):
                    read.extend(os.read(ours, 65536))
                return re.search(rb"\] (\d+) lines of this log were lost: standard error took no more\n", read)

            wait_until(told, "the number of lost lines")
            printed = len(re.findall(rb"\] [^\n]*u{4000}\n", read))
            assert printed + int(told()[1]) >= 40
            get(port, extra="User-Agent: later\r\n")
            wait_until(lambda: told() and b"later\n" in read, "lines go on")
        assert all(re.match(rb"\[\d{4}-|    |$", line) for line in read.split(b"\n")[1:]), "no line is torn"
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_line_that_is_longer_than_a_pipe_takes_at_once_is_folded(tmp_path):
    with (tmp_path / "log").open("wb") as log:
        reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=log)
    script = 'function on_request(req) print(("x"):rep(20000)) end'
    with serving(tmp_path, script, stdout=subprocess.DEVNULL, stderr=reader.stdin.fileno()) as (_, port):
        get(port)
        wait_until(lambda: (tmp_path / "log").read_text().count("x") >= 20000, "all of it")
    reader.stdin.close()
    reader.wait()
    lines = (tmp_path / "log").read_text().splitlines()
    assert all(re.match(r"\[\d{4}-|    x", line) and len(line) < 4096 for line in lines)


def test_the_journal_has_priorities_and_stacks_too(tmp_path):
    """Its socket cannot be opened anew: a stack that a process writes past the log reaches it by way of the master."""
    ours, theirs = socket.socketpair()
    status = os.fstat(theirs.fileno())
    journal = {**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
    with ours, theirs:
        with serving(tmp_path, workers=1, stdout=subprocess.DEVNULL, stderr=theirs.fileno(), env=journal) as (
            process,
            _,
        ):
            read = bytearray(ours.recv(65536))
            worker = next(
                child for child in psutil.Process(process.pid).children() if "worker" in " ".join(child.cmdline())
            )
            worker.send_signal(signal.SIGABRT)
            ours.settimeout(20)
            while b"Fatal Python error: Aborted" not in read:
                read += receive(ours, 65536)
            assert re.search(rb"^<6>Started\.", read, re.M)
            assert psutil.Process(process.pid).is_running()


def test_an_upgrade_goes_on_with_the_same_streams(tmp_path):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs_before = os.get_blocking(theirs.fileno())
        with serving(tmp_path, workers=1, stdout=theirs.fileno(), stderr=theirs.fileno()) as (process, port):
            read = bytearray(ours.recv(65536))
            ours.settimeout(20)
            process.send_signal(signal.SIGUSR2)
            while b"Upgraded: the new master" not in read:
                read += receive(ours, 65536)
            successor = int(re.search(rb"the new master \(pid (\d+)\)", read)[1])
            assert process.wait(20) == 0
            assert read.count(b"Started.") == 2
            get(port, "/through-the-new-one")
            while b"/through-the-new-one" not in read:
                read += receive(ours, 65536)
            os.kill(successor, signal.SIGTERM)
            wait_until(lambda: not psutil.pid_exists(successor), "the end of the new one")
        assert os.get_blocking(theirs.fileno()) == theirs_before


def test_a_terminal_stopped_what_wrote_to_it_in_the_background(tmp_path):
    """`stty tostop; rsp site.lua &`: writing raises SIGTTOU, which stops a process, or is handled without end."""
    master, slave = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    port = free_port()
    (tmp_path / "site.lua").write_text(
        f'{ADMIN} listen "127.0.0.1:{port}" {CHATTY} route {{ respond = {{ status = 200 }} }}'
    )
    script = f"stty tostop; set -m; {sys.executable} -m rsp -w 1 site.lua & echo $! > pid; wait"
    shell = subprocess.Popen(
        ["sh", "-c", script], cwd=tmp_path, stdin=slave, stdout=slave, stderr=slave, preexec_fn=take_terminal
    )
    try:
        wait_until(lambda: accepts(port), "rsp")
        for _ in range(3):
            assert get(port).startswith(b"HTTP/1.1 200")
        pid = int((tmp_path / "pid").read_text())
        assert psutil.Process(pid).status() != psutil.STATUS_STOPPED
        os.kill(pid, signal.SIGTERM)
        assert shell.wait(20) == 0
    finally:
        if shell.poll() is None:
            os.killpg(int((tmp_path / "pid").read_text()), signal.SIGKILL)
            shell.kill()
            shell.wait()
        os.close(master)
        os.close(slave)
