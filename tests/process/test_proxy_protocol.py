"""Listeners with ``proxy_protocol``: the header names the client, before TLS and HTTP of either version."""

import re
import socket
import ssl
import time

import pytest
from proxyprotocol.tlv import ProxyProtocolSSLTLV, ProxyProtocolTLV

from tests import h2_client
from tests.certificates import authority
from tests.harness import Backend, Rsp, as_root, free_port, wait_until
from tests.proxied import LOCAL, UNKNOWN, header

CA = authority("Proxied CA")
SITE = """{root}
certificate {{ "site.bundle.pem" }}
local here = {{ from = {{ "127.0.0.1", "2001:db8::/32" }} }}
listen "127.0.0.1:{plain}" {{ proxy_protocol = here }}
listen "127.0.0.1:{either}" {{ proxy_protocol = here, http2 = "prior-knowledge" }}
listen "127.0.0.1:{tls}" {{ proxy_protocol = here, tls = true }}
listen "127.0.0.1:{others}" {{ proxy_protocol = {{ from = {{ "192.0.2.0/24" }} }} }}
listen "127.0.0.1:{quick}" {{ proxy_protocol = here, timeouts = {{ head = "1s" }}, limits = {{ connections = 3 }} }}
listen "127.0.0.1:{redirecting}" {{ proxy_protocol = here, redirect = "https" }}
listen "unix:{unix}" {{ proxy_protocol = {{ from = {{ "unix:" }} }} }}
listen "127.0.0.1:{few}" {{ proxy_protocol = here, limits = {{ per_client = 1 }} }}
trusted = {{ "198.51.100.0/24" }}
upstream "app" {{ "{backend}" }}
route {{ to = "app" }}
route {{ path = "/told", respond = {{ body = "", headers = {{ ["X-Client"] = "{{client}}" }} }} }}
route {{ path = "/fields", respond = {{ body = "", headers = {{
  ["X-Proxy"] = "{{proxy.address}} {{proxy.source}} {{proxy.destination}}",
  ["X-Names"] = "[{{proxy.authority}}] [{{proxy.unique_id}}] [{{proxy.alpn}}] [{{proxy.tlv_0xea}}]",
  ["X-TLS"] = "[{{proxy.ssl_version}}] [{{proxy.ssl_cipher}}] [{{proxy.ssl_cn}}] [{{proxy.ssl_verified}}]",
}} }} }}
route {{ path = "/hook", to = "app", on_request = function(req)
  local proxy = req.proxy
  if not proxy then return respond(200, "none") end
  local said = {{}}
  for _, name in ipairs {{ "address", "source", "destination", "authority", "unique_id", "alpn", "ssl_version",
                          "ssl_cipher", "ssl_cn", "ssl_verified", "tlv_0xea", "tlv_0xe0" }} do
    said[#said + 1] = tostring(proxy[name])
  end
  return respond(200, table.concat(said, "|"))
end }}
metrics = "127.0.0.1:{metrics}"
access_log = {{ path = "stdout", format = "json" }}
"""
PORTS = ("plain", "either", "tls", "others", "quick", "redirecting", "few", "metrics")


def echo(connection: socket.socket, head: bytes, rest: bytes) -> bool:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(head), head))
    return True


class Site(Rsp):
    """``ports``: of its listeners, by their names above."""

    def __init__(self, directory, backend):
        self.ports = {name: free_port() for name in PORTS}
        self.unix = str(directory / "rsp.sock")
        CA.issue("site.example").write(directory, "site")
        places = {**self.ports, "unix": self.unix, "backend": backend.address, "root": as_root()}
        super().__init__(directory, SITE.format(**places))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with Backend(echo) as backend, Site(tmp_path_factory.mktemp("proxied"), backend) as rsp:
        yield rsp


def connect(site, listener, start, *, cut=False):
    """A connection that has begun with ``start``, as one piece or byte by byte."""
    client = socket.create_connection(("127.0.0.1", site.ports[listener]), 30)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for piece in (start[at : at + 1] for at in range(len(start))) if cut else (start,):
        client.sendall(piece)
    return client


def ask(client, path="/", extra=""):
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n{extra}\r\n".encode())
    return everything(client)


def everything(client):
    data = b""
    with client:
        while more := client.recv(65536):
            data += more
    return data


def over_http1(site, start, **options):
    return ask(connect(site, "plain", start, **options))


def over_prior_knowledge(site, start, **options):
    return of_http2(site, "either", start, None, **options)


def over_either(site, start, **options):
    return ask(connect(site, "either", start, **options))


def over_tls(site, start, **options):
    context = CA.trusted()
    with context.wrap_socket(connect(site, "tls", start, **options), server_hostname="site.example") as client:
        return ask(client)


def over_http2(site, start, **options):
    context = CA.trusted()
    context.set_alpn_protocols(["h2"])
    return of_http2(site, "tls", start, context, **options)


def of_http2(site, listener, start, context, **options):
    """The head that the backend has got."""
    client = h2_client.Client(site.ports[listener], begins=False)
    client.sock.close()
    sock = connect(site, listener, start, **options)
    client.sock = context.wrap_socket(sock, server_hostname="site.example") if context else sock
    client.scheme = "https" if context else "http"
    client.send(h2_client.PREFACE + h2_client.settings())
    with client.sock:
        return client.get().body


WAYS = (over_http1, over_either, over_prior_knowledge, over_tls, over_http2)
EVERY_WAY = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)


def client_of(said):
    return re.search(rb"(?i)\r\nx-forwarded-for: ([^\r]*)", said)[1].decode()


# -- what a header says


@EVERY_WAY
@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize(
    ("source", "seen"), [("192.0.2.7", "192.0.2.7"), ("2001:db8::7", "2001:db8::7"), ("::ffff:192.0.2.7", "192.0.2.7")]
)
def test_the_client_is_the_one_that_the_header_names(site, way, version, source, seen):
    start = header(version, source, "2001:db8::1" if ":" in source else "198.51.100.9")
    assert client_of(way(site, start)) == seen


@EVERY_WAY
@pytest.mark.parametrize("start", [LOCAL, UNKNOWN], ids=["LOCAL", "UNKNOWN"])
def test_local_and_unknown_keep_the_sockets_address(site, way, start):
    assert client_of(way(site, start)) == "127.0.0.1"


@EVERY_WAY
def test_a_header_may_come_byte_by_byte(site, way):
    tlv = ProxyProtocolTLV(authority="shop.example", unique_id=b"\0" * 128)
    for start in (header("v1"), header("v2", tlv=tlv)):
        assert client_of(way(site, start, cut=True)) == "192.0.2.7"


def test_a_header_and_requests_may_come_in_one_piece(site):
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    with connect(site, "plain", header("v2") + 2 * request + request[:-4]) as client:
        client.sendall(b"\r\nConnection: close\r\n\r\n")
        assert everything(client).count(b"X-Forwarded-For: 192.0.2.7") == 3


def test_a_long_header_comes_whole(site):
    tlv = ProxyProtocolTLV(init={0xE0: bytes(16_000)})
    assert client_of(over_http1(site, header("v2", tlv=tlv))) == "192.0.2.7"


def test_the_clients_address_is_what_is_logged_and_told(site):
    response = ask(connect(site, "plain", header("v1", "192.0.2.77")), "/told")
    assert b"\r\nX-Client: 192.0.2.77\r\n" in response
    wait_until(lambda: '"client":"192.0.2.77"' in site.access_log.replace(": ", ":"), "the line")


def test_trusted_is_about_the_address_in_the_header(site):
    """A proxy that speaks HTTP, behind a balancer that does not."""
    extra = "X-Forwarded-For: 203.0.113.5\r\nX-Forwarded-Proto: https\r\n"
    believed = ask(connect(site, "plain", header("v2", "198.51.100.77")), extra=extra)
    assert client_of(believed) == "203.0.113.5, 198.51.100.77"
    assert b"X-Forwarded-Proto: https" in believed
    assert client_of(ask(connect(site, "plain", header("v2")), extra=extra)) == "192.0.2.7"


@pytest.mark.parametrize(("has_ssl", "scheme"), [(True, b"https"), (False, b"http")])
def test_a_client_that_reaches_the_balancer_over_tls_uses_https(site, has_ssl, scheme):
    tlv = ProxyProtocolTLV(ssl=ProxyProtocolSSLTLV(has_ssl=has_ssl, has_cert_conn=True, version="TLSv1.3"))
    assert b"\r\nX-Forwarded-Proto: " + scheme in over_http1(site, header("v2", tlv=tlv))


FULL = header(
    "v2",
    tlv=ProxyProtocolTLV(
        authority="shop.example", unique_id=b"\1\xff", alpn=b"h2", init={0xEA: b"vpce-1"},
        ssl=ProxyProtocolSSLTLV(
            has_ssl=True, has_cert_conn=True, verified=True, version="TLSv1.3", cipher="TLS_X", cn="alice"
        ),
    ),
)  # fmt: skip


def test_placeholders_say_what_the_header_says(site):
    said = ask(connect(site, "plain", FULL), "/fields").decode()
    assert "\r\nX-Proxy: 127.0.0.1 192.0.2.7:4711 198.51.100.1:443\r\n" in said
    assert "\r\nX-Names: [shop.example] [01ff] [h2] [vpce-1]\r\n" in said
    assert "\r\nX-TLS: [TLSv1.3] [TLS_X] [alice] [true]\r\n" in said
    said = ask(connect(site, "plain", header("v1", "2001:db8::7", "2001:db8::1")), "/fields").decode()
    assert "\r\nX-Proxy: 127.0.0.1 [2001:db8::7]:4711 [2001:db8::1]:443\r\n" in said
    assert "X-Names" not in said  # all of it stands for nothing


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\0b", "caf\u00e9", "\x7f"])
def test_what_is_no_text_cannot_get_into_a_field_as_it_is(site, value):
    said = ask(connect(site, "plain", header("v2", tlv=ProxyProtocolTLV(authority=value))), "/fields").decode()
    assert f"\r\nX-Names: [{value.encode().hex()}] " in said


def test_hooks_see_what_the_header_says(site):
    said = ask(connect(site, "plain", FULL), "/hook").partition(b"\r\n\r\n")[2]
    wanted = b"127.0.0.1|192.0.2.7:4711|198.51.100.1:443|shop.example|\1\xff|h2|TLSv1.3|TLS_X|alice|true|vpce-1|nil"
    assert said == wanted
    local = ask(connect(site, "plain", LOCAL), "/hook").partition(b"\r\n\r\n")[2]
    assert local == b"127.0.0.1|nil|nil|nil|nil|nil|nil|nil|nil|false|nil|nil"
    assert ask(connect(site, "others", b""), "/hook").endswith(b"\r\n\r\nnone")


def test_each_connection_has_its_own_client(site):
    clients = [connect(site, "plain", header("v1", f"192.0.2.{number}")) for number in range(1, 9)]
    said = [ask(client) for client in reversed(clients)]
    assert [client_of(each) for each in reversed(said)] == [f"192.0.2.{number}" for number in range(1, 9)]


def test_the_bound_of_a_client_is_that_of_the_address_in_the_header(site):
    with connect(site, "few", header("v1", "192.0.2.1")) as first:
        first.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert first.recv(65536).startswith(b"HTTP/1.1 200")
        assert ask(connect(site, "few", header("v1", "192.0.2.1"))).startswith(b"HTTP/1.1 503")
        assert ask(connect(site, "few", header("v1", "192.0.2.2"))).startswith(b"HTTP/1.1 200")


def test_a_listener_that_redirects(site):
    answer = ask(connect(site, "redirecting", header("v1")))
    assert answer.startswith(b"HTTP/1.1 308")
    assert b"\r\nLocation: https://site.example:%d/\r\n" % site.ports["tls"] in answer


def test_a_unix_socket(site):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(site.unix)
        client.sendall(header("v2"))
        assert client_of(ask(client)) == "192.0.2.7"


# -- which connections must begin with one


def test_others_are_served_as_plain(site):
    assert client_of(ask(connect(site, "others", b""))) == "127.0.0.1"
    refused = ask(connect(site, "others", header("v1")))  # to them it is a request
    assert refused.startswith(b"HTTP/1.1 400")
    assert b"192.0.2.7" not in refused


@pytest.mark.parametrize("listener", ["plain", "either", "tls"])
@pytest.mark.parametrize(
    "start",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        h2_client.PREFACE,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 65536\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04\1\2\3\4",
    ],
)  # fmt: skip
def test_without_a_valid_header_the_connection_is_closed(site, listener, start):
    before = failures(site)
    with connect(site, listener, start) as client:
        assert end_of(client) == b""
    wait_until(lambda: failures(site) == before + 1, "count")
    wait_until(lambda: f'listen "127.0.0.1:{site.ports[listener]}": 127.0.0.1' in site.log, "line")


def end_of(client):
    """What comes before the end, which may be a reset: something was left unread."""
    try:
        return everything(client)
    except ConnectionResetError:
        return b""


def failures(site):
    with socket.create_connection(("127.0.0.1", site.ports["metrics"]), 30) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        text = everything(client).decode()
    return sum(int(value) for value in re.findall(r"^rsp_proxy_header_failures_total\S* (\d+)", text, re.MULTILINE))


def test_a_connection_that_ends_before_its_header_is_no_failure(site):
    before = failures(site)
    connect(site, "plain", b"").close()
    with connect(site, "plain", b"PROXY TC") as client:
        client.shutdown(socket.SHUT_WR)
        assert end_of(client) == b""
    wait_until(lambda: failures(site) == before + 1, "count")


def test_a_header_is_bounded_in_time(site):
    """However much of it has come.  The whole of it takes one second and what is left of a tick."""
    starts = (b"", b"PROXY TCP4 192.0.2.7 ", header("v2")[:20])
    begun = time.monotonic()
    for client in [connect(site, "quick", start) for start in starts]:
        with client:
            assert end_of(client) == b""
    assert time.monotonic() - begun < 10
    wait_until(lambda: "PROXY header within 1 s" in site.log, "line")


def test_connections_that_wait_for_their_header_are_counted(site):
    """They are few more than ``limits.connections`` at most; as many as rsp can tell so."""
    waiting = [connect(site, "quick", b"PROXY ") for _ in range(4)]
    try:
        answer = ask(connect(site, "quick", header("v1")))
        assert answer.startswith(b"HTTP/1.1 503")
    finally:
        for each in waiting:
            each.close()
    wait_until(lambda: ask(connect(site, "quick", header("v1"))).startswith(b"HTTP/1.1 200"), "room")


def test_a_reload_changes_which_connections_must_begin_with_one(tmp_path):
    with Backend(echo) as backend, Site(tmp_path, backend) as rsp:
        waiting = connect(rsp, "plain", b"PROXY TCP4 192.0.2.7 ")
        text = rsp.file.read_text()
        rsp.file.write_text(text.replace('from = { "127.0.0.1", ', 'from = { "127.0.0.2", '))
        rsp.reload()
        assert client_of(ask(connect(rsp, "plain", b""))) == "127.0.0.1"
        waiting.sendall(b"198.51.100.1 4711 443\r\n")  # it came when it had to
        assert client_of(ask(waiting)) == "192.0.2.7"
        idle = connect(rsp, "tls", b"")
        assert rsp.stop() == 0
        with pytest.raises((ssl.SSLError, OSError)):
            CA.trusted().wrap_socket(idle, server_hostname="site.example")
