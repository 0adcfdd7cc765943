"""What a newcomer reads about a mistake: the right line, every mistake at once, and what to write instead."""

import pytest

from rsp.config.errors import ConfigError
from tests.unforked import load

SITE = 'listen "127.0.0.1:8080"\nupstream "app" { "127.0.0.1:8000" }\n'


@pytest.fixture
def mistakes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def evaluate(text: str) -> list[str]:
        (tmp_path / "s.lua").write_text(text)
        with pytest.raises(ConfigError) as caught:
            load("s.lua")
        return list(caught.value.messages)

    return evaluate


# -- lines

LINES = [
    ('upstream "a" { "h:x" }\n\n\nupstream "b" { "h:y" }', [1, 4]),
    ('upstream "a" {\n "h:x" }\nupstream "b" { "h:y" }', [2, 3]),
    ('upstream "a" {\n "h:1",\n "h:x",\n}\nupstream "b" {\n { "h:y" } }', [3, 6]),
    ('upstream "a" { -- {\n "h:1", --[[ },\n { ]] "h:x" }\n\nupstream "b" { "h:y" }', [3, 5]),
    ('upstream "z" { "h:1" } upstream "a" {\n "h:2",\n "h:x" }', [3]),
    ('upstream "a" { "h:x" } upstream "b" {\n "h:2",\n "h:y" }', [1, 3]),
    ('upstream "a" {\n "h:1",\n health = {\n  path = "x",\n  status = "y" } }\nroute {\n to = 5 }', [4, 5, 7]),
    ('upstream "a" {\n "h:1",\n queue = 5,\n retry = {\n  tries = "x" } }', [3, 5]),
    ('route {\n to = "app",\n timeouts = { connect = "3sec",\n  read = "x" },\n limits = {\n body = "x" } }', [3, 4, 6]),
    ('timeouts = {\n idle = "5 min",\n connect = "3sec"\n}', [2, 3]),
    ('upstream "a" { "h:1" } timeouts = {\n idle = "5 min",\n\n connect = "3sec"\n}', [2, 4]),
    ('route { to = "app", timeouts = { read = 1 } }\ntimeouts = {\n idle = "x" }\nlimits = {\n fields = {} , head = "x" }', [3, 5, 5]),
    ('trusted = {\n "a",\n "10.0.0.0/8",\n "b",\n "c" }', [2, 4, 5]),
    ('route {\n to = "app",\n response_headers = {\n set = {\n  ["X-A"] = "b",\n  ["X-B"] = 5,\n  ["X-C"] = "a\\nb" } } }', [6, 7]),
    ('listen "x"\nlisten {\n "y",\n backlog = "x" }\n', [1, 3, 4]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "lines"), LINES)
def test_a_mistake_is_on_its_own_line(mistakes, text, lines):
    found = mistakes(SITE + text)
    assert [int(line.split(":")[1]) - 2 for line in found] == lines, found


# -- every mistake

MANY = [
    ('timeouts = { idle = "5 min", connect = "3sec" }', ["idle: ", "connect: "]),
    (
        'route { to="app", response_headers = { set = { ["X-A"] = "a\\r\\nb", ["b d"] = "x", ["X-E"] = "{foo}", ["X-N"] = 5 } } }',
        ["X-A: the value contains a control character", '"b d" is not a valid field name', 'X-E: unknown placeholder "{foo}"', "set: expected a string, got a whole number; write"],
    ),
    ('route { to = "nope", path = "/x/*", strip = 1, host = "a b" }', ['to = "nope"', '"*" is not a wildcard', "strip: ", "host = "]),
    ('route { to = "app", wrong = 1, strip = 5, path = "/x/*" }', ['"wrong"', "strip: ", '"*" is not a wildcard']),
    ('upstream "x" { "h:x", "h:1", { "h:y", weight = "a" }, policy = "none" }', ['"h:x"', '"h:y"', "weight", "policy"]),
    ('upstream "x" { "h:1", policy = "hsah", key = "uri" }', ["policy: "]),
    ('route { redirect = { status = 200 } }', ["redirect: status: ", 'redirect: missing "to"']),
    ('page { status = "x", type = 5 }', ["page: status", "page: type"]),
    ('listen { "x", backlog = 0, timeouts = { head = "x" } }', ['address: "x"', "backlog", "head"]),
    ('route { to = 5 }', ["to: "]),
    ('route { host = 5, to = "app" } route { to = "app" }', ["host: "]),
    ('trusted = { "a", "b", "10.0.0.0/8", "c" }', ['got "a"', 'got "b"', 'got "c"']),
    ('upstream "x" { "h:1", health = { path = "x", interval = "y", timeout = "9s" } }', ["path: ", "interval: "]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), MANY)
def test_every_mistake_of_a_statement_is_named(mistakes, text, expected):
    found = mistakes(SITE + text)
    for part in expected:
        assert sum(part in line for line in found) == 1, (part, found)
    assert len(found) == len(expected), found


def test_every_mistake_of_the_three_globals_is_named(mistakes):
    found = mistakes("listenPort = 'y' backendAddress = 'http://127.0.0.1' backendPort = 'x'")
    assert len(found) == 3
    assert any(line.endswith('backendAddress: an address has no scheme; write "127.0.0.1"') for line in found)


def test_the_mistakes_of_a_statement_are_bounded(mistakes):
    networks = ", ".join(f'"x{number}"' for number in range(1000))
    assert 10 < len(mistakes(SITE + f"trusted = {{ {networks} }}")) < 100


# -- shapes, and what to write

SHAPES = [
    ('route { redirect = { 301, "/x" } }', 'redirect: expected a string or a table with named keys, got a list; write "/x" or { to = "/x", status = 301 }'),
    ("route { redirect = 301 }", 'redirect: expected a string or a table, got 301; write { to = "/x", status = 301 }'),
    ("route { redirect = { status = 200 } }", "route: redirect: status: expected 301, 302"),
    ("route { respond = { status = 99 } }", "route: respond: status: expected a whole number of at least 200, got 99"),
    ('route { respond = { 410, "gone" } }', 'write { status = 410, body = "gone" }'),
    ("route { respond = 404 }", 'write { status = 404, body = "x" }'),
    ('route { respond = "x" }', 'write { status = 404, body = "x" }'),
    ('route { "app" }', 'write route { to = "app" }'),
    ('page { 404, "x.html" }', 'write page { status = 404, file = "x.html" }'),
    ('page { 404, "<h1>no</h1>" }', 'write page { status = 404, body = "<h1>no</h1>" }'),
    ('page { status = 502, file = "a", body = "b" }', '"file" and "body" cannot be used together'),
    ('route { to = "app", request_headers = { set = { "X-A: b" } } }', 'set: expected a table with named keys, got a list; write { ["X-A"] = "b" }'),
    ('route { to = "app", request_headers = { add = { ["X-E"] = 5 } } }', 'add: expected a string, got a whole number; write ["X-E"] = "5"'),
    ('route { to = "app", request_headers = { ["X-Real-IP"] = "x" } }', 'request_headers: unknown key "X-Real-IP"; write set = { ["X-Real-IP"] = ... }'),
    ('response_headers = { ["X-Real-IP"] = "x" }', 'response_headers: unknown key "X-Real-IP"; write set = {'),
    ('route { to = "app", request_headers = { remove = "Cookie" } }', 'remove: expected a list, got "Cookie"; write { "Cookie" }'),
    ('trusted = "10.0.0.0/8"', 'write { "10.0.0.0/8" }'),
    ('route { path = { "/a", "/b" }, to = "app" }', "a route has a single path; use a loop: for _, path in ipairs { "
                                                    '"/a", "/b" } do route { path = path, ... } end'),
    ('route { to = { "app" } }', 'to: expected a string, got a list; write "app"'),
    ('workers = "4"', 'expected a whole number from 1 to 128 or "auto", got "4"; write 4'),
    ('limits = { fields = "100" }', "expected a whole number, got \"100\"; write 100"),
    ('upstream "b" { "h:1", keepalive = "64" }', "write 64"),
    ('upstream "b" { "h:1", retry = false }', "write retry = { tries = 1 }"),
    ('upstream "b" { "h:1", weight = 2 }', 'unknown key "weight" (it belongs to a peer: { "10.0.0.1:8000", weight = ... })'),
    ('route { to = "app", strip = "true" }', "write true"),
    ('route { host = "a.com b.com", to = "app" }', 'write host = { "a.com", "b.com" }'),
    ('route { host = ".example.com", to = "app" }', 'write "*.example.com", and a route for "example.com" itself'),
    ('route { host = "https://a.example.com:8443/x", to = "app" }', "without a scheme and a path; write host = "
                                                                    '"a.example.com"'),
    ('upstream "b" { "127.0.0.1:1 weight=2" }', 'options as keys behind it: { "127.0.0.1:1", weight = 2 }'),
    ('upstream "b" { "127.0.0.1" }', '(the port is missing: "127.0.0.1:80")'),
    ('listen "localhost"', '(the port is missing: "localhost:80")'),
    ('listen "127.0.0.1:80 ssl"', ': { "127.0.0.1:80", tls = true }'),
    ('listen "80 http2"', 'as keys behind it: { "0.0.0.0:80", http2 = "prior-knowledge" }, or tls = true for HTTP/2 over TLS'),
    ('listen "443 quic"', "rsp does not speak HTTP/3 yet"),
    ('listen "1:1" { http2 = true }', 'http2 = true is for a listener with tls = true; without TLS'),
    ('listen "1:1" { tls = true, http2 = "prior-knowledge" }', "is for a listener without TLS"),
    ('listen "1:1" { http2 = "on" }', 'expected true, false or "prior-knowledge", got "on"; write http2 = true'),
    ('listen "1:1" { http2 = "off" }', "write http2 = false"),
    ('listen "1:1" { http2 = 2 }', 'expected true or false or "prior-knowledge", got 2; write http2 = true'),
    ('listen "1:1" { http2 = "h2c" }', 'write http2 = "prior-knowledge"'),
    ('listen "1:1" { alpn = { "h2" } }', 'unknown key "alpn" (in rsp: http2 = false, or "prior-knowledge" without TLS'),
    ('listen "1:1" { h2c = true }', 'unknown key "h2c" (in rsp: http2 = "prior-knowledge")'),
    ('listen "1:1" { max_concurrent_streams = 5 }', "(in rsp: limits = { streams = 128 })"),
    ("http2 on", "(in rsp: listen \"0.0.0.0:443\" { tls = true }: HTTP/2 is on there, http2 = false switches it off)"),
    ("http2 = true", 'unknown setting "http2" (in rsp: listen "0.0.0.0:443" { tls = true }: HTTP/2 is on there'),
    ("http2_max_concurrent_streams = 100", "(in rsp: limits = { streams = 128 })"),
    ("streams = 100", "(in rsp: limits = { streams = 128 })"),
    ("limits = { stream = 100 }", "(in rsp: streams = 128)"),
    ('timeouts = { grpc = "1h" }', '(in rsp: tunnel = "1h"'),
    ("http2_recv_buffer_size = 1", "(rsp adjusts HTTP/2 windows automatically"),
    ("proxy_http_version = 2", "(in rsp: http = 2 in an upstream)"),
    ("http = 2", "http = 2 is a key of an upstream)"),
    ('upstream "b" { "h:1", http = "h2,http/1.1" }', 'write http = "auto"'),
    ('upstream "b" { "h:1", proxy_http_version = 2 }', '(in rsp: http = 2, or http = "auto" with tls'),
    ('upstream "b" { "h:1", max_concurrent_streams = 9 }', "(in rsp: max_conns limits the requests"),
    ('upstream "b" { "h:1", tls = { alpn = "h2" } }', "(in rsp: http = 2 belongs to the upstream"),
    ('upstream "b" { { "h:1", http = 2 } }', "(in rsp: http = 2 belongs to the upstream"),
    ('route { to = "app", http = 2 }', "(in rsp: http = 2 belongs to the upstream"),
    ("http2_push_preload = true", "(rsp sends no server push, which browsers no longer support)"),
    ("tls = { alpn = { \"h2\" } }", "HTTP/2 is on there, http2 = false switches it off"),
    ("limits = { max_concurrent_streams = 5 }", "(in rsp: streams = 128)"),
    ("limits = { streams = 0 }", "streams: expected a whole number of at least 1, got 0"),
    ('route { path = "/x", to = "app", limits = { streams = 3 } }', '"streams" cannot be set for a route, only for a listener or for all'),
    ("listen 8083", 's.lua:3: "listen" needs a string: write listen "8083"'),
    ('route { path = "/x", to = "http://127.0.0.1:80/x" }', 'no such upstream; write upstream "app2" { "127.0.0.1:80" } and to = "app2"'),
    ('route { path = "/x", to = "https://b.example" }', 'write upstream "app2" { "b.example:443", tls = true } and to = "app2"'),
    ('route { path = "/x", to = "[::1]:80" }', 'write upstream "app2" { "[::1]:80" } and to = "app2"'),
    ('timeouts = { response = "5 sec" }', 'got "5 sec"; write "5s"'),
    ('timeouts = { response = "2 Minutes" }', 'got "2 Minutes"; write "2m"'),
    ('timeouts = { response = "300 msec" }', 'got "300 msec"; write "300ms"'),
    ('workers = "four"', 'workers: expected a whole number from 1 to 128 or "auto", got "four"'),
    ("timeouts = 30", 'timeouts: expected a table, got 30; for example timeouts = { head = "5s" }'),
    ('dns = "10.0.0.1"', 'dns: expected a table, got "10.0.0.1"; for example dns = { servers = { "10.0.0.53:53" } }'),
    ("cpu_affinity = {}", 'that is not empty; for example cpu_affinity = { "0", "1", "2-3" }'),
    ('upstream back-end { "h:1" }', '"upstream" needs a string: write upstream "back-end"'),
    ("upstream back {", '"upstream" needs a string: write upstream "back"'),
    ('health = "/x"', "(it is a key of an upstream)"),
    ("retry = false", "(it is a key of an upstream)"),
    ('methods = { "GET" }', 'unknown setting "methods" (it is a key of a route)'),
    ('route { to = "app", health = "/x" }', "(it is a key of an upstream)"),
    ('os.execute("x")', "(rsp does not run programs)"),
    ("access_log = false", 'write access_log = "off"'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), SHAPES)
def test_a_message_says_what_to_write(mistakes, text, expected):
    found = mistakes(SITE + text)
    assert any(expected in line for line in found), found
    assert not any("or nil" in line or "got a table" in line for line in found), found


def test_a_peer_whose_address_has_a_key_is_named_once(mistakes):
    found = mistakes(SITE + 'upstream "b" { { server = "127.0.0.1:1" } }')
    assert len(found) == 1
    assert '(in rsp: { "10.0.0.1:8000", weight = 2 }' in found[0]


def test_a_message_that_quotes_a_line_break_is_one_line(mistakes):
    found = mistakes(SITE + 'workers = "a\\r\\nb"')
    assert found == [r's.lua:3: workers: expected a whole number from 1 to 128 or "auto", got "a\r\nb"']
