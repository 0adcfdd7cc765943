"""What a configuration can say about HTTP: limits, answers, header rules, forwarded fields."""

import json
import random
import re
import socket
import threading
import time
from itertools import pairwise

import psutil
import pytest

from tests.harness import Backend, Rsp, answering, exchange, free_port, get, proxy_to, receive, wait_until
from tests.over_tls import SCHEME, may_be_cut

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=1\r\nX-Old: 1\r\n\r\nok"


def body_of(response: bytes) -> bytes:
    return response.partition(b"\r\n\r\n")[2]


def status_of(response: bytes) -> int:
    assert response.startswith(b"HTTP/1.1 "), response
    return int(response[9:12])


@pytest.fixture(scope="module")
def backend():
    with Backend(answering(OK)) as one:
        yield one


SITE = """
listen "127.0.0.1:{port}"
upstream "app" { "BACKEND" }
route { to = "app" }
route { path = "/api/", to = "app", strip = true }
route { path = "/old/", to = "app", rewrite = "/new/" }
route { path = "/host/", to = "app", send_host = "inner.test:99" }
route {
  path = "/rules/", to = "app",
  request_headers = { remove = { "Cookie", "X-Gone" }, set = { ["X-Env"] = "live" }, add = { ["X-More"] = "2" } },
  response_headers = { remove = { "Set-Cookie" }, set = { ["X-Old"] = "2" }, add = { Vary = "Accept" } },
}
route { path = "/moved/", redirect = "https://{host}{path}" }
route { path = "/for-good", redirect = { to = "/here", status = 308 } }
route { path = "/hello", respond = { body = "hello\\n", headers = { ["X-Own"] = "1" } } }
route { path = "/empty", respond = { status = 204 } }
route { path = "/small/", to = "app", limits = { body = 10 } }
route { path = "/dead/", to = "dead" }
upstream "dead" { "127.0.0.1:DEAD" }
page { status = { 404, 418 }, body = "<h1>{status}</h1>{request_id}" }
page { status = 502, file = "sorry.html", type = "text/html" }
route { host = "nowhere.test", path = "/only/", to = "app" }
"""


@pytest.fixture(scope="module")
def rsp(tmp_path_factory, backend):
    directory = tmp_path_factory.mktemp("rsp")
    (directory / "sorry.html").write_text("<p>sorry {request_id}</p>")
    text = SITE.replace("BACKEND", backend.address).replace("DEAD", str(free_port()))
    with Rsp(directory, text) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "seen"),
    [("/api/x?y=/api/", b"GET /x?y=/api/ "), ("/api/", b"GET / "), ("/old/a/b", b"GET /new/a/b "), ("/api//x", b"GET //x "),
     ("/api/%41", b"GET /%41 ")],
)  # fmt: skip
def test_paths_are_stripped_and_rewritten(rsp, backend, path, seen):
    assert status_of(get(rsp.port, path)) == 200
    assert backend.heads[-1].startswith(seen)
    assert path in rsp.access_log or wait_until(lambda: f'"GET {path} ' in rsp.access_log) is None


def test_the_host_can_be_set(rsp, backend):
    get(rsp.port, "/host/", host="outer")
    assert b"\r\nHost: inner.test:99\r\n" in backend.heads[-1]
    assert b"\r\nX-Forwarded-Host: outer\r\n" in backend.heads[-1]


def test_header_rules(rsp, backend):
    response = get(rsp.port, "/rules/", extra="cookie: a=b\r\nX-GONE: 1\r\nX-Env: test\r\nX-More: 1\r\n")
    head = backend.heads[-1]
    assert b"ookie" not in head
    assert b"X-GONE" not in head
    assert head.count(b"X-Env: live\r\n") == 1
    assert b"X-Env: test" not in head
    assert re.findall(rb"X-More: (\d)", head) == [b"1", b"2"]
    assert b"Set-Cookie" not in response
    assert re.findall(rb"X-Old: (\d)", response) == [b"2"]
    assert b"Vary: Accept\r\n" in response


def test_redirects_and_fixed_answers(rsp):
    response = get(rsp.port, "/moved/x?y", host="a.test")
    assert status_of(response) == 302
    assert b"\r\nLocation: https://a.test/moved/x?y\r\n" in response
    assert status_of(get(rsp.port, "/for-good")) == 308
    response = get(rsp.port, "/hello")
    assert body_of(response) == b"hello\n"
    assert b"X-Own: 1\r\n" in response
    assert body_of(get(rsp.port, "/empty")) == b""
    assert body_of(exchange(rsp.port, b"HEAD /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")) == b""
    twice = exchange(rsp.port, b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n" * 2, half_close=True)
    assert twice.count(b"hello\n") == 2


def test_errors_come_as_text_json_or_page_with_the_request_id(rsp):
    post = b"POST /small/ HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nConnection: close\r\n%b\r\nhello world"
    response = exchange(rsp.port, post % b"X-Request-Id: my-id\r\n")
    assert body_of(response) == b"413 Content Too Large\nrequest id: my-id\n".replace(
        b"Content", b"Request Entity"
    ) or (body_of(response) == b"413 Content Too Large\nrequest id: my-id\n")
    response = exchange(rsp.port, post % b"Accept: application/json\r\nX-Request-Id: my-id\r\n")
    data = json.loads(body_of(response))
    assert (data["status"], data["request_id"]) == (413, "my-id")
    assert b"Content-Type: application/json\r\n" in response
    response = get(rsp.port, "/dead/", extra="X-Request-Id: d1\r\n")
    assert status_of(response) == 502
    assert body_of(response) == b"<p>sorry d1</p>"
    assert b"X-Request-Id: d1\r\n" in response


def test_bodies_beyond_the_limit(rsp, backend):
    before = len(backend.heads)
    chunked = (
        b"POST /small/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n"
    )
    assert status_of(exchange(rsp.port, chunked + b"8\r\n12345678\r\n0\r\n\r\n")) == 413
    with socket.create_connection(("127.0.0.1", rsp.port)) as client:
        client.sendall(chunked)
        wait_until(lambda: len(backend.heads) > before, "the first part to arrive")
        client.sendall(b"8\r\n12345678\r\n0\r\n\r\n")
        received = b""
        while more := client.recv(1000):
            received += more
    assert b" 413 " in received or received == b"" or b" 200 " in received
    assert status_of(exchange(rsp.port, chunked + b"0\r\n\r\n", half_close=True)) == 200


def test_a_page_for_what_no_route_matches(tmp_path, backend):
    text = f'listen "127.0.0.1:{{port}}" upstream "a" {{ "{backend.address}" }} route {{ host = "a", to = "a" }}'
    with Rsp(tmp_path, text + ' page { status = 404, body = "<h1>{status}</h1>" }') as rsp:
        assert body_of(get(rsp.port, host="b")) == b"<h1>404</h1>"


@pytest.mark.parametrize(
    ("settings", "given", "seen", "client"),
    [
        ("", "X-Forwarded-For: 6.6.6.6\r\n", b"X-Forwarded-For: 127.0.0.1\r\n", "127.0.0.1"),
        ('trusted = { "127.0.0.0/8" }', "X-Forwarded-For: 9.9.9.9, 6.6.6.6\r\nX-Forwarded-Proto: https\r\n",
         b"X-Forwarded-For: 9.9.9.9, 6.6.6.6, 127.0.0.1\r\nX-Forwarded-Proto: https\r\n", "6.6.6.6"),
        ('trusted = { "127.0.0.0/8", "6.6.6.0/24" }', "X-Forwarded-For: 9.9.9.9, 6.6.6.6\r\n",
         b"X-Forwarded-For: 9.9.9.9, 6.6.6.6, 127.0.0.1\r\n", "9.9.9.9"),
        ('trusted = { "127.0.0.1" } forwarded = "forwarded"', 'Forwarded: for="[2001:db8::1]:80"\r\n',
         b'Forwarded: for="[2001:db8::1]:80", for=127.0.0.1;host="test";proto=SCHEME\r\n', "2001:db8::1"),
        ('forwarded = "forwarded"', "Forwarded: for=6.6.6.6\r\n", b'Forwarded: for=127.0.0.1;host="test";proto=SCHEME\r\n', "127.0.0.1"),
        ('trusted = { "10.0.0.0/8" }', "X-Forwarded-For: 6.6.6.6\r\n", b"X-Forwarded-For: 127.0.0.1\r\n", "127.0.0.1"),
        ('trusted = { "127.0.0.1" }', "X-Forwarded-For: nonsense, x\r\n", b"X-Forwarded-For: nonsense, x, 127.0.0.1\r\n", "127.0.0.1"),
        ('via = "edge" request_id = "make"', "X-Request-Id: mine\r\n", b"Via: 1.1 edge\r\n", "127.0.0.1"),
    ],
)  # fmt: skip
def test_who_the_client_is(tmp_path, backend, settings, given, seen, client):
    with Rsp(tmp_path, proxy_to(backend.address, extra=settings)) as rsp:
        response = get(rsp.port, extra=given)
        assert seen.replace(b"SCHEME", SCHEME.encode()) in backend.heads[-1]
        assert b"mine" not in backend.heads[-1]
        assert (b"Via: 1.1 edge\r\n" in response) == ("via" in settings)
        wait_until(lambda: rsp.access_log.startswith(client + " "), "the log line")


def test_forwarding_can_be_off(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address, extra='forwarded = "off" request_id = "off"')) as rsp:
        get(rsp.port, extra="X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n")
        assert backend.heads[-1] == b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


def test_too_many_connections_get_a_clear_answer(tmp_path, backend):
    text = proxy_to(backend.address, extra="limits = { connections = 4 }")
    with Rsp(tmp_path, text) as rsp:
        request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        held = [socket.create_connection(("127.0.0.1", rsp.port)) for _ in range(4)]
        for client in held:
            client.sendall(request)
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
        response = exchange(rsp.port, request)
        assert status_of(response) == 503
        assert b"Retry-After: " in response
        for client in held:
            client.sendall(request)
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
            client.close()
        wait_until(lambda: status_of(exchange(rsp.port, request, half_close=True)) == 200, "room")


def test_connections_of_one_client_are_limited(tmp_path, backend):
    text = f'listen {{ "127.0.0.1:{{port}}", limits = {{ per_client = 2 }} }} upstream "a" {{ "{backend.address}" }}'
    with Rsp(tmp_path, text) as rsp:
        request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        held = [socket.create_connection(("127.0.0.1", rsp.port)) for _ in range(2)]
        for client in held:
            client.sendall(request)
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
        assert status_of(exchange(rsp.port, request)) == 503
        other = socket.create_connection(("127.0.0.1", rsp.port), source_address=("127.0.0.2", 0))
        other.sendall(request)
        assert other.recv(1000).startswith(b"HTTP/1.1 200")
        for client in held:
            client.close()
        wait_until(lambda: status_of(exchange(rsp.port, request, half_close=True)) == 200, "room")


def test_a_body_that_trickles_is_cut_off(tmp_path, backend):
    text = proxy_to(backend.address, extra="timeouts = { body = 1 } limits = { min_rate = 1000 }")
    with Rsp(tmp_path, text) as rsp, socket.create_connection(("127.0.0.1", rsp.port)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        started = time.monotonic()
        client.settimeout(0.1)
        received = b""
        while not received:
            assert time.monotonic() - started < 20
            try:
                client.sendall(b"x")  # every 0.1 s: never silent, never fast enough
                received = client.recv(1000)
            except TimeoutError:
                pass
        # The backend answers at once, so what is cut may be the upload alone.
        assert received.startswith((b"HTTP/1.1 408", b"HTTP/1.1 200"))


def test_a_reader_that_trickles_is_cut_off(tmp_path):
    gone = threading.Event()

    def endless(connection, head, rest):
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                connection.sendall(b"x" * 100_000)
        except OSError:
            gone.set()
        return False

    with Backend(endless) as backend:
        text = proxy_to(backend.address, extra="timeouts = { send = 2 } limits = { min_rate = 10000 }")
        with Rsp(tmp_path, text) as rsp, socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", rsp.port))
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            while not gone.wait(0.1):
                client.recv(10)


@may_be_cut()
def test_a_whole_exchange_may_take_so_long(tmp_path):
    def dribble(connection, head, rest):
        try:
            if b"/head" not in head:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(300):
                connection.sendall(b"x" if b"/head" not in head else b"")
                time.sleep(0.1)
        except OSError:
            pass
        return False

    with Backend(dribble) as backend:
        text = f'listen "127.0.0.1:{{port}}" upstream "a" {{ "{backend.address}" }} route {{ to = "a", timeouts = {{ request = 1 }} }}'
        with Rsp(tmp_path, text) as rsp:
            assert status_of(get(rsp.port, "/head")) == 504
            assert 0 < len(body_of(get(rsp.port))) < 100


def test_limits_of_listeners_differ(tmp_path, backend):
    small = free_port()
    text = proxy_to(backend.address) + f'listen {{ "127.0.0.1:{small}", limits = {{ line = 100, fields = 3 }} }}'
    with Rsp(tmp_path, text) as rsp:
        for port, expected in ((rsp.port, 200), (small, 414)):
            assert status_of(get(port, "/" + "x" * 200)) == expected
        for port, expected in ((rsp.port, 200), (small, 431)):
            assert status_of(get(port, extra="A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n")) == expected


def test_trailers_both_ways(tmp_path):
    seen = []

    def handler(connection, head, rest):
        received = rest
        while b"\r\n\r\n" not in received.partition(b"0\r\n")[2].join((b"", b"")) and not received.endswith(
            b"\r\n\r\n"
        ):
            received += receive(connection, 1000)
        seen.append(received)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n"
        )
        return True

    with Backend(handler) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        request = (
            b"POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        response = exchange(rsp.port, request + b"3\r\nabc\r\n0\r\nX-Up: 1\r\nHost: evil\r\n\r\n")
        assert response.endswith(b"0\r\nX-Sum: 7\r\n\r\n")
        assert seen[0].endswith(b"0\r\nX-Up: 1\r\n\r\n")
        response = exchange(rsp.port, request.replace(b"TE: trailers\r\n", b"") + b"0\r\n\r\n")
        assert response.endswith(b"\r\n0\r\n\r\n")


def test_server_sent_events_flow_at_once(tmp_path):
    step = threading.Event()

    def events(connection, head, rest):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for number in range(3):
            connection.sendall(b"data: %d\n\n" % number)
            assert step.wait(30)
            step.clear()
        return False

    with Backend(events) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        with socket.create_connection(("127.0.0.1", rsp.port)) as client:
            client.settimeout(30)
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            received = b""
            for number in range(3):  # the next event is only sent when this one has arrived
                while b"data: %d\n\n" % number not in received:
                    received += receive(client, 1000)
                step.set()


def test_a_long_upload_reaches_the_backend_before_it_ends(tmp_path):
    arrived = threading.Event()

    def handler(connection, head, rest):
        received = rest
        while len(received) < 10:
            if received:
                arrived.set()
            received += receive(connection, 100)
        connection.sendall(OK)
        return True

    with Backend(handler) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        with socket.create_connection(("127.0.0.1", rsp.port)) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
            assert arrived.wait(30)
            client.sendall(b"world")
            assert client.recv(1000).startswith(b"HTTP/1.1 200")


@may_be_cut()
def test_tunnels_drain_until_the_deadline(tmp_path):
    def echo(connection, head, rest):
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        while data := connection.recv(65536):
            connection.sendall(data)
        return False

    with Backend(echo) as backend, Rsp(tmp_path, proxy_to(backend.address, extra="timeouts = { shutdown = 2 }")) as rsp:
        with socket.create_connection(("127.0.0.1", rsp.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 101")
            rsp.signal(15)
            wait_until(lambda: "Stopping" in rsp.log, "the stop")
            client.sendall(b"still here")
            assert client.recv(1000) == b"still here"
            assert client.recv(1000) == b""  # at the deadline
        assert rsp.process.wait(30) == 0
        assert "timeouts.shutdown has passed; 1 tunnel was cut" in rsp.log


@may_be_cut()
def test_an_idle_tunnel_ends(tmp_path):
    def silent(connection, head, rest):
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
        connection.recv(1)
        return False

    with Backend(silent) as backend, Rsp(tmp_path, proxy_to(backend.address, extra="timeouts = { tunnel = 1 }")) as rsp:
        with socket.create_connection(("127.0.0.1", rsp.port)) as client:
            client.settimeout(30)
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 101")
            assert client.recv(1000) == b""


def test_any_split_of_the_input_gives_the_same_exchanges(tmp_path):
    """Pipelined requests of every framing, cut at random places: the backend and the client see the same each time."""

    def read_body(connection, head, data):
        if b"chunked" in head:
            while not data.endswith(b"\r\n\r\n"):
                data += receive(connection, 1000)
        elif length := re.search(rb"Content-Length: (\d+)", head):
            while len(data) < int(length[1]):
                data += receive(connection, 1000)
        return data

    seen = []

    def handler(connection, head, rest):
        body = read_body(connection, head, rest)
        seen.append(
            (head.split(b" ")[1], body if b"chunked" not in head else re.sub(rb"[0-9a-f]+\r\n|\r\n", b"", body))
        )
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True

    requests = (
        b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
        b"POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n\r\n\r\nGET / \r\n"
        b"\r\nPOST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nxyz\r\n8\r\nuvwuvwuv\r\n0\r\nX-T: u\r\n\r\n"
        b"HEAD /4 HTTP/1.1\r\nHost: a\r\n\r\nGET /5 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    rng = random.Random(5)
    outcomes = set()
    with Backend(handler) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        for _ in range(100):
            seen.clear()
            cuts = sorted({0, len(requests), *(rng.randrange(len(requests)) for _ in range(rng.randrange(12)))})
            with socket.create_connection(("127.0.0.1", rsp.port)) as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for start, end in pairwise(cuts):
                    client.sendall(requests[start:end])
                    time.sleep(0.0005)  # so that pieces arrive apart, most of the time
                received = b""
                while more := client.recv(65536):
                    received += more
            outcomes.add((tuple(seen), received))
    assert len(outcomes) == 1, outcomes
    [(exchanges, received)] = outcomes
    assert [path for path, _ in exchanges] == [b"/1", b"/2", b"/3", b"/4", b"/5"]
    assert received.count(b"HTTP/1.1 200 OK") == 5
    assert exchanges[1][1] == b"\r\n\r\nGET / \r\n"
    assert exchanges[2][1].startswith(b"xyzuvwuvwuv")


def test_options_asterisk(rsp, backend):
    assert status_of(exchange(rsp.port, b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")) == 200
    assert backend.heads[-1].startswith(b"OPTIONS * HTTP/1.1\r\n")


def test_a_tunnel_ends_when_both_sides_have_closed(tmp_path):
    def echo(connection, head, rest):
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        while data := connection.recv(65536):
            connection.sendall(data)
        return False

    with Backend(echo) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        worker = psutil.Process(rsp.workers()[0])
        quiet = len(worker.net_connections())
        for client_first in (True, False):
            client = socket.create_connection(("127.0.0.1", rsp.port))
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 101")
            if client_first:
                client.shutdown(socket.SHUT_WR)
                assert client.recv(10) == b""
            else:
                backend.close()
                assert client.recv(10) == b""
                client.shutdown(socket.SHUT_WR)
            wait_until(lambda: len(worker.net_connections()) <= quiet, "both connections to be closed")
            client.close()
        wait_until(lambda: rsp.access_log.count('" 101 ') == 2, "the log lines")


def test_a_response_head_that_trickles_times_out(tmp_path):
    def trickle(connection, head, rest):
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while True:
                connection.sendall(b"X: y\r\n")
                time.sleep(0.2)
        except OSError:
            return False

    with (
        Backend(trickle) as backend,
        Rsp(tmp_path, proxy_to(backend.address, extra="timeouts = { response = 1 }")) as rsp,
    ):
        assert status_of(get(rsp.port)) == 504


def test_a_request_that_ends_early_is_told_so(rsp, backend):
    before = len(backend.heads)
    response = exchange(rsp.port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello", half_close=True)
    assert status_of(response) in (200, 400)  # the backend may have answered the head
    assert len(backend.heads) <= before + 1
