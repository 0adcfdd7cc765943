"""Peers whose responses have flaws: what leaves no doubt is delivered, and never more than one response."""

import os
import signal
import socket
import threading

import pytest

from tests.harness import Backend, Rsp, exchange

SITE = """
listen "127.0.0.1:{port}"
upstream "app" { "%s", warm = 0 }
upstream "strict" { "%s", warm = 0, strict = true }
route { to = "app" }
route { path = "/strict", to = "strict" }
"""
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain"


class Late:
    """What a peer sends when told, behind one of its answers."""

    def __init__(self, data):
        self.data = data
        self.go_on = threading.Event()
        self.sent = threading.Event()

    def send(self, connection):
        self.go_on.wait(30)
        try:
            connection.sendall(self.data)
        finally:
            self.sent.set()


class Peer:
    """``answers``: what to send for the next requests, in this order; then ``PLAIN``.  ``late``: behind the next one."""

    def __init__(self):
        self.answers = []
        self.late = None

    def __call__(self, connection, head, rest):
        late, self.late = self.late, None  # before the answer, which may bring the next request
        connection.sendall(self.answers.pop(0) if self.answers else PLAIN)
        if late is not None:
            late.send(connection)
        return True


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    peer = Peer()
    with Backend(peer) as backend:
        text = SITE % (backend.address, backend.address)
        with Rsp(tmp_path_factory.mktemp("site"), text) as rsp:
            yield peer, backend, rsp


class Client:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 30)
        self.file = self.sock.makefile("rb")

    def ask(self, method="GET", path="/"):
        self.send(method, path)
        return self.answer(method)

    def send(self, method="GET", path="/"):
        self.sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())

    def answer(self, method="GET"):
        status = int(self.file.readline().split()[1])
        fields = {}
        while (line := self.file.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            fields[name.lower()] = value.strip()
        no_body = method == "HEAD" or status in (204, 304)
        return status, fields, b"" if no_body else self.file.read(int(fields.get(b"content-length", 0)))


FLAWED = [
    b"HTTP/1.1 200 OK\nA: b\nContent-Length: 5\n\nplain",
    b"HTTP/1.1 200 OK\r\nA: b\r\n\tc\r\nContent-Length: 5\r\n\r\nplain",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nplain",
    b"HTTP/1.1 103 Early\nLink: x\n\nHTTP/1.1 200 OK\nContent-Length: 5\n\nplain",
]


@pytest.mark.parametrize("answer", FLAWED)
def test_harmless_flaws_are_delivered_clean_and_refused_by_strict(site, answer):
    peer, _, rsp = site
    peer.answers = [answer]
    got = exchange(rsp.port, b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert got.endswith(b"\r\n\r\nplain")
    assert b"\n" not in got.replace(b"\r\n", b"")
    peer.answers = [answer] * 3
    assert Client(rsp.port).ask(path="/strict")[0] == 502
    peer.answers = []


def test_an_empty_line_is_taken_before_the_first_response_only(site):
    _, backend, rsp = site
    peer = Peer()
    with Backend(peer) as other:
        peer.answers = [b"\r\n" + PLAIN, b"\r\n" + PLAIN]
        rsp.reload(SITE % (other.address, other.address))
        client = Client(rsp.port)
        assert client.ask()[::2] == (200, b"plain")
        assert client.ask()[0] == 502
        assert client.ask()[::2] == (200, b"plain")
        rsp.reload(SITE % (backend.address, backend.address))


@pytest.mark.parametrize("framing", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("late", [False, True])
def test_a_body_behind_204_is_never_an_answer(site, framing, late):
    peer, backend, rsp = site
    body = b"5\r\nevil!\r\n0\r\n\r\n" if b"chunked" in framing else b"evil!"
    head = b"HTTP/1.1 204 No Content\r\n" + framing + b"\r\n\r\n"
    peer.answers = [head] if late else [head + body]
    peer.late = behind = Late(body) if late else None
    before = backend.connections
    client = Client(rsp.port)
    status, fields, _ = client.ask()
    assert (status, b"content-length" in fields, b"transfer-encoding" in fields) == (204, False, False)
    assert client.ask()[::2] == (200, b"plain")
    assert backend.connections > before
    if behind is not None:
        behind.go_on.set()
        assert behind.sent.wait(30)


@pytest.mark.parametrize(("method", "status"), [("HEAD", b"200 OK"), ("GET", b"304 Not Modified")])
@pytest.mark.parametrize("framing", [b"Content-Length: 49\r\n", b"Transfer-Encoding: chunked\r\n", b""])
def test_a_late_body_of_head_or_304_that_can_be_seen_is_never_an_answer(site, method, status, framing):
    peer, _, rsp = site
    peer.answers = [b"HTTP/1.1 " + status + b"\r\n" + framing + b"Connection: keep-alive\r\n\r\n"]
    peer.late = late = Late(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nevil!")
    client = Client(rsp.port)
    assert client.ask(method)[0] in (200, 304)
    (worker,) = rsp.workers().values()
    os.kill(worker, signal.SIGSTOP)  # so that it meets the next request before the late body
    try:
        client.send()
        late.go_on.set()
        assert late.sent.wait(30)
    finally:
        os.kill(worker, signal.SIGCONT)
    assert client.answer()[::2] == (200, b"plain")
