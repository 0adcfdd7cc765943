"""Values without quotes: for Lua they are undefined variables or no Lua at all."""

import pytest

from rsp.config.errors import ConfigError
from tests.unforked import load

SITE = 'listen "127.0.0.1:8080"\nupstream "app" { "127.0.0.1:8000" }\n'
MISTAKES = [
    ('route { path = "/admin", to = "app", deny = all }', '"all" is not defined; write a string in quotes: "all"'),
    ('route { path = "/admin", to = "app", auth = users\n}', '"users" is not defined; write a string in quotes'),
    ("route { to = app }", '"app" is not defined'),
    ('listen "127.0.0.1:8443" { tls = on }', '"on" is not defined; write true'),
    ('listen "127.0.0.1:8443" { tls = True }', '"True" is not defined; write true'),
    ("compress = yes", '"yes" is not defined; write true'),
    ("access_log = off", '"off" is not defined; write false, or "off"'),
    ('listen "127.0.0.1:8443" { tls = (on) }', '"on" is not defined'),
]
FINE = [
    "workers = workers or 4",
    "if jit then end",
    "local own = ngx",
    'function on_request(req) if on then return respond(404) end end',
    "local off = true  compress = off",
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), MISTAKES)
def test_a_key_that_gets_an_undefined_variable(tmp_path, monkeypatch, text, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.lua").write_text(SITE + text)
    with pytest.raises(ConfigError) as caught:
        load("s.lua")
    assert caught.value.messages[0].startswith(f"s.lua:3: {said}"), caught.value.messages


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("route { to = app }", ['3: "app" is not defined']),
        ("route { path = '/x',\n to = app }", ['4: "app" is not defined']),
        ("route { path = '/y' }\nroute { files = www }", ['4: "www" is not defined', "3: route: missing"]),
    ],
)
def test_a_key_that_is_there_is_not_missing(tmp_path, monkeypatch, text, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.lua").write_text(SITE + text)
    with pytest.raises(ConfigError) as caught:
        load("s.lua")
    assert len(caught.value.messages) == len(expected)
    for message, beginning in zip(caught.value.messages, expected, strict=True):
        assert message.startswith(f"s.lua:{beginning}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("timeouts = { connect = 5s }", '; write it in quotes: "5s"'),
        ('upstream "b" { 10.0.0.1:80 }', '; write it in quotes: "10.0.0.1:80"'),
        ("upstream \u201cb\u201d { }", '; write straight quotes: "'),
        ('route { to = "app", response_headers = { set = { X-A = "b" } } }', '; write ["X-A"] = ...'),
        ("# a remark", "; a comment begins with --"),
        ("// a remark", "; a comment begins with --"),
        ('route { path = "/x" to = "app" }', "; is a comma missing before to?"),
        ('route { "a" "b" }', '; is a comma missing before "b"?'),
        ('route { to: "app" }', "; write = between a key and its value"),
        ('route { to = "app"', "; is a closing } missing?"),
        ('route { to = "app }', "; is a quote missing?"),
        ("if 1 = 2 then end", "; write == to compare"),
        ("route { return = 410 }", "; write respond = { status = 410 }"),
        (r'route { host = "a", regex = "\.php$" }', r"; write [[\.php$]], in which a backslash stands for itself"),
        (r"route { regex = '^/a\d' }", r"; write [[^/a\d]], in which a backslash stands for itself"),
    ],
)
def test_what_other_languages_write_otherwise(tmp_path, monkeypatch, text, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.lua").write_text(SITE + text)
    with pytest.raises(ConfigError) as caught:
        load("s.lua")
    assert caught.value.messages[0].startswith("s.lua:3: ") and caught.value.messages[0].endswith(said)


def test_a_certificate_of_a_listener(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.lua").write_text('listen "1" { tls = "site.pem" }')
    with pytest.raises(ConfigError) as caught:
        load("s.lua")
    assert "; write tls = true; settings for all listeners are tls = { ... }, and a certificate is" in str(caught.value)


def test_wrong_addresses_are_not_listed_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.lua").write_text(
        'listen "1" listen "a b" listen "c d" upstream "a" { "x", "y", { "z", weight = 2 } }'
    )
    with pytest.raises(ConfigError) as caught:
        load("s.lua")
    assert len(caught.value.messages) == 5 and "twice" not in "".join(caught.value.messages)


@pytest.mark.parametrize("text", FINE)
def test_a_file_may_look_whether_something_exists(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.lua").write_text(SITE + text)
    load("s.lua")


def test_another_use_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.lua").write_text(f"{SITE}\nif debug_mode then access_log = 'off' end")
    taken = load("s.lua")
    assert 's.lua:4: warning: "debug_mode" is not defined, so it is nil' in taken.bundle.config.warnings


def test_modules_may_look(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.lua").write_text("local t = { a = ngx }\nreturn t")
    (tmp_path / "s.lua").write_text(f'{SITE}local own = require("own")')
    taken = load("s.lua")
    assert not taken.bundle.config.warnings


# What a hook does with a global that nothing defines, and whether that fails.
IN_HOOKS = [
    ("return reg.path", '"reg" (did you mean "req"?)'),
    ("return respnd(404)", '"respnd" (did you mean "respond"?)'),
    ('print("x" .. own.name, #req.path)', '"own"'),
    ("own:check(1)", '"own"'),
    ("own.seen = 1", '"own"'),
    ("return own(...)", '"own"'),
    ("local f = function() return own.name end", '"own"'),
    ("return own and own.name", None),
    ("if own == nil then return end own()", None),
    ("local t = own or {} return t.name", None),
    ("local a, b a = own or b return req.path", None),
    ("return type(own)", None),
    ("local own = req return own.path", None),
    ("return later(1)", None),
]


@pytest.mark.parametrize(("body", "said"), IN_HOOKS)
def test_what_fails_in_a_hook(tmp_path, monkeypatch, body, said):
    monkeypatch.chdir(tmp_path)
    text = f"route {{ to = 'app' }}\non_request(function(req, ...)\n {body}\nend)\nfunction later(x) return x end"
    (tmp_path / "s.lua").write_text(SITE + text)
    beginning = "s.lua:5: warning: the function fails here, because nothing defines "
    assert load("s.lua").bundle.config.warnings == ((beginning + said,) if said is not None else ())


def test_what_fails_in_a_module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.lua").write_text("return function()\n return nosuch.name\nend")
    (tmp_path / "s.lua").write_text(f'{SITE}local own = require("own")')
    said = 'own.lua:2: warning: the function fails here, because nothing defines "nosuch"'
    assert load("s.lua").bundle.config.warnings == (said,)
