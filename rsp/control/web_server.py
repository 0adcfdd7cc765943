"""HTTP/1.1 on a listening socket of the control process: the connections of a :class:`Site`.

Rules of this room: clients are hostile, and they share the loop with health checks.  So heads, bodies, connections,
and the time for each step are bounded; of a response that is made in pieces, the next piece is made when the kernel
has taken the one before; a client that takes nothing for a while loses its connection.
"""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from email.utils import formatdate
from typing import Final
from urllib.parse import parse_qsl, unquote

from rsp.control.web import Request, Response, Site
from rsp.http.errors import ProtocolError
from rsp.http.h1.head import parse_request
from rsp.http.message import RequestHead
from rsp.http.values import PHRASES
from rsp.logs import log

_PATIENCE: Final = 10.0  # seconds for a request to arrive, and for a client to take the next piece
_IDLE: Final = 75.0  # seconds between two requests: Prometheus asks every 15 or 60
_HEAD_LIMIT: Final = 16 << 10
_BODY_LIMIT: Final = 64 << 10
_MOST_FIELDS: Final = 100
_MOST_PARAMETERS: Final = 50
_PIECE: Final = 64 << 10
_FINISH: Final = 0.5  # seconds for responses that are being sent when the process ends


class Server:
    """``most``: connections at a time.  A further one takes the place of the one that has been without a request for
    longest, or gets 503 where all are busy."""

    def __init__(self, site: Site, most: int = 64) -> None:
        self._site = site
        self._most = most
        self._server: asyncio.Server | None = None  # kept, or it would be collected
        self._open: dict[_Connection, None] = {}  # the longest without a request first
        self._closed = False

    async def serve(self, listening: socket.socket) -> None:
        """Accept connections; the socket is closed with the server."""
        if listening.family == socket.AF_UNIX:
            # The file is the master's.  From Python 3.13 on, the loop would look for it, and remove it at the end.
            self._server = await asyncio.start_unix_server(
                self._client, sock=listening, limit=_HEAD_LIMIT, cleanup_socket=False
            )
        else:
            self._server = await asyncio.start_server(self._client, sock=listening, limit=_HEAD_LIMIT)

    def close(self) -> None:
        """Accept no more; the connections end, with their response where one is being sent that has an end.  Those
        that are new get one response, because their clients are about to ask, and would not ask again."""
        self._closed = True
        if self._server is not None:
            self._server.close()
        for connection in list(self._open):
            connection.last = True
            if connection.live or connection.idle:
                connection.abort()

    async def finish(self) -> None:
        """As :meth:`close`; then a moment for the responses."""
        self.close()
        give_up = time.monotonic() + _FINISH
        while self._open and time.monotonic() < give_up:
            await asyncio.sleep(0.01)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self._site, reader, writer, self._waits)
        try:
            if not self._has_room():
                await connection.refuse(503, f"{self._most} requests are being answered; try again later")
                return
            self._open[connection] = None
            connection.last = self._closed
            await connection.run()
            writer.close()
        except (OSError, EOFError, TimeoutError):
            pass  # the client has gone, or was too slow
        except Exception as error:  # of a response that is made in pieces; its client sees that it breaks off
            log.once_a_second("web", f"A response breaks off: {type(error).__name__}: {error}"[:500], log.ERROR)
        finally:
            self._open.pop(connection, None)
            connection.abort()

    def _has_room(self) -> bool:
        """After the one that has waited for longest has made room, where it must."""
        if len(self._open) < self._most:
            return True
        idle = next((connection for connection in self._open if not connection.busy), None)
        if idle is None:
            return False
        del self._open[idle]
        idle.abort()
        return True

    def _waits(self, connection: "_Connection") -> None:
        """It waits for its next request: behind those that wait already."""
        if connection in self._open:
            del self._open[connection]
            self._open[connection] = None


class _Connection:
    """One client's requests, one after the other.

    ``busy``: one is being answered; ``live``: with a body that has no end; ``idle``: it waits for a further one.
    ``last``: the next one, or the one that is being answered, is the last."""

    def __init__(
        self,
        site: Site,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        waits: "Callable[[_Connection], None]",
    ) -> None:
        self._site = site
        self._reader = reader
        self._writer = writer
        self._waits = waits
        self.busy = False
        self.live = False
        self.idle = False
        self.last = False
        writer.transport.set_write_buffer_limits(0)  # drain() waits until the kernel has all

    async def run(self) -> None:
        """Raises :class:`OSError`, :class:`EOFError` and :class:`TimeoutError`."""
        patience = _PATIENCE
        while True:
            try:
                head = await self._head(patience)
                self.idle = False
                request = await self._request(head)
                self.busy = True  # not before: clients whose body never comes make room for others
            except ProtocolError as error:
                await self.refuse(error.status, str(error))
                await self._linger()
                return
            self.last = self.last or not head.keep_alive
            await self._answer(head, await self._site.answer(request))
            if self.last:
                return
            self.busy, self.idle = False, True
            self._waits(self)
            patience = _IDLE
            await asyncio.sleep(0)  # clients that send many requests at once leave turns to others

    async def refuse(self, status: int, why: str) -> None:
        """The last response."""
        response = self._site.refuse(status, why)
        await self._send(_head(response, close=True) + (response.body if isinstance(response.body, bytes) else b""))

    async def _linger(self) -> None:
        """Hear the client out for a moment: closing while there is more to read would take the response back (RST)."""
        self._writer.write_eof()
        async with asyncio.timeout(_FINISH):
            while await self._reader.read(_PIECE):
                pass

    def abort(self) -> None:
        self._writer.transport.abort()

    # -- the request

    async def _head(self, patience: float) -> RequestHead:
        try:
            async with asyncio.timeout(patience):
                return parse_request(await self._reader.readuntil(b"\r\n\r\n"), _MOST_FIELDS)
        except asyncio.LimitOverrunError:
            raise ProtocolError(f"a head of at most {_HEAD_LIMIT >> 10} KB is expected", 431) from None

    async def _request(self, head: RequestHead) -> Request:
        if not 0 <= head.framing <= _BODY_LIMIT:
            raise ProtocolError(f"a body of at most {_BODY_LIMIT >> 10} KB, with a Content-Length, is expected", 413)
        if head.expect_continue:
            await self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        async with asyncio.timeout(_PATIENCE):
            body = await self._reader.readexactly(head.framing)
        path, _, query = head.target.decode("latin-1").partition("?")
        return Request(head.method.decode(), unquote(path), _parameters(query), _fields(head), body)

    # -- the response

    async def _answer(self, head: RequestHead, response: Response) -> None:
        pieces = response.body if not isinstance(response.body, bytes) else _cut(response.body)
        chunked = not isinstance(response.body, bytes) and head.minor == 1
        self.last = self.last or response.live or not (chunked or isinstance(response.body, bytes))
        self.live = response.live
        async with aclosing(pieces):
            await self._send(_head(response, chunked=chunked, close=self.last))
            if head.method != b"HEAD":
                await (self._live(pieces, chunked) if response.live else self._stream(pieces, chunked))

    async def _live(self, pieces: AsyncGenerator[bytes, None], chunked: bool) -> None:
        """Until the client hangs up, or sends more, which is not expected."""
        sending = asyncio.ensure_future(self._stream(pieces, chunked))
        heard = asyncio.ensure_future(self._reader.read(1))
        try:
            await asyncio.wait((sending, heard), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, heard):
                task.cancel()
            await asyncio.gather(sending, heard, return_exceptions=True)

    async def _stream(self, pieces: AsyncGenerator[bytes, None], chunked: bool) -> None:
        async for piece in pieces:
            if piece:
                await self._send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            await self._send(b"0\r\n\r\n")

    async def _send(self, data: bytes) -> None:
        """Wait until the kernel has taken ``data``.  Raises :class:`OSError` and :class:`TimeoutError`."""
        self._writer.write(data)
        async with asyncio.timeout(_PATIENCE):
            await self._writer.drain()


async def _cut(body: bytes) -> AsyncGenerator[bytes, None]:
    """Pieces that a slow client can take in the time that it has for one."""
    for start in range(0, len(body), _PIECE):
        yield body[start : start + _PIECE]


def _parameters(query: str) -> dict[str, str]:
    """The last of those with one name counts.  Raises :class:`ProtocolError` for too many."""
    try:
        return dict(parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS))
    except ValueError:
        raise ProtocolError("too many parameters in the query") from None


def _fields(head: RequestHead) -> dict[bytes, bytes]:
    fields = {b"host": head.host}
    for line in head.fields.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            name, value = name.lower(), value.strip(b" \t")
            fields[name] = fields[name] + b", " + value if name in fields else value
    return fields


def _head(response: Response, *, chunked: bool = False, close: bool = False) -> bytes:
    """Raises :class:`ValueError` for an invalid field."""
    fields = {
        "Server": "rsp",
        "Date": formatdate(usegmt=True),
        "Content-Type": response.type,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        **response.fields,
    }
    if chunked:
        fields["Transfer-Encoding"] = "chunked"
    elif isinstance(response.body, bytes) and response.status not in (204, 304):
        fields["Content-Length"] = str(len(response.body))
    if close:
        fields["Connection"] = "close"
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    if lines.count("\n") != len(fields) or lines.count("\r") != len(fields):
        raise ValueError("a line break in a field of a response")
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (
        response.status, PHRASES.get(response.status, b"Status"), lines.encode("latin-1", "replace"),
    )  # fmt: skip
