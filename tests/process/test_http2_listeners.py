"""Which version of HTTP a client speaks: over TLS what ALPN says, without TLS what its first bytes are; and what
operators see of it."""

import signal
import socket
import ssl

import psutil
import pytest
from hyperframe.frame import GoAwayFrame

from tests.certificates import authority
from tests.collector import Collector, attributes
from tests.h2_client import (
    HTTP_1_1_REQUIRED,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    NO_ERROR,
    PREFACE,
    REFUSED_STREAM,
    Client,
    data,
    settings,
    window_update,
)
from tests.harness import Backend, Rsp, answering, exchange, wait_until
from tests.over_tls import not_over_tls
from tests.ports import free_port
from tests.tls_client import context

SITE = """
listen "127.0.0.1:{port}" { tls = true }
listen "127.0.0.1:CLEAR" { http2 = "prior-knowledge" }
listen "127.0.0.1:OLD" { tls = true, http2 = false }
listen "127.0.0.1:PLAIN"
metrics = "127.0.0.1:METRICS"
certificate { "site.bundle.pem" }
via = "edge"
request_id = "off"
upstream "app" { "BACKEND" }
route { to = "app" }
route { path = "/own", respond = { body = "hello" } }
"""
BOTH = ("h2", "http/1.1")
GET = b"GET /own HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n"


class Site(Rsp):
    """``clear``, ``old``, ``plain``, ``metrics``: the ports of the listeners."""

    def __init__(self, directory, backend, text=SITE, more=""):
        authority().issue("site.example").write(directory, "site")
        self.clear, self.old, self.plain, self.metrics = (free_port() for _ in range(4))
        self.backend = backend
        super().__init__(directory, text + more)

    def write(self, text):
        for name in ("clear", "old", "plain", "metrics"):
            text = text.replace(name.upper(), str(getattr(self, name)))
        super().write(text.replace("BACKEND", self.backend.address))

    def figure(self, name, **labels):
        answer = exchange(
            self.metrics, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        ).decode()
        listed = ",".join(f'{label}="{value}"' for label, value in labels.items())
        found = [line for line in answer.splitlines() if line.startswith(f"{name}{{{listed}}} ")]
        return int(found[0].split()[-1])


@pytest.fixture(scope="module")
def backend():
    with Backend() as backend:
        yield backend


@pytest.fixture(scope="module")
def site(tmp_path_factory, backend):
    """One for all tests that change nothing."""
    with Site(tmp_path_factory.mktemp("site"), backend) as rsp:
        yield rsp


def over_tls(port):
    return Client(port, tls=context(alpn=BOTH))


def begin(client):
    """A request that runs until :func:`complete`."""
    return client.open("/x", ("content-length", "1"), method="POST", end=False)


def complete(client, response):
    client.send(data(response.number, b"x", end=True))
    return client.finish(response).status == 200


# -- over TLS


@pytest.mark.parametrize("newest", ["1.2", "1.3"])
@pytest.mark.parametrize(
    ("alpn", "agreed"), [(BOTH, "h2"), (BOTH[::-1], "h2"), (("h2",), "h2"), (("http/1.1",), "http/1.1"), ((), None)]
)
def test_alpn_decides_over_tls(site, newest, alpn, agreed):
    with socket.create_connection(("127.0.0.1", site.port), 30) as sock:
        with context(newest, alpn).wrap_socket(sock, server_hostname="site.example") as secure:
            assert secure.selected_alpn_protocol() == agreed
            secure.sendall(PREFACE + settings() if agreed == "h2" else GET)
            assert secure.recv(9)[3:5] == b"\x04\x00" if agreed == "h2" else secure.recv(12) == b"HTTP/1.1 200"


def test_http2_can_be_switched_off(site):
    with socket.create_connection(("127.0.0.1", site.old), 30) as sock:
        with context(alpn=BOTH).wrap_socket(sock, server_hostname="site.example") as secure:
            assert secure.selected_alpn_protocol() == "http/1.1"
    with (
        socket.create_connection(("127.0.0.1", site.old), 30) as sock,
        pytest.raises(ssl.SSLError, match="no application protocol"),
    ):
        context(alpn=("h2",)).wrap_socket(sock, server_hostname="site.example")
    wait_until(lambda: "offers none of rsp's protocols, but h2" in site.log, "the line about it")


def test_over_tls_only_alpn_decides(site):
    """RFC 9113 section 3.2: a client that has not agreed on HTTP/2 does not speak it."""
    with socket.create_connection(("127.0.0.1", site.port), 30) as sock:
        with context(alpn=("http/1.1",)).wrap_socket(sock, server_hostname="site.example") as secure:
            secure.sendall(PREFACE + settings())
            assert secure.recv(12) == b"HTTP/1.1 505"


# -- without TLS


@not_over_tls("both versions on a port are told apart by ALPN there")
def test_both_versions_on_one_port_without_tls(site):
    with Client(site.clear) as client:
        assert client.get("/own").body == b"hello"
        assert exchange(site.clear, GET).endswith(b"\r\n\r\nhello")
        assert client.get("/").status == 200


@pytest.mark.parametrize("size", [1, 5, 23, 24, 25])
def test_a_preface_in_pieces(site, size):
    data = PREFACE + settings()
    with Client(site.clear, begins=False) as client:
        for at in range(0, len(data), size):
            client.send(data[at : at + size])
        assert client.get("/own").body == b"hello"


def test_a_request_that_begins_like_a_preface_is_one_of_http1(site):
    answer = exchange(site.clear, PREFACE[:18].replace(b"2.0", b"1.1"))
    assert answer.startswith(b"HTTP/1.1 400 "), answer


def test_a_preface_that_stops_is_given_up(tmp_path, backend):
    with Site(tmp_path, backend, more='timeouts = { head = "1s" }') as site:
        answer = exchange(site.clear, PREFACE[:10])
        assert answer.startswith(b"HTTP/1.1 408 ")
        wait_until(lambda: '"-" 408 ' in site.access_log, "the line about it")


def test_without_prior_knowledge_http2_is_refused(site):
    answer = exchange(site.plain, PREFACE + settings())
    assert answer.startswith(b"HTTP/1.1 505 "), answer
    assert b"this port does not speak HTTP/2" in answer


@pytest.mark.parametrize("port", ["clear", "plain"])
def test_an_upgrade_to_http2_is_ignored(site, backend, port):
    """RFC 9113 section 3.1: it is obsolete; and a peer that took it would hide requests from rsp."""
    asked = (
        b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
    )
    assert exchange(getattr(site, port), asked).startswith(b"HTTP/1.1 200 ")
    assert b"pgrade" not in backend.heads[-1] and b"ettings" not in backend.heads[-1]


# -- what operators and peers see


@not_over_tls("its own clients are counted")
def test_logs_metrics_and_via_have_the_version(site, backend):
    listener = f"127.0.0.1:{site.port}"
    wanted = [("rsp_http_requests_total", "2"), ("rsp_http_requests_total", "1.1"), ("rsp_http2_connections_total", "")]

    def figures():
        return [site.figure(name, listener=listener, **({"version": label} if label else {})) for name, label in wanted]

    before, lines = figures(), site.access_log.count('HTTP/2.0" 200 ')
    with over_tls(site.port) as client:
        responses = [client.get(path) for path in ("/x", "/own")]
        assert [response.status for response in responses] == [200, 200]
        assert responses[0]["via"] == "1.1 edge"
        assert b"\r\nVia: 2.0 edge\r\n" in backend.heads[-1]
        assert b"\r\nX-Forwarded-Proto: https\r\n" in backend.heads[-1]
        wait_until(lambda: site.access_log.count('HTTP/2.0" 200 ') == lines + 2, "two lines of HTTP/2.0")
        assert [now - then for now, then in zip(figures(), before, strict=True)] == [2, 0, 1]


def test_spans_have_the_version(tmp_path, backend):
    with Collector() as collector:
        more = f'tracing = {{ endpoint = "{collector.url}", sample = 1 }}'
        with Site(tmp_path, backend, more=more) as site, Client(site.clear) as client:
            assert client.get("/own").status == 200
            wait_until(collector.spans, "a span")
            assert attributes(collector.spans()[0])["network.protocol.version"] == "2"


def test_limits_streams_are_announced_and_hold(tmp_path, backend):
    with Site(tmp_path, backend, more="limits = { streams = 2 }") as site, Client(site.clear) as client:
        held = [begin(client) for _ in range(2)]
        third = client.finish(client.open("/own"))
        assert third.reset == REFUSED_STREAM and client.settings[MAX_CONCURRENT_STREAMS] == 2
        assert all(complete(client, response) for response in held)
        assert client.get("/own").status == 200


STAFF = """
route { host = "staff.example", client_ca = "staff.pem", respond = { body = "staff" } }
route { host = "lax.example", client_ca = "staff.pem", client_verify = "optional", respond = { body = "lax" } }
"""


def test_a_coalesced_request_for_a_host_with_other_rules_is_misdirected(tmp_path, backend):
    """RFC 9113 section 9.1.1: a browser may send it here, because the certificate is right.  The others go on."""
    authority("Staff").write(tmp_path / "staff.pem")
    with Site(tmp_path, backend, more=STAFF) as site, over_tls(site.port) as client:
        hosts = ("site.example", "staff.example", "lax.example", "other.example")
        responses = [client.open("/own", authority=host) for host in hosts]
        assert [client.finish(response).status for response in responses] == [200, 421, 421, 200]
        assert client.get("/own", authority="site.example").body == b"hello"


def test_a_connection_that_a_client_has_authenticated_serves_no_second_request(tmp_path):
    """NTLM, which knows one request at a time; here two may run at once, and others come later."""
    bound, second = set(), []

    def handler(connection, head, rest):
        if connection in bound:
            second.append(head)
        if b"NTLM" in head:
            bound.add(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        return True

    with Backend(handler) as peer, Site(tmp_path, peer) as site, Client(site.clear) as client:
        running = [client.open("/x", ("authorization", "NTLM abc")) for _ in range(2)]
        assert [client.finish(response).status for response in running] == [200, 200]
        assert client.get("/x").status == client.get("/x", ("authorization", "NTLM abc")).status == 200
        assert len(bound) == 3 and not second


def test_a_challenge_that_needs_a_connection_sends_the_client_to_http1(tmp_path):
    """RFC 9113 section 7, as IIS does it: browsers ask again with HTTP/1.1."""
    answers = {
        "ntlm": (401, "NTLM"),
        "negotiate": (401, "Negotiate"),
        "basic": (401, "Basic"),
        "ok": (200, "Negotiate b2s="),
    }

    def handler(connection, head, rest):
        status, challenge = answers[head.split()[1][1:].decode()]
        fields = f"WWW-Authenticate: {challenge}\r\nContent-Length: 2\r\n"
        connection.sendall(f"HTTP/1.1 {status} X\r\n{fields}\r\nno".encode())
        return True

    with Backend(handler) as peer, Site(tmp_path, peer) as site, Client(site.clear) as client:
        upload = client.open("/ntlm", method="POST", end=False)
        responses = {name: client.open(f"/{name}") for name in answers}
        client.send(data(upload.number, b"x", end=True))
        assert client.finish(upload).reset == HTTP_1_1_REQUIRED
        found = {name: client.finish(response).reset for name, response in responses.items()}
        assert found == {"ntlm": HTTP_1_1_REQUIRED, "negotiate": HTTP_1_1_REQUIRED, "basic": None, "ok": None}
        assert responses["basic"].status == 401 and client.get("/own").body == b"hello"
        wait_until(lambda: site.access_log.count('HTTP/2.0" 401 2 ') == 4, "a line for each")


# -- reloads and the end


def test_a_reload_keeps_connections_and_changes_what_new_ones_speak(tmp_path, backend):
    changed = SITE.replace("hello", "again").replace("tls = true }", "tls = true, http2 = false }", 1)
    changed = changed.replace('"127.0.0.1:CLEAR" { http2 = "prior-knowledge" }', '"127.0.0.1:CLEAR"')
    with (
        Site(tmp_path, backend) as site, over_tls(site.port) as secure,
        Client(site.clear) as clear, Client(site.clear, begins=False) as silent,
    ):  # fmt: skip
        assert [client.get("/own").body for client in (secure, clear)] == [b"hello", b"hello"]
        running = begin(clear)
        wait_until(lambda: site.admin("/status")["now"]["in_flight"] == 1, "the request to run")
        assert (secure.settings[MAX_CONCURRENT_STREAMS], clear.settings[MAX_CONCURRENT_STREAMS]) == (128, 128)
        site.reload(changed + "limits = { streams = 7 }")
        assert [client.get("/own").body for client in (secure, clear)] == [b"again", b"again"]
        assert (secure.settings[MAX_CONCURRENT_STREAMS], clear.settings[MAX_CONCURRENT_STREAMS]) == (7, 7)
        silent.send(PREFACE + settings())  # it came while the listener spoke HTTP/2
        assert silent.get("/own").body == b"again"
        assert complete(clear, running)
        assert not clear.goaways and not secure.goaways
        assert exchange(site.clear, PREFACE + settings()).startswith(b"HTTP/1.1 505 ")
        with socket.create_connection(("127.0.0.1", site.port), 30) as sock:
            with context(alpn=BOTH).wrap_socket(sock, server_hostname="site.example") as new:
                assert new.selected_alpn_protocol() == "http/1.1"


def test_a_drain_says_goaway_twice_and_finishes_what_runs(tmp_path, backend):
    with Site(tmp_path, backend) as site:
        with over_tls(site.port) as client, Client(site.clear) as idle, Client(site.clear, begins=False) as silent:
            assert idle.get("/own").status == 200
            running = begin(client)
            wait_until(lambda: site.admin("/status")["now"]["in_flight"] == 1, "the request to run")
            site.signal(signal.SIGTERM)
            client.until(GoAwayFrame)
            assert client.goaways == [(2**31 - 1, NO_ERROR)]
            late = client.get("/own")  # as one that was on its way when the client read that
            assert late.body == b"hello"
            assert complete(client, running)
            for one in (client, idle, silent):
                one.drain()
            assert client.goaways[1] == (late.number, NO_ERROR)
            assert {code for _, code in idle.goaways} == {NO_ERROR} and not silent.goaways
        assert site.process.wait(30) == 0


def test_a_drain_leaves_a_slow_client_the_end_of_its_last_response(tmp_path):
    """It is in the kernel, and the client says WINDOW_UPDATE while it reads: a closed socket would answer with RST."""
    size = 120_000
    big = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, bytes(size))
    with Backend(answering(big)) as peer, Site(tmp_path, peer) as site:
        with Client(site.clear, (INITIAL_WINDOW_SIZE, 1 << 20), receive_buffer=8192) as client:
            client.send(window_update(0, 1 << 20))
            response = client.open("/x")
            wait_until(lambda: f'HTTP/2.0" 200 {size}' in site.access_log, "the whole response to be sent")
            site.signal(signal.SIGTERM)
            wait_until(lambda: is_closing(site.clear, client.sock.getsockname()[1]), "the end of the connection")
            assert len(client.finish(response).body) == size
            client.drain()
        assert site.process.wait(30) == 0


def is_closing(port, other):
    """Whether rsp has closed its side of the connection."""
    return any(
        each.laddr.port == port and each.raddr and each.raddr.port == other and each.status == psutil.CONN_FIN_WAIT1
        for each in psutil.net_connections("tcp")
    )
