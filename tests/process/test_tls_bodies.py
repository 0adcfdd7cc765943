"""Bodies, tunnels and ends over TLS: what a slow side does not take makes the other side wait, and nothing is lost."""

import _ssl
import ctypes
import hashlib
import re
import socket
import ssl
import threading
from pathlib import Path

import pytest

from tests.certificates import authority
from tests.harness import Backend, Rsp, answering, proxy_to, wait_until
from tests.tls_client import Client, context

SIZE = 100 << 20
PIECE = bytes(range(256)) * 4096  # 1 MB
MB = 1 << 20
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def site(tmp_path):
    authority().issue("site.example").write(tmp_path, "site")
    return tmp_path


def tls_to(address, extra=""):
    tls = 'certificate { "site.bundle.pem" }'
    return proxy_to(address, extra=tls + extra).replace('{port}"', '{port}" { tls = true }')


def peak(rsp):
    """The most memory that the worker has had, in bytes."""
    (worker,) = rsp.workers().values()
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{worker}/status").read_text())[1]) << 10


def digest(pieces):
    made = hashlib.sha256()
    for piece in pieces:
        made.update(piece)
    return made.hexdigest()


EXPECTED = digest([PIECE] * (SIZE // MB))


@pytest.mark.parametrize("newest", ["1.2", "1.3"])
def test_a_slow_client_makes_the_peer_wait(site, newest):
    sent = []

    def handler(connection, head, rest):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        for _ in range(SIZE // MB):
            connection.sendall(PIECE)
            sent.append(MB)
        return True

    with (
        Backend(handler) as backend,
        Rsp(site, tls_to(backend.address)) as rsp,
        Client(rsp.port, context(newest)) as client,
    ):
        before = peak(rsp)
        client.shake().send(b"GET / HTTP/1.1\r\nHost: site.example\r\n\r\n")
        received = client.receive()
        wait_until(lambda: rsp.admin("/status")["now"]["in_flight"] == 1, "the worker's tick")
        assert len(sent) < SIZE // MB  # it waits
        _head, _, first = received.partition(b"\r\n\r\n")
        made, size = hashlib.sha256(first), len(first)
        while size < SIZE:
            piece = client.receive()
            assert piece
            made.update(piece)
            size += len(piece)
        assert made.hexdigest() == EXPECTED
        assert peak(rsp) - before < 12 * MB


@pytest.mark.parametrize("newest", ["1.2", "1.3"])
def test_a_slow_peer_makes_the_client_wait(site, newest):
    go, found = threading.Event(), []

    def handler(connection, head, rest):
        go.wait(30)
        made, size = hashlib.sha256(rest), len(rest)
        while size < SIZE:
            piece = connection.recv(MB)
            made.update(piece)
            size += len(piece)
        found.append(made.hexdigest())
        connection.sendall(OK)
        return True

    with (
        Backend(handler) as backend,
        Rsp(site, tls_to(backend.address)) as rsp,
        Client(rsp.port, context(newest)) as client,
    ):
        before = peak(rsp)
        client.shake().send(b"POST / HTTP/1.1\r\nHost: site.example\r\nContent-Length: %d\r\n\r\n" % SIZE)
        pieces = SIZE // MB
        client.sock.settimeout(0.5)
        waited, rest = False, b""
        while pieces or rest:
            if not rest:
                rest, pieces = client.seal(PIECE), pieces - 1
            try:
                rest = rest[client.sock.send(rest) :]
            except TimeoutError:
                waited = True
                go.set()
                client.sock.settimeout(30)
        assert waited
        assert client.receive().endswith(b"ok")
        assert found == [EXPECTED]
        assert peak(rsp) - before < 12 * MB


@pytest.mark.parametrize("in_one_record", [True, False])
def test_pipelined_requests_are_answered_in_order(site, in_one_record):
    count = 200

    def handler(connection, head, rest):
        path = head.split()[1]
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))
        return True

    with Backend(handler) as backend, Rsp(site, tls_to(backend.address)) as rsp, Client(rsp.port) as client:
        requests = [b"GET /%d HTTP/1.1\r\nHost: site.example\r\n\r\n" % number for number in range(count)]
        client.shake()
        if in_one_record:
            client.send(b"".join(requests))
        else:
            client.sock.sendall(b"".join(map(client.seal, requests)) + client.leave())
        received = b""
        while received.count(b"\r\n\r\n/") < count:
            more = client.receive()
            assert more, received[-200:]
            received += more
        assert re.findall(rb"\r\n\r\n/(\d+)", received) == [b"%d" % number for number in range(count)]


def test_an_answer_reaches_a_client_that_has_closed_its_side(site):
    asked, go = threading.Event(), threading.Event()

    def handler(connection, head, rest):
        asked.set()
        go.wait(30)
        connection.sendall(OK)
        return True

    extra = "timeouts = { half_close = 0 }"
    with Backend(handler) as backend, Rsp(site, tls_to(backend.address, extra)) as rsp, Client(rsp.port) as client:
        client.shake()
        client.sock.sendall(client.seal(b"GET / HTTP/1.1\r\nHost: site.example\r\n\r\n") + client.leave())
        assert asked.wait(30)
        go.set()
        assert client.drained().endswith(b"ok")
        assert client.closed_properly


def test_a_tunnel_and_both_its_ends(site):
    heard, go = [], threading.Event()

    def handler(connection, head, rest):
        connection.sendall(b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nhello")
        while data := connection.recv(65536):
            heard.append(data)
            connection.sendall(data.upper())
        go.wait(30)
        connection.sendall(b"the last")
        return False

    with Backend(handler) as backend, Rsp(site, tls_to(backend.address)) as rsp, Client(rsp.port) as client:
        client.shake().send(b"GET / HTTP/1.1\r\nHost: site.example\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        received = b""
        while not received.endswith(b"hello"):
            received += client.receive()
        for number in range(20):
            client.send(b"a%d" % number)
            assert client.receive() == b"A%d" % number
        client.sock.sendall(client.leave())  # the peer's side of the tunnel stays open
        go.set()
        assert client.drained() == b"the last"
        assert client.closed_properly
        assert b"".join(heard) == b"".join(b"a%d" % number for number in range(20))


@pytest.mark.parametrize("whole", [True, False])
def test_a_response_until_close_says_whether_it_is_whole(site, whole):
    length = b"" if whole else b"Content-Length: 100\r\n"
    answer = b"HTTP/1.1 200 OK\r\n%bContent-Type: text/plain\r\n\r\nhalf?" % length
    with Backend(answering(answer, keep=False)) as backend, Rsp(site, tls_to(backend.address)) as rsp:
        with Client(rsp.port) as client:
            client.shake().send(b"GET / HTTP/1.0\r\nHost: site.example\r\n\r\n")
            try:
                received = client.drained()
            except ConnectionResetError:
                received = b""
            assert client.closed_properly == whole
            assert not whole or received.endswith(b"half?")


class _Library:
    """A client of OpenSSL itself, for what Python's ssl cannot say."""

    def __init__(self, port):
        library = self.library = ctypes.CDLL(_ssl.__file__)
        for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
            getattr(library, name).restype = ctypes.c_void_p
        method = ctypes.c_void_p(library.TLS_client_method())
        self.context = ctypes.c_void_p(library.SSL_CTX_new(method))
        self.tls = ctypes.c_void_p(library.SSL_new(self.context))
        self.sock = socket.create_connection(("127.0.0.1", port))
        library.SSL_set_fd(self.tls, self.sock.fileno())
        assert library.SSL_connect(self.tls) == 1

    def update_keys(self):
        """Ask the other side for new keys; whether it could be sent."""
        return self.library.SSL_key_update(self.tls, 1) == 1 and self.library.SSL_do_handshake(self.tls) == 1

    def close(self):
        self.library.SSL_free(self.tls)
        self.library.SSL_CTX_free(self.context)
        self.sock.close()


def test_a_client_that_asks_for_new_keys_all_the_time_is_cut(site):
    with Backend() as backend, Rsp(site, tls_to(backend.address)) as rsp:
        client = _Library(rsp.port)
        assert client.update_keys()
        count = 1
        while client.update_keys():  # and reads no answer
            count += 1
            assert count < 2_000_000
        client.close()
        with Client(rsp.port) as other:
            other.shake().send(b"GET / HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n")
            assert other.drained().endswith(b"one")
        wait_until(lambda: rsp.admin("/status")["now"]["connections"] == 0, "all connections to end")


@pytest.mark.parametrize("newest", ["1.2", "1.3"])
@pytest.mark.parametrize("with_handshake", [False, True])
def test_a_record_that_is_not_valid_behind_a_part_of_a_request_ends_the_connection_at_once(
    site, newest, with_handshake
):
    """The rest of the request would have a minute."""
    with Rsp(site, tls_to("127.0.0.1:1")) as rsp, Client(rsp.port, context(newest)) as client:
        last = client.finish()
        if not with_handshake:
            client.sock.sendall(last)
            wait_until(lambda: rsp.admin("/status")["totals"]["handshakes"] == 1, "the end of the handshake")
            last = b""
        client.sock.sendall(last + client.seal(b"GET / HT") + b"\x17\x03\x03\x00\x30" + bytes(48))
        with pytest.raises(ssl.SSLError, match="alert bad record mac"):
            client.drained()
        assert client.sock.recv(1) == b""
