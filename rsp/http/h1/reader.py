"""Responses read from asyncio streams, for requests that do not go through the data plane: health checks, and requests
of hooks over TLS."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from rsp.http.errors import ProtocolError
from rsp.http.h1.body import ChunkedDecoder, CloseDecoder, Decoder, LengthDecoder
from rsp.http.h1.lenient import read_head
from rsp.http.message import CHUNKED, ResponseHead

_AT_ONCE: Final = 64 << 10
_FIELDS_LIMIT: Final = 1000


async def read_final_head(reader: asyncio.StreamReader, method: bytes, limit: int) -> tuple[ResponseHead, bytes]:
    """The final response's head, of at most ``limit`` bytes, and what came with it.

    Flaws that leave no doubt are accepted.  Raises :class:`ProtocolError` and :class:`OSError`.
    """
    data, searched, first = b"", 0, True
    while True:
        head, end = read_head(data, searched, method, _FIELDS_LIMIT, first)
        if head is None:
            searched = max(0, len(data) - 3)
            if len(data) > limit:
                raise ProtocolError("the head is too large")
            more = await reader.read(_AT_ONCE)
            if not more:
                raise ProtocolError("closed the connection early")
            data += more
        elif head.status >= 200:
            return head, data[end:]
        else:
            data, searched, first = data[end:], 0, False


async def read_body(reader: asyncio.StreamReader, head: ResponseHead, data: bytes) -> AsyncIterator[bytes]:
    """The pieces of the body; ``data``: what came with its head.  Raises :class:`EOFError` when it breaks off, and as
    :func:`read_final_head`."""
    if head.framing == 0:
        return
    decoder: Decoder
    if head.framing > 0:
        decoder = LengthDecoder(head.framing)
    else:
        decoder = ChunkedDecoder() if head.framing == CHUNKED else CloseDecoder()
    while True:
        for piece in decoder.feed(data) if data else ():
            yield piece
        if decoder.done:
            return
        data = await reader.read(_AT_ONCE)
        if not data:
            if isinstance(decoder, CloseDecoder):
                return
            raise EOFError("the response broke off")
