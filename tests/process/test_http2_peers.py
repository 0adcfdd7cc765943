"""Backends that speak HTTP/2, as clients and operators see them: the real rsp, and hyper-h2 at the other end."""

import hashlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.certificates import authority
from tests.h2_load import h2_load
from tests.h2_peer import ERROR, H2Backend, after
from tests.harness import (
    Rsp,
    as_root,
    background_load,
    exchange,
    free_port,
    get,
    receive,
    resident,
    run_load,
    run_rsp,
    wait_until,
)
from tests.tls_peers import SecureBackend

CA = authority("Peers CA")
GOOD = CA.issue("127.0.0.1", "localhost")
POST = b"POST /p HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"


def site(*addresses: str, http: str = "2", more: str = "", extra: str = "") -> str:
    listed = ", ".join(f'"{address}"' for address in addresses)
    return (
        f'listen "127.0.0.1:{{port}}"\nupstream "app" {{ {listed}, http = {http}, {more} }}\n'
        f'route {{ to = "app" }}\n{extra}\n'
    )


def status(response: bytes) -> int:
    return int(response.split(b" ", 2)[1])


def body_of(response: bytes) -> bytes:
    """Of a response that is not chunked."""
    return response.partition(b"\r\n\r\n")[2]


def many(port: int, number: int, request: bytes = b"", *, threads: int = 50) -> list[bytes]:
    """So many requests, each on a connection of its own, many at once."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda n: exchange(port, request) if request else get(port, f"/{n}"), range(number)))


@contextmanager
def secure_context(directory, *protocols: str):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(GOOD.write(directory, "peer"))
    context.set_alpn_protocols(list(protocols))
    CA.write(directory / "ca.pem")
    yield context


TLS = 'tls = { ca = "ca.pem" }'


# -- requests and responses


def test_a_request_and_its_response(tmp_path):
    def answer(asked):
        asked.interim(103, [("link", "</style.css>")])
        body = asked.body()
        asked.respond(200, b"%b %b" % (asked.method, body), [("x-from", "h2")], [("x-sum", "5")])

    with H2Backend(answer) as backend, Rsp(tmp_path, site(backend.address, extra='via = "edge"')) as rsp:
        response = exchange(
            rsp.port, POST.replace(b"Host: t", b"Host: t\r\nTE: trailers\r\nCookie: a=1\r\nCookie: b=2")
        )
        interim, _, final = response.partition(b"\r\n\r\n")
        assert interim.startswith(b"HTTP/1.1 103 ") and b"link: </style.css>" in interim
        assert final.startswith(b"HTTP/1.1 200 OK\r\n") and b"x-from: h2" in final and b"POST hello" in final
        assert b"\r\nx-sum: 5\r\n" in final
        (asked,) = backend.requests
        assert asked.fields[b":scheme"] == b"http" and asked.fields[b":authority"] == b"t"
        assert asked.fields[b"content-length"] == b"5" and asked.fields[b"te"] == b"trailers"
        assert asked.fields[b"x-forwarded-for"] == b"127.0.0.1" and asked.fields[b"via"] == b"1.1 edge"
        assert b"connection" not in asked.fields and b"host" not in asked.fields
        wait_until(lambda: '"POST /p HTTP/1.1" 200' in rsp.access_log, "the log line")


@pytest.mark.parametrize("code", [200, *(pytest.param(code, marks=pytest.mark.soak) for code in (302, 401, 204, 304))])
def test_a_response_without_a_body_and_without_its_length(tmp_path, code):
    with H2Backend(lambda asked: asked.respond(code)) as backend, Rsp(tmp_path, site(backend.address)) as rsp:
        with socket.create_connection(("127.0.0.1", rsp.port)) as client:
            client.settimeout(10)
            for method in (b"GET", b"POST", b"GET"):
                client.sendall(b"%b / HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n" % method)
                head = client.recv(65536)
                assert status(head) == code and head.endswith(b"\r\n\r\n")
                assert (b"\r\nContent-Length: 0\r\n" in head) == (code not in (204, 304))


def test_large_bodies_both_ways(tmp_path):
    def answer(asked):
        digest = hashlib.sha256()
        while piece := asked.read():
            digest.update(piece)
        asked.head(200, [("x-sum", digest.hexdigest())])
        for _ in range(40):
            asked.send(b"d" * 100_000)
        asked.end()

    data = os.urandom(5_000_000)
    with H2Backend(answer) as backend, Rsp(tmp_path, site(backend.address)) as rsp:
        head = b"POST / HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(data)
        response = exchange(rsp.port, head + data)
        assert hashlib.sha256(data).hexdigest().encode() in response
        assert response.count(b"d" * 1000) >= 3900


def test_many_requests_share_a_connection(tmp_path):
    together = threading.Barrier(60)

    def answer(asked):
        together.wait(30)
        asked.respond(200, asked.path)

    with H2Backend(answer) as backend, Rsp(tmp_path, site(backend.address)) as rsp:
        bodies = {body_of(response).split(b"\r\n")[1] for response in many(rsp.port, 60, threads=60)}
        assert bodies == {b"/%d" % number for number in range(60)}
        assert len(backend.made) == 1 and backend.last.at_once == 60


def test_no_more_at_once_than_the_peer_takes(tmp_path):
    def answer(asked):
        time.sleep(0.005)
        asked.respond(200, b"x")

    with H2Backend(answer, MAX_CONCURRENT_STREAMS=3) as backend, Rsp(tmp_path, site(backend.address)) as rsp:
        assert {status(response) for response in many(rsp.port, 200)} == {200}
        assert len(backend.made) > 1 and not backend.failures  # hyper-h2 refuses a fourth


def test_max_conns_counts_requests(tmp_path):
    running, at_once = [], []

    def answer(asked):
        running.append(asked)
        at_once.append(len(running))
        time.sleep(0.002)
        running.remove(asked)
        asked.respond(200, b"x")

    with H2Backend(answer) as backend, Rsp(tmp_path, site(backend.address, more="max_conns = 4")) as rsp:
        assert {status(response) for response in many(rsp.port, 100)} == {200}
        assert max(at_once) == 4


# -- one does not hold up another


def test_a_client_that_reads_slowly_holds_up_nobody_else(tmp_path):
    def answer(asked):
        if asked.path != b"/big":
            asked.respond(200, b"quick")
            return
        asked.head()
        for _ in range(600):
            asked.send(b"x" * 100_000)
        asked.end()

    with H2Backend(answer) as backend, Rsp(tmp_path, site(backend.address)) as rsp:
        get(rsp.port)
        worker = rsp.workers()[0]
        before = resident(worker)
        slow = []
        for _ in range(3):
            client = socket.create_connection(("127.0.0.1", rsp.port))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(b"GET /big HTTP/1.1\r\nHost: t\r\n\r\n")
            slow.append(client)
        wait_until(lambda: len(backend.requests) == 4, "the slow requests")
        assert {status(get(rsp.port)) for _ in range(50)} == {200}
        assert len(backend.made) == 1
        assert resident(worker) - before < 40 << 20
        for client in slow:
            client.close()
        wait_until(lambda: all(asked.reset_with is not None for asked in backend.requests[1:4]), "the resets")
        assert status(get(rsp.port)) == 200 and len(backend.made) == 1


def test_an_upload_that_the_peer_does_not_read_holds_up_nobody_else(tmp_path):
    end = threading.Event()

    def answer(asked):
        if asked.path == b"/slow":
            end.wait(30)
        asked.body()
        asked.respond(200, b"read")

    with H2Backend(answer, window=1 << 20) as backend, Rsp(tmp_path, site(backend.address)) as rsp:
        with socket.create_connection(("127.0.0.1", rsp.port)) as client:
            client.settimeout(30)
            client.sendall(b"POST /slow HTTP/1.1\r\nHost: t\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 50_000)
            wait_until(lambda: backend.requests, "the slow request")
            sender = threading.Thread(target=client.sendall, args=(b"x" * 2_950_000,))
            sender.start()
            assert {status(exchange(rsp.port, POST)) for _ in range(50)} == {200}
            assert len(backend.made) == 1
            end.set()
            sender.join()
            assert client.recv(1000).startswith(b"HTTP/1.1 200 ")


# -- TLS


@pytest.mark.parametrize("http", ["2", pytest.param('"auto"', marks=pytest.mark.soak)])
def test_over_tls(tmp_path, http):
    with secure_context(tmp_path, "h2", "http/1.1") as context, H2Backend(context=context) as backend:
        with Rsp(tmp_path, site(backend.address, http=http, more=TLS)) as rsp:
            assert {status(response) for response in many(rsp.port, 50)} == {200}
            assert {asked.fields[b":scheme"] for asked in backend.requests} == {b"https"}
            assert len(backend.made) == 1


@pytest.mark.soak
def test_sessions_are_resumed(tmp_path):
    resumed = []

    def answer(asked):
        resumed.append(asked.connection.sock.session_reused)
        asked.respond(200, b"x")

    with secure_context(tmp_path, "h2") as context, H2Backend(answer, context=context) as backend:
        with Rsp(tmp_path, site(backend.address, more=f"{TLS}, keepalive = 0")) as rsp:
            for _ in range(5):
                assert status(get(rsp.port)) == 200
    assert resumed.count(True) >= 3


@pytest.mark.soak
def test_auto_with_a_peer_of_http1(tmp_path):
    with secure_context(tmp_path):
        backend = SecureBackend(tmp_path, GOOD)
    with backend, Rsp(tmp_path, site(backend.address, http='"auto"', more=TLS)) as rsp:
        assert {status(response) for response in many(rsp.port, 50)} == {200}
        assert all(head.startswith(b"GET /") for head in backend.heads)


@pytest.mark.parametrize("protocols", [pytest.param((), marks=pytest.mark.soak), ("http/1.1",)])
def test_a_peer_over_tls_that_does_not_speak_http2(tmp_path, protocols):
    with secure_context(tmp_path, *protocols):
        backend = SecureBackend(tmp_path, GOOD, context=lambda context: context.set_alpn_protocols(list(protocols)))
    with backend, Rsp(tmp_path, site(backend.address, more=TLS)) as rsp:
        assert status(get(rsp.port)) == 502
        assert re.search(rf'upstream "app": peer {backend.address}: does not speak HTTP/2', rsp.log), rsp.log
    assert not backend.heads


def test_a_peer_that_speaks_http1_only(tmp_path):
    def raw(sock):
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with H2Backend(raw=raw) as bad, H2Backend() as good, Rsp(tmp_path, site(bad.address, good.address)) as rsp:
        assert {status(exchange(rsp.port, POST)) for _ in range(10)} == {200}
        assert f"peer {bad.address}: speaks HTTP/1.1, not HTTP/2" in rsp.log


def test_a_peer_that_speaks_http2_only_in_an_upstream_of_http1(tmp_path):
    with H2Backend() as backend, Rsp(tmp_path, site(backend.address, http="1")) as rsp:
        assert status(exchange(rsp.port, POST)) == 502
        wait_until(lambda: f"peer {backend.address}: sent a bad response: HTTP/2 instead of HTTP/1.1; add" in rsp.log)


def test_auto_needs_tls(tmp_path):
    result = run_rsp(tmp_path, "-t", "site.lua", text=site("127.0.0.1:1", http='"auto"').replace("{port}", "1234"))
    assert result.returncode == 1 and 'http = "auto" needs tls' in result.stderr + result.stdout


# -- what is sent again


def test_a_request_that_is_refused_is_asked_again(tmp_path):
    bodies = []

    def answer(asked):
        bodies.append(asked.body())
        asked.respond(200, b"ok")

    def refuse(asked):
        asked.reset(ERROR.REFUSED_STREAM)

    with H2Backend(after(1, refuse, answer)) as backend, Rsp(tmp_path, site(backend.address)) as rsp:
        assert status(exchange(rsp.port, POST)) == 200
        assert bodies == [b"hello"] and len(backend.requests) == 2
        assert rsp.peers()[backend.address]["state"] == "up"


@pytest.mark.soak
def test_a_peer_that_refuses_everything(tmp_path):
    with H2Backend(lambda asked: asked.reset()) as backend, Rsp(tmp_path, site(backend.address)) as rsp:
        assert status(exchange(rsp.port, POST)) == 502
        assert len(backend.requests) == 2
        wait_until(lambda: "refused the request (REFUSED_STREAM)" in rsp.log, "the reason")


def test_a_request_that_may_have_been_processed_is_not_sent_again(tmp_path):
    with H2Backend(lambda asked: asked.reset(ERROR.CANCEL)) as backend, Rsp(tmp_path, site(backend.address)) as rsp:
        assert status(exchange(rsp.port, POST)) == 502
        assert len(backend.requests) == 1


@contextmanager
def load_of_posts(port: int, clients: int):
    """POSTs, as many as there is time for; yields the statuses of what was answered."""
    stop, statuses = threading.Event(), []

    def client() -> None:
        while not stop.is_set():
            try:
                statuses.append(status(exchange(port, POST)))
            except (OSError, IndexError) as error:
                statuses.append(repr(error))

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_connections_that_the_peer_ends_cost_no_request(tmp_path):
    """GOAWAY in the middle of everything: what was not processed is sent again, POSTs included, and nothing twice."""
    processed = []
    lock = threading.Lock()

    def answer(asked):
        if asked.number >= 41:
            if asked.number == 41:
                asked.connection.say_goaway(39)
            return
        asked.body()
        with lock:
            processed.append(asked)
        asked.respond(200, b"ok")

    with H2Backend(answer) as backend, Rsp(tmp_path, site(backend.address)) as rsp:
        with load_of_posts(rsp.port, 8) as statuses:
            wait_until(lambda: len(backend.made) > 12, "many connections")
        assert set(statuses) == {200}
        assert len(processed) == len(statuses)


def leave(backend: H2Backend) -> None:
    """In good order: no new connections, GOAWAY, and the end of each once its last request is answered."""
    backend.stop_listening()
    for connection in list(backend.open):
        with connection.changed:
            connection.say_goaway(max(connection.requests, default=0))
    wait_until(lambda: not backend.open, "its connections to end")


def say_ok(asked) -> None:
    asked.body()
    asked.respond(200, b"ok", [("content-length", "2")])


@contextmanager
def pair_of_peers():
    backends = [H2Backend(say_ok), H2Backend(say_ok)]
    try:
        yield backends
    finally:
        for backend in backends:
            backend.close()


def restart(backends: list[H2Backend], number: int) -> None:
    leave(backends[number])
    back = backends[number] = H2Backend(say_ok, port=backends[number].port)
    wait_until(lambda: len(back.requests) > 20, "its traffic")


PATIENT = "failures = { count = 0 }"


def test_a_peer_that_restarts_in_good_order(tmp_path):
    """One of two peers leaves with GOAWAY, finishes what runs, and comes back, again and again."""
    with pair_of_peers() as backends:
        text = site(*(backend.address for backend in backends), more=PATIENT)
        with Rsp(tmp_path, text) as rsp, load_of_posts(rsp.port, 6) as statuses:
            for turn in range(6):
                answered = len(statuses)
                wait_until(lambda answered=answered: len(statuses) > answered + 50, "traffic")
                restart(backends, turn % 2)
    assert set(statuses) == {200}, rsp.log


@pytest.mark.soak
def test_http2_on_both_sides_while_peers_restart(tmp_path):
    with pair_of_peers() as backends:
        text = site(*(backend.address for backend in backends), more=PATIENT)
        text = text.replace('{port}"', '{port}" { http2 = "prior-knowledge" }')
        with Rsp(tmp_path, text, workers=2) as rsp, h2_load(rsp.port, 3, 8) as load:
            for turn in range(6):
                restart(backends, turn % 2)
    assert load.good > 100 and not load.failures, rsp.log
    assert load.again == 0


@pytest.mark.soak
def test_a_peer_that_dies_loses_only_what_it_had(tmp_path):
    """GETs are sent again; its death counts once, however many requests it had."""
    ports = [free_port(), free_port()]
    backends = [H2Backend(port=port, name=str(port)) for port in ports]
    with Rsp(tmp_path, site(*(backend.address for backend in backends))) as rsp:
        with background_load(rsp.port, 20, 3000) as load:
            for turn in range(4):
                good = load.good
                wait_until(lambda good=good: load.good > good + 200, "traffic")
                backends[turn % 2].close()
                wait_until(lambda good=load.good: load.good > good + 200, "traffic")
                backends[turn % 2] = H2Backend(port=ports[turn % 2], name=str(ports[turn % 2]))
        assert not load.failures
    for backend in backends:
        backend.close()


@pytest.mark.soak
def test_an_idle_connection_that_is_closed_without_a_word(tmp_path):
    with H2Backend() as backend, Rsp(tmp_path, site(backend.address)) as rsp:
        for _ in range(20):
            assert status(exchange(rsp.port, POST)) == 200
            backend.drop()


# -- when connections end


def test_an_idle_connection_ends_with_goaway(tmp_path):
    with H2Backend() as backend, Rsp(tmp_path, site(backend.address, extra='timeouts = { keepalive = "1s" }')) as rsp:
        assert status(get(rsp.port)) == 200
        connection = backend.last
        wait_until(lambda: connection.goaway == 0 and connection.lost, "GOAWAY")
        assert connection.pings == 0
        assert status(get(rsp.port)) == 200 and len(backend.made) == 2


def test_a_reload_keeps_connections(tmp_path):
    with H2Backend() as backend, Rsp(tmp_path, site(backend.address)) as rsp:
        with background_load(rsp.port, 8, 500) as load:
            for keepalive in range(10, 15):
                rsp.reload(site(backend.address, more=f"keepalive = {keepalive}"))
        assert not load.failures and len(backend.made) == 1


@pytest.mark.soak
def test_a_reload_that_changes_the_version(tmp_path):
    with H2Backend() as backend, Rsp(tmp_path, site(backend.address, http="1")) as rsp:
        assert status(get(rsp.port)) == 502
        rsp.reload(site(backend.address, http="2"))
        assert status(get(rsp.port)) == 200
        connection = backend.last
        rsp.reload(site(backend.address, http="1"))
        wait_until(lambda: connection.goaway == 0 and connection.lost, "the end of a connection that is not wanted")


def test_a_stop_lets_running_requests_finish(tmp_path):
    arrived, go_on = threading.Event(), threading.Event()

    def answer(asked):
        arrived.set()
        go_on.wait(30)
        asked.respond(200, b"late")

    with H2Backend(answer) as backend, Rsp(tmp_path, site(backend.address)) as rsp, ThreadPoolExecutor(1) as pool:
        response = pool.submit(get, rsp.port)
        assert arrived.wait(30)
        rsp.signal(signal.SIGTERM)
        wait_until(lambda: "topping" in rsp.log or "inish" in rsp.log, "the beginning of the end")
        go_on.set()
        assert b"late" in response.result(30)
        assert rsp.process.wait(30) == 0
        assert backend.last.goaway == 0


@pytest.mark.soak
def test_a_unix_socket(tmp_path):
    with H2Backend(unix=str(tmp_path / "app.sock")) as backend:
        with Rsp(tmp_path, site(backend.address, extra=as_root())) as rsp:
            assert status(get(rsp.port)) == 200


# -- hooks and hedges go the same way


def test_hooks_own_requests(tmp_path):
    hook = """
        on_request(function(req)
            if req.path == "/ask" then
                local res = http.get{ upstream = "app", url = "/inner" }
                return respond(200, "got " .. res.body)
            end
        end)"""
    with H2Backend(lambda asked: asked.respond(200, asked.path)) as backend:
        with Rsp(tmp_path, site(backend.address, extra=hook)) as rsp:
            assert b"got /inner" in get(rsp.port, "/ask")
            assert len(backend.made) == 1


def test_a_hedge(tmp_path):
    end = threading.Event()

    def slow(asked):
        end.wait(30)
        asked.respond(200, b"slow")

    with H2Backend(slow) as one, H2Backend(name="quick") as two:
        with Rsp(tmp_path, site(one.address, two.address, more='hedge = { after = "50ms" }')) as rsp:
            assert {status(get(rsp.port)) for _ in range(6)} == {200}
            assert one.requests
            wait_until(lambda: all(asked.reset_with is not None for asked in one.requests), "the resets")
            assert len(one.made) == len(two.made) == 1
        end.set()


# -- WebSockets


def websocket(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    client.sendall(
        b"GET /chat HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    return client


def head_of(client: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += receive(client, 1)
    return received


def test_a_websocket_over_http2(tmp_path):
    def echo(asked):
        asked.head(200, [("sec-websocket-protocol", "chat")])
        while piece := asked.read():
            asked.send(piece.upper())
        asked.end()

    with H2Backend(echo, ENABLE_CONNECT_PROTOCOL=1) as backend, Rsp(tmp_path, site(backend.address)) as rsp:
        with websocket(rsp.port) as client:
            head = head_of(client)
            assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
            assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
            client.sendall(b"hello")
            assert client.recv(100) == b"HELLO"
            client.shutdown(socket.SHUT_WR)
            assert client.recv(100) == b""
        assert backend.requests[0].fields[b":protocol"] == b"websocket"
        assert len(backend.made) == 1


def test_a_websocket_where_the_peer_takes_none(tmp_path):
    with H2Backend() as backend, Rsp(tmp_path, site(backend.address)) as rsp:
        for _ in range(5):
            with websocket(rsp.port) as client:
                assert head_of(client).startswith(b"HTTP/1.1 502 ")
        assert "does not announce WebSockets over HTTP/2" in rsp.log
        assert rsp.state(backend.address) == "up", "it is no failure of the peer"
        assert status(get(rsp.port)) == 200


# -- peers that mean harm


@pytest.mark.parametrize(
    "kind",
    [
        "ping",
        "hpack",
        *(
            pytest.param(kind, marks=pytest.mark.soak)
            for kind in ("settings", "goaway", "continuation", "empty", "interim", "window")
        ),
    ],
)
def test_a_peer_that_floods(tmp_path, kind):
    def frame(number: int, flags: int, stream: int, payload: bytes) -> bytes:
        return len(payload).to_bytes(3, "big") + bytes((number, flags)) + stream.to_bytes(4, "big") + payload

    def flood(asked):
        number = asked.number
        data = {
            "settings": frame(4, 0, 0, b"\0\4\0\0\xff\xff") * 1000,
            "ping": frame(6, 0, 0, b"12345678") * 1000,
            "goaway": frame(7, 0, 0, b"\x7f\xff\xff\xff\0\0\0\0") * 1000,
            "continuation": frame(1, 0, number, b"\x88") + frame(9, 0, number, b"\x88" * 1000) * 1000,
            "empty": frame(0, 0, number, b"") * 1000,
            "interim": frame(1, 4, number, b"\x48\x03103") * 1000,
            "window": frame(8, 0, 0, b"\0\0\0\1") * 1000,
            "hpack": frame(1, 4, number, b"\x88\x40\x01x\x7f\xe1\x16" + b"y" * 3000 + b"\xbe" * 13000) * 100,
        }[kind]
        give_up = time.monotonic() + 20
        while time.monotonic() < give_up and not asked.connection.lost:
            asked.connection.sock.sendall(data)

    with H2Backend(flood) as bad, H2Backend() as good:
        text = site(
            bad.address, extra=f'upstream "good" {{ "{good.address}" , http = 2 }}\nroute "/good" {{ to = "good" }}'
        )
        with Rsp(tmp_path, text) as rsp:
            get(rsp.port, "/good")
            worker = rsp.workers()[0]
            before = resident(worker)
            assert b"HTTP/1.1 502 " in get(rsp.port)
            assert {status(get(rsp.port, "/good")) for _ in range(20)} == {200}
            assert resident(worker) - before < 20 << 20
            assert rsp.workers()[0] == worker


# -- another implementation


@pytest.mark.skipif(not shutil.which("nghttpd"), reason="no nghttpd")
@pytest.mark.parametrize("secure", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_nghttpd(tmp_path, secure):
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "file").write_bytes(b"n" * 300_000)
    port = free_port()
    arguments = ["nghttpd", "-d", str(tmp_path / "www"), "-a", "127.0.0.1", "--trailer=x-end: 1", str(port)]
    if secure:
        CA.write(tmp_path / "ca.pem")
        path = GOOD.write(tmp_path, "peer")
        arguments += [str(path), str(path)]
    else:
        arguments.append("--no-tls")
    server = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: not socket.socket().connect_ex(("127.0.0.1", port)), "nghttpd")
        with Rsp(tmp_path, site(f"127.0.0.1:{port}", more=TLS if secure else "")) as rsp:
            assert get(rsp.port, "/file").count(b"n" * 1000) >= 290
            assert {status(response) for response in many(rsp.port, 100)} == {404}
            load = run_load(rsp.port, 10, 10) if not secure else None
            assert load is None or load.failures  # 404s: nghttpd has no such file
    finally:
        server.kill()
        server.wait()
