"""Body decoders and the chunked encoder."""

import pytest

from rsp.http.errors import ProtocolError
from rsp.http.h1.body import ChunkedDecoder, LengthDecoder, encode_chunk, encode_last_chunk


def test_length():
    decoder = LengthDecoder(5)
    assert decoder.feed(b"abc") == [b"abc"]
    assert not decoder.done
    assert decoder.feed(b"deGET /") == [b"de"]
    assert decoder.done
    assert decoder.rest == b"GET /"


def test_chunked_with_extension_and_trailers():
    decoder = ChunkedDecoder()
    pieces = decoder.feed(b'3;a="b"\r\nabc\r\n2 ; x\r\nde\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\nnext')
    assert b"".join(pieces) == b"abcde"
    assert decoder.done
    assert decoder.trailers == [b"X-Sum: 1"]
    assert decoder.rest == b"next"


@pytest.mark.parametrize(
    "data",
    [
        b"+3\r\nabc\r\n", b"-3\r\n", b"0x3\r\nabc\r\n", b"3_0\r\n", b" 3\r\nabc", b"3 \r\nabc", b"\r\n", b"g\r\n",
        b"ffffffffffffffffff\r\n", b"3\nabc\n", b"3\r\nabcd\r\n", b"3\r\nabc\n0\r\n\r\n", b"3;" + b"x" * 300 + b"\r\nabc\r\n",
        b"3;\x00\r\nabc\r\n", b"0\r\nX : y\r\n\r\n", b"0\r\n X: y\r\n\r\n", b"0\r\nX: y\n\r\n", b"0\r\nX\r\n\r\n",
        b"0\r\n" + b"X: y\r\n" * 3000, b"3\r\nabc\rX", b"0\r\nX: \x00\r\n\r\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("step", [1, 10_000])
def test_malformed_chunks(data, step):
    decoder = ChunkedDecoder()
    with pytest.raises(ProtocolError):
        for start in range(0, len(data), step):
            decoder.feed(data[start : start + step])


def test_a_whole_buffer_is_passed_on_without_a_copy():
    decoder = ChunkedDecoder()
    decoder.feed(b"ffff\r\n")
    data = b"x" * 1000
    assert decoder.feed(data)[0] is data


def test_encoding():
    assert b"".join(encode_chunk([b"ab", b"c"])) == b"3\r\nabc\r\n"
    assert encode_last_chunk([]) == b"0\r\n\r\n"
    assert encode_last_chunk([b"X: y"]) == b"0\r\nX: y\r\n\r\n"


def test_trailers_are_limited_in_number():
    for count in (100, 101):
        decoder = ChunkedDecoder()
        data = b"0\r\n" + b"A:\r\n" * count + b"\r\n"
        if count == 100:
            decoder.feed(data)
            assert len(decoder.trailers) == count
        else:
            with pytest.raises(ProtocolError):
                decoder.feed(data)


def test_chunk_extensions_are_a_part_of_the_share():
    decoder = ChunkedDecoder(100)
    pieces = decoder.feed((b"1" + b";a=b" * 60 + b"\r\nx\r\n") * 100)
    assert decoder.more
    assert 10 < len(b"".join(pieces)) < 50
