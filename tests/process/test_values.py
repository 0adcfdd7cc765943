"""Values with variables in the real rsp, for clients of HTTP/1.1 and HTTP/2, with and without TLS."""

import json
import re
import socket
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from tests.certificates import authority
from tests.harness import Backend, Rsp, wait_until
from tests.ports import free_port

SITE = """
listen "127.0.0.1:PLAIN"
listen "127.0.0.1:CLEAR" { http2 = "prior-knowledge" }
listen "127.0.0.1:SECURE" { tls = true }
certificate { "site.bundle.pem" }
response_headers = { set = { ["X-Everywhere"] = "{scheme} {host} {request_id}" } }
access_log = "off"
upstream "app" { "APP" }
route { path = "/fields", to = "app", request_headers = { set = {
  ["X-Client"] = "{client}", ["X-Host"] = "{host}", ["X-Authority"] = "{authority}", ["X-Scheme"] = "{scheme}",
  ["X-Path"] = "{path}", ["X-Query"] = "{query}", ["X-Uri"] = "{uri}", ["X-Id"] = "{request_id}", ["X-Upstream"] = "{upstream}",
  ["X-Peer"] = "{peer}", ["X-Beta"] = "{header.X-Given}", ["X-Session"] = "{cookie.session}", ["X-SNI"] = "{tls.sni}",
  ["X-TLS"] = "{tls_version}", ["X-Time"] = "{time}", ["X-Text"] = "{{client}} { } {a b} {}" } },
  response_headers = { set = { ["X-Served-By"] = "{upstream} {peer}", ["X-Asked"] = "{uri} {header.x-given}" } } }
route { regex = "^/users/([0-9]+)/(?P<what>.+)$", to = "app", rewrite = "/v2/{what}/of/{1}", request_headers = { set = { ["X-User"] = "{1}" } },
  access_log = { path = "users.log", format = "{1} {what} {uri} {peer} {header.x-given} {cookie.session} {scheme}" } }
route { path = "/api", strip = true, rewrite_location = true, to = "app" }
route { path = "/hook", strip = true, to = "app", on_request = function(req) req.path = "/chosen" end }
route { path = "/env", rewrite = "/env/{header.X-Given}", to = "app" }
route { path = "/say", respond = { body = "{path} {header.x-given} {{path}}", headers = { ["X-Said"] = "{query}" } } }
route { path = "/moved", redirect = "https://new.test{path}" }
route { path = "/whole", redirect = "https://new.test{uri}" }
route { path = "/query", redirect = "/x?back={uri}&{query}" }
route { path = "/login", redirect = { to = "/sign-in?next={uri}", status = 303 } }
route { host = "any.test", redirect = "{path}" }
route { regex = "^/to/(.*)$", redirect = "/{1}" }
route { path = "/given", redirect = "https://{header.X-Given}.new.test/{header.x-given}?{header.x-given}#{header.x-given}" }
"""
BY_PEER = {
    "/redirect": [b"Location: /next"],
    "/absolute": [b"Location: http://%b/next"],
    "/elsewhere": [b"Location: https://other.test/next"],
    "/prefixed": [b"Location: /api/next"],
    "/cookies": [b"Set-Cookie: a=1; Path=/; HttpOnly", b"Set-Cookie: b=2; Path=/deep", b"Refresh: 1; url=/next"],
}


def echo(connection: socket.socket, head: bytes, rest: bytes) -> bool:
    """The request's head, as the body; with what ``BY_PEER`` says."""
    lines = head.decode("latin-1").split("\r\n")[:-2]
    path = lines[0].split(" ")[1]
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    host = fields["host"].encode()
    body = json.dumps({"target": path, "fields": fields}).encode()
    more = b"".join(line.replace(b"%b", host) + b"\r\n" for line in BY_PEER.get(path, ()))
    connection.sendall(b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (more, len(body), body))
    return True


class Site:
    def __init__(self, directory, app: Backend) -> None:
        authority().issue("site.example").write(directory, "site")
        self.app = app
        self.ports = {name: free_port() for name in ("plain", "clear", "secure")}
        text = SITE.replace("APP", app.address)
        for name, port in self.ports.items():
            text = text.replace(name.upper(), str(port))
        self.rsp = Rsp(directory, text)
        self.clients = {
            "http/1.1": httpx.Client(),
            "http/2": httpx.Client(http1=False, http2=True),
            "https/1.1": httpx.Client(verify=authority().trusted()),
            "https/2": httpx.Client(http2=True, verify=authority().trusted()),
        }

    def close(self) -> None:
        for client in self.clients.values():
            client.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with Backend(echo) as app:
        made = Site(tmp_path_factory.mktemp("values"), app)
        with made.rsp:
            yield made
            made.close()


class Asker:
    """A client of one kind; ``host``: what it says as Host."""

    def __init__(self, site: Site, how: str) -> None:
        self.how, self.site = how, site
        self.secure = how.startswith("https")
        self.scheme = "https" if self.secure else "http"
        self.port = site.ports["secure" if self.secure else "clear" if how == "http/2" else "plain"]
        self.host = f"site.example:{self.port}"

    def get(self, path: str, headers: dict[str, str] | None = None, host: str | None = None) -> httpx.Response:
        """``path``: as it goes out, byte for byte."""
        request = self.site.clients[self.how].build_request(
            "GET", f"{self.scheme}://127.0.0.1:{self.port}/", headers={"Host": host or self.host, **(headers or {})},
            extensions={"sni_hostname": "site.example"},
        )  # fmt: skip
        request.url = request.url.copy_with(raw_path=path.encode())
        response = self.site.clients[self.how].send(request)
        assert response.http_version == ("HTTP/2" if self.how.endswith("/2") else "HTTP/1.1")
        return response

    def location(self, path: str, **more) -> str:
        response = self.get(path, **more)
        assert response.status_code in (302, 303)
        return response.headers["location"]


@pytest.fixture(scope="module", params=["http/1.1", "http/2", "https/1.1", "https/2"])
def asker(request, site):
    return Asker(site, request.param)


GIVEN = {"X-Given": "a b/../c?d&e=1#f%41", "Cookie": 'x=1; session="abc"; session=2', "X-Request-Id": "id-1"}


def test_fields_for_peers_and_clients(asker):
    response = asker.get("/fields/x%20y?a=1&b=%2F", GIVEN)
    seen = response.json()["fields"]
    wanted = {
        "x-client": "127.0.0.1", "x-host": "site.example", "x-authority": asker.host, "x-scheme": asker.scheme,
        "x-path": "/fields/x%20y", "x-query": "a=1&b=%2F", "x-uri": "/fields/x%20y?a=1&b=%2F", "x-id": "id-1",
        "x-upstream": "app", "x-peer": asker.site.app.address, "x-beta": GIVEN["X-Given"], "x-session": "abc",
        "x-text": "{client} { } {a b} {}",
    }  # fmt: skip
    assert {name: seen.get(name) for name in wanted} == wanted
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", seen["x-time"])
    assert (seen.get("x-sni"), seen.get("x-tls")) == (("site.example", "TLSv1.3") if asker.secure else (None, None))
    assert response.headers["x-served-by"] == f"app {asker.site.app.address}"
    assert response.headers["x-asked"] == f"/fields/x%20y?a=1&b=%2F {GIVEN['X-Given']}"
    assert response.headers["x-everywhere"] == f"{asker.scheme} site.example id-1"


def test_what_is_not_there_is_left_out(asker):
    seen = asker.get("/fields").json()["fields"]
    assert "x-beta" not in seen and "x-session" not in seen
    assert seen["x-query"] == "" and seen["x-uri"] == "/fields"


def test_groups_of_a_regular_expression(asker):
    log = asker.site.rsp.directory / "users.log"
    response = asker.get("/users/17/a%2Fb/c?d=e", {"X-Given": "v", "Cookie": "session=s3cret"}).json()
    assert response["target"] == "/v2/a%2Fb/c/of/17?d=e" and response["fields"]["x-user"] == "17"
    line = f"17 a%2Fb/c /users/17/a%2Fb/c?d=e {asker.site.app.address} v *** {asker.scheme}"
    wait_until(lambda: log.exists() and line in log.read_text(), "the line")
    assert asker.get("/users/x/y").status_code == 404


def test_a_stripped_prefix_is_told_and_mapped_back(asker):
    seen = asker.get("/api/x?y", {"X-Forwarded-Prefix": "/evil"}).json()
    assert seen["target"] == "/x?y" and seen["fields"]["x-forwarded-prefix"] == "/api"
    base = f"http://{asker.host}"
    for path, location in (
        ("/redirect", "/api/next"),
        ("/absolute", f"{base}/api/next"),
        ("/elsewhere", "https://other.test/next"),
        ("/prefixed", "/api/next"),
    ):
        assert asker.get("/api" + path).headers["location"] == location
    fields = asker.get("/api/cookies").headers
    assert fields.get_list("set-cookie") == ["a=1; Path=/api; HttpOnly", "b=2; Path=/api/deep"]
    assert fields["refresh"] == "1; url=/api/next"


def test_a_hook_that_chooses_the_path_has_stripped_nothing(asker):
    seen = asker.get("/hook/x?y").json()
    assert seen["target"] == "/chosen?y" and "x-forwarded-prefix" not in seen["fields"]


@pytest.mark.parametrize(
    "given", ["x", "a b", ".", "..%2f", "%2e%2e", "a/b", "?a", "#a", "%41", "a\\b", "\u00e4", "a;b,c=d@e:f!g'(h)*+$&~"]
)
def test_a_value_is_one_segment(asker, given):
    response = asker.get("/env/rest?q", {"X-Given": given.encode("utf-8")})
    assert response.json()["target"] == f"/env/{quote(given, safe=_IN_SEGMENT)}/rest?q"


_IN_SEGMENT = "!$&'()*+,;=:@"


@pytest.mark.parametrize("given", ["..", "a/../b", "..\\x", "../.."])
def test_no_value_leads_out_of_a_path(asker, given):
    assert asker.get("/env/rest", {"X-Given": given}).status_code == 400


def test_fixed_responses(asker):
    response = asker.get("/say/x?y=z", {"X-Given": "v"})
    assert response.text == "/say/x v {path}" and response.headers["x-said"] == "y=z"


def test_redirects(asker):
    assert asker.location("/moved/a%20b?c=d") == "https://new.test/moved/a%20b?c=d"
    assert asker.location("/moved") == "https://new.test/moved"
    assert asker.location("/whole/a?c=d") == "https://new.test/whole/a?c=d"
    assert asker.location("/query?a=1&b=2") == "/x?back=/query%3Fa%3D1%26b%3D2&a=1&b=2"
    assert asker.location("/query") == "/x?back=/query"
    assert parse_qs(urlsplit(asker.location("/login/a?b=c&d=%2Fe+f")).query) == {"next": ["/login/a?b=c&d=%2Fe+f"]}
    given = asker.location("/given", headers={"X-Given": "a/b?c#d&e=f@g\\h"})
    assert given == (
        "https://a%2Fb%3Fc%23d%26e%3Df%40g%5Ch.new.test/a%2Fb%3Fc%23d&e=f@g%5Ch"
        "?a/b%3Fc%23d%26e%3Df%40g%5Ch#a/b%3Fc%23d%26e%3Df%40g%5Ch"
    )


@pytest.mark.parametrize("path", ["//evil.test/x", "///evil.test", "/\\evil.test", "/\\/evil.test", "//\\evil.test?a"])
def test_no_path_becomes_a_host(asker, path):
    for host, asked in (("any.test", path), (None, f"/to/{path}"), (None, f"/to{path}")):
        response = asker.get(asked, host=host)
        location = response.headers.get("location", "/ok")
        assert re.match(r"/(?![/\\])", location), (asked, location)
        assert urlsplit(location).netloc == ""
