"""Values in URLs, whatever they consist of: they stay what they are and where they are, for readers that others wrote."""

import re
from urllib.parse import parse_qs, unquote_to_bytes, urlsplit

from hypothesis import assume, given
from hypothesis import strategies as st

from rsp.config.placeholders import IN_KEYS
from rsp.config.routes import Route
from rsp.config.url_template import UrlTemplate
from rsp.exchange.filters.locations import LocationRule
from rsp.exchange.handlers.fixed import Location
from rsp.exchange.rewrite import rewrite_of
from rsp.http.h1.codec import parse_request
from rsp.http.paths import normalise_path
from tests.soak import examples
from tests.unit.fake_streams import response_head

FIELD = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f")).map(
    lambda text: text.encode("latin-1")
) | st.lists(st.sampled_from([b"..", b"/", b"\\", b"%2e", b"%2F", b"%", b"?", b"#", b"&", b"=", b"@", b":", b"a"])).map(
    b"".join
)
VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="?#"))
PATH = st.one_of(
    VISIBLE,
    st.lists(st.sampled_from(["/", "..", ".", "\\", "%2e", "%2F", "%5c", "a", "%", "//evil.test"])).map("".join),
).map(lambda text: b"/" + text.encode())
QUERY = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#")).map(str.encode)


class Request:
    def __init__(self, path: bytes = b"/", query: bytes = b"", value: bytes = b"") -> None:
        uri = path + b"?" + query if query else path
        self._values = {"path": path, "query": query, "uri": uri, "host": b"shop.test", "authority": b"shop.test:8080"}
        self._value = value

    def placeholder(self, name: str) -> bytes:
        return self._values.get(name, self._value)


GROUPS = IN_KEYS.of(Route(regex="(.*)"))


def filled(text: str, value: bytes = b"", path: bytes = b"/", query: bytes = b"") -> str:
    made = UrlTemplate(text, GROUPS).fill(Request(path, query, value))
    assert re.fullmatch(rb"[!-~]*", made), made
    assert not re.search(rb'["<>\\^`{}]|%(?![0-9A-F]{2})(?![0-9a-fA-F]{2})', made), made
    return made.decode()


@given(value=FIELD)
@examples(200)
def test_a_text_is_one_argument(value):
    found = urlsplit(filled("https://a.test/x?one={header.a}&two={1}#f", value))
    assert found.path == "/x" and found.fragment == "f" and found.netloc == "a.test"
    said = parse_qs(found.query, keep_blank_values=True, encoding="latin-1")
    assert said == {"one": [value.decode("latin-1")], "two": [value.decode("latin-1")]}


@given(value=FIELD)
@examples(200)
def test_a_text_is_one_segment(value):
    found = urlsplit(filled("/a/{header.a}/b", value))
    assert (found.netloc, found.query, found.fragment) == ("", "", "")
    segments = found.path.split("/")
    assert len(segments) == 4 and unquote_to_bytes(segments[2]) == value


@given(value=FIELD)
@examples(200)
def test_no_text_ends_a_host(value):
    found = urlsplit(filled("https://{header.a}.a.test/b", value))
    assert found.netloc.endswith(".a.test") and found.path == "/b" and "@" not in found.netloc
    found = urlsplit(filled("https://a.test{1}", value))
    assert found.netloc == "a.test"


@given(path=PATH, query=QUERY)
@examples(300)
def test_a_path_stays_what_it_is(path, query):
    made = filled("/x{path}", path=path).encode()
    assert unquote_to_bytes(made) == b"/x" + unquote_to_bytes(re.sub(rb"%(?![0-9A-Fa-f]{2})", b"%25", path))
    whole = urlsplit(filled("https://a.test{uri}", path=path, query=query))
    assert whole.netloc == "a.test" and unquote_to_bytes(whole.path) == unquote_to_bytes(made[2:])
    argument = parse_qs(urlsplit(filled("/x?a={uri}", path=path, query=query)).query, keep_blank_values=True)
    assert argument == {"a": [(path + b"?" + query if query else path).decode()]}


@given(
    path=PATH,
    query=QUERY,
    to=st.sampled_from(["{path}", "{uri}", "/{path}", "/{1}", "/{header.a}", "/{1}{path}", "//{1}"]),
)
@examples(400)
def test_no_location_begins_with_two_slashes(path, query, to):
    made = Location(to, GROUPS).fill(Request(path, query, path))
    if to.startswith("//"):
        return
    assert re.match(rb"/(?![/\\])", made), made
    assert urlsplit(made.decode()).netloc == ""


ROUTES = [
    Route(path="/old", rewrite="/new/inner"),
    Route(path="/old", rewrite="/new/inner{path}"),
    Route(path="/old", rewrite="/new/inner/{header.a}"),
    Route(regex="(.*)", rewrite="/new/inner/{1}"),
]


@given(rest=PATH, value=FIELD, route=st.sampled_from(ROUTES))
@examples(400)
def test_no_path_leads_out_of_where_it_is_put(rest, value, route):
    target = b"/old" + rest
    head = parse_request(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    made = rewrite_of(route).target(head, Request(target, b"", rest if route.regex else value))
    if made:
        seen = normalise_path(made.partition(b"?")[0])
        assert seen == b"/new/inner" or seen.startswith(b"/new/inner/"), made


RULES = [
    LocationRule(Route(path="/api", strip=True)),
    LocationRule(Route(path="/api/", rewrite="/v1")),
    LocationRule(Route(rewrite="/v1")),
]
LINES = st.sampled_from(
    [b"Location: ", b"Content-Location: ", b"Refresh: 1; url=", b"Set-Cookie: a=b; Path=", b"Set-Cookie: a=b; Domain="]
)
URLS = st.one_of(
    PATH, FIELD, PATH.map(lambda path: b"http://shop.test:8080" + path), PATH.map(lambda path: b"/v1" + path)
)


class Asked(Request):
    passage = None

    def placeholder(self, name: str) -> bytes:
        return {"scheme": b"https", "peer": b"10.0.0.1:1"}.get(name) or super().placeholder(name)


@given(line=LINES, url=URLS, rule=st.sampled_from(RULES))
@examples(400)
def test_what_is_mapped_stays_mapped(line, url, rule):
    """A path that has the prefix stays, so mapping again changes nothing; and no path becomes a host."""
    url = url.strip(b" \t")
    assume(b"\r" not in url)
    head = response_head(200, 0, line + url + b"\r\n")
    rule.apply(Asked(), head)
    once = head.fields
    assert once.count(b"\r\n") == 1 and once.startswith(line.partition(b": ")[0] + b": ")
    if rule is RULES[0]:
        rule.apply(Asked(), head)
        assert head.fields == once
    value = once.removeprefix(line).removesuffix(b"\r\n")
    if line == b"Location: " and not url.startswith((b"//", b"/\\")):
        assert not re.match(rb"/[/\\]", value), (url, value)
