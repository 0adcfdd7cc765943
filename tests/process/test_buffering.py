"""``request_buffering`` and ``response_buffering``: slow clients do not hold peers, over HTTP/1.1, HTTP/2 and TLS."""

import hashlib
import os
import re
import resource
import socket
import threading
from contextlib import contextmanager

import psutil
import pytest

from tests.everywhere import HOST, WAYS, Everywhere, make_room, parse, trusted
from tests.h2_client import INITIAL_WINDOW_SIZE, data, headers, request_fields, window_update
from tests.harness import PATIENCE, Backend, as_root, receive, wait_until
from tests.ports import free_port

SITE = """
access_log = "off"
metrics = "127.0.0.1:METRICS"
limits = { buffer = "64KB", temp = "4MB", body = "20MB" }
lua = { body = "1MB" }
upstream "app" { "APP", keepalive = 0 }
upstream "two" { "FAILS", "APP", policy = "round_robin", retry = { tries = 2 } }
upstream "big" { "BIG" }
route { path = "/held", to = "app", request_buffering = true }
route { path = "/two", to = "two", request_buffering = true }
route { path = "/small", to = "app", request_buffering = true, limits = { body = "100KB" } }
route { path = "/seen", to = "app", request_buffering = true, on_request = function(req)
  req.headers["X-Length"] = tostring(#req.body())
  if req.args.write then req.body = "written" end
end, on_response = function(req, res) res.headers["X-After"] = "yes" end }
route { path = "/later", to = "app", request_buffering = true,
        on_response = function(req, res) res.headers["X-After"] = sha256(req.body()) end }
route { path = "/big", to = "big", response_buffering = "1MB" }
route { path = "/all", to = "big", response_buffering = true }
route { path = "/none", to = "big" }
"""
BLOCK = os.urandom(65521)
SMALL, LARGE = os.urandom(20_000), os.urandom(1_000_000)


class Peer:
    """Takes bodies, in ``bodies`` by path; sends what is asked for, and notes how far it came."""

    def __init__(self):
        self.bodies = {}
        self.sent = 0
        self.done = threading.Event()
        self.blocked = threading.Event()

    def take(self, connection, head, rest):
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        assert b"transfer-encoding" not in head.lower()
        while len(rest) < int(length[1] if length else 0):
            more = connection.recv(65536)
            if not more:
                return False
            rest += more
        self.bodies[head.split(b" ")[1].decode()] = rest
        length = re.search(rb"(?i)\r\nx-length: *(\d+)", head)
        body = length[1] if length else b"taken"
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        return True

    def give(self, connection, head, rest):
        """So many bytes as the query says, of the type that it says."""
        size, kind = re.match(rb"\S+ \S+\?(\d+)&(\S*)", head).groups()
        self.sent = 0
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n%b\r\n\r\n" % (size, kind.replace(b"=", b": ")))
        connection.settimeout(0.5)
        try:
            for at in range(0, int(size), 65536):
                piece = pattern(at, min(65536, int(size) - at))
                while piece:
                    count = connection.send(piece)
                    self.sent += count
                    piece = piece[count:]
            self.done.set()
        except TimeoutError:
            self.blocked.set()
            connection.settimeout(PATIENCE)
            if b"cut" not in kind:
                connection.sendall(piece + pattern(at + 65536, int(size) - at - 65536))
                self.done.set()
        return False


def pattern(start, size):
    """Of a text that repeats itself at no usual distance."""
    begin = start % len(BLOCK)
    return (BLOCK * ((begin + size) // len(BLOCK) + 1))[begin : begin + size]


def _fails(connection, head, rest):
    """After some of the body, so that the peer cannot be known to have done nothing."""
    while len(rest) < 1000:
        rest += receive(connection, 65536)
    return False


@pytest.fixture(scope="module")
def peer():
    return Peer()


@pytest.fixture(scope="module")
def backend(peer):
    with Backend(peer.take) as backend:
        yield backend


@pytest.fixture(scope="module")
def rsp(tmp_path_factory, peer, backend):
    directory = tmp_path_factory.mktemp("buffering")
    temp = directory / "temp"
    temp.mkdir()
    with pytest.MonkeyPatch.context() as patch, Backend(_fails) as fails, Backend(peer.give) as big:
        patch.setenv("TMPDIR", str(temp))
        text = SITE.replace("APP", backend.address).replace("FAILS", fails.address).replace("BIG", big.address)
        metrics = free_port()
        with Everywhere(directory, as_root() + text.replace("METRICS", str(metrics))) as one:
            one.temp, one.metrics = temp, metrics
            one.worker = psutil.Process(one.workers()[0])
            yield one


def temp_files(rsp):
    """Of the worker: descriptors of files without a name in the directory for them."""
    found = []
    for entry in os.scandir(f"/proc/{rsp.worker.pid}/fd"):
        try:
            target = os.readlink(entry.path)
        except OSError:
            continue
        if target.startswith(str(rsp.temp)):
            found.append(target)
    return found


@pytest.fixture(autouse=True)
def _nothing_is_left(rsp):
    yield
    wait_until(lambda: not temp_files(rsp), "temporary files to be closed")
    assert not list(rsp.temp.iterdir())
    assert rsp.admin("/status")["http_status"] == 200


# -- requests


@contextmanager
def sending(rsp, way, path, size, *fields, chunked=False, expects=False):
    """A client that sends a request bit by bit: yields ``send(bytes, last)``, ``answer()``."""
    length = () if chunked else (("content-length", str(size)),)
    if way.startswith("h2"):
        with rsp.client(way) as client:
            number = client.number()
            named = request_fields(path, *length, *fields, method="POST", authority="a", scheme=client.scheme)
            client.send(headers(number, named, end=False))
            response = client.streams[number]

            def send(piece, last):
                for at in range(0, len(piece), 16384):
                    part = piece[at : at + 16384]
                    make_room(client, number, len(part))
                    client.send(data(number, part, end=last and at + 16384 >= len(piece)))

            yield send, lambda: client.finish(response)
        return
    with rsp.connect(way) as sock:
        lines = "".join(f"{name}: {value}\r\n" for name, value in (*length, *fields))
        framing = "Transfer-Encoding: chunked\r\n" if chunked else ""
        sock.sendall(f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}{framing}\r\n".encode())
        if expects:
            assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"

        def send(piece, last):
            if chunked:
                piece = b"%x\r\n%b\r\n" % (len(piece), piece) + (b"0\r\nX-Trailer: 1\r\n\r\n" if last else b"")
            sock.sendall(piece)

        def answer():
            received = b""
            while more := sock.recv(65536):
                received += more
            return parse(received)

        yield send, answer


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["memory", "file"])
@pytest.mark.parametrize("way", WAYS)
def test_a_slow_client_does_not_hold_the_peer(rsp, peer, backend, way, body, chunked):
    path = f"/held/{way}/{len(body)}/{chunked}"
    before = backend.connections
    with sending(rsp, way, path, len(body), chunked=chunked) as (send, answer):
        send(body[:-1000], False)
        if body is LARGE:
            wait_until(lambda: temp_files(rsp), "a temporary file")
            assert temp_files(rsp)[0].endswith(" (deleted)")
        send(body[-1000:-1], False)
        assert backend.connections == before
        send(body[-1:], True)
        assert answer().status == 200
    assert peer.bodies[path] == body
    assert b"\r\nContent-Length: %d\r\n" % len(body) in backend.heads[-1]


def test_expect_continue_is_answered_by_rsp(rsp, peer, backend):
    with sending(rsp, "h1", "/held/expect", 5, ("Expect", "100-continue"), expects=True) as (send, answer):
        send(b"12345", True)
        assert answer().status == 200
    assert peer.bodies["/held/expect"] == b"12345"
    assert b"Expect" not in backend.heads[-1]


@pytest.mark.parametrize("way", WAYS)
def test_a_body_in_a_file_can_be_sent_again(rsp, peer, way):
    path = f"/two/{way}"
    for _ in range(2):  # one of them begins at the peer that fails
        assert rsp.ask(way, path, method="PUT", body=LARGE).status == 200
        assert peer.bodies.pop(path) == LARGE


@pytest.mark.parametrize("way", WAYS)
def test_a_client_that_leaves_costs_the_peer_nothing(rsp, backend, way):
    before = backend.connections
    with sending(rsp, way, "/held/left", len(LARGE)) as (send, _):
        send(LARGE[:500_000], False)
        wait_until(lambda: temp_files(rsp), "a temporary file")
    wait_until(lambda: not temp_files(rsp), "the file to be closed")
    assert backend.connections == before


@pytest.mark.parametrize("way", WAYS)
def test_limits_of_bodies_hold(rsp, backend, way):
    before = backend.connections
    with sending(rsp, way, "/small", 0, chunked=True) as (send, answer):
        send(LARGE[:90_000], False)
        wait_until(lambda: temp_files(rsp), "a temporary file")
        send(LARGE[:20_000], False)
        assert answer().status == 413
    assert backend.connections == before


@pytest.mark.parametrize("way", ["h1", "h2c"])
def test_temporary_files_are_bounded_together(rsp, peer, way):
    assert rsp.ask(way, "/held", method="POST", body=b"x" * (4 << 20)).status == 200, "it fits in as a whole"
    with sending(rsp, way, "/held/first", 4 << 20) as (send, answer):
        send(bytes(3 << 20), False)
        wait_until(lambda: _held(rsp) > 2900 << 10, "the file to fill")
        with sending(rsp, "h1", "/held/second", 0, chunked=True) as (send_second, answer_second):
            send_second(bytes(1200 << 10), False)
            refused = answer_second()
            assert refused.status == 503
            assert b"no space left for the request's body" in refused.body
            assert refused["retry-after"] == "1"
        send(bytes(1 << 20), True)
        assert answer().status == 200
    assert "limits.temp: the temporary files of all workers have no room left (4MB)" in rsp.log
    refused = rsp.ask("h1", "/held/large", ("Content-Length", str(5 << 20)), method="POST")
    assert refused.status == 413
    assert b"the body is larger than limits.temp" in refused.body
    assert rsp.ask(way, "/held", method="POST", body=LARGE).status == 200


def _held(rsp):
    """As metrics have it."""
    with socket.create_connection(("127.0.0.1", rsp.metrics), PATIENCE) as sock:
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received = b""
        while more := sock.recv(65536):
            received += more
    return int(re.search(rb'\nrsp_worker_temp_files_bytes\{worker="0"\} (\d+)', received)[1])


def test_a_full_disk_is_a_clear_error(rsp, backend):
    """As the kernel has it for one process: no file may be larger than this."""
    before = backend.connections
    usual = resource.prlimit(rsp.worker.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(rsp.worker.pid, resource.RLIMIT_FSIZE, (200_000, usual[1]))
    try:
        answer = rsp.ask("h1", "/held", method="POST", body=LARGE)
        assert answer.status == 503
        assert rsp.ask("h1", "/held", method="POST", body=SMALL).status == 200
    finally:
        resource.prlimit(rsp.worker.pid, resource.RLIMIT_FSIZE, usual)
    assert f"A temporary file in {rsp.temp}: File too large" in rsp.log
    assert backend.connections == before + 1
    assert rsp.ask("h1", "/held", method="POST", body=LARGE).status == 200
    assert _held(rsp) == 0


@pytest.mark.parametrize("way", WAYS)
def test_hooks_before_and_after(rsp, peer, way):
    answer = rsp.ask(way, "/seen", method="POST", body=LARGE)
    assert (answer.status, answer.body, answer["x-after"]) == (200, b"1000000", "yes")
    assert peer.bodies["/seen"] == LARGE
    answer = rsp.ask(way, "/seen?write=1", method="POST", body=SMALL)
    assert answer.body == b"20000"
    assert peer.bodies["/seen?write=1"] == b"written"


@pytest.mark.parametrize("way", WAYS)
def test_a_hook_that_comes_later_reads_the_body_that_was_held(rsp, peer, way):
    body = LARGE[:500_000]
    answer = rsp.ask(way, "/later", method="POST", body=body)
    assert (answer.status, answer["x-after"]) == (200, hashlib.sha256(body).hexdigest())
    assert peer.bodies["/later"] == body


# -- responses


@contextmanager
def not_reading(rsp, way, path):
    """A client that takes little of the response; yields what reads the rest, and returns the body."""
    if way.startswith("h2"):
        with rsp.client(way, (INITIAL_WINDOW_SIZE, 1000), credits=False) as client:
            response = client.open(path)

            def rest():
                client.credits = True
                client.send(window_update(0, 1 << 30), window_update(response.number, 1 << 30))
                client.wait(lambda: response.over or client.closed, "the end")
                assert response.ended, response.reset
                return response.body

            yield rest
        return
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", rsp.ports[way]))
        if way == "h1-tls":
            sock = trusted("http/1.1").wrap_socket(sock, server_hostname=HOST)
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())

        def rest():
            received = bytearray()
            while more := sock.recv(1 << 20):
                received += more
            return bytes(received).partition(b"\r\n\r\n")[2]

        yield rest
        sock.close()


@pytest.fixture(autouse=True)
def _fresh(peer):
    peer.done.clear()
    peer.blocked.clear()


@pytest.mark.parametrize("way", WAYS)
def test_the_peer_is_done_before_a_slow_client_is(rsp, peer, way):
    size = 16 << 20
    before = _held(rsp)
    limit = 4 << 20  # limits.temp, which bounds what is held here
    with not_reading(rsp, way, f"/all?{3 << 20}&X=1") as rest:
        assert peer.done.wait(PATIENCE), "the peer is held by the client"
        wait_until(lambda: before < _held(rsp) <= limit, "a temporary file")
        assert rest() == pattern(0, 3 << 20)
    with not_reading(rsp, way, f"/all?{size}&X=1") as rest:
        assert peer.blocked.wait(PATIENCE), "the peer is not paused, though there is no room"
        assert _held(rsp) <= limit
        assert rest() == pattern(0, size)
    assert peer.done.wait(PATIENCE)


@pytest.mark.parametrize("way", WAYS)
def test_no_more_is_held_than_the_route_says(rsp, peer, way):
    size = 12 << 20
    with not_reading(rsp, way, f"/big?{size}&X=1") as rest:
        assert peer.blocked.wait(PATIENCE)
        assert (700 << 10) < _held(rsp) <= (1 << 20) + (512 << 10)
        assert rest() == pattern(0, size)


@pytest.mark.parametrize(
    ("way", "kind"),
    [
        ("h1", "Content-Type=text/event-stream"),
        ("h1", "X-Accel-Buffering=no"),
        ("h2-tls", "Content-Type=multipart/x-mixed-replace"),
    ],
)
def test_what_streams_is_not_held(rsp, peer, way, kind):
    with not_reading(rsp, way, f"/big?{12 << 20}&{kind}") as rest:
        assert peer.blocked.wait(PATIENCE)
        assert not temp_files(rsp)
        assert rest() == pattern(0, 12 << 20)


def test_without_it_the_peer_is_paused(rsp, peer):
    with not_reading(rsp, "h1", f"/none?{12 << 20}&X=1") as rest:
        assert peer.blocked.wait(PATIENCE)
        assert not temp_files(rsp)
        assert rest() == pattern(0, 12 << 20)


@pytest.mark.parametrize("way", WAYS)
def test_a_slow_client_that_leaves(rsp, peer, way):
    with not_reading(rsp, way, f"/big?{1 << 20}&X=1"):
        assert peer.done.wait(PATIENCE)
        wait_until(lambda: temp_files(rsp), "a temporary file")
    wait_until(lambda: not temp_files(rsp), "the file to be closed")
    wait_until(lambda: _held(rsp) == 0, "the room to be given back")


def test_a_response_that_breaks_off_is_cut(rsp, peer):
    with not_reading(rsp, "h1", f"/big?{12 << 20}&cut=1") as rest:
        assert peer.blocked.wait(PATIENCE)
        assert len(rest()) < 12 << 20
