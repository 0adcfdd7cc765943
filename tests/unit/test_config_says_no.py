"""Configurations that used to be accepted without doing what they say, and values that no head may have."""

import pytest

from rsp.config.errors import ConfigError
from rsp.config.schema import Config, Settings
from rsp.config.words import _SAID, hint
from rsp.exchange.hooks.call import Plan
from tests.unforked import load

SITE = 'listen "0.0.0.0:8080"\nupstream "app" { "10.0.0.1:8000" }\n'


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def evaluate(text: str, **files: str) -> Config:
        for name, content in {"site": text, **files}.items():
            (tmp_path / f"{name}.lua").write_bytes(content.encode("utf-8", "surrogateescape"))
        return load("site.lua").bundle.config

    return evaluate


@pytest.fixture
def mistakes(config):
    def evaluate(text: str, **files: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            config(SITE + text, **files)
        return list(caught.value.messages)

    return evaluate


# -- unknown globals and unknown functions

UNKNOWN = [
    ("ssl = true", 'site.lua:3: unknown setting "ssl" (in rsp: listen "0.0.0.0:443" { tls = true } and certificate { "cert.pem"'),
    ("gzip = true", 'unknown setting "gzip" (in rsp: compress = true, for all or in a route)'),
    ("prometheus = '127.0.0.1:9145'", 'unknown setting "prometheus" (in rsp: metrics = "127.0.0.1:9145")'),
    ('\nclient_max_body_size = "10m"', 'site.lua:4: unknown setting "client_max_body_size" (in rsp: limits = { body = "10MB" }); make it local'),
    ("acces_log = 'off'", 'unknown setting "acces_log" (did you mean "access_log"?); make it local if it is your own'),
    ("peers = { 'a:1' }", 'unknown setting "peers"; make it local if it is your own'),
    ("_G.flag = true", 'site.lua:3: unknown setting "flag"; make it local if it is your own'),
    ('server { listen = 80 }', "attempt to call global 'server' (a nil value) (in rsp: listen"),
    ('location("/x")', "site.lua:3: attempt to call global 'location' (a nil value) (in rsp: route {"),
    ('roote { to = "app" }', "attempt to call global 'roote' (a nil value) (did you mean \"route\"?)"),
    ("local x = reg.path", "attempt to index global 'reg' (a nil value) (did you mean \"req\"?)"),
    ("local x = response.status", "(did you mean \"res\"?)"),
    ('ngx.say("x")', "attempt to index global 'ngx' (a nil value) (in rsp: req, res and respond"),
    ('upstream "x" { "h:1", max_fails = 3 }', 'unknown key "max_fails" (in rsp: failures = {'),
    ('upstream "x" { "h:1", health = { every = 3 } }', 'site.lua:3: upstream "x": health: unknown key "every"'),
    ('upstream "x" { "h:1", retry = { foo = 1 } }', 'upstream "x": retry: unknown key "foo"'),
    ('timeouts = { foo = 1 }', 'site.lua:3: timeouts: unknown key "foo"'),
    ('route { proxy_pass = "app" }', 'unknown key "proxy_pass" (in rsp: upstream "app"'),
    ('every("10s", function() end, { worker = "all" })', 'every: unknown key "worker"; known: workers'),
    ('route "/x" { path = "/y", to = "app" }', 'route "/x": "path" is given twice'),
    ('route { to = "app", host = print }', "route: host: a function is not expected here"),
    ('page { status = 404, body = "a" }\npage { status = { 500, 404 }, body = "b" }', "site.lua:4: the page for 404 is declared twice (first at site.lua:3)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), UNKNOWN, ids=[text[:30] for text, _ in UNKNOWN])
def test_what_rsp_does_not_know_is_refused(mistakes, text, expected):
    found = mistakes(text)
    assert any(expected in line for line in found), found


def test_unknown_globals_in_a_part_of_the_file_are_refused(mistakes):
    found = mistakes('dofile "more.lua"', more="\nclient_max_body_size = 1")
    assert found[0].startswith('more.lua:2: unknown setting "client_max_body_size"')


@pytest.mark.parametrize(
    "text",
    [
        "local peers = { 'a:1' }", "function helper() return 1 end helper()", 'require "lib"', "x = nil",
        "local function f() counter = 1 end f()",
    ],
)  # fmt: skip
def test_what_is_the_users_own_is_left_alone(config, text):
    assert config(SITE + text, lib="VERSION = 1 return {}").upstreams


def test_a_typo_in_a_function_or_a_module_is_still_told(mistakes):
    assert 'did you mean "workers"?' in mistakes("local function f() worker = 4 end f()")[0]
    assert "lib.lua:1" in mistakes('require "lib"', lib="worker = 4 return {}")[0]


def test_foreign_words_are_not_rsps_own():
    """An entry for a word that has become a setting would send its user away."""
    assert not {name.replace("_", "") for name in Settings.__struct_fields__} & set(_SAID)
    assert all(word == word.lower().replace("_", "") for word in _SAID)
    assert hint("Proxy_Pass") == hint("proxypass") != ""


# -- routes that match nothing, or not what they seem to

ROUTES = [
    ('route { path = "/app/*", to = "app" }', 'site.lua:3: route: path = "/app/*": "*" is not a wildcard here; a '
                                              'path matches everything below it; write path = "/app/"'),
    ('route { path = "*", to = "app" }', 'expected a path that begins with "/", got "*"'),
    ('route { path = "/a/*/b", to = "app" }', '"*" is not a wildcard here'),
    ('route { path = "/x?y=1", to = "app" }', 'the part from "?" on is not part of the path'),
    ('route { path = "/x#y", to = "app" }', 'the part from "#" on is not part of the path'),
    ('route { path = "/a//b", to = "app" }', 'path = "/a//b": it matches no request; clients send "/a/b"'),
    ('route { path = "/a/../b", to = "app" }', 'clients send "/b"'),
    ('route { path = "/a b", to = "app" }', 'clients send "/a%20b"'),
    ('route { path = "/caf\u00e9", to = "app" }', 'clients send "/caf%C3%A9"'),
    ('route { path = "/caf%c3%a9", to = "app" }', 'clients send "/caf%C3%A9"'),
    ('route { path = "/%61", to = "app" }', 'clients send "/a"'),
    ('route { host = "a.example.com:8080", to = "app" }', 'ports are not compared; write host = "a.example.com"'),
    ('route { host = "http://a.example.com", to = "app" }', "without a scheme and a path"),
    ('route { host = "a.example.com/x", to = "app" }', "without a scheme and a path"),
    ('route { host = "m\u00fcnchen.de", to = "app" }', 'clients send it as "xn--mnchen-3ya.de"'),
    ('route { host = "::1", to = "app" }', 'goes in brackets: "[::1]"'),
    ('route { host = "", to = "app" }', "expected a name"),
    ('route { host = "a b", to = "app" }', 'write several names as a list: write host = { "a", "b" }'),
    ('route { host = "a..b", to = "app" }', "expected a name"),
    ('route { host = "*.", to = "app" }', "expected a name"),
    ('route { to = "app" }\n\nroute { path = "/", to = "app" }', "site.lua:5: this route is declared twice (first at site.lua:3)"),
    ('route { host = "A.b", to = "app" }\nroute { host = "a.b.", to = "app" }', "site.lua:4: this route is declared twice (first at site.lua:3)"),
    ('route { path = "/x", strip = true, redirect = "/y" }', 'route: "strip" is for requests that go to a peer; "redirect" answers them here'),
    ('route { respond = { status = 200 },\n request_headers = { remove = { "A" } } }', 'site.lua:4: route: "request_headers" is for requests that go to a peer'),
    ('route { host = "*", to = "app" }\nroute { to = "app" }', "declared twice"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), ROUTES, ids=[text[8:40] for text, _ in ROUTES])
def test_a_route_that_cannot_match_is_refused(mistakes, text, expected):
    found = mistakes(text)
    assert any(expected in line for line in found), found


@pytest.mark.parametrize(
    "route",
    [
        'path = "/api"', 'path = "/api/"', 'path = "/a.b/~c/@d;e=f"', 'path = "/caf%C3%A9/"', 'path = "/a%20b"', 'path = "/a%25b"',
        'path = "/a%2Ab"', 'path = "/a%3Fb"', 'host = "a.example.com."', 'host = "*.example.com"', 'host = "[::1]"', 'host = "x_y"', 'host = "*"', 'host = "10.0.0.1"',
    ],
)  # fmt: skip
def test_a_route_that_can_match_is_accepted(config, route):
    assert config(SITE + f'route {{ {route}, to = "app" }}').routes


# -- one gate for values of heads

HEADS = [
    'via = "x{}y"', 'page {{ status = 404, body = "x", type = "text/html{}" }}', 'route {{ to = "app", rewrite = "/x{}y" }}',
    'route {{ to = "app", send_host = "x{}y" }}', 'route {{ redirect = "/x{}y" }}', 'route {{ redirect = {{ to = "/x{}y" }} }}',
    'route {{ respond = {{ type = "a{}b" }} }}', 'route {{ respond = {{ headers = {{ ["X-A"] = "a{}b" }} }} }}',
    'route {{ respond = {{ headers = {{ ["X{}A"] = "a" }} }} }}', 'route {{ to = "app", request_headers = {{ set = {{ ["X-A"] = "a{}b" }} }} }}',
    'route {{ to = "app", response_headers = {{ add = {{ ["X-A"] = "a{}b" }} }} }}', 'upstream "x" {{ "h:1", health = {{ path = "/x{}y" }} }}',
    'upstream "x" {{ "h:1", health = {{ host = "x{}y" }} }}', 'upstream "x" {{ "h:1", health = "/x{}y" }}',
    'upstream "x" {{ "h:1", sticky = {{ path = "/x{}y" }} }}', 'upstream "x" {{ "h:1", sticky = {{ cookie = "x{}y" }} }}',
    'upstream "x" {{ "unix:/x{}y" }}', 'route {{ path = "/x{}y", to = "app" }}',
    'route {{ host = "x{}y", to = "app" }}',
]  # fmt: skip


@pytest.mark.parametrize("nasty", ["\\r\\nX-Evil: 1", "\\n", "\\r", "\\0", "\\27", "\\127", "\udcff"], ids=repr)
@pytest.mark.parametrize("text", HEADS)
def test_no_value_of_a_configuration_breaks_a_head(mistakes, text, nasty):
    found = mistakes("\n" + text.format(nasty))
    assert any(line.startswith("site.lua:4: ") for line in found), found


def test_a_name_of_an_upstream_has_no_lines(mistakes):
    assert "a control character or a line break" in mistakes('upstream "x\\ny" { "h:1" }')[0]


def test_texts_of_bodies_may_have_lines(config):
    found = config(
        SITE
        + 'route { path = "/r", respond = { body = "a\\nb" } } route { to = "app" } page { status = 404, body = "a\\nb" }'
    )
    assert found.routes[0].respond.body == found.pages[0].body == "a\nb"


@pytest.mark.parametrize("nasty", [b"\r\nX-Evil: 1", b"\n", b"\r", b"\0", b" ", b"\x7f"])
def test_no_value_of_a_call_breaks_a_head(nasty):
    """``http.get{ host = }`` let line breaks through, and a stranger's request was swallowed."""

    def plan(method=b"GET", url=b"/x", upstream: bytes | None = b"app", host=b"h", fields=b""):
        return Plan(method, url, upstream, host, fields, b"", 1.0, 1)

    assert plan().head.host == b"h"
    for given in (
        {"host": b"h" + nasty},
        {"url": b"/x" + nasty},
        {"method": b"GET" + nasty},
        {"url": b"http://h" + nasty + b"/", "upstream": None, "host": None},
    ):
        with pytest.raises(ValueError, match=r"host|URL|url|method|encoded|expected"):
            plan(**given)
