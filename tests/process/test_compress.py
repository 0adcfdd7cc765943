"""``compress`` over HTTP/1.1, HTTP/2 and TLS: what clients decode, what stays live, what slow clients get."""

import gzip
import hashlib
import inspect
import socket
import threading
import zlib
from http import client as stdlib

import brotli
import httpx
import pytest
import zstandard

from tests.everywhere import HOST, WAYS, Everywhere, trusted
from tests.h2_client import INITIAL_WINDOW_SIZE, headers, request_fields, window_update
from tests.harness import PATIENCE, Backend
from tests.paths import public_directory

SITE = """
access_log = "off"
compress = { level = 4 }
upstream "app" { "APP" }
route { path = "/", to = "app" }
route { path = "/off", to = "app", compress = false }
route { path = "/small", to = "app", compress = { min_size = 0, types = { "*" }, algorithms = { "gzip" }, level = 9 } }
route { path = "/held", to = "app", response_buffering = "40MB" }
route { path = "/paced", to = "app", bandwidth = { down = "200KB" } }
route { path = "/hooked", to = "app", on_response = function(req, res)
  if req.args.body then res.body = ("a hook's words, "):rep(200) end
  if req.args.filter then res.filter = function(chunk, last) return chunk:upper() .. (last and "!" or "") end end
end }
route { path = "/fixed", respond = { body = "FIXED" } }
route { path = "/files", files = "FILES" }
"""
TEXT = inspect.getsource(stdlib).encode()[:50_000]
LARGE = b"".join(hashlib.sha256(b"%d" % number).hexdigest().encode() + b"\n" for number in range(60_000))  # 3.9 MB
VAST = LARGE * 4
BODIES = {b"text": TEXT, b"large": LARGE, b"vast": VAST, b"tiny": b"tiny"}
ALL = ("Accept-Encoding", "gzip, deflate, br, zstd")
EVENT = b"data: %d something has happened\n\n"


class Peer:
    """``/text?chunked``: by name, in the framing that is asked for; ``/events``: what :attr:`events` lets come."""

    def __init__(self):
        self.events = threading.Semaphore(0)
        self.blocked, self.done = threading.Event(), threading.Event()

    def answer(self, connection, head, rest):
        path = head.split(b" ")[1]
        name, _, how = path.rpartition(b"/")[2].partition(b"?")
        if name == b"events":
            return self._stream(connection)
        body = BODIES.get(name, TEXT)
        fields = b'Content-Type: text/css\r\nETag: "abc"\r\nAccept-Ranges: bytes\r\n'
        if b"if-none-match" in head.lower():
            connection.sendall(b'HTTP/1.1 304 Not Modified\r\nETag: "abc"\r\n\r\n')
        elif head.startswith(b"HEAD"):
            connection.sendall(b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n" % (fields, len(body)))
        elif b"chunked" in how:
            connection.sendall(b"HTTP/1.1 200 OK\r\n%bTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n" % fields)
            for at in range(0, len(body), 3000):
                piece = body[at : at + 3000]
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            connection.sendall(b"0\r\nT: the end\r\n\r\n")
        elif b"cut" in how:
            connection.sendall(b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (fields, len(body) + 1, body))
            return False
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n" % (fields, len(body)))
            self._send(connection, body)
        return True

    def _send(self, connection, body):
        left = memoryview(body)
        connection.settimeout(0.3)
        while left:
            try:
                left = left[connection.send(left[:65536]) :]
            except TimeoutError:
                self.blocked.set()
                connection.settimeout(PATIENCE)
        self.done.set()

    def _stream(self, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        number = 0
        while self.events.acquire(timeout=PATIENCE) and number < 5:
            number += 1
            connection.sendall(EVENT % number)
        return False


@pytest.fixture(scope="module")
def peer():
    return Peer()


@pytest.fixture(scope="module")
def rsp(tmp_path_factory, peer):
    with Backend(peer.answer) as backend, public_directory() as files:
        for name, content in (("text.css", TEXT), ("large.css", LARGE), ("image.png", TEXT)):
            (files / name).write_bytes(content)
        text = SITE.replace("APP", backend.address).replace("FIXED", "fixed " * 500).replace("FILES", str(files))
        with Everywhere(tmp_path_factory.mktemp("compress"), text) as one:
            yield one


def decoded(answer):
    coding = answer["content-encoding"]
    if coding == "gzip":
        return gzip.decompress(answer.body)
    if coding == "br":
        return brotli.decompress(answer.body)
    if coding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(answer.body)
    assert coding is None
    return answer.body


# -- bodies


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["text", "text?chunked", "large", "large?chunked"])
def test_all_codings(rsp, way, name):
    body = BODIES[name.partition("?")[0].encode()]
    for coding in ("gzip", "br", "zstd"):
        answer = rsp.ask(way, f"/{name}", ("Accept-Encoding", coding))
        assert decoded(answer) == body and len(answer.body) < len(body) * 0.7
        assert (answer["content-encoding"], answer["vary"], answer["etag"]) == (coding, "Accept-Encoding", 'W/"abc"')
        assert "accept-ranges" not in answer.fields
        if "content-length" in answer.fields:
            assert int(answer["content-length"]) == len(answer.body)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_left_alone(rsp, way):
    for path, fields in (("/text", ()), ("/off/text", (ALL,)), ("/tiny", (ALL,)), ("/files/image.png", (ALL,))):
        answer = rsp.ask(way, path, *fields)
        assert "content-encoding" not in answer.fields
        assert int(answer["content-length"]) == len(answer.body)
    answer = rsp.ask(way, "/small/tiny", ALL)
    assert decoded(answer) == b"tiny" and answer["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("way", WAYS)
def test_files(rsp, way):
    for name, body in (("text.css", TEXT), ("large.css", LARGE)):
        answer = rsp.ask(way, f"/files/{name}", ALL)
        assert answer["content-encoding"] == "zstd" and decoded(answer) == body
        assert answer["etag"].startswith('W/"') and "accept-ranges" not in answer.fields
        again = rsp.ask(way, f"/files/{name}", ALL, ("If-None-Match", answer["etag"]))
        assert (again.status, again["etag"], again.body) == (304, answer["etag"], b"")
        assert "Accept-Encoding" in again["vary"]
        part = rsp.ask(way, f"/files/{name}", ALL, ("Range", "bytes=1-5"))
        assert (part.status, part.body) == (206, body[1:6])
        assert "content-encoding" not in part.fields and part["vary"] == "Accept-Encoding"
        plain = rsp.ask(way, f"/files/{name}")
        assert plain.body == body and plain["vary"] == "Accept-Encoding" and plain["etag"] == answer["etag"][2:]


@pytest.mark.parametrize("way", WAYS)
def test_head_and_304(rsp, way):
    answer = rsp.ask(way, "/text", ALL, method="HEAD")
    assert answer.body == b"" and "content-length" not in answer.fields
    assert (answer["content-encoding"], answer["etag"]) == ("zstd", 'W/"abc"')
    answer = rsp.ask(way, "/text", ALL, ("If-None-Match", 'W/"abc"'))
    assert (answer.status, answer["etag"], answer["vary"]) == (304, 'W/"abc"', "Accept-Encoding")
    answer = rsp.ask(way, "/text", ALL, ("If-None-Match", '"abc"'))
    assert (answer.status, answer["etag"], "vary" in answer.fields) == (304, '"abc"', False)


@pytest.mark.parametrize("way", WAYS)
def test_hooks_see_and_send_plain_bodies(rsp, way):
    assert decoded(rsp.ask(way, "/hooked/text?body=1", ALL)) == b"a hook's words, " * 200
    answer = rsp.ask(way, "/hooked/text?filter=1&chunked", ALL)
    assert answer["content-encoding"] == "zstd" and decoded(answer) == TEXT.upper() + b"!"
    assert decoded(rsp.ask(way, "/fixed", ALL)) == b"fixed " * 500


def test_trailers_come_behind(rsp):
    with rsp.connect("h1") as sock:
        sock.sendall(
            b"GET /text?chunked HTTP/1.1\r\nHost: t\r\nAccept-Encoding: gzip\r\nTE: trailers\r\nConnection: close\r\n\r\n"
        )
        received = b""
        while more := sock.recv(65536):
            received += more
    assert received.endswith(b"\r\n0\r\nT: the end\r\n\r\n")


def test_http_1_0(rsp):
    with rsp.connect("h1") as sock:
        sock.sendall(b"GET /large HTTP/1.0\r\nHost: t\r\nAccept-Encoding: gzip\r\n\r\n")
        received = b""
        while more := sock.recv(65536):
            received += more
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head and b"Transfer-Encoding" not in head
    assert gzip.decompress(body) == LARGE


@pytest.mark.parametrize("way", WAYS)
def test_a_response_that_breaks_off_never_looks_whole(rsp, way):
    if way.startswith("h2"):
        with rsp.client(way) as client:
            number = client.number()
            client.send(
                headers(
                    number,
                    request_fields("/large?cut", (b"accept-encoding", b"gzip"), authority=HOST, scheme=client.scheme),
                )
            )
            client.wait(lambda: client.streams[number].over, "the end")
            assert client.streams[number].reset is not None
    else:
        answer = rsp.ask(way, "/large?cut", ("Accept-Encoding", "gzip"))
        decoder = zlib.decompressobj(31)
        assert LARGE.startswith(decoder.decompress(answer.body)) and not decoder.eof


def test_other_clients_decode_it(rsp):
    with httpx.Client() as client:
        for coding in ("gzip", "br", "zstd"):
            answer = client.get(f"http://127.0.0.1:{rsp.ports['h1']}/large", headers={"Accept-Encoding": coding})
            assert answer.headers["content-encoding"] == coding and answer.content == LARGE


# -- as it comes


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
@pytest.mark.parametrize("way", WAYS)
def test_server_sent_events_are_live(rsp, peer, way, coding):
    made = {
        "gzip": lambda: zlib.decompressobj(31).decompress,
        "br": lambda: brotli.Decompressor().process,
        "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
    }
    decode, seen = made[coding](), b""
    with Reading(rsp, way, "/events", ("Accept-Encoding", coding)) as reading:
        for number in range(1, 6):
            peer.events.release()
            while not seen.endswith(EVENT % number):
                seen += decode(reading.more())
        peer.events.release()
        assert seen == b"".join(EVENT % number for number in range(1, 6))


class Reading:
    """A response's body as it comes."""

    def __init__(self, rsp, way, path, *fields):
        self._http2 = way.startswith("h2")
        if self._http2:
            self._client = rsp.client(way)
            self._number = self._client.number()
            named = request_fields(path, *fields, authority=HOST, scheme=self._client.scheme)
            self._client.send(headers(self._number, [(name.lower(), value) for name, value in named]))
            self._at = 0
        else:
            self._client = rsp.connect(way)
            lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
            self._client.sendall(f"GET {path} HTTP/1.1\r\nHost: t\r\n{lines}\r\n".encode())
            self._file = self._client.makefile("rb")
            while self._file.readline() != b"\r\n":
                pass

    def more(self):
        """The next piece of the body."""
        if self._http2:
            stream = self._client.streams[self._number]
            self._client.wait(lambda: len(stream.body) > self._at, "more of the body")
            more, self._at = stream.body[self._at :], len(stream.body)
            return more
        size = int(self._file.readline(), 16)
        return self._file.read(size + 2)[:size]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._client.close()


@pytest.mark.parametrize("way", WAYS)
def test_a_slow_client_pauses_the_peer_and_gets_everything(rsp, peer, way):
    take = _slowly_http2 if way.startswith("h2") else _slowly_http1
    peer.blocked.clear()
    assert gzip.decompress(take(rsp, way, "/vast", peer.blocked)) == VAST


@pytest.mark.parametrize("way", WAYS)
def test_with_response_buffering_the_peer_does_not_wait(rsp, peer, way):
    take = _slowly_http2 if way.startswith("h2") else _slowly_http1
    peer.done.clear()
    assert gzip.decompress(take(rsp, way, "/held/vast", peer.done)) == VAST


def _slowly_http1(rsp, way, path, until):
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.settimeout(PATIENCE)
        raw.connect(("127.0.0.1", rsp.ports[way]))
        sock = trusted("http/1.1").wrap_socket(raw, server_hostname=HOST) if way == "h1-tls" else raw
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: t\r\nAccept-Encoding: gzip\r\n\r\n".encode())
        assert until.wait(PATIENCE)
        answer = stdlib.HTTPResponse(sock)
        answer.begin()
        body = answer.read()
        sock.close()
        return body


def _slowly_http2(rsp, way, path, until):
    with rsp.client(way, (INITIAL_WINDOW_SIZE, 1000)) as client:
        number = client.number()
        client.send(
            headers(number, request_fields(path, (b"accept-encoding", b"gzip"), authority=HOST, scheme=client.scheme))
        )
        assert until.wait(PATIENCE)
        client.send(window_update(number, 1 << 24), window_update(0, 1 << 24))
        client.finish(client.streams[number])
        assert client.streams[number].ended, rsp.log
        return client.streams[number].body


def test_with_bandwidth(rsp):
    for way in WAYS:
        for name in ("text", "text?chunked"):
            assert decoded(rsp.ask(way, f"/paced/{name}", ("Accept-Encoding", "gzip"))) == TEXT


# -- what it takes


def test_a_worker_answers_others_meanwhile(rsp):
    """Many large bodies are compressed at once, and a small request does not wait for all of them."""
    with rsp.client("h2c") as client:
        client.send(window_update(0, 1 << 30))
        numbers = [client.number() for _ in range(4)]
        for number in numbers:
            fields = request_fields("/large", (b"accept-encoding", b"br"), authority=HOST, scheme=client.scheme)
            client.send(headers(number, fields), window_update(number, 1 << 24))
        client.wait(lambda: client.streams[numbers[0]].body, "some of the first body")
        answer = rsp.ask("h1", "/tiny")
        assert answer.body == b"tiny"
        assert not all(client.streams[number].over for number in numbers)
        for number in numbers:
            client.finish(client.streams[number])
            assert len(client.streams[number].body) < len(LARGE) * 0.7
