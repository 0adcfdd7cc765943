"""Whatever parses bytes from the network takes time in proportion to them: the worst inputs of a generator, growing.

What broke: a Cookie of 2,000 spaces killed a worker, because a pattern of Lua tried every way to divide them; likewise a
Host of dots, a field with blanks in it, Forwarded from a proxy that is trusted, a target with a fragment.
"""

import base64
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from rsp.auth.passwords import Users
from rsp.config.routes import Route
from rsp.config.schema import Settings
from rsp.config.units import Peer
from rsp.exchange.answers import Pages
from rsp.exchange.filters.forwarded import Forwarded
from rsp.exchange.filters.locations import LocationRule
from rsp.exchange.handlers.fixed import Fixed
from rsp.exchange.hooks.call import Plan
from rsp.exchange.rewrite import rewrite_of
from rsp.exchange.subject import Subject
from rsp.exchange.told import told
from rsp.http.conditions import FieldCondition, QueryCondition, Unroutable, parameters
from rsp.http.errors import ProtocolError
from rsp.http.fields import cookie, cookies, field, flat
from rsp.http.h1.body import ChunkedDecoder
from rsp.http.h1.codec import parse_request, parse_response
from rsp.http.h1.faults import check_size, find_stray
from rsp.http.lines import drop, each, get, without
from rsp.http.matching import Matcher
from rsp.http.paths import check_dots, normalise_path
from rsp.http.regex import Pattern
from rsp.http.routing import Router, Rule, match
from rsp.logs.combined import combined
from rsp.logs.json_line import json_line
from rsp.logs.secrets import Secrets
from rsp.lua.evaluate import Evaluation
from rsp.lua.services import Services
from tests.soak import short_and_long
from tests.unit.fake_streams import response_head

SEARCHED, SMALL, MIDDLE, LARGE = 4 << 10, 1 << 10, 8 << 10, 32 << 10
WORST = 6  # inputs that are measured at all sizes
FAST = (
    0.02  # seconds of the processor for 32 KB that are beyond suspicion; one nanosecond for each pair of bytes is 0.5
)

# Runs of everything that means something to some parser, and the steps of paths, lists and pairs.
UNITS = [bytes([byte]) for byte in b" \t.,;:=\"'\\/%&+-_?#@[]{}()*0aAfz\x80\xff"] + [
    b"a=", b"a=;", b"a;", b"; ", b", ", b",\t", b"a,", b"a, ", b'"a"', b'\\"', b"a.", b"../", b"/.", b"%2", b"%41",
    b"%2e/", b"a=&", b"&a", b"+a", b"for=", b'for="', b"FOR=a,", b"a:", b"1:", b" x", b"a\t ", b";x=", b"a=1; ", b"q=0.1,",
]  # fmt: skip
AROUND = [
    (b"", b""), (b"a", b"y"), (b"a", b";"), (b"a=1;", b"y"), (b"a=", b""), (b"a=", b"y"), (b'"', b""), (b'"', b'"'), (b'a="', b"y"),
    (b"for=", b"\\"), (b"/", b"#"), (b"http://", b"#"), (b"http://a/", b" "), (b"", b"%"), (b"", b"#"), (b"", b"="), (b"Bearer ", b"."),
]  # fmt: skip

Kind = tuple[bytes, bytes, bytes]
KINDS: list[Kind] = [(before, unit, after) for unit in UNITS for before, after in AROUND]


def nasty(kind: Kind, size: int) -> bytes:
    before, unit, after = kind
    room = size - len(before) - len(after)
    return before + (unit * (room // len(unit) + 1))[:room] + after


SHORT = [nasty(kind, SEARCHED) for kind in KINDS]


def cost(parse: Callable[[bytes], object], data: bytes, times: int) -> float:
    """The least of several runs: everything else that the machine does only adds to it."""
    best = float("inf")
    for _ in range(times):
        began = time.thread_time()
        with suppress(ProtocolError, ValueError):
            parse(data)
        best = min(best, time.thread_time() - began)
    return best


def check(parse: Callable[[bytes], object], what: str, step: int) -> None:
    """``step``: of so many inputs one is tried, of other parsers another."""
    tried = range(len(what) % step, len(KINDS), step)
    costs = {index: cost(parse, SHORT[index], 1) for index in tried}
    for index in sorted(tried, key=lambda index: -costs[index])[:WORST]:
        grow(parse, KINDS[index])


def grow(parse: Callable[[bytes], object], kind: Kind) -> None:
    shorter = nasty(kind, SMALL)
    for size in (MIDDLE, LARGE):
        data = nasty(kind, size)
        for _ in range(5):
            longest = cost(parse, data, 3)
            times = longest / cost(parse, shorter, 5)
            if longest < FAST or times < 2 * len(data) / len(shorter):
                break
        else:
            pytest.fail(f"{times:.1f} times as long ({longest:.3f} s) for {size} bytes as for {len(shorter)}: {kind}")
        shorter = data


def request(before: bytes, after: bytes = b"") -> Callable[[bytes], object]:
    return lambda data: parse_request(b"GET / HTTP/1.1\r\nHost: x\r\n" + before + data + after + b"\r\n\r\n")


def head_of(data: bytes, name: bytes):
    return parse_request(b"GET / HTTP/1.1\r\nHost: x\r\n" + name + b": " + data + b"\r\n\r\n")


def from_proxy(style: str, name: bytes) -> Callable[[bytes], object]:
    """The proxy is trusted, as every other address is."""
    settings = Settings(forwarded=style, keep_forwarded=("X-Real-IP",), trusted=("0.0.0.0/0", "::/0", "unix:"))
    forwarded = Forwarded(settings)

    def parse(data: bytes) -> None:
        head = head_of(data, name)
        forwarded.sort_out(head, trusted=True)
        forwarded.through_proxy(b"10.0.0.1", head, b"http")

    return parse


def chunked(data: bytes) -> None:
    decoder = ChunkedDecoder()
    decoder.feed(data)


def slowly_chunked(data: bytes) -> None:
    """In pieces as small as a client may send them."""
    decoder = ChunkedDecoder()
    for start in range(0, len(data), 7):
        decoder.feed(data[start : start + 7])


def trailers(data: bytes) -> None:
    decoder = ChunkedDecoder()
    decoder.feed(b"0\r\nX: " + data + b"\r\n\r\n")


class Asked(Subject):
    """An exchange, as far as placeholders need it."""

    passage = None

    def __init__(self, data: bytes) -> None:
        self.over = True
        self.head = parse_request(b"GET /" + data + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        self.client = self.request_id = b""

    def placeholder(self, name: str) -> bytes:
        return told(self, name)

    def ask(self, name: str) -> bytes:
        return {"authority": b"a.test:1", "host": b"a.test", "scheme": b"http", "peer": b"10.0.0.1:1"}[name]


def route_of(data: bytes) -> None:
    with suppress(Unroutable):
        match(ROUTER.levels(b"x"), Asked(data).head, None)


def dots(data: bytes) -> None:
    with suppress(Unroutable):
        check_dots(b"/" + data)


def mapped(lines: bytes, data: bytes) -> None:
    """What a peer says of its paths; ``%b`` in ``lines`` is ``data``."""
    asked = Asked(b"")
    asked.placeholder = asked.ask
    LOCATIONS.apply(asked, response_head(200, 0, lines.replace(b"%b", data)))


ROUTER = Router([
    (Rule(("a.example",)), 1), (Rule(("*.example.com", "app.*"), "/x/"), 2), (Rule(("*.y",)), 3), (Rule(), 4),
    (Rule(path="/healthz", exact=True), 5), (Rule(pattern=Pattern("^/([a-z]+)/(.*)[.]php$")), 6),
    (Rule(path="/", conditions=(FieldCondition("X-A", "1"), QueryCondition("a", True))), 7),
])  # fmt: skip
MATCHER = Matcher(
    prefix=["a", "/"], suffix=["y", ""], contains=["a=a=a=b", "yy"], regex=["(a|b)*[.]php$", "a+a+a+x"],
    unless=Matcher(regex=["(a*)*b$"]),
)  # fmt: skip
PAGES = Pages(())
FIXED = Fixed(Route(redirect="https://{host}/x{path}"))
ARGUMENT = Fixed(Route(redirect="/x?a={uri}&{query}#{header.x-a}"))
STRIPPED, REWRITTEN = rewrite_of(Route(path="/", strip=True)), rewrite_of(Route(rewrite="/x/{header.x-a}/{path}"))
LOCATIONS = LocationRule(Route(path="/api", strip=True))
SECRETS = Secrets()
USERS = Users(b"a:{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc=")
VALUE = b"X-A: 1\r\nX-B: %b\r\nX-C: 1\r\n"

PYTHON: dict[str, Callable[[bytes], object]] = {
    "the request line": lambda data: parse_request(b"GET " + data + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    "an absolute target": lambda data: parse_request(b"GET http://" + data + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a path": lambda data: parse_request(b"GET /" + data + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a method": lambda data: parse_request(data + b" / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a version": lambda data: parse_request(b"GET / " + data + b"\r\nHost: x\r\n\r\n"),
    "a field": request(b"X: "),
    "a field without a name": request(b""),
    "a name": request(b"", b": x"),
    "a status line": lambda data: parse_response(b"HTTP/1.1 200 " + data + b"\r\n\r\n", b"GET"),
    "a field of a response": lambda data: parse_response(b"HTTP/1.1 200 OK\r\nX: " + data + b"\r\n\r\n", b"GET"),
    "connection options of a response": lambda data: parse_response(
        b"HTTP/1.1 200 OK\r\nX: y\r\nConnection: " + data + b"\r\n\r\n", b"GET"
    ),
    "an unfinished head": lambda data: (check_size(data, 8192, 65536), find_stray(data, 0)),
    "chunks": chunked,
    "chunks in pieces": slowly_chunked,
    "a chunk extension": lambda data: chunked(b"5;" + data),
    "trailers": trailers,
    "the fields of a block": lambda data: (
        flat(VALUE % data), field(VALUE % data, b"x-c"), get(VALUE % data, b"X-C"), each(VALUE % data, b"X-B"),
        drop(VALUE % data, b"x-b"), without(VALUE % data, (b"x-b",)),
    ),
    "a cookie of ours": lambda data: cookie(b"Cookie: %b\r\n" % data, b"rsp"),
    "X-Forwarded-For of a proxy": from_proxy("x-forwarded", b"X-Forwarded-For"),
    "Forwarded of a proxy": from_proxy("forwarded", b"Forwarded"),
    "Accept": lambda data: PAGES.error(404, "", b"id", head_of(data, b"Accept")),
    "a redirect": lambda data: (FIXED.answer(Asked(data)), ARGUMENT.answer(Asked(data))),
    "a rewritten path": lambda data: [each.target(Asked(data).head, Asked(data)) for each in (STRIPPED, REWRITTEN)],
    "a peer's Location": lambda data: mapped(b"Location: %b\r\nLocation: /%b\r\nLocation: http://%b\r\n", data),
    "a peer's Refresh": lambda data: mapped(b"Refresh: %b\r\nRefresh: 1;url=%b\r\nRefresh: 1;%b\r\n", data),
    "a peer's Set-Cookie": lambda data: mapped(b"Set-Cookie: %b\r\nSet-Cookie: a;path=%b\r\nSet-Cookie: a;%b\r\n", data),
    "the routes of a host": ROUTER.levels,
    "the route of a path": route_of,
    "the dots of a path": dots,
    "a condition on a value": lambda data: MATCHER.holds([data, data]),
    "all cookies of a name": lambda data: cookies(b"Cookie: %b\r\n" % data, b"a"),
    "parameters of a query": lambda data: parameters(b"/?" + data),
    "a path with everything in it": normalise_path,
    "the access log": lambda data: combined(b"c", b"", b"GET", data, b"1.1", 200, 1, data, data, b"u", 0.1, 0.1, b"i"),
    "the access log in JSON": lambda data: json_line(1.0, b"c", b"GET", data, b"1.1", 200, 1, 0.1, b"u", 0.1, b"r", b"i"),
    "secrets in a target": lambda data: SECRETS.target(b"/?" + data),
    "secrets in a URL": lambda data: SECRETS.url(b"http://a/?token=" + data),
    "secrets in fields": lambda data: (SECRETS.field(b"cookie", data), SECRETS.field(b"set-cookie", data), SECRETS.block(data)),
    "credentials": lambda data: (USERS.check(base64.b64encode(data)), USERS.check(data), USERS.recall(data)),
    "a URL": lambda data: Plan(b"GET", data, None, None, b"", b"", 1.0, 1),
    "a peer's name": lambda data: Peer.parse(data.decode("latin-1")),
}  # fmt: skip
for _name in (
    "Host", "Connection", "Content-Length", "Transfer-Encoding", "TE", "Upgrade", "Expect", "X-Request-Id", "Keep-Alive",
    "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "User-Agent", "Referer", "Cookie", "X_A",
):  # fmt: skip
    PYTHON[f"the field {_name}"] = lambda data, name=_name: parse_request(
        b"GET / HTTP/1.1\r\nX: y\r\n%b%b: %b\r\n\r\n" % (b"" if name == "Host" else b"Host: x\r\n", name.encode(), data)
    )


@pytest.mark.parametrize("what", PYTHON)
@short_and_long("step", 8, 1)
def test_cost_of_parsing_grows_with_its_input(what, step):
    check(PYTHON[what], what, step)


@pytest.mark.parametrize("line", ["a:", "a_:", "a_: b", "Connection: a", "Via: a", "TE: a", "X-Forwarded-For: 1"])
def test_cost_of_many_lines_grows_with_their_number(line):
    lines = (b"", line.encode() + b"\r\n", b"")
    grow(lambda data: parse_request(b"GET / HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % data.rstrip()), lines)
    grow(lambda data: parse_response(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % data.rstrip(), b"GET"), lines)
    grow(lambda data: slowly_chunked(b"0\r\n%b\r\n\r\n" % data.rstrip()), lines)


# What hooks do with a request: each is the body of an on_request.
LUA = {
    "a cookie": "local _ = req.cookies.beta",
    "all cookies": "for name, value in pairs(req.cookies) do end",
    "a cookie that is set": 'req.cookies.mine = "x"',
    "cookie.parse": "cookie.parse(given)",
    "cookie.build": "pcall(cookie.build, given, given)  pcall(cookie.build, 'a', given, { path = given })",
    "the host": "local _ = req.host",
    "the path": "local _ = req.path",
    "the query": "local _ = req.query, req.target",
    "an argument": "local _ = req.args.x",
    "an argument that is set": "req.args.mine = given",
    "a path that is set": 'req.path = "/" .. given',
    "a query that is set": "pcall(function() req.query = given end)",
    "a host that is set": "pcall(function() req.host = given end)",
    "a method that is set": "pcall(function() req.method = given end)",
    "all fields": "for name, value in pairs(req.headers) do end",
    "a field": 'local _ = req.headers["x-given"], req.headers:all("x-given")',
    "a field that is set": 'pcall(function() req.headers["x-new"] = given end)',
    "a name that is set": "pcall(function() req.headers[given] = 'x' end)",
    "an answer": "pcall(respond, 200, given, { ['X-Given'] = given })",
    "a redirect": "redirect(given)",
    "url": "url.encode(given) url.decode(given) url.parse_query(given) url.build_query{ [given] = given }",
    "json.decode": "json.decode(given) json.decode('[' .. given .. ']')",
    "json.encode": "json.encode{ [given] = given }",
    "base64": "base64.decode(given) base64.decode(base64.encode(given)) base64.encode_url(given)",
    "digests": "sha256(given) hmac.sha256(given, given) hmac.equal(given, given)",
    "a token": "jwt.verify(given, 'key') jwt.verify('Bearer ' .. given, 'key')",
    "addresses": "ip.matches(given, '10.0.0.0/8') networks.has(given)",
    "a pattern": "pattern.test(given) pattern.match(given)",
    "a pattern that replaces": "pattern.replace(given, 'x') pattern.split(given)",
    "a share": "split({ a = 1, b = 2 }, given)",
    "credentials": "pcall(users.user, { headers = { authorization = given } })",
    "times": "pcall(sleep, given)",
    "a rate": "pcall(limit.rate, { key = given, rate = given })",
    "calls": "pcall(http.get, given) pcall(http.get, { upstream = 'x', path = given, args = { a = given } })",
}


class Site:
    """One Lua state, in which a hook is run for a request that has ``given`` everywhere."""

    def __init__(self, path, body: str) -> None:
        (path / "users").write_text("a:{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc=\n")
        main = path / "site.lua"
        main.write_text(f"""
            local networks, pattern = ip.set{{ "10.0.0.0/8" }}, regex("([a-z]*)=x|(y+)$")
            local users = basic_auth{{ file = "users" }}
            function on_request(req) local given = req.headers["x-given"]  {body} end""")
        self.given = b""
        services = Services()
        host = {
            "describe": lambda: (b"GET", b"/" + self.given, self.given, b"10.0.0.1"),
            "about": lambda _key: None,
            "get_field": lambda _which, _name: self.given,
            "set_field": lambda *_: None,
            "add_field": lambda *_: None,
            "all_fields": lambda _which, _name: self.runtime.table([self.given]),
            "each_field": lambda _which: self.runtime.table(flat(b"X-Given: %b\r\n" % self.given)),
            "wrong_upstream": lambda _name: None,
            "hold": lambda _key, _most: True,
            "warn": lambda _text: None,
        }  # fmt: skip
        self.evaluation = Evaluation(str(main), services, host)
        self.runtime = self.evaluation.runtime
        self.runtime.freeze(10**10, 1 << 30)
        self.number = self.runtime.add(self.evaluation.hooks[0].function)

    def run(self, given: bytes) -> None:
        self.given = given
        request = self.runtime.phases[b"request"]
        outcome = request(self.number, 0, b"GET", b"/" + given + b"?" + given, given, b"10.0.0.1")
        if isinstance(outcome, tuple) and outcome[0] == b"waits":
            self.runtime.phases[b"cancel"](outcome[1])
        else:
            assert outcome is None or outcome[0] != b"failed", outcome


@pytest.mark.parametrize("what", LUA)
@short_and_long("step", 8, 1)
def test_cost_of_what_hooks_ask_for_grows_with_its_input(tmp_path, what, step):
    check(Site(tmp_path, LUA[what]).run, what, step)
