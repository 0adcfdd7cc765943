"""What a head, or the end of a body, may cost: work grows with its size, and what is remembered has bounds in bytes."""

import sys
import time

import pytest

from rsp.http import names
from rsp.http.errors import ProtocolError
from rsp.http.h1 import head
from rsp.http.h1.body import ChunkedDecoder
from rsp.http.h1.codec import parse_request, parse_response

START = b"GET / HTTP/1.1\r\nHost: a\r\n"


def seconds(work, *arguments) -> float:
    """CPU time, the least of five runs, whatever they raise."""
    best = 1e9
    for _ in range(5):
        started = time.thread_time()
        try:
            work(*arguments)
        except ProtocolError:
            pass
        best = min(best, time.thread_time() - started)
    return best


def check(work, small: bytes, large: bytes, free: float) -> None:
    """``large`` is 16 times ``small``, and quadratic work would take 256 times as long, whenever it is measured.

    ``free``: seconds of ``large`` that are beyond suspicion.
    """
    for _ in range(5):
        one, other = seconds(work, small), seconds(work, large)
        if other < 128 * one + free:
            return
    pytest.fail(f"{len(small)} bytes {one * 1e6:.0f} us, {len(large)} bytes {other * 1e6:.0f} us")


def fill(line: bytes, size: int) -> bytes:
    return line * (size // len(line))


def numbered(pattern: bytes, size: int) -> bytes:
    lines = (pattern % number for number in range(size))
    block = bytearray()
    for line in lines:
        if len(block) + len(line) > size:
            break
        block += line
    return bytes(block)


REQUESTS = {
    "underscores": lambda size: START + fill(b"a_:\r\n", size),
    "different underscores": lambda size: START + numbered(b"a_%d:\r\n", size),
    "dots": lambda size: START + numbered(b"a.%d:\r\n", size),
    "a long odd name": lambda size: START + b"a" * (size // 2) + b"_" * (size // 2) + b":\r\n",
    "Connection lines": lambda size: START + fill(b"Connection: a\r\n", size),
    "Connection lines that differ": lambda size: START + numbered(b"Connection: x-%d\r\nx-1:\r\n", size),
    "Connection options": lambda size: START + b"Connection: " + fill(b"a,", size) + b"\r\n",
    "Transfer-Encoding lines": lambda size: START + fill(b"Transfer-Encoding: gzip\r\n", size),
    "Transfer-Encoding members": lambda size: START + b"Transfer-Encoding: " + fill(b"x,", size) + b"chunked\r\n",
    "Content-Length lines": lambda size: START + fill(b"Content-Length: 1\r\n", size),
    "Content-Length digits": lambda size: START + b"Content-Length: " + fill(b"1", size) + b"\r\n",
    "Forwarded lines": lambda size: START + fill(b"Forwarded: for=a\r\n", size),
    "TE lines": lambda size: START + fill(b"TE: a\r\n", size),
    "hosts": lambda size: START + fill(b"Host: a\r\n", size),
    "a long host": lambda size: b"GET / HTTP/1.1\r\nHost: " + fill(b"a", size) + b"/\r\n",
    "an absolute target": lambda size: b"GET http://" + fill(b"a", size) + b"# HTTP/1.1\r\nHost: a\r\n",
    "an absolute path": lambda size: b"GET http://a/" + fill(b"?", size) + b"# HTTP/1.1\r\nHost: a\r\n",
    "spaces in the target": lambda size: b"GET " + fill(b" ", size) + b" HTTP/1.1\r\nHost: a\r\n",
    "a name without a colon": lambda size: START + fill(b"a", size) + b"\r\n",
    "spaces in a value": lambda size: START + b"Host2:" + fill(b" ", size) + b"\x00\r\n",
    "tabs": lambda size: START + b"Connection:" + fill(b"\t", size) + b"x\r\n",
}


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("parse", [parse_request, lambda block: parse_response(block, b"GET")])
def test_the_cost_of_a_head_grows_with_its_size(kind, parse):
    make = REQUESTS[kind]
    start = b"" if parse is parse_request else b"HTTP/1.1 200 OK\r\n"

    def block(size: int) -> bytes:
        text = make(size) + b"\r\n"
        return start + text.partition(b"\r\n")[2] if start else text

    check(parse, block(2 << 10), block(32 << 10), 0.002)


@pytest.mark.parametrize("line", [b"a_:\r\n", b"Connection: a\r\n", b"Forwarded: a\r\n", b"\x00\r\n", b"a:\r\n"])
def test_too_many_fields_are_refused_before_they_are_looked_at(line):
    with pytest.raises(ProtocolError, match="too many fields") as caught:
        parse_request(START + line * 100 + b"\r\n", 100)
    assert caught.value.status == 431
    with pytest.raises(ProtocolError, match="too many fields"):
        parse_response(b"HTTP/1.1 200 OK\r\n" + line * 101 + b"\r\n", b"GET", 100)


def test_as_many_fields_as_the_limit_are_fine():
    assert parse_request(START + b"A: b\r\n" * 99 + b"\r\n", 100).count == 100
    assert parse_response(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100 + b"\r\n", b"GET", 100).count == 100


def in_steps(data: bytes) -> None:
    decoder = ChunkedDecoder()
    for position in range(len(data)):
        decoder.feed(data[position : position + 1])


@pytest.mark.parametrize("line", [b"a:\r\n", b"a" * 4000 + b":" + b"b" * 4000])
def test_trailers_that_arrive_byte_by_byte_are_looked_at_once(line):
    small, large = (b"0\r\n" + (line * 4000)[:size] for size in (500, 8000))
    check(in_steps, small, large, 0.01)


def test_a_size_line_with_extensions_is_read_in_linear_time():
    for piece in (b";a", b";a=", b' ;a="', b";" + b"\t", b'\\"'):
        assert seconds(in_steps, b"5" + (b';a="' + piece * 200)[:250]) < 0.1


def test_long_field_names_are_not_remembered():
    parse_request(START + b"TE: trailers\r\n" + b"n" * 30000 + b": 1\r\n\r\n")
    for number in range(6000):
        parse_request(START + b"TE: trailers\r\nn%d%b: 1\r\n\r\n" % (number, b"x" * 3000))
    assert sum(map(sys.getsizeof, names.SPELLINGS)) < 1 << 20


def test_blocks_that_are_remembered_have_a_bound_in_bytes():
    largest = 0
    for number in range(6000):
        parse_request(b"GET / HTTP/1.1\r\nTE: trailers\r\nHost: %d\r\nA: %b\r\n\r\n" % (number, b"x" * 1900))
        if number % 50 == 0:
            largest = max(largest, sum(map(sys.getsizeof, head._understood)))
    assert 0 < largest < 4 << 20


def test_a_host_that_is_no_name_fills_no_memory():
    assert parse_request(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % (b"a" * 255)).host == b"a" * 255
    for block in (b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n", b"GET http://%b/ HTTP/1.1\r\nHost: a\r\n\r\n"):
        with pytest.raises(ProtocolError) as caught:
            parse_request(block % (b"a" * 262))
        assert caught.value.status == 400
