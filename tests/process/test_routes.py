"""Which route a request gets, the same over HTTP/1.1 and HTTP/2, with and without TLS."""

import pytest

from tests.everywhere import WAYS, Everywhere
from tests.harness import Backend, receive, run_rsp

SITE = r"""
trusted = { "127.0.0.1" }
upstream "app" { "BACKEND" }
local function says(name, keys) keys.respond = { body = name } return keys end

route(says("exact", { exact = "/users/0" }))
route(says("posted", { regex = [[^/users/([0-9]+)$]], methods = { "POST" } }))
route { regex = [[^/users/(?P<id>[0-9]+)(/.*)?$]], to = "app", request_headers = { set = { ["X-User"] = "{id}-{1}-{2}-" } } }
route(says("php", { regex = [[\.php$]] }))
route(says("static", { path = "/static", first = true }))
route(says("downloads", { path = "/downloads" }))
route { path = "/docs", slash = "redirect", to = "app" }
route { path = "/guide/", slash = "redirect", strip = true, to = "app" }

route(says("get", { path = "/method", methods = { "GET" } }))
route(says("other method", { path = "/method" }))
route(says("websocket", { path = "/ws", headers = { Upgrade = "WebSocket" } }))
route(says("plain ws", { path = "/ws" }))
route(says("beta", { path = "/field", headers = { ["X-Beta"] = "1" } }))
route(says("any beta", { path = "/field", headers = { ["X-Beta"] = true } }))
route(says("no beta", { path = "/field", headers = { ["X-Beta"] = false } }))
route(says("bot", { path = "/values", headers = { ["User-Agent"] = { regex = "(?i)bot", except = { contains = "Google" } } } }))
route(says("member", { path = "/values", cookies = { member = { "1", "yes" } } }))
route(says("page", { path = "/values", query = { page = { regex = "^[0-9]+$" } } }))
route(says("rest", { path = "/values" }))
route(says("v2", { path = "/query", query = { v = "2 a" } }))
route(says("some v", { path = "/query", query = { v = true } }))
route(says("no v", { path = "/query" }))
route(says("office", { path = "/client", client = { "10.0.0.0/8", "2001:db8::/32" } }))
route(says("elsewhere", { path = "/client" }))
route(says("to https", { path = "/proto", headers = { ["X-Forwarded-Proto"] = "http" } }))
route(says("is https", { path = "/proto" }))
route(says("only get", { exact = "/get-only", methods = { "GET" } }))

route(says("two", { host = { "one.test", "two.test" }, path = "/host" }))
route(says("below", { host = "*.two.test", path = "/host" }))
route(says("above", { host = "app.*", path = "/host" }))
route(says("every", { path = "/host" }))

on_request(function(req)
  if req.headers["x-hook"] then req.path = "/static/hooked.php" end
  if req.headers["x-proxy"] then return proxy("app") end
end)
"""  # fmt: skip


@pytest.fixture(scope="module")
def backend():
    with Backend() as one:
        yield one


@pytest.fixture(scope="module")
def site(tmp_path_factory, backend):
    with Everywhere(tmp_path_factory.mktemp("rsp"), SITE.replace("BACKEND", backend.address)) as running:
        yield running


@pytest.mark.parametrize("way", WAYS)
def test_paths(site, backend, way):
    def body(path, *fields, **more):
        return site.ask(way, path, *fields, **more).body

    assert body("/users/0") == b"exact"
    assert body("/users/42", method="POST") == b"posted"
    assert body("/users/42?x=1") == b"one"
    assert b"\r\nX-User: 42-42--\r\n" in backend.heads[-1]
    assert body("/users/42/a") == b"one"
    assert b"\r\nX-User: 42-42-/a-\r\n" in backend.heads[-1]
    assert [body("/downloads/a"), body("/downloads/a.php"), body("/static/a.php")] == [b"downloads", b"php", b"static"]
    assert body("/none", ("X-Hook", "1")) == b"static"
    assert site.ask(way, "/nowhere").status == 404
    assert site.ask(way, "/users/x").status == 404


@pytest.mark.parametrize("way", WAYS)
def test_a_path_that_means_two_things_is_refused(site, way):
    for path in (
        "/downloads/..%2fusers/0",
        "/x/../users/0",
        "/%75sers/0",
        "/users/%34%32",
        "/downloads/a.ph%70",
        "//static/x",
        "/users/42/a%0Ab",
    ):
        answer = site.ask(way, path)
        assert (answer.status, b"ambiguous path" in answer.body) == (400, True), path
    for path in ("/downloads/a%20b", "/downloads/./x", "/downloads//x"):
        assert site.ask(way, path).body == b"downloads"


@pytest.mark.parametrize("way", WAYS)
def test_dots_above_the_root_or_with_two_meanings_reach_no_peer(site, backend, way):
    assert site.ask(way, "/docs/../docs/x").body == b"one"
    heads = len(backend.heads)
    for path, reason in (
        ("/docs/../../docs/x", b"above its root"),
        ("/docs/%2e%2e/%2e%2e/docs/x", b"above its root"),
        ("/docs/x//../y", b"two meanings"),
        ("/docs/..;/users/0", b"two meanings"),
    ):
        for fields in ((), (("X-Proxy", "1"),)):
            answer = site.ask(way, path, *fields)
            assert (answer.status, reason in answer.body) == (400, True), path
    assert len(backend.heads) == heads


@pytest.mark.parametrize("way", WAYS)
def test_a_slash_that_is_missing_is_redirected(site, backend, way):
    for method, status in (("GET", 301), ("HEAD", 301), ("POST", 308), ("PUT", 308)):
        answer = site.ask(way, "/docs?a=/b", method=method)
        assert (answer.status, answer["location"]) == (status, "/docs/?a=/b")
    assert site.ask(way, "/guide")["location"] == "/guide/"
    assert site.ask(way, "/docs/").body == b"one"
    assert backend.heads[-1].startswith(b"GET /docs/ ")
    assert site.ask(way, "/guide/x").body == b"one"
    assert backend.heads[-1].startswith(b"GET /x ")
    assert site.ask(way, "/docsx").status == 404


@pytest.mark.parametrize("way", WAYS)
def test_a_route_whose_conditions_do_not_hold_is_skipped(site, way):
    def body(path, *fields, **more):
        return site.ask(way, path, *fields, **more).body.decode()

    assert [body("/method"), body("/method", method="PUT")] == ["get", "other method"]
    assert site.ask(way, "/method", method="HEAD")["content-length"] == "3"
    assert [body("/field", *field) for field in ([("x-beta", "1")], [("X-Beta", "2")], [])] == [
        "beta",
        "any beta",
        "no beta",
    ]
    assert body("/field", ("X-Beta", "0"), ("X-Beta", "1")) == "beta"
    queries = ["v=2+a", "x&v=%32%20a", "v=1&v=2+a", "v=1", "v", "w=2+a", ""]
    assert [body(f"/query?{query}") for query in queries] == ["v2", "v2", "v2", "some v", "some v", "no v", "no v"]
    clients = ["10.1.2.3", "2001:db8::1", "::ffff:10.0.0.1", "192.0.2.1", "nonsense"]
    assert [body("/client", ("X-Forwarded-For", one)) for one in clients] == ["office"] * 3 + ["elsewhere"] * 2
    assert body("/client") == "elsewhere"
    assert [body("/proto", ("X-Forwarded-Proto", one)) for one in ("http", "https")] == ["to https", "is https"]
    assert [site.ask(way, "/get-only", method=method).status for method in ("GET", "HEAD", "POST")] == [200, 200, 404]


@pytest.mark.parametrize("way", WAYS)
def test_conditions_on_values(site, way):
    """Over HTTP/2, a browser sends each cookie in a field of its own."""

    def body(path, *fields):
        return site.ask(way, f"/values{path}", *fields).body.decode()

    agents = ["a BOT", "Googlebot", "x"]
    assert [body("", ("User-Agent", agent)) for agent in agents] == ["bot", "rest", "rest"]
    assert body("", ("Cookie", "a=1"), ("Cookie", "member=yes")) == "member"
    assert body("", ("Cookie", "a=1; member=1")) == "member"
    assert [body("", ("Cookie", cookie)) for cookie in ("member=0", "amember=1", "Member=1")] == ["rest"] * 3
    assert [body(f"?page={page}") for page in ("7", "%37", "7a", "a&page=8")] == ["page", "page", "rest", "page"]


@pytest.mark.parametrize("way", ["h1", "h1-tls"])
def test_an_upgrade_is_a_condition(site, way):
    fields = ("Connection", "upgrade"), ("Upgrade", "websocket")
    head = "GET /ws HTTP/1.1\r\nHost: a\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
    with site.connect(way) as sock:
        sock.sendall(head.encode())
        received = b""
        while b"websocket" not in received:
            received += receive(sock, 65536)
    assert site.ask(way, "/ws").body == b"plain ws"


@pytest.mark.parametrize("way", WAYS)
def test_hosts(site, way):
    hosts = ["one.test", "TWO.test:80", "a.b.two.test", "app.two.test", "app.example", "app.a.b:8080", "app", "x.test"]
    found = [site.ask(way, "/host", host=host).body.decode() for host in hosts]
    assert found == ["two", "two", "below", "below", "above", "above", "every", "every"]


def test_what_an_untrusted_client_says_of_itself_is_no_condition(tmp_path):
    """Before the first field is looked at, what is not to be believed is gone."""
    text = """
route { client = { "10.0.0.0/8" }, respond = { body = "office" } }
route { headers = { ["X-Forwarded-Proto"] = true }, respond = { body = "proto" } }
route { headers = { ["X-Real-IP"] = true }, respond = { body = "real" } }
route { respond = { body = "nothing" } }
"""
    with Everywhere(tmp_path, text) as rsp:
        for way in ("h1", "h2c"):
            fields = ("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-Proto", "http"), ("X-Real-IP", "10.0.0.1")
            assert rsp.ask(way, "/", *fields).body == b"nothing"


class OfListeners(Everywhere):
    """``text`` has the address of a way's listener as ``@way``."""

    def write(self, text):
        for way in sorted(WAYS, key=len, reverse=True):
            text = text.replace(f"@{way}", f"127.0.0.1:{self.ports[way]}")
        super().write(text)


def test_a_route_for_listeners(tmp_path):
    """A host whose routes are all for other listeners leaves its requests to the routes for every host."""
    text = """
route { listener = { "@h1-tls" }, host = "site.example", respond = { body = "secure site" } }
route { listener = "@h1-tls", respond = { body = "secure" } }
route { listener = "@h2c", path = "/x", respond = { body = "prior" } }
route { respond = { body = "every" } }
"""
    with OfListeners(tmp_path, text) as rsp:
        assert {way: rsp.ask(way, "/").body.decode() for way in WAYS} == {
            "h1": "every", "h1-tls": "secure site", "h2c": "every", "h2-tls": "secure site",
        }  # fmt: skip
        assert {way: rsp.ask(way, "/x", host="a.test").body.decode() for way in ("h1", "h1-tls", "h2c")} == {
            "h1": "every", "h1-tls": "secure", "h2c": "prior",
        }  # fmt: skip


def test_the_port_of_the_url_chooses_the_listener_that_is_explained(tmp_path):
    text = """
listen "127.0.0.1:1"
listen "127.0.0.1:2"
route { listener = "127.0.0.1:2", respond = { body = "two" } }
route { respond = { body = "one" } }
test("simulate", function() assert(simulate{ host = "a.test:2" }.body == "two" and simulate{ host = "a.test" }.body == "one") end)
"""
    assert run_rsp(tmp_path, "-t", "site.lua", text=text).returncode == 0
    said = run_rsp(tmp_path, "explain", "site.lua", "GET http://a.test/", "--why", text=text).stdout
    assert "listener = 127.0.0.1:2, but the listener is 127.0.0.1:1" in said


def explain(directory, *arguments):
    text = 'listen "127.0.0.1:1"\n' + SITE.replace("BACKEND", "127.0.0.1:9")
    run = run_rsp(directory, "explain", "site.lua", *arguments, text=text)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_explain_says_why(tmp_path):
    said = explain(tmp_path, "GET http://app.two.test/users/42", "--why")
    looked_at, _, rest = said.partition("\n\n")
    lines = [" ".join(line.split()) for line in looked_at.splitlines()]
    assert lines[0] == "routes tried:"
    assert "*.two.test /host the path is /users/42" in lines
    assert "app.* /host the path is /users/42" in lines
    assert "any host exact /users/0 the path is /users/42" in lines
    assert "any host regex ^/users/([0-9]+)$ methods = POST, but the method is GET" in lines
    assert lines[-2:] == ["any host regex ^/users/(?P<id>[0-9]+)(/.*)?$ taken", "1 route is for other hosts"]
    assert rest.startswith("route:     any host regex ^/users/(?P<id>[0-9]+)(/.*)?$\n")
    said = explain(tmp_path, "GET http://x/users/..%2fusers/0", "--why")
    assert "the normalised path is /users/0, which another route would match, so the response is 400:" in said
    said = explain(tmp_path, "GET http://x/query?v=1", "-H", "X-Hook: 1", "--why")
    assert "the path is /static/hooked.php" in said
    assert "routes tried:" not in explain(tmp_path, "GET http://x/query?v=1")


def test_explain_shows_values_as_text_that_no_terminal_obeys(tmp_path):
    text = 'listen "127.0.0.1:1" route { query = { q = "1" }, respond = { body = "1" } }'
    said = run_rsp(tmp_path, "explain", "site.lua", "/?q=%1b[31m&q=caf%c3%a9", "--why", text=text).stdout
    assert 'the parameter q is "\\x1b[31m" and "café"' in said


@pytest.mark.parametrize("given", [["/\udcff"], ["/", "-d", "\udcff"], ["/", "-H", "X: \udcff"], ["http://\udcff/"],
                                   ["https://a/", "--sni", "\udcff"], ["/", "--client", "\udcff"]])  # fmt: skip
def test_explain_takes_any_bytes(tmp_path, given):
    text = 'listen "127.0.0.1:1" upstream "app" { "127.0.0.1:2" } route { to = "app" }'
    run = run_rsp(tmp_path, "explain", "site.lua", *given, text=text)
    assert "Traceback" not in run.stderr
    assert run.stdout or run.returncode == 2
