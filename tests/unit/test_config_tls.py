"""TLS in a configuration: what contradicts itself is an error, what is hardly meant a warning; each with its line."""

import re
from pathlib import Path

import pytest

from rsp.config.dump import to_lua
from rsp.config.errors import ConfigError
from rsp.config.schema import Config
from rsp.lua.evaluate import evaluate

HEAD = 'listen "0.0.0.0:8443" { tls = true }\ncertificate "site.pem"\nupstream "app" { "127.0.0.1:1" }\n'
PLAIN = 'listen "0.0.0.0:8080"\nupstream "app" { "127.0.0.1:1" }\n'


@pytest.fixture
def config(tmp_path):
    """No file is read, so none has to be there."""

    def look(text: str) -> Config:
        path = tmp_path / "site.lua"
        path.write_text(text)
        return evaluate(str(path))[0]

    return look


def short(lines: tuple[str, ...]) -> list[str]:
    return [re.sub(r"^\S*site\.lua", "site.lua", line) for line in lines]


@pytest.fixture
def mistakes(config):
    def look(text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            config(text)
        return short(caught.value.messages)

    return look


ROUTE = 'route { host = "a.example", to = "app" '

# Behind HEAD, whose last line is 3.
WRONG = [
    ('tls = { ciphers = "modern",\n min = "1.2" }', 'site.lua:5: tls: ciphers = "modern" means TLS 1.3 only, which '
                                                    'contradicts min = "1.2"; leave one of them out'),
    ('tls = {\n ciphers = "nonsense" }', 'site.lua:5: tls: ciphers: "nonsense" has no cipher that OpenSSL knows; expected "intermediate", "modern", or a list'),
    ('tls = { ciphers = "intermediat" }', '(did you mean "intermediate"?)'),
    ('tls = { ciphers = "ALL:eNULL:aNULL" }', "which does not protect connections; append \":!aNULL:!eNULL\""),
    ('tls = { min = "1.1" }', 'tls: min: expected "1.2" or "1.3", got "1.1"'),
    ("tls = { min = 1.2 }", 'tls: min: expected "1.2" or "1.3", got 1.2; write "1.2"'),
    ('listen "0.0.0.0:80" { redirect = true }', 'site.lua:4: listen: redirect: expected "https", got true'),
    ('tls = { min_version = "1.2" }', 'tls: unknown key "min_version" (in rsp: min = "1.2")'),
    ('tls = { protocols = "TLSv1.2" }', 'unknown key "protocols" (in rsp: min = "1.2")'),
    ('tls = { cert = "x" }', 'unknown key "cert" (in rsp: certificate { "cert.pem", key = "key.pem" }, by itself'),
    ("tls = true", 'expected a table, got true; TLS is for a listener: write listen "0.0.0.0:443" { tls = true }'),
    ("hsts = 31536000", 'hsts: expected'), ("hsts = 31536000", '; write hsts = "31536000s"'),
    ('hsts = "a year"', 'site.lua:4: hsts: expected true, a duration such as "30d", or a table, got "a year"'),
    (ROUTE + ',\n hsts = "x" }', 'site.lua:5: route: hsts: expected true, a duration such as "30d", or a table, got "x"'),
    ("hsts = { preload = true }", "hsts: preload: the preload lists of browsers require subdomains = true and "
                                  'max_age = "365d" or more'),
    ('hsts = { preload = true, subdomains = true, max_age = "1d" }', "hsts: preload: the preload lists of browsers "
                                                                     "require"),
    ('hsts = { maxage = "1d" }', 'hsts: unknown key "maxage" (did you mean "max_age"?)'),
    ('listen "0.0.0.0:80" { tls = true,\n redirect = "https" }', 'site.lua:5: listen "0.0.0.0:80": redirect = "https" is for a listener without TLS, and this one has tls = true'),
    ('listen "0.0.0.0:80" { redirect = "http" }', 'redirect: expected "https", got "http" (did you mean "https"?)'),
    ('listen "0.0.0.0:80" { tls = "on" }', 'tls: expected true or false, got "on"; write true'),
    ('listen "0.0.0.0:80" { ssl = true }', 'unknown key "ssl" (in rsp: tls = true, and certificate { "cert.pem", key = "key.pem" }, by itself'),
    ('listen "0.0.0.0:80" { tls = { cert = "x" } }', "tls: expected true or false, got a table; write tls = true; settings for all listeners are tls"),
    ('listen "0.0.0.0:80" { tls = true, certificate = "x", key = "y" }', 'unknown key "certificate" (in rsp: tls = true, and certificate {'),
    ('listen "443 ssl"', 'write "443", and options as keys behind it: { "0.0.0.0:443", tls = true }'),
    ('listen "https://0.0.0.0:443"', 'write "0.0.0.0:443"; for TLS, say tls = true in the listener or the upstream'),
    ('certificate { "a.pem", "a.key" }', 'certificate: unexpected item [2]; write key = "..."'),
    ('certificate { key = "a.key" }', 'certificate: missing the file: certificate { "cert.pem", key = "key.pem" }'),
    ('certificate { cert = "a.pem", key = "a.key" }', 'certificate: unknown key "cert" (in rsp: certificate { "cert.pem", key = "key.pem" }, the file without a key)'),
    ('certificate { "a.pem", host = "a.example" }', 'unknown key "host" (rsp reads the names from the certificate)'),
    ('certificate { "a.pem", at = "b" }', 'certificate: unknown key "at"'),
    ('certificate = "x.pem"', '"certificate" is a function of the configuration and cannot be assigned; write  '
                              'certificate { "x.pem", key = "key.pem" }'),
    ('certificate ""', "certificate: file: expected a string that is not empty"),
    ("ssl_certificate = 'x'", 'unknown setting "ssl_certificate" (in rsp: certificate { "cert.pem", key = "key.pem" }, by itself'),
    ("ssl_protocols = 'TLSv1.2'", '(in rsp: tls = { min = "1.2", ciphers = "intermediate" })'),
    ("ssl_certificate('x')", "attempt to call global 'ssl_certificate' (a nil value) (in rsp: certificate {"),
    ("acme = true", "(rsp does not obtain certificates itself yet; use those of certbot: certificate {"),
    (ROUTE + ', client_crl = "x" }', 'site.lua:4: route: "client_crl" needs "client_ca", the file with the authorities of clients'),
    (ROUTE + ', client_verify = "required" }', 'route: "client_verify" needs "client_ca"'),
    (ROUTE + ', client_verify = "optional" }', 'route: "client_verify" needs "client_ca"'),
    (ROUTE + ', client_verify = true, client_ca = "x" }', 'client_verify: expected "required" or "optional", got true'),
    (ROUTE + ', ssl = true }', 'route: unknown key "ssl" (in rsp: listen "0.0.0.0:443" { tls = true } and certificate {'),
    (ROUTE + ', verify = true }', 'unknown key "verify" (in rsp: client_ca)'),
    ('upstream "x" { "h:1", tls = { key = "k" } }', 'site.lua:4: upstream "x": tls: "key" needs "certificate", rsp\'s own for these peers'),
    ('upstream "x" { "h:1", tls = { password = "k" } }', 'tls: "password" needs "certificate"'),
    ('upstream "x" { "h:1",\n tls = { name = "https://h:1/x" } }', 'site.lua:5: upstream "x": tls: name: expected a host name or an IP address, got "https://h:1/x"; write "h"'),
    ('upstream "x" { "h:1", tls = { name = "h:443" } }', 'got "h:443"; write "h"'),
    ('upstream "x" { "h:1", tls = { name = "*.example.com" } }', 'got "*.example.com"'),
    ('upstream "x" { "h:1", tls = { name = "a b" } }', 'got "a b"'),
    ('upstream "x" { "unix:/run/x", tls = true }', 'tls: "unix:/run/x" has no host name to verify; add the name in its certificate: tls = { name = "..." }'),
    ('upstream "x" { "h:1", tls = "yes" }', 'tls: expected true or false or a table, got "yes"; write true'),
    ('upstream "x" { "h:1", ssl = true }', 'unknown key "ssl" (in rsp: tls = true, or tls = { name = "...", ca = "ca.pem" })'),
    ('upstream "x" { { "h:1", tls = true } }', 'unknown key "tls" (in rsp: tls = true, or a table, in the upstream; '
                                               "it applies to all its peers)"),
    ('upstream "x" { "h:1", tls = { sni = "x" } }', 'tls: unknown key "sni" (in rsp: name = "...")'),
    ('upstream "x" { "h:1", tls = { insecure_skip_verify = true } }', 'unknown key "insecure_skip_verify" (in rsp: verify = false)'),
    ('upstream "x" { "https://h" }', 'write "h:443"; for TLS, say tls = true in the listener or the upstream'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), WRONG, ids=[text[:60] for text, _ in WRONG])
def test_what_is_wrong_is_named_with_what_to_write(mistakes, text, expected):
    found = mistakes(HEAD + text)
    assert any(expected in line for line in found), found
    assert all(line.startswith("site.lua:") for line in found)


def test_a_listener_without_a_certificate_is_an_error(mistakes):
    assert mistakes(PLAIN + 'listen "0.0.0.0:443" {\n tls = true }') == [
        'site.lua:4: listen "0.0.0.0:443": tls = true needs a certificate: add  certificate { "cert.pem", key = "key.pem" }'
    ]


def test_client_ca_needs_a_listener_with_tls(mistakes):
    assert mistakes(PLAIN + 'route { to = "app",\n client_ca = "ca.pem" }') == [
        'site.lua:4: route: "client_ca" requires a listener with TLS: add  listen "0.0.0.0:443" { tls = true }'
    ]


AGREE = "all routes of a host must have the same value, because the TLS handshake depends on it"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ('client_ca = "a"', 'client_ca = "b"', '5: route: client_ca = "b": the route of host "a.example" at {4} has client_ca = "a"'),
        ('client_ca = "a"', "", '5: route: missing client_ca: the route of host "a.example" at {4} has client_ca = "a"'),
        ("", 'client_ca = "a"', '4: route: missing client_ca: the route of host "a.example" at {5} has client_ca = "a"'),
        ('client_ca = "a", client_crl = "l"', 'client_ca = "a"', '5: route: missing client_crl: the route of host "a.example" at {4} has client_crl = "l"'),
        ('client_ca = "a", client_verify = "optional"', 'client_ca = "a"', '5: route: client_verify = "required": the route of host "a.example" at {4} has client_verify = "optional"'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("spelling", ["a.example", "A.Example."])
def test_routes_of_a_host_agree(mistakes, tmp_path, first, second, expected, spelling):
    text = f'route {{ host = "a.example", to = "app", {first} }}\nroute {{ host = "{spelling}", path = "/x", to = "app", {second} }}'
    expected = re.sub(r"\{(\d)\}", rf"{tmp_path}/site.lua:\1", expected)
    if expected.startswith("4") or not first:
        expected = expected.replace('"a.example"', '"a.example"')
    assert mistakes(HEAD + text) == [f"site.lua:{expected}; {AGREE}"]


def test_routes_for_every_host_agree_and_other_hosts_are_free(mistakes, config):
    text = 'route { path = "/x", to = "app" }\nroute { host = "*", to = "app", client_ca = "a" }'
    assert "the route of every host at" in mistakes(HEAD + text)[0]
    text = 'route { to = "app" }\nroute { host = "a.example", to = "app", client_ca = "a" }\nroute { host = "b.example", to = "app", client_ca = "b" }'
    assert config(HEAD + text).warnings == ()


def test_routes_of_listeners_without_tls_have_no_part_in_it(mistakes, config):
    plain = 'listen "h:81"\n'
    moved = 'route { listener = "h:81", redirect = "https://{host}{uri}" }\n'
    guarded = 'route { to = "app", client_ca = "a", request_headers = { set = { X = "{client_cert}" } } }'
    assert config(HEAD + plain + moved + guarded.replace("to", 'listener = "0.0.0.0:8443", to', 1)).warnings == ()
    assert AGREE in mistakes(HEAD + moved.replace('listener = "h:81"', 'path = "/x"') + guarded)[0]


LACKS = 'but no listener has tls = true: add  listen "0.0.0.0:443" { tls = true }'
WARNED = [
    (PLAIN + 'certificate "x"', [f'site.lua:3: warning: certificate "x": a certificate is declared, {LACKS}']),
    (PLAIN + "tls = { strict_sni = true }", [f"site.lua:3: warning: tls: TLS settings are given, {LACKS}"]),
    (PLAIN + "hsts = true", [f"site.lua:3: warning: hsts: it is sent over TLS only, {LACKS}"]),
    ('listen "0.0.0.0:80" {\n redirect = "https" } upstream "app" { "h:1" }', [f'site.lua:2: warning: listen "0.0.0.0:80": requests are redirected to https://, {LACKS}']),
    (HEAD + 'tls = { min = "1.3",\n ciphers = "ECDHE+AESGCM" }', ['site.lua:5: warning: tls: ciphers: a list is for TLS 1.2, which min = "1.3" excludes']),
    (HEAD + 'upstream "x" { "h:1",\n health = { tls = true } } route { to = "x" }', ['site.lua:5: warning: upstream "x": health: tls = true where the upstream has no tls: certificates of peers are not verified']),
    (HEAD + 'upstream "x" { "h:1",\n tls = { ca = "c", verify = false } } route { to = "x" }', ['site.lua:5: warning: upstream "x": tls: "ca" is not used with verify = false']),
    (HEAD + 'upstream "x" { "h:1", tls = { crl = "c", verify = false } } route { to = "x" }', ['site.lua:4: warning: upstream "x": tls: "crl" is not used with verify = false']),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), WARNED, ids=[expected[0][18:60] for _, expected in WARNED])
def test_what_is_hardly_meant_is_a_warning(config, text, expected):
    assert short(config(text).warnings) == expected


GOOD = [
    'tls = { ciphers = "modern" }', 'tls = { ciphers = "modern", min = "1.3" }', 'tls = { min = "1.2" }',
    'tls = { ciphers = "ECDHE+AESGCM" }', "hsts = true", 'hsts = "30d"', 'hsts = { max_age = "2d", subdomains = true }',
    'hsts = { max_age = "365d", subdomains = true, preload = true }', "hsts = { max_age = 0 }",
    'listen "0.0.0.0:80" { redirect = "https" }', 'listen "unix:/tmp/x" { tls = true }', 'listen "systemd:x" { tls = true }',
    'upstream "x" { "h:1", tls = true }', 'upstream "x" { "unix:/run/x", tls = { name = "x.example" } }',
    'upstream "x" { "unix:/run/x", tls = { verify = false } }', 'upstream "x" { "h:1", tls = { name = "::1" } }',
    'upstream "x" { "h:1", tls = { name = "10.0.0.1" } }', 'upstream "x" { "srv:_a._tcp.example", tls = true }',
    'upstream "x" { "h:1", tls = { crl = "x" } }', 'upstream "x" { "h:1", tls = true, health = { tls = false } }',
    'certificate { "b.pem", key = "b.key", password = "p" }', 'certificate "*.pem"', 'certificate "b.pem" { key = "b.key" }',
    ROUTE + ', client_ca = "a", client_crl = "b", client_verify = "optional", hsts = false }',
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_what_is_right_is_taken_without_a_word_and_printed_as_it_can_be_read(config, text):
    more = "" if text.startswith("route") else "\n" + ROUTE + "}"
    found = config(HEAD + text + more)
    assert found.warnings == ()

    again = config(to_lua(found))
    assert to_lua(again) == to_lua(found)
    assert (again.listeners, again.upstreams, again.routes) == (found.listeners, found.upstreams, found.routes)
    assert [one.file for one in again.certificates] == [one.file for one in found.certificates]


def test_routes_that_a_more_specific_host_cannot_satisfy(config):
    text = (
        'route { host = "a.example.com", path = "/x", to = "app" }\nroute { host = "b.example.com", to = "app" }\n'
        'route { host = "*.example.com", to = "app", client_ca = "a" }'
    )
    assert short(config(HEAD + text).warnings) == [
        'site.lua:6: warning: route: requests for "a.example.com" that its own routes do not match reach this route '
        "and get 421, because the handshake for that host does not require the certificate; give its routes the same "
        "client_ca"
    ]
    text = 'route { host = "c.example", path = "/x", to = "app" }\nroute { to = "app", client_ca = "a" }'
    assert len(config(HEAD + text).warnings) == 1
    text = (
        'route { host = "c.example", path = "/x", to = "app", client_ca = "a" }\nroute { to = "app", client_ca = "a" }'
    )
    assert config(HEAD + text).warnings == ()


def test_routes_with_several_hosts_agree_as_well(config, mistakes):
    text = (
        'route { host = { "a.example", "b.example" }, path = "/x", to = "app", client_ca = "a" }\n'
        'route { host = { "c.example", "B.example." }, to = "app" }'
    )
    assert (
        mistakes(HEAD + text)[0]
        .partition("site.lua:")[2]
        .startswith('5: route: missing client_ca: the route of host "b.example" at ')
    )
    text = (
        'route { host = "app.a.example", path = "/x", methods = { "GET" }, to = "app" }\n'
        'route { host = { "z.example", "app.*" }, to = "app", client_ca = "a" }'
    )
    assert 'requests for "app.a.example" that its own routes do not match' in config(HEAD + text).warnings[0]
    assert config(HEAD + text.replace('path = "/x", methods = { "GET" }', 'path = "/"')).warnings == ()
    assert config(HEAD + text.replace("app.a.example", "apps.a.example")).warnings == ()


def test_where_files_and_hosts_are_named(config, tmp_path):
    text = (
        'route { to = "app", host = "a.example",\n client_ca = "ca" }\n'
        'upstream "x" { "h:1",\n tls = {\n  ca = "ca", certificate = "c" } }'
    )
    assert {key: Path(place).name for key, place in config(HEAD + text).places.items()} == {
        "address 0.0.0.0:8443": "site.lua:1", "host a.example": "site.lua:4", "client_ca ca": "site.lua:5", "ca ca": "site.lua:8", "certificate c": "site.lua:8",
    }  # fmt: skip


def test_all_mistakes_are_found_at_once(mistakes):
    text = "\n".join(
        (
            'tls = { ciphers = "x" }',
            "hsts = { preload = true }",
            'listen "1.1.1.1:1" { tls = true, redirect = "https" }',
        )
    )
    assert [line.split(":")[1] for line in mistakes(HEAD + text)] == ["4", "5", "6"]
