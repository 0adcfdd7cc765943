"""Responses with flaws that leave no doubt are read; those that leave one are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.http.errors import ProtocolError
from rsp.http.h1.codec import parse_response, response_head
from rsp.http.h1.lenient import read_head
from rsp.http.message import CHUNKED, UNTIL_CLOSE


def read(data: bytes, method: bytes = b"GET", first: bool = False):
    head, end = read_head(data, 0, method, 100, first)
    assert head is not None
    return head, data[end:]


OK = b"HTTP/1.1 200 OK\r\n"
READ = {
    "nothing wrong": (OK + b"A: b\r\nContent-Length: 2\r\n\r\n", b"A: b\r\n", 2),
    "bare LF": (b"HTTP/1.1 200 OK\nA: b\nContent-Length: 2\n\n", b"A: b\r\n", 2),
    "mixed": (b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\nContent-Length: 2\n\r\n", b"A: b\r\nC: d\r\n", 2),
    "mixed end": (b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\n", b"", 2),
    "a fold": (OK + b"A: b\r\n c\r\nContent-Length: 2\r\n\r\n", b"A: b c\r\n", 2),
    "a fold with tabs": (OK + b"A: b \r\n\t \tc\t\r\nContent-Length: 2\r\n\r\n", b"A: b c\r\n", 2),
    "folds": (OK + b"A:\r\n b\r\n \r\n c\r\n\td\r\nContent-Length: 2\r\n\r\n", b"A: b c d\r\n", 2),
    "an empty fold": (OK + b"A: b\r\n \r\nContent-Length: 2\r\n\r\n", b"A: b\r\n", 2),
    "a fold and bare LF": (b"HTTP/1.1 200 OK\nA: b\n c\nContent-Length: 2\n\n", b"A: b c\r\n", 2),
    "one length twice": (OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n", b"", 2),
    "one length in a list": (OK + b"Content-Length: 2, 2\r\n\r\n", b"", 2),
    "one length in lists": (OK + b"Content-Length: 2,2\r\nA: b\r\nContent-Length:2\r\n\r\n", b"A: b\r\n", 2),
    "space before a colon": (OK + b"A \t: b\r\nContent-Length: 2\r\n\r\n", b"A: b\r\n", 2),
    "no reason": (b"HTTP/1.1 200\nContent-Length: 2\n\n", b"", 2),
    "a blank reason": (b"HTTP/1.1 200 \nContent-Length: 2\n\n", b"", 2),
    "spaces in the status line": (b"HTTP/1.1 \t 200  OK \r\nContent-Length: 2\r\n\r\n", b"", 2),
    "a later minor version": (b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\n", b"", 2),
    "chunks": (b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n", b"", CHUNKED),
    "until the end": (b"HTTP/1.0 200 OK\nA: b\n\n", b"A: b\r\n", UNTIL_CLOSE),
}


@pytest.mark.parametrize("kind", READ)
def test_harmless_flaws_are_read(kind):
    data, fields, framing = READ[kind]
    head, rest = read(data + b"ab\r\n\r\n")
    kept = b"".join(line + b"\r\n" for line in head.fields.split(b"\r\n")[:-1])
    assert (kept, head.framing, rest, head.status) == (fields, framing, b"ab\r\n\r\n", 200)
    again = response_head(head, head.fields, framing, b"")
    assert parse_response(again, b"GET").fields == head.fields  # as strict as any response that a client gets


REFUSED = {
    "a fold at first": OK + b" A: b\r\nContent-Length: 2\r\n\r\n",
    "a folded length": OK + b"Content-Length:\r\n 2\r\n\r\n",
    "a length with a fold": OK + b"Content-Length: 2\r\n 3\r\n\r\n",
    "a folded coding": OK + b"Transfer-Encoding:\r\n chunked\r\n\r\n",
    "an empty fold of a coding": b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n \n\n",
    "two lengths": b"HTTP/1.1 200 OK\nContent-Length: 2\nContent-Length: 3\n\n",
    "two lengths in a list": OK + b"Content-Length: 2, 3\r\n\r\n",
    "no length": OK + b"Content-Length: \r\n\r\n",
    "no length twice": OK + b"Content-Length:\r\nContent-Length:\r\n\r\n",
    "a length with a sign": b"HTTP/1.1 200 OK\nContent-Length: +2\n\n",
    "length and coding": b"HTTP/1.1 200 OK\nContent-Length: 2\nTransfer-Encoding: chunked\n\n",
    "space before a length's colon": OK + b"Content-Length : 2\r\n\r\n",
    "space before a coding's colon": OK + b"Transfer-Encoding\t: chunked\r\n\r\n",
    "an unknown coding": b"HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked\n\n",
    "chunked twice": b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n",
    "chunks in 1.0": b"HTTP/1.0 200 OK\nTransfer-Encoding: chunked\n\n",
    "a bare CR": OK + b"A: b\rContent-Length: 2\r\n\r\n",
    "two CRs": OK + b"A: b\r\r\nContent-Length: 2\r\n\r\n",
    "NUL": b"HTTP/1.1 200 OK\nA: \x00\n\n",
    "a control character": b"HTTP/1.1 200 OK\nA: \x01\n\n",
    "no colon": b"HTTP/1.1 200 OK\nA b\n\n",
    "no name": b"HTTP/1.1 200 OK\n: b\n\n",
    "a space in a name": b"HTTP/1.1 200 OK\nA b: c\n\n",
    "no status": b"HTTP/1.1\n\n",
    "a short status": b"HTTP/1.1 20 OK\n\n",
    "a long status": b"HTTP/1.1 2000 OK\n\n",
    "a negative status": b"HTTP/1.1 -20 OK\n\n",
    "another version": b"HTTP/2 200 OK\n\n",
    "another protocol": b"ICY 200 OK\n\n",
    "small letters": b"http/1.1 200 OK\n\n",
    "an empty line first": b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    "white space first": b" HTTP/1.1 200 OK\r\n\r\n",
    "too many fields": b"HTTP/1.1 200 OK\n" + b"A: b\n" * 101 + b"\n",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_leaves_a_doubt_is_refused(kind):
    with pytest.raises(ProtocolError):
        read(REFUSED[kind])


@pytest.mark.parametrize("status", [b"204 No Content", b"103 Early Hints", b"304 Not Modified"])
@pytest.mark.parametrize(
    "fields",
    [
        b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 1\r\nContent-Length: 2\r\n", b"Transfer-Encoding: gzip\r\nContent-Length: x\r\n",
    ],
)  # fmt: skip
def test_responses_without_a_body_end_at_the_empty_line(status, fields):
    head, rest = read(b"HTTP/1.1 %b\r\nA: b\r\n%b\r\nrest" % (status, fields))
    assert (head.framing, head.fields, rest) == (0, b"A: b\r\n", b"rest")
    if status[:3] == b"204":
        assert not head.keep_alive
        assert not head.length_line


def test_a_head_response_that_contradicts_itself_ends_at_the_empty_line_and_is_the_last():
    head, _ = read(OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", b"HEAD")
    assert (head.framing, head.length_line, head.keep_alive) == (0, b"", False)
    head, _ = read(b"HTTP/1.1 200 OK\nContent-Length: 5\n\n", b"HEAD")
    assert (head.framing, head.length_line, head.keep_alive) == (0, b"Content-Length: 5\r\n", True)


@pytest.mark.parametrize("empty", [b"\r\n", b"\n"])
def test_an_empty_line_before_the_first_response_is_taken(empty):
    assert read(empty + OK + b"Content-Length: 2\r\n\r\nab", first=True)[1] == b"ab"
    for data in (empty * 2 + OK + b"\r\n", b" " + empty + OK + b"\r\n"):
        with pytest.raises(ProtocolError):
            read(data, first=True)


@given(st.sampled_from(sorted(READ)), st.booleans())
def test_a_head_in_pieces_means_the_same(kind, first):
    data = (b"\r\n" if first else b"") + READ[kind][0] + b"ab"
    held = 0
    for size in range(len(data) + 1):
        head, end = read_head(data[:size], max(0, held - 3), b"GET", 100, first)
        held = size
        if head is not None:
            break
    assert head is not None
    assert (head.framing, data[end:]) == (READ[kind][2], b"ab")


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01", b"SSH-2.0", b"\n\n", b"HTTPX", b"HTTP/1.1 200 OK\x00", b"HTTP/1.1 200\rX"]
)
def test_what_can_never_become_a_response_is_refused_at_once(data):
    with pytest.raises(ProtocolError):
        read_head(data, 0, b"GET", 100, False)


@pytest.mark.parametrize("first", [True, False])
def test_a_server_of_http2_is_told_from_garbage(first):
    settings = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64"
    with pytest.raises(ProtocolError, match=r"HTTP/2 instead of HTTP/1.1; add http = 2 to the upstream"):
        read_head(settings, 0, b"GET", 100, first)
