"""Requests of hooks over TLS: one connection for each, verified against the system's certificates.

Peers of the configuration speak plain HTTP so far; this is for the identity provider outside.
"""

import asyncio
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from rsp.http.errors import ProtocolError
from rsp.http.h1.codec import request_head
from rsp.http.h1.reader import read_body, read_final_head

if TYPE_CHECKING:
    from rsp.exchange.hooks.call import Plan
    from rsp.exchange.hooks.tasks import Answer

_HEAD_LIMIT: Final = 64 << 10


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
        response, data = await read_final_head(reader, head.method, _HEAD_LIMIT)
        pieces: list[bytes] = []
        size = 0
        async for piece in read_body(reader, response, data):
            size += len(piece)
            if size > plan.limit:
                return True, None, b"the response is larger than max_body"
            pieces.append(piece)
        return True, response.status, response.fields, b"".join(pieces)
    finally:
        writer.close()
