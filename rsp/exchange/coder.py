"""A response's body on its way through a content coding, as it comes (``compress``).

A turn of the loop codes a chunk at most, and none where others have used up the time that a turn has for it; what has
to wait pauses its source.  A client never waits for what is here already: once two turns of the loop have brought
nothing more, or what came first has been here for a while, everything is flushed.
"""

import asyncio
from collections import deque
from collections.abc import Collection
from time import monotonic
from typing import Final, Protocol

from rsp.coding.coding import CHUNK, Coding, Stream
from rsp.exchange.compression import CHANGED, Compression, complain, mark
from rsp.exchange.filter import Notes
from rsp.http.message import CHUNKED, ResponseHead
from rsp.http.names import lines_without
from rsp.http.peer_stream import Responder
from rsp.net.effort import Effort

_NONE: Final = Stream()  # in the place of one that is not needed any more
_PATIENCE: Final = 0.02  # seconds that something may stay here while more and more comes


class CodedOwner(Protocol):
    """The exchange, as its coder knows it."""

    responder: Responder

    def pass_coded(self, pieces: list[bytes], trailers: list[bytes] | None) -> None: ...

    def abort_responder(self) -> None: ...

    def cut_off(self) -> None: ...


class Coder(Notes):
    """``memory``: what the stream takes; ``barred``: trailers that are true of the body as it was.

    It stands between the responder, which it pauses, and what pauses the responder elsewhere.
    """

    # fmt: off
    __slots__ = (
        "_barred", "_closed", "_effort", "_exchange", "_flushes", "_full", "_memory", "_paused", "_pieces", "_since",
        "_stirred", "_stream", "_trailers", "_waits",
    )
    # fmt: on

    def __init__(
        self, exchange: CodedOwner, stream: Stream, memory: int, effort: Effort, barred: Collection[bytes] = ()
    ) -> None:
        super().__init__()
        self._barred = barred
        self._exchange = exchange
        self._stream = stream
        self._memory = memory
        self._effort = effort
        self._pieces: deque[bytes] = deque()
        self._trailers: list[bytes] | None = None
        self._waits = False  # for a later turn
        self._full = False  # what follows takes no more for now
        self._paused = False  # so does this
        self._since = 0.0  # when the first of what has not been flushed came; 0: there is nothing
        self._stirred = False  # something has come in this turn
        self._flushes = False  # it is seen to
        self._closed = False

    def call_off(self, exchange: object) -> None:
        if not self._closed:
            self._closed = True
            self._pieces.clear()
            self._stream = _NONE
            self._effort.give_back(self._memory)

    # -- from the responder

    def begin(self, pieces: list[bytes], trailers: list[bytes] | None) -> tuple[list[bytes], list[bytes] | None]:
        """What goes with the head, with the trailers if it is all; the rest follows."""
        self._add(pieces, trailers)
        return self._code()

    def take(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """More has come."""
        self._add(pieces, trailers)
        if not self._waits:
            self.go_on()

    def _add(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        self._pieces.extend(pieces)
        self._trailers = trailers
        self._stirred = True

    # -- from what follows

    def pause(self) -> None:
        self._full = True
        self._exchange.responder.pause()

    def resume(self) -> None:
        self._full = False
        if self._is_idle():
            self._paused = False
            self._exchange.responder.resume()
            self._flush_later()
        else:
            self._wait()

    # -- turns

    def _is_idle(self) -> bool:
        return not self._pieces and self._trailers is None

    def _wait(self) -> None:
        """For the next turn."""
        if not self._waits:
            self._waits = True
            self._effort.wait(self)
        if not self._paused:
            self._paused = True
            self._exchange.responder.pause()

    def go_on(self) -> None:
        """Code the next chunk, or flush, and pass on what comes of it."""
        self._waits = False
        if self._closed or self._full:
            return
        pieces, trailers = self._flush() if self._is_idle() else self._code()
        if pieces or trailers is not None:
            self._exchange.pass_coded(pieces, trailers)
        if self._paused and not (self._waits or self._closed):
            self._paused = False
            if not self._full:
                self._exchange.responder.resume()

    def _code(self) -> tuple[list[bytes], list[bytes] | None]:
        if self._is_idle():
            return [], None
        if not self._effort.has_time():
            self._wait()
            return [], None
        began = monotonic()
        try:
            coded, trailers = self._code_chunk()
        except Exception as error:
            return self._fail(error)
        self._effort.spend(monotonic() - began)
        return [coded] if coded else [], trailers

    def _code_chunk(self) -> tuple[bytes, list[bytes] | None]:
        chunk = self._next()
        coded = self._stream.feed(chunk)
        if self._pieces:
            self._wait()
            return self._counted(chunk, coded), None
        if self._trailers is not None:
            trailers, self._trailers = lines_without(self._trailers, self._barred), None
            coded += self._stream.end()
            self.call_off(None)  # the client may take its time for the rest
            return self._counted(chunk, coded), trailers
        self._since = self._since or monotonic()
        self._flush_later()
        return self._counted(chunk, coded), None

    def _counted(self, chunk: bytes, coded: bytes) -> bytes:
        self._effort.count(len(chunk), len(coded))
        return coded

    def _next(self) -> bytes:
        """The next chunk; often what has come in one piece."""
        pieces, room, chunk = self._pieces, CHUNK, []
        while pieces and room > 0:
            piece = pieces.popleft()
            if len(piece) > room:
                pieces.appendleft(piece[room:])
                piece = piece[:room]
            room -= len(piece)
            chunk.append(piece)
        return chunk[0] if len(chunk) == 1 else b"".join(chunk)

    def _fail(self, error: Exception) -> tuple[list[bytes], None]:
        """The client has a part of it, and must not take that for the whole."""
        complain(error, "was cut")
        self._exchange.abort_responder()
        self._exchange.cut_off()
        return [], None

    # -- flushes

    def _flush_later(self) -> None:
        if self._since and not self._flushes:
            self._flushes = True
            asyncio.get_running_loop().call_soon(self._settle)

    def _settle(self) -> None:
        """A turn is over."""
        self._flushes = False
        if self._closed or self._full or self._waits or not self._is_idle():
            return
        if self._stirred and monotonic() - self._since < _PATIENCE:
            self._stirred = False
            self._flush_later()
        else:
            self.go_on()

    def _flush(self) -> tuple[list[bytes], list[bytes] | None]:
        """It counts as coding: zstd and Brotli often do all of their work here."""
        if not self._effort.has_time():
            self._wait()
            return [], None
        self._since = 0.0
        began = monotonic()
        try:
            flushed = self._stream.flush()
        except Exception as error:
            return self._fail(error)
        self._effort.spend(monotonic() - began)
        self._effort.count(0, len(flushed))
        return [flushed] if flushed else [], None


def start(exchange: CodedOwner, compression: Compression, coding: Coding, head: ResponseHead) -> Coder | None:
    """What codes the body of a response that begins with ``head``; ``None``: it stays as it is."""
    effort = compression.effort
    if not effort.take(coding.memory):
        return None
    try:
        stream = coding.stream(compression.level())
    except Exception as error:
        effort.give_back(coding.memory)
        complain(error, "is not compressed")
        return None
    mark(head, coding)
    head.framing, head.has_length, head.length_line = CHUNKED, False, b""
    return Coder(exchange, stream, coding.memory, effort, {*(head.barred or ()), *CHANGED})
