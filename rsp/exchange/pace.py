"""A body on its way at a limited number of bytes a second: what comes too early waits, and its source is paused.

The bytes of a body take turns with those of others that share the rate: each part takes the next stretch of time in a
row, and is passed on when that begins.  What is in the way on the other side (a client or peer that is full) holds it
up as well.
"""

import asyncio
from collections import deque
from typing import Any, Final

from rsp.exchange.filter import Notes
from rsp.ipc.clock import monotonic

_CREDIT: Final = 0.1  # seconds: what may be made up for, of late timers above all; a body begins with this much
_SLICE: Final = 0.05  # seconds: what is passed on at once
_MOST: Final = 64 << 10  # bytes of that
_NOW: Final = 0.001  # seconds that no timer is made for


class Row:
    """Time in which the bytes of several bodies are passed on, one after the other."""

    __slots__ = ()

    def reserve(self, seconds: float) -> float:
        """Take the next ``seconds``; how long until they begin, less than 0 if they have."""
        raise NotImplementedError


class Pace(Notes):
    """One direction of an exchange: ``upward`` is the request's body, else the response's.

    ``row``: whose time its bytes take; ``None``: this body has its own.
    """

    # fmt: off
    __slots__ = (
        "_begins", "_blocked", "_closed", "_exchange", "_full", "_pieces", "_rate", "_ready", "_row", "_timer",
        "_trailers", "_upward",
    )
    # fmt: on

    def set_up(self, exchange: Any, row: Row | None, rate: float, upward: bool) -> None:
        self.waits = False
        self._exchange = exchange
        self._row = row
        self._begins = 0.0  # the next stretch of its own time
        self._rate = rate
        self._upward = upward
        self._pieces: deque[bytes] | None = None  # a client may send thousands of a byte each before it is paused
        self._ready: list[bytes] | None = None  # whose time is taken already
        self._trailers: list[bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._blocked = False  # the other side takes no more for now
        self._full = False  # the source is paused
        self._closed = False

    def call_off(self, exchange: Any) -> None:
        """The rest is of no more use; what else comes is an answer of rsp's own, and short."""
        self._closed = True
        self._pieces = self._ready = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def charge(self, size: int) -> None:
        """So many bytes were passed on before."""
        self._reserve(size)

    def _reserve(self, size: int) -> float:
        """The time of this number of bytes, as :meth:`Row.reserve`."""
        seconds = size / self._rate
        if self._row is not None:
            return self._row.reserve(seconds)
        now = monotonic()
        begins = max(self._begins, now - _CREDIT)
        self._begins = begins + seconds
        return begins - now

    def begin(self, pieces: list[bytes], trailers: list[bytes] | None) -> tuple[list[bytes], list[bytes] | None]:
        """What goes with the head, with the trailers if it is all; the rest follows."""
        if self._closed or not pieces:
            return pieces, trailers
        size = 0
        for piece in pieces:
            size += len(piece)
        if size <= _MOST and size <= self._rate * _SLICE:  # one part of it, as most responses are
            wait = self._reserve(size)
            if wait <= _NOW:
                return pieces, trailers
            self._trailers = trailers
            self._wait(list(pieces), wait)
            self._hold_source()
            return [], None
        self._add(pieces)
        self._trailers = trailers
        first = self._due()
        if not self._pieces and not self._ready:
            trailers, self._trailers = self._trailers, None
            return first, trailers
        self._hold_source()
        return first, None

    def take(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """More has come."""
        if self._closed:
            self._pass_on(pieces, trailers)
            return
        self._add(pieces)
        if trailers is not None:
            self._trailers = trailers
        self._release()

    def blocked(self) -> None:
        """The other side takes no more for now."""
        self._blocked = True
        self._hold_source()

    def unblocked(self) -> None:
        """It does again; the source may have been paused before there was a pace."""
        self._blocked = False
        self._full = True
        self._release()

    def _release(self) -> None:
        """Pass on what is due; then wait, or ask for more."""
        while not self._blocked and self._timer is None and not self._closed:
            due = self._due()
            last = not self._pieces and not self._ready
            trailers = self._trailers if last else None
            if last:
                self._trailers = None
            if due or trailers is not None:
                self._pass_on(due, trailers)
            if last:
                break
        if self._closed:
            return
        if self._pieces or self._ready:
            self._hold_source()
        elif self._full and not self._blocked:
            self._full = False
            self._ask_source()

    def _due(self) -> list[bytes]:
        """What may go now; a timer for what comes next."""
        due, self._ready = self._ready or [], None
        while self._pieces:
            part = self._cut(self._pieces)
            wait = self._reserve(len(part))
            if wait > _NOW:
                self._wait([part], wait)
                break
            due.append(part)
        return due

    def _wait(self, part: list[bytes], seconds: float) -> None:
        """Until ``part`` may go."""
        self._ready = part
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expired)

    def _add(self, pieces: list[bytes]) -> None:
        if self._pieces is None:
            self._pieces = deque()
        self._pieces.extend(pieces)

    def _cut(self, waiting: "deque[bytes]") -> bytes:
        """The next part."""
        size = max(1, min(_MOST, int(self._rate * _SLICE)))
        piece = waiting.popleft()
        if len(piece) <= size:
            return piece
        waiting.appendleft(piece[size:])
        return piece[:size]

    def _expired(self) -> None:
        self._timer = None
        self._release()

    def _hold_source(self) -> None:
        if not self._full:
            self._full = True
            if self._upward:
                self._exchange.stream.pause()
            else:
                self._exchange.response_full()

    def _ask_source(self) -> None:
        if self._upward:
            self._exchange.stream.resume()
        else:
            self._exchange.response_ready()

    def _pass_on(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        if self._upward:
            self._exchange.take_body(pieces, trailers)
        else:
            self._exchange.deliver(pieces, trailers)
