"""Responses from asyncio streams: whole or in pieces, with what comes before and behind them."""

import asyncio

import pytest

from rsp.control.asking import read_body, read_final_head
from rsp.http.errors import ProtocolError

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"


def read(data, step=1 << 16, limit=1000):
    async def run():
        reader = asyncio.StreamReader()

        async def feed():
            for start in range(0, len(data), step):
                reader.feed_data(data[start : start + step])
                await asyncio.sleep(0)
            reader.feed_eof()

        feeding = asyncio.ensure_future(feed())
        head, rest = await read_final_head(reader, b"GET", limit)
        body = b"".join([piece async for piece in read_body(reader, head, rest)])
        await feeding
        return head.status, body

    return asyncio.run(run())


@pytest.mark.parametrize("step", [1, 2, 7, 1 << 16])
@pytest.mark.parametrize(
    ("data", "body"),
    [
        (CHUNKED, b"abc"),
        (b"\r\nHTTP/1.1 200 OK\nContent-Length: 3\n\nabc", b"abc"),
        (b"HTTP/1.0 200 OK\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\n\r\n" + CHUNKED, b"abc"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
def test_a_final_response_and_its_body(data, body, step):
    assert read(data, step) == (200, body)


@pytest.mark.parametrize("data", [CHUNKED[:-5], b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc"])
def test_a_body_that_breaks_off_is_told(data):
    with pytest.raises(EOFError):
        read(data)


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"SSH-2.0\r\n\r\n"])
def test_no_head_is_an_error(data):
    with pytest.raises(ProtocolError):
        read(data)


def test_a_head_without_end_is_too_large():
    with pytest.raises(ProtocolError, match="too large"):
        read(b"HTTP/1.1 200 OK\r\nA: " + b"a" * 2000, step=100)
