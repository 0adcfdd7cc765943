"""Chunk extensions (RFC 9112 section 7.1.1): checked, whole or in pieces, and dropped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.http.errors import ProtocolError
from rsp.http.h1.body import ChunkedDecoder
from tests.soak import examples

GOOD = [
    b"", b";a", b";a=b", b';a="b"', b";a;b", b" ;a", b"\t; a", b"; a = b", b';a = "b;c" ; d', b';a=""', b';a="\\""',
    b';a="\\\\"', b';a="\t \xff"', b";!#$%&'*+-.^_`|~=1", b';a="\\\xe4"',
]  # fmt: skip
BAD = [
    b";", b"; ", b";;", b";a;", b";a=", b";bad[=x", b";a=[", b";=b", b';a="', b';a="b', b';a="b"c', b";a=b c", b";a b",
    b" ", b"\t", b";a ", b";a=b ", b';a="b" ', b";a\x00", b';a="\x00"', b';a="\\\x01"', b';a="\x7f"', b" a", b"=a",
    b";a==b", b";a=b=c", b";\xff", b";a=\xff", b";a\r", b';"a"', b";a,b", b'";a"',
]  # fmt: skip


def decode(extension: bytes, step: int, size: bytes = b"5", payload: bytes = b"hello") -> bytes:
    data = size + extension + b"\r\n" + payload + (b"\r\n" if payload else b"")
    if payload:
        data += b"0" + extension + b"\r\n\r\n"
    decoder = ChunkedDecoder()
    pieces = []
    for start in range(0, len(data), step):
        pieces += decoder.feed(data[start : start + step])
    assert decoder.done
    return b"".join(pieces)


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize("extension", GOOD)
def test_good_extensions_are_dropped(extension, step):
    assert decode(extension, step) == b"hello"


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize("extension", BAD)
def test_malformed_extensions_are_refused(extension, step):
    with pytest.raises(ProtocolError):
        decode(extension, step)


TOKEN = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=6).map(str.encode)
QUOTED = st.lists(
    st.sampled_from([b"a", b" ", b"\t", b";", b"=", b'\\"', b"\\\\", b"[", b"]", b"\xff", b"\\ "]), max_size=6
).map(lambda parts: b'"' + b"".join(parts) + b'"')
BWS = st.sampled_from([b"", b"", b" ", b"\t "])


@st.composite
def extensions(draw) -> bytes:
    text = b""
    for _ in range(draw(st.integers(0, 4))):
        text += draw(BWS) + b";" + draw(BWS) + draw(TOKEN)
        if draw(st.booleans()):
            text += draw(BWS) + b"=" + draw(BWS) + draw(TOKEN | QUOTED)
    return text


@examples(150)
@given(extensions(), st.integers(1, 40))
def test_whatever_the_grammar_makes_is_taken(extension, step):
    assert decode(extension, step) == b"hello"
