"""Mistakes in forward authentication, splits, failover and mirrors: where, what, and what to write instead."""

import pytest

from tests.messages import messages

SITE = 'listen "127.0.0.1:8080"\nupstream "app" { "127.0.0.1:8000" }\nupstream "authelia" { "127.0.0.1:9091" }\n'


@pytest.fixture
def mistakes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def evaluate(text: str) -> list[str]:
        return messages(SITE + text)

    return evaluate


GOOD = [
    'route { to = "app", auth = { forward = "authelia" } }',
    'route { to = "app", auth = { forward = "authelia", path = "/verify?rd=https://portal.example/", copy = { "Remote-User", "Authorization", "X-Forwarded-User" }, style = "auth_request" } }',
    'route { split = { to = { app = 0, authelia = 1 } }, strip = true, path = "/x", failover = { to = "app" }, mirror = { to = "app" } }',
    'route { to = "app", failover = { to = "authelia", on = { 502, 404 } }, mirror = { to = "authelia", share = 0, body = "10MB" } }',
    'route { respond = { status = 410 }, mirror = { to = "app" }, on_request = function(req) return proxy("app") end }',
]


@pytest.mark.parametrize("text", GOOD)
def test_what_is_right(mistakes, text):
    assert mistakes(text) == [] or "on_request" in text


BAD = [
    # names of upstreams
    ('auth = { forward = "autelia" }', 'auth: forward = "autelia": no such upstream (did you mean "authelia"?)'),
    ('auth = { forward = "x" }', 'auth: forward = "x": no such upstream (declared: "app", "authelia")'),
    ('auth = { forward = "http://auth:9091/api/verify?rd=x" }',
     'expected the name of an upstream; write upstream "auth" { "auth:9091" } and auth = { forward = "auth", path = "/api/verify?rd=x" }'),
    ('auth = { forward = "https://id.example.com" }',
     'write upstream "auth" { "id.example.com:443", tls = true } and auth = { forward = "auth", path = "/" }'),
    ('failover = { to = "autelia" }', 'failover: to = "autelia": no such upstream (did you mean "authelia"?)'),
    ('failover = { to = "app" }', 'failover: to = "app": that is the upstream of the route; name another one'),
    ('failover = { to = "authelia", on = {} }', "failover: on: expected"),
    ('mirror = { to = "app" }', 'mirror: to = "app": that is the upstream of the route; name another one'),
    ('mirror = { to = "shadow" }', 'mirror: to = "shadow": no such upstream'),
    # forward
    ('auth = { basic = "f", copy = { "A" } }', 'auth: "copy" is for forward = "...", the upstream that is asked'),
    ('auth = { basic = "f", path = "/x", style = "auth_request" }', 'auth: "path" is for forward'),
    ('auth = { forward = "authelia", path = "/a b" }', 'auth: path: "/a b" is not allowed in a request'),
    ('auth = { forward = "authelia", path = "verify" }', 'auth: path: expected a path that begins with "/", got "verify"'),
    ('auth = { forward = "authelia", style = "nginx" }', 'auth: style: expected "forward" or "auth_request", got "nginx"'),
    ('auth = { forward = "authelia", copy = "Remote-User" }', 'auth: copy: expected a list, got "Remote-User"; write { "Remote-User" }'),
    ('auth = { forward = "authelia", copy = { "Remote User" } }', 'auth: copy: "Remote User" is not a valid field '
                                                                  "name"),
    ('auth = { forward = "authelia", copy = { "Remote-*" } }', '"*" is not a wildcard here; list each field'),
    ('auth = { forward = "authelia", copy = { "Set-Cookie" } }', '"Set-Cookie" reaches the client always'),
    ('auth = { forward = "authelia", copy = { "X-Forwarded-For" } }', '"X-Forwarded-For" is set by rsp itself'),
    ('auth = { forward = "authelia", copy = { "Content_Length" } }', '"Content_Length" is set by rsp itself'),
    ('auth = { forward = "authelia", copy = { "Host" } }', '"Host" is set by rsp itself'),
    ('auth = { forward = "authelia", copy = { "Remote-User", "remote_user" } }', 'backends treat "Remote-User" and "remote_user" as the same name'),
    # numbers
    ('mirror = { to = "authelia", share = 10 }', "mirror: share: expected a number of at most 1, got 10; write 0.1"),
    ('mirror = { to = "authelia", share = "10%" }', 'mirror: share: expected a number, got "10%"; write 0.1'),
    ('failover = { to = "authelia", on = 503 }', "failover: on: expected a list, got 503; write { 503 }"),
    ('failover = { to = "authelia", on = { 418 } }', "failover: on: expected 500, 502, 503, 504, 429, 404 or 403, got 418"),
    # shapes
    ('mirror = "shadow"', 'mirror: expected a table, got "shadow"; write mirror = { to = "shadow" }'),
    ('failover = "authelia"', 'failover: expected a table, got "authelia"; write failover = { to = "authelia" }'),
    # words of other programs
    ('auth = { forward = "authelia", authResponseHeaders = { "A" } }', 'unknown key "authResponseHeaders" (in rsp: copy = { "Remote-User" })'),
    ('auth = { forward = "authelia", copy_headers = { "A" } }', 'unknown key "copy_headers" (in rsp: copy = { "Remote-User" })'),
    ('auth = { address = "http://authelia" }', 'unknown key "address" (in rsp: forward = "authelia", the name of an upstream, and path = '),
    ('auth = { forward = "authelia", trustForwardHeader = true }', 'unknown key "trustForwardHeader" (in rsp: trusted = { "10.0.0.0/8" }, a setting)'),
    ('auth = { forward = "authelia", authRequestHeaders = { "A" } }', "(rsp sends the service all fields of the request)"),
    ('auth = { forward = "authelia", copi = { "A" } }', 'unknown key "copi" (did you mean "copy"?)'),
    ('mirror = { service = "authelia", percent = 10 }', 'unknown key "percent" (in rsp: share = 0.1)'),
    ('mirror = { to = "authelia", maxBodySize = 10 }', 'unknown key "maxBodySize" (in rsp: body = "1MB")'),
    ('failover = { fallback = "authelia" }', 'unknown key "fallback" (in rsp: to = "other", the name of an upstream)'),
    ('failover = { to = "authelia", status = { 502 } }', 'unknown key "status" (in rsp: on = { 502, 503 })'),
    ('forward_auth = { uri = "/x" }', 'unknown key "forward_auth" (in rsp: auth = { forward = "authelia", path = '),
    ('auth_request = "/auth"', 'unknown key "auth_request" (in rsp: auth = { forward = "auth", path = "/verify", style = "auth_request" }'),
    ('mirroring = true', 'unknown key "mirroring" (in rsp: mirror = { to = "shadow", share = 0.1 } in a route)'),
    ('fallback = "x"', 'another upstream is else_to = "x" beside files, or failover = { to = "x" }'),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "said"), BAD)
def test_what_is_wrong(mistakes, keys, said):
    found = mistakes(f'route {{\n to = "app",\n {keys} }}')
    assert any(said in line for line in found), found
    assert all(line.startswith("s.lua:6: route: ") for line in found), found


SPLITS = [
    ('split = { a = 90, b = 10 }', 'unknown key "a" (in rsp: to = { a = 90, ... }, upstreams and their weights)'),
    ('split = { to = { ap = 1 } }', 'split: to: "ap": no such upstream (did you mean "app"?)'),
    ('split = { to = { app = 0, authelia = 0 } }', "split: to: every weight is 0; at least one upstream must have requests"),
    ('split = { to = {} }', 'split: to: expected a table that is not empty'),
    ('split = { sticky = true }', 'split: missing "to"'),
    ('split = { to = "app" }', 'split: to: expected a table, got "app"; write to = { app = 1 }'),
    ('split = { to = { "app", "authelia" } }', "got a list; write to = { app = 1, authelia = 1 }"),
    ('split = { to = { app = 0.9 } }', "app: expected a whole number, got 0.9; shares are whole numbers, as in"),
    ('split = { to = { app = 1, authelia = -1 } }', "authelia: expected a whole number of at least 0, got -1"),
    ('split = { to = { app = 1, authelia = "2" } }', 'authelia: expected a whole number, got "2"'),
    ('split = { to = { app = -1 } }', "at least 0, got -1"),
    ('split = { to = { app = "90%" } }', "expected a whole number"),
    ('split = { to = { app = 1 }, stiky = true }', 'unknown key "stiky" (did you mean "sticky"?)'),
    ('split_clients = { a = 1 }', 'unknown key "split_clients" (in rsp: split = { to = { blue = 90, green = 10 } } in a route)'),
    ('to = "app", split = { to = { app = 1 } }', '"to" and "split" cannot be used together'),
    ('redirect = "/x", mirror = { to = "app" }, path = "/y"', '"mirror" is for requests that go to a peer; "redirect" answers them here'),
    ('respond = { status = 410 }, failover = { to = "app" }', '"failover" is for requests that go to a peer; "respond" answers them here'),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "said"), SPLITS)
def test_what_is_wrong_with_a_split(mistakes, keys, said):
    found = mistakes(f"route {{ {keys} }}")
    assert any(said in line for line in found), found
    assert len(found) == (2 if "{ a = 90, b" in keys else 1), found
    assert all(line.startswith("s.lua:4: route: ") for line in found), found


def test_the_line_of_a_name(mistakes):
    text = 'route {\n to = "app", auth = {\n  forward = "authelia",\n  copy = {\n   "Remote-User",\n   "Host" } } }'
    (found,) = mistakes(text)
    assert found.startswith("s.lua:9: ")


@pytest.mark.parametrize(
    "key",
    ["mirror = { share = 0.1 }", "failover = { on = { 502 } }", "concurrency = { max = 0 }", "rate_limit = { rate = 5 }",
     'cors = { origins = "*" }', "auth = { jwt = { jwks = 5 } }"],
)  # fmt: skip
def test_a_required_key_that_is_wrong_is_named_once(mistakes, key):
    found = mistakes(f'route {{ to = "app", {key} }}')
    assert len(found) == 1, found
