"""Which origins CORS means; what mistakes in its keys, in fields for browsers and in buffering say."""

import pytest

from rsp.config.errors import ConfigError
from rsp.exchange.filters.cors import Origins
from tests.unforked import load

SITE = 'listen "0.0.0.0:8080"\nupstream "app" { "10.0.0.1:8000" }\n'


@pytest.mark.parametrize(
    ("origins", "yes", "no"),
    [
        (
            ("https://app.example.com", "HTTP://Localhost:3000", "null"),
            ("https://app.example.com", "http://localhost:3000", "null"),
            ("https://app.example.com:443", "http://app.example.com", "https://app.example.com.evil", "https://x", ""),
        ),
        (
            ("https://*.example.org", "https://*.example.net:8443"),
            ("https://a.example.org", "https://a.b-c.example.org", "https://a.example.net:8443"),
            (
                "https://example.org", "https://.example.org", "https://evilexample.org", "http://a.example.org",
                "https://a.example.org:8443", "https://evil.com/.example.org", "https://evil.com?.example.org",
                "https://evil.com#.example.org", "https://u@a.example.org", "https://a..example.org",
                "https://a.example.net", "https://A.example.org", "https://" + "a" * 300 + ".example.org",
            ),
        ),
        (("*",), ("https://x", "null", "anything"), ()),
    ],
)  # fmt: skip
def test_origins(origins, yes, no):
    meant = Origins(origins)
    for _ in range(2):  # what is remembered is the same
        for origin in yes:
            assert meant.have(origin.encode()), origin
        for origin in no:
            assert not meant.have(origin.encode()), origin


def test_what_is_remembered_of_patterns_is_bounded():
    meant = Origins(("https://*.example.org",))
    for number in range(3000):
        assert meant.have(b"https://a%d.example.org" % number)
        assert not meant.have(b"https://a%d.example.com" % number)


@pytest.fixture
def mistakes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def evaluate(text):
        (tmp_path / "site.lua").write_text(SITE + text)
        with pytest.raises(ConfigError) as caught:
            load("site.lua")
        return list(caught.value.messages)

    return evaluate


CORS = [
    ('origins = { "app.example.com" }', 'cors: origins: "app.example.com": expected a scheme as well; write "https://app.example.com"'),
    ('origins = { "https://a.example/" }', 'cors: origins: "https://a.example/": an origin takes no path; write '
                                           '"https://a.example"'),
    ('origins = { "https://a.example:443" }', 'browsers omit the default port; write "https://a.example"'),
    ('origins = { "*.example.com" }', 'write "https://*.example.com"'),
    ('origins = { "https://app*.example.com" }', 'expected a pattern such as "https://*.example.com"'),
    ('origins = { "http://localhost:*" }', "patterns are not supported for ports; list each port"),
    ('origins = { "https://a.example, https://b.example" }', "expected one origin; write a list of them"),
    ('origins = { "https://bücher.example" }', 'browsers send host names in ASCII: "https://xn--bcher-kva.example"'),
    ('origins = "https://a.example"', 'cors: origins: expected a list, got "https://a.example"; write { "https://a.example" }'),
    ('origins = {}', 'cors: origins: expected a list that is not empty'),
    ('origins = { "*" }, credentials = true', "every site could act on behalf of its visitors; list the origins"),
    ('origins = { "null" }, credentials = true', "every site could act on behalf of its visitors"),
    ('origins = { "*" }, methods = { "put" }', 'cors: methods: "put" is not a valid method name; write "PUT"'),
    ('origins = { "*" }, headers = { "X Y" }', 'cors: headers: "X Y" is not a valid field name'),
    ('origins = { "https://a.example" }, expose = { "*" }, credentials = true', "list the fields"),
    ('origins = { "*" }, allow_methods = { "PUT" }', 'unknown key "allow_methods" (in rsp: methods = { "PUT" })'),
    ('allow_origins = { "*" }', 'unknown key "allow_origins" (in rsp: origins = { "https://app.example.com" })'),
    ('origins = { "*" }, allowCredentials = true', "(in rsp: credentials = true)"),
]  # fmt: skip


@pytest.mark.parametrize(("cors", "said"), CORS)
def test_mistakes_in_cors(mistakes, cors, said):
    found = mistakes(f'route {{ to = "app", cors = {{ {cors} }} }}')
    assert any(said in message for message in found), found
    assert all(message.startswith("site.lua:3: route: cors: ") for message in found)


OTHERS = [
    ('route { to = "app", cors = { origins = { "*" } },\n response_headers = { set = { ["Access-Control-Allow-Origin"] = "*" } } }',
     'site.lua:4: route: response_headers: "cors" sets Access-Control-Allow-Origin; leave it out here'),
    ('route { to = "app", security_headers = { frame_options = "ALLOW-FROM https://a" } }',
     'security_headers: frame_options: expected "DENY", "SAMEORIGIN" or "", got "ALLOW-FROM https://a"; browsers '
     "ignore this value"),
    ('security_headers = { content_type_options = "sniff" }\nroute { to = "app" }',
     'site.lua:3: security_headers: content_type_options: expected "nosniff" or "", got "sniff"'),
    ('route { to = "app", security_headers = { frame_options = false } }', 'expected a string, got false; write frame_options = ""'),
    ('route { to = "app", security_headers = { hsts = "soon" } }', 'security_headers: hsts: expected true, a duration such as "30d"'),
    ('route { to = "app", security_headers = { csp = "x" } }', 'unknown key "csp" (in rsp: content_security_policy ='),
    ('route { to = "app", response_buffering = "64 elephants" }', 'response_buffering: expected a size such as "64KB" or "10MB"'),
    ('route { to = "app", response_buffering = -1 }', "response_buffering: expected a size"),
    ('route { redirect = "/x", request_buffering = true }', '"request_buffering" is for requests that go to a peer; "redirect" answers them here'),
    ('route { path = "/y", respond = { status = 410 }, response_buffering = true }', '"response_buffering" is for requests that go to a peer; "respond"'),
    ('ready = "readyz"\nroute { to = "app" }', 'site.lua:3: ready: expected a path that begins with "/", got "readyz"'),
    ('ready = "/ready?x"\nroute { to = "app" }', 'site.lua:3: ready: expected a path such as "/readyz", as clients send it, got "/ready?x"'),
    ('ready = "/a/../b"\nroute { to = "app" }', "ready: expected a path such as"),
    ('ready = "/"\nroute { to = "app" }', "ready: expected a path such as"),
    ('drain_delay = "soon"\nroute { to = "app" }', 'drain_delay: expected a duration such as "500ms"'),
    ('route { to = "app", limits = { temp = "1GB" } }', '"temp" cannot be set for a route'),
    ('proxy_request_buffering = true', "(in rsp: request_buffering = true in a route)"),
    ('access_control_allow_origin = "*"', '(in rsp: cors = { origins = { "https://app.example.com" } } in a route)'),
    ('cors = { origins = { "*" } }', 'unknown setting "cors" (it is a key of a route)'),
    ('x_frame_options = "DENY"', "(in rsp: security_headers = true, for all or in a route)"),
    ('shutdown_delay = "10s"', '(in rsp: drain_delay = "10s")'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), OTHERS)
def test_mistakes_in_other_keys(mistakes, text, said):
    found = mistakes(text)
    assert any(said in message for message in found), found


def test_what_is_right(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site.lua").write_text(
        SITE
        + 'ready = "/healthz/ready"\ndrain_delay = "10s"\nsecurity_headers = { hsts = { max_age = "730d", subdomains = true } }\n'
        'route { to = "app", request_buffering = true, response_buffering = "64MB" }\n'
        'route { path = "/a", to = "app", response_buffering = true, security_headers = false }\n'
        'route { path = "/b", to = "app", response_buffering = 1024, cors = { origins = { "capacitor://localhost", "http://[::1]:3000" },'
        ' methods = { "PUT" }, headers = { "*" }, credentials = true, max_age = 0 } }\n'
    )
    routes = load("site.lua").bundle.config.routes
    assert [route.held_bytes for route in routes] == [64 << 20, 64 << 20, 1024]
