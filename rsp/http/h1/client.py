"""A connection to a peer: what outlives the requests that are sent on it, one after the other.

It belongs to one request's stream at a time, see ``client_stream.py``, or waits at its owner.  It knows nothing of
clients, nor of peers.
"""

from math import inf

from rsp.http.h1.client_stream import H1PeerStream
from rsp.http.peer_stream import PeerRequest, PeerStream
from rsp.http.single_stream import Connection
from rsp.net.calls import has_news
from rsp.net.context import WorkerContext
from rsp.net.transport import Transport


class ConnectionOwner:
    """Where connections wait while they are idle.

    ``retired``  its connections are used for no other request
    ``strict``   heads of responses that are not quite right are refused
    """

    __slots__ = ("retired", "strict")

    retired: bool
    strict: bool

    def keeps(self, connection: "PeerConnection") -> bool:
        """``connection`` is open and free.  Whether it is to stay so; it is noted as idle then."""
        raise NotImplementedError

    def lost(self, connection: "PeerConnection") -> None:
        """``connection`` has ended while it was free."""
        raise NotImplementedError


class PeerConnection(Connection):
    """``transport``: what carries it; ``made``: when it came here; ``announced``: the client's connection that its
    PROXY header names, which alone may use it.  ``waits``, ``older`` and ``newer``: its place among idle ones
    (``exchange/forward/idle.py``)."""

    __slots__ = ("announced", "made", "newer", "older", "owner", "waits")

    def __init__(self, context: WorkerContext, owner: ConnectionOwner, transport: Transport) -> None:
        super().__init__(context)
        self.owner = owner
        self.made = context.now
        self.announced: object = None
        self.waits = False
        self.older: PeerConnection | None = None
        self.newer: PeerConnection | None = None
        self.transport = transport
        transport.begin(self, context.limits.buffer)
        context.peer_connections.add(self)

    # -- the owner's side

    def open(self, request: PeerRequest) -> PeerStream | None:
        """A stream for ``request``, which is told nothing before its head is sent; ``None``: this is about to end."""
        if self.transport.closing:
            return None
        stream = H1PeerStream.__new__(H1PeerStream)  # in the compiled build this is no call of Python
        stream.set_up(self, request)
        return stream

    def release(self, request: PeerRequest | None) -> None:
        """Back to the owner, which keeps it or not; a connection that is authenticated is for ``request``'s client."""
        self.reused = True
        if self.bound:
            if request is not None:
                request.keep_for_client(self)
        elif not self.transport.closing and self.owner.keeps(self):
            self.deadline = self.context.now + self.context.limits.keepalive_time
        else:
            self.transport.close()

    def hold(self) -> None:
        """Wait for the next request of the client that it is for, however long that takes."""
        self.deadline = inf

    def is_idle(self) -> bool:
        return self.stream is None

    def is_usable(self) -> bool:
        return not (self.transport.closing or self.owner.retired or self.is_stale())

    def is_stale(self) -> bool:
        return has_news(self.transport.descriptor)

    def is_strict(self) -> bool:
        return self.owner.strict

    def is_tunnel(self) -> bool:
        return self.stream is not None and self.stream.is_tunnel()

    def close(self) -> None:
        self.transport.close()

    # -- the clock's side

    def is_due(self, now: float) -> bool:
        return self.deadline < now

    def expire(self) -> None:
        """The deadline has passed."""
        if self.stream is None:
            self.transport.abort()
        else:
            self.stream.timed_out()

    # -- the transport's side

    def data_received(self, data: bytes) -> None:
        stream = self.stream
        if stream is None:  # no request asked for it
            self.transport.abort()
        else:
            stream.data_received(data)

    def go_on(self) -> None:
        stream = self.stream
        if stream is not None:
            stream.go_on()

    def flush(self) -> None:
        stream = self.stream
        if stream is not None:
            stream.flush()

    def eof_received(self) -> bool:
        stream = self.stream
        return stream is not None and stream.eof_received()

    def reads_on(self) -> bool:
        return self.stream is not None

    def connection_lost(self, error: OSError | None) -> None:
        self.context.peer_connections.discard(self)
        if self.stream is None:
            self.owner.lost(self)
        else:
            self.stream.connection_lost(error)

    def pause_writing(self) -> None:
        self.full = True
        if self.stream is not None:
            self.stream.pause_writing()

    def resume_writing(self) -> None:
        self.full = False
        if self.stream is not None:
            self.stream.resume_writing()
