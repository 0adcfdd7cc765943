"""What people bring from nginx, Caddy, Traefik and routers of frameworks, key by key: what to write instead."""

import pytest

from rsp.config.errors import ConfigError
from tests.unforked import load

SITE = 'listen "127.0.0.1:8080"\nupstream "app" { "127.0.0.1:8000" }\n'


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def evaluate(text: str):
        (tmp_path / "s.lua").write_text(SITE + text)
        return load("s.lua").bundle.config

    return evaluate


KEYS = [
    ('path = "^~ /a"', '"^~" is nginx syntax; write path = "/a", first = true'),
    ('path = "= /a"', '"=" is nginx syntax; write exact = "/a"'),
    ('exact = "= /a"', '"=" is nginx syntax; write exact = "/a"'),
    ("path = [[~* \\.php$]]", '"~*" is nginx syntax; write regex = [[(?i)\\.php$]]'),
    ('path = "/a/{id}"', 'placeholders are not supported in a path; write regex = "^/a/([^/]+)"'),
    ('exact = "/a/{id}"', 'placeholders are not supported in a path; write regex = "^/a/([^/]+)$"'),
    ('header_up = { Host = "x" }', "(in rsp: request_headers = { set = "),
    ('header_down = { Host = "x" }', "(in rsp: response_headers = { set = "),
    ('client = { "10.0.0.1/8" }', '; write "10.0.0.0/8" for the network, or the address alone'),
    ('client = { "file:office.txt" }', 'files are for "allow" and "deny"'),
    ("websocket = true", "(rsp passes WebSockets on by itself; leave it out)"),
    ('set_header = { A = "b" }', "(in rsp: request_headers = { set = "),
    ('rewrite = { [[^/r/(\\d+)]], "/$1" }', '; write regex = [[^/r/(\\d+)]], rewrite = "/{1}"'),
    ("cors = true", '; write cors = { origins = { "https://app.example.com" } }'),
    ('cors = "*"', '; write cors = { origins = { "*" } }'),
    ('cors = { "https://a.example" }', '; write cors = { origins = { "https://a.example" } }'),
    ('security_headers = { referrer_policy = "none" }', 'browsers do not know "none"; write "no-referrer"'),
    ('security_headers = { referrer_policy = "no-referer" }', '(did you mean "no-referrer"?)'),
    ('maintenance = "on"', 'got "on"; write true'),
    ('maintenance = "off"', 'got "off"; leave it out'),
    ('maintenance = "/run/m"', 'got "/run/m"; write "file:/run/m"'),
    ('response_buffering = "on"', 'got "on"; write true'),
    ('allow = "10.0.0.0/8, 192.168.0.0/16"', "expected one network, got "),
    ('allow = { "localhost" }', '; write "127.0.0.0/8", "::1"'),
    ('allow = { "private_ranges" }', '; write "10.0.0.0/8", "172.16.0.0/12", '),
    ('auth = { jwt = { jwks = "https://a/k", audience = 5 } }', 'expected a string or a list, got 5; write "5"'),
    ('auth = { forward = "app", realm = "x" }', 'auth: "realm" is for "basic" and "jwt"'),
    ('auth = { jwt = { jwks = "https://a/k", claims = { b = "x", a = { 1 } } } }', "claims: a: expected a string, got 1"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "said"), KEYS)
def test_a_key_of_a_route(read, key, said):
    with pytest.raises(ConfigError) as caught:
        read(f'route {{\n to = "app",\n {key} }}')
    found = caught.value.messages
    assert said in found[0], found
    assert found[0].startswith("s.lua:5: route: "), found


ANSWERS = [
    ('redirect = { to = "https://x.example", permanent = true }', "(in rsp: status = 301; 308 keeps the method)"),
    ('redirect = { url = "https://x.example" }', '(in rsp: to = "https://www.example.com{uri}")'),
]  # fmt: skip


@pytest.mark.parametrize(("key", "said"), ANSWERS)
def test_an_answer_of_rsp(read, key, said):
    with pytest.raises(ConfigError) as caught:
        read(f"route {{ {key} }}")
    assert said in caught.value.messages[0], caught.value.messages


def test_several_policies_and_braces_that_are_no_placeholder_are_taken(read):
    read(
        'route { to = "app", security_headers = { referrer_policy = "no-referrer, same-origin" } }\n'
        'route { path = "/{$", to = "app" }\nroute { path = "/n", respond = { status = 204 } }'
    )


def test_a_field_of_a_log_may_stand_in_braces(read):
    config = read(
        'route { to = "app" }\n'
        'access_log = { format = "json", fields = { a = "{uri}", b = "{cookie.x}", c = "{tls.sni}", d = "upstream" } }'
    )
    (log,) = (
        config.settings.access_log if isinstance(config.settings.access_log, tuple) else (config.settings.access_log,)
    )
    assert log.fields == {"a": "uri", "b": "cookie.x", "c": "tls.sni", "d": "upstream"}


CIRCLES = ["{path}", "{uri}", "{path}?a=b", "{scheme}://{authority}{uri}"]


@pytest.mark.parametrize("target", CIRCLES)
def test_a_redirect_to_what_was_asked_for_is_a_warning(read, target):
    (said,) = read(f'route {{ redirect = "{target}" }}').warnings
    assert said.startswith(f's.lua:3: warning: route: redirect: "{target}" is the requested address')


@pytest.mark.parametrize(
    "keys", ['redirect = "https://{host}{uri}"', 'regex = "^/o(?P<path>.*)$", redirect = "{path}"']
)
def test_others_are_none(read, keys):
    assert read(f"route {{ {keys} }}").warnings == ()


@pytest.mark.parametrize("given", ["ann:hunter2", "ann hunter2", "http://ann:hunter2@auth"])
def test_what_may_be_a_password_is_not_shown(read, given):
    with pytest.raises(ConfigError) as caught:
        read(f'route {{ to = "app", auth = "{given}" }}')
    (found,) = caught.value.messages
    assert "hunter2" not in found
    assert found.endswith('auth: expected a table, got a string; write auth = { basic = "htpasswd" }')


def test_true_is_no_list_of_networks(read):
    with pytest.raises(ConfigError) as caught:
        read('route { to = "app", allow = true }')
    assert caught.value.messages == (
        's.lua:3: route: allow: expected a string or a list, got true; for example allow = "10.0.0.0/8"',
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('route { to = "app", hsot = "a" }', '(did you mean "host"?)'),
        ('route { to = "app", allwo = "a" }', '(did you mean "allow"?)'),
        ('route { to = "app", listeners = "a" }', '(did you mean "listener"?)'),
        ('route { to = "app", headers = { A = { excepts = "a" } } }', '(did you mean "except"?)'),
        ('route { to = "app", security_headers = { referrerPolicy = "a" } }', '(did you mean "referrer_policy"?)'),
        ('listen { "127.0.0.1:1", tsl = true }', '(did you mean "tls"?)'),
        ('listen { "127.0.0.1:1", proxy_protocol = { froms = {} } }', '(did you mean "from"?)'),
        ('dns = { server = "127.0.0.1" }', '(did you mean "servers"?)'),
        ('upstream "b" { "127.0.0.1:1", https = true }', "(in rsp: tls = true"),
        ('upstream "b" { "127.0.0.1:1", dial_timeout = 5 }', '(in rsp: timeouts = { connect = "3s" })'),
        ('route { to = "app", timeout_server = 5 }', '(in rsp: timeouts = { response = "60s", read = "60s" })'),
    ],
)
def test_a_misspelt_key_of_the_same_table(read, text, said):
    """Letters that are swapped, a plural, another case: they are nearer than what another program calls so."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert said in caught.value.messages[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('split = { to = "my-app" }', 'write to = { ["my-app"] = 1 }'),
        ('split = { to = { "a", "b" } }', "write to = { a = 1, b = 1 }"),
        ('split = { ["my-app"] = 90 }', '(in rsp: to = { ["my-app"] = 90, ... }'),
        ('to = "app", methods = 5', 'got 5; write { "5" }'),
    ],
)
def test_what_to_write_is_lua_of_the_right_type(read, text, said):
    with pytest.raises(ConfigError) as caught:
        read(f"route {{ {text} }}")
    assert said in caught.value.messages[0]


def test_nothing_is_written_instead_of_no_number(read):
    with pytest.raises(ConfigError) as caught:
        read('route { to = "app", methods = 0/0 }')
    assert "write" not in caught.value.messages[0]
