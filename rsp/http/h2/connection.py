"""An HTTP/2 connection, whichever end this is: what arrives, frame by frame (RFC 9113 sections 4 to 6).

What an end makes of it is for its subclass (``server.py``, ``client.py``).  Every frame is checked before any work is
done on it, and frames that bring nothing cost points (``guard.py``).  A read may hold 28,000 frames; a connection gets
a share of a turn of the loop, then the others have theirs.

The connection's window is credited as data arrives, without regard to its use: the windows of its streams
limit it.
"""

from math import inf
from typing import Final

from rsp.http.errors import ProtocolError
from rsp.http.h2.agreement import Agreement
from rsp.http.h2.errors import Http2Error, StreamError
from rsp.http.h2.guard import SETTING, SMALL
from rsp.http.h2.heads import trailers_of
from rsp.http.h2.hpack import Decoder, Fields
from rsp.http.h2.output import BACKLOG
from rsp.http.h2.states import CLOSED, LINGER_SECONDS, LINGERING, OPEN
from rsp.http.h2.stream import Stream
from rsp.http.h2.wire import FrameHead, frame_head, number_at
from rsp.net.context import WorkerContext
from rsp.net.transport import Transport

from rsp.http.h2.frames import (  # isort: skip
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, FRAME, FRAME_HEAD,
    FRAME_SIZE_ERROR, GOAWAY, HEADERS, LARGEST_WINDOW, NO_ERROR, PADDED, PING, PRIORITIZED, PRIORITY, PROTOCOL_ERROR,
    PUSH_PROMISE, REFUSED_STREAM, RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW, WINDOW_UPDATE,
)  # fmt: skip

_NEVER: Final = inf
_WINDOW: Final = 1 << 26  # of the connection: more than a stream's, because it bounds nothing
_SHARE: Final = 1024  # of a turn: a frame counts one, one that begins a request more
_MOST_CONTINUATIONS: Final = 16  # of one section
_LINGER_BYTES: Final = 16 << 20
_NOTHING: Final[list[bytes]] = []  # never changed
_FRAME: Final = FrameHead()  # of the frame that is being read


class Connection(Agreement):
    """``state``; ``last``: the highest stream that the other side has begun; ``deadline``: of what it waits for.

    ``head_limit``        bytes of a field section, decoded (RFC 9113 section 6.5.2)
    ``reset_points``      what a stream that the other side resets, or has reset, costs it
    """

    __slots__ = (
        "_block", "_block_flags", "_block_number", "_block_size", "_buffer", "_data", "_data_size", "_data_stream",
        "_decoder", "_receive_window", "_thrown_away", "_unread", "deadline", "head_limit", "last",
        "reset_points", "share", "state",
    )  # fmt: skip

    def begin_connection(
        self,
        context: WorkerContext,
        transport: Transport,
        buffer: int,
        head_limit: int,
        settings: bytes,
        preface: bytes,
    ) -> None:
        """``settings``: what this side announces, as the payload of a frame; ``preface``: what comes before it."""
        self.begin_output(context, transport, buffer)
        self.begin_agreement()
        self.head_limit = head_limit
        self.state = OPEN
        self.last = 0
        self.deadline = _NEVER
        self.reset_points = 0
        self.share = 0
        self._decoder = Decoder()
        self._buffer = b""
        self._receive_window = _WINDOW
        self._unread = 0  # bytes that came since the last credit
        self._thrown_away = 0
        self._block = _NOTHING  # a section that is not whole
        self._block_number = self._block_flags = self._block_size = 0
        self._data = _NOTHING  # of one stream, of frames that follow each other
        self._data_size = 0
        self._data_stream: Stream | None = None
        transport.begin(self, BACKLOG)
        self.put(preface + frame_head(len(settings), SETTINGS, 0, 0) + settings)
        self.send_credit(0, _WINDOW - WINDOW)

    # -- what arrives

    def data_received(self, data: bytes) -> None:
        if self.state != OPEN:
            self._thrown_away += len(data)
            if self._thrown_away > _LINGER_BYTES:
                self.transport.abort()
            return
        self._read(self._buffer + data if self._buffer else data)

    def go_on(self) -> None:
        if self.state == OPEN:
            self._read(self._buffer)

    def _read(self, data: bytes) -> None:
        """As many frames as there are, within a share."""
        frame, at, end = _FRAME, 0, len(data)
        self._buffer = b""
        self.share = _SHARE
        self.reading = True
        try:
            while end - at >= FRAME_HEAD:
                frame.read(data, at)
                if frame.size > FRAME:
                    raise Http2Error(FRAME_SIZE_ERROR, "a frame above 16,384 bytes")
                behind = at + FRAME_HEAD + frame.size
                if behind > end:
                    break
                payload = data[at + FRAME_HEAD : behind]
                at, number = behind, frame.number
                try:
                    self._take(frame.kind, frame.flags, number, payload)
                except StreamError as error:
                    self._stream_failed(number, error)
                self.share -= 1
                if self.share <= 0:
                    self.transport.later()
                    break
                if self.state != OPEN:
                    return
            self._deliver()
        except Http2Error as error:
            self.fail(error)
            return
        finally:
            self.reading = False
        self.turn_ends()
        if at < end and self.state == OPEN:
            self._buffer = data[at:] if at else data

    def _take(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if self._block_number and (kind != CONTINUATION or number != self._block_number):
            raise Http2Error(PROTOCOL_ERROR, "another frame within a field section")
        if not self.greeted and (kind != SETTINGS or flags & ACK):
            raise Http2Error(PROTOCOL_ERROR, "another frame before its SETTINGS")
        if kind == DATA:
            self._take_data(flags, number, payload)
        elif kind == HEADERS:
            self._take_headers(flags, number, payload)
        elif kind == WINDOW_UPDATE:
            self.take_window_update(number, payload)
        elif kind == RST_STREAM:
            self._take_reset(number, payload)
        elif kind == SETTINGS:
            self.take_settings(flags, number, payload)
        elif kind == PING:
            self.take_ping(flags, number, payload)
        elif kind == CONTINUATION:
            self._take_continuation(flags, number, payload)
        elif kind == PRIORITY:
            self.take_priority(number, payload)
        elif kind == GOAWAY:
            if number or len(payload) < 8:
                raise Http2Error(PROTOCOL_ERROR if number else FRAME_SIZE_ERROR, "an invalid GOAWAY")
            self.guard.spend(SETTING, self.context.now)
            self.goaway_received(number_at(payload, 0) & LARGEST_WINDOW, number_at(payload, 4))
        elif kind == PUSH_PROMISE:
            raise Http2Error(PROTOCOL_ERROR, "PUSH_PROMISE")
        else:
            self.guard.spend(SMALL, self.context.now)

    # -- bodies

    def _take_data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        self._receive_window -= size
        if self._receive_window < 0:
            raise Http2Error(FLOW_CONTROL_ERROR, "more data than the connection's window allows")
        self._unread += size
        if self._unread * 2 >= _WINDOW:
            self.send_credit(0, self._unread)
            self._receive_window += self._unread
            self._unread = 0
        content = _unpadded(payload, 0) if flags & PADDED else payload
        stream = self.streams.get(number)
        if stream is None:
            # Of a stream that this side has reset, the window that it had may still come.
            if not self.missing(number, "DATA", 0 if content else SMALL):
                raise Http2Error(STREAM_CLOSED, "DATA on a stream that is closed")
            return
        if stream.remote_done:
            raise StreamError(STREAM_CLOSED, "DATA behind the end of the stream")
        stream.receive_window -= size
        if stream.receive_window < 0:
            raise StreamError(FLOW_CONTROL_ERROR, "more data than the stream's window allows")
        if size > len(content):
            stream.credit(size - len(content))
        if self._data_stream is not stream:
            self._deliver()
            self._data_stream = stream
        if content:
            self.guard.earn(len(content))
            if self._data:
                self._data.append(content)
            else:
                self._data = [content]
            self._data_size += len(content)
        elif not flags & END_STREAM:
            self.guard.spend(SMALL, self.context.now)
        if flags & END_STREAM:
            stream.remote_done = True
            self._deliver()

    def _deliver(self) -> None:
        """Data of frames that followed each other is one piece of work."""
        stream = self._data_stream
        if stream is None:
            return
        pieces, size = self._data, self._data_size
        self._data_stream = None
        self._data, self._data_size = _NOTHING, 0
        if stream.gone or not (pieces or stream.remote_done):
            return
        try:
            self._pass(stream, pieces, size, [] if stream.remote_done else None)
        except StreamError as error:
            self._stream_failed(stream.number, error)

    def _pass(self, stream: Stream, pieces: list[bytes], size: int, trailers: list[bytes] | None) -> None:
        stream.received(pieces, size, trailers)
        if trailers is not None and stream.local_done:
            self.forget(stream)

    # -- field sections

    def _take_headers(self, flags: int, number: int, payload: bytes) -> None:
        if number == 0:
            raise Http2Error(PROTOCOL_ERROR, "HEADERS on stream 0")
        start = 0
        if flags & PRIORITIZED:
            start = 6 if flags & PADDED else 5
            if len(payload) < start:
                raise Http2Error(FRAME_SIZE_ERROR, "HEADERS without room for its priority")
            if number_at(payload, start - 5) & LARGEST_WINDOW == number:
                raise Http2Error(PROTOCOL_ERROR, "a stream that depends on itself")
        fragment = _unpadded(payload, start) if flags & PADDED else payload[start:] if start else payload
        if flags & END_HEADERS:
            self._take_section(number, flags, fragment)
        else:
            self._block = [fragment]
            self._block_number, self._block_flags, self._block_size = number, flags, len(fragment)
            self.section_begins()

    def _take_continuation(self, flags: int, number: int, payload: bytes) -> None:
        if not self._block_number:
            raise Http2Error(PROTOCOL_ERROR, "CONTINUATION without HEADERS")
        self._block.append(payload)
        self._block_size += len(payload)
        if self._block_size > self.head_limit + FRAME or len(self._block) > 1 + _MOST_CONTINUATIONS:
            raise Http2Error(ENHANCE_YOUR_CALM, "a field section that does not end")
        if flags & END_HEADERS:
            block, self._block = b"".join(self._block), _NOTHING
            self._block_number = 0
            self._take_section(number, self._block_flags, block)

    def _take_section(self, number: int, flags: int, block: bytes) -> None:
        stream, last = self.streams.get(number), bool(flags & END_STREAM)
        fields = self._decoder.decode(block, self.head_limit, stream is not None and stream.has_head)
        if fields.too_large:  # a bomb of 16 KB means megabytes, used or not
            self.guard.spend(fields.size >> 10, self.context.now)
        self._deliver()
        if stream is None or stream.gone:
            self.head_received(number, fields, last)
            return
        if stream.remote_done:
            raise StreamError(STREAM_CLOSED, "HEADERS behind the end of the stream")
        if not stream.has_head:
            self.head_arrived(stream, fields, last)
            return
        if not last:
            raise StreamError(PROTOCOL_ERROR, "trailers that do not end the stream")
        try:
            trailers = trailers_of(fields)
        except ProtocolError as error:
            raise StreamError(PROTOCOL_ERROR, str(error)) from None
        stream.remote_done = True
        self._pass(stream, [], 0, trailers)

    def _take_reset(self, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise Http2Error(FRAME_SIZE_ERROR, "a RST_STREAM that has not 4 bytes")
        stream = self.streams.get(number)
        if stream is None:
            self.missing(number, "RST_STREAM", SMALL)
            return
        self.guard.spend(self.reset_points, self.context.now)
        self._deliver()
        if not stream.gone:
            code = number_at(payload, 0)
            self.forget(stream)
            stream.was_reset(code, code == REFUSED_STREAM)

    # -- what ends are asked

    def head_received(self, number: int, fields: Fields, last: bool) -> None:
        """A section for a stream that is not there: a request, or of one that is gone."""
        raise NotImplementedError

    def head_arrived(self, stream: Stream, fields: Fields, last: bool) -> None:
        """A section that is not trailers, for ``stream``."""
        raise NotImplementedError

    def section_begins(self) -> None:
        """A field section has begun that is not whole."""

    def turn_ends(self) -> None:
        """All that is there has been looked at, or this turn's share of it."""

    def goaway_received(self, last: int, code: int) -> None:
        """It processes no stream above ``last``."""
        raise NotImplementedError

    def told(self, error: Http2Error) -> None:
        """The connection ends for that: say so in the log."""
        raise NotImplementedError

    # -- the end

    def _stream_failed(self, number: int, error: StreamError) -> None:
        """The other side has broken the rules on one stream.  Raises :class:`Http2Error` when that is too often."""
        stream = self.streams.get(number)
        if stream is None:
            self.put_reset(number, error.code)
        else:
            stream.failed(error.code, str(error))
        self.guard.spend(self.reset_points, self.context.now)

    def fail(self, error: Http2Error) -> None:
        self.told(error)
        self.shut(error.code)

    def put_goaway(self, last: int, code: int) -> None:
        self.put(frame_head(8, GOAWAY, 0, 0) + last.to_bytes(4, "big") + code.to_bytes(4, "big"))

    def shut(self, code: int) -> None:
        """GOAWAY, and the end: streams that run are lost.  What still arrives is thrown away for a while, because
        closing at once could reset GOAWAY away from the other side."""
        if self.state != OPEN:
            return
        self.state = LINGERING
        self._buffer = b""
        self.put_goaway(self.last, code)
        self.write_rest()
        self.lose_streams()
        self.deadline = self.context.now + LINGER_SECONDS
        if not self.transport.closing:
            self.transport.write_eof()

    def lose_streams(self) -> None:
        for stream in list(self.streams.values()):
            if not stream.gone:
                self.forget(stream)
                stream.was_reset(NO_ERROR, self.is_untouched(stream))

    def is_untouched(self, stream: Stream) -> bool:
        """Whether the other side cannot have processed it."""
        return False

    def abort(self) -> None:
        self.state = CLOSED
        self.transport.abort()


def _unpadded(payload: bytes, start: int) -> bytes:
    """Without its padding, whose length is the first byte, and what is before ``start``.  Raises
    :class:`Http2Error`."""
    start = max(start, 1)
    end = len(payload) - payload[0] if payload else -1
    if end < start:
        raise Http2Error(PROTOCOL_ERROR, "more padding than payload")
    return payload[start:end]
