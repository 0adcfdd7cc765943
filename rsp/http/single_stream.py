"""One request at a time on a connection to a peer: what its stream and its connection are, whatever they speak.

Rules of this room: no byte of a request or a response is written or read here.  A protocol's stream does that
(``h1/client_stream.py``, ``cgi/fastcgi.py``); what outlives the request belongs to the connection.
"""

from math import inf
from typing import Final

from rsp.http.errors import ProtocolError
from rsp.http.message import ResponseHead
from rsp.http.peer_stream import Failure, PeerRequest, PeerStream
from rsp.http.values import PHRASES
from rsp.net.context import WorkerContext
from rsp.net.timing import timing
from rsp.net.transport import Protocol

_NEVER: Final = inf
_LEAST_PATIENCE: Final = 0.005  # seconds in which a connection that had been closed says so, at least
_LATE: Final = 0.1  # in which a busy peer does, perhaps


class Connection(Protocol):
    """A connection to a peer as the streams on it know it; there is one at a time, and it leaves this for the next one.

    ``stream``    the one whose request has been sent; ``None``: idle
    ``deadline``  of what the connection waits for
    ``bound``     it is authenticated, or about to be: its user's requests only (RFC 4559 section 6)
    ``doubtful``  its last response had no body, but a peer that is wrong might send it all the same
    ``reused``    it has been idle: it may have gone stale
    ``silent``    nothing has been read yet
    ``full``      the peer takes no more for now
    """

    __slots__ = ("bound", "context", "deadline", "doubtful", "full", "reused", "silent", "stream")

    def __init__(self, context: WorkerContext) -> None:
        self.context = context
        self.stream: SingleStream | None = None
        self.deadline = _NEVER
        self.bound = False
        self.doubtful = False
        self.reused = False
        self.silent = True
        self.full = False

    def release(self, request: PeerRequest | None) -> None:
        """It is free; ``request``: what has used it."""
        raise NotImplementedError

    def is_strict(self) -> bool:
        """Whether heads that are not quite right are refused."""
        raise NotImplementedError

    def is_stale(self) -> bool:
        """Whether something is there to read on an idle connection: its end, or what no request asked for."""
        raise NotImplementedError


class SingleStream(PeerStream):
    """The only stream of its connection for now.

    ``_heard``       something of a response has come
    ``_sent_after``  the request was sent after this number of polls
    ``_end_delay``   how long after the request the peer's end of file came, as the kernel saw it
    """

    __slots__ = ("_connection", "_end_delay", "_heard", "_limits", "_request", "_sent_after")

    def set_up(self, connection: Connection, request: PeerRequest) -> None:
        self._connection = connection
        self._request: PeerRequest | None = request
        self._limits = request.limits
        self._heard = False
        self._sent_after = 0
        self._end_delay = _NEVER

    # -- the request's side

    def is_full(self) -> bool:
        return self._connection.full

    def is_bound(self) -> bool:
        return self._connection.bound

    def is_doubtful(self) -> bool:
        return self._connection.doubtful

    def is_stale(self) -> bool:
        return self._connection.is_stale()

    def is_tunnel(self) -> bool:
        return False

    def pause(self) -> None:
        connection = self._connection
        connection.transport.pause_reading()
        connection.deadline = _NEVER

    def went_stale(self, seconds: float) -> bool:
        """It had been idle, and it ended without a byte of a response, within two round trips of the request.

        This worker, whose ``seconds`` they are, may have been busy.
        """
        if not self._connection.reused or self._heard:
            return False
        return min(seconds, self._end_delay) <= max(_LEAST_PATIENCE, 2 * self._connection.transport.round_trip)

    def may_have_gone_stale(self, seconds: float) -> bool:
        return self._connection.reused and not self._heard and seconds <= _LATE

    # -- its end

    def hand_over(self, request: PeerRequest) -> None:
        self._request = request

    def put_back(self) -> None:
        self._request = None
        if self._connection.reused:
            self._connection.release(None)
        else:
            # Only what is asked for waits at a peer, which may serve one connection at a time.
            self._connection.transport.close()

    def abort(self, reason: str) -> None:
        self._let_go()
        self._connection.transport.abort()

    def close(self) -> None:
        self._let_go()
        self._connection.transport.close()

    def _let_go(self) -> PeerRequest | None:
        """This is over; returns what was told of it."""
        request, self._request = self._request, None
        self._connection.stream = None
        return request

    def _fail(self, failure: Failure) -> None:
        request = self._let_go()
        self._connection.transport.abort()
        if request is not None:
            request.peer_failed(self, failure)

    def answer_for_peer(self, status: int) -> None:
        """The peer has not been asked, because it cannot be asked for this."""
        request = self._request
        if request is not None:
            head = ResponseHead(status, PHRASES[status], 1)
            head.has_length = True
            request.peer_done()
            self._let_go()
            self._connection.transport.close()
            request.response(head, [], [])

    # -- the connection's side

    def timed_out(self) -> None:
        """The deadline has passed."""
        self._fail(Failure(self._limits.overdue(self._has_head()), timed_out=True))

    def _has_head(self) -> bool:
        """Whether the response's head has arrived."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        raise NotImplementedError

    def go_on(self) -> None:
        """Another turn for what was left."""

    def flush(self) -> None:
        """The end of the turn in which the request was to be sent."""

    def eof_received(self) -> bool:
        request = self._request
        if request is not None and self._connection.reused and not self._heard:
            self._note_early_end(request)
        return False

    def _note_early_end(self, request: PeerRequest) -> None:
        """The end of file has come without a byte of a response."""
        transport = self._connection.transport
        transport.round_trip, delay = timing(transport.descriptor)
        self._note_end(request, delay)

    def _note_end(self, request: PeerRequest, delay: float) -> None:
        if request.head.framing == 0:  # else data may have been sent long after the head
            self._end_delay = delay

    def connection_lost(self, error: OSError | None) -> None:
        request = self._let_go()
        if request is not None:
            request.peer_failed(self, Failure("reset the connection" if error else "closed the connection early"))

    def pause_writing(self) -> None:
        if self._request is not None:
            self._request.peer_full()

    def resume_writing(self) -> None:
        if self._request is not None:
            self._request.peer_ready()

    def _hear(self) -> None:
        """The first bytes since the request.  What was there at the look for events that brought the request is behind
        the response before it."""
        if self._connection.reused and self._sent_after == self._connection.context.poller.looks:
            self._end_delay = 0.0
            raise ProtocolError("bytes behind a complete response")
        self._heard = True
