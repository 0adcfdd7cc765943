"""One request and its response over HTTP/2: what ``asking.py`` is for HTTP/1, for health checks.

Rules of this room: those of ``asking.py``.  The peer is given no more than it needs: one stream, a small window, a
number of frames.
"""

import asyncio
import ssl
import struct
from typing import Final, NamedTuple

from rsp.control.asking import Where, connected
from rsp.http.errors import ProtocolError
from rsp.http.h2.errors import Http2Error
from rsp.http.h2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    FRAME,
    FRAME_HEAD,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_HEADER_LIST_SIZE,
    PADDED,
    PING,
    PREFACE,
    PRIORITIZED,
    RST_STREAM,
    SETTINGS,
    error_name,
)
from rsp.http.h2.heads import response_of, trailers_of
from rsp.http.h2.hpack import Decoder, Encoder
from rsp.http.h2.wire import FrameHead, frame_head, number_at
from rsp.http.message import ResponseHead

_STREAM: Final = 1
_HEAD_LIMIT: Final = 32 << 10
_FIELDS_LIMIT: Final = 1000
_MOST_FRAMES: Final = 1000


class Asked(NamedTuple):
    """``fields``: lines with CRLF; ``body_limit``: bytes of the response's body that are wanted."""

    method: bytes
    authority: bytes
    path: bytes
    fields: bytes
    body: bytes = b""
    body_limit: int = 32 << 10


class Answer(NamedTuple):
    head: ResponseHead
    body: bytes
    trailers: list[bytes]


async def ask(where: Where, asked: Asked, tls: ssl.SSLContext | None = None, name: str = "") -> Answer:
    """The final response; what is behind ``body_limit`` is not waited for.

    Raises :class:`OSError`, :class:`ProtocolError`, and :class:`EOFError` for a response that breaks off.
    """
    async with connected(where, tls, name) as (reader, writer):
        secure = writer.get_extra_info("ssl_object")
        if secure is not None and secure.selected_alpn_protocol() != "h2":
            raise ProtocolError("does not agree to HTTP/2 in the TLS handshake (ALPN h2)")
        writer.write(_request(asked, b"http" if secure is None else b"https"))
        return await _Conversation(reader, writer, asked).run()


def _request(asked: Asked, scheme: bytes) -> bytes:
    window = INITIAL_WINDOW_SIZE, asked.body_limit + FRAME
    settings = struct.pack(">HIHIHI", ENABLE_PUSH, 0, *window, MAX_HEADER_LIST_SIZE, _HEAD_LIMIT)
    block = Encoder().request(asked.method, scheme, asked.authority, asked.path, b"", asked.fields, b"")
    flags = END_HEADERS if asked.body else END_HEADERS | END_STREAM
    start = PREFACE + _frame(SETTINGS, 0, 0, settings) + _frame(HEADERS, flags, _STREAM, block)
    return start + (_frame(DATA, END_STREAM, _STREAM, asked.body) if asked.body else b"")


def _frame(kind: int, flags: int, number: int, payload: bytes) -> bytes:
    return frame_head(len(payload), kind, flags, number) + payload


class _Conversation:
    """What the peer sends, until the response is there."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: Asked) -> None:
        self._reader = reader
        self._writer = writer
        self._asked = asked
        self._decoder = Decoder()
        self._frame = FrameHead()
        self._block: bytes | None = None  # of a head whose end has not come
        self._ends = False  # the stream does, with that head
        self._head: ResponseHead | None = None
        self._body = b""
        self._trailers: list[bytes] = []

    async def run(self) -> Answer:
        for number in range(_MOST_FRAMES):
            try:
                over = self._take(await self._next(number == 0))
            except Http2Error as error:
                raise ProtocolError(str(error)) from error
            if self._head is not None and (over or len(self._body) >= self._asked.body_limit):
                return Answer(self._head, self._body[: self._asked.body_limit], self._trailers)
        raise ProtocolError(f"no response within {_MOST_FRAMES} frames")

    async def _next(self, first: bool) -> bytes:
        """The payload of the next frame, whose head is in ``_frame``."""
        frame = self._frame
        try:
            start = await self._reader.readexactly(FRAME_HEAD)
            frame.read(start, 0)
            if first and (start.startswith(b"HTTP/") or frame.kind != SETTINGS):
                raise ProtocolError("speaks HTTP/1, not HTTP/2" if start[:5] == b"HTTP/" else "does not speak HTTP/2")
            if frame.size > FRAME:
                raise ProtocolError("sent a frame that is too large")
            return await self._reader.readexactly(frame.size)
        except asyncio.IncompleteReadError as error:
            if self._head is not None:
                raise EOFError("the response broke off") from error
            raise ProtocolError("closed the connection early") from error

    def _take(self, payload: bytes) -> bool:
        """Whether the response is complete."""
        frame = self._frame
        if self._block is not None and frame.kind != CONTINUATION:
            raise ProtocolError("sent a frame within a head")
        if frame.kind == SETTINGS and not frame.flags & ACK:
            self._writer.write(_frame(SETTINGS, ACK, 0, b""))
        elif frame.kind == PING and not frame.flags & ACK:
            self._writer.write(_frame(PING, ACK, 0, payload))
        elif frame.kind == GOAWAY and len(payload) >= 8 and number_at(payload, 0) < _STREAM:
            raise ProtocolError(f"refused the connection: {error_name(number_at(payload, 4))}")
        if frame.number != _STREAM:
            return False
        if frame.kind == RST_STREAM and len(payload) == 4:
            raise EOFError(f"reset the stream: {error_name(number_at(payload, 0))}")
        if frame.kind == DATA:
            return self._data(self._unpadded(payload))
        if frame.kind == HEADERS:
            self._block = self._unpadded(payload)[5 if frame.flags & PRIORITIZED else 0 :]
            self._ends = bool(frame.flags & END_STREAM)
        elif frame.kind == CONTINUATION and self._block is not None:
            self._block += payload
        else:
            return False
        return self._section() if frame.flags & END_HEADERS else self._bounded()

    def _unpadded(self, payload: bytes) -> bytes:
        if not self._frame.flags & PADDED:
            return payload
        if not payload or payload[0] >= len(payload):
            raise ProtocolError("sent a frame with too much padding")
        return payload[1 : len(payload) - payload[0]]

    def _bounded(self) -> bool:
        if self._block is not None and len(self._block) > _HEAD_LIMIT:
            raise ProtocolError("the head is too large")
        return False

    def _data(self, data: bytes) -> bool:
        if self._head is None:
            raise ProtocolError("sent a body before the head")
        self._body += data
        return bool(self._frame.flags & END_STREAM)

    def _section(self) -> bool:
        """A head, or trailers, are whole."""
        block, self._block = self._block or b"", None
        fields = self._decoder.decode(block, _HEAD_LIMIT, self._head is not None)
        if self._head is not None:
            self._trailers = trailers_of(fields)
            return True
        head = response_of(fields, self._ends, self._asked.method, _FIELDS_LIMIT)
        if head.status >= 200:
            self._head = head
        elif self._ends:
            raise ProtocolError("ended before the response")
        return self._ends
