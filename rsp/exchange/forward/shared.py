"""The HTTP/2 connections of a peer: a few, with many requests on each.

Requests take the first connection that has room, so that what a burst has brought about is idle afterwards and ends.
Where none has room they wait, and as many connections are made as they are likely to need; the first one that has
room, new or old, takes them.  With ``"auto"`` the peer may choose HTTP/1.1 instead (ALPN): then it is asked so for a
while, and so is it for what HTTP/2 cannot carry.
"""

from collections import deque
from math import inf
from typing import Final, Protocol

from rsp.config.tls import HttpVersion
from rsp.exchange.forward.attempt import GRACE, Attempt, Dialler, complain
from rsp.http.h2.client import H2Owner, H2PeerConnection
from rsp.http.h2.websocket import is_websocket
from rsp.http.message import RequestHead
from rsp.http.peer_stream import Failure, PeerRequest, PeerStream
from rsp.net.context import WorkerContext
from rsp.net.transport import Transport

_AT_ONCE: Final = 8  # connections that are made at a time
_HTTP1: Final = 60.0  # seconds in which a peer that has chosen HTTP/1.1 is not offered HTTP/2
_NO_WEBSOCKET: Final = "does not announce WebSockets over HTTP/2 (RFC 8441)"
_NOT_SHARED: Final = "gets no requests with NTLM or Negotiate over HTTP/2, where clients share a connection"
_NO_UPGRADE: Final = "cannot be asked to upgrade over HTTP/2"


class SharedOwner(Dialler, Protocol):
    """The pool, as these connections know it."""

    keepalive: int
    age: float
    scheme: bytes
    most_connecting: int

    def connect_single(self, request: PeerRequest) -> None:
        """Make a connection over HTTP/1.1 for ``request``."""

    def alpn(self, transport: Transport) -> bytes:
        """What the peer has chosen."""
        ...

    def learn_session(self, transport: Transport, made: float) -> bool:
        """Keep the TLS session of ``transport``, which was made then, for the next one; false: there is none yet."""


class Waiter:
    """A request that waits for a connection; it has its own time."""

    __slots__ = ("_context", "_request", "deadline")

    def __init__(self, context: WorkerContext, request: PeerRequest) -> None:
        self._context = context
        self._request: PeerRequest | None = request
        self.deadline = context.now + request.limits.connect_time + request.limits.handshake_time + GRACE
        context.attempts.add(self)

    def take(self) -> PeerRequest | None:
        """It waits no more; ``None``: it needs no connection."""
        request, self._request = self._request, None
        self._context.attempts.discard(self)
        return request if request is not None and request.waits else None

    def is_over(self) -> bool:
        """Whether it needs no connection any more."""
        return self._request is None or not self._request.waits

    def is_due(self, now: float) -> bool:
        return self.deadline < now

    def expire(self) -> None:
        request = self.take()
        if request is not None:
            request.connect_failed(Failure("timed out while connecting", timed_out=True))


class SharedAttempt(Attempt):
    """A connection on its way up, until the peer's SETTINGS are there."""

    __slots__ = ("_connection", "_shared")

    def __init__(self, shared: "Shared", request: PeerRequest | None) -> None:
        self._shared = shared
        self._connection: H2PeerConnection | None = None
        limits = request.limits if request is not None else None
        Attempt.__init__(self, shared.pool, None, True, limits, False)

    def end(self, transport: Transport | None, reason: str) -> None:
        if self.over:
            if transport is not None:
                transport.abort()
        elif transport is None:
            self.broken(reason)
        else:
            self._agree(transport, self._shared.pool.alpn(transport))

    def _agree(self, transport: Transport, alpn: bytes) -> None:
        """The connection is there; its first frames come next, if it is one of HTTP/2."""
        if alpn == b"h2":
            self.begin_handshake()
            self._connection = self._shared.make(transport, self)
        else:
            self.finish(True)
            self._shared.chose_http1(transport, alpn)

    def settled(self) -> None:
        """The peer has said what it takes."""
        connection = self._connection
        if not self.over and connection is not None:
            self.finish(True)
            self._shared.settled(connection)

    def broken(self, reason: str) -> None:
        if not self.over:
            self.finish(False)
            self._shared.failed(reason, self.timed_out)

    def expire(self) -> None:
        self.timed_out = True
        if self._connection is None:
            self._dial.cancel("timed out while connecting")
        else:
            self._connection.transport.abort()
            self.broken("timed out before it sent the HTTP/2 preface")


class Shared(H2Owner):
    """``open``: connections that take requests, the oldest first; ``attempts``: so many are being made.

    ``http``: 2, or ``"auto"``.
    """

    __slots__ = ("_http1_until", "_learned_from", "_most", "_waiting", "attempts", "context", "http", "open", "pool")

    def __init__(self, pool: SharedOwner, http: HttpVersion) -> None:
        self.pool = pool
        self.context = pool.context
        self.http = http
        self.retired = False
        self.open: list[H2PeerConnection] = []
        self.attempts = 0
        self._waiting: deque[Waiter] = deque()
        self._most = 100  # requests on a connection, as the last one had it
        self._http1_until = -inf  # the peer has chosen HTTP/1.1
        self._learned_from: H2PeerConnection | None = None  # the session that is resumed

    def retire(self) -> None:
        """What runs is finished; nothing else begins here."""
        self.retired = True
        for connection in self.open[:]:
            connection.leave()

    # -- for requests

    def take(self, request: PeerRequest) -> PeerStream | None:
        """On a connection that has room; ``None``: there is none."""
        for connection in self.open:
            if connection.has_place():
                head = request.head
                if (head.upgrade or head.connection_bound) and self._obstacle(head, connection):
                    return None
                return connection.open(request)
        return None

    def connect(self, request: PeerRequest) -> None:
        """As soon as there is a connection, call ``request.connected(stream)``, or ``request.connect_failed``."""
        connection = self.open[0] if self.open else None
        if self.asks_http1():
            self.pool.connect_single(request)
        elif connection is not None and self._obstacle(request.head, connection):
            self._give(connection, request)
        else:
            while self._waiting and self._waiting[0].is_over():
                self._waiting.popleft().take()
            self._waiting.append(Waiter(self.context, request))
            self._make_more(request)

    def asks_http1(self) -> bool:
        """Whether the peer is asked over HTTP/1.1 now."""
        return self.context.now < self._http1_until

    def is_ready(self) -> bool:
        """Whether a request that comes now needs no connection of its own."""
        ready = self.attempts > 0
        for connection in self.open:
            ready = ready or connection.has_place()
        return ready

    def _obstacle(self, head: RequestHead, connection: H2PeerConnection) -> str:
        """Why a request cannot go over ``connection``, or nothing."""
        if head.connection_bound:
            return _NOT_SHARED
        if is_websocket(head):
            return "" if connection.extended_connect else _NO_WEBSOCKET
        # Another upgrade is only an offer, which HTTP/2 leaves out (RFC 9110 section 7.8).
        return _NO_UPGRADE if head.upgrade and self.http == "auto" else ""

    def _give(self, connection: H2PeerConnection, request: PeerRequest) -> None:
        """A stream on ``connection``, or what there is instead."""
        obstacle = self._obstacle(request.head, connection)
        if not obstacle:
            request.connected(connection.open(request))
        elif self.http == "auto":
            self.pool.connect_single(request)
        else:
            request.connect_failed(Failure(obstacle, counts=False))

    # -- connections that are being made

    def _make_more(self, request: PeerRequest | None) -> None:
        """As many connections as those that wait are likely to need."""
        most = min(self.pool.most_connecting or _AT_ONCE, _AT_ONCE)
        while self._waiting and self.attempts < min(most, -(-len(self._waiting) // self._most)):
            self.make_one(request)

    def make_one(self, request: PeerRequest | None) -> None:
        """``request``: whose time it takes."""
        self.attempts += 1
        SharedAttempt(self, request)

    def make(self, transport: Transport, attempt: SharedAttempt) -> H2PeerConnection:
        connection = H2PeerConnection.__new__(H2PeerConnection)
        connection.set_up(self.context, self, transport, self.pool.scheme, self.pool.age, attempt)
        return connection

    def settled(self, connection: H2PeerConnection) -> None:
        """It takes requests."""
        self.attempts -= 1
        if connection.most == 0:
            connection.leave()
            self._fail_all("takes no requests at all (its MAX_CONCURRENT_STREAMS is 0)", False)
            return
        self._most = connection.most
        self.open.append(connection)
        self.has_room(connection)
        if self.retired:
            connection.leave()
        else:
            connection.stream_unused()
            self._make_more(None)

    def chose_http1(self, transport: Transport, alpn: bytes) -> None:
        """Or nothing, which is the same."""
        self.attempts -= 1
        if self.http != "auto":
            transport.abort()
            chosen = f'"{alpn.decode("latin-1")}"' if alpn else "no protocol"
            self._fail_all(f"does not speak HTTP/2: it has selected {chosen} (ALPN)", False)
            return
        self.wants_http1()
        left: Transport | None = transport
        for request in self._all():
            if left is None:
                self.pool.connect_single(request)
            else:
                left = None
                self.pool.connected(transport, request)
        if left is not None:
            self.pool.connected(transport, None)

    def failed(self, reason: str, timed_out: bool) -> None:
        """A connection cannot be made; others may be."""
        self.attempts -= 1
        if not self.attempts:
            self._fail_all(reason, timed_out)

    def _all(self) -> list[PeerRequest]:
        """Those that wait, and do so no more."""
        waiting, self._waiting = self._waiting, deque()
        return [request for waiter in waiting if (request := waiter.take()) is not None]

    def _fail_all(self, reason: str, timed_out: bool) -> None:
        """One failure, for all that wait."""
        requests = self._all()
        for number, request in enumerate(requests):
            if request.waits:  # what the one before has brought about may have ended it
                request.connect_failed(Failure(reason, timed_out=timed_out, counts=number == 0))
        if not requests:
            complain(self.pool.peer, reason)

    # -- the connections' side

    def has_room(self, connection: H2PeerConnection) -> None:
        while self._waiting and connection.has_place():
            request = self._waiting.popleft().take()
            if request is not None:
                self._give(connection, request)

    def keeps(self, connection: H2PeerConnection) -> bool:
        if self._learned_from is not connection:
            self._learn(connection)
        if self.retired or self.context.draining:
            return False
        keepalive = self.pool.keepalive
        return len(self.open) <= keepalive or len(self.idle()) <= keepalive

    def leaves(self, connection: H2PeerConnection) -> None:
        if connection in self.open:
            self.open.remove(connection)
            self._learn(connection)
            self._make_more(None)

    def wants_http1(self) -> None:
        if self.http == "auto":
            self._http1_until = self.context.now + _HTTP1
            for connection in self.open[:]:
                connection.leave()

    def _learn(self, connection: H2PeerConnection) -> None:
        if self.pool.learn_session(connection.transport, connection.made):
            self._learned_from = connection

    # -- what nothing runs on

    def idle(self) -> list[H2PeerConnection]:
        """The oldest first."""
        return [connection for connection in self.open if connection.is_idle()]

    def forget_idle(self) -> None:
        for connection in self.idle():
            connection.leave()

    def warm_up(self) -> None:
        """One connection is as good as many."""
        if not (self.open or self.attempts or self.asks_http1()):
            self.make_one(None)
