"""One stream of a connection (RFC 9113 section 5): what waits to be sent, what has come and waits, both windows.

The owner of the stream's other end, a request or a response, subclasses it (``server_stream.py``,
``client_stream.py``); the connection is known as a :class:`StreamOwner`.

Flow control: what arrives is credited once it has been delivered, so a stream that is paused holds one window at most.
A window begins with 64 KB, and is credited when a quarter of it has been used.  It grows to four times as much while
that comes within a tenth of a second, faster than TCP's own window, and only out of what the worker has for that.
"""

import asyncio
from math import inf
from typing import Final

from rsp.http.h2.errors import StreamError
from rsp.http.h2.frames import PROTOCOL_ERROR, WINDOW
from rsp.http.h2.wire import advance
from rsp.net.context import WorkerContext
from rsp.net.transport import Protocol

_LARGEST: Final = 32 << 20  # bytes of a window
_QUICK: Final = 0.1  # seconds
_USUAL: Final = 3  # urgency (RFC 9218 section 4.1)
_NEVER: Final = inf


class StreamOwner(Protocol):
    """A connection.  ``buffer``: bytes that wait for a stream before it is full."""

    __slots__ = ("buffer", "context")

    context: WorkerContext
    buffer: int

    def data_waits(self, stream: "Stream") -> None:
        """There is more to send on ``stream``, or its end."""
        raise NotImplementedError

    def send_head(self, stream: "Stream", block: bytes, last: bool) -> None:
        """A field section; ``last``: the stream ends with it on this side."""
        raise NotImplementedError

    def send_credit(self, number: int, size: int) -> None:
        """The other side may send ``size`` bytes more."""
        raise NotImplementedError

    def reset(self, stream: "Stream", code: int) -> None:
        """RST_STREAM, and forget it."""
        raise NotImplementedError

    def forget(self, stream: "Stream") -> None:
        """Nothing more comes or goes on ``stream``."""
        raise NotImplementedError


class Stream:
    """``number``; ``owner``: its connection.

    ``local_done``   this side has ended it, ``remote_done``: the other side has
    ``gone``         it has left the connection
    ``ended``        its last bytes are in the queue, and ``trailers`` follow them
    ``closing``      once those are sent, this is the code of a reset; -1: there is none, the other side ends it
    ``has_head``     the next field section is trailers
    ``expected``     bytes of its body that are still to come, by Content-Length; -1: any number
    ``queued``       bytes that wait to be sent; ``is_full``: so many that the source was told
    ``send_window``, ``receive_window``: bytes that may be sent, and may come; ``window``: of the latter at most
    ``urgency``      0: first, 7: last
    ``stalled``      when it has waited too long for the other side to take something
    """

    __slots__ = (
        "_credit", "_credited", "_held", "_held_size", "_held_trailers", "closing", "ended", "expected", "gone",
        "has_head", "is_full", "listed", "local_done", "number", "offset", "owner", "paused", "queue", "queued",
        "receive_window", "remote_done", "send_window", "stalled", "taken", "trailers", "urgency", "window",
    )  # fmt: skip

    def begin(self, owner: StreamOwner, number: int, send_window: int) -> None:
        """Once, right after it was made."""
        self.owner = owner
        self.number = number
        self.send_window = send_window
        self.receive_window = self.window = WINDOW
        self.local_done = self.remote_done = self.gone = self.ended = False
        self.has_head = self.is_full = self.listed = self.paused = False
        self.closing = -1
        self.expected = -1
        self.queue: list[bytes] = []
        self.offset = self.queued = self.taken = 0
        self.trailers: list[bytes] | None = None
        self.urgency = _USUAL
        self.stalled = _NEVER
        self._credit = 0  # bytes that were delivered and are not credited yet
        self._credited = 0.0  # when the last were
        self._held: list[bytes] | None = None
        self._held_size = 0
        self._held_trailers: list[bytes] | None = None

    # -- to the other side

    def send(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """``trailers``: as everywhere, ``None`` if more may follow."""
        if self.gone or self.ended:
            return
        for piece in pieces:
            self.queue.append(piece)
            self.queued += len(piece)
        if trailers is not None:
            self.ended = True
            self.trailers = trailers
        self.owner.data_waits(self)
        if self.queued >= self.owner.buffer and not (self.is_full or self.gone):
            self.is_full = True
            self.full()

    def take(self, size: int) -> None:
        """So much from the front of the queue has been sent."""
        self.offset = advance(self.queue, self.offset, size)
        self.queued -= size
        self.send_window -= size
        self.taken += size

    def drop_queue(self) -> None:
        self.queue = []
        self.offset = self.queued = 0

    def close(self, code: int) -> None:
        """It is of no more use: reset, unless both sides have ended it.  Nothing more is heard of it."""
        if not self.gone:
            self.owner.reset(self, code)

    def close_after(self, code: int) -> None:
        """This side's end is in the queue.  Once it is sent the other side need not send the rest."""
        if self.gone:
            return
        if self.local_done:
            self.owner.reset(self, code)
        else:
            self.closing = code

    # -- from the other side

    def received(self, pieces: list[bytes], size: int, trailers: list[bytes] | None) -> None:
        """``size`` bytes in ``pieces``.  Raises :class:`StreamError`."""
        if self.expected >= 0:
            self.expected -= size
            if self.expected < 0 or (trailers is not None and self.expected):
                raise StreamError(PROTOCOL_ERROR, "the body is not as long as its Content-Length says")
        if not self.paused and self._held is None:
            self._deliver(pieces, size, trailers)
            return
        if self._held is None:
            self._held = []
        self._held += pieces
        self._held_size += size
        self._held_trailers = trailers

    def _deliver(self, pieces: list[bytes], size: int, trailers: list[bytes] | None) -> None:
        if trailers is None:
            self.credit(size)
        self.arrived(pieces, trailers)

    def credit(self, size: int) -> None:
        """The other side may send so much more, some time."""
        self._credit += size
        if self._credit * 4 < self.window or self.remote_done or self.gone:
            return
        context = self.owner.context
        now = context.clock()
        if now - self._credited < _QUICK or self._credited == 0.0:
            more = min(3 * self.window, _LARGEST - self.window, context.window_room >> 2)
            context.window_room -= more
            self._credit += more
            self.window += more
        self._credited = now
        self.receive_window += self._credit
        self.owner.send_credit(self.number, self._credit)
        self._credit = 0

    def pause(self) -> None:
        """Deliver no more for now."""
        self.paused = True

    def resume(self) -> None:
        """What is held comes next, but not from within a call of the user's; the connection may be gone by then."""
        if self.paused:
            self.paused = False
            if self._held is not None:
                asyncio.get_running_loop().call_soon(self.deliver_held)

    def deliver_held(self) -> None:
        held, size, trailers = self._held, self._held_size, self._held_trailers
        if held is not None and not self.paused:
            self._held = None
            self._held_size = 0
            self._held_trailers = None
            self._deliver(held, size, trailers)

    # -- what subclasses hear

    def arrived(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """Some of the body, or its end; ``pieces`` are not empty, unless it is the end."""
        raise NotImplementedError

    def was_reset(self, code: int, untouched: bool) -> None:
        """The other side has reset it, or the connection is lost; it is gone.  ``untouched``: it was not processed."""
        raise NotImplementedError

    def failed(self, code: int, reason: str) -> None:
        """The other side has broken the rules: end it, with ``code`` in the end."""
        raise NotImplementedError

    def full(self) -> None:
        """Much waits to be sent."""
        raise NotImplementedError

    def ready(self) -> None:
        """Not so much any more."""
        raise NotImplementedError
