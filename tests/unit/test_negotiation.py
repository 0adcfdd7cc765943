"""Accept-Encoding, by RFC 9110 section 12.5.3."""

import pytest

from rsp.http.negotiation import choose

ALL = (b"zstd", b"br", b"gzip")


@pytest.mark.parametrize(
    ("accept", "offered", "chosen"),
    [
        (None, ALL, b""),
        (b"", ALL, b""),
        (b"gzip", ALL, b"gzip"),
        (b"gzip, br", ALL, b"br"),
        (b"gzip, deflate, br, zstd", ALL, b"zstd"),
        (b"gzip, deflate, br, zstd", (b"gzip", b"br"), b"gzip"),
        (b"GZip", ALL, b"gzip"),
        (b"x-gzip", ALL, b"gzip"),
        (b"deflate, compress", ALL, b""),
        (b"gzip", (), b""),
        (b"gzip", (b"br",), b""),
        # weights
        (b"gzip;q=1.0, br;q=0.5", ALL, b"gzip"),
        (b"gzip;q=0.5, br;q=0.8, zstd;q=0.1", ALL, b"br"),
        (b"gzip;q=0", ALL, b""),
        (b"gzip;q=0.000", ALL, b""),
        (b"gzip;q=0, br", ALL, b"br"),
        (b"gzip;q=0.001", ALL, b"gzip"),
        (b"gzip ; Q=0.5 , br\t;\tq=0.6", ALL, b"br"),
        (b"gzip;q=0., br;q=1.", ALL, b"br"),
        (b"gzip;q=0.5,br;q=0.5", ALL, b"br"),
        # none is wanted more
        (b"identity, gzip;q=0.5", ALL, b""),
        (b"identity;q=0.5, gzip", ALL, b"gzip"),
        (b"identity, gzip", ALL, b"gzip"),
        (b"identity;q=1, *;q=0", ALL, b""),
        (b"identity", ALL, b""),
        (b"gzip;q=1.0, identity; q=0.5, *;q=0", ALL, b"gzip"),
        # whatever there is
        (b"*", ALL, b"zstd"),
        (b"*;q=0", ALL, b""),
        (b"gzip, *;q=0", ALL, b"gzip"),
        (b"br;q=0, *", (b"br", b"gzip"), b"gzip"),
        (b"*;q=0.1, gzip;q=0.5", ALL, b"gzip"),
        (b"gzip;q=0.5, *;q=0.9", ALL, b"zstd"),
        (b"identity, *;q=0.5", ALL, b""),
        # nothing else will do
        (b"identity;q=0", ALL, b""),
        (b"identity;q=0, gzip;q=0.1", ALL, b"gzip"),
        (b"identity;q=0, *", (b"gzip",), b"gzip"),
        # written wrongly
        (b"gzip;q=2", ALL, b""),
        (b"gzip;q=1.001", ALL, b""),
        (b"gzip;q=-1", ALL, b""),
        (b"gzip;q=x, br", ALL, b"br"),
        (b"gzip;q=", ALL, b""),
        (b"gzip;q=0.1234", ALL, b""),
        (b"gzip;level=9", ALL, b""),
        (b"gzip br", ALL, b""),
        (b"gzip;q=1;q=0", ALL, b""),
        (b",, gzip ,", ALL, b"gzip"),
        (b'"gzip"', ALL, b""),
        (b"\xff\xfe, gzip", ALL, b"gzip"),
    ],
)
def test_the_choice(accept, offered, chosen):
    assert choose(accept, offered) == chosen
    assert choose(accept, offered) == chosen  # what is remembered


def test_what_is_remembered_is_bounded():
    from rsp.http import negotiation

    for number in range(2000):
        assert choose(b"x%d, gzip" % number, ALL) == b"gzip"
    assert choose(b"x, " * 90 + b"gzip", ALL) == b"gzip"
    assert choose(b"x, " * 10000 + b"gzip", ALL) == b""
    memory = getattr(negotiation, "_chosen", None)  # the compiled build hides it
    if memory is not None:
        assert len(memory) <= 500
        assert all(len(accept) <= 200 for accept, _ in memory)
