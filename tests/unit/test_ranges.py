"""Range and Content-Range, by RFC 9110 section 14."""

import email
import email.policy

import pytest

from rsp.http.ranges import MOST, content_range, delimiters, ranges, unsatisfied


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"bytes=0-0", [(0, 1)]),
        (b"bytes=0-9", [(0, 10)]),
        (b"bytes=2-", [(2, 8)]),
        (b"bytes=-3", [(7, 3)]),
        (b"bytes=-10", [(0, 10)]),
        (b"bytes=-11", [(0, 10)]),
        (b"bytes=5-99", [(5, 5)]),
        (b"bytes=9-9", [(9, 1)]),
        (b"Bytes=0-1", [(0, 2)]),
        (b"BYTES=0-1", [(0, 2)]),
        (b"bytes=0000000000000000000000001-2", [(1, 2)]),
        (b"bytes=0-99999999999999999999999999999999", [(0, 10)]),
        (b"bytes=-99999999999999999999999999999999", [(0, 10)]),
        # several
        (b"bytes=0-0,-1", [(0, 1), (9, 1)]),
        (b"bytes=-1,0-0", [(9, 1), (0, 1)]),
        (b"bytes=0-1, 4-5\t,\t8-8", [(0, 2), (4, 2), (8, 1)]),
        (b"bytes=,0-1,,4-5,", [(0, 2), (4, 2)]),
        (b"bytes=0-1,2-3", [(0, 2), (2, 2)]),  # they touch, and do not overlap
        (b"bytes=8-9,0-1,20-30", [(8, 2), (0, 2)]),
        (b"bytes=20-,-0,3-3", [(3, 1)]),
        # overlaps
        (b"bytes=0-5,3-8", [(0, 9)]),
        (b"bytes=3-8,0-5", [(0, 9)]),
        (b"bytes=8-9,0-2,2-3", [(8, 2), (0, 4)]),
        (b"bytes=0-2,8-9,2-3", [(0, 4), (8, 2)]),
        (b"bytes=0-,0-,0-", [(0, 10)]),
        (b"bytes=1-2,-10", [(0, 10)]),
        (b"bytes=5-5,5-5", [(5, 1)]),
        # nothing that is there
        (b"bytes=10-", []),
        (b"bytes=10-20", []),
        (b"bytes=-0", []),
        (b"bytes=99-,-0", []),
        (b"bytes=99999999999999999999999999999999-", []),
        # not understood
        (b"bytes=5-2", None),
        (b"bytes=0-1,5-2", None),
        (b"bytes=20-10", None),
        (b"bytes=", None),
        (b"bytes=,", None),
        (b"bytes=-", None),
        (b"bytes=a-b", None),
        (b"bytes=0-b", None),
        (b"bytes=1", None),
        (b"bytes=--1", None),
        (b"bytes=-1-2", None),
        (b"bytes=1-2-3", None),
        (b"bytes=+1-2", None),
        (b"bytes=1.5-2", None),
        (b"bytes=0x1-2", None),
        (b"bytes=0 - 1", None),
        (b"bytes= 0-1 2-3", None),
        (b"bytes =0-1", None),
        (b"bytes:0-1", None),
        (b"bytes 0-1", None),
        (b"bytes", None),
        (b"0-1", None),
        (b"", None),
        (b"lines=0-1", None),
        (b"byte=0-1", None),
        (b"bytess=0-1", None),
        (b"none=0-1", None),
        (b"bytes=0-1, bytes=2-3", None),
        ("bytes=\u0661-\u0662".encode(), None),
    ],
)
def test_of_ten_bytes(value, expected):
    assert ranges(value, 10) == expected


def test_of_nothing():
    """An empty file has no part, but some clients ask for parts of everything: they get it whole, as from nginx."""
    for value in (b"bytes=0-", b"bytes=-5", b"bytes=0-0", b"bytes=3-,0-"):
        assert ranges(value, 0) is None
    for value in (b"bytes=1-", b"bytes=3-5"):
        assert ranges(value, 0) == []


def test_too_many():
    apart = [b"%d-%d" % (at, at) for at in range(0, 2 * MOST, 2)]
    assert len(ranges(b"bytes=" + b",".join(apart), 100) or []) == MOST
    assert ranges(b"bytes=" + b",".join([*apart, b"90-90"]), 100) is None
    assert ranges(b"bytes=" + b",".join([b"0-"] * 200), 100) == [(0, 100)]
    assert ranges(b"bytes=" + b",".join([b"0-"] * 1300), 100) is None
    assert ranges(b"bytes=0-1" + b"," * 300, 100) is None


def test_lines():
    assert content_range((0, 1), 10) == b"Content-Range: bytes 0-0/10\r\n"
    assert content_range((7, 3), 10) == b"Content-Range: bytes 7-9/10\r\n"
    assert unsatisfied(10) == b"Content-Range: bytes */10\r\n"


@pytest.mark.parametrize("media", [b"text/html; charset=utf-8", b""])
def test_several_parts_are_a_multipart_message(media):
    content = bytes(range(256)) * 4
    parts = [(1000, 24), (0, 1), (256, 300)]
    before = delimiters(parts, len(content), media, b"0123456789abcdef")
    body = b"".join(
        line + content[start : start + size] for line, (start, size) in zip(before, [*parts, (0, 0)], strict=True)
    )
    assert body.startswith(b"--0123456789abcdef\r\n")
    assert body.endswith(b"\r\n--0123456789abcdef--\r\n")
    head = b"Content-Type: multipart/byteranges; boundary=0123456789abcdef\r\n\r\n"
    message = email.message_from_bytes(head + body, policy=email.policy.compat32)
    found = message.get_payload()
    assert len(found) == 3
    for part, (start, size) in zip(found, parts, strict=True):
        assert part["content-range"] == f"bytes {start}-{start + size - 1}/{len(content)}"
        assert part["content-type"] == (media.decode() or None)
