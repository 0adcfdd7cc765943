"""An HTTP/2 connection to a peer: many requests at once, and what outlives them.

A connection takes requests once the peer's SETTINGS have come, and no more of them after its GOAWAY, when its numbers
are used up, or when it is too old; then it ends with the last one.
"""

import select
import socket
import struct
from math import inf
from typing import Final, Protocol

from rsp.http.h2.client_stream import H2PeerStream, PeerLane
from rsp.http.h2.errors import Http2Error
from rsp.http.h2.guard import SMALL
from rsp.http.h2.hpack import Fields
from rsp.http.h2.link import PeerLink
from rsp.http.h2.states import CLOSED, LINGER_SECONDS, OPEN
from rsp.http.h2.stream import Stream
from rsp.http.peer_stream import PeerRequest
from rsp.net.context import WorkerContext
from rsp.net.secure import TlsLost
from rsp.net.timing import timing
from rsp.net.transport import Transport

from rsp.http.h2.frames import (  # isort: skip
    ENABLE_PUSH, LAST_STREAM, MAX_HEADER_LIST_SIZE, NO_ERROR, PREFACE, REFUSED_STREAM, STREAM_CLOSED, error_name,
)  # fmt: skip

_NEVER: Final = inf
_DEAD: Final = 20_000  # milliseconds


class Settling(Protocol):
    """What waits for the peer's SETTINGS."""

    def settled(self) -> None: ...

    def broken(self, reason: str) -> None: ...


class H2Owner:
    """Where connections are known.  ``retired``: its connections are used for no other request."""

    __slots__ = ("retired",)

    retired: bool

    def keeps(self, connection: "H2PeerConnection") -> bool:
        """Nothing runs on ``connection``.  Whether it is to stay open."""
        raise NotImplementedError

    def has_room(self, connection: "H2PeerConnection") -> None:
        """``connection`` takes one more request again."""
        raise NotImplementedError

    def leaves(self, connection: "H2PeerConnection") -> None:
        """``connection`` takes no more requests."""
        raise NotImplementedError

    def wants_http1(self) -> None:
        """The peer does not want HTTP/2."""
        raise NotImplementedError


class H2PeerConnection(PeerLink):
    """``made``: when it came here; ``takes``: it takes requests, until that moment (``until``) at most."""

    # fmt: off
    __slots__ = ("_last_taken", "_number", "_settling", "made", "owner", "takes", "until")
    # fmt: on

    def set_up(
        self, context: WorkerContext, owner: H2Owner, transport: Transport, scheme: bytes, age: float,
        settling: Settling,
    ) -> None:  # fmt: skip
        """Once, right after it was made.  ``age``: seconds in which it takes requests; ``settling``: is told once that
        it does, or that it will not."""
        self.owner = owner
        self.scheme = scheme
        self.made = context.now
        self.until = context.now + age
        self.takes = False
        self.reused = False
        self.heard = True
        self.heard_at = context.now
        self.end_delay = _NEVER
        self.reason = ""
        self.told_of_end = False
        self._settling: Settling | None = settling
        self._number = 1
        self._last_taken = LAST_STREAM  # streams above this one are not processed
        limits = context.limits
        settings = struct.pack(">HIHI", ENABLE_PUSH, 0, MAX_HEADER_LIST_SIZE, limits.head_limit)
        self.begin_connection(context, transport, limits.buffer, limits.head_limit, settings, PREFACE)
        context.peer_connections.add(self)
        _notice_death(transport.descriptor)

    # -- the owner's side

    def has_place(self) -> bool:
        """Whether it takes one more request now."""
        return self.takes and len(self.streams) < self.most and not self.transport.closing

    def open(self, request: PeerRequest) -> H2PeerStream:
        """A stream for ``request``, which is told nothing before its head is sent."""
        stream = H2PeerStream.__new__(H2PeerStream)  # in the compiled build this is no call of Python
        stream.set_up(self, request)
        return stream

    def is_idle(self) -> bool:
        return not self.streams

    def tunnels(self) -> list[H2PeerStream]:
        users = [stream.user for stream in self.streams.values() if isinstance(stream, PeerLane)]
        return [user for user in users if user is not None and user.is_tunnel()]

    def leave(self) -> None:
        if self.takes:
            self.takes = False
            self.owner.leaves(self)
        if not self.streams:
            self.close()

    def close(self) -> None:
        """The end, with a word: nothing runs on it."""
        self.takes = False
        if self.state == OPEN:
            self.state = CLOSED
            self.put_goaway(0, NO_ERROR)
            self.write_rest()
            self.deadline = self.context.now + LINGER_SECONDS  # the peer may take nothing
        self.transport.close()

    # -- the streams' side

    def skip_to(self, number: int) -> None:
        """The next request's stream has this number."""
        self._number = number

    def begin_lane(self, lane: Stream) -> None:
        number = self._number
        self._number += 2
        lane.begin(self, number, self.initial_window)
        self.know(lane)
        self.deadline = self.until
        if self._number > LAST_STREAM:
            self.leave()

    def stream_gone(self, stream: Stream) -> None:
        if self.state == OPEN and self.takes and len(self.streams) == self.most - 1:
            self.owner.has_room(self)
        if not self.streams and self.state == OPEN:
            self._rest()

    def stream_unused(self) -> None:
        if not self.streams and self.state == OPEN:
            self._rest()

    def _rest(self) -> None:
        """Nothing runs on it."""
        self.reused = True
        if self.takes and not self.owner.keeps(self):
            self.leave()
        elif not self.takes:
            self.close()
        else:
            self.deadline = min(self.until, self.context.now + self.context.limits.keepalive_time)

    def wants_http1(self) -> None:
        self.owner.wants_http1()

    def is_stale(self) -> bool:
        if self.streams:  # it is read from all the time
            return False
        poll = select.poll()
        poll.register(self.transport.descriptor, select.POLLRDHUP)
        if not poll.poll(0):
            return False
        self.leave()
        return True

    # -- the clock's side

    def is_due(self, now: float) -> bool:
        return self.deadline < now

    def expire(self) -> None:
        """It lingers, is idle, or is too old."""
        self.deadline = _NEVER
        if self.state == OPEN:
            self.leave()
        else:
            self.transport.abort()

    # -- the transport's side

    def data_received(self, data: bytes) -> None:
        self.heard = True
        self.heard_at = self.context.now
        if self._settling is not None and data.startswith(b"HTTP/1"):
            self._reason("speaks HTTP/1.1, not HTTP/2")
            self.transport.abort()
            return
        PeerLink.data_received(self, data)  # compiled, there is no super() here

    def eof_received(self) -> bool:
        if not self.heard:
            self.transport.round_trip, self.end_delay = timing(self.transport.descriptor)
        return False

    def reads_on(self) -> bool:
        return bool(self.streams)

    def connection_lost(self, error: OSError | None) -> None:
        self.context.peer_connections.discard(self)
        self.state = CLOSED
        if isinstance(error, TlsLost):
            self.end_delay = error.delay
            self._reason(error.reason)
        elif self._settling is not None:
            self._reason("closed the connection before it sent the HTTP/2 preface")
        else:
            self._reason("reset the connection" if error else "closed the connection early")
        self._stop()
        self.lose_streams()

    def _stop(self) -> None:
        """It takes no more requests, for ``reason``."""
        settling, self._settling = self._settling, None
        self.takes = False
        self.owner.leaves(self)
        if settling is not None:
            settling.broken(self.reason)

    def _reason(self, reason: str) -> None:
        """The first one stands."""
        if not self.reason:
            self.reason = reason

    # -- what the peer says

    def settings_received(self) -> None:
        settling, self._settling = self._settling, None
        if settling is not None:
            self.takes = True
            settling.settled()
        elif self.has_place():
            self.owner.has_room(self)

    def goaway_received(self, last: int, code: int) -> None:
        """What is above ``last`` has not been processed; the rest goes on (RFC 9113 section 6.8)."""
        self._last_taken = min(self._last_taken, last)
        said = f" ({error_name(code)})" if code != NO_ERROR else ""
        self._reason(f"closed the connection{said}")
        if self.takes:
            self.takes = False
            self.owner.leaves(self)
        for stream in list(self.streams.values()):
            if self.is_untouched(stream) and not stream.gone:
                self.forget(stream)
                self._remember(stream.number, True)  # what the peer sends on it all the same is ignored
                stream.was_reset(REFUSED_STREAM, True)
        if not self.streams and self.state == OPEN:
            self.close()

    def is_untouched(self, stream: Stream) -> bool:
        return stream.number > self._last_taken

    def head_received(self, number: int, fields: Fields, last: bool) -> None:
        """Of a stream that is gone."""
        if not self.missing(number, "HEADERS", SMALL):
            raise Http2Error(STREAM_CLOSED, "HEADERS on a stream that is closed")

    def head_arrived(self, stream: Stream, fields: Fields, last: bool) -> None:
        if isinstance(stream, PeerLane):
            stream.head_arrived(fields, last)

    def _is_idle_number(self, number: int) -> bool:
        return number >= self._number or number % 2 == 0

    def told(self, error: Http2Error) -> None:
        self._reason(f"broke the rules of HTTP/2: {error}")
        self._stop()


def _notice_death(descriptor: int) -> None:
    """A host that is gone without a word acknowledges nothing.  Otherwise every request would go there until the first
    one times out; over HTTP/1.1 each takes one connection out of use."""
    sock = socket.socket(fileno=descriptor)
    try:
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD)
    finally:
        sock.detach()
