"""Requests over HTTP/2, each as if it had come alone: hooks, limits, retries, bodies, interim responses, WebSockets."""

import hashlib
import os
import re
import threading
from base64 import b64encode

import pytest
from hyperframe.frame import WindowUpdateFrame

from tests.h2_client import (
    CANCEL,
    ENABLE_CONNECT_PROTOCOL,
    INITIAL_WINDOW_SIZE,
    INTERNAL_ERROR,
    NO_ERROR,
    Client,
    block,
    continuation,
    data,
    headers,
    request_fields,
    reset,
    window_update,
)
from tests.harness import Backend, Rsp, free_port, receive, resident, wait_until

LARGE = os.urandom(1 << 20) * 3
SITE = """
listen "127.0.0.1:{port}" { http2 = "prior-knowledge" }
limits = { body = "8MB", streams = 100 }
timeouts = { response = "2s", body = "1s" }
access_log = { path = "stdout", format = "{method} {target} {protocol} {status}" }
upstream "app" { "APP" }
upstream "retried" { "127.0.0.1:DEAD", "APP" }
route { to = "app" }
route { path = "/retried", to = "retried" }
route { path = "/small", to = "app", limits = { body = 10 } }
route { path = "/hook", to = "app",
  on_request = function(req) req.headers["x-hook"] = req.headers["cookie"] .. "/" .. req.method end,
  on_response = function(_, res) res.headers["X-Seen"] = "yes" end }
route { path = "/own", to = "app", on_request = function(req) return respond(201, "mine:" .. #req.body()) end }
route { path = "/trailers/upper", to = "app", on_response = function(_, res) res.filter = string.upper end }
"""
WEBSOCKET = [
    (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/chat"), (":authority", "test"),
    ("sec-websocket-version", "13"), ("origin", "http://test"),
]  # fmt: skip


class App(Backend):
    """Its answer depends on the path."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.left = threading.Event()
        super().__init__(self._by_path)

    def _by_path(self, connection, head, rest):
        path = re.search(rb" /(\w*)", head)[1].decode() or "plain"
        return getattr(self, f"_{path}", self._echo)(connection, head, rest)

    def _body(self, connection, head, rest):
        if b"Transfer-Encoding: chunked" in head:
            while not rest.endswith(b"\r\n\r\n"):
                rest += receive(connection, 1 << 20)
            return rest
        length = re.search(rb"Content-Length: (\d+)", head)
        missing = int(length[1]) - len(rest) if length else 0
        pieces = [rest]
        while missing > 0:
            pieces.append(connection.recv(1 << 20))
            missing -= len(pieces[-1])
        return b"".join(pieces)

    def _echo(self, connection, head, rest):
        hooked = re.search(rb"(?i)x-hook: (.*)\r", head)
        body = b"%d %b" % (len(self._body(connection, head, rest)), hooked[1] if hooked else b"-")
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        return True

    def _digest(self, connection, head, rest):
        body = hashlib.sha256(self._body(connection, head, rest)).hexdigest().encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" + body)
        return True

    def _large(self, connection, head, rest):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LARGE) + LARGE)
        return True

    def _trailers(self, connection, head, rest):
        body = self._body(connection, head, rest)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\nX-Sum: 7\r\n\r\n"
            % (len(body), body)
        )
        return True

    def _early(self, connection, head, rest):
        connection.sendall(
            b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        )
        return True

    def _refuse(self, connection, head, rest):
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        while connection.recv(1 << 20):
            pass
        return False

    def _cut(self, connection, head, rest):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf")
        return False

    def _hang(self, connection, head, rest):
        try:
            while connection.recv(1000):
                pass
        finally:
            self.left.set()
        return False

    def _events(self, connection, head, rest):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for number in range(3):
            connection.sendall(b"data: %d\n\n" % number)
            assert self.go_on.wait(20)
            self.go_on.clear()
        return False

    def _chat(self, connection, head, rest):
        key = re.search(rb"(?i)sec-websocket-key: (\S+)", head)[1]
        accept = b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %b\r\n\r\n"
            % accept
        )
        connection.sendall(b"hello")
        while piece := connection.recv(65536):
            connection.sendall(piece.upper())
        return False


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with App() as app:
        text = SITE.replace("APP", app.address).replace("DEAD", str(free_port()))
        with Rsp(tmp_path_factory.mktemp("http2"), text) as rsp:
            yield rsp, app
            assert rsp.stop() == 0


@pytest.fixture
def client(site):
    site[1].heads.clear()
    with Client(site[0].port) as client:
        yield client


def logged(rsp: Rsp, target: str) -> str:
    wait_until(lambda: f" {target} " in rsp.access_log, "a log line")
    return re.findall(rf".* {target} .*", rsp.access_log)[-1]


# -- requests


def test_a_request_becomes_one_of_http1(site, client):
    _, app = site
    done = client.get("/a?b=c", ("cookie", "a=1"), ("cookie", "b=2"), ("user-agent", "x"))
    assert (done.status, done.body) == (200, b"0 -")
    head = app.heads[0]
    assert head.startswith(b"GET /a?b=c HTTP/1.1\r\nHost: test\r\n")
    assert b"\r\ncookie: a=1; b=2\r\n" in head
    assert b"\r\nX-Forwarded-For: 127.0.0.1\r\n" in head


def test_logs_have_the_version(site, client):
    assert client.get("/logged").status == 200
    assert logged(site[0], "/logged") == "GET /logged HTTP/2.0 200"


def test_head_has_no_body(site, client):
    done = client.get("/large", method="HEAD")
    assert (done.status, done.body, done["content-length"]) == (200, b"", str(len(LARGE)))


@pytest.mark.parametrize("size", [0, 1, 16384, 65535])
def test_bodies_of_requests(site, client, size):
    done = client.post("/digest", LARGE[:size], ("content-length", str(size)))
    assert done.body == hashlib.sha256(LARGE[:size]).hexdigest().encode()


def test_a_large_upload_waits_for_windows(site, client):
    response = client.open("/digest", ("content-length", str(len(LARGE))), method="POST", end=False)
    room, at = {0: 65535, response.number: 65535}, 0
    seen = 0
    while at < len(LARGE):
        for one in client.frames[seen:]:
            if isinstance(one, WindowUpdateFrame) and one.stream_id in room:
                room[one.stream_id] += one.window_increment
        seen = len(client.frames)
        size = min(16384, *room.values(), len(LARGE) - at)
        if size:
            client.send(data(response.number, LARGE[at : at + size], end=at + size == len(LARGE)))
            at += size
            room = {number: left - size for number, left in room.items()}
        else:
            assert client.read(), client.story()
    assert client.finish(response).body == hashlib.sha256(LARGE).hexdigest().encode()


def test_trailers_both_ways(site, client):
    number = client.number()
    client.send(
        headers(number, request_fields("/trailers", method="POST"), end=False),
        data(number, b"abc"),
        headers(number, [("x-sum", "6")]),
    )
    done = client.finish(client.expect(number))
    assert done.trailers == [("x-sum", "7")]
    assert done.body == b"3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n"


# -- responses


def test_many_streams_at_once_each_with_its_own_body(site, client):
    waiting = [client.open(f"/own/{at}" if at % 2 else "/large") for at in range(20)]
    for at, response in enumerate(waiting):
        assert client.finish(response).body == (b"mine:0" if at % 2 else LARGE)


def test_an_interim_response_passes(site, client):
    done = client.get("/early")
    assert done.interim == [[(":status", "103"), ("link", "</a.css>")]]
    assert (done.status, done.body) == (200, b"ok")


def test_events_arrive_one_by_one(site, client):
    _, app = site
    response = client.open("/events")
    for number in range(3):
        client.wait(lambda number=number: response.body.endswith(b"data: %d\n\n" % number), "an event")
        app.go_on.set()
    assert client.finish(response).reset is None


def test_a_response_that_breaks_off_is_reset(site, client):
    done = client.get("/cut")
    assert (done.status, done.body, done.reset) == (200, b"half", INTERNAL_ERROR)
    assert client.get("/next").status == 200


def test_an_early_response_ends_an_upload(site, client):
    response = client.open("/refuse", ("content-length", "1000000"), method="POST", end=False)
    client.send(data(response.number, b"x" * 1000))
    client.wait(lambda: response.reset is not None, "RST_STREAM")
    assert (response.status, response.body, response.reset) == (413, b"big", NO_ERROR)
    client.send(data(response.number, b"x" * 1000))  # it was on its way
    assert client.get("/next").status == 200


def test_a_client_may_end_its_request_behind_the_response(site, client):
    """The peer has all of the body before; httpx fails if the stream is reset then."""
    responses = [client.open("/digest", ("content-length", "4"), method="POST", end=False) for _ in range(2)]
    for response in responses:
        client.send(data(response.number, b"body"))
        client.wait(lambda response=response: response.ended, "the response")
    ended, open_end = responses
    client.send(data(ended.number, end=True))
    assert client.get("/next").status == 200
    assert (ended.status, ended.reset) == (200, None)
    client.wait(lambda: open_end.reset is not None, "RST_STREAM")
    assert (open_end.status, open_end.reset, ended.reset) == (200, NO_ERROR, None)


# -- what rsp itself does


def test_hooks_see_a_request_as_any_other(site, client):
    done = client.get("/hook", ("cookie", "a=1"), ("cookie", "b=2"))
    assert (done.body, done["x-seen"]) == (b"0 a=1; b=2/GET", "yes")
    assert client.post("/own", b"four").body == b"mine:4"
    assert client.finish(client.open("/own")).status == 201


def test_a_filter_changes_a_body_and_keeps_trailers(site, client):
    done = client.post("/trailers/upper", b"abc")
    assert (done.body, done.trailers) == (b"3\r\nABC\r\n0\r\n\r\n", [("x-sum", "7")])


def test_retries(site, client):
    assert client.get("/retried").status == 200
    assert client.post("/retried", b"abc", ("content-length", "3")).body.startswith(b"3 ")


def test_a_body_above_the_limit(site, client):
    done = client.post("/small", b"x" * 11, ("content-length", "11"))
    assert done.status == 413
    done = client.post("/small", b"x" * 11)  # found out on the way
    assert done.status == 413
    assert client.get("/next").status == 200


def test_a_head_above_the_limit(site, client):
    done = client.get("/", *[(f"x-{at}", "y" * 1000) for at in range(15)], ("x-last", "y"))
    assert done.status == 200
    number = client.number()
    fields = request_fields("/", *[(f"x-{at}", "y" * 8000) for at in range(6)])
    whole = block(fields)
    pieces = [whole[at : at + 16384] for at in range(0, len(whole), 16384)]
    client.send(
        headers(number, pieces[0], more=True),
        *(continuation(number, piece, more=piece is not pieces[-1]) for piece in pieces[1:]),
    )
    assert client.finish(client.expect(number)).status == 431
    assert client.get("/next").status == 200


def test_metadata_of_a_call_above_the_limit(site, client):
    """gRPC's clients make nothing of 431: they look for grpc-status."""
    number = client.number()
    named = [("te", "trailers"), ("content-type", "application/grpc"), *((f"x-{at}", "y" * 8000) for at in range(6))]
    whole = block(request_fields("/a.B/C", *named, method="POST"))
    pieces = [whole[at : at + 16384] for at in range(0, len(whole), 16384)]
    client.send(
        headers(number, pieces[0], more=True, end=False),
        *(continuation(number, piece, more=piece is not pieces[-1]) for piece in pieces[1:]),
    )
    done = client.finish(client.expect(number))
    assert (done.status, done["grpc-status"]) == (200, "8")
    assert "the head is too large" in done["grpc-message"]


def test_a_line_above_the_limit(site, client):
    assert client.get("/" + "a" * 10000).status == 414


def test_a_peer_that_does_not_answer(site, client):
    response = client.open("/hang")
    assert client.get("/next").status == 200  # meanwhile
    assert client.finish(response).status == 504


def test_a_body_that_does_not_come(site, client):
    response = client.open("/digest", method="POST", end=False)
    client.wait(lambda: response.over and response.reset is not None, "RST_STREAM")
    assert (response.status, response.reset) == (408, NO_ERROR)
    assert client.get("/next").status == 200


def test_a_client_that_cancels_ends_the_request_at_the_peer(site, client):
    rsp, app = site
    app.left.clear()
    response = client.open("/hang/cancelled")
    wait_until(lambda: app.heads, "the request")
    client.send(reset(response.number))
    assert app.left.wait(20)
    assert client.get("/next").status == 200
    assert logged(rsp, "/hang/cancelled").split()[-1] == "499"


def test_a_client_that_goes_ends_all_its_requests(site):
    rsp, app = site
    app.left.clear()
    app.heads.clear()
    with Client(rsp.port) as client:
        client.open("/hang")
        wait_until(lambda: app.heads, "the request")
    assert app.left.wait(20)


# -- one stream and the others


def test_a_stream_that_takes_nothing_holds_up_no_other(site):
    rsp, _ = site
    with Client(rsp.port, (INITIAL_WINDOW_SIZE, 0)) as client:
        stuck = [client.open("/large") for _ in range(10)]
        client.pong()
        done = client.open("/own")
        client.send(window_update(done.number, 1000))
        assert client.finish(done).body == b"mine:0"
        assert not any(one.body for one in stuck)
        for one in stuck:
            client.send(window_update(one.number, len(LARGE)))
        for one in stuck:
            assert client.finish(one).body == LARGE


def test_urgent_responses_come_first(site):
    """RFC 9218: two responses that wait for the connection's window."""
    rsp, _ = site
    with Client(rsp.port, credits=False) as client:
        first = client.open("/large", ("priority", "u=5"))
        client.wait(lambda: len(first.body) == 65535, "a full window")
        other = client.open("/large", ("priority", "u=5"))
        urgent = client.open("/digest", ("priority", "u=1"))
        client.wait(lambda: urgent.status and other.status, "heads")
        client.pong()
        client.send(window_update(0, 64))
        assert client.finish(urgent).body == hashlib.sha256(b"").hexdigest().encode()
        assert len(first.body) == 65535 and not other.body


def test_padding_is_credited(site, client):
    """Windows do not shrink by what is thrown away."""
    response = client.open("/digest", method="POST", end=False)
    for _ in range(600):
        client.send(b"\0\1\0\0\x08" + response.number.to_bytes(4) + b"\xfe" + b"x" + bytes(254))
    client.send(data(response.number, end=True))
    assert client.finish(response).status == 200


# -- WebSockets (RFC 8441)


def test_a_websocket_to_a_peer_of_http1(site, client):
    _, app = site
    number = client.number()
    client.send(headers(number, WEBSOCKET, end=False))
    response = client.expect(number)
    client.wait(lambda: response.body == b"hello", "the tunnel")
    assert client.settings[ENABLE_CONNECT_PROTOCOL] == 1
    assert response.status == 200
    assert response["sec-websocket-accept"] is None and response["upgrade"] is None
    assert app.heads[0].startswith(b"GET /chat HTTP/1.1\r\n")
    client.send(data(number, b"abc"))
    client.wait(lambda: response.body == b"helloABC", "an echo")
    assert client.get("/next").status == 200
    client.send(data(number, b"end", end=True))
    client.finish(response)
    assert (response.body, response.reset) == (b"helloABCEND", None)


def test_a_websocket_that_the_client_cancels(site, client):
    number = client.number()
    client.send(headers(number, WEBSOCKET, end=False))
    client.wait(lambda: client.expect(number).body == b"hello", "the tunnel")
    client.send(reset(number, CANCEL))
    assert client.get("/next").status == 200


# -- slow clients


def test_clients_that_take_nothing_lose_their_streams(tmp_path):
    """Zero windows, and a socket that is not read: after ``timeouts.send``, with little memory until then."""
    with App() as app:
        text = f"""listen "127.0.0.1:{{port}}" {{ http2 = "prior-knowledge" }}
        timeouts = {{ send = "1s" }} upstream "app" {{ "{app.address}" }} route {{ to = "app" }}"""
        with Rsp(tmp_path, text) as rsp:
            with Client(rsp.port, (INITIAL_WINDOW_SIZE, 0)) as client:
                (worker,) = rsp.workers().values()
                before = resident(worker)
                stuck = [client.open("/large") for _ in range(30)]
                client.wait(lambda: all(one.status for one in stuck), "heads")
                client.pong()
                assert resident(worker) - before < 20 << 20  # of 90 MB
                client.wait(lambda: all(one.reset is not None for one in stuck), "RST_STREAM")
                assert {one.reset for one in stuck} == {CANCEL}
            with Client(rsp.port, (INITIAL_WINDOW_SIZE, 1 << 30), receive_buffer=4096) as client:
                client.send(window_update(0, 1 << 30))
                for _ in range(30):
                    client.open("/large")
                wait_until(lambda: not app.open, "peers are let go")
