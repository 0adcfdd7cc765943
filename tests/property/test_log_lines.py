"""Lines of access logs, against oracles: JSON as Python reads it, secrets that are known to be there."""

import json
import re
import time
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.logs import json_line as in_use
from rsp.logs import suspicion
from rsp.logs.secrets import KEYS, Secrets
from tests.property.test_twins import specification
from tests.soak import examples

TEXT = st.binary(max_size=60) | st.sampled_from([
    b"", b"/", b'"', b"\\", b"\x00\x1f\x7f", b"\xff\xfe", b"\xed\xa0\x80", b"\xc3\xa9", b"\xf0\x9f\x98\x80", b"a" * 3000, b"\xff" * 700,
    b"\xe2\x80\xa8", b"</script>",
])  # fmt: skip
SECONDS = st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 100)


@examples(300)
@given(
    texts=st.tuples(TEXT, TEXT, TEXT, TEXT, TEXT, TEXT),
    numbers=st.tuples(st.integers(0, 999), st.integers(0, 2**62)),
    seconds=st.tuples(SECONDS, SECONDS),
    wall=st.floats(0, 4e9),
)
def test_a_line_says_in_json_what_it_was_given(texts, numbers, seconds, wall):
    client, method, target, upstreams, route, request_id = texts
    arguments = (
        wall, client, method, target, b"1.1", *numbers, seconds[0], upstreams, seconds[1], in_use.text(route), request_id
    )  # fmt: skip
    line = in_use.json_line(*arguments)
    assert line == specification("logs/json_line").json_line(*arguments)
    assert re.fullmatch(rb"[ -~]*\n", line)
    read = json.loads(line)
    moment = read.pop("time")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", moment)
    assert 0 <= wall - datetime.fromisoformat(moment).timestamp() < 0.0011
    for name, given_ in (("duration", seconds[0]), ("upstream_time", seconds[1])):
        found = read.pop(name)
        assert found >= 0
        if 0 <= given_ < 1e9:
            assert abs(found - given_) < 1e-6
    assert read == {
        "client": shown(client), "method": shown(method), "target": shown(target),
        "protocol": "HTTP/1.1" if method else "", "status": numbers[0], "bytes": numbers[1], "upstream": shown(upstreams),
        "route": shown(route), "request_id": shown(request_id),
    }  # fmt: skip


def shown(value: bytes) -> str:
    return value.decode("utf-8", "replace")


@examples(300)
@given(value=TEXT)
def test_a_text_is_the_same_in_both_builds(value):
    own = specification("logs/json_line")
    assert in_use.text(value) == own.text(value)
    assert in_use.text(value).isascii() and in_use.text(value).decode().isprintable()
    assert json.loads(b'"' + in_use.text(value) + b'"') == shown(value)


@examples(100)
@given(seconds=SECONDS)
def test_numbers_and_moments_are_the_same_in_both_builds(seconds):
    own = specification("logs/json_line")
    assert in_use.number(seconds) == own.number(seconds)
    assert in_use.moment(seconds) == own.moment(seconds)
    if 0 <= seconds < 4e9:
        moment = datetime.fromtimestamp(int(seconds), UTC)
        assert in_use.moment(seconds).decode().startswith(moment.strftime("%Y-%m-%dT%H:%M:%S."))


# -- secrets

PLAIN = ("a", "b", "page", "tokens", "mytoken", "x-token", "user", "pass word", "q", "", "Token2")


VALUES = ("", "%26z", "=", "==", "%3D", "?", "/", "%", "%20", ";")


def spelled(draw, key: str, escaped: bool) -> str:
    """A key of a query as a client may write it."""
    key = "".join(letter.upper() if draw(st.booleans()) else letter for letter in key)
    if not escaped:
        return key
    return "".join(f"%{ord(letter):02x}" if draw(st.integers(0, 9)) == 0 else letter for letter in key)


@st.composite
def queries(draw, escaped=True):
    """A query, the secrets in it, and what is to be seen of it."""
    pairs, secrets, plain = [], [], []
    for number in range(draw(st.integers(0, 6))):
        secret = draw(st.booleans())
        key = draw(st.sampled_from(KEYS if secret else PLAIN))
        value = f"h3ad{number}x" + draw(st.sampled_from(VALUES)) + f"t4il{number}x"
        (secrets if secret else plain).append(value)
        pairs.append(f"{spelled(draw, key, escaped) if secret else quote(key)}={value}")
    return draw(st.sampled_from(["&", "&&"])).join(pairs), secrets, plain


@examples(400)
@given(query=queries(), in_fragment=st.booleans())
def test_secrets_are_masked_and_the_rest_stays(query, in_fragment):
    text, secrets, plain = query
    masked = Secrets()
    for found in (
        masked.target(f"/p?{text}".encode()),
        masked.query(text.encode()),
        masked.url(f"http://user:pa55@h/p?{text}".encode()),
        masked.field(b"location", f"/?{text}".encode()),
        masked.url(f"/{'#' if in_fragment else '?'}{text}".encode()),
    ):
        for value in secrets:
            assert value[:6].encode() not in found and value[-6:].encode() not in found, found
        for value in plain:
            assert value.encode() in found
        assert b"pa55" not in found
    if not secrets:
        assert masked.target(f"/p?{text}".encode()) == f"/p?{text}".encode()
    once = masked.target(f"/p?{text}".encode())
    assert masked.target(once) == once


@examples(200)
@given(inner=queries(escaped=False))
def test_secrets_in_a_url_that_is_a_value_are_masked(inner):
    text, secrets, _ = inner
    target = f"/?next={quote('/login?' + text, safe='')}&a=b".encode()
    masked = Secrets().target(target)
    for value in secrets:
        assert value[:6].encode() not in masked and value[-6:].encode() not in masked, masked
    assert masked.endswith(b"&a=b")


@examples(300)
@given(
    text=st.lists(
        st.sampled_from(
            [
                b"?",
                b"&",
                b";",
                b"#",
                b"=",
                b"%",
                b"%3d",
                b"%3D",
                b"%26",
                b"token",
                b"PWD",
                b"a",
                b"sig",
                b"x",
                b"%3",
                b"%3F",
                b"%3b",
                b"%23",
                b"%2",
                b"25",
                b"%74",
                b"+",
                b".",
                b"[",
                b"]",
                b" ",
                b"\t",
                b"\0",
                b"\x80",
            ]
        ),
        max_size=12,
    ).map(b"".join)
)
def test_what_is_suspect_is_the_same_in_both_builds(text):
    own, lengths = specification("logs/suspicion"), suspicion.table(key.encode() for key in KEYS)
    assert lengths == own.table(key.encode() for key in KEYS)
    assert suspicion.is_suspect(text, lengths) == own.is_suspect(text, lengths)
    assert suspicion.has_at(text) == own.has_at(text)
    if not own.is_suspect(text, lengths):  # it would have been found slowly
        slow = Secrets()
        assert slow.url(text) == text and not re.search(
            rb"(?i)[?&;#](?:%b)=" % b"|".join(key.encode() for key in KEYS), text
        )


@pytest.mark.parametrize("target", [
    "/?token=S", "/?TOK%45N=S", "/?%2574oken=S", "/?%25252574oken=S", "/?a&token=S", "/?a=1;token=S", "/?a=b?token=S",
    "/?token[]=S", "/?token%5B%5D=S", "/?user[password]=S", "/?user%5Bpassword%5D=S", "/?user.password=S",
    "/?+token=S", "/?%20token=S", "/?token+=S", "/?token%00=S", "/?token=1&token=S", "/?token%3DS", "/x%3Ftoken=S",
    "/x%3ftoken%3dS", "/;token=S", "/?u=http%3A%2F%2Fa%2F%3F%74oken%3DS", "/?u=a%3F%2574oken%3DS",
    "/?u=http%253A%252F%252Fa%252F%253Ftoken%253DS", "/?u=a%253Fb%253D1%2526token%253DS", "/?u=a%3Ftoken%3D1%2526S",
    "/?u=http://me:S@a/", "/?u=http://me:a@S@a/", "/?u=http%3A%2F%2Fme:S%40a%2F", "/?u=http%253A%252F%252Fme:S%2540a",
    "http://me:S@a/x", "///me:S@a/x",
])  # fmt: skip
def test_no_spelling_of_a_secret_is_shown(target):
    secrets = Secrets()
    for found in (secrets.target(target.encode()), secrets.url(b"http://h" + target.encode()),
                  secrets.query(target.partition("?")[2].encode())):  # fmt: skip
        assert b"S" not in found, found


@pytest.mark.parametrize("target", [
    "/a//b/c?d=e", "/@scope/x", "/?mail=a%40b.example", "/?a.b=1&c[]=2&d+e=3", "/?tokens=1&my%74oken=2", "/a%2f%2fb?c=%25",
    "/?u=http%3A%2F%2Fa%2F%3Fb%3Dc%26d%3De", "/?a=b@c//d", "/%3F=1",
])  # fmt: skip
def test_what_is_no_secret_stays(target):
    assert Secrets().target(target.encode()) == target.encode()


@pytest.mark.parametrize("unit", [
    b"?%", b"%25", b"&a%25", b"?token", b"?token=&", b"//", b"//a@", b"%2f%2f", b"%40", b"%3ftoken%3d", b"%26", b"[", b"%",
])  # fmt: skip
def test_masking_takes_time_in_proportion(unit):
    secrets, text = Secrets(), b"/?%3d&@" + unit * (32_000 // len(unit))
    began = time.process_time()
    secrets.url(text)
    assert time.process_time() - began < 1, "it was 40 seconds for 4 KB"


def test_fields_are_masked():
    masked = Secrets(["Ticket"])
    for name, value, wanted in (
        (b"authorization", b"Bearer abc", b"Bearer ***"), (b"authorization", b"abc", b"***"),
        (b"proxy-authorization", b"Basic YTpi", b"Basic ***"), (b"x-api-key", b"key with blanks", b"***"),
        (b"cookie", b"a=1; b=2;c", b"a=***; b=***; ***"), (b"set-cookie", b"a=1; Path=/", b"a=***; Path=/"),
        (b"set-cookie", b"abc", b"***"), (b"location", b"/?ticket=1&a=2", b"/?ticket=***&a=2"),
        (b"authorization", b"a1 b2", b"***"), (b"authorization", b"AWS4-HMAC-SHA256 Credential=a", b"AWS4-HMAC-SHA256 ***"),
        (b"user-agent", b"x/1 (a; b)", b"x/1 (a; b)"), (b"accept", b"text/html;q=0.9", b"text/html;q=0.9"),
    ):  # fmt: skip
        assert masked.field(name, value) == wanted
    block = b"Host: a\r\nCOOKIE:  a=1\r\nAuthorization: Bearer x\r\nX: /?token=1\r\nSet-Cookie: s=1; HttpOnly\r\n"
    assert masked.block(block) == (
        b"Host: a\r\nCOOKIE: a=***\r\nAuthorization: Bearer ***\r\nX: /?token=***\r\nSet-Cookie: s=***; HttpOnly\r\n"
    )
