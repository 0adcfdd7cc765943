"""CORS, fields for browsers and the path of ``ready``: the same over HTTP/1.1, HTTP/2 and TLS, errors included."""

import pytest

from tests.everywhere import WAYS, Everywhere
from tests.harness import Backend, exchange
from tests.ports import free_port

SITE = """
access_log = "off"
ready = "/readyz"
security_headers = true
timeouts = { body = "2s" }
limits = { body = 100 }
upstream "app" { "APP" }
upstream "dead" { "127.0.0.1:DEAD" }
listen "127.0.0.1:REDIRECTS" { redirect = "https" }
trusted = { "127.0.0.1" }
on_request(function(req)
  if req.args.early then return respond(401, "who?") end
end)
local one = { origins = { "https://app.example.com", "https://*.example.org" }, methods = { "PUT", "GET" },
              headers = { "Authorization", "X-Own" }, expose = { "ETag", "X-Total" }, credentials = true,
              max_age = "5m" }
local open = { origins = { "*" }, methods = { "*" }, headers = { "*" } }
route { path = "/", to = "app" }
route { path = "/cors", to = "app", cors = one }
route { path = "/open", to = "app", cors = open }
route { path = "/dead", to = "dead", cors = one }
route { path = "/fixed", respond = { body = "fixed" }, cors = one, security_headers = false }
route { path = "/hooked", to = "app", cors = one, on_request = function(req)
  if req.args.refuse then return respond(403, "no") end
  if req.args.fail then error("on purpose") end
end, on_response = function(req, res) res.headers["X-Seen"] = res.headers["Access-Control-Allow-Origin"] or "none" end }
route { path = "/own", to = "app", security_headers = { frame_options = "DENY", referrer_policy = "", hsts = "30d",
        content_security_policy = "default-src 'self'", opener_policy = "same-origin", permissions_policy = "camera=()" } }
route { path = "/put", methods = { "PUT" }, headers = { ["X-Own"] = "1" }, to = "app", cors = one }
route { path = "/nohsts", to = "app", security_headers = { hsts = false } }
route { path = "/sts", to = "app", hsts = { max_age = "1d", subdomains = true } }
"""
APP, SUB, EVIL = "https://app.example.com", "https://a.b.example.org", "https://app.example.com.evil.example"
SAID = "access-control-allow-origin"
VARIED = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nVary: Accept\r\nAccess-Control-Allow-Origin: *\r\n"
OWN = (
    b"Access-Control-Allow-Credentials: true\r\nAccess-Control-Expose-Headers: X-Peer\r\nX-Frame-Options: DENY\r\n"
    b"strict-transport-security: max-age=1; includeSubDomains\r\n\r\nok"
)


def _peer(connection, head, rest):
    if head.startswith(b"POST"):  # it waits for more than it gets
        while connection.recv(1000):
            pass
        return False
    if b"GET /plain" in head or b"/cors/plain" in head:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    else:
        connection.sendall(VARIED + OWN)
    return True


@pytest.fixture(scope="module")
def backend():
    with Backend(_peer) as backend:
        yield backend


@pytest.fixture(scope="module")
def rsp(tmp_path_factory, backend):
    redirects = free_port()
    text = SITE.replace("APP", backend.address).replace("DEAD", str(free_port())).replace("REDIRECTS", str(redirects))
    with Everywhere(tmp_path_factory.mktemp("response-filters"), text) as one:
        one.redirects = redirects
        yield one


def preflight(rsp, way, path, origin=APP, method="PUT", *more):
    fields = (("Origin", origin), ("Access-Control-Request-Method", method), *more)
    return rsp.ask(way, path, *fields, method="OPTIONS")


# -- preflights


@pytest.mark.parametrize("way", WAYS)
def test_a_preflight_is_answered_and_never_reaches_the_peer(rsp, backend, way):
    before = len(backend.heads)
    answer = preflight(rsp, way, "/cors/x?y=1", APP, "PUT", ("Access-Control-Request-Headers", "authorization"))
    assert (answer.status, answer.body) == (204, b"")
    assert answer[SAID] == APP
    assert answer["access-control-allow-credentials"] == "true"
    assert answer["access-control-allow-methods"] == "PUT, GET"
    assert answer["access-control-allow-headers"] == "Authorization, X-Own"
    assert answer["access-control-max-age"] == "300"
    assert "content-type" not in answer.fields
    assert "Origin" in ", ".join(answer.fields["vary"])
    assert len(backend.heads) == before


@pytest.mark.parametrize("way", WAYS)
def test_a_preflight_of_another_origin_is_refused(rsp, backend, way):
    before = len(backend.heads)
    for origin in (EVIL, "null", "http://app.example.com", "https://app.example.com:8443", "https://example.org", "x"):
        answer = preflight(rsp, way, "/cors", origin)
        assert answer.status == 403
        assert not [name for name in answer.fields if name.startswith("access-control-")]
        assert "Origin" in answer.fields["vary"]
    assert len(backend.heads) == before


def test_other_requests_with_options_reach_the_peer(rsp, backend):
    before = len(backend.heads)
    assert rsp.ask("h1", "/cors", method="OPTIONS").status == 200
    assert rsp.ask("h1", "/cors", ("Origin", APP), method="OPTIONS")[SAID] == APP
    assert rsp.ask("h1", "/cors", ("Access-Control-Request-Method", "PUT"), method="OPTIONS").status == 200
    assert preflight(rsp, "h1", "/").status == 200  # a route without cors
    assert len(backend.heads) == before + 4


@pytest.mark.parametrize("way", WAYS)
def test_a_preflight_finds_the_route_of_the_request_that_follows(rsp, way):
    headers = ("Access-Control-Request-Headers", "authorization,x-own")
    assert preflight(rsp, way, "/put", APP, "PUT", headers).status == 204
    assert preflight(rsp, way, "/put", EVIL, "PUT", headers).status == 403
    for method, more in (("DELETE", (headers,)), ("PUT", ())):  # the route for all other requests, which has no cors
        answer = preflight(rsp, way, "/put", APP, method, *more)
        assert (answer.status, answer[SAID]) == (200, "*")
    assert rsp.ask(way, "/put", ("X-Own", "1"), ("Origin", APP), method="PUT")[SAID] == APP
    assert rsp.ask(way, "/put", ("X-Own", "1"), ("Origin", APP), method="OPTIONS")[SAID] == "*"


@pytest.mark.parametrize("way", WAYS)
def test_any_origin_method_and_field(rsp, way):
    answer = preflight(rsp, way, "/open", EVIL, "PATCH", ("Access-Control-Request-Headers", "authorization, x-any"))
    assert answer[SAID] == "*"
    assert answer["access-control-allow-methods"] == "PATCH"
    assert answer["access-control-allow-headers"] == "authorization, x-any"
    assert "access-control-allow-credentials" not in answer.fields
    assert "Origin" not in ", ".join(answer.fields["vary"])  # the answer is the same for all
    odd = preflight(rsp, way, "/open", EVIL, "PATCH", ("Access-Control-Request-Headers", "a<b>: c"))
    assert "access-control-allow-headers" not in odd.fields
    assert rsp.ask(way, "/open")[SAID] == "*"


# -- responses


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("path", "status", "more"),
    [
        ("/cors/plain", 200, {}), ("/cors", 200, {}), ("/dead", 502, {}), ("/fixed", 200, {}), ("/hooked", 200, {}),
        ("/hooked?refuse=1", 403, {}), ("/hooked?fail=1", 500, {}), ("/cors", 413, {"method": "POST", "body": b"x" * 101}),
    ],
)  # fmt: skip
def test_every_response_of_the_route_is_marked(rsp, way, path, status, more):
    for origin in (APP, SUB):
        answer = rsp.ask(way, path, ("Origin", origin), **more)
        assert answer.status == status
        assert answer[SAID] == origin
        assert answer["access-control-allow-credentials"] == "true"
        assert answer["access-control-expose-headers"] == "ETag, X-Total"
        assert "Origin" in answer.fields["vary"]
    for fields in ((), (("Origin", EVIL),)):
        answer = rsp.ask(way, path, *fields, **more)
        assert answer.status == status
        assert not [name for name in answer.fields if name.startswith("access-control-")]
        assert "Origin" in answer.fields["vary"]


def test_hooks_see_and_may_change_what_cors_says(rsp):
    assert rsp.ask("h1", "/hooked", ("Origin", APP))["x-seen"] == APP
    assert rsp.ask("h1", "/hooked", ("Origin", EVIL))["x-seen"] == "none"


def test_a_body_that_is_too_slow_has_a_marked_error(rsp):
    head = f"POST /cors HTTP/1.1\r\nHost: a\r\nOrigin: {APP}\r\nContent-Length: 5\r\n\r\n"
    answer = exchange(rsp.ports["h1"], head.encode() + b"x")
    assert answer.startswith(b"HTTP/1.1 408")
    assert f"Access-Control-Allow-Origin: {APP}\r\n".encode() in answer


# -- security_headers

USUAL = {
    "x-content-type-options": "nosniff", "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "strict-origin-when-cross-origin",
}  # fmt: skip
STS = "strict-transport-security"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("path", "status"), [("/plain", 200), ("/dead", 502), ("/cors/plain", 200), ("/plain?early=1", 401)]
)
def test_fields_for_browsers(rsp, way, path, status):
    answer = rsp.ask(way, path)
    assert answer.status == status
    assert {name: answer[name] for name in USUAL} == USUAL
    assert answer[STS] == ("max-age=31536000" if "tls" in way else None)


@pytest.mark.parametrize("way", WAYS)
def test_what_the_peer_says_stays(rsp, way):
    answer = rsp.ask(way, "/")
    assert answer["x-frame-options"] == "DENY"
    assert answer["x-content-type-options"] == "nosniff"
    assert answer[STS] == ("max-age=1; includeSubDomains" if "tls" in way else None)  # RFC 6797, 7.2


@pytest.mark.parametrize("way", WAYS)
def test_fields_for_browsers_as_the_route_wants_them(rsp, way):
    own = rsp.ask(way, "/own/plain", ("Accept", "GET /plain"))
    assert own["referrer-policy"] is None
    assert own["content-security-policy"] == "default-src 'self'"
    assert own["cross-origin-opener-policy"] == "same-origin"
    assert own["permissions-policy"] == "camera=()"
    fixed = rsp.ask(way, "/fixed")
    assert not set(USUAL) & set(fixed.fields)
    assert STS not in fixed.fields
    answer = rsp.ask(way, "/nohsts")
    assert answer[STS] == "max-age=1; includeSubDomains"  # the peer's, which nothing has been said about
    answer = rsp.ask(way, "/sts")
    assert answer[STS] == ("max-age=86400; includeSubDomains" if "tls" in way else None)


def test_a_proxy_before_rsp_says_that_the_client_speaks_tls(rsp):
    assert rsp.ask("h1", "/plain", ("X-Forwarded-Proto", "https"))[STS] == "max-age=31536000"
    assert rsp.ask("h1-tls", "/plain", ("X-Forwarded-Proto", "http"))[STS] is None


def test_responses_of_no_route(rsp):
    answer = exchange(rsp.redirects, b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 308")
    assert b"X-Content-Type-Options: nosniff\r\n" in answer
    assert STS.encode() not in answer.lower()


# -- ready


@pytest.mark.parametrize("way", WAYS)
def test_ready_comes_before_hooks_and_routes(rsp, backend, way):
    before = len(backend.heads)
    for path in ("/readyz", "/readyz?early=1"):
        answer = rsp.ask(way, path, host="10.1.2.3:8080")
        assert (answer.status, answer.body) == (200, b"ready\n")
        assert answer["cache-control"] == "no-store"
    assert rsp.ask(way, "/readyz", method="HEAD").body == b""
    assert len(backend.heads) == before
    for path in ("/readyz/", "/READYZ", "//readyz", "/readyz/x"):
        assert rsp.ask(way, path).status in (200, 400)
    assert len(backend.heads) > before


def test_ready_is_answered_where_all_else_is_redirected(rsp):
    answer = exchange(rsp.redirects, b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK") and answer.endswith(b"ready\n")
    answer = exchange(rsp.redirects, b"GET /readyz HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK")
