"""HPACK both ways against another implementation, and its compiled twin against its specification."""

from contextlib import suppress

import hpack as oracle
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rsp.http.h2 import hpack as in_use
from rsp.http.h2 import huffman
from rsp.http.h2.errors import Http2Error
from rsp.http.h2.field_rules import is_value, kind_of
from rsp.http.h2.static_table import STATIC
from tests.property.test_linear import grow
from tests.property.test_twins import specification
from tests.soak import examples

own = specification("http/h2/hpack")

PLENTY = 1 << 20
SAID = (
    "method", "scheme", "authority", "path", "protocol", "status", "host", "lines", "count", "size", "length", "urgency", "fault", "too_large",
)  # fmt: skip
PSEUDO = [b":method", b":scheme", b":authority", b":path", b":protocol", b":status"]

tokens = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.!~", min_size=1, max_size=20).map(str.encode)
names = (
    st.sampled_from([name for name, _ in STATIC if name[:1] != b":"] + [b"x-a", b"x-b", b"grpc-status", b"priority"])
    | tokens
)
sound = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=60)
values = st.sampled_from([b"", b"u=3", b"gzip, deflate", b"x" * 200, b"y" * 900, b"z" * 5000]) | sound.map(
    lambda text: text.encode("latin-1").strip(b" \t")
)
fields = st.tuples(names, values)
sizes = st.sampled_from([0, 31, 33, 64, 100, 144, 500, 4096, 4097, 65536]) | st.integers(0, 5000)
# A few fields that come again and again, as those of one client do.
sections = st.lists(st.lists(st.sampled_from([
    (b"accept", b"*/*"), (b"x-a", b"1"), (b"x-a", b"2"), (b"user-agent", b"Some/1.0 (of a kind)"), (b"cookie", b"a=b"),
    (b"cookie", b"session=0123456789abcdef"), (b"authorization", b"Basic eDp5"), (b"x" * 30, b"y" * 60),
]) | fields, max_size=8), max_size=8)  # fmt: skip


def lines_of(section: list[tuple[bytes, bytes]]) -> list[bytes]:
    """Lines that a section means, without Host and Cookie."""
    return [b"%b: %b" % field for field in section if field[0] not in (b"host", b"cookie")]


@examples(150)
@given(sections=sections, sizes=st.lists(st.none() | sizes, max_size=8), coded=st.booleans(), data=st.data())
def test_what_another_implementation_encodes(sections, sizes, coded, data):
    encoder, decoder = oracle.Encoder(), in_use.Decoder(65536)
    for number, section in enumerate(sections):
        if number < len(sizes) and sizes[number] is not None:
            encoder.header_table_size = sizes[number]
        secret = data.draw(st.booleans())
        block = encoder.encode([(*field, secret) for field in section], huffman=coded)
        found = decoder.decode(block, PLENTY, False)
        assert found.count == len(section)
        assert found.size == sum(len(name) + len(value) + 32 for name, value in section)
        if found.fault:
            continue  # test_hpack.py of the unit tests says which
        lines = found.lines.split(b"\r\n")[:-1]
        assert [line for line in lines if not line.startswith(b"cookie: ")] == lines_of(section)
        cookies = [value for name, value in section if name == b"cookie"]
        told = b"; ".join(value for value in cookies if value)
        assert [line for line in lines if line.startswith(b"cookie: ")] == ([b"cookie: " + told] if cookies else [])


def spelled(name: bytes, how: int) -> bytes:
    return (name, name.title(), name.upper())[how]


lines = st.lists(
    st.tuples(names, st.integers(0, 2), st.sampled_from([b":", b": ", b":\t "]), values, st.sampled_from([b"", b" "])),
    max_size=6,
)
DROPPED = {b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"}


def block_of(given_lines) -> bytes:
    return b"".join(
        spelled(name, how) + colon + value + b"%b\r\n" % end for name, how, colon, value, end in given_lines
    )


def meant(given_lines) -> list[tuple[bytes, bytes]]:
    return [
        (name.lower(), value)
        for name, _, _, value, _ in given_lines
        if name not in DROPPED and (name != b"te" or value.lower() == b"trailers")
    ]


requests = st.tuples(
    st.sampled_from([b"GET", b"POST", b"PUT", b"CONNECT"]), st.sampled_from([b"http", b"https"]),
    st.sampled_from([b"", b"a.example", b"b.example:8443"]), st.sampled_from([b"/", b"/index.html", b"/a", b"/" + b"b" * 300, b"/" + b"c" * 3000]),
    st.sampled_from([b"", b"websocket"]),
)  # fmt: skip
steps = st.lists(
    st.one_of(
        st.tuples(st.just("response"), st.integers(100, 999), lines, st.integers(-1, 1 << 62)),
        st.tuples(st.just("request"), requests, lines, lines),
        st.tuples(st.just("trailers"), lines),
        st.tuples(st.just("resize"), st.lists(sizes, min_size=1, max_size=3)),
    ),
    max_size=10,
).flatmap(lambda some: st.lists(st.sampled_from(some), max_size=20) if some else st.just([]))


def written(encoder, step) -> bytes:
    if step[0] == "response":
        return encoder.response(step[1], block_of(step[2]), step[3])
    if step[0] == "request":
        return encoder.request(*step[1], block_of(step[2]), block_of(step[3]))
    return encoder.trailers(block_of(step[1]).split(b"\r\n")[:-1])


def expected(step) -> list[tuple[bytes, bytes]]:
    if step[0] == "response":
        length = [(b"content-length", b"%d" % step[3])] if step[3] >= 0 else []
        return [(b":status", b"%d" % step[1]), *meant(step[2]), *length]
    if step[0] == "trailers":
        return meant(step[1])
    pseudo = zip((b":method", b":scheme", b":authority", b":path", b":protocol"), step[1], strict=True)
    return [field for field in pseudo if field[1] or field[0] == b":path"] + meant(step[2]) + meant(step[3])


@examples(150)
@given(steps=steps)
def test_what_another_implementation_decodes(steps):
    encoder, twin, decoder = in_use.Encoder(), own.Encoder(), oracle.Decoder(PLENTY)
    for step in steps:
        if step[0] == "resize":
            for size in step[1]:
                encoder.resize(size)
                twin.resize(size)
            decoder.max_allowed_table_size = size
            continue
        block = written(encoder, step)
        assert block == written(twin, step)
        assert [tuple(field) for field in decoder.decode(block, raw=True)] == expected(step)


def test_long_run_of_both_sides():
    """Tables that fill, turn over, shrink and grow again, with fields that come at all distances."""
    encoder, twin, decoder, back, back_twin = (
        in_use.Encoder(),
        own.Encoder(),
        oracle.Decoder(),
        in_use.Decoder(),
        own.Decoder(),
    )
    for number in range(3000):
        if number % 500 == 499:
            for one in (encoder, twin):
                one.resize((100, 4096, 1000, 0, 4096)[number // 500 % 5])
            decoder.max_allowed_table_size = 4096
        wanted = [(b"x-%d" % (number % every), b"y" * (number % every % 50)) for every in (2, 3, 5, 30, 100, 1009)]
        lines = b"".join(b"%b: %b\r\n" % field for field in wanted)
        block = encoder.response(200 + number % 7, lines, -1)
        assert block == twin.response(200 + number % 7, lines, -1)
        assert [tuple(field) for field in decoder.decode(block, raw=True)][1:] == wanted
        assert back.decode(block, PLENTY, False).lines == back_twin.decode(block, PLENTY, False).lines == lines


def understood(decoder, block: bytes, limit: int, trailers: bool) -> object:
    try:
        found = decoder.decode(block, limit, trailers)
    except Http2Error as error:
        return error.code, str(error)
    return {name: getattr(found, name) for name in SAID}


def packed(name: bytes, value: bytes, first: bytes, coded: bool) -> bytes:
    """A literal; ``coded``: in Huffman's code."""
    texts = []
    for text in (name, value):
        if coded:
            text = oracle.huffman.HuffmanEncoder(
                oracle.huffman_constants.REQUEST_CODES, oracle.huffman_constants.REQUEST_CODES_LENGTH
            ).encode(text)
        size = bytearray(oracle.hpack.encode_integer(len(text), 7))
        size[0] |= 0x80 if coded else 0
        texts.append(bytes(size) + text)
    return first + b"".join(texts)


any_name = st.sampled_from([
    *PSEUDO, b":", b":x", b"host", b"cookie", b"content-length", b"te", b"connection", b"upgrade", b"keep-alive", b"transfer-encoding",
    b"proxy-connection", b"hosu", b"Host", b"cookies", b"", b"a b", b"content-lengti", b"x" * 100,
]) | tokens | st.binary(max_size=6)  # fmt: skip
any_value = st.sampled_from([
    b"", b"0", b"17", b"007", b"-1", b"1" * 18, b"1" * 19, b"trailers", b"Trailers", b"trailerz", b"GET", b"/", b" x", b"x ", b"\tx", b"x\t",
    b"a\r\nb", b"a\nb", b"a\0b", b"eight by\x7f", b"a\tb c", b"\x80\xff" * 9, b"z" * 300,
]) | st.binary(max_size=30)  # fmt: skip
pieces = st.one_of(
    st.builds(packed, any_name, any_value, st.sampled_from([b"\x00", b"\x10", b"\x40", b"\x40"]), st.booleans()),
    st.integers(61, 75).map(lambda index: bytes((0x80 | index,))),
    st.integers(1, 61).map(lambda index: bytes((0x80 | index,))),
    st.sampled_from(
        [b"\x0f\x2f\x01x", b"\x7e\x02xy", b"\x7f\x00\x02yy", b"\x20", b"\x3f\xe1\x1f", b"\x3f\x20", b"\x3f\xe2\x1f"]
    ),
    st.binary(max_size=4),
)
blocks = st.lists(st.lists(pieces, max_size=10).map(b"".join), min_size=1, max_size=6)


@examples(400)
@given(
    blocks=blocks,
    limit=st.sampled_from([PLENTY, PLENTY, 300, 0]),
    trailers=st.booleans(),
    capacity=st.sampled_from([4096, 4096, 0, 100, 200, 9999]),
)
@example(
    blocks=[b"\x40\x01a\x01b" * 200, bytes(range(0xBE, 0xFF)), b"\xff\x00\xff\x40\xff\x41"],
    limit=PLENTY,
    trailers=False,
    capacity=4096,
)
def test_blocks_mean_the_same_to_both_twins(blocks, limit, trailers, capacity):
    decoder, twin = in_use.Decoder(capacity), own.Decoder(capacity)
    for block in blocks:
        found = understood(decoder, block, limit, trailers)
        assert found == understood(twin, block, limit, trailers)
        if isinstance(found, tuple):
            return


@examples(400)
@given(blocks=blocks)
def test_blocks_mean_the_same_to_another_implementation(blocks):
    """It takes more than two table sizes, so what rsp refuses is not compared; and it knows nothing of HTTP."""
    decoder, other = in_use.Decoder(), oracle.Decoder(PLENTY)
    for block in blocks:
        found = understood(decoder, block, PLENTY, False)
        if isinstance(found, tuple):
            return
        section = [tuple(field) for field in other.decode(block, raw=True)]
        assert (found["count"], found["size"]) == (
            len(section),
            sum(len(name) + len(value) + 32 for name, value in section),
        )
        assert bool(found["fault"]) == is_faulty(section)


def is_faulty(section: list[tuple[bytes, bytes]]) -> bool:
    """RFC 9113 sections 8.2 and 8.3, said once more."""
    pseudo = [name for name, _ in section if name[:1] == b":"]
    regular = [name for name, _ in section if name[:1] != b":"]
    given_once = [*pseudo, *(name for name in regular if name in (b"host", b"content-length"))]
    return (
        [name for name, _ in section] != pseudo + regular
        or len(set(given_once)) < len(given_once)
        or not set(pseudo) <= set(PSEUDO)
        or any(name in DROPPED for name in regular)
        or any(kind_of(name) == kind_of(b"") for name in regular)
        or not all(is_value(value) for _, value in section)
        or any(name == b"te" and value.lower() != b"trailers" for name, value in section)
        or any(name == b"content-length" and not (value.isdigit() and len(value) < 19) for name, value in section)
    )


@examples(300)
@given(text=st.binary(max_size=80))
@example(text=bytes(range(256)))
def test_huffman_code_of_any_text(text):
    block = packed(b"x", text, b"\x40", True)
    code = oracle.hpack.HuffmanEncoder(
        oracle.huffman_constants.REQUEST_CODES, oracle.huffman_constants.REQUEST_CODES_LENGTH
    ).encode(text)
    assert huffman.decode(code) == text
    decoder = in_use.Decoder()
    found = decoder.decode(block, PLENTY, False)
    assert found.size == 33 + len(text)
    assert bool(found.fault) == (not is_value(text))
    if not found.fault:
        assert found.lines == b"x: %b\r\n" % text


@examples(400)
@given(code=st.binary(max_size=40) | st.binary(max_size=6).map(lambda text: text + b"\xff" * 5))
def test_anything_as_huffman_code(code):
    try:
        text = huffman.decode(code)
    except Http2Error as error:
        expected = str(error)
        assert other_refuses(code)
    else:
        expected = text
    block = b"\x00\x01x" + bytes((0x80 | len(code),)) + code
    found = understood(in_use.Decoder(), block, PLENTY, False)
    if isinstance(expected, str):
        assert found[1] == expected
    else:
        assert found["size"] == 33 + len(expected)
        assert oracle.huffman_table.decode_huffman(code) == expected


def other_refuses(code: bytes) -> bool:
    try:
        oracle.huffman_table.decode_huffman(code)
    except oracle.HPACKDecodingError:
        return True
    return False


def decoded(data: bytes) -> None:
    with suppress(Http2Error):
        in_use.Decoder().decode(b"\x40\x01a\x00" + data, PLENTY, False)


@pytest.mark.parametrize("unit", [
    b"\x00\x06cookie\x01a", b"\x40\x01a\x00", b"\xbe", b"\x60\x01a", b"\x00\x01a\x85\xff\xff\xff\xff\x7f", b"\x00\x01A\x00", b"\x5c\x011", b"\x10\x02te\x00",
])  # fmt: skip
def test_cost_of_blocks_grows_with_their_size(unit):
    grow(decoded, (b"", unit, b""))


@pytest.mark.parametrize("unit", [b"a", b" ", b"\xff", b"\xff\xfe", b"\x00", b"\r"])
def test_cost_of_fields_grows_with_their_size(unit):
    for first in (b"", b"\x00\x01a\x7f\x80\x80\x02", b"\x00\x01a\xff\x80\x80\x02", b"\x00\x7f\x80\x80\x02"):
        grow(lambda data, first=first: decoded(first + data + b"\xff" * 40_000), (b"", unit, b""))


@pytest.mark.parametrize("line", [b"a: b\r\n", b"a: \r\n", b":\r\n", b"\r\n", b"\r", b"a: \t", b"date: x\r\n"])
def test_cost_of_encoding_grows_with_the_lines(line):
    encoder = in_use.Encoder()
    grow(lambda data: encoder.response(200, data, -1), (b"", line, b""))
