"""Configuration: evaluated in the sandbox, checked, named mistakes."""

from cProfile import Profile

import pytest

from rsp.config.dump import to_lua
from rsp.config.errors import ConfigError
from rsp.config.locate import find_line
from rsp.config.reference import reference
from rsp.config.schema import Config
from rsp.loader import load
from tests.paths import ROOT

SITE = """\
listen "0.0.0.0:8080"
upstream "app" { "10.0.0.1:8000", { "10.0.0.2:8000", weight = 2 }, "unix:/run/app.sock" }
upstream "api" { "10.0.0.3:9000" }
route { host = "api.example.com", to = "api" }
route { path = "/static/", to = "api" }
route { to = "app" }
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def evaluate(text: str) -> Config:
        (tmp_path / "site.lua").write_text(text)
        return load("site.lua").bundle.config

    return evaluate


@pytest.fixture
def mistakes(config):
    def evaluate(text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            config(text)
        return list(caught.value.messages)

    return evaluate


def test_the_form_of_the_ancestor(config):
    found = config('listenPort = "8000"  backendAddress = "127.0.0.1"  backendPort = "80"')
    assert [one.address for one in found.listeners] == ["0.0.0.0:8000"]
    assert [one.address for one in found.upstreams[0].peers] == ["127.0.0.1:80"]
    assert found == config('listenPort = 8000  backendAddress = "127.0.0.1"  backendPort = 80')


@pytest.mark.parametrize("name", ["listenPort", "backendAddress", "backendPort"])
@pytest.mark.parametrize("value", ["{}", "true", "nil"])
def test_the_errors_of_the_ancestor(mistakes, name, value):
    values = {"listenPort": '"1"', "backendAddress": '"h"', "backendPort": '"2"'} | {name: value}
    text = "\n".join(f"{key} = {item}" for key, item in values.items())
    assert any(f"{name} must be a string" in line for line in mistakes(text))


def test_the_form_for_sites(config):
    found = config(SITE)
    assert [(peer.address, peer.weight) for peer in found.upstreams[0].peers] == [
        ("10.0.0.1:8000", 1), ("10.0.0.2:8000", 2), ("unix:/run/app.sock", 1),
    ]  # fmt: skip
    assert [(route.host, route.path, route.to) for route in found.routes] == [
        ("api.example.com", "/", "api"), (None, "/static/", "api"), (None, "/", "app"),
    ]  # fmt: skip


def test_it_is_a_program(config, tmp_path, monkeypatch):
    monkeypatch.setenv("PORT", "8111")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "peers.lua").write_text('return { "10.0.0.1:1", "10.0.0.2:2" }')
    (tmp_path / "more.lua").write_text('route { to = "app" }')
    found = config(
        'listen("127.0.0.1:" .. os.getenv("PORT"))\nlocal list = require "lib.peers"\n'
        'local function make(name, peers) upstream(name)(peers) end\nfor i = 3, 4 do list[i] = "10.0.0." .. i .. ":1" end\n'
        'make("app", list)\ndofile "more.lua"\nassert(require "lib.peers" == list)'
    )
    assert found.listeners[0].address == "127.0.0.1:8111"
    assert len(found.upstreams[0].peers) == 4
    assert found.routes[0].to == "app"


def test_one_upstream_needs_no_route(config):
    assert config('listen(8080) upstream "a" { "h:1" }').routes[0].to == "a"


def test_units(config):
    found = config(SITE + 'timeouts = { idle = "2m", head = 1.5, connect = "500ms" } max_memory = "1GB"')
    assert found.settings.timeouts.idle == 120
    assert found.settings.timeouts.head == 1.5
    assert found.settings.timeouts.connect == 0.5
    assert found.settings.max_memory == 1 << 30


def test_the_dump_can_be_loaded_again(config):
    found = config(SITE + 'max_memory = "1GB" access_log = "off" timeouts = { connect = "500ms" }')
    again = config(to_lua(found))
    assert to_lua(again) == to_lua(found)
    assert (again.upstreams, again.routes) == (found.upstreams, found.routes)


MISTAKES = [
    ('upstream "app" { { "h:1", wieght = 2 } }', 'site.lua:7: upstream "app": unknown key "wieght" (did you mean "weight"?)'),
    ('upstream "x" {\n  "h:1",\n  { "h:2",\n    weight = "two" } }', 'site.lua:10: upstream "x": weight: expected a whole number, got "two"'),
    ('upstream "x" {\n  "h:1",\n  "h:99999" }', 'site.lua:9: upstream "x": address: "h:99999": expected a port from 0 to 65535'),
    ('upstream "x" { "h:1", health = "up" }', 'health: expected a path, "tcp", "grpc" or a table, got "up"; write "/up"'),
    ('upstream "x" { "h:1", health = { path = "up" } }', 'path: expected a path that begins with "/", got "up"'),
    ('upstream "x" { "h:1", health = { status = "2xx" } }', 'health: status: expected a status such as 200 or "200-399", got "2xx"'),
    ('upstream "x" { "h:1", health = { timeout = "9s" } }', "health: timeout: 9s is longer than the interval of 5s"),
    ('upstream "x" { "h:1", policy = "hash", key = "cooky:x" }', 'key: expected client or uri or path or host or header or cookie, the last two with a :NAME, got "cooky:x"'),
    ('upstream "x" { "h:1", policy = "hash", key = "cookie:" }', "the last two with a :NAME"),
    ('upstream "x" { "h:1", key = "uri" }', '"key" is for policy "hash", not for "round_robin"'),
    ('upstream "x" { "h:1", sticky = "a b" }', 'sticky: "a b" is not a valid cookie name'),
    ('upstream "x" { "h:1", sticky = { cookie = "\xe4" } }', "is not a valid cookie name"),
    ('upstream "x" { "h:1", sticky = { path = "/;" } }', 'sticky: path: "/;" is not allowed in a cookie'),
    ('upstream "x" { "h:1", retry = { on = { 502, 555 } } }', "on: expected 500, 502, 503, 504 or 429, got 555"),
    ('upstream "x" { "h:1", hedge = { percentile = 100 } }', "percentile: expected a number of less than 100, got 100"),
    ('upstream "x" { "h:1", failures = { out = "2m" } }', 'failures: longest: 60s is less than "out" (120s)'),
    ('upstream "x" { "h:1", outliers = { errrs = 1 } }', 'unknown key "errrs" (did you mean "errors"?)'),
    ('upstream "x" { "h:1", "h:2",\n "h:1" }', 'site.lua:8: upstream "x": peer "h:1" is listed twice'),
    ('upstream "x" { { "h:1", backup = true } }', "every peer is a backup"),
    ('upstream "x" { { "h:1", bakup = true } }', 'unknown key "bakup" (did you mean "backup"?)'),
    ('upstream "x" { "srv:_x y" }', 'expected a name as in "srv:_http._tcp.example.com"'),
    ('upstream "x" { policy = "round_robbin", "h:1" }', 'policy: expected "round_robin", "least_conn", "random2", "ewma", "hash" or "sticky", got "round_robbin" (did you mean "round_robin"?)'),
    ('upstream "x" { { "h:1", weight = 0 } }', "weight: expected a whole number of at least 1, got 0"),
    ('upstream "x" {}', 'site.lua:7: upstream "x": no peers'),
    ('upstream "x" { "h" }', '"h": expected "host:port"'),
    ('upstream "x" { "::1:80" }', "an IPv6 address goes in brackets"),
    ('upstream "x" { "unix:run" }', "expected unix: and an absolute path"),
    ('upstream "app" { "h:1" }', 'site.lua:7: upstream "app" is declared twice (first at site.lua:2)'),
    ('upstream "x"', 'upstream "x": expected a table of peers'),
    ('listen "0.0.0.0:8080"', 'listen "0.0.0.0:8080" is declared twice (first at site.lua:1)'),
    ("listen { }", 'listen: missing "address"'),
    ('listen { "h:1", "h:2" }', "listen: unexpected item [2]"),
    ('route { to = "ap" }', 'site.lua:7: route: to = "ap": no such upstream (did you mean "app"?)'),
    ('route { tto = "app" }', 'route: unknown key "tto" (did you mean "to"?)'),
    ('route { host = "a" }', 'route: missing "to"'),
    ('route { to = "app", path = "x" }', 'route: path: expected a path that begins with "/", got "x"'),
    ('route { to = "app", host = "a.*.b" }', 'host = "a.*.b": expected a name, "*.example.com" or "app.*"'),
    ('route { to = "app", host = print }', "a function is not expected here"),
    ('route { to = "app", redirect = "/" }', '"to" and "redirect" cannot be used together'),
    ('route { to = "app", request_headers = {\n add = { Host = "x" } } }', 'site.lua:8: route: request_headers: add: a request has one Host; it can be "set"'),
    ('route { to = "app", request_headers = {\n set = { Upgrade = "x" } } }', "site.lua:8: route: request_headers: "
                                                                              'set: "Upgrade" is set by rsp itself'),
    ('route { to = "app", request_headers = {\n set = { Content_Length = "5" } } }', "site.lua:8: route: "
                                                                                     "request_headers: set: "
                                                                                     '"Content_Length" is set by rsp '
                                                                                     "itself"),
    ('route { to = "app", request_headers = { set = { ["X-A"] = "a\\r\\nb: c" } } }', "the value contains a control "
                                                                                      "character or a line break"),
    ('route { to = "app", response_headers = { remove = { "a b" } } }', '"a b" is not a valid field name'),
    ('route { to = "app", request_headers = { set = { ["X-A"] = 5 } } }', "route: request_headers: set: expected a string, got a whole number"),
    ('route { to = "app", request_headers = { sett = { A = "1" } } }', 'unknown key "sett" (did you mean "set"?)'),
    ('page { status = { 404, "x" }, body = "x" }', "page: status: expected a whole number"),
    ('route { to = "app", timeouts = { head = 1 } }', '"head" cannot be set for a route'),
    ('route { to = "app", strip = true, rewrite = "/" }', '"strip" and "rewrite" cannot be used together'),
    ('route { to = "app", send_host = "a b" }', "expected a host name"),
    ('route { redirect = { to = "/", status = 200 } }', "expected 301, 302, 303, 307 or 308, got 200"),
    ('page { status = 404 }', 'page: missing "file" or "body"; add one of them'),
    ('page { status = 404, file = "nope.html" }', "page: cannot open nope.html: No such file"),
    ('trusted = { "10.0.0.0/33" }', 'trusted: expected a network such as "10.0.0.0/8", got "10.0.0.0/33"'),
    ("workers = 0", "workers: expected a whole number of at least 1"),
    ('workers = "atuo"', 'workers: expected "auto", got "atuo" (did you mean "auto"?)'),
    ("worker = 4", 'unknown setting "worker" (did you mean "workers"?)'),
    ('timeouts = {\n  idel = "5s" }', 'site.lua:8: timeouts: unknown key "idel" (did you mean "idle"?)'),
    ('timeouts = { idle = "5x" }', 'timeouts: idle: expected a duration such as "500ms", "5s" or "2m", got "5x"'),
    ('limits = { head = "big" }', 'limits: head: expected a size such as "64KB"'),
    ("limits = 5", "limits: expected a table, got 5"),
    ('user = "no-such-user"', 'there is no user "no-such-user"'),
    ("x = = 1", "site.lua:7: unexpected symbol near '='"),
    ("listn '1'", "site.lua:7: attempt to call global 'listn'"),
    ('error("mine")', "site.lua:7: mine"),
    ('require "nope"', "site.lua:7: module 'nope' not found: cannot open nope.lua: No such file"),
    ('require "../x"', "expected a module name"),
    ('dofile "nope.lua"', "site.lua:7: cannot open nope.lua: No such file or directory"),
    ('dofile ""', "site.lua:7: dofile: expected the name of a file"),
    ("dofile(nil)", "site.lua:7: dofile: expected the name of a file"),
    ("bad\n", "site.lua:8: '=' expected near '<eof>'"),
    ("route = 5", '"route" is a function of the configuration and cannot be assigned'),
    ("upstream = { app = {} }", 'cannot be assigned; write  upstream "app" { "10.0.0.1:8000" }'),
    ('local t = {} for i = 1, 1e9 do t[i] = ("x"):rep(1000) .. i end', "of memory"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), MISTAKES, ids=[expected[:40] for _, expected in MISTAKES])
def test_mistakes_are_named(mistakes, text, expected):
    found = mistakes(SITE + text)
    assert any(expected in line for line in found), found


def test_all_mistakes_are_named_at_once(mistakes):
    found = mistakes('listen "x"\nupstream "a" { "h:1", weigth = 1 }\nroute { to = "b" }\nworkerss = 1')
    assert [line.split(" ")[0] for line in found] == [f"site.lua:{number}:" for number in (1, 2, 3, 4)]


@pytest.mark.parametrize(("text", "expected"), [
    ("", "nothing to listen on"), ('listen "h:1"', "no upstream"),
    ('listen "h:1" upstream "a" { "h:1" } upstream "b" { "h:2" }', "no route"),
])  # fmt: skip
def test_what_is_missing(mistakes, text, expected):
    assert any(expected in line for line in mistakes(text))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="cannot open /x/y: No such file or directory"):
        load("/x/y")
    with pytest.raises(ConfigError, match="it is a directory; name a file"):
        load(str(tmp_path))


def test_long_paths_are_named_whole(tmp_path):
    path = tmp_path / ("d" * 80) / "site.lua"
    path.parent.mkdir()
    path.write_text("x = = 1")
    with pytest.raises(ConfigError) as caught:
        load(str(path))
    assert str(caught.value).startswith(f"{path}:1:")


@pytest.mark.parametrize(
    "code",
    [
        "os.execute('true')", "io.popen('true')", "io.open('/etc/passwd')", "python.eval('1')", "require 'ffi'",
        "debug.getinfo(1)", "os.exit(1)", "os.remove('x')", "package.loadlib('x', 'y')", "string.dump(print)",
        "('x').dump(print)", "getmetatable('').__index.dump(print)", "load('\\27LJ')()", "setfenv(1, {})",
        "getfenv(0).os.execute('true')", "_G.io.open('x')", "local ok, e = pcall(dofile, {}) e.x = 1",
        "_G._G.debug.sethook()", "newproxy()", "jit.on()", "collectgarbage('stop')", "module('x')",
    ],
)  # fmt: skip
def test_the_sandbox_holds(mistakes, code):
    found = mistakes(SITE + code)
    assert len(found) == 1
    assert "site.lua:7:" in found[0] or "nil" in found[0] or "module" in found[0], found


def test_catching_the_guards_error_does_not_help(mistakes, monkeypatch):
    monkeypatch.setattr("rsp.lua.runtime._LOAD_INSTRUCTIONS", 10_000_000)
    assert "runs too long" in mistakes("while true do pcall(function() while true do end end) end")[0]


def test_find_line_follows_a_path():
    source = 'a "x" { -- }\n  "one", [[\n]],\n  { "two",\n    k = { 1,\n      z = 3 } },\n}\n'
    assert find_line(source, 1, (3,)) == 4
    assert find_line(source, 1, (3, "k")) == 5
    assert find_line(source, 1, (3, "k", "z")) == 6
    assert find_line(source, 1, (9,)) == 1


def test_the_work_to_find_lines_grows_with_the_file_alone():
    """Four times the routes: not sixteen times the calls."""

    def calls(routes: int) -> int:
        source = 'route {\n  host = "a.test",\n  files = "/srv",\n}\n' * routes
        with Profile() as profile:
            assert find_line(source, 4 * routes - 3, ("files",)) == 4 * routes - 1
            for line in range(1, 4 * routes, 4):
                assert find_line(source, line, ("files",)) == line + 2
        return sum(entry.callcount for entry in profile.getstats())

    assert calls(400) < 5 * calls(100)


def test_the_reference_is_generated_from_the_schema():
    written = (ROOT / "docs" / "configuration.md").read_text()
    assert reference() == written, "run: make docs"


@pytest.mark.parametrize(
    "path",
    [ROOT / "rsp.lua", *sorted((ROOT / "examples").glob("*.lua")), ROOT / "deploy" / "site.lua"],
    ids=lambda path: path.name,
)
def test_examples_load(path):
    load(str(path), keys=False)  # those of tls.lua: tests/process/test_tls_example.py


def test_a_wheel_without_luajit_will_do(config, mistakes, monkeypatch):
    monkeypatch.setattr("rsp.lua.runtime.ENGINES", ("nope", "lua51"))
    monkeypatch.setattr("rsp.lua.runtime._LOAD_INSTRUCTIONS", 10_000_000)
    assert len(config(SITE).upstreams) == 2
    assert "runs too long" in mistakes("while true do end")[0]
    assert 'did you mean "weight"?' in mistakes(SITE + 'upstream "x" { { "h:1", wieght = 2 } }')[0]
