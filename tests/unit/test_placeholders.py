"""Placeholders: what is one, what is text, where each may be, and what may come out of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.config.errors import ConfigError
from rsp.config.placeholders import IN_FIELDS, IN_KEYS, IN_PAGES, Template, names, unknown
from rsp.config.routes import Route
from rsp.config.schema import Page
from rsp.exchange.answers import Pages
from rsp.exchange.handlers.fixed import Location, escape_for
from rsp.exchange.subject import Subject
from rsp.exchange.told import told
from rsp.http.h1.codec import parse_request
from rsp.lua.evaluate import evaluate


class Request:
    """``more``: what other placeholders stand for."""

    def __init__(self, target: bytes = b"/a/b?x=1", authority: bytes = b"shop.test:8080", **more: bytes) -> None:
        path, _, query = target.partition(b"?")
        self._values = {
            "client": b"192.0.2.1", "host": authority.partition(b":")[0], "authority": authority, "scheme": b"http",
            "request_id": b"id-1", "upstream": b"app", "path": path, "query": query, "uri": target,
        }  # fmt: skip
        self._values |= {name.replace("__", "."): value for name, value in more.items()}
        self._values |= {f"capture.{name}": value for name, value in more.items()}

    def placeholder(self, name: str) -> bytes:
        return self._values.get(name, b"")


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain", b"plain"),
        ("", b""),
        ("{client}", b"192.0.2.1"),
        ("for={client};host={host};by={upstream}", b"for=192.0.2.1;host=shop.test;by=app"),
        ("{client}{client}", b"192.0.2.1192.0.2.1"),
        ("{path} {query} {uri}", b"/a/b x=1 /a/b?x=1"),
        ("{header.X-Beta}{header.x-beta}{HEADER.x}", b"11{HEADER.x}"),
        ("{cookie.Id}{cookie.id}", b"7"),
        ("{tls.sni} {sni}", b"name.test name.test"),
        ("{{client}}", b"{client}"),
        ("{{client}}{client}", b"{client}192.0.2.1"),
        ("{{{client}}}", b"{{client}}"),
        ("{{anything.else-1_2}}", b"{anything.else-1_2}"),
        ('{"group":"default"} { } {} {a b} {a:b}', b'{"group":"default"} { } {} {a b} {a:b}'),
        ("{client", b"{client"),
        ("client}", b"client}"),
        ("{ client }", b"{ client }"),
        ("\u00e4{host}", "\u00e4shop.test".encode()),
        ("{h\u00f6st}", "{h\u00f6st}".encode()),
    ],
)
def test_what_is_a_placeholder(text, filled):
    request = Request(header__x__beta=b"", sni=b"name.test", cookie__Id=b"7")
    request._values["header.x-beta"] = b"1"
    assert Template(text, IN_FIELDS).fill(request) == filled
    assert not [wrong for wrong in unknown(text, IN_FIELDS) if "HEADER" not in wrong]


def test_what_is_put_in_has_no_line_breaks():
    class Evil:
        def placeholder(self, name: str) -> bytes:
            return b"a\r\nX-Evil: 1\0"

    assert Template("{client}", IN_FIELDS).fill(Evil()) == b"aX-Evil: 1"
    assert Template("{client}", IN_FIELDS).fill_some(Evil()) == b"aX-Evil: 1"
    for to in ("/{header.x}", "/x?{query}", "/x?a={uri}", "https://{host}{path}", "/{cookie.x}#{client}", "/x"):
        made = Location(to).fill(Evil())
        assert b"\r" not in made and b"\n" not in made and b"\0" not in made


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("{header.x}", False),
        ("Bearer {cookie.token}", False),
        ("{client} {header.x}", False),
        ("{client}", True),
        ("{header.x} {upstream}", True),
        ("", True),
    ],
)
def test_a_field_is_left_out_where_nothing_is_there_for_it(text, kept):
    assert (Template(text + "!", IN_FIELDS).fill_some(Request()) != b"") == kept


def test_groups_are_known_where_the_route_has_them():
    known = IN_KEYS.of(Route(regex="^/u/([0-9]+)/(?P<name>[a-z]+)$"))
    assert list(unknown("{1}{2}{name}", known)) == []
    assert Template("{1}-{name}-{2}", known).fill(Request(**{"1": b"7", "2": b"x", "name": b"x"})) == b"7-x-x"
    known = IN_KEYS.of(Route(regex="^/(?P<path>.*)$"))
    assert Template("{path} {uri}", known).fill(Request(capture__path=b"group")) == b"group /a/b?x=1", (
        "a group goes first"
    )
    assert IN_KEYS.of(Route()) is IN_KEYS
    assert "header." not in IN_KEYS and "header.a" in IN_KEYS and "1" not in IN_KEYS and "peer" not in IN_KEYS


@pytest.mark.parametrize(
    ("to", "target", "location"),
    [
        ("/x/", b"/old", b"/x/"),
        ("/x/", b"/old?a=1&b=2", b"/x/?a=1&b=2"),
        ("/x/?", b"/old?a=1", b"/x/?"),
        ("/x/?c=3", b"/old?a=1", b"/x/?c=3"),
        ("/x/#part", b"/old?a=1", b"/x/?a=1#part"),
        ("/x/#a?b", b"/old?a=1", b"/x/?a=1#a?b"),
        ("https://new.test{path}", b"/old?a=1", b"https://new.test/old?a=1"),
        ("https://new.test{uri}", b"/old?a=1", b"https://new.test/old?a=1"),
        ("https://new.test{uri}", b"/old", b"https://new.test/old"),
        ("https://new.test{path}?c=3", b"/old?a=1", b"https://new.test/old?c=3"),
        ("https://new.test{path}?c=3&{query}", b"/old?a=1", b"https://new.test/old?c=3&a=1"),
        ("https://new.test{path}?c=3&{query}", b"/old", b"https://new.test/old?c=3"),
        ("/x?from={path}&{query}", b"/old?a=1", b"/x?from=/old&a=1"),
        ("/login?next={uri}", b"/old?a=1&b=%2F", b"/login?next=/old%3Fa%3D1%26b%3D%252F"),
        ("/login?next={path}", b"/old?a=1", b"/login?next=/old"),
        ("/login?q={query}", b"/old?a=1&b", b"/login?q=a%3D1%26b"),
        ("/x?{query}", b"/old?a=1", b"/x?a=1"),
        ("/x?{query}", b"/old", b"/x"),
        ("/app#{uri}", b"/old?a=1", b"/app#/old%3Fa%3D1"),
        ("https://{host}{path}", b"/old?a=1", b"https://shop.test/old?a=1"),
        ("http://{authority}{path}", b"/old", b"http://shop.test:8080/old"),
        ("{scheme}://{{host}}/", b"/old", b"http://{host}/"),
        ("{scheme}://{host}/", b"/old", b"http://shop.test/"),
        ("{path}", b"//evil.test/x?a=1", b"/evil.test/x?a=1"),
        ("{path}", b"/\\evil.test", b"/evil.test"),
        ("{path}", b"//\\/evil.test", b"/evil.test"),
        ("{uri}", b"//evil.test?a=1", b"/evil.test?a=1"),
        ("/{path}", b"/evil.test", b"/evil.test"),
        ("//cdn.test{path}", b"/x", b"//cdn.test/x"),
        ("/sub{path}", b"//evil.test", b"/sub//evil.test"),
        ('/x{path}', b'/<a"b>{c}|[d]%41%zz%\\', b"/x/%3Ca%22b%3E%7Bc%7D|[d]%41%25zz%25%5C"),
    ],
)  # fmt: skip
def test_where_a_redirect_leads(to, target, location):
    assert Location(to).fill(Request(target)) == location


EVIL = b"a/../b c?d=1&e#f%41\\\xe4:@"


@pytest.mark.parametrize(
    ("to", "value", "location"),
    [
        # a text stays one segment, one argument, one fragment
        ("/x/{header.a}/y", EVIL, b"/x/a%2F..%2Fb%20c%3Fd=1&e%23f%2541%5C%E4:@/y"),
        ("/x?v={header.a}&w=1", EVIL, b"/x?v=a/../b%20c%3Fd%3D1%26e%23f%2541%5C%E4%3A%40&w=1"),
        ("/x#{header.a}", EVIL, b"/x#a/../b%20c%3Fd%3D1%26e%23f%2541%5C%E4%3A%40"),
        ("https://{header.a}.test/", b"a.b/c@d:1\\", b"https://a.b%2Fc%40d%3A1%5C.test/"),
        ("/{header.a}", b"/evil.test", b"/%2Fevil.test"),
        # a group is some of a path
        ("/x/{1}", b"a/b%2Fc", b"/x/a/b%2Fc"),
        ("/{1}", b"/evil.test", b"/evil.test"),
        ("https://new.test{1}", b"/a/b", b"https://new.test/a/b"),
        ("https://new.test{1}", b".evil.test", b"https://new.test/.evil.test"),
        ("https://new.test{1}/x", b"@evil.test", b"https://new.test/@evil.test/x"),
        ("https://new.test:8443{1}", b"1@evil.test", b"https://new.test:8443/1@evil.test"),
        ("https://{1}.test/", b"a/b", b"https://a%2Fb.test/"),
        ("https://x-{1}.test/", b"a@b", b"https://x-a%40b.test/"),
        ("/x?v={1}", b"a&b=/c", b"/x?v=a%26b%3D/c"),
    ],
)
def test_a_value_stays_where_it_is_put(to, value, location):
    request = Request(b"/old", **{"header__a": value, "1": value})
    assert Location(to, IN_KEYS.of(Route(regex="(.*)"))).fill(request) == location


@pytest.mark.parametrize(
    ("media", "made"),
    [
        ("text/plain", b"<b>\"'&\\"),
        ("text/html; charset=utf-8", b"&lt;b&gt;&quot;&#x27;&amp;\\"),
        ("application/xhtml+xml", b"&lt;b&gt;&quot;&#x27;&amp;\\"),
        ("Application/Problem+JSON", b"<b>\\\"'&\\\\"),
    ],
)
def test_values_are_text_in_a_body_of_any_type(media, made):
    template = Template("[{header.a}]", IN_KEYS, escape_for(media))
    assert template.fill(Request(header__a=b"<b>\"'&\\")) == b"[" + made + b"]"


def test_other_braces_of_a_page_are_text():
    body = "<style>p{color:red} a{b}</style>${x} {{status}} {status} {request_id}"
    pages = Pages((Page(status=404, body=body),))
    filled = pages.error(404, "", b"id-1", None)[3]
    assert filled == b"<style>p{color:red} a{b}</style>${x} {status} 404 id-1"
    assert Template("{client}", IN_PAGES).names == frozenset()


ROUTE = 'listen "127.0.0.1:1"\nupstream "app" {{ "127.0.0.1:2" }}\nroute {{ {route} }}\n'
WRONG = {
    'to = "app", request_headers = { set = { ["X-A"] = "{clent}" } }':
        'request_headers: set: X-A: unknown placeholder "{clent}" (did you mean "client"?); known: {client}, {host}',
    'to = "app", request_headers = { add = { ["X-A"] = "{nonce}" } }': "as text: {{nonce}}",
    'to = "app", response_headers = { set = { ["X-A"] = "{pth}" } }':
        'response_headers: set: X-A: unknown placeholder "{pth}" (did you mean "path"?)',
    'to = "app", response_headers = { set = { ["X-A"] = "{header.}" } }': 'unknown placeholder "{header.}"',
    'to = "app", response_headers = { set = { ["X-A"] = "{headers.x_a}" } }': '"{headers.x_a}" (in rsp: {header.x-a})',
    'to = "app", response_headers = { set = { ["X-A"] = "{http.request.host}" } }': "(in rsp: {host})",
    'to = "app", response_headers = { set = { ["X-A"] = "{tls.snii}" } }': '(did you mean "tls.sni"?)',
    'to = "app", request_headers = { set = { ["X-A"] = "$http_x_beta" } }': '"$http_x_beta" is sent literally; use a '
                                                                            "placeholder: write {header.x-beta}",
    'to = "app", request_headers = { set = { ["X-A"] = "${cookie_id}" } }': '"${cookie_id}" is sent literally; use a '
                                                                            "placeholder: write {cookie.id}",
    'to = "app", request_headers = { set = { ["X-A"] = "%[req.hdr(X-Beta)]" } }': "write {header.X-Beta}",
    'to = "app", request_headers = { set = { ["X-A"] = "{1}" } }': 'unknown placeholder "{1}": the route\'s "regex" '
                                                                   "has no group",
    'regex = "^/(a)$", to = "app", request_headers = { set = { ["X-A"] = "{2}" } }': 'unknown placeholder "{2}": the last group of "regex" is {1}',
    'regex = "^/(?P<user>a)$", to = "app", rewrite = "/{usr}"': 'rewrite: unknown placeholder "{usr}" (did you mean "user"?)',
    'regex = "^/(a)$", to = "app", rewrite = "/$1"': 'rewrite: "$1" is sent literally; write {1}',
    'regex = "^/(a)$", redirect = "/b/${1}"': 'redirect: "${1}" is sent literally; write {1}',
    'path = "/a", to = "app", rewrite = "/b/$1"': 'rewrite: "$1" is sent literally; a group is {1}, and needs '
                                                  '"regex" in the place of "path"',
    'path = "/a", redirect = "/b${path}"': 'redirect: "${path}" has a "$" before the value; write {path}',
    'path = "/a", to = "app", access_log = { format = "{client} {1}" }': 'there is no field "1" (the route\'s "regex" '
                                                                         "must have this group)",
    'regex = "^/(?P<user>a)$", to = "app", access_log = { format = "{client} {usr}" }': 'there is no field "usr" (did you mean "user"?)',
    'path = "/a", to = "app", proxy_redirect = "off"': '"proxy_redirect" (in rsp: rewrite_location = true in a route with strip)',
    'path = "/a", to = "app", replace_path_regex = "x"': '(in rsp: regex = "^/old/(.*)$", rewrite = "/new/{1}" in a route)',
    'respond = { headers = { ["X-A"] = "{x}" } }': "respond: headers: X-A: unknown placeholder",
    'respond = { headers = { ["X-A"] = "{peer}" } }': 'placeholder "{peer}" is not available here: no peer is chosen '
                                                      "yet",
    'respond = { body = "a {clint} b" }': 'respond: body: unknown placeholder "{clint}" (did you mean "client"?)',
    'redirect = "https://{hst}/"': 'redirect: unknown placeholder "{hst}" (did you mean "host"?)',
    'redirect = "/{upstream}"': 'redirect: placeholder "{upstream}" is not available here: no upstream is chosen yet',
    'redirect = "{host}/x"': 'redirect: "{host}/x" would be a path relative to that of the request; write '
                             '"https://{host}/x"',
    'redirect = "{header.x}"': 'write "https://{header.x}", or "/{header.x}"',
    'redirect = "https://a.test{uri}?b=1"': "redirect: {uri} has the query of the request already; write "
                                            "{path}?b=1&{query}",
    'to = "app", rewrite = "/x/{peer}"': 'rewrite: placeholder "{peer}" is not available here',
    'to = "app", rewrite = "x"': 'rewrite: expected a path, which begins with "/", got "x"',
    'to = "app", rewrite = "{host}/x"': 'rewrite: expected a path, which begins with "/"',
    'to = "app", rewrite = "/a/../b"': 'rewrite: "/a/../b" has a segment ".."; write the path that it leads to',
    'to = "app", rewrite = "/a b"': 'rewrite: "/a b" is not allowed in a request',
    'to = "app", rewrite = "/a$uri"': 'rewrite: "$uri" is sent literally; write {path}',
    'to = "app", rewrite_location = true': '"rewrite_location" maps back what "strip" or "rewrite" has changed',
    'to = "app", rewrite = "/{header.x}", rewrite_location = true': '"rewrite_location" is for "strip"',
    'exact = "/a", to = "app", rewrite = "/b", rewrite_location = true': '"rewrite_location" is for "strip"',
    'path = "/x", redirect = "/y", rewrite_location = true': '"rewrite_location" is for requests that go to a peer',
    'to = "app", request_headers = { set = { Host = "{client}" } }': "request_headers: set: Host: unknown placeholder",
    'to = "app", request_headers = { set = { Host = "a b" } }': "request_headers: set: Host: expected a host name",
    'to = "app", request_headers = { remove = { "host" } }': 'request_headers: remove: a request has one Host; it can be',
    'to = "app", request_headers = { add = { Host = "x" } }': 'request_headers: add: a request has one Host; it can be',
    'to = "app", response_headers = { set = { Host = "x" } }': "set by rsp itself",
}  # fmt: skip


@pytest.mark.parametrize("route", WRONG)
def test_unknown_placeholders_are_errors_of_the_configuration(tmp_path, route):
    path = tmp_path / "site.lua"
    path.write_text(ROUTE.format(route=route))
    with pytest.raises(ConfigError) as error:
        evaluate(str(path))
    assert WRONG[route] in str(error.value)
    assert "site.lua:3: " in str(error.value)


RIGHT = [
    'to = "app", request_headers = { set = { ["X-A"] = "{peer} {upstream} {header.X_y.z} {cookie.a-b} {tls.sni} {time}" } }',
    'respond = { body = "a{color:red} {{name}} { } {\\"a\\": 1}" }',
    'regex = "^/a/(.*)$", redirect = "https://new.example.com/{1}?b={uri}"',
    'regex = "^(/.*)$", to = "app", rewrite = "{1}"',
    'to = "app", rewrite = "/sub{path}?a=1&{query}"',
    'path = "/x", redirect = "{scheme}://{host}:8443{uri}"',
    'path = "/x", redirect = "#top"',
    'path = "/a", rewrite = "/b", rewrite_location = true, to = "app"',
    'path = "/a", strip = true, rewrite_location = true, to = "app"',
    'to = "app", request_headers = { set = { ["X-Price"] = "$1" } }',
]


def test_keys_of_upstreams(tmp_path):
    path = tmp_path / "site.lua"
    text = 'listen "127.0.0.1:1"\nupstream "app" { "127.0.0.1:2", policy = "hash", key = "KEY" }\n'
    path.write_text(text.replace("KEY", "{client} {header.x}"))
    evaluate(str(path))
    path.write_text(text.replace("KEY", "{clint}"))
    with pytest.raises(
        ConfigError, match=r'site.lua:2: upstream "app": key: unknown placeholder "\{clint\}" \(did you'
    ):
        evaluate(str(path))


@pytest.mark.parametrize("route", RIGHT)
def test_what_is_right(tmp_path, route):
    path = tmp_path / "site.lua"
    path.write_text(ROUTE.format(route=route))
    evaluate(str(path))


def test_rules_for_all_routes_know_no_groups(tmp_path):
    path = tmp_path / "site.lua"
    path.write_text('response_headers = { set = { ["X-A"] = "{1}" } }\n' + ROUTE.format(route='to = "app"'))
    with pytest.raises(ConfigError, match=r'site.lua:1: response_headers: set: X-A: unknown placeholder "\{1\}"'):
        evaluate(str(path))


def test_the_advice_for_names_that_are_text_is_right():
    assert Template("{{remote_addr}} {{client}}", IN_FIELDS).fill() == b"{remote_addr} {client}"
    assert Template("{{ x }} {{name}} {{status}}", IN_PAGES).fill() == b"{{ x }} {{name}} {status}"
    assert names("{a}{{b}}{tls.sni}{a}") == ["a", "sni"]


PAIRS = st.lists(
    st.tuples(
        st.sampled_from([b"", b" ", b"\t ", b"a", b"=", b"a "]),
        st.sampled_from([b"a", b"aa", b"b", b"A", b""]),
        st.sampled_from([b"=", b" =", b"", b"==", b" "]),
        st.sampled_from([b"", b"1", b'"1"', b" a=2", b"a"]),
    ).map(b"".join)
)


@given(lines=st.lists(PAIRS.map(b";".join), max_size=3), name=st.sampled_from(["a", "aa", "b"]))
def test_a_cookie_is_the_first_pair_of_its_name(lines, name):
    subject = Subject.__new__(Subject)
    subject.head = parse_request(
        b"GET / HTTP/1.1\r\nHost: t\r\n" + b"".join(b"Cookie: %b\r\n" % line for line in lines) + b"\r\n"
    )
    pairs = [pair.partition(b"=") for line in lines for pair in line.split(b";")]
    found = [value.strip(b' \t"') for key, equals, value in pairs if equals and key.strip(b" \t") == name.encode()]
    assert told(subject, f"cookie.{name}") == (found or [b""])[0]
