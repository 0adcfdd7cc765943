"""One request and its response over streams, for what does not go through the data plane: health checks, and the
responders of certificates.

Rules of this room: callers bound the time, with ``asyncio.timeout``; everything else is bounded here.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from rsp.http.errors import ProtocolError
from rsp.http.h1.body import ChunkedDecoder, CloseDecoder, Decoder, LengthDecoder
from rsp.http.h1.lenient import read_head
from rsp.http.message import CHUNKED, ResponseHead

_AT_ONCE: Final = 64 << 10
_HEAD_LIMIT: Final = 32 << 10
_FIELDS_LIMIT: Final = 1000

Where = str | tuple[str, int]  # path of a local socket, or host and port
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(
    where: Where, tls: ssl.SSLContext | None = None, name: str = "", greeting: bytes = b""
) -> AsyncIterator[Streams]:
    """A connection, over TLS if there is a context; ``name``: what the certificate has to be for, and SNI.

    ``greeting``: with which it begins, before TLS.  Raises :class:`OSError`, of which :class:`ssl.SSLError` is one.
    """
    sni = name if tls is not None else None
    try:
        if greeting:
            sock = await _greeted(where, greeting)
            opens = asyncio.open_unix_connection if isinstance(where, str) else asyncio.open_connection
            streams = await opens(sock=sock, ssl=tls, server_hostname=sni)
        elif isinstance(where, str):
            streams = await asyncio.open_unix_connection(where, ssl=tls, server_hostname=sni)
        else:
            streams = await asyncio.open_connection(*where, ssl=tls, server_hostname=sni)
    except (ConnectionResetError, ssl.SSLZeroReturnError) as error:
        if error.errno == errno.ECONNRESET:
            raise
        # an end of file, or close_notify: they have no words of their own
        raise ConnectionResetError(errno.ECONNRESET, "closed the connection during the TLS handshake") from error
    try:
        yield streams
    finally:
        streams[1].transport.abort()


async def _greeted(where: Where, greeting: bytes) -> socket.socket:
    """Connected, and ``greeting`` is sent."""
    tcp = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
    sock = socket.socket(socket.AF_UNIX if isinstance(where, str) else tcp, socket.SOCK_STREAM)
    loop = asyncio.get_running_loop()
    try:
        sock.setblocking(False)
        await loop.sock_connect(sock, where)
        await loop.sock_sendall(sock, greeting)
    except BaseException:
        sock.close()
        raise
    return sock


async def ask(
    where: Where,
    request: bytes,
    method: bytes,
    *,
    tls: ssl.SSLContext | None = None,
    name: str = "",
    greeting: bytes = b"",
    body_limit: int = 64 << 10,
) -> tuple[ResponseHead, bytes]:
    """Send ``request``, a head and its body.  The final response, and the beginning of its body.

    Raises :class:`OSError`, :class:`ProtocolError`, and :class:`EOFError` for a body that breaks off.
    """
    async with connected(where, tls, name, greeting) as (reader, writer):
        writer.write(request)
        head, rest = await read_final_head(reader, method, _HEAD_LIMIT)
        body = b""
        if body_limit:
            async for piece in read_body(reader, head, rest):
                body += piece
                if len(body) >= body_limit:
                    break
        return head, body[:body_limit]


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
