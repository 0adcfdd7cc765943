"""Handshakes of clients that are slow, cut, wrong, many, or speak something else; each ends in one way, in time."""

import random
import socket
import ssl
import struct
import subprocess
from contextlib import ExitStack, suppress

import psutil
import pytest

from tests.certificates import authority
from tests.harness import Rsp, wait_until
from tests.tls_client import GET, Client, context, records

HELLO = """
listen "127.0.0.1:{port}" { tls = true }
certificate { "site.bundle.pem" }
upstream "app" { "127.0.0.1:1" }
route { respond = { body = "hello" } }
"""
ANSWER = b"\r\n\r\nhello"


@pytest.fixture
def site(tmp_path):
    """A folder with a certificate."""
    authority().issue("site.example", "127.0.0.1").write(tmp_path, "site")
    return tmp_path


def now(rsp, name):
    return rsp.admin("/status")["now"][name]


def total(rsp, name):
    return rsp.admin("/status")["totals"][name]


def served(rsp, **more):
    with Client(rsp.port, **more) as client:
        return client.shake().get().endswith(ANSWER)


def descriptors(rsp):
    (worker,) = rsp.workers().values()
    return psutil.Process(worker).num_fds()


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def alert(sock):
    """The number of the alert that comes, which is the last thing to come."""
    received = b""
    while more := sock.recv(1000):
        received += more
    assert len(received) == 7, received
    assert received[:2] == b"\x15\x03", received
    assert received[3:6] == b"\x00\x02\x02", received
    return received[6]


# -- in pieces


@pytest.mark.parametrize("newest", ["1.2", "1.3"])
def test_one_byte_at_a_time(site, newest):
    with Rsp(site, HELLO) as rsp, Client(rsp.port, context(newest)) as client:
        while True:
            data = client.step()
            for byte in data:
                client.sock.sendall(bytes([byte]))
            if client._done():
                break
            client.hear()
        for byte in client.seal(GET):
            client.sock.sendall(bytes([byte]))
        assert client.drained().endswith(ANSWER)
        assert client.closed_properly


@pytest.mark.parametrize("size", [1, 5, 100, 300])
def test_a_hello_in_several_records(site, size):
    with Rsp(site, HELLO) as rsp, Client(rsp.port) as client:
        client.sock.sendall(records(client.step(), size))
        client.hear()
        assert client.shake().get().endswith(ANSWER)


def test_the_last_bytes_of_the_handshake_with_a_request_and_an_end(site):
    with Rsp(site, HELLO) as rsp:
        for cut in (b"", b"fin"):
            with Client(rsp.port) as client:
                client.sock.sendall(client.finish() + client.seal(GET) + client.leave())
                if cut:
                    client.sock.shutdown(socket.SHUT_WR)
                assert client.drained().endswith(ANSWER)
                assert client.closed_properly


@pytest.mark.parametrize("newest", ["1.2", "1.3"])
@pytest.mark.parametrize("end", [socket.socket.close, reset])
def test_cut_at_every_byte(site, newest, end):
    with Rsp(site, HELLO) as rsp:
        assert served(rsp)
        before = descriptors(rsp)
        using = context(newest)
        with Client(rsp.port, using) as client:
            hello = client.step()
        for size in range(len(hello) + 1):
            with Client(rsp.port, using) as client:
                client.sock.sendall(client.step()[:size])
                end(client.sock)
        rest = 1
        size = 0
        while size < rest:
            with Client(rsp.port, using) as client:
                data = client.finish() + client.seal(b"GET ")
                rest = len(data)
                client.sock.sendall(data[:size])
                end(client.sock)
            size += 1
        wait_until(lambda: now(rsp, "connections") == 0, "all connections to end")
        wait_until(lambda: descriptors(rsp) <= before, "descriptors")
        assert served(rsp)


# -- what is not TLS


@pytest.mark.parametrize(
    ("data", "number"),
    [
        (bytes(100), 10),
        (b"\x16\x03\x01\xff\xff" + bytes(100), 22),  # a record that is too large
        (b"\x15\x03\x01\x00\x02\x02\x28", 10),
        (b"\x80\x2e\x01\x00\x02" + bytes(50), 70),  # SSL 2
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", 10),  # a ServerHello
        (b"\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03", 50),  # much too short
        (b"\xff" * 5, 10),
    ],
    ids=["zeros", "too large", "an alert", "SSL 2", "a ServerHello", "too short", "ones"],
)
def test_garbage_gets_an_alert(site, data, number):
    with Rsp(site, HELLO) as rsp:
        with socket.create_connection(("127.0.0.1", rsp.port), timeout=20) as client:
            client.sendall(data)
            assert alert(client) == number
        assert rsp.log.count("TLS handshake with 127.0.0.1 failed: the client ") == 1
        wait_until(lambda: total(rsp, "handshake_failures") == 1, "the counter")
        assert served(rsp)


def test_random_bytes_leave_nothing(site):
    source = random.Random(15)
    with Rsp(site, HELLO) as rsp:
        with Client(rsp.port) as client:
            hello = client.step()
        for _ in range(200):
            broken = bytearray(hello)
            for _ in range(source.randint(1, 5)):
                broken[source.randrange(len(broken))] = source.randrange(256)
            with socket.create_connection(("127.0.0.1", rsp.port), timeout=20) as client:
                client.sendall(source.choice((bytes(broken), source.randbytes(300), hello + source.randbytes(60))))
                client.shutdown(socket.SHUT_WR)
                with suppress(ConnectionResetError):
                    while client.recv(65536):
                        pass
        wait_until(lambda: now(rsp, "connections") == 0, "all connections to end")
        assert served(rsp)
        assert rsp.log.count("\n") < 60  # one line a second for a kind


@pytest.mark.parametrize(
    ("request_", "url"),
    [
        (b"GET /x?y HTTP/1.1\r\nHost: site.example:%d\r\n\r\n", "https://site.example:%d/x?y"),
        (b"GET / HTTP/1.1\r\nHost: <b>%d\r\n\r\n", "https://127.0.0.1:%d/"),
        (b"POST /half HTTP/1.1\r\nHost: %d", "https://127.0.0.1:%d/"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n%d", "https://127.0.0.1:%d/"),
    ],
    ids=["whole", "a bad host", "half", "HTTP/2"],
)
def test_plain_http_gets_a_hint(site, request_, url):
    with Rsp(site, HELLO) as rsp:
        with socket.create_connection(("127.0.0.1", rsp.port), timeout=20) as client:
            client.sendall(request_ % rsp.port)
            received = b""
            while more := client.recv(1000):
                received += more
        assert received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert f"this port speaks TLS; use {url % rsp.port}\n".encode() in received
        wait_until(lambda: total(rsp, "status_4xx") == 1, "the counter")
        wait_until(lambda: '" 400 ' in rsp.access_log, "the log line")
        assert "TLS handshake" not in rsp.log


# -- what clients ask for


def test_the_certificate_goes_by_the_name(site):
    authority().issue("other.example", "*.wild.example").write(site, "other")
    text = HELLO + 'certificate { "other.bundle.pem" }'
    with Rsp(site, text) as rsp:
        for name in ("site.example", "other.example", "a.wild.example"):
            assert served(rsp, name=name)
        assert served(rsp, name=None)  # the first
        with Client(rsp.port, name="b.a.wild.example") as client:
            with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
                client.shake()
        rsp.reload(text + "tls = { strict_sni = true }")
        assert served(rsp, name="other.example")
        for name in ("unknown.example", None):
            with Client(rsp.port, name=name) as client:
                client.sock.sendall(client.step())
                assert alert(client.sock) == 112  # unrecognized_name
        assert 'TLS handshake with 127.0.0.1 for "unknown.example" failed: the client asks for' in rsp.log


def test_protocols_above_tls(site):
    with Rsp(site, HELLO) as rsp:
        with Client(rsp.port, context(alpn=("h2", "http/1.1"))) as client:
            client.shake()
            assert client.tls.selected_alpn_protocol() == "h2"
        with Client(rsp.port, context(alpn=("h3", "spdy/3"))) as client:
            client.sock.sendall(client.step())
            assert alert(client.sock) == 120  # no_application_protocol
        assert "the client offers none of rsp's protocols, but h3, spdy/3" in rsp.log


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_are_refused_in_words(site):
    with Rsp(site, HELLO) as rsp:
        with Client(rsp.port, context("1.1")) as client:
            client.sock.sendall(client.step())
            assert alert(client.sock) == 70  # protocol_version
        assert 'TLS handshake with 127.0.0.1 for "site.example" failed: the client offers TLS 1.1 only' in rsp.log


def test_a_client_that_does_not_trust_the_certificate(site):
    with Rsp(site, HELLO) as rsp:
        with Client(rsp.port, ssl.create_default_context()) as client:
            with pytest.raises(ssl.SSLCertVerificationError):
                client.finish()
            client.sock.sendall(client.outgoing.read())
        wait_until(lambda: "does not trust the authority of rsp's certificate" in rsp.log, "the line")


def test_what_is_counted(site):
    with Rsp(site, HELLO) as rsp:
        for _ in range(3):
            assert served(rsp)
        with socket.create_connection(("127.0.0.1", rsp.port)):
            pass  # a check that a port is open is no failed handshake
        wait_until(lambda: total(rsp, "handshakes") == 3, "the counters")
        assert total(rsp, "handshake_failures") == 0
        assert total(rsp, "requests") == total(rsp, "accepted") == 3


def test_a_session_is_resumed(site):
    with Rsp(site, HELLO) as rsp:
        using = context("1.2")
        with Client(rsp.port, using) as first:
            assert first.shake().get().endswith(ANSWER)
            session = first.tls.session
        with Client(rsp.port, using) as second:
            second.tls.session = session
            assert second.shake().get().endswith(ANSWER)
            assert second.tls.session_reused
        wait_until(lambda: total(rsp, "resumed") == 1, "the counter")


# -- time and number


def test_a_flood_of_half_open_handshakes_is_bounded(site):
    with Rsp(site, HELLO + 'timeouts = { handshake = "1s" }') as rsp, ExitStack() as stack:
        assert served(rsp)
        before = descriptors(rsp)
        for number in range(300):
            client = stack.enter_context(Client(rsp.port))
            if number % 3:
                client.sock.sendall(client.step()[: 200 if number % 3 == 1 else None])
        assert served(rsp)
        wait_until(lambda: total(rsp, "handshake_failures") == 300, "all handshakes to fail")
        wait_until(lambda: now(rsp, "connections") == 0, "all connections to end")
        wait_until(lambda: descriptors(rsp) <= before, "descriptors")
        assert "it has taken too long" in rsp.log


def test_too_many_connections_are_told_so_over_tls(site):
    with Rsp(site, HELLO + "limits = { connections = 2 }") as rsp:
        with Client(rsp.port) as first, Client(rsp.port) as second:
            first.sock.sendall(first.step())
            first.hear()
            second.shake()
            wait_until(lambda: now(rsp, "connections") == 2, "two connections")
            with Client(rsp.port) as third:
                assert b" 503 " in third.shake().get()
            assert first.shake().get().endswith(ANSWER)
            assert served(rsp)


def test_handshakes_count_for_their_client(site):
    with Rsp(site, HELLO + "limits = { per_client = 1 }") as rsp:
        with Client(rsp.port) as first:
            first.sock.sendall(first.step())
            first.hear()
            with Client(rsp.port) as second:
                assert b" 503 " in second.shake().get()
            assert first.shake().get().endswith(ANSWER)
        wait_until(lambda: now(rsp, "connections") == 0, "all connections to end")
        assert served(rsp)


def test_rsp_drains_while_handshakes_are_under_way(site):
    with Rsp(site, HELLO) as rsp, Client(rsp.port) as slow, Client(rsp.port) as silent, Client(rsp.port) as idle:
        last = slow.finish()
        idle.shake()
        rsp.process.terminate()
        assert silent.sock.recv(10) == b""
        assert idle.drained() == b""
        assert idle.closed_properly
        slow.sock.sendall(last)  # the silent ones have been closed; this one has begun
        answer = slow.get()
        assert answer.endswith(ANSWER)
        assert b"\r\nConnection: close\r\n" in answer
        assert rsp.process.wait(20) == 0


def test_tls_of_an_address_is_changed_by_a_reload(site):
    plain = HELLO.replace(" { tls = true }", "").replace('certificate { "site.bundle.pem" }', "")
    with Rsp(site, HELLO) as rsp:
        with Client(rsp.port) as old, Client(rsp.port) as begun:
            old.shake()
            begun.sock.sendall(begun.step())
            begun.hear()
            rsp.reload(plain)
            with socket.create_connection(("127.0.0.1", rsp.port)) as client:
                client.sendall(GET)
                assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
            assert old.get().endswith(ANSWER)
            assert begun.shake().get().endswith(ANSWER)
        rsp.reload(HELLO)
        assert served(rsp)


def test_curl(site):
    authority().write(site / "ca.pem")
    with Rsp(site, HELLO) as rsp:
        for newest in ("1.2", "1.3"):
            command = ["curl", "-s", "--cacert", "ca.pem", "--tls-max", newest, f"https://127.0.0.1:{rsp.port}/"]
            assert subprocess.run(command, cwd=site, capture_output=True, check=True).stdout == b"hello"
