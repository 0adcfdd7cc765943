"""What a configuration may say of the requests that a route is for, and what is said of its mistakes."""

import pytest

from rsp.config.dump import to_lua
from rsp.config.errors import ConfigError
from rsp.config.route_names import label, route_names
from rsp.lua.evaluate import evaluate

SITE = 'listen "0.0.0.0:8080"\nupstream "app" { "10.0.0.1:8000" }\n'


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def made(text):
        (tmp_path / "site.lua").write_text(SITE + text)
        return evaluate("site.lua")[0]

    return made


MISTAKES = [
    # hosts
    ('host = { "a.test", "b.test:80" }', 'host = "b.test:80": ports are not compared; write host = "b.test"'),
    ('host = "a.test, *.b.test"', 'write several names as a list: write host = { "a.test", "*.b.test" }'),
    ('host = "app*"', 'expected a name, "*.example.com" or "app.*"'),
    ('host = "*.app.*"', 'expected a name such as "example.com", "*.example.com" or "app.*"'),
    ('host = "~^app"', 'hosts are not regular expressions; use "*.example.com" or "app.*"'),
    # paths
    ('exact = "/x", regex = "^/y"', '"exact" and "regex" cannot be used together'),
    ('exact = "/x", path = "/y"', '"exact" and "path" cannot be used together; leave one of them out'),
    ('regex = "^/x", path = "/y"', '"regex" and "path" cannot be used together'),
    ('exact = "healthz"', 'exact: expected a path that begins with "/"'),
    ('exact = "/x?y=1"', 'the part from "?" on is not part of the path; write query = { ... }'),
    ('exact = "/x/*"', '"*" is not a wildcard here'),
    ('exact = "/a//b"', 'it matches no request; clients send "/a/b"'),
    ('exact = { "/a", "/b" }', "a route has a single exact; use a loop: for _, exact in ipairs"),
    ('regex = "^/x", first = true', '"first" is for "path", which takes precedence over regular expressions, not for '
                                    '"regex"'),
    ('exact = "/x", slash = "redirect"', '"slash" is for "path"'),
    ('slash = "redirect"', 'slash: the path "/" ends with a slash already'),
    ('path = "/x", slash = true', 'slash: expected "redirect", got true'),
    ('exact = "/x", strip = true', '"strip" removes "path", which does not exist with "exact"'),
    # regular expressions
    *(
        (f'regex = "^/x(", {beside}', 'regex = "^/x(": missing ): ^/x(')
        for beside in (
            'rate_limit = { rate = "5/s" }', "concurrency = { max = 5 }", 'bandwidth = { down = "1MB", key = "{client}" }',
            'rewrite = "/{1}"', 'request_headers = { set = { A = "{1}" } }', "maintenance = true",
        )
    ),
    ('regex = "^/x("', 'regex = "^/x(": missing ): ^/x('),
    ('regex = "^/(?!admin)"', "RE2 has no lookahead and no lookbehind: declare a route for the other paths before "
                              "this one"),
    (r'regex = [[^/(a)\1$]]', "RE2 has no back-references"),
    ('regex = "^/x{1000}y{1000}"', "the pattern is too large"),
    ('regex = "' + "a" * 5000 + '"', "the pattern is longer than 4096 bytes"),
    ('regex = "~* [.]php$"', '"~*" is nginx syntax; write regex = "(?i)[.]php$"'),
    ('regex = "~ ^/x"', '"~" is nginx syntax; write regex = "^/x"'),
    ('regex = "^~ /x"', '"^~" is nginx syntax; write path = "/x", first = true'),
    ('regex = "= /x"', '"=" is nginx syntax; write exact = "/x"'),
    ('regex = "/api/*"', '"/*" matches any number of slashes in a regular expression; write path = "/api"'),
    ('regex = "^users"', 'it matches no path that begins with "users"; paths begin with "/"'),
    ('regex = "^https?://x"', 'it matches no path that begins with "http"'),
    (r'regex = [[^/x\?y=1]]', "the query is not part of the path; write query"),
    ("regex = 5", 'regex: expected a string, got 5; write "5"'),
    # conditions
    ('methods = "GET"', 'methods: expected a list, got "GET"; write { "GET" }'),
    ('methods = { "get" }', 'methods are case-sensitive; write "GET"'),
    ('methods = { "GET, POST" }', 'list each value separately: write { "GET", "POST" }'),
    ('methods = { "*" }', 'for every method, leave "methods" out'),
    ('methods = { "CONNECT" }', "rsp answers it with 405"),
    ('methods = { "GET /" }', "methods: "),
    ('headers = { "X-Beta: 1" }', 'expected a table with named keys, got a list; write { ["X-Beta"] = "1" }'),
    ('headers = { ["X-Beta"] = 1 }', 'headers: expected true or false or a string or a table or a list, got a whole number; write ["X-Beta"] = "1"'),
    ('headers = { Host = "a.test" }', 'headers: "Host": write host = "a.test"'),
    ('headers = { Connection = true }', "rsp removes this field before a route is chosen"),
    ('headers = { ["X Beta"] = "1" }', 'headers: "X Beta" is not a valid field name'),
    ('headers = { ["X-Beta"] = " 1" }', "a value cannot begin or end with a space"),
    ('query = "v=2"', 'write { v = "2" }'),
    ('query = { v = 2 }', 'query: expected true or false or a string or a table or a list, got a whole number; write ["v"] = "2"'),
    ('query = { ["a=b"] = true }', 'expected the name of a parameter, as in { v = "2" }'),
    ('query = { v = "a%20b" }', 'parameters are compared decoded; write "a b"'),
    ('client = "10.0.0.0/8"', 'client: expected a list, got "10.0.0.0/8"; write { "10.0.0.0/8" }'),
    ('client = { "10.0.0.1/8" }', 'expected a network such as "10.0.0.0/8"'),
    ('listener = "8081"', 'listener = "8081": there is no such listen; declared: "0.0.0.0:8080"'),
    ('listener = { "8080", "127.0.0.1" }', 'listener: "127.0.0.1": expected "host:port"'),
    ('listener = {}', "listener: expected a list that is not empty"),
    # a list that is computed, and empty: without it the route would be for all
    ("host = {}", "route: host: expected a list that is not empty"),
    ("methods = {}", "route: methods: expected a list that is not empty"),
    ("client = {}", "route: client: expected a list that is not empty"),
    # words of other programs
    ('hosts = { "a.test" }', 'unknown key "hosts" (in rsp: host = { "example.com", "*.example.com", "app.*" })'),
    ('method = "GET"', 'in rsp: methods = { "GET", "POST" }; GET includes HEAD'),
    ('path_regexp = "^/x"', 'in rsp: regex = "^/users/([0-9]+)$"'),
    ('remote_ip = "10.0.0.1"', 'in rsp: client = { "10.0.0.0/8" }'),
    ('priority = 10', "the order is: exact, regex as declared, the longest path"),
    ('query_params = { v = "2" }', 'in rsp: query = { v = "2" }'),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "said"), MISTAKES, ids=[keys[:40] for keys, _ in MISTAKES])
def test_mistakes_say_what_to_write(config, keys, said):
    with pytest.raises(ConfigError) as caught:
        config(f'route {{ to = "app", {keys} }}')
    assert len(caught.value.messages) == 1
    assert caught.value.messages[0].startswith("site.lua:3: route: ")
    assert said in caught.value.messages[0]


SHADOWED = [
    ('{ host = { "a", "b" }, to = "app" }', '{ host = { "b", "a" }, to = "app" }', "this route is declared twice (first at site.lua:3)"),
    ('{ methods = { "GET", "PUT" }, to = "app" }', '{ methods = { "PUT", "GET" }, to = "app" }', "this route is declared twice (first at site.lua:3)"),
    ('{ path = "/x", to = "app" }', '{ path = "/x", methods = { "GET" }, to = "app" }',
     "route: no request can match this route: the route at site.lua:3 matches all its requests; declare this one "
     "before it"),
    ('{ host = { "a", "b" }, to = "app" }', '{ host = "b", to = "app" }', "route: no request can match this route: "
                                                                          "the route at site.lua:3 matches all its "
                                                                          "requests"),
    ('{ exact = "/x", to = "app" }', '{ exact = "/x", to = "app", name = "other" }', "this route is declared twice"),
    ('{ regex = "^/x", to = "app" }', '{ regex = "^/x", query = { v = true }, to = "app" }', "declare this one before it"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "said"), SHADOWED)
def test_a_route_that_no_request_comes_to_is_a_mistake(config, first, second, said):
    with pytest.raises(ConfigError) as caught:
        config(f"route {first}\nroute {second}")
    assert caught.value.messages[0].startswith("site.lua:4: ")
    assert said in caught.value.messages[0]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('{ path = "/x", methods = { "GET" }, to = "app" }', '{ path = "/x", to = "app" }'),
        ('{ host = "b", to = "app" }', '{ host = { "a", "b" }, to = "app" }'),
        ('{ exact = "/x", to = "app" }', '{ path = "/x", to = "app" }'),
        ('{ path = "/x", query = { v = "1" }, to = "app" }', '{ path = "/x", query = { v = "2" }, to = "app" }'),
        ('{ methods = { "GET" }, path = "/x", redirect = "/x" }', '{ to = "app" }'),
        ('{ exact = "/x", redirect = "/x/y" }', '{ to = "app" }'),
        ('{ listener = "8080", to = "app" }', '{ to = "app" }'),
    ],
)
def test_routes_that_share_a_path(config, first, second):
    assert len(config(f"route {first}\nroute {second}").routes) == 2


@pytest.mark.parametrize(
    "route",
    [
        '{ exact = "/x", redirect = "/x" }',
        '{ regex = "^/x", redirect = "/xy" }',
        '{ path = "/caf%C3%A9", redirect = "/caf%C3%A9/x" }',
    ],
)
def test_a_redirect_to_itself(config, route):
    with pytest.raises(ConfigError, match="matches this route as well, so clients are redirected in a loop"):
        config(f"route {route}")


def test_a_route_for_a_listener_that_redirects_is_a_mistake(config):
    text = 'listen "0.0.0.0:8443" { tls = true }\nlisten "0.0.0.0:80" { redirect = "https" }\n'
    with pytest.raises(ConfigError, match=r'listener = "80": that listener redirects all its requests'):
        config(f'{text}route {{ listener = "80", to = "app" }}')


EVERYTHING = """
route { host = { "a.test", "*.b.test", "app.*" }, path = "/api", methods = { "GET" }, headers = { ["X-Beta"] = "1", Upgrade = true },
        query = { v = "2", old = false }, client = { "10.0.0.0/8" }, listener = { "8080" }, to = "app" }
route { exact = "/healthz", to = "app", headers = { A = { "x", "y" }, B = { regex = [[^a\\.b]], except = { suffix = { "1", "2" } } } },
        cookies = { c = { except = "1" } } }
route { regex = [[^/users/(?P<id>[0-9]+)\\.json$]], to = "app" }
route { path = "/docs", slash = "redirect", first = true, to = "app" }
route { host = "a.test", path = "/api", to = "app" }
"""  # fmt: skip


def test_a_dump_can_be_loaded_again(config, tmp_path):
    one = config(EVERYTHING)
    (tmp_path / "again.lua").write_text(to_lua(one))
    assert evaluate("again.lua")[0].routes == one.routes


def test_names_and_labels(config):
    one = config(EVERYTHING)
    assert route_names(one) == ["a.test+2/api", "/healthz", r"^/users/(?P<id>[0-9]+)\.json$", "/docs", "a.test/api"]
    assert list(map(label, one.routes)) == [
        "a.test and 2 more /api", "any host exact /healthz", r"any host regex ^/users/(?P<id>[0-9]+)\.json$", "any host /docs", "a.test /api",
    ]  # fmt: skip
