"""Mistakes in `auth`: what is said of them, and where."""

import pytest

from rsp.config import auth_rules
from rsp.config.errors import ConfigError
from tests.harness import run_rsp
from tests.unforked import load

HASH = "$2b$04$8rqxUKw.ARAwbkXxIbDhvuSJrcBK4y.sKEE5BErnXVrgZGVzaQlM6"
TEXT = 'listen "127.0.0.1:8080"\nupstream "app" {{ "127.0.0.1:1" }}\nroute {{ to = "app",\n  {} }}\n'
JWT = 'auth = {{ jwt = {{ jwks = "https://id.example.com/keys", audience = "api", {} }} }}'


def said(tmp_path, text):
    """The messages, or the warnings."""
    file = tmp_path / "site.lua"
    file.write_text(TEXT.format(text))
    (tmp_path / "htpasswd").write_text(f"ann:{HASH}\n")
    try:
        notes = load(str(file)).stored.found.reading.notes
    except ConfigError as error:
        return "\n".join(error.messages).replace(str(tmp_path) + "/", "")
    return "\n".join(notes).replace(str(tmp_path) + "/", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('auth = "htpasswd"', 'auth: expected a table, got "htpasswd"; write auth = { basic = "htpasswd" }'),
        ("auth = {}", 'auth: expected "basic" (a file), "jwt" (a table) or "forward" (an upstream)'),
        ('auth = { realm = "x" }', 'auth: expected "basic" (a file), "jwt" (a table) or "forward" (an upstream)'),
        ("auth = { basic = true }", 'auth: basic: expected a string, got true; write basic = "htpasswd", a file that  htpasswd -cB htpasswd NAME  makes'),
        ('auth = { basic = { "ann:hunter2" } }', 'auth: basic: expected a string, got a list; write basic = "htpasswd"'),
        ('auth = { basic = { ann = "hunter2" } }', 'auth: basic: expected a string, got a table; write basic = "htpasswd"'),
        ('auth = { basic = "ann:$2y$hunter2" }', "auth: basic: expected the name of a file that has such lines"),
        ('auth = { basic = "file:htpasswd" }', 'auth: basic: write basic = "htpasswd", without "file:"'),
        ('auth = { basic = "nothing" }', 'auth: basic "nothing": there is no such file'),
        ('auth = { basic = "site.lua" }', 'auth: basic "site.lua": line 1: the password is not hashed; htpasswd -B '
                                          "FILE NAME  creates one"),
        ('auth = { basic = "htpasswd", jwt = { jwks = "https://a/b" } }', 'auth: "basic" and "jwt" cannot be used '
                                                                          "together"),
        ('auth = { basic = "htpasswd", forward = "app" }', 'auth: "basic" and "forward" cannot be used together'),
        ('auth = { jwt = "https://a/b" }', 'auth: jwt: expected a table, got "https://a/b"; write jwt = { jwks = "https://a/b" }'),
        ("auth = { jwt = {} }", 'auth: jwt: missing "jwks"'),
        ('auth = { jwt = { jwks = "id.example.com" } }', 'auth: jwt: jwks: expected "https://id.example.com/jwks.json" or "file:keys.json", got "id.example.com"'),
        ('auth = { jwt = { jwks = "https://ann:hunter2@a/b" } }', "auth: jwt: jwks: the URL contains credentials"),
        ('auth = { jwt = { jwks = "ftp://ann:hunter2@a/b" } }', 'auth: jwt: jwks: expected "https://id.example.com/jwks.json"'),
        ('auth = { jwt = { jwks = "https://a/.well-known/openid-configuration" } }', "contains the URL of the keys "
                                                                                     'as "jwks_uri"; write that URL'),
        ('auth = { jwt = { jwks = "https://a:99999/b" } }', "auth: jwt: jwks: "),
        ('auth = { jwt = { jwks = "file:" } }', 'auth: jwt: jwks: expected "https://id.example.com/jwks.json"'),
        ('auth = { jwt = { jwks = "file:none.json" } }', 'auth: jwt: jwks "none.json": there is no such file'),
        ('auth = { jwt = { jwks = "file:htpasswd" } }', 'auth: jwt: jwks "htpasswd": it is not a set of keys, {"keys": [...]}'),
        ('auth = { jwt = { jwks = "file:keys.json", ca = "ca.pem" } }', "auth: jwt: ca: it applies to keys that are "
                                                                        "fetched by https"),
        ('auth = { jwt = { jwks = "http://a/b", ca = "ca.pem" } }', "auth: jwt: ca: it applies to https"),
        ('auth = { jwt = { jwks = "https://a/b", ca = "none.pem" } }', 'auth: jwt: ca "none.pem": there is no such file'),
        (JWT.format('algorithms = { "HS256" }'), "a shared secret cannot be in a set of public keys (jwt.verify in a hook takes one)"),
        (JWT.format('algorithms = { "none" }'), "tokens without a signature are not accepted"),
        (JWT.format('algorithms = { "RS255" }'), 'got "RS255" (did you mean "RS256"?)'),
        (JWT.format("algorithms = {}"), "auth: jwt: algorithms: expected"),
        (JWT.format('algorithms = "RS256"'), 'auth: jwt: algorithms: expected a list, got "RS256"; write { "RS256" }'),
        (JWT.format('claims = { iss = "a" }'), 'auth: jwt: claims: "iss" is always checked; write issuer = ...'),
        (JWT.format("claims = { role = {} }"), 'auth: jwt: claims: "role": the list is empty, so no token can match'),
        ('auth = { jwt = { jwks = "https://a/b", audience = {} } }', "auth: jwt: audience: the list is empty, so no "
                                                                     "token can match"),
        (JWT.format('refresh = "1s"'), "auth: jwt: refresh: expected 10 seconds or more"),
        (JWT.format('leeway = "2h"'), "auth: jwt: leeway: expected an hour or less"),
        (JWT.format('iss = "a"'), 'auth: jwt: unknown key "iss" (in rsp: issuer)'),
        (JWT.format('key = "a"'), 'auth: jwt: unknown key "key" (in rsp: jwks = "file:keys.json", a set of public keys; a shared secret is for jwt.verify in a hook)'),
        ('auth = { htpasswd = "htpasswd" }', 'auth: unknown key "htpasswd" (in rsp: basic = "htpasswd", a file that'),
        ('auth_basic = "x"', 'unknown key "auth_basic" (in rsp: auth = { basic = "htpasswd", realm = "staff" } in a route)'),
        ('basicauth = "x"', 'unknown key "basicauth" (in rsp: auth = { basic = "htpasswd"'),
        ('jwt = { jwks = "x" }', 'unknown key "jwt" (in rsp: auth = { jwt = { jwks = "https://id.example.com/jwks.json"'),
        ('satisfy = "any"', 'unknown key "satisfy" (in rsp: any = true, for nginx\'s  satisfy any)'),
        ("oidc = true", 'unknown key "oidc" (rsp verifies tokens and does not log users in; a service such as oauth2-proxy does'),
    ],
)  # fmt: skip
def test_mistakes(tmp_path, text, message):
    found = said(tmp_path, text)
    assert (
        f"site.lua:4: route: {message}" in found
        or (f"site.lua:4: route: auth: jwt: {message}" in found)
        or (message in found and "site.lua:4: route: " in found)
    ), found
    assert "hunter2" not in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('auth = { jwt = { jwks = "https://a/b" } }', "site.lua:4: warning: route: auth: jwt: without audience, "
                                                      "tokens that the issuer made for other services are accepted"),
        ('auth = { jwt = { jwks = "http://a/b", audience = "x" } }', "site.lua:4: warning: route: auth: jwt: jwks: "
                                                                     "keys that are fetched without TLS can be "
                                                                     "replaced in transit; use https"),
        ('auth = { jwt = { jwks = "http://127.0.0.1/b", claims = { client = "x" } } }', ""),
        ('auth = { jwt = { jwks = "https://a/b", audience = { "x", "y" }, issuer = "z", algorithms = { "PS512" } } }', ""),
        ('auth = { basic = "htpasswd" }', ""),
    ],
)  # fmt: skip
def test_warnings(tmp_path, text, message):
    found = said(tmp_path, text)
    assert found.startswith(message) and bool(found) == bool(message)


def test_a_file_without_users_is_a_warning(tmp_path):
    (tmp_path / "empty").write_text("# none\n")
    assert 'site.lua:4: warning: route: auth: basic "empty": it has no user' in said(
        tmp_path, 'auth = { basic = "empty" }'
    )


def test_urls_of_keys():
    for url, address, authority, target in (
        ("https://a.example", "a.example:443", "a.example", "/"),
        ("http://a.example/x?y", "a.example:80", "a.example", "/x?y"),
        ("https://[::1]:8443/x", "[::1]:8443", "[::1]:8443", "/x"),
        ("HTTPS://10.0.0.1?q", "10.0.0.1:443", "10.0.0.1", "/?q"),
    ):
        found = auth_rules.key_url(url)
        assert (str(found.address), found.authority, found.target) == (address, authority, target)
        assert "?" not in str(found)


def test_the_whole_configuration_can_be_shown_and_loaded_again(tmp_path):
    (tmp_path / "htpasswd").write_text(f"ann:{HASH}\n")
    routes = (
        'auth = { basic = "htpasswd", realm = "r" }',
        'path = "/b", ' + JWT.format('claims = { a = { "b" }, c = 1, d = true }'),
    )
    text = TEXT.format(routes[0]) + 'route { to = "app", ' + routes[1] + " }"
    shown = run_rsp(tmp_path, "-T", "site.lua", text=text)
    assert shown.returncode == 0 and HASH not in shown.stdout and "htpasswd" in shown.stdout
    again = run_rsp(tmp_path, "-T", "site.lua", text=shown.stdout)
    assert again.stdout == shown.stdout, again.stderr
