"""Forward authentication with services that answer as Authelia and oauth2-proxy do, over every way a client may come."""

import re
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.auth_service import BASIC, PORTAL, SESSION, AuthService, echo, fields_of
from tests.everywhere import HOST, WAYS, Everywhere
from tests.harness import Backend, Rsp, get, hanging_backend, receive, wait_until
from tests.ports import free_port

SITE = """
access_log = { path = "stdout", format = "{status} {target} user={request.header.remote-user} by={upstream_name}" }
trusted = { "127.0.0.0/8" }
upstream "app" { "APP" }
upstream "authelia" { "AUTH" }
upstream "dead" { "127.0.0.1:DEAD" }
upstream "hangs" { "HANGS" }
local names = { "Remote-User", "Remote-Groups", "Remote-Name", "Remote-Email" }
local authelia = { forward = "authelia", path = "/api/authz/forward-auth", copy = names }
route { path = "/app", to = "app", auth = authelia }
route { path = "/below", to = "app", auth = authelia, strip = true, rewrite_location = true,
        response_headers = { set = { ["X-Rule"] = "yes" } } }
route { path = "/status", to = "app",
        auth = { forward = "authelia", path = "/api/authz/auth-request", copy = names, style = "auth_request" } }
-- the service over HTTP/2, with rsp itself before it
upstream "over_http2" { "127.0.0.1:H2C", http = 2 }
route { path = "/api/authz", to = "authelia" }
route { path = "/http2", to = "app", auth = { forward = "over_http2", path = "/api/authz/forward-auth", copy = names } }
route { path = "/any", to = "app", auth = authelia, allow = { "127.0.0.0/8" }, any = true }
route { path = "/both", to = "app", auth = authelia, allow = { "10.0.0.0/8" } }
route { path = "/dead", to = "app", auth = { forward = "dead", copy = names } }
route { path = "/hangs", to = "app", timeouts = { response = "0.3s" }, auth = { forward = "hangs", copy = names } }
route { path = "/hang-up", to = "app", auth = { forward = "authelia", path = "/hang-up", copy = names } }
route { path = "/broken", to = "app", auth = { forward = "authelia", path = "/broken", copy = names } }
route { path = "/in-parts", to = "app", auth = { forward = "authelia", path = "/in-parts", copy = names } }
route { path = "/no-such", to = "app",
        auth = { forward = "authelia", path = "/no", copy = names, style = "auth_request" } }
route { path = "/sent", to = "app",
        auth = { forward = "authelia", path = "/api/authz/auth-request", copy = { "Location" }, style = "auth_request" } }
local seen = shared("seen")
route { path = "/hooked", to = "app", auth = authelia,
  on_request = function(req) req.headers["X-Hook"] = (req.headers["Remote-User"] or "none") end,
  on_error = function(req, err) return respond(err.status, "user " .. (req.headers["Remote-User"] or "none")) end }
route { path = "/hooked/dead", to = "app", auth = { forward = "dead", copy = names },
  on_error = function(req, err) return respond(err.status, "user " .. (req.headers["Remote-User"] or "none")) end }
route { path = "/small", to = "app", auth = authelia, limits = { body = 10 },
  on_error = function(req, err) return respond(err.status, "user " .. (req.headers["Remote-User"] or "none")) end }
page { status = 401, body = "please log in" }
-- oauth2-proxy, as its documentation has it for Traefik (static upstreams), and for nginx with its sign-in page at 401
route { path = "/static", to = "app", auth = { forward = "authelia", path = "/", copy = { "X-Auth-Request-User" } } }
route { path = "/oauth2", to = "authelia" }
route { path = "/o2", to = "app", auth = { forward = "authelia", path = "/oauth2/auth?allowed_groups=staff",
        copy = { "X-Auth-Request-User", "X-Auth-Request-Email" }, style = "auth_request" },
  on_error = function(req, err)
    if err.status == 401 then return respond(302, "", { Location = "/oauth2/start?rd=" .. req.target }) end
  end }
"""
SPELLINGS = ("Remote-User", "remote_user", "REMOTE-USER", "Remote.User", "Remote_Groups", "remote-email")
HTML = ("Accept", "text/html")
COOKIE = ("Cookie", f"a=b; {SESSION}")


class Gate(Everywhere):
    """Its configuration names a port of its own."""

    def write(self, text):
        super().write(text.replace("H2C", str(self.ports["h2c"])))


@pytest.fixture(scope="module")
def app():
    with Backend(echo) as app:
        yield app


@pytest.fixture(scope="module")
def service():
    with AuthService() as service:
        yield service


@pytest.fixture(scope="module")
def rsp(tmp_path_factory, app, service):
    with hanging_backend() as hangs:
        text = SITE.replace("APP", app.address).replace("AUTH", service.address)
        text = text.replace("DEAD", str(free_port())).replace("HANGS", hangs.address)
        with Gate(tmp_path_factory.mktemp("auth"), text) as rsp:
            yield rsp


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


def scheme(way):
    return "https" if "tls" in way else "http"


def test_a_browser_is_sent_to_the_portal_and_back(rsp, app, service, way):
    before = len(app.heads)
    answer = rsp.ask(way, "/app/x?q=1", HTML)
    assert answer.status == 302 and b"log in" in answer.body and len(app.heads) == before
    query = parse_qs(urlsplit(answer["location"]).query)
    assert answer["location"].startswith(PORTAL)
    assert query == {"rd": [f"{scheme(way)}://{HOST}/app/x?q=1"], "rm": ["GET"]}
    answer = rsp.ask(way, "/app/x?q=1", HTML, COOKIE)
    assert answer.status == 200
    seen = fields_of(answer.body)
    assert (seen["remote-user"], seen["remote-groups"], seen["remote-name"]) == ("ann", "staff,dev", "Ann Example")
    assert answer.fields["set-cookie"] == ["app=1", f"{SESSION}; HttpOnly", "seen=1"]


def test_what_the_service_is_asked(rsp, service, way):
    service.asked.clear()
    forwarded = (("X-Forwarded-For", "198.51.100.7"), ("X-Forwarded-Uri", "/public"), ("X-Forwarded-Method", "TRACE"))
    rsp.ask(way, "/app/y?a=%20b", COOKIE, *forwarded, ("If-None-Match", "*"), method="PUT", body=b"abc")
    ((method, target, fields),) = service.asked
    assert (method, target, fields["host"]) == ("GET", "/api/authz/forward-auth", HOST)
    wanted = {
        "x-forwarded-method": "PUT", "x-forwarded-proto": scheme(way), "x-forwarded-host": HOST,
        "x-forwarded-uri": "/app/y?a=%20b", "x-forwarded-for": "198.51.100.7, 127.0.0.1", "cookie": COOKIE[1],
    }  # fmt: skip
    assert {name: fields.get(name) for name in wanted} == wanted
    assert not {"upgrade", "expect", "if-none-match", "content-length"} & set(fields)


def test_where_to_log_in_is_told_on_request(rsp, way):
    answer = rsp.ask(way, "/sent/x")
    assert (answer.status, answer["location"]) == (401, PORTAL)
    assert rsp.ask(way, "/status/x")["location"] is None


@pytest.mark.parametrize("path", ["/app", "/status"])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_credentials_are_for_the_service(rsp, way, path, method):
    answer = rsp.ask(way, f"{path}/x", ("Authorization", "Basic x"), method=method)
    assert answer.status == 401
    if method != "HEAD":
        assert answer.body == (b"please log in" if path == "/status" else b"401 Unauthorized")
    assert answer["www-authenticate"].startswith("Basic realm=") and answer["location"] is None
    body = b"b" * 1000 if method == "POST" else b""
    answer = rsp.ask(way, f"{path}/x", ("Authorization", BASIC), method=method, body=body)
    assert answer.status == 200 and answer.body.endswith(body)
    assert rsp.ask(way, f"{path}/admin", ("Authorization", BASIC), method=method).status == 403


@pytest.mark.parametrize("path", ["/app", "/status", "/hooked"])
def test_no_client_says_who_it_is(rsp, service, way, path):
    service.asked.clear()
    claims = [(name, "root") for name in SPELLINGS]
    answer = rsp.ask(way, path, COOKIE, *claims)
    if answer.status == 400:  # HTTP/2 and HTTP/1.1 refuse shadows of each other; then each by itself
        for claim in claims:
            answer = rsp.ask(way, path, COOKIE, claim)
            assert answer.status == 200 and b"root" not in answer.body
    assert answer.status == 200 and b"root" not in answer.body
    assert fields_of(answer.body)["remote-user"] == "ann"
    assert not [fields for _, _, fields in service.asked if "root" in fields.values()]


@pytest.mark.parametrize("name", SPELLINGS)
def test_nor_on_any_way_out(rsp, way, name):
    claim = (name, "root")
    for path, body, status in (("/hooked/dead", b"", 503), ("/small", b"b" * 20, 413)):
        answer = rsp.ask(way, path, claim, COOKIE, method="POST", body=body)
        # Over HTTP/2 the service may have answered before the body has turned out to be too large.
        assert answer.status == status and answer.body in (b"user none", b"user ann")
    wait_until(lambda: "413 /small" in rsp.access_log)
    assert "user=root" not in rsp.access_log


@pytest.mark.parametrize("path", ["/dead", "/hang-up", "/broken"])
def test_a_service_that_does_not_answer(rsp, app, way, path):
    before = len(app.heads)
    for method, body in (("GET", b""), ("POST", b"abc")):
        answer = rsp.ask(way, path, COOKIE, method=method, body=body)
        assert answer.status == 503 and answer["retry-after"]
    assert len(app.heads) == before


def test_a_service_that_never_answers(rsp, app):
    before = len(app.heads)
    assert rsp.ask("h1", "/hangs", COOKIE).status == 503
    assert len(app.heads) == before


def test_other_answers_by_style(rsp, way):
    assert rsp.ask(way, "/no-such").status == 500
    answer = rsp.ask(way, "/in-parts")
    assert (answer.status, answer.body) == (403, b"not you")
    assert rsp.ask(way, "/in-parts", method="HEAD").status == 403
    assert 'auth: upstream "authelia" answered 404; style = "auth_request" expects 2xx, 401 or 403' in rsp.log


def test_the_services_redirect_is_its_own(rsp, way):
    """The route's rules for fields hold, but the path is not one of the application's."""
    answer = rsp.ask(way, "/below/x", HTML)
    assert answer.status == 302 and answer["location"].startswith(PORTAL) and answer["x-rule"] == "yes"
    assert parse_qs(urlsplit(answer["location"]).query)["rd"] == [f"{scheme(way)}://{HOST}/below/x"]
    assert rsp.ask(way, "/below/x", COOKIE).body.startswith(b"GET /x HTTP/1.1")


def test_hooks_see_the_user(rsp, way):
    seen = fields_of(rsp.ask(way, "/hooked/x", COOKIE).body)
    assert seen["x-hook"] == "ann"


def test_a_service_over_http2(rsp, way):
    answer = rsp.ask(way, "/http2/x?y", HTML)
    assert answer.status == 302
    assert parse_qs(urlsplit(answer["location"]).query)["rd"] == [f"{scheme(way)}://{HOST}/http2/x?y"]
    answer = rsp.ask(way, "/http2/x", COOKIE, ("Remote-User", "root"), method="PUT", body=b"abc")
    assert fields_of(answer.body)["remote-user"] == "ann" and answer.body.endswith(b"abc")
    assert answer.fields["set-cookie"] == ["app=1", f"{SESSION}; HttpOnly", "seen=1"]


def test_clients_by_their_address(rsp, service, way):
    """`any = true`: the address is enough, and the service is not asked; otherwise both have to hold."""
    service.asked.clear()
    answer = rsp.ask(way, "/any", ("Remote_User", "root"))
    assert answer.status == 200 and b"root" not in answer.body
    assert rsp.ask(way, "/both", COOKIE).status == 403
    assert not service.asked


def test_a_body_that_is_larger_than_what_is_held(rsp, way):
    body = b"0123456789" * 50_000
    answer = rsp.ask(way, "/app/upload", COOKIE, method="PUT", body=body)
    assert answer.status == 200 and answer.body.endswith(body)
    assert rsp.ask(way, "/app/upload", method="PUT", body=body).status == 401


def test_an_oauth2_proxy(rsp, way):
    """From the first page to the application and back, as a browser goes."""
    first = rsp.ask(way, "/o2/page?x=1")
    assert (first.status, first["location"]) == (302, "/oauth2/start?rd=/o2/page?x=1")
    start = rsp.ask(way, "/oauth2/start?rd=" + quote("/o2/page?x=1", safe=""))
    assert start.status == 302 and "https://id.site.example/authorize" in start["location"]
    csrf = start["set-cookie"].partition(";")[0]
    state = parse_qs(urlsplit(start["location"]).query)["state"][0]
    back = rsp.ask(way, "/oauth2/callback?code=c&state=" + quote(state, safe=""), ("Cookie", csrf))
    assert (back.status, back["location"]) == (302, "/o2/page?x=1")
    session = back["set-cookie"].partition(";")[0]
    page = rsp.ask(way, "/o2/page?x=1", ("Cookie", session), ("X-Auth-Request-User", "root"))
    assert page.status == 200
    seen = fields_of(page.body)
    assert (seen["x-auth-request-user"], seen["x-auth-request-email"]) == ("ann", "ann@site.example")
    assert "gap-auth" not in seen
    assert page.fields["set-cookie"] == ["app=1", "_oauth2_proxy=refreshed; Path=/; HttpOnly"]


def test_an_oauth2_proxy_that_redirects_by_itself(rsp, way):
    answer = rsp.ask(way, "/static/page?x=1")
    state = parse_qs(urlsplit(answer["location"]).query)["state"]
    assert (answer.status, state) == (302, [f"{scheme(way)}://{HOST}/static/page?x=1"])
    assert answer["set-cookie"].startswith("_oauth2_proxy_csrf=")
    answer = rsp.ask(way, "/static/page?x=1", ("Cookie", "_oauth2_proxy=ann"))
    assert answer.status == 200 and fields_of(answer.body)["x-auth-request-user"] == "ann"


@pytest.mark.parametrize("way", ["h1", "h1-tls"])
def test_a_websocket(rsp, service, way):
    service.asked.clear()
    upgrade = "GET /app/ws HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    with rsp.connect(way) as sock:
        sock.sendall(f"{upgrade}Cookie: {SESSION}\r\n\r\n".encode())
        received = b""
        while not received.endswith(b"\r\n\r\nann"):
            more = sock.recv(65536)
            assert more, received
            received += more
    assert received.startswith(b"HTTP/1.1 101 ") and b"\r\nSet-Cookie: seen=1\r\n" in received
    ((method, _, fields),) = service.asked
    assert method == "GET" and "upgrade" not in fields
    with rsp.connect(way) as sock:
        sock.sendall(f"{upgrade}Connection: close\r\n\r\n".encode())
        assert sock.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_connections_to_the_service_are_used_again(rsp, service, app):
    before = service.connections
    with rsp.connect("h1") as sock:
        for _ in range(20):
            sock.sendall(f"GET /app HTTP/1.1\r\nHost: t\r\nCookie: {SESSION}\r\n\r\n".encode())
            received = b""
            while b"\r\n\r\n" not in received or not re.search(rb"Cookie: authelia", received):
                received += receive(sock, 65536)
    assert service.connections <= before + 1


def test_who_it_was_is_in_the_log(rsp):
    assert rsp.ask("h1", "/app/logged", COOKIE).status == 200
    assert rsp.ask("h1", "/app/x?logged", HTML).status == 302
    wait_until(lambda: "302 /app/x?logged user=- by=authelia" in rsp.access_log)
    assert "200 /app/logged user=ann by=app" in rsp.access_log


def test_the_example(tmp_path, app, service):
    """``examples/forward-auth.lua`` as it stands, but for its addresses."""
    text = Path("examples/forward-auth.lua").read_text().replace("127.0.0.1:8000", "127.0.0.1:{port}")
    for address, real in (("9001", app), ("9002", app), ("9003", app), ("9091", service), ("4180", service)):
        text = text.replace(f"127.0.0.1:{address}", real.address)
    with Rsp(tmp_path, text) as rsp:
        cookie = f"Cookie: {SESSION}; _oauth2_proxy=ann\r\n"
        for host, user in (
            ("app", b"Remote-User: ann"),
            ("wiki", b"Remote-User: ann"),
            ("grafana", b"X-Auth-Request-User: ann"),
        ):
            name = f"{host}.example.com"
            assert user in get(rsp.port, "/x", name, cookie + "Remote-User: root\r\n")
            assert b" 302 " in get(rsp.port, "/x", name, "Accept: text/html\r\n")[:20]
        assert b" 200 " in get(rsp.port, "/healthz", "app.example.com")[:20]
        assert b"id.site.example" in get(rsp.port, "/oauth2/start", "grafana.example.com")
