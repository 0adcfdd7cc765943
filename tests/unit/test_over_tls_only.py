"""What differs by the scheme: Strict-Transport-Security, Secure of cookies, listeners that redirect."""

import pytest

from rsp.config.tls import Hsts
from rsp.config.units import Duration
from rsp.exchange.filters.headers import hsts_line
from rsp.exchange.handlers.to_https import port_for_https
from rsp.tls.facts import Facts
from tests.unit.fakes import CLIENT, FakeWorker, configuration, serving

APP = """
upstream "app" { "127.0.0.1:2" }
route { path = "/x", to = "app" }
route { path = "/no", to = "app", hsts = false }
route { path = "/short", to = "app", hsts = { max_age = "366d", subdomains = true, preload = true } }
route { path = "/moved", redirect = "/x" }
route { path = "/said", respond = { body = "said", headers = { ["X-A"] = "1" } } }
route { path = "/own", respond = { status = 204 }, response_headers = { set = { ["Strict-Transport-Security"] = "max-age=7" } } }
"""
YEAR = b"Strict-Transport-Security: max-age=31536000"
FROM_PEER = b"Strict-Transport-Security: max-age=1\r\nstrict_transport_security: x\r\nA: b\r\n"


def hsts_of(client):
    return [line for line in client.lines if b"transport" in line.lower()]


def session_of(worker, secure, client=CLIENT):
    session = worker.session(client)
    if secure:
        session.secure(Facts(b"TLSv1.3", b"X"))
    return session


def ask(worker, text="GET /x", secure=True, fields=FROM_PEER):
    client = worker.ask(text, session=session_of(worker, secure))
    if not client.status:
        pool = worker.pool()
        peer = worker.accept() if pool.attempts else pool.streams[-1]
        peer.answer(200, b"", fields)
    return client


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        (True, b"max-age=31536000"),
        ("30d", b"max-age=2592000"),
        ("0s", b"max-age=0"),
        (Hsts(), b"max-age=31536000"),
        (Hsts(max_age=Duration(60), subdomains=True), b"max-age=60; includeSubDomains"),
        (Hsts(max_age=Duration(60), preload=True), b"max-age=60; preload"),
    ],
)
def test_the_line(setting, value):
    assert hsts_line(setting) == b"Strict-Transport-Security: " + value + b"\r\n"
    assert hsts_line(False) == b""


@pytest.mark.parametrize(
    ("text", "status", "line"),
    [
        ("GET /x", 200, YEAR),
        ("GET /short", 200, b"Strict-Transport-Security: max-age=31622400; includeSubDomains; preload"),
        ("GET /moved", 302, YEAR),
        ("GET /said", 200, YEAR),
        ("GET /nowhere", 404, YEAR),
        ("GET /x/%2e%2e/no", 400, YEAR),
        ("POST /x\nContent-Length: 99999999999", 413, YEAR),
        ("GET /own", 204, b"Strict-Transport-Security: max-age=7"),
    ],
)
def test_every_response_over_tls_says_so_once(text, status, line):
    with serving("hsts = true\nlimits = { body = 10 }\n" + APP) as worker:
        client = ask(worker, text)
        assert (client.status, hsts_of(client)) == (status, [line])


def test_the_error_of_a_peer_says_so():
    with serving("hsts = true\n" + APP) as worker:
        client = worker.ask("POST /x", session=session_of(worker, secure=True))
        worker.refuse()
        assert (client.status, hsts_of(client)) == (502, [YEAR])


@pytest.mark.parametrize("text", ["GET /x", "GET /short", "GET /moved", "GET /said", "GET /nowhere"])
def test_nothing_says_so_over_plain_http(text):
    with serving("hsts = true\n" + APP) as worker:
        client = ask(worker, text, secure=False)
        assert hsts_of(client) == [] and (text != "GET /x" or b"A: b" in client.lines)


@pytest.mark.parametrize("secure", [False, True])
def test_where_rsp_says_nothing_a_peers_own_passes(secure):
    for text, site in (("GET /no", "hsts = true\n"), ("GET /x", "")):
        with serving(site + APP) as worker:
            assert hsts_of(ask(worker, text, secure)) == FROM_PEER.split(b"\r\n")[:2]


def test_a_request_that_cannot_be_read_is_answered_with_it():
    with FakeWorker("hsts = true\n" + APP) as worker:
        for secure, lines in ((True, 1), (False, 0)):
            head, _ = worker.service.refuse(session_of(worker, secure), 400, "x")
            assert head.fields.count(YEAR) == lines


def test_a_trusted_proxy_says_how_the_client_has_come():
    with serving('trusted = { "192.0.2.1" }\nhsts = true\n' + APP) as worker:
        assert hsts_of(ask(worker, "GET /x\nX-Forwarded-Proto: https", secure=False)) == [YEAR]
        assert hsts_of(ask(worker, "GET /x\nX-Forwarded-Proto: http", secure=True)) == []
    with serving("hsts = true\n" + APP) as worker:
        assert hsts_of(ask(worker, "GET /x\nX-Forwarded-Proto: https", secure=False)) == []


@pytest.mark.parametrize(
    ("sticky", "secure", "ending"),
    [
        ("true", True, b"; HttpOnly; SameSite=Lax; Secure"),
        ("true", False, b"; HttpOnly; SameSite=Lax"),
        ("{ secure = true }", True, b"; HttpOnly; SameSite=Lax; Secure"),
        ("{ secure = true }", False, b"; HttpOnly; SameSite=Lax; Secure"),
        ("{ max_age = 5 }", True, b"; HttpOnly; SameSite=Lax; Max-Age=5; Secure"),
    ],
)
def test_sticky_cookies_over_tls_are_secure(sticky, secure, ending):
    site = f'upstream "app" {{ "127.0.0.1:2", sticky = {sticky} }}\nroute {{ path = "/x", to = "app" }}\n'
    with serving(site) as worker:
        (line,) = [line for line in ask(worker, secure=secure).lines if line.startswith(b"Set-Cookie")]
        assert line.endswith(ending) and line.count(b"Secure") == ending.count(b"Secure")


# -- listeners that redirect

REDIRECTING = 'listen "127.0.0.1:80" { redirect = "https" }\n' + APP
HERE = "127.0.0.1:80"


def redirected(worker, block):
    client = worker.ask(block, session=worker.service.session(CLIENT, HERE))
    places = [line.partition(b": ")[2] for line in client.lines if line.startswith(b"Location")]
    return client.status, *places


@pytest.mark.parametrize(
    ("target", "host", "place"),
    [
        (b"/", b"shop.example.com", b"https://shop.example.com/"),
        (b"/a/b?c=d&e", b"shop.example.com:80", b"https://shop.example.com/a/b?c=d&e"),
        (b"/a?", b"Shop.Example.com:8080", b"https://Shop.Example.com/a"),
        (b"/a%2e//x", b"shop", b"https://shop/a%2e//x"),
        (b"//evil.example/x", b"shop", b"https://shop//evil.example/x"),
        (b"/x", b"[2001:db8::1]:80", b"https://[2001:db8::1]/x"),
        (b"/x", b"192.0.2.9", b"https://192.0.2.9/x"),
        (b"http://other.example:81/y?z", b"shop", b"https://other.example/y?z"),
        (b"http://other.example", b"shop", b"https://other.example/"),
        (b"/.well-known/acme-challenge/t", b"shop.", b"https://shop./.well-known/acme-challenge/t"),
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"POST", b"DELETE"])
def test_every_request_is_redirected_to_the_same_url(method, target, host, place):
    with serving(REDIRECTING) as worker:
        assert redirected(worker, b"%b %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (method, target, host)) == (308, place)


def test_the_host_as_a_whole():
    with serving(REDIRECTING) as worker:
        assert redirected(worker, b"OPTIONS * HTTP/1.1\r\nHost: shop\r\n\r\n") == (308, b"https://shop/")
        assert redirected(worker, b"GET /x HTTP/1.0\r\n\r\n") == (308, b"https://127.0.0.1/x")


@pytest.mark.parametrize("host", [b"a,b", b"evil.example%2f.shop", b"a;b", b"a&b", b"-", b".", b"!", b"shop..."])
def test_a_host_that_is_no_name_is_refused(host):
    with serving(REDIRECTING) as worker:
        status, *places = redirected(worker, b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host)
        assert status == 400 and not places


def test_the_listener_does_nothing_else():
    """No route, no HSTS, no peer; and the other listener is as it was."""
    with serving("hsts = true\n" + REDIRECTING) as worker:
        for path in (b"/x", b"/nowhere", b"/x/%2e%2e/no"):
            assert redirected(worker, b"GET %b HTTP/1.1\r\nHost: t\r\n\r\n" % path)[0] == 308
        assert all(not hsts_of(client) for client in worker.clients)
        assert ask(worker).status == 200
        assert worker.statuses == [308, 308, 308, 200]


def test_a_connection_that_lasts_over_a_reload():
    with serving(REDIRECTING) as worker:
        session = worker.service.session(CLIENT, HERE)
        for site, status in ((REDIRECTING, 308), (f'listen "{HERE}"\n' + APP, 302), (REDIRECTING, 308)):
            worker.use(site)
            worker.service.renew(session)
            known = session.config
            worker.service.renew(session)
            assert session.config is known
            assert worker.ask("GET /moved", session=session).status == status


@pytest.mark.parametrize(
    ("listeners", "port"),
    [
        ("", 443),
        ('listen "0.0.0.0:8443" { tls = true }', 8443),
        ('listen "0.0.0.0:8443" { tls = true } listen "[::]:443" { tls = true }', 443),
        ('listen "0.0.0.0:8443" { tls = true } listen "0.0.0.0:9443" { tls = true }', 8443),
        ('listen "unix:/tmp/x" { tls = true }', 443),
        ('listen "systemd:web" { tls = true }', 443),
        ('listen "0.0.0.0:8443"', 443),
    ],
)
def test_the_port_is_that_of_the_listener_with_tls(listeners, port):
    config = configuration(
        f'{listeners}\ncertificate {{ "site.pem" }}\n{APP}' if "tls" in listeners else listeners + APP
    )
    assert port_for_https(config.listeners) == port
    with serving(
        f'{listeners}\ncertificate {{ "site.pem" }}\n{REDIRECTING}' if "tls" in listeners else REDIRECTING
    ) as worker:
        suffix = b"" if port == 443 else b":%d" % port
        place = redirected(worker, b"GET /x?y HTTP/1.1\r\nHost: shop:80\r\n\r\n")[1]
        assert place == b"https://shop%b/x?y" % suffix
