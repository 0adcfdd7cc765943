"""Conditions on values of fields, parameters and cookies: which requests a route is for."""

import random
import sys
import time

import pytest

from rsp.config.errors import ConfigError
from rsp.config.route_rule import conditions_of, rule_of
from rsp.http.h1.codec import parse_request
from rsp.http.matching import Matcher, TooMany
from rsp.http.routing import Router, match
from rsp.lua.evaluate import evaluate
from tests.unit.fakes import FakeWorker

SITE = 'listen "0.0.0.0:8080"\nupstream "app" { "10.0.0.1:8000" }\n'


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def made(text):
        (tmp_path / "site.lua").write_text(SITE + text)
        return evaluate("site.lua")[0]

    return made


def request(target="/", *lines, method="GET"):
    return parse_request("\r\n".join([f"{method} {target} HTTP/1.1", "Host: a", *lines, "", ""]).encode("latin-1"))


class Client:
    """The source of a request; all that it tells of others is believed."""

    def placeholder(self, _name):
        return b"10.0.0.1"


@pytest.fixture
def takes(site):
    """Whether a route with these keys is for a request."""

    def asked(keys, target="/", *lines, method="GET"):
        route = site(f'route {{ to = "app", {keys} }}').routes[0]
        head = request(target, *lines, method=method)
        return match(Router([(rule_of(route), 1)]).levels(b"a"), head, Client()) is not None

    return asked


# What is wanted of a value, the values that are, and those that are not.
WANTED = [
    ('{ "a", "b" }', ["a", "b"], ["", "A", "ab", "a, b", "c"]),
    ('{ prefix = "curl/" }', ["curl/", "curl/8"], ["Curl/8", "xcurl/8", "curl"]),
    ('{ prefix = { "curl/", "Wget/" } }', ["curl/8", "Wget/1"], ["x", "Lwp"]),
    ('{ suffix = ".test" }', ["a.test", ".test"], ["a.test.", "a.TEST"]),
    ('{ suffix = { "a", "b" } }', ["xa", "b"], ["ax", ""]),
    ('{ contains = "bot" }', ["bot", "a bot b"], ["Bot", "bo t"]),
    ('{ contains = { "bot", "spider" } }', ["xspiderx", "robot"], ["x", ""]),
    ('{ regex = "bot|^x$" }', ["a bot", "x"], ["xx", "Bot"]),
    ('{ regex = "(?i)BOT" }', ["bot", "a BoT"], ["b ot"]),
    ('{ regex = { "^a", "z$" } }', ["ab", "yz"], ["ba", "zy"]),
    ('{ regex = "^[a-z]+[.]example$" }', ["a.example"], ["a-example", "a.example.test"]),
    # all keys ask of the same value
    ('{ prefix = "a", suffix = "z", contains = "m", regex = "[0-9]" }', ["a1mz", "am2z"], ["amz", "a1m", "1mz", "a1z"]),
    # what no value may be
    ('{ except = "1" }', ["2", "", "11"], ["1"]),
    ('{ except = { "1", "2" } }', ["3"], ["1", "2"]),
    ('{ except = { prefix = "a", suffix = "z" } }', ["a", "z", "b"], ["az", "abz"]),
    ('{ except = { regex = "(?i)bot" } }', ["x"], ["Bot"]),
    ('{ contains = "bot", except = { contains = "Google" } }', ["bot", "bingbot"], ["Googlebot", "Google", "x"]),
    # RE2 sees bytes
    ('{ contains = "é" }', ["caf\u00c3\u00a9"], ["cafe", "caf\u00e9"]),
    ('{ regex = "caf(é|e)$" }', ["caf\u00c3\u00a9", "cafe"], ["caf\u00e9"]),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "good", "bad"), WANTED, ids=[wanted for wanted, _, _ in WANTED])
def test_values(takes, wanted, good, bad):
    for value in (*good, *bad):
        assert takes(f'headers = {{ ["X-A"] = {wanted} }}', "/", f"x-a: {value}") == (value in good), value
        if value.isascii():
            escaped = "".join(f"%{ord(letter):02x}" for letter in value)
            assert takes(f"query = {{ v = {wanted} }}", f"/?a=1&v={escaped}") == (value in good), value
            assert takes(f"cookies = {{ c = {wanted} }}", "/", f"Cookie: b=1; c={value}") == (value in good), value


@pytest.mark.parametrize(("wanted", "without"), [
    ("true", False), ("false", True), ('"a"', False), ('{ "a" }', False), ('{ regex = "" .. "^" }', False), ('{ contains = "a" }', False),
    ('{ except = "a" }', True), ('{ except = { regex = ".*" } }', True), ('{ prefix = "a", except = "b" }', False),
])  # fmt: skip
def test_a_request_without_a_value(takes, wanted, without):
    assert takes(f'headers = {{ ["X-A"] = {wanted} }}', "/", "X-B: a", "Cookie: a=a") == without
    assert takes(f"cookies = {{ c = {wanted} }}", "/?c=a", "X-B: a", "Cookie: a=c; cc=a; c") == without
    assert takes(f"query = {{ c = {wanted} }}", "/c=a?cc=a", "X-B: a", "Cookie: c=a") == without


def test_of_several_values_one_is_enough_and_none_may_be_an_exception(takes):
    """Each field of a name is a value, commas or not."""
    for keys, lines in (
        ('headers = { ["X-A"] = %s }', lambda values: [f"X-A: {value}" for value in values]),
        ("cookies = { c = %s }", lambda values: [f"Cookie: c={values[0]}; a=1", f"Cookie: c={values[1]}"]),
        ("cookies = { c = %s }", lambda values: [f"Cookie: c={values[0]}; c={values[1]}"]),
    ):
        assert takes(keys % '{ prefix = "b" }', "/", *lines(["a1", "b1"]))
        assert takes(keys % '{ prefix = "b", suffix = "1" }', "/", *lines(["a1", "b1"]))
        assert not takes(keys % '{ prefix = "b", suffix = "1" }', "/", *lines(["a1", "b2"]))  # not one that is both
        assert not takes(keys % '{ except = { prefix = "b" } }', "/", *lines(["a1", "b1"]))
        assert not takes(keys % '{ prefix = "a", except = { prefix = "b" } }', "/", *lines(["a1", "b1"]))
    assert takes('query = { v = { "2" } }', "/?v=1&v=2")
    assert not takes('query = { v = { except = "2" } }', "/?v=1&v=2")
    assert not takes('headers = { ["X-A"] = { "b" } }', "/", "X-A: a, b")
    assert takes('headers = { ["X-A"] = { regex = "^a, b$" } }', "/", "X-A: a, b")


def test_parameters_are_decoded_once(takes):
    assert takes('query = { q = { contains = "a b&" } }', "/?q=%61+b%26")
    assert takes('query = { q = { regex = "^%61$" } }', "/?q=%2561")
    assert not takes('query = { q = { regex = "%61" } }', "/?q=%61")
    assert takes('query = { ["a b"] = { prefix = "x" } }', "/?a%20b=x1")


def test_the_field_upgrade_is_compared_in_any_case(takes):
    lines = ("Connection: upgrade", "Upgrade: WebSocket")
    for wanted in ('{ "h2c", "Websocket" }', '{ prefix = "WEB" }', '{ regex = "^Web" }', '{ except = "web" }'):
        assert takes(f"headers = {{ Upgrade = {wanted} }}", "/", *lines), wanted
    assert not takes('headers = { Upgrade = { except = { regex = "^Web" } } }', "/", *lines)


def test_fields_that_are_kept_apart(takes):
    assert takes('headers = { ["X-Forwarded-Proto"] = { regex = "^https?$" } }', "/", "X-Forwarded-Proto: https")
    several = "X-Forwarded-For: 10.0.0.1", "X-Forwarded-For: 192.0.2.1"
    assert takes('headers = { ["X-Forwarded-For"] = { prefix = "192." } }', "/", *several)
    assert not takes('headers = { ["X-Forwarded-For"] = { except = { prefix = "192." } } }', "/", *several)
    assert takes('headers = { ["Content-Length"] = { regex = "^1.$" } }', "/", "Content-Length: 12", method="POST")


def test_preflights(takes):
    """A browser tells names of fields, and sends no cookies."""
    keys = 'cors = { origins = { "https://a.test" } }, headers = { ["X-A"] = { prefix = "b" } }, cookies = { c = { regex = "^x" } }'
    asked = ("Origin: https://a.test", "Access-Control-Request-Method: PUT")
    assert takes(keys, "/", *asked, "Access-Control-Request-Headers: x-b, x-a", method="OPTIONS")
    assert not takes(keys, "/", *asked, method="OPTIONS")
    assert not takes(keys, "/", "X-A: b", method="OPTIONS")
    assert not takes(keys, "/", "X-A: b")


def test_regular_expressions_are_looked_at_last(site):
    keys = 'headers = { A = { regex = "x" }, B = "1" }, cookies = { C = { except = { regex = "x" } }, D = { prefix = "x" } }'
    (route,) = site(f'route {{ to = "app", {keys} }}').routes
    assert [condition.said[:17] for condition in conditions_of(route)] == [
        'headers = { B = "', "cookies = { D = {", "headers = { A = {", "cookies = { C = {",
    ]  # fmt: skip


HEAVY = [f"(a|b)*a(a|b){{{number}}}c" for number in range(40, 90)]
HOSTILE = bytes(random.Random(1).choices(b"ab", k=7000)).decode()  # with an automaton that does not fit
PARTS = [HOSTILE[start : start + 200] for start in range(0, len(HOSTILE), 200)]


@pytest.mark.parametrize(
    ("key", "target", "line", "status"),
    [
        ("headers", "/", "X-A: " + HOSTILE, b"431"),
        ("cookies", "/", "Cookie: X-A=" + HOSTILE, b"431"),
        ("query", "/?X-A=" + HOSTILE, "X-B: 1", b"414"),
        ("headers", "/", "\r\n".join(f"X-A: {part}" for part in PARTS), b"431"),
        ("cookies", "/", "Cookie: " + "; ".join(f"X-A={part}" for part in PARTS), b"431"),
        ("query", "/?" + "&".join(f"X-A={part}" for part in PARTS), "X-B: 1", b"414"),
    ],
    ids=[f"{key} {how}" for how in ("long", "many") for key in ("headers", "cookies", "query")],
)
def test_a_value_that_takes_too_long_is_refused(key, target, line, status):
    """Another route must not answer what may be for this one."""
    wanted = ", ".join(f'"{text}"' for text in HEAVY)
    route = f'route {{ {key} = {{ ["X-A"] = {{ except = {{ regex = {{ {wanted} }} }} }} }}, respond = {{ status = 204 }} }}\n'
    with FakeWorker(route + 'route { respond = { body = "rest" } }') as worker:
        began = time.thread_time()
        client = worker.ask(f"GET {target} HTTP/1.1\r\nHost: t\r\n{line}\r\n\r\n".encode())
        assert (client.status, b"too long for the regular expression" in client.body) == (int(status), True)
        assert time.thread_time() - began < 3


@pytest.mark.parametrize(
    ("key", "target", "line", "status"),
    [("cookies", "/", "Cookie: " + "a=x; " * 5000, b"431"), ("query", "/?" + "a=x&" * 5000, "X-B: 1", b"414")],
    ids=["cookies", "query"],
)
def test_of_thousands_of_values_few_are_searched(key, target, line, status):
    """Each would cost a call of RE2, for each of such routes."""
    routes = "".join(f'route {{ {key} = {{ a = {{ regex = "^y{number}" }} }}, to = "app" }}\n' for number in range(20))
    with FakeWorker('upstream "app" { "127.0.0.1:1" }\n' + routes) as worker:
        client = worker.ask(f"GET {target} HTTP/1.1\r\nHost: t\r\n{line}\r\n\r\n".encode())
        assert client.status == int(status)
        assert b"has more than 100 values, too many for the regular expression of a route" in client.body


def test_values_that_other_keys_rule_out_are_not_counted():
    values = [b"%d" % number for number in range(1000)]
    assert Matcher(prefix=["99"], regex=["7$"]).holds(values)
    with pytest.raises(TooMany):
        Matcher(regex=["x$"]).holds(values)
    assert Matcher(regex=["^99$"]).holds(values), "it is one of the first"
    assert not Matcher(regex=["x$"]).holds(values[:100])


@pytest.mark.parametrize("wanted", [{"whole": ["a", "b"]}, {"prefix": ["a", "b"]}, {"suffix": ["a"], "prefix": ["b"]}])
def test_thousands_of_values_are_compared_without_a_call_of_python_for_each(wanted):
    values, matcher, calls = [b"%d" % number for number in range(5000)], Matcher(**wanted), []
    sys.setprofile(lambda _frame, event, _what: calls.append(event) if event == "call" else None)
    try:
        found = matcher.holds(values)
    finally:
        sys.setprofile(None)
    assert not found and len(calls) < 10


MISTAKES = [
    ('headers = { ["User-Agent"] = { regx = "x" } }', 'headers: User-Agent: unknown key "regx" (did you mean "regex"?)'),
    ('headers = { ["User-Agent"] = { regex = "(?!x)" } }', "no lookahead and no lookbehind: use except = { regex = ... }"),
    ('headers = { ["User-Agent"] = { except = { regex = "(" } } }', 'headers: User-Agent: regex = "(": missing ): ('),
    ('headers = { ["User-Agent"] = { regex = { "a", "x{1000}y{1000}" } } }', "the pattern is too large"),
    ('headers = { Upgrade = { regex = "' + "[ab]" * 1023 + 'abcd" } }', "the pattern is longer than 4096 bytes"),
    ('headers = { ["User-Agent"] = { regex = "~* bot" } }', '"~*" is nginx syntax; write regex = "(?i)bot"'),
    ('headers = { A = "~* bot" }', 'headers: A: "~*" is nginx syntax; write { regex = "(?i)bot" }'),
    ('headers = { ["User-Agent"] = {} }', "headers: User-Agent: expected a list that is not empty"),
    ("query = { v = {} }", "query: v: expected a list that is not empty"),
    ('headers = { A = { contains = "x", except = {} } }', "headers: A: except: expected a list that is not empty"),
    ('headers = { A = true, B = { contains = "" } }', "headers: B: contains: expected a string that is not empty"),
    ('headers = { A = "1", B = { contains = { "a", 5 } } }', 'headers: B: contains: expected a string, got 5; write "5"'),
    ('headers = { A = { "x", contains = "y" } }', "headers: A: unexpected item [1]"),
    ('headers = { A = { except = { except = "x" } } }', 'headers: A: except: unknown key "except"'),
    ("cookies = { b = { except = true } }", "cookies: b: except: expected a string or a table or a list, got true"),
    ('headers = { A = { prefix = " x" } }', "headers: A: a value cannot begin or end with a space"),
    ('headers = { Host = { "a", "b" } }', 'headers: "Host": write host = ...'),
    ('query = { v = { contains = "a%20b" } }', 'query: "a%20b": parameters are compared decoded; write "a b"'),
    ('cookies = { ["a b"] = true }', 'cookies: "a b" is not a valid cookie name'),
    ('cookies = { b = { contains = ";" } }', 'cookies: b: ";" ends a cookie, so no value contains it'),
    ('header_regexp = "x"', 'in rsp: headers = { ["User-Agent"] = { regex = "(?i)bot" } }'),
    ('query_regexp = "x"', 'in rsp: query = { v = { regex = "^[0-9]+$" } }'),
    ('cookie = "x"', 'in rsp: cookies = { beta = "1" }'),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "said"), MISTAKES, ids=[keys[:50] for keys, _ in MISTAKES])
def test_mistakes_say_what_to_write(site, keys, said):
    with pytest.raises(ConfigError) as caught:
        site(f'route {{ to = "app", {keys} }}')
    assert len(caught.value.messages) == 1
    assert caught.value.messages[0].startswith("site.lua:3: route: ")
    assert said in caught.value.messages[0]


WARNINGS = [
    ('headers = { ["User-Agent"] = "*bot*" }', 'User-Agent: "*bot*" is compared with the whole value; write { contains = "bot" }'),
    ('headers = { A = "x*" }', "write { prefix = \"x\" }"),
    ('query = { v = "*x" }', 'query: v: "*x" is compared with the whole value; write { suffix = "x" }'),
    ('headers = { A = "*" }', "for any value write true"),
    ('cookies = { A = "^x" }', 'write { regex = "^x" }'),
    ('headers = { A = "a.*" }', 'write { regex = "a.*" }'),
    ('headers = { ["X-Real-IP"] = "{client}" }', "this is a condition on requests, without placeholders; to set the field, write "
                                                 'request_headers = { set = { ["X-Real-IP"] = "{client}" } }'),
    ('headers = { ["X-Real-IP"] = "$remote_addr" }', "this is a condition on requests"),
    ('headers = { ["X-Frame-Options"] = "DENY" }', "this is a condition on requests; clients do not send X-Frame-Options; to set it, "
                                                   'write response_headers = { set = { ["X-Frame-Options"] = "DENY" } }'),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "said"), WARNINGS, ids=[keys[:50] for keys, _ in WARNINGS])
def test_what_is_probably_not_meant(site, keys, said):
    (warning,) = site(f'route {{ to = "app", {keys} }}').warnings
    assert warning.startswith("site.lua:3: warning: route: ")
    assert said in warning


def test_what_is_meant(site):
    config = site("""route { to = "app", headers = { Accept = "*/*", ["If-Match"] = "*", A = "a.b", B = "{}", ["Cache-Control"] = "no-cache",
        C = { "a*", "^b" }, D = { contains = "*" } }, query = { v = "1.5" } }""")
    assert config.warnings == ()


def test_routes_with_other_conditions_are_other_routes(site):
    text = """route { headers = { A = { prefix = "x" } }, to = "app" }  route { headers = { A = { suffix = "x" } }, to = "app" }
        route { cookies = { a = "1" }, to = "app" }  route { cookies = { a = { "1" } }, to = "app" }  route { to = "app" }"""
    assert len(site(text).routes) == 5
    with pytest.raises(ConfigError, match="declared twice"):
        site(
            'route { cookies = { a = { regex = "x" } }, to = "app" }  route { cookies = { a = { regex = "x" } }, to = "app" }'
        )
