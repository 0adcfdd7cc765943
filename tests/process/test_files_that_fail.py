"""Disks that do not respond, directories that vanish, what may not be read or is no file: clear answers, and nothing
waits that need not."""

import os
import shutil
import socket
import time
from contextlib import ExitStack

import psutil
import pytest

from tests.harness import Rsp, get, is_root, wait_until
from tests.paths import public_directory
from tests.slow_disk import SlowDisk, is_possible

SITE = """
listen "127.0.0.1:{port}"
route { path = "/fast/", files = { root = "fast", list = true } }
route { path = "/slow/", files = { root = "slow", list = true } }
route { path = "/current/", files = "current" }
route { path = "/", respond = { body = "fine" } }
"""
SLOW = {"small": b"small", "large": b"l" * 300_000, "other": b"other"}


@pytest.fixture
def directory():
    with public_directory() as directory:
        for name in ("fast/dir", "slow", "release-1", "release-2"):
            (directory / name).mkdir(parents=True)
        (directory / "fast" / "a").write_bytes(b"fast")
        (directory / "fast" / "big").write_bytes(b"b" * 3_000_000)
        for release in "12":
            (directory / f"release-{release}" / "a").write_text(release)
        os.symlink("release-1", directory / "current")
        yield directory


def status(port: int, path: str) -> int:
    return int(get(port, path)[9:12])


def begin(port: int, path: str) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), 30)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    return client


def rest(client: socket.socket) -> bytes:
    with client:
        return b"".join(iter(lambda: client.recv(1 << 16), b""))


@pytest.mark.skipif(not is_possible(), reason="needs root and FUSE")
def test_a_disk_that_does_not_respond(directory):
    with SlowDisk(directory / "slow", SLOW, flushes=False) as disk, ExitStack() as stack:
        rsp = stack.enter_context(Rsp(directory, SITE))
        assert get(rsp.port, "/slow/small").endswith(b"\r\n\r\nsmall")
        assert get(rsp.port, "/slow/large").endswith(b"l" * 300_000)
        worker = rsp.workers()
        disk.responds.clear()
        waiting = [begin(rsp.port, f"/slow/{name}") for name in ("other", "large", "small", "missing", "", "a/b") * 5]
        wait_until(disk.asked.is_set, "the disk is asked")
        for _ in range(5):
            assert get(rsp.port, "/").endswith(b"fine")
            assert get(rsp.port, "/fast/a").endswith(b"fast")
            assert get(rsp.port, "/fast/big").endswith(b"b" * 3_000_000)
            assert (status(rsp.port, "/fast/missing"), status(rsp.port, "/fast/")) == (404, 200)
        for client in waiting[6:]:  # clients leave
            client.close()
        disk.responds.set()
        answers = [rest(client) for client in waiting[:6]]
        assert [answer[9:12] for answer in answers] == [b"200", b"200", b"200", b"404", answers[4][9:12], b"404"]
        assert answers[0].endswith(b"other") and answers[1].endswith(b"l" * 300_000)
        assert rsp.workers() == worker
        disk.responds.clear()
        disk.asked.clear()
        with begin(rsp.port, "/slow/other?again"), begin(rsp.port, "/slow/missing2"):
            wait_until(disk.asked.is_set, "the disk is asked")
        assert rsp.stop() == 0  # a worker whose threads wait for it ends all the same


def test_what_is_missing_switched_or_no_file(directory):
    os.mkfifo(directory / "fast" / "pipe")
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(directory / "fast" / "socket"))
    secret = directory / "fast" / "shut"
    secret.write_bytes(b"secret")
    secret.chmod(0)
    with Rsp(directory, SITE) as rsp:
        assert [status(rsp.port, f"/fast/{name}") for name in ("pipe", "socket", "missing", "dir/", "dir")] == [
            404, 404, 404, 200, 301,
        ]  # fmt: skip
        if is_root():
            assert status(rsp.port, "/fast/shut") == 403
            assert "shut: Permission denied" in rsp.log
        with pytest.raises(OSError):  # nothing has opened the pipe
            os.open(directory / "fast" / "pipe", os.O_WRONLY | os.O_NONBLOCK)
        assert get(rsp.port, "/current/a").endswith(b"\r\n\r\n1")
        os.symlink("release-2", directory / "next")
        os.rename(directory / "next", directory / "current")
        wait_until(lambda: get(rsp.port, "/current/a").endswith(b"\r\n\r\n2"), "the link is followed anew")
        shutil.rmtree(directory / "release-2")
        wait_until(lambda: status(rsp.port, "/current/a") == 404, "the directory is missed")
        wait_until(lambda: "current: No such file or directory" in rsp.log, "the log names it")
        (directory / "release-2").mkdir()
        (directory / "release-2" / "a").write_text("again")
        wait_until(lambda: get(rsp.port, "/current/a").endswith(b"again"), "it is back")
        assert rsp.stop() == 0
    sock.close()


def test_descriptors_and_memory_are_bounded(directory):
    """Files that are kept, and files that are sent to many clients at once, leave descriptors for connections."""
    for number in range(400):
        (directory / "fast" / f"{number}.bin").write_bytes(b"%d" % number + b"x" * 70_000)
    with Rsp(directory, SITE) as rsp:
        (pid,) = rsp.workers().values()
        worker = psutil.Process(pid)
        before = worker.num_fds()
        for number in range(400):
            assert status(rsp.port, f"/fast/{number}.bin") == 200
        assert worker.num_fds() - before <= 260
        wait_until(lambda: worker.num_fds() <= before + 2, "files that no request wants are closed")
        assert get(rsp.port, "/fast/1.bin").endswith(b"1" + b"x" * 70_000)


@pytest.mark.soak
def test_a_million_files(directory):
    """Each asked for once is found at once, and what a worker keeps of them is bounded."""
    many = directory / "fast" / "many"
    many.mkdir()
    for number in range(1_000_000):
        if number % 60_000 == 0:
            source = many / f"source-{number}"
            source.write_bytes(b"s" * 500)
        os.link(source, many / f"{number}.txt")
    with Rsp(directory, SITE) as rsp:
        (pid,) = rsp.workers().values()
        worker = psutil.Process(pid)
        with socket.create_connection(("127.0.0.1", rsp.port), 30) as client:
            file = client.makefile("rb")
            slowest = 0.0
            for number in range(0, 1_000_000, 20):
                started = time.monotonic()
                client.sendall(b"GET /fast/many/%d.txt HTTP/1.1\r\nHost: a\r\n\r\n" % number)
                assert file.readline() == b"HTTP/1.1 200 OK\r\n"
                while file.readline() != b"\r\n":
                    pass
                assert file.read(500) == b"s" * 500
                slowest = max(slowest, time.monotonic() - started)
        assert slowest < 2
        assert worker.memory_info().rss < 250 << 20
        assert get(rsp.port, "/fast/many/").count(b"<tr>") > 9_000
