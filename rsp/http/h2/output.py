"""What a connection sends: frames that are collected in a turn of the loop and written at its end, bodies in turns.

Of the streams that have something to send, the most urgent have their turn first (RFC 9218), and equal ones one after
the other.  No more is made into frames than the transport takes, so that what is urgent never waits behind much.
"""

from typing import Final

from rsp.http.h2.errors import Http2Error, StreamError
from rsp.http.h2.guard import Guard
from rsp.http.h2.hpack import Encoder
from rsp.http.h2.stream import Stream, StreamOwner
from rsp.http.h2.wire import data_frames, frame_head, whole_message
from rsp.net.context import WorkerContext
from rsp.net.transport import Transport

from rsp.http.h2.frames import (  # isort: skip
    CONTINUATION, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, FRAME, HEADERS, LARGEST_WINDOW, RST_STREAM, WINDOW,
    WINDOW_UPDATE,
)  # fmt: skip

BACKLOG: Final = 16 << 10  # bytes that may wait in the transport
_EAGER: Final = 32 << 10  # bytes that are not left for the end of the turn
_AT_ONCE: Final = 128 << 10  # bytes that are made into frames and written at once
_SMALL: Final = 4 << 10  # bytes that need no turn
_QUANTUM: Final = 32 << 10  # bytes of one stream, where others wait
_COMPLETE: Final = 10 << 10  # a stream that both sides have ended makes up for one that is reset, as so many bytes do
_ANSWERED: Final = 512  # bytes: what the WINDOW_UPDATE that answers a frame costs (guard.py)
_PAST: Final = 256  # streams that are remembered when they are gone, and as many older ones
# What many connections have nothing of; never changed.
_NO_FRAMES: Final[list[bytes]] = []
_NO_STREAMS: Final[list[Stream]] = []
_NO_PAST: Final[dict[int, bool]] = {}
_NO_LANES: Final[dict[int, Stream]] = {}


class Output(StreamOwner):
    """``streams``: those that are not gone, by number; ``encoder``, ``guard``; ``frame_size``: of the other side.

    ``initial_window``: of a new stream; ``blocked``: the transport takes no more for now; ``reading``: there may be
    more to answer in what has been read.
    """

    __slots__ = (
        "_flush_due", "_flushing", "_older", "_out", "_past", "_ready", "_send_window", "blocked", "encoder",
        "frame_size", "guard", "initial_window", "reading", "streams",
    )  # fmt: skip

    def begin_output(self, context: WorkerContext, transport: Transport, buffer: int) -> None:
        """Once, right after it was made."""
        self.context = context
        self.transport = transport
        self.buffer = buffer
        self.streams = _NO_LANES
        self.encoder = Encoder()
        self.guard = Guard(context.now)
        self.frame_size = FRAME
        self.initial_window = WINDOW
        self.blocked = False
        self.reading = False
        self._send_window = WINDOW
        self._out = _NO_FRAMES
        self._ready = _NO_STREAMS  # that may send
        self._past = _NO_PAST  # streams that are gone: whether this side has reset them
        self._older = _NO_PAST  # to take the oldest out of one dict would cost a look at each before it
        self._flush_due = False
        self._flushing = False

    def know(self, stream: Stream) -> None:
        """It has begun, with this number."""
        if self.streams is _NO_LANES:
            self.streams = {}
        self.streams[stream.number] = stream

    # -- frames

    def put(self, frame: bytes) -> None:
        """It goes out at the end of this turn."""
        self._add(frame)
        self._want_flush()

    def _add(self, frame: bytes) -> None:
        if self._out is _NO_FRAMES:
            self._out = []
        self._out.append(frame)

    def send_head(self, stream: Stream, block: bytes, last: bool) -> None:
        """``stream`` is not gone: a block that was encoded has to be sent, because the encoder's table has changed."""
        flags, size, number = END_STREAM if last else 0, self.frame_size, stream.number
        if len(block) <= size:
            self.put(frame_head(len(block), HEADERS, flags | END_HEADERS, number) + block)
        else:
            self.put(frame_head(size, HEADERS, flags, number) + block[:size])
            for at in range(size, len(block), size):
                piece = block[at : at + size]
                flags = END_HEADERS if at + size >= len(block) else 0
                self.put(frame_head(len(piece), CONTINUATION, flags, number) + piece)
        if last:
            stream.ended = True
            self._end_locally(stream)

    def send_message(self, stream: Stream, block: bytes, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """A request's head or a final one, with what there is of the body; ``trailers``: ``None`` if more comes."""
        if trailers is not None and not (trailers or pieces):
            self.send_head(stream, block, True)
        elif trailers is not None and not trailers and len(pieces) == 1 and self._passes(stream, block, len(pieces[0])):
            size = len(pieces[0])
            self.put(whole_message(block, pieces[0], stream.number))
            self._send_window -= size
            stream.send_window -= size
            stream.taken += size
            stream.ended = True
            self.guard.earn(size + _ANSWERED)
            self._end_locally(stream)
            if not (self.streams or self.reading or self.blocked):
                self.flush()
        else:
            self.send_head(stream, block, False)
            stream.send(pieces, trailers)

    def _passes(self, stream: Stream, block: bytes, size: int) -> bool:
        """Whether a message with a body of ``size`` can go out at once: it is small, and nothing is before it."""
        if self._ready or self.blocked or len(block) > self.frame_size:
            return False
        return size <= _SMALL and size <= self._send_window and size <= stream.send_window

    def send_credit(self, number: int, size: int) -> None:
        self.put(frame_head(4, WINDOW_UPDATE, 0, number) + size.to_bytes(4, "big"))

    def reset(self, stream: Stream, code: int) -> None:
        if not stream.gone:
            self.put_reset(stream.number, code)
            self._forget(stream)

    def put_reset(self, number: int, code: int) -> None:
        """Frames that are on their way are ignored from here on."""
        self.put(frame_head(4, RST_STREAM, 0, number) + code.to_bytes(4, "big"))
        self._remember(number, True)

    def _remember(self, number: int, was_reset: bool) -> None:
        if self._past is _NO_PAST:
            self._past = {}
        self._past[number] = was_reset
        if len(self._past) > _PAST:
            self._past, self._older = {}, self._past

    def _fate(self, number: int) -> bool | None:
        """Of a stream that is gone: whether this side has reset it; ``None``: that is not remembered."""
        known = self._past.get(number)
        return self._older.get(number) if known is None else known

    def forget(self, stream: Stream) -> None:
        if not stream.gone:
            self._remember(stream.number, False)
            self._forget(stream)

    def _forget(self, stream: Stream) -> None:
        stream.gone = True
        self._unlist(stream)
        stream.drop_queue()
        self.context.window_room += stream.window - WINDOW
        self.streams.pop(stream.number, None)
        self.stream_gone(stream)

    def stream_gone(self, stream: Stream) -> None:
        """``stream`` has left this connection."""
        raise NotImplementedError

    def _end_locally(self, stream: Stream) -> None:
        """This side's end is out."""
        stream.local_done = True
        if stream.remote_done:
            self.guard.earn(_COMPLETE)
            self.forget(stream)
        elif stream.closing >= 0:
            self.reset(stream, stream.closing)

    # -- bodies

    def data_waits(self, stream: Stream) -> None:
        if not stream.listed and self._may_send(stream):
            self._list(stream)
        if stream.queued >= _EAGER and not self.blocked:
            self.flush()
        else:
            self._want_flush()

    def _list(self, stream: Stream) -> None:
        stream.listed = True
        if self._ready is _NO_STREAMS:
            self._ready = []
        self._ready.append(stream)

    def _may_send(self, stream: Stream) -> bool:
        return stream.send_window > 0 if stream.queued else stream.ended

    def flush(self) -> None:
        self._flush_due = False
        if self._flushing or self.transport.closing:
            return
        self._flushing = True
        relieved: list[Stream] = []
        try:
            while not self.blocked:
                self._collect(relieved)
                out = self._out
                if not out:
                    break
                self._out = _NO_FRAMES
                self.transport.write(out[0] if len(out) == 1 else b"".join(out))
                if self.transport.closing:
                    break
        finally:
            self._flushing = False
        for stream in relieved:
            if stream.is_full and not stream.gone:
                stream.is_full = False
                stream.ready()

    def _collect(self, relieved: list[Stream]) -> None:
        room = _AT_ONCE
        while room > 0:
            stream = self._next()
            if stream is None:
                return
            most = min(_QUANTUM if len(self._ready) > 1 else room, self._send_window)
            # An end needs no window, which may be below 0 (RFC 9113 section 6.9.2).
            size = min(stream.queued, stream.send_window, most) if stream.queued else 0
            if size <= 0 and stream.queued:
                self._unlist(stream)
                continue
            self._send_some(stream, size)
            room -= size + 1
            if stream.is_full and stream.queued <= self.buffer >> 2 and stream not in relieved:
                relieved.append(stream)

    def _next(self) -> Stream | None:
        """The most urgent; while the connection's window is shut, of those that have only their end to send."""
        best: Stream | None = None
        for stream in self._ready:
            if (best is None or stream.urgency < best.urgency) and (self._send_window > 0 or not stream.queued):
                best = stream
        return best

    def _send_some(self, stream: Stream, size: int) -> None:
        last = stream.ended and size == stream.queued
        trailers = stream.trailers if last else None
        if size or (last and not trailers):
            self._add(
                data_frames(stream.queue, stream.offset, size, stream.number, self.frame_size, last and not trailers)
            )
            stream.take(size)
            self._send_window -= size
            self.guard.earn(size + _ANSWERED)
        if last:
            if trailers:
                block = self.encoder.trailers(trailers)
                self.send_head(stream, block, True)
            else:
                self._end_locally(stream)
            self._unlist(stream)
        elif not self._may_send(stream):
            self._unlist(stream)
        elif len(self._ready) > 1:
            self._ready.remove(stream)
            self._ready.append(stream)

    def _unlist(self, stream: Stream) -> None:
        if stream.listed:
            stream.listed = False
            self._ready.remove(stream)

    # -- windows of the other side

    def window_update(self, number: int, size: int) -> None:
        """``number``: 0 for the connection.  Raises :class:`Http2Error`, :class:`StreamError`."""
        if number == 0:
            self._send_window += size
            if self._send_window > LARGEST_WINDOW:
                raise Http2Error(FLOW_CONTROL_ERROR, "a window above 2^31 - 1")
            if self._ready:
                self._want_flush()
            return
        stream = self.streams[number]
        stream.send_window += size
        if stream.send_window > LARGEST_WINDOW:
            raise StreamError(FLOW_CONTROL_ERROR, "a window above 2^31 - 1")
        self._may_go_on(stream)

    def resize_windows(self, size: int) -> None:
        """The first window of streams is ``size`` from here on.  Raises :class:`Http2Error`."""
        change, self.initial_window = size - self.initial_window, size
        for stream in self.streams.values():
            stream.send_window += change
            if stream.send_window > LARGEST_WINDOW:
                raise Http2Error(FLOW_CONTROL_ERROR, "a window above 2^31 - 1")
            self._may_go_on(stream)

    def _may_go_on(self, stream: Stream) -> None:
        if stream.queued and not stream.listed and stream.send_window > 0:
            self._list(stream)
            self._want_flush()

    def _want_flush(self) -> None:
        if not (self._flush_due or self._flushing):
            self._flush_due = True
            self.transport.flush_later()

    # -- the transport's side

    def pause_writing(self) -> None:
        self.blocked = True

    def resume_writing(self) -> None:
        self.blocked = False
        self.flush()

    def write_rest(self) -> None:
        """All frames that are made, whatever waits: the connection ends."""
        if self._out and not self.transport.closing:
            out, self._out = self._out, _NO_FRAMES
            self.transport.write(b"".join(out))
