"""Configurations that said something that they hardly meant, and were accepted."""

import pytest

from rsp.config.errors import ConfigError
from rsp.lua.evaluate import evaluate
from tests.harness import run_rsp
from tests.unforked import load

SITE = 'listen "127.0.0.1:8080"\nupstream "app" { "127.0.0.1:8000" }\n'


def rule(fields: str) -> str:
    return f'route {{ to = "app", request_headers = {{ {fields} }} }}'


SLIPS = [
    (rule('set = { ["X-Real-IP"] = "$remote_addr" }'), '"$remote_addr" is sent literally; write {client}'),
    (rule('add = { ["X-Real-IP"] = "%[src]" }'), '"%[src]" is sent literally; write {client}'),
    (rule('set = { ["X-A"] = "a ${http_x_b}" }'), '"${http_x_b}" is sent literally; use a placeholder'),
    (rule('set = { ["X-User"] = "a", x_user = "b" }'), "as the same name"),
    (rule('remove = { "X-*" }'), 'remove: "X-*": "*" is not a wildcard here; list each field'),
    ('route { redirect = "https://$host$request_uri" }', 'redirect: "$host" is sent literally; write {host}'),
    ('route { redirect = "example.com/x" }', 'write "https://example.com/x", or "/example.com/x"'),
    ('route { redirect = "localhost:8080/x" }', 'write "https://localhost:8080/x"'),
    ('route { redirect = "/login" }', 'site.lua:3: route: redirect: "/login" matches this route as well, so clients '
                                      "are redirected in a loop"),
    ('route { path = "/a", redirect = { to = "/a/?x=1" } }\nroute { to = "app" }', 'redirect: "/a/?x=1" matches this '
                                                                                   "route"),
    ('ready = "/readyz" route { exact = "/readyz", respond = { status = 200 } } route { to = "app" }',
     'exact: no request can match this route: the setting ready = "/readyz" answers this path on every listener'),
    ('route { host = "_", to = "app" }', 'host = "_": this is nginx syntax for every host; leave "host" out'),
    ('upstream "x" { "127.0.0.1:1 weight=2" }', 'expected one address; write "127.0.0.1:1", and options as keys behind it'),
    ('upstream "x" { "127.0.0.1:1,127.0.0.1:2" }', 'expected one address; write "127.0.0.1:1"'),
    ('page { status = 200, body = "x" }', "page: status: 200 is not an error"),
    ("limits { body = 1 }", "(it is a setting: limits = ...)"),
    ("dns { timeout = 1 }", "(it is a setting: dns = ...)"),
    ("on_request(function() end)\nfunction on_request(req) end", 'site.lua:4: the hook "on_request" is declared twice (first at site.lua:3)'),
]  # fmt: skip

SOUND = [
    rule('set = { ["X-Price"] = "$5, 100 %", ["X-Shell"] = "$HOME $x" }'),
    'route { path = "/a", redirect = "/a/" }\nroute { path = "/a/", to = "app" }',
    'route { path = "/old", redirect = "/new" }\nroute { to = "app" }',
    'route { redirect = "/login" }\nroute { path = "/login", to = "app" }',
    'route { host = "a.example", redirect = "//b.example/" }\nroute { to = "app" }',
    'route { redirect = "https://{host}{path}" }',
    'route { redirect = "{scheme}://www.example.com" }',
    'route { redirect = "/login" }\nfunction on_request(req) return respond(200) end',
    'route { redirect = "mailto:a@example.com" }',
    "on_start(function() end)\nfunction on_start() end\nroute { to = 'app' }",
]


@pytest.mark.parametrize(("text", "expected"), SLIPS)
def test_what_is_hardly_meant_is_refused(tmp_path, monkeypatch, text, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site.lua").write_text(SITE + text)
    with pytest.raises(ConfigError) as caught:
        load("site.lua")
    assert expected in "\n".join(caught.value.messages)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('route { to = "app", strip = true }', "site.lua:3: warning: route: strip: without a path there is nothing "
                                               "to remove"),
        ('route { path = "/a", to = "app", strip = true }', ""),
        ('upstream "own" { "127.0.0.1:8080" } route { to = "own" }',
         'site.lua:3: warning: upstream "own": the peer "127.0.0.1:8080" is an address that this file listens on, '
         '"127.0.0.1:8080"; a request'),
        ('listen "9000" upstream "own" { "localhost:9000" } route { to = "own" }', 'the peer "localhost:9000" is an '
                                                                                   "address that this file listens "
                                                                                   'on, "0.0.0.0:9000"'),
        ('listen "9000" upstream "other" { "10.0.0.1:9000" } route { to = "other" }', ""),
        ('ready = "/readyz" route { path = "/readyz", to = "app" }', ""),
    ],
)  # fmt: skip
def test_what_is_hardly_meant_is_warned_of(tmp_path, monkeypatch, text, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site.lua").write_text(SITE + text)
    warnings = evaluate("site.lua")[0].warnings
    assert [expected in line for line in warnings] == ([True] if expected else [])


@pytest.mark.parametrize("text", SOUND)
def test_what_looks_like_it_and_is_sound_is_taken(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site.lua").write_text(SITE + text)
    load("site.lua")


def test_tests_of_a_file_without_hooks_are_run(tmp_path):
    done = run_rsp(
        tmp_path, "-t", "site.lua", text=SITE + "route { to = 'app' }\ntest('x', function() assert(false) end)"
    )
    assert done.returncode == 1
    assert "test x: FAILED" in done.stderr
