"""Backends that speak TLS, as clients, operators and hooks see them."""

import re
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager

import pytest

from tests.certificates import authority
from tests.harness import (
    Backend,
    Rsp,
    as_root,
    background_load,
    exchange,
    free_port,
    get,
    receive,
    run_load,
    run_rsp,
    wait_until,
)
from tests.tls_peers import SecureBackend, plain_http

CA = authority("Peers CA")
GOOD = CA.issue("127.0.0.1", "localhost", "api.example")


def status(response: bytes) -> bytes:
    return response.split(b" ", 2)[1]


@pytest.fixture
def peers(tmp_path):
    """Makes backends; ``ca.pem`` is theirs."""
    CA.write(tmp_path / "ca.pem")
    made: list[SecureBackend] = []

    def make(site=GOOD, handler=None, **options) -> SecureBackend:
        made.append(SecureBackend(tmp_path, site, handler, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def site(*addresses: str, tls: str = '{ ca = "ca.pem" }', more: str = "", extra: str = "") -> str:
    listed = ", ".join(f'"{address}"' for address in addresses)
    return (
        f'listen "127.0.0.1:{{port}}"\nupstream "app" {{ {listed}, tls = {tls}, {more} }}\n'
        f'route {{ to = "app" }}\n{extra}\n'
    )


# -- what is verified


@pytest.mark.parametrize(
    ("certificate", "tls", "words"),
    [
        (CA.issue("127.0.0.1", begins=-9, ends=-2), "", "has a certificate that expired on 20"),
        (CA.issue("other.example"), "", "has a certificate for other.example, not for 127.0.0.1"),
        (GOOD, ', name = "no.example"', "not for no.example"),
        (authority("Unknown CA").issue("127.0.0.1"), "", "that is not trusted"),
        (CA.issue("127.0.0.1", number=3), ', crl = "crl.pem"', "has a certificate that has been revoked"),
    ],
)
def test_a_peer_that_cannot_be_verified_is_not_asked(tmp_path, peers, certificate, tls, words):
    (tmp_path / "crl.pem").write_bytes(CA.crl(CA.issue("127.0.0.1", number=3)))
    backend = peers(certificate)
    with Rsp(tmp_path, site(backend.address, tls=f'{{ ca = "ca.pem"{tls} }}')) as rsp:
        assert status(get(rsp.port)) == b"502"
        assert re.search(f'upstream "app": peer {backend.address}: .*{re.escape(words)}', rsp.log), rsp.log
    assert not backend.heads


def test_authorities_of_the_system_are_the_default(tmp_path, peers):
    backend = peers()
    with Rsp(tmp_path, site(backend.address, tls="true")) as rsp:
        assert status(get(rsp.port)) == b"502"
        assert "not trusted" in rsp.log
        rsp.reload(site(backend.address, tls="{ verify = false }"))
        assert status(get(rsp.port)) == b"200"


def test_a_name_in_the_address_is_sent_and_verified(tmp_path, peers):
    backend = peers(CA.issue("localhost"))
    with Rsp(tmp_path, site(f"localhost:{backend.port}")) as rsp:
        assert status(get(rsp.port)) == b"200"
    assert set(backend.names) == {"localhost"}


def test_a_unix_socket(tmp_path, peers):
    backend = peers(unix=str(tmp_path / "app.sock"))
    text = site(backend.address, tls='{ ca = "ca.pem", name = "localhost" }', extra=as_root())
    with Rsp(tmp_path, text) as rsp:
        assert status(get(rsp.port)) == b"200"
    assert set(backend.names) == {"localhost"}


def test_rsp_shows_its_certificate(tmp_path, peers):
    def strict(context):
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=CA.pem.decode())

    CA.issue("rsp", client=True).write(tmp_path, "own")
    backend = peers(context=strict)
    with Rsp(tmp_path, site(backend.address)) as rsp:
        assert status(get(rsp.port)) == b"502"
        wait_until(lambda: "requires a certificate" in rsp.log, "the line")
        rsp.reload(site(backend.address, tls='{ ca = "ca.pem", certificate = "own.pem", key = "own.key" }'))
        assert status(get(rsp.port)) == b"200"
    assert set(backend.clients) == {"rsp"}


# -- the next peer


def _closes(connection: socket.socket) -> None:
    connection.recv(65536)


@pytest.mark.parametrize("wrong", [plain_http, _closes, None])
def test_a_failed_handshake_costs_no_request(tmp_path, peers, wrong):
    bad = peers(GOOD if wrong else CA.issue("other.example"))
    bad.raw = wrong
    good = peers()
    with Rsp(tmp_path, site(bad.address, good.address)) as rsp:
        post = b"POST / HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
        assert {status(exchange(rsp.port, post)) for _ in range(10)} == {b"200"}
        assert len(good.heads) == 10


def test_a_peer_that_refuses_the_certificate_after_the_handshake_has_not_had_the_request(tmp_path, peers):
    def strict(context):
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=CA.pem.decode())

    bad, good = peers(context=strict), peers()
    with Rsp(tmp_path, site(bad.address, good.address)) as rsp:
        post = b"POST / HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        assert {status(exchange(rsp.port, post)) for _ in range(10)} == {b"200"}


def test_a_handshake_that_hangs_is_given_up(tmp_path, peers):
    end = threading.Event()
    bad, good = peers(), peers()
    bad.raw = lambda connection: end.wait(60)
    text = site(bad.address, good.address, extra='timeouts = { handshake = "500ms" }')
    with Rsp(tmp_path, text) as rsp:
        assert {status(get(rsp.port)) for _ in range(2)} == {b"200"}
        assert "timed out in the TLS handshake" in rsp.log
    end.set()


# -- connections and sessions


def test_connections_are_kept_and_sessions_resumed(tmp_path, peers):
    def answer(connection: socket.socket, head: bytes, rest: bytes) -> bool:
        last = b"/last" in head
        field = b"Connection: close\r\n" if last else b""
        connection.sendall(b"HTTP/1.1 200 OK\r\n%bContent-Length: 2\r\n\r\nok" % field)
        return not last

    backend = peers(handler=answer)
    with Rsp(tmp_path, site(backend.address)) as rsp:
        wait_until(lambda: backend.handshakes == 1, "the check at the start")
        assert {status(get(rsp.port)) for _ in range(20)} == {b"200"}
        assert backend.handshakes == 2
        assert {status(get(rsp.port, "/last")) for _ in range(20)} == {b"200"}
        wait_until(lambda: backend.handshakes == 21, "the handshakes")
        assert backend.resumed == 19


def test_reloads_that_change_how_a_peer_is_asked(tmp_path, peers):
    backend = peers()
    other = authority("Another CA")
    (tmp_path / "both.pem").write_bytes(CA.pem + other.pem)
    other.write(tmp_path / "other.pem")
    with Rsp(tmp_path, site(backend.address)) as rsp:
        wait_until(lambda: backend.handshakes == 1, "the check at the start")
        assert status(get(rsp.port)) == b"200"
        before = backend.handshakes
        rsp.reload(site(backend.address, more="keepalive = 7"))
        assert status(get(rsp.port)) == b"200"
        assert backend.handshakes == before, "the same rules"
        rsp.reload(site(backend.address, tls='{ ca = "both.pem" }'))
        assert status(get(rsp.port)) == b"200"
        assert backend.handshakes == before + 1, "another authority"
        assert backend.resumed == 0
        rsp.reload(site(backend.address, tls='{ ca = "other.pem" }'))
        assert status(get(rsp.port)) == b"502"
        rsp.reload(site(backend.address, tls='{ ca = "other.pem", verify = false }'))
        assert status(get(rsp.port)) == b"200"
        rsp.reload(site(backend.address, tls="false"))
        assert status(get(rsp.port)) == b"502", "plain HTTP to a TLS port"
        rsp.reload(site(backend.address))
        assert status(get(rsp.port)) == b"200"


def test_a_load_with_reloads_loses_nothing(tmp_path, peers):
    one, two = peers(), peers()
    (tmp_path / "both.pem").write_bytes(CA.pem + authority("Another CA").pem)
    texts = [site(one.address, two.address, tls=f'{{ ca = "{name}" }}') for name in ("both.pem", "ca.pem")]
    with Rsp(tmp_path, texts[1], workers=2) as rsp:
        with background_load(rsp.port, 8, at_least=200) as load:
            for number in range(4):
                rsp.reload(texts[number % 2])
        assert load.failures == []


# -- what goes over it


def test_large_bodies_both_ways(tmp_path, peers):
    def echo(connection: ssl.SSLSocket, head: bytes, rest: bytes) -> bool:
        length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])
        body = bytearray(rest)
        while len(body) < length:
            body += receive(connection, 1 << 20)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length)
        connection.sendall(body)
        return True

    backend = peers(handler=echo)
    body = bytes(range(256)) * (32 << 10)  # 8 MB
    with Rsp(tmp_path, site(backend.address)) as rsp:
        head = b"POST / HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        received = exchange(rsp.port, head + body)
        assert received.partition(b"\r\n\r\n")[2] == body


def test_a_tunnel(tmp_path, peers):
    def upgrade(connection: ssl.SSLSocket, head: bytes, rest: bytes) -> bool:
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhi")
        while data := connection.recv(65536):
            connection.sendall(data.upper())
        return False

    backend = peers(handler=upgrade)
    with Rsp(tmp_path, site(backend.address)) as rsp:
        with socket.create_connection(("127.0.0.1", rsp.port), timeout=20) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: t\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
            received = b""
            while not received.endswith(b"hi"):
                received += receive(client, 65536)
            for size in (1, 100_000):
                client.sendall(b"x" * size)
                echoed = b""
                while len(echoed) < size:
                    echoed += receive(client, 65536)
                assert echoed == b"X" * size


def test_a_response_that_is_cut_off_is_no_whole_one(tmp_path, peers):
    def cut(connection: ssl.SSLSocket, head: bytes, rest: bytes) -> bool:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nhalf")
        return False  # without close_notify

    backend = peers(handler=cut)
    with Rsp(tmp_path, site(backend.address)) as rsp:
        with socket.create_connection(("127.0.0.1", rsp.port), timeout=20) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
            received = b""
            try:
                while more := client.recv(65536):
                    received += more
            except ConnectionResetError:
                pass
        assert b"half" in received
        assert not received.endswith(b"0\r\n\r\n"), "the last chunk would say that it is whole"
        wait_until(lambda: "close_notify" in rsp.log, "the line")


def test_an_idle_connection_that_the_peer_closes_loses_no_request(tmp_path, peers):
    def once(connection: ssl.SSLSocket, head: bytes, rest: bytes) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return False  # although it did not say so

    backend = peers(handler=once)
    with Rsp(tmp_path, site(backend.address)) as rsp:
        load = run_load(rsp.port, 4, 200)
        assert load.failures == []


def test_early_answers_to_uploads(tmp_path, peers):
    def refuse(connection: ssl.SSLSocket, head: bytes, rest: bytes) -> bool:
        connection.sendall(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig")
        return False

    backend = peers(handler=refuse)
    with Rsp(tmp_path, site(backend.address)) as rsp:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", rsp.port), timeout=20) as client:
                client.sendall(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 65536)
                assert client.recv(65536).split(b" ", 2)[1] == b"413"


def test_connections_ahead_and_hedges(tmp_path, peers):
    slow = threading.Event()

    def answer(connection: ssl.SSLSocket, head: bytes, rest: bytes) -> bool:
        if b"/slow" in head:
            slow.wait(20)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none")
        return True

    one, two = peers(handler=answer), peers()
    text = site(one.address, two.address, more='warm = 3, hedge = { after = "50ms" }')
    with Rsp(tmp_path, text) as rsp:
        assert {get(rsp.port, "/slow")[-3:] for _ in range(4)} == {b"one"}

        def ahead() -> bool:
            return bool(get(rsp.port)) and all(each["idle"] >= 3 for each in rsp.peers().values())

        wait_until(ahead, "connections ahead")
    slow.set()


# -- health checks, hooks, and what operators see


FAST = 'interval = "500ms", timeout = "500ms", rise = 1, fall = 1'


def test_checks_are_made_as_requests_are(tmp_path, peers):
    def strict(context):
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=CA.pem.decode())

    CA.issue("rsp", client=True).write(tmp_path, "own")
    good, wrong = peers(context=strict), peers(CA.issue("other.example"))
    old = peers(CA.issue("127.0.0.1", begins=-9, ends=-2))
    text = site(
        good.address,
        wrong.address,
        old.address,
        tls='{ ca = "ca.pem", certificate = "own.bundle.pem" }',
        more=f'health = {{ path = "/up", {FAST} }}',
    )
    with Rsp(tmp_path, text) as rsp:
        wait_until(lambda: rsp.peers()[good.address]["health"] == "up", "a good check")
        wait_until(lambda: rsp.state(wrong.address) == "down", "a bad check")
        assert f"peer {wrong.address} is down: has a certificate for other.example, not for 127.0.0.1" in rsp.log
        wait_until(lambda: rsp.state(old.address) == "down", "another bad check")
        assert f"peer {old.address} is down: has a certificate that expired on 20" in rsp.log
        assert any(b"/up" in head for head in good.heads)
        assert not wrong.heads


def _says_close_notify(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"\x15\x03\x03\0\2\1\0")
    connection.recv(65536)


@pytest.mark.parametrize("end", [_closes, _says_close_notify])
def test_an_end_during_the_handshake_is_told_in_the_same_words(tmp_path, peers, end):
    backend = peers()
    backend.raw = end
    with Rsp(tmp_path, site(backend.address, more=f'health = {{ path = "/", {FAST} }}')) as rsp:
        words = f"peer {backend.address}: closed the connection during the TLS handshake"
        wait_until(lambda: get(rsp.port) and words in rsp.log, "the line about a request")
        words = f"peer {backend.address} is down: closed the connection during the TLS handshake"
        wait_until(lambda: words in rsp.log, "the line about a check")


def test_checks_over_tls_of_a_plain_upstream_are_not_verified(tmp_path, peers):
    checked = peers(authority("Unknown CA").issue("else"))
    with Backend() as plain:
        health = f'health = {{ path = "/", tls = true, port = {checked.port}, {FAST} }}'
        with Rsp(tmp_path, site(plain.address, tls="false", more=health)) as rsp:
            wait_until(lambda: rsp.peers()[plain.address]["health"] == "up", "a good check")


def test_plain_checks_of_a_secure_upstream(tmp_path, peers):
    backend = peers()
    with Backend() as plain:
        health = f'health = {{ path = "/", tls = false, port = {plain.port}, {FAST} }}'
        with Rsp(tmp_path, site(backend.address, more=health)) as rsp:
            wait_until(lambda: rsp.peers()[backend.address]["health"] == "up", "a good check")
            assert plain.heads


def test_hooks_ask_over_tls(tmp_path, peers):
    backend = peers()
    hook = f"""
    route {{ to = "app", path = "/through", on_request = function(req)
      local res, reason = http.get{{ upstream = "app", path = "/x" }}
      return respond(200, res and res.body or reason)
    end }}
    route {{ to = "app", path = "/outside", on_request = function(req)
      local res, reason = http.get("https://{backend.address}/x")
      return respond(200, res and res.body or reason)
    end }}
    route {{ to = "app", path = "/peer", on_request = function(req)
      return proxy {{ upstream = "app", peer = "127.0.0.1:{backend.port}" }}
    end }}
    """
    with Rsp(tmp_path, site(backend.address, extra=hook)) as rsp:
        assert get(rsp.port, "/through").endswith(b"\r\n\r\none"), get(rsp.port, "/through")
        assert get(rsp.port, "/peer").endswith(b"\r\n\r\none")
        assert b"no peer could be reached" in get(rsp.port, "/outside")
        assert "not trusted" in rsp.log, "hooks' own peers are verified by the system's authorities"


def test_operators_see_which_peers_are_asked_over_tls(tmp_path, peers):
    backend = peers()
    text = site(backend.address, extra='upstream "plain" { "127.0.0.1:1" }')
    with Rsp(tmp_path, text) as rsp:
        assert rsp.peers()[backend.address]["tls"] is True
        assert rsp.peers("plain")["127.0.0.1:1"]["tls"] is False
        assert "tls" in rsp.rspctl("peers").stdout
    explained = run_rsp(tmp_path, "explain", "site.lua", "http://t/")
    assert f"{backend.address}" in explained.stdout, explained
    assert "TLS" in explained.stdout, explained


# -- other implementations


@contextmanager
def s_server(directory, *options: str):
    """OpenSSL's own server, with a page."""
    port = free_port()
    (directory / "page").write_text("from s_server")
    GOOD.write(directory, "s_server")
    process = subprocess.Popen(
        ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-WWW", "-quiet",
         "-cert", "s_server.pem", "-key", "s_server.key", *options],
        cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:

        def listens() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_until(listens, "openssl s_server")
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "options", [["-tls1_2"], ["-tls1_3"], ["-tls1_2", "-no_ticket"], ["-tls1_3", "-num_tickets", "0"]]
)
def test_openssl(tmp_path, peers, options):
    with s_server(tmp_path, *options) as address:
        with Rsp(tmp_path, site(address)) as rsp:
            for _ in range(3):
                assert b"from s_server" in get(rsp.port, "/page"), rsp.log
