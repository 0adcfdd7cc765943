"""Large files over every version of HTTP: whole, or visibly cut; slow clients, slow disks, and no more memory for them."""

import hashlib
import os
import random
import re
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from tests.everywhere import HOST, WAYS, Everywhere
from tests.harness import PATIENCE, exchange, receive, wait_until
from tests.paths import public_directory
from tests.soak import short_and_long

MB = 1 << 20
BLOCK = random.Random(3).randbytes(MB)
SITE = """
access_log = "access.log"
limits = { min_rate = 1000 }
route { path = "/f/", files = "WWW" }
route { path = "/impatient/", files = "WWW", timeouts = { send = 1 } }
route { path = "/timed/", files = "WWW", timeouts = { request = 1 } }
route { path = "/paced/", files = "WWW", bandwidth = { down = "4MB" } }
route { path = "/seen/", files = "WWW", on_response = function(req, res) res.headers["X-Seen"] = "yes" end }
route { path = "/changed/", files = "WWW",
  on_response = function(req, res) res.filter = function(chunk) return chunk end end }
route { path = "/packed/", files = "WWW", compress = true }
"""


@pytest.fixture(scope="module")
def www():
    with public_directory() as directory:
        for name, size in (("8m.bin", 8), ("3m.bin", 3), ("100m.bin", 100)):
            write(directory / name, size)
        (directory / "small.txt").write_bytes(b"small")
        yield directory


def write(path, size):
    with path.open("wb") as file:
        for _ in range(size):
            file.write(BLOCK)


@pytest.fixture(scope="module")
def rsp(tmp_path_factory, www):
    with Everywhere(tmp_path_factory.mktemp("rsp"), SITE.replace("WWW", str(www))) as running:
        yield running


class Download:
    """One response that is read at the test's pace, over any way.  ``left``: bytes of the body that are to come."""

    def __init__(self, rsp, way, path, receive_buffer=0):
        self.http2 = way.startswith("h2")
        self.size = 0
        if self.http2:
            self.client = rsp.client(way, credits=False, receive_buffer=receive_buffer)
            self.response = self.client.open(path)
            self.sock = self.client.sock
            self.client.wait(lambda: self.response.status)
            self.status = self.response.status
            return
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(("127.0.0.1", rsp.ports[way]))
        if way == "h1-tls":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.sock = context.wrap_socket(self.sock, server_hostname=HOST)
        self.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += receive(self.sock, 1)
        self.status = int(head[9:12])
        self.left = int(re.search(rb"Content-Length: (\d+)", head)[1])

    def read(self, most=MB):
        """Some of the body; empty: the end, ``whole`` or not."""
        if not self.http2:
            try:
                data = self.sock.recv(min(most, self.left)) if self.left else b""
            except (ConnectionError, ssl.SSLError):
                data = b""
            self.left -= len(data)
            self.size += len(data)
            return data
        from tests.h2_client import window_update

        response = self.response
        while not (response.body or response.over or self.client.closed):
            self.client.read()
        data, response.body = response.body, b""
        if data:
            self.client.send(window_update(0, len(data)), window_update(response.number, len(data)))
        self.client.frames.clear()
        self.size += len(data)
        return data

    @property
    def whole(self):
        return self.response.ended if self.http2 else not self.left

    def digest(self):
        made = hashlib.sha256()
        while data := self.read():
            made.update(data)
        return made.hexdigest()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        (self.client if self.http2 else self.sock).close()


def digest(size, block=BLOCK):
    made = hashlib.sha256()
    for _ in range(size):
        made.update(block)
    return made.hexdigest()


def memory(rsp, what="VmHWM"):
    (worker,) = rsp.workers().values()
    return int(re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{worker}/status").read_text())[1]) << 10


def in_flight(rsp):
    return rsp.admin("/status")["now"]["in_flight"]


# -- whole


@short_and_long("size", 8, 100)
@pytest.mark.parametrize("way", WAYS)
def test_a_large_file_arrives_whole_and_takes_no_memory(rsp, way, size):
    before = memory(rsp)
    with Download(rsp, way, f"/f/{size}m.bin") as download:
        assert download.digest() == digest(size) and download.whole
    assert memory(rsp) - before < 8 * MB


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("route", ["seen", "changed", "packed", "paced"])
def test_what_sees_the_response_on_its_way(rsp, way, route):
    began = time.monotonic()
    answer = rsp.ask(way, f"/{route}/3m.bin", ("Accept-Encoding", "gzip"))
    assert answer.body == BLOCK * 3 and answer["content-encoding"] is None
    assert (answer["x-seen"] == "yes") == (route == "seen")
    assert route != "paced" or time.monotonic() - began > 0.5


@pytest.mark.parametrize("way", WAYS)
def test_what_is_not_in_memory_is_read_first(rsp, way, www):
    path = www / f"cold-{way}.bin"
    write(path, 3)
    with path.open("rb") as file:
        os.fsync(file)
        for _ in range(2):  # the second time rsp has seen it
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            with Download(rsp, way, f"/f/{path.name}") as download:
                assert download.digest() == digest(3) and download.whole


def test_http_1_0(rsp):
    answer = exchange(rsp.ports["h1"], b"GET /f/3m.bin HTTP/1.0\r\n\r\n", half_close=True)
    assert answer.partition(b"\r\n\r\n")[2] == BLOCK * 3


def test_requests_that_wait_behind_a_large_file(rsp):
    request = b"GET /f/%b HTTP/1.1\r\nHost: x\r\n%b\r\n"
    answer = exchange(
        rsp.ports["h1"],
        b"".join(
            request % (name, end)
            for name, end in (
                (b"small.txt", b""), (b"3m.bin", b""), (b"small.txt", b""), (b"3m.bin", b"Range: bytes=5-2000000\r\n"),
                (b"small.txt", b"Connection: close\r\n"),
            )
        ),
    )  # fmt: skip
    sizes = []
    while answer:
        head, _, answer = answer.partition(b"\r\n\r\n")
        sizes.append(int(re.search(rb"Content-Length: (\d+)", head)[1]))
        body, answer = answer[: sizes[-1]], answer[sizes[-1] :]
        assert body == {5: b"small", 3 * MB: BLOCK * 3}.get(len(body), (BLOCK * 3)[5:2000001])
    assert sizes == [5, 3 * MB, 5, 1999996, 5]


# -- while it changes


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_is_replaced_is_sent_to_its_old_end(rsp, way, www):
    path = www / f"replaced-{way}.bin"
    write(path, 30)
    with Download(rsp, way, f"/f/{path.name}") as download:
        first = download.read(1000)
        (www / "new").write_bytes(b"new")
        os.replace(www / "new", path)
        made = hashlib.sha256(first)
        while data := download.read():
            made.update(data)
        assert made.hexdigest() == digest(30) and download.whole
    assert rsp.ask(way, f"/f/{path.name}").body == b"new"


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_becomes_shorter_ends_in_a_cut(rsp, way, www):
    path = www / f"cut-{way}.bin"
    write(path, 24)
    with Download(rsp, way, f"/f/{path.name}") as download:
        first = download.read(1000)
        os.truncate(path, 12 * MB)  # more than the kernel takes for a client that does not read
        rest = b"".join(iter(download.read, b""))
        assert not download.whole and first + rest == (BLOCK * 12)[: download.size]
    assert rsp.ask(way, f"/f/{path.name}", method="HEAD")["content-length"] == str(12 * MB)
    wait_until(lambda: "the file shrank while it was sent, so the response was cut" in rsp.log)


# -- clients


def test_clients_that_take_nothing_are_cut(rsp):
    downloads = [Download(rsp, way, "/impatient/100m.bin", receive_buffer=4096) for way in WAYS]
    wait_until(lambda: in_flight(rsp) == 0, "the end of those that take nothing")
    for download in downloads:
        with download:
            while download.read():
                pass
            assert not download.whole


def test_a_client_that_is_slow_but_takes_something_is_not_cut(rsp):
    """Over three times ``timeouts.send``, at twenty times ``limits.min_rate``: less than what makes a socket writable."""
    downloads = [Download(rsp, way, "/impatient/100m.bin", receive_buffer=4096) for way in ("h1", "h1-tls")]
    try:
        for _ in range(30):
            time.sleep(0.1)
            for download in downloads:
                assert download.read(2000)
        assert in_flight(rsp) == 2
    finally:
        for download in downloads:
            download.__exit__()


@pytest.mark.parametrize("way", WAYS)
def test_the_time_of_a_request(rsp, way):
    with Download(rsp, way, "/timed/100m.bin") as download:
        wait_until(lambda: in_flight(rsp) == 0, "the end of the request")
        while download.read():
            pass
        assert not download.whole


def test_clients_that_leave_hold_nothing(rsp, www):
    (worker,) = rsp.workers().values()
    for way in WAYS:
        with Download(rsp, way, "/f/100m.bin") as download:
            download.read()
    wait_until(lambda: in_flight(rsp) == 0, "no request is left")
    write(www / "other.bin", 1)
    os.replace(www / "other.bin", www / "8m.bin")
    write(www / "8m.new", 8)
    os.replace(www / "8m.new", www / "8m.bin")
    wait_until(lambda: not [one for one in files_of(worker) if one.endswith("(deleted)")], "files are closed")


def files_of(worker):
    found = []
    for one in Path(f"/proc/{worker}/fd").iterdir():
        try:
            found.append(os.readlink(one))
        except OSError:
            pass
    return [one for one in found if ".bin" in one]


def test_small_requests_have_their_turn_beside_large_files(rsp):
    """Clients that take as much as they can get, without an end."""
    over = threading.Event()

    def take():
        while not over.is_set():
            with Download(rsp, "h1", "/f/100m.bin") as download:
                while download.read() and not over.is_set():
                    pass

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: in_flight(rsp) >= 4, "several downloads")
        for _ in range(10):
            for way in WAYS:
                assert rsp.ask(way, "/f/small.txt").body == b"small"
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.mark.soak
def test_memory_stays_flat_over_a_million_requests(rsp):
    request = (
        f"GET /f/small.txt HTTP/1.1\r\nHost: {HOST}\r\n\r\nGET /f/3m.bin HTTP/1.1\r\nHost: {HOST}\r\n"
        f"Range: bytes=1000000-1099999\r\n\r\nGET /f/small.txt HTTP/1.1\r\nHost: {HOST}\r\nIf-None-Match: *\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", rsp.ports["h1"]), PATIENCE) as sock:
        sock.sendall(request)
        first = b""
        while not (first.endswith(b"\r\n\r\n") and b"HTTP/1.1 304 " in first):  # the end of the third response
            piece = sock.recv(MB)
            assert piece
            first += piece
        size = len(first)

        def ask(times):
            buffer = bytearray(MB)
            for _ in range(times):
                sock.sendall(request * 20)
                left = size * 20
                while left:
                    left -= sock.recv_into(buffer, min(left, MB))

        ask(500)
        before = memory(rsp, "RssAnon")
        ask(1_000_000 // 60)
        assert memory(rsp, "RssAnon") - before < MB
