"""Values in action: what peers are asked for and told, what clients get, and what maps peers' own paths back."""

import re

import pytest

from rsp.config.answers import HeaderRules
from rsp.config.placeholders import IN_FIELDS, names
from rsp.config.routes import Route
from rsp.exchange.filters.locations import LocationRule
from rsp.tls.facts import Facts
from tests.paths import ROOT
from tests.unit.fake_streams import response_head
from tests.unit.fakes import serving

SITE = """
trusted = { "192.0.2.99" }
upstream "app" { "127.0.0.1:2", retry = { on = { 503 } } }
upstream "two" { "127.0.0.1:3", "127.0.0.1:4", retry = { on = { 503 } } }
route { path = "/api", to = "app", strip = true }
route { path = "/slash/", to = "app", strip = true }
route { path = "/said", to = "app", strip = true, request_headers = { set = { ["X-Forwarded-Prefix"] = "/mine" } } }
route { path = "/unsaid", to = "app", strip = true, request_headers = { remove = { "x_forwarded_prefix" } } }
route { path = "/old", to = "app", rewrite = "/new" }
route { path = "/versions", to = "app", rewrite = "/v{header.X-Version}/{cookie.area}" }
route { path = "/sub", to = "app", rewrite = "/deep{path}" }
route { path = "/uri", to = "app", rewrite = "/all{uri}" }
route { path = "/fixed", to = "app", rewrite = "/new?from={path}&{query}" }
route { path = "/bare", to = "app", rewrite = "/new?" }
route { exact = "/one", to = "app", rewrite = "/1" }
route { regex = "^/users/([0-9]+)/(?P<rest>.*)$", to = "app", rewrite = "/u/{rest}/{1}",
        request_headers = { set = { ["X-User"] = "{1}", ["X-Rest"] = "{rest}" } },
        response_headers = { set = { ["X-Was"] = "{1} {path}" } },
        access_log = { path = "x", format = "{1} {rest} {capture.1} {capture.rest} {peer} {uri} {tls.sni} {header.x-a}" } }
route { regex = "^/named/(?P<path>.*)$", to = "app", rewrite = "/{path}", request_headers = { set = { ["X-Path"] = "{path}" } } }
route { regex = "^/(?:tail)(/.*)?$", to = "app", rewrite = "{1}" }
route { path = "/told", to = "two", request_headers = { set = {
  ["X-Peer"] = "{peer}", ["X-Upstream"] = "{upstream}", ["X-All"] = "{client} {host} {authority} {scheme} {path} {query} {uri}",
  ["X-Header"] = "{header.X-A}", ["X-Cookie"] = "{cookie.b}", ["X-SNI"] = "{tls.sni}", ["X-Time"] = "{time}",
  ["X-For"] = "{header.X-Forwarded-For}", ["X-H"] = "{header.host}" } },
  response_headers = { set = { ["X-Peer"] = "{peer}", ["X-Upstream"] = "{upstream}", ["X-A"] = "{header.x-a}" } } }
route { path = "/say", respond = { body = "{client} {header.x-a} {{x}} {}\\n", headers = { ["X-A"] = "{header.x-a}", ["X-B"] = "{uri}" } } }
route { path = "/page", respond = { body = "<b>{header.x-a}</b>", type = "text/html" } }
route { path = "/json", respond = { body = '{"a": "{header.x-a}"}', headers = { ["Content-Type"] = "application/json" } } }
route { regex = "^/moved/(.*)$", redirect = "https://new.test/{1}?by={header.x-a}" }
"""


@pytest.fixture
def worker():
    with serving(SITE) as made:
        yield made


def passed(worker, text, upstream="app", **more):
    """What the peer of a request is asked, and what its client gets."""
    client = worker.ask(text, **more)
    assert client.status == 0, client.fields
    pool = next(each for each in worker.pools if each.attempts or each.streams)
    peer = worker.accept() if pool.attempts else pool.streams[-1]
    target, host, lines = peer.target, peer.host, peer.lines
    peer.answer(200, b"", b"A: b\r\n")
    return target, host, {line.partition(b": ")[0].lower(): line.partition(b": ")[2] for line in lines}, client


@pytest.mark.parametrize(
    ("path", "target", "prefix"),
    [
        ("/api", b"/", b"/api"),
        ("/api/", b"/", b"/api"),
        ("/api/x?y=/api/", b"/x?y=/api/", b"/api"),
        ("/api//x", b"//x", b"/api"),
        ("/api/%41/./b", b"/%41/./b", b"/api"),
        ("/api/a/../b", b"/a/../b", b"/api"),
        ("/slash/x", b"/x", b"/slash"),
        ("/said/x", b"/x", b"/mine"),
        ("/unsaid/x", b"/x", None),
        ("/old/a/b?c", b"/new/a/b?c", None),
        ("/old", b"/new", None),
    ],
)
def test_prefixes(worker, path, target, prefix):
    seen, _, lines, _ = passed(worker, f"GET {path}\nX-Forwarded-Prefix: /evil")
    assert (seen, lines.get(b"x-forwarded-prefix")) == (target, prefix)


def test_a_trusted_proxys_prefix_comes_first(worker):
    session = worker.session(b"192.0.2.99")
    _, _, lines, _ = passed(worker, "GET /api/x\nX-Forwarded-Prefix: /outer/", session=session)
    assert lines[b"x-forwarded-prefix"] == b"/outer/api"
    _, _, lines, _ = passed(worker, "GET /old/x\nX-Forwarded-Prefix: /outer", session=session)
    assert lines[b"x-forwarded-prefix"] == b"/outer"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("GET /versions/a?b\nX-Version: 2\nCookie: area=shop", b"/v2/shop/a?b"),
        ("GET /versions/a\nX-Version: 2/x?y#z\nCookie: area=a b", b"/v2%2Fx%3Fy%23z/a%20b/a"),
        ("GET /versions", b"/v/"),
        ("GET /sub/a/b?c=d", b"/deep/sub/a/b?c=d"),
        ("GET /uri/a?c=d", b"/all/uri/a?c=d"),
        ("GET /fixed/a?c=d", b"/new/a?from=/fixed/a&c=d"),
        ("GET /fixed/a", b"/new/a?from=/fixed/a"),
        ("GET /bare/a?c=d", b"/new/a"),
        ("GET /one?c=d", b"/1?c=d"),
        ("GET /users/7/a/b?c=d", b"/u/a/b/7?c=d"),
        ("GET /users/7/a%2Fb", b"/u/a%2Fb/7"),
        ("GET /named/a/b?c", b"/a/b?c"),
        ("GET /tail/a", b"/a"),
        ("GET /tail", b"/"),
        ("GET /tail//evil.test", b"/evil.test"),
    ],
)
def test_rewritten_targets(worker, text, target):
    assert passed(worker, text)[0] == target


@pytest.mark.parametrize(
    "text",
    [
        "GET /old/a/../../b",
        "GET /old/%2e%2E/old/x",
        "GET /old/..%2fold",
        "GET /api/..\\api",
        "GET /api/..%5C../api",
        "GET /versions/a\nX-Version: .\nCookie: area=..",
        "GET /versions/a\nX-Version: 2/../x\nCookie: area=a",
        "GET /users/7/../users/7/x",
        "GET /users/7/..%2Fusers/7/x",
    ],
)
def test_no_path_leads_out_of_what_a_route_asks_for(worker, text):
    client = worker.ask(text)
    assert client.status == 400


def test_what_a_peer_and_a_client_are_told(worker):
    text = 'GET /told/x?y=z\nX-A: 1\nX-A: 2\nCookie: a=1; b="2"\nX-Forwarded-For: 198.51.100.1'
    client = worker.ask(text)
    first = worker.accept()
    lines = dict(line.split(b": ", 1) for line in first.lines)
    first.answer(503)
    second = worker.accept()
    again = dict(line.split(b": ", 1) for line in second.lines)
    second.answer(200, b"", b"X-Peer: mine\r\n")
    assert {lines[b"X-Peer"], again[b"X-Peer"]} == {b"127.0.0.1:3", b"127.0.0.1:4"}
    assert lines[b"X-Upstream"] == b"two"
    assert lines[b"X-All"] == b"192.0.2.1 t t http /told/x y=z /told/x?y=z"
    assert lines[b"X-Header"] == b"1, 2" and lines[b"X-Cookie"] == b"2" and lines[b"X-H"] == b"t"
    assert re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", lines[b"X-Time"])
    assert b"X-SNI" not in lines, "there is none"
    assert b"X-For" not in lines, "a client that is not trusted says nothing of itself"
    assert sorted(client.lines) == [b"X-A: 1, 2", b"X-Peer: " + again[b"X-Peer"], b"X-Upstream: two"]


def test_requests_with_one_key_stay_with_one_peer():
    text = """upstream "app" { "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4", policy = "hash", key = "{header.x-a}{cookie.b}" }
    route { to = "app", request_headers = { set = { ["X-Peer"] = "{peer}" } } }"""
    with serving(text) as worker:
        by_key = {key: {passed(worker, f"GET /{n}\nX-A: {key}")[2][b"x-peer"] for n in range(4)} for key in "abcdefgh"}
        assert all(len(peers) == 1 for peers in by_key.values()) and len(set.union(*by_key.values())) > 1
        assert {passed(worker, f"GET /{n}\nCookie: b=a")[2][b"x-peer"] for n in range(4)} == by_key["a"]
        assert len({passed(worker, "GET /")[2][b"x-peer"] for _ in range(6)}) == 3, "without a key they take turns"


def test_a_second_request_for_a_late_response_has_its_own_peer():
    text = """upstream "app" { "127.0.0.1:2", "127.0.0.1:3", hedge = { after = "1s" } }
    route { to = "app", request_headers = { set = { ["X-Peer"] = "{peer}" } }, response_headers = { set = { ["X-Peer"] = "{peer}" } } }"""
    with serving(text) as worker:
        client = worker.ask("GET /")
        first = worker.accept()
        worker.wait(2)
        second = worker.accept()
        assert first.lines[0] != second.lines[0]
        second.answer(200)
        assert client.lines == [second.lines[0]]


def test_what_tls_says(worker):
    session = worker.session()
    session.secure(Facts(b"TLSv1.3", b"X", b"name.test"))
    _, _, lines, _ = passed(worker, "GET /told", session=session)
    assert lines[b"x-sni"] == b"name.test" and lines[b"x-all"].endswith(b" https /told  /told")


def test_a_trusted_proxy_is_believed(worker):
    session = worker.session(b"192.0.2.99")
    _, _, lines, _ = passed(
        worker, "GET /told\nX-Forwarded-For: 198.51.100.1\nX-Forwarded-Proto: https", session=session
    )
    assert lines[b"x-for"] == b"198.51.100.1" and lines[b"x-all"].startswith(b"198.51.100.1 t t https ")


def test_groups_of_a_regex(worker):
    _, _, lines, client = passed(worker, "GET /users/7/a?b\nX-A: v")
    assert lines[b"x-user"] == b"7" and lines[b"x-rest"] == b"a"
    assert b"X-Was: 7 /users/7/a" in client.lines
    assert worker.log.lines == ["7 a 7 a 127.0.0.1:2 /users/7/a?b - v\n"]
    worker.log.lines[:] = ['" 200']


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/say", b"192.0.2.1 <b>\"'\\ {x} {}\n"),
        ("/page", b"<b>&lt;b&gt;&quot;&#x27;\\</b>"),
        ("/json", b'{"a": "<b>\\"\'\\\\"}'),
    ],
)
def test_fixed_bodies(worker, path, body):
    assert worker.ask(f"GET {path}\nX-A: <b>\"'\\").body == body


def test_fields_of_fixed_responses(worker):
    client = worker.ask("GET /say?x\nX-A: v")
    assert b"X-A: v" in client.lines and b"X-B: /say?x" in client.lines
    client = worker.ask("GET /say")
    assert not [line for line in client.lines if line.startswith(b"X-A")]
    client = worker.ask("GET /moved/a/b?c=d\nX-A: e&f")
    assert client.status == 302 and b"Location: https://new.test/a/b?by=e%26f" in client.lines


# -- what maps peers' own paths back


class Asked:
    """An exchange, as far as the rule needs it."""

    passage = None

    def __init__(self, authority: bytes, scheme: bytes = b"https") -> None:
        self._values = {
            "authority": authority,
            "host": authority.partition(b":")[0],
            "scheme": scheme,
            "peer": b"10.0.0.1:8000",
        }

    def placeholder(self, name: str) -> bytes:
        return self._values[name]


def mapped(route: Route, line: bytes, authority: bytes = b"shop.test") -> bytes:
    head = response_head(200, 0, b"A: b\r\n" + line + b"\r\nC: location: /x\r\n")
    LocationRule(route).apply(Asked(authority), head)
    before, _, rest = head.fields.partition(b"A: b\r\n")
    assert not before and rest.endswith(b"\r\nC: location: /x\r\n")
    return rest.removesuffix(b"\r\nC: location: /x\r\n")


STRIP = Route(path="/api", strip=True)
INNER = Route(path="/api/", rewrite="/v1/", send_host="inner.test:8080")
BARE = Route(path="/", rewrite="/v1")
SET = Route(path="/api", strip=True, request_headers=HeaderRules(set={"host": "{host}.inner"}))


@pytest.mark.parametrize(
    ("route", "given", "wanted"),
    [
        (STRIP, b"Location: /x/y?z#f", b"Location: /api/x/y?z#f"),
        (STRIP, b"location: /", b"location: /api/"),
        (STRIP, b"Location: /api", b"Location: /api"),
        (STRIP, b"Location: /api/x", b"Location: /api/x"),
        (STRIP, b"Location: /api?x", b"Location: /api?x"),
        (STRIP, b"Location: /apifoo", b"Location: /api/apifoo"),
        (STRIP, b"Location: x/y", b"Location: x/y"),
        (STRIP, b"Location: ?x=/y", b"Location: ?x=/y"),
        (STRIP, b"Location: #x", b"Location: #x"),
        (STRIP, b"Location: ", b"Location: "),
        (STRIP, b"Location: https://shop.test/x", b"Location: https://shop.test/api/x"),
        (STRIP, b"Location: http://SHOP.test:80/api/x", b"Location: http://SHOP.test:80/api/x"),
        (STRIP, b"Location: https://shop.test", b"Location: https://shop.test/api/"),
        (STRIP, b"Location: https://shop.test?a", b"Location: https://shop.test/api/?a"),
        (STRIP, b"Location: //shop.test/x", b"Location: //shop.test/api/x"),
        (STRIP, b"Location: http://10.0.0.1:8000/x", b"Location: https://shop.test/api/x"),
        (STRIP, b"Location: //10.0.0.1:8000/x", b"Location: //shop.test/api/x"),
        (STRIP, b"Location: http://10.0.0.1/x", b"Location: http://10.0.0.1/x"),
        (STRIP, b"Location: https://other.test/x", b"Location: https://other.test/x"),
        (STRIP, b"Location: //other.test/x", b"Location: //other.test/x"),
        (STRIP, b"Location: https://shop.test@other.test/x", b"Location: https://shop.test@other.test/x"),
        (STRIP, b"Location: https://shop.test\\@other.test/x", b"Location: https://shop.test/api/\\@other.test/x"),
        (STRIP, b"Location: mailto:a@b", b"Location: mailto:a@b"),
        (STRIP, b"Content-Location: /x", b"Content-Location: /api/x"),
        (STRIP, b"Refresh: 5", b"Refresh: 5"),
        (STRIP, b"Refresh: 5; url=/x", b"Refresh: 5; url=/api/x"),
        (STRIP, b"refresh: 0;URL='/x'", b"refresh: 0;URL='/api/x'"),
        (STRIP, b'Refresh: 0, "/x"', b'Refresh: 0, "/api/x"'),
        (STRIP, b"Refresh: 1.5; url = http://10.0.0.1:8000/x", b"Refresh: 1.5; url = https://shop.test/api/x"),
        (STRIP, b"Refresh: odd", b"Refresh: odd"),
        (STRIP, b"Set-Cookie: a=/x; Path=/; HttpOnly", b"Set-Cookie: a=/x; Path=/api; HttpOnly"),
        (STRIP, b"Set-Cookie: a=b; path=/x/", b"Set-Cookie: a=b; path=/api/x/"),
        (STRIP, b"Set-Cookie: a=b; Path=/api/x", b"Set-Cookie: a=b; Path=/api/x"),
        (STRIP, b"Set-Cookie: a=b;Path = /x ;Secure", b"Set-Cookie: a=b;Path = /api/x;Secure"),
        (STRIP, b"Set-Cookie: a=b", b"Set-Cookie: a=b"),
        (STRIP, b"Set-Cookie: a=b; Path", b"Set-Cookie: a=b; Path"),
        (STRIP, b"Set-Cookie: path=/x; Path=/", b"Set-Cookie: path=/x; Path=/api"),
        (STRIP, b"Set-Cookie: __Host-a=b; Path=/; Secure", b"Set-Cookie: __Host-a=b; Path=/; Secure"),
        (STRIP, b"Set-Cookie: a=b; Domain=shop.test", b"Set-Cookie: a=b; Domain=shop.test"),
        (STRIP, b"Set-Cookie: a=b; Domain=other.test", b"Set-Cookie: a=b; Domain=other.test"),
        (STRIP, b"Set-Cookie: a=b; Domain=10.0.0.1", b"Set-Cookie: a=b; Domain=shop.test"),
        (STRIP, b"X-Location: /x", b"X-Location: /x"),
        (INNER, b"Location: /v1/x", b"Location: /api/x"),
        (INNER, b"Location: /v1", b"Location: /api"),
        (INNER, b"Location: /v2/x", b"Location: /v2/x"),
        (INNER, b"Location: /api/x", b"Location: /api/x"),
        (INNER, b"Location: http://inner.test:8080/v1/x", b"Location: https://shop.test/api/x"),
        (INNER, b"Set-Cookie: a=b; Path=/v1; Domain=.inner.test", b"Set-Cookie: a=b; Path=/api; Domain=shop.test"),
        (INNER, b"Set-Cookie: a=b; Path=/; Domain=Inner.Test", b"Set-Cookie: a=b; Path=/; Domain=shop.test"),
        (INNER, b"Set-Cookie: a=b; Domain=", b"Set-Cookie: a=b; Domain="),
        (BARE, b"Location: /v1/x", b"Location: /x"),
        (BARE, b"Location: /v1//evil.test/x", b"Location: /evil.test/x"),
        (BARE, b"Location: /v1/\\evil.test/x", b"Location: /evil.test/x"),
        (BARE, b"Location: /v1", b"Location: /"),
        (BARE, b"Set-Cookie: a=b; Path=/v1", b"Set-Cookie: a=b; Path=/"),
        (SET, b"Location: http://shop.test.inner/x", b"Location: https://shop.test/api/x"),
    ],
)
def test_what_a_peer_says_of_its_paths(route, given, wanted):
    assert mapped(route, given) == wanted


def test_ports_of_the_client_stay(worker):
    assert (
        mapped(STRIP, b"Location: http://10.0.0.1:8000/x", b"shop.test:8443")
        == b"Location: https://shop.test:8443/api/x"
    )
    assert mapped(STRIP, b"Location: https://shop.test:443/x", b"shop.test") == b"Location: https://shop.test:443/api/x"
    assert mapped(STRIP, b"Location: https://shop.test:9/x", b"shop.test") == b"Location: https://shop.test:9/x"
    assert mapped(STRIP, b"Set-Cookie: a=b; Domain=10.0.0.1", b"shop.test:8443") == b"Set-Cookie: a=b; Domain=shop.test"


def test_the_rule_is_before_the_configurations_own():
    text = """upstream "app" { "127.0.0.1:2" }
    route { path = "/api", strip = true, rewrite_location = true, to = "app",
            response_headers = { add = { ["Set-Cookie"] = "own=1; Path=/" } } }"""
    with serving(text) as worker:
        client = worker.ask("GET /api/x")
        worker.accept().answer(302, b"", b"Location: /y\r\nSet-Cookie: a=b; Path=/\r\n")
        assert client.lines == [b"Location: /api/y", b"Set-Cookie: a=b; Path=/api", b"Set-Cookie: own=1; Path=/"]
        worker.ask("GET /api/x")
        worker.pool().streams[-1].answer(200, b"", b"A: b\r\n")


# -- docs/values.md says what is so


def table(heading: str) -> list[list[str]]:
    """The rows of the table whose first heading is that, each cell's text; code without its backquotes."""
    text = (ROOT / "docs" / "values.md").read_text()
    block = re.search(rf"\| {re.escape(heading)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in block[1].splitlines()]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_documentation_has_all_names():
    listed = {name for row in table("placeholder") for name in names(" ".join(row))}
    known = {name for name in IN_FIELDS if not name.startswith("proxy.")}
    assert known <= listed
    assert all(name in IN_FIELDS or name in ("1", "2", "name") for name in listed)


@pytest.mark.parametrize("row", table("`redirect`"))
def test_the_documentation_knows_where_redirects_lead(row):
    to, leads = code(row[0])[0], code(row[1])
    with serving(f'route {{ path = "/old", redirect = "{to}" }}') as worker:
        assert location(worker.ask("GET /old?a=1&b=2")) == leads[0]
        if len(leads) > 1:
            assert location(worker.ask("GET /old")) == leads[1]


def location(client) -> str:
    return next(line for line in client.lines if line.startswith(b"Location: ")).decode().removeprefix("Location: ")


@pytest.mark.parametrize("row", table("route"))
def test_the_documentation_knows_what_peers_see(row):
    route, asked, seen = code(row[0])[0], code(row[1])[0], code(row[2])[0]
    with serving(f'upstream "app" {{ "127.0.0.1:2" }}\nroute {{ {route}, to = "app" }}') as worker:
        assert passed(worker, f"GET {asked}")[0].decode() == seen
