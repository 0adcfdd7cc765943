"""Requests of hooks over TLS: one connection for each, verified against the system's certificates.

Peers of the configuration speak plain HTTP so far; this is for the identity provider outside.
"""

import asyncio
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from rsp.http1.body import ChunkedDecoder, CloseDecoder, Decoder, LengthDecoder
from rsp.http1.codec import request_head
from rsp.http1.errors import ProtocolError
from rsp.http1.head import CHUNKED
from rsp.http1.lenient import read_head

if TYPE_CHECKING:
    from rsp.proxy.call import Plan
    from rsp.proxy.tasks import Answer

_HEAD_LIMIT: Final = 64 << 10
_FIELDS_LIMIT: Final = 1000


@lru_cache(1)
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


async def fetch(plan: "Plan") -> "Answer":
    """``(True, status, fields, body)``, or ``(True, None, reason)``."""
    try:
        async with asyncio.timeout(plan.timeout):
            return await _ask(plan)
    except TimeoutError:
        reason = "timed out"
    except (OSError, ssl.SSLError, ProtocolError, EOFError) as error:
        reason = str(error) or "the connection broke off"
    return True, None, reason.encode()


async def _ask(plan: "Plan") -> "Answer":
    address = plan.address
    if address is None:
        return True, None, b"no address"
    reader, writer = await asyncio.open_connection(
        address.host, address.port, ssl=_context(), server_hostname=address.host
    )
    try:
        head = plan.head
        fields = head.fields + b"Connection: close\r\n"
        writer.write(request_head(head, head.target, head.host, fields, b"", b"") + plan.body)
        await writer.drain()
        data, searched, first = b"", 0, True
        while True:
            response, end = read_head(data, searched, head.method, _FIELDS_LIMIT, first)
            if response is None:
                searched = max(0, len(data) - 3)
                if len(data) > _HEAD_LIMIT:
                    raise ProtocolError("the head is too large")
                data += await _more(reader)
                continue
            data, searched, first = data[end:], 0, False
            if response.status >= 200:
                break
        framing = response.framing
        if framing == 0:
            return True, response.status, response.fields, b""
        decoder: Decoder = CloseDecoder()
        if framing == CHUNKED:
            decoder = ChunkedDecoder()
        elif framing > 0:
            decoder = LengthDecoder(framing)
        pieces: list[bytes] = decoder.feed(data) if data else []
        while not decoder.done:
            data = await reader.read(1 << 16)
            if not data:
                if isinstance(decoder, CloseDecoder):
                    break
                raise EOFError("the response broke off")
            pieces += decoder.feed(data)
            if sum(map(len, pieces)) > plan.limit:
                return True, None, b"the response is larger than max_body"
        return True, response.status, response.fields, b"".join(pieces)
    finally:
        writer.close()


async def _more(reader: asyncio.StreamReader) -> bytes:
    data = await reader.read(1 << 16)
    if not data:
        raise EOFError("the connection was closed early")
    return data
