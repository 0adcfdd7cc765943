"""Placeholders: what is one, what is text, and what may come out of them."""

import pytest

from rsp.config.errors import ConfigError
from rsp.config.placeholders import IN_FIELDS, IN_PAGES, Template, unknown
from rsp.config.schema import Page
from rsp.exchange.answers import Pages
from rsp.exchange.handlers.fixed import Location
from rsp.lua.evaluate import evaluate


class Request:
    def __init__(self, target: bytes = b"/a/b?x=1", authority: bytes = b"shop.test:8080") -> None:
        path, _, query = target.partition(b"?")
        self._values = {
            "client": b"192.0.2.1", "host": authority.partition(b":")[0], "authority": authority, "scheme": b"http",
            "request_id": b"id-1", "upstream": b"app", "path": path, "query": query,
            "target": target,
        }  # fmt: skip

    def placeholder(self, name: str) -> bytes:
        return self._values[name]


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain", b"plain"),
        ("{client}", b"192.0.2.1"),
        ("for={client};host={host};by={upstream}", b"for=192.0.2.1;host=shop.test;by=app"),
        ("{client}{client}", b"192.0.2.1192.0.2.1"),
        ("{{client}}", b"{client}"),
        ("{{client}}{client}", b"{client}192.0.2.1"),
        ("{{{client}}}", b"{{client}}"),
        ('{"group":"default"} { } {} {a b} {a:b}', b'{"group":"default"} { } {} {a b} {a:b}'),
        ("{client", b"{client"),
        ("client}", b"client}"),
        ("{ client }", b"{ client }"),
        ("\u00e4{host}", "\u00e4shop.test".encode()),
    ],
)
def test_what_is_a_placeholder(text, filled):
    assert Template(text, IN_FIELDS).fill(Request()) == filled
    assert not list(unknown(text, IN_FIELDS))


def test_what_is_put_in_has_no_line_breaks():
    class Evil:
        def placeholder(self, name: str) -> bytes:
            return b"a\r\nX-Evil: 1\0"

    assert Template("{client}", IN_FIELDS).fill(Evil()) == b"aX-Evil: 1"


@pytest.mark.parametrize(
    ("to", "target", "location"),
    [
        ("/x/", b"/old", b"/x/"),
        ("/x/", b"/old?a=1&b=2", b"/x/?a=1&b=2"),
        ("/x/?", b"/old?a=1", b"/x/?"),
        ("/x/?c=3", b"/old?a=1", b"/x/?c=3"),
        ("/x/#part", b"/old?a=1", b"/x/?a=1#part"),
        ("https://new.test{path}", b"/old?a=1", b"https://new.test/old?a=1"),
        ("https://new.test{path}?c=3", b"/old?a=1", b"https://new.test/old?c=3&a=1"),
        ("https://new.test{path}?c=3", b"/old", b"https://new.test/old?c=3"),
        ("/x?from={path}&{query}", b"/old?a=1", b"/x?from=/old&a=1"),
        ("/login?next={path}", b"/old?a=1", b"/login?next=/old?a=1"),
        ("/login?next={path}", b"/old", b"/login?next=/old"),
        ("/x?{query}", b"/old?a=1", b"/x?a=1"),
        ("https://{host}{path}", b"/old?a=1", b"https://shop.test/old?a=1"),
        ("http://{authority}{path}", b"/old", b"http://shop.test:8080/old"),
        ("{scheme}://{{host}}/", b"/old", b"http://{host}/"),
        ("{path}", b"//evil.test/x?a=1", b"/evil.test/x?a=1"),
        ("{path}", b"/\\evil.test", b"/evil.test"),
        ("{path}", b"//\\/evil.test", b"/evil.test"),
        ("/{path}", b"/evil.test", b"/evil.test"),
        ("//cdn.test{path}", b"/x", b"//cdn.test/x"),
        ("/sub{path}", b"//evil.test", b"/sub//evil.test"),
    ],
)
def test_where_a_redirect_leads(to, target, location):
    assert Location(to).fill(Request(target)) == location


def test_other_braces_of_a_page_are_text():
    body = "<style>p{color:red} a{b}</style>${x} {{status}} {status} {request_id}"
    pages = Pages((Page(status=404, body=body),))
    filled = pages.error(404, "", b"id-1", None)[3]
    assert filled == b"<style>p{color:red} a{b}</style>${x} {status} 404 id-1"
    assert Template("{client}", IN_PAGES).names == frozenset()


ROUTE = 'listen "127.0.0.1:1"\nupstream "app" {{ "127.0.0.1:2" }}\nroute {{ {route} }}\n'
WRONG = {
    'to = "app", request_headers = { set = { ["X-A"] = "{clent}" } }':
        'request_headers: set: X-A: unknown placeholder "{clent}" (did you mean "client"?); there is {client}, {host}',
    'to = "app", request_headers = { add = { ["X-A"] = "{nonce}" } }': "as text: {{nonce}}",
    'to = "app", response_headers = { set = { ["X-A"] = "{path}" } }': 'response_headers: set: X-A: unknown placeholder',
    'respond = { headers = { ["X-A"] = "{x}" } }': "respond: headers: X-A: unknown placeholder",
    'redirect = "https://{hst}/"': 'redirect: unknown placeholder "{hst}" (did you mean "host"?)',
    'redirect = "/{upstream}"': "redirect: unknown placeholder",
    'to = "app", request_headers = { set = { Host = "{client}" } }': "request_headers: set: Host: unknown placeholder",
    'to = "app", request_headers = { set = { Host = "a b" } }': "request_headers: set: Host: expected a host name",
    'to = "app", request_headers = { remove = { "host" } }': 'request_headers: remove: a request has one Host; it can be',
    'to = "app", request_headers = { add = { Host = "x" } }': 'request_headers: add: a request has one Host; it can be',
    'to = "app", response_headers = { set = { Host = "x" } }': "own to write",
}  # fmt: skip


@pytest.mark.parametrize("route", WRONG)
def test_unknown_placeholders_are_errors_of_the_configuration(tmp_path, route):
    path = tmp_path / "site.lua"
    path.write_text(ROUTE.format(route=route))
    with pytest.raises(ConfigError) as error:
        evaluate(str(path))
    assert WRONG[route] in str(error.value)
    assert "site.lua:3: " in str(error.value)


def test_the_advice_for_names_that_are_text_is_right():
    assert Template("{{remote_addr}} {{client}}", IN_FIELDS).fill() == b"{remote_addr} {client}"
    assert Template("{{ x }} {{name}} {{status}}", IN_PAGES).fill() == b"{{ x }} {{name}} {status}"
