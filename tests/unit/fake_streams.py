"""Both sides of an exchange, played by hand: a client's stream, and peers with their pools and streams.

They are as strict as their interfaces: a call that comes after a stream's end, or out of order, is an error.
"""

from rsp.exchange.forward.directory import PeerDirectory
from rsp.exchange.forward.peer import Peer
from rsp.exchange.forward.pool import Pool
from rsp.http.message import CHUNKED, RequestFields, RequestHead, ResponseHead
from rsp.http.peer_stream import Failure, PeerStream
from rsp.http.stream import ClientStream
from rsp.http.values import PHRASES
from rsp.ipc import peer_cells


class Head(RequestHead):
    """A request's head that can be watched: all that lives as long as an exchange refers to it."""

    __slots__ = ("__weakref__",)

    def __init__(self, like: RequestHead) -> None:
        super().__init__(like.method, like.target, like.minor, RequestFields())
        for name in dir(like):
            if not name.startswith("_"):
                setattr(self, name, getattr(like, name))


def response_head(status: int, framing: int, fields: bytes = b"", *, minor: int = 1) -> ResponseHead:
    head = ResponseHead(status, PHRASES.get(status, b""), minor)
    head.framing = framing
    head.fields = fields
    return head


# -- the client's side


class FakeClientStream(ClientStream):
    """One request of a client.

    ``interims``  statuses before the final one; ``status``, ``fields``, ``body``, ``trailers``: of the response
    ``ended``     how the exchange left the stream: ``kept``, ``closed`` or ``reset``; or how it was lost: ``gone``
    ``paused``    no more of the request's body is taken
    ``raw``       bytes of a tunnel, ``raw_ended``: its peer sends no more
    ``full``      it takes no more of the response; ``clogged``: the next bytes fill it up
    """

    def __init__(self, session, head: RequestHead) -> None:
        self.session = session
        self.events = None
        self.limits = session.limits
        self.deadline = float("inf")
        self._head = head
        self._keeps = False
        self.interims = []
        self.status = 0
        self.fields = b""
        self.framing = None
        self.own = False
        self.body = b""
        self.trailers = None
        self.ended = ""
        self.paused = False
        self.request_done = head.framing == 0
        self.tunnel = False
        self.raw = b""
        self.raw_ended = False
        self.full = self.clogged = False

    # -- what the exchange calls

    def _write(self) -> None:
        assert not self.ended, "the stream has ended"
        if self.clogged:
            self.fill()

    def send_interim(self, head):
        assert not self.status, "the final response has begun"
        assert 100 <= head.status < 200 and head.status != 101
        self.interims.append(head.status)
        self._write()

    def send_response(self, head, pieces, trailers):
        assert not self.status, "a second response"
        self.status, self.fields, self.framing, self.own = head.status, head.fields, head.framing, head.own
        self._keeps = self._head.keep_alive and self.request_done  # which its head has to say
        self._take(pieces, trailers)

    def send_body(self, pieces, trailers):
        assert self.status, "no response yet"
        self._take(pieces, trailers)

    def _take(self, pieces, trailers):
        assert self.trailers is None, "the response was complete"
        assert all(pieces), "an empty piece"
        self.body += b"".join(pieces)
        self.trailers = trailers
        self._write()

    def pause(self):
        assert not self.ended
        self.paused = True

    def resume(self):
        assert not self.ended
        self.paused = False

    def use(self, limits):
        assert not self.ended
        self.limits = limits

    def set_deadline(self, moment):
        assert not self.ended
        self.deadline = moment

    def open_tunnel(self, head):
        assert not self.status and head.status == 101
        self.status, self.tunnel = 101, True
        self.deadline = float("inf")
        self.paused = self.paused and not self.request_done
        self._write()

    def send_raw(self, data):
        assert self.tunnel and data
        self.raw += data
        self._write()

    def send_eof(self):
        assert self.tunnel and not self.raw_ended and not self.ended
        self.raw_ended = True

    def finish(self, keep_alive):
        assert not self.ended
        assert self.tunnel or self.trailers is not None, "the response is not complete"
        self._end("kept" if keep_alive and self._keeps else "closed")

    def reset(self, reason):
        assert not self.ended
        assert self.status and self.trailers is None, "there is nothing to cut"
        self._end("reset")

    def local_name(self):
        return b"127.0.0.1:1"

    def _end(self, how: str) -> None:
        self.ended = how
        self.events = self._head = None

    # -- what the client does

    def send(self, *pieces: bytes, last: bool = False, trailers: tuple[bytes, ...] = ()) -> None:
        """More of the request's body."""
        assert not self.paused, "nothing is read from this client"
        assert not self.request_done and not self.ended
        self.request_done = last
        self.events.request_body(list(pieces), list(trailers) if last else None)

    def fail(self, status: int = 400, reason: str = "bad chunk") -> None:
        """The rest of the request cannot be understood."""
        events = self.events
        self._end("gone")
        answer = events.request_failed(status, reason)
        if answer is not None:
            head, pieces = answer
            self.own = head.own
            self.status, self.fields, self.body, self.trailers = head.status, head.fields, b"".join(pieces), []

    def go(self) -> None:
        """Its connection is lost."""
        events = self.events
        self._end("gone")
        events.client_gone()

    def leave(self) -> None:
        """It has sent its end of file, and is taken for gone."""
        events = self.events
        self._end("gone")
        events.client_left()

    def fill(self) -> None:
        self.full, self.clogged = True, False
        self.events.client_full()

    def drain(self) -> None:
        self.full = False
        self.events.client_ready()

    def send_up(self, data: bytes) -> None:
        """Bytes of a tunnel; none: it sends no more."""
        assert self.tunnel
        if data:
            self.events.tunnel_up(data)
        else:
            self.events.tunnel_up_eof()

    @property
    def lines(self) -> list[bytes]:
        """Of the response's head."""
        return self.fields.split(b"\r\n")[:-1]


# -- the peer's side


class FakeConnection:
    """``old``: it has waited for this request; ``stale``: there is something to read."""

    def __init__(self, pool: "FakePool") -> None:
        self.pool = pool
        self.old = False
        self.stale = False
        self.bound = False
        self.closed = False
        self.held = False

    def open(self, request):
        if self.closed:
            return None
        stream = FakePeerStream(self, request)
        self.pool.streams.append(stream)
        return stream

    def release(self, request) -> None:
        self.old = True
        if self.bound:
            if request is not None:
                request.keep_for_client(self)
        elif not self.closed and len(self.pool.idle) < self.pool.keepalive:
            self.pool.idle.append(self)
        else:
            self.closed = True

    # as a BoundConnection

    def hold(self) -> None:
        self.held = True

    def is_idle(self) -> bool:
        return True

    def is_usable(self) -> bool:
        return not self.closed and not self.stale

    def close(self) -> None:
        self.closed = True


class FakePeerStream(PeerStream):
    """One request at a peer.

    ``method``, ``target``, ``host``, ``lines``, ``body``, ``trailers``: what was sent
    ``paused``   no more of the response is taken
    ``over``     it has ended; ``aborted``: why the exchange ended it
    ``full``     it takes no more of the request; ``clogged``: the next bytes fill it up
    ``begun``    the peer has sent the head of its response; ``told``: the body, or what came through a tunnel
    """

    def __init__(self, connection: FakeConnection, request) -> None:
        self.connection = connection
        self.request = request
        self.asked = False
        self.method = self.target = self.host = b""
        self.lines = []
        self.request_id = b""
        self.body = b""
        self.trailers = None
        self.paused = self.full = False
        self.clogged = connection.pool.clogged
        self.over = False
        self.aborted = ""
        self.tunnel = False
        self.raw = b""
        self.raw_ended = False
        self.went = self.may_have_gone = False  # stale
        self.begun = False
        self.told = b""
        self.told_all = False

    # -- what the request calls

    def is_full(self):
        return self.full

    def is_bound(self):
        return self.connection.bound

    def is_doubtful(self):
        return False

    def is_stale(self):
        assert not self.asked and not self.over
        return self.connection.stale

    def send_request(self, head, pieces, trailers):
        assert not self.asked and not self.over and not self.connection.closed
        self.asked = True
        request = head.head
        self.method, self.target, self.host = request.method, head.target, head.host
        self.lines = (head.fields + head.extra).split(b"\r\n")[:-1]
        self.request_id = head.request_id
        if request.connection_bound:
            self.connection.bound = True
        self._take(pieces, trailers)

    def send_body(self, pieces, trailers):
        assert self.asked and not self.over
        self._take(pieces, trailers)

    def _take(self, pieces, trailers):
        assert self.trailers is None, "the request was complete"
        assert all(pieces), "an empty piece"
        self.body += b"".join(pieces)
        self.trailers = trailers
        self._write()

    def _write(self):
        if self.clogged:
            self.fill()

    def pause(self):
        assert self.asked and not self.over
        self.paused = True

    def resume(self):
        assert self.asked and not self.over
        self.paused = False

    def put_back(self):
        assert not self.asked and not self.over
        self._end()
        if self.connection.old:
            self.connection.release(None)
        else:
            self.connection.closed = True

    def hand_over(self, request):
        assert self.asked and not self.over
        self.request = request

    def abort(self, reason):
        assert self.asked and not self.over
        assert reason
        self.aborted = reason
        self._end()
        self.connection.closed = True

    def close(self):
        assert not self.over and (self.tunnel or not self.asked)
        self._end()
        self.connection.closed = True

    def open_tunnel(self):
        assert self.asked and not self.over
        self.tunnel = True

    def send_raw(self, data):
        assert self.tunnel and not self.over and data
        self.raw += data
        self._write()

    def send_eof(self):
        assert self.tunnel and not self.over and not self.raw_ended
        self.raw_ended = True

    def went_stale(self, seconds):
        assert self.over
        return self.went

    def may_have_gone_stale(self, seconds):
        assert self.over
        return self.may_have_gone

    def _end(self):
        assert not self.over
        request, self.request = self.request, None
        self.over = True
        self.connection.pool.streams.remove(self)
        return request

    # -- what the peer does

    def fill(self) -> None:
        self.full, self.clogged = True, False
        self.request.peer_full()

    def drain(self) -> None:
        self.full = False
        self.request.peer_ready()

    def interim(self, status: int = 103) -> None:
        self.request.interim(response_head(status, 0))

    def answer(self, status: int = 200, body: bytes = b"", fields: bytes = b"", *, minor: int = 1) -> None:
        """The whole response."""
        self.begin(status, [body] if body else [], fields, framing=len(body), minor=minor, last=True)

    def begin(
        self, status: int = 200, pieces=(), fields: bytes = b"", *, framing: int = CHUNKED, minor=1, last=False
    ) -> None:
        """The head, with what there is of the body."""
        assert self.asked and not self.paused
        head = response_head(status, framing, fields, minor=minor)
        request = self.request
        self.begun, self.told = True, b"".join(pieces)
        if last:
            self._finish()
        request.response(head, list(pieces), [] if last else None)

    def send(self, *pieces: bytes, last: bool = False, trailers: tuple[bytes, ...] = ()) -> None:
        """More of the response's body."""
        assert not self.paused, "nothing is read from this peer"
        request = self.request
        self.told += b"".join(pieces)
        if last:
            self._finish()
        request.response_body(list(pieces), list(trailers) if last else None)

    def _finish(self) -> None:
        """As a connection has it: it is free before the response's end is told."""
        request, connection = self.request, self.connection
        request.peer_done()
        self._end()
        if request.request_done:
            connection.release(request)
        else:
            connection.closed = True

    def fail(self, reason: str = "reset the connection", **more: bool) -> None:
        request = self._end()
        self.connection.closed = True
        if self.tunnel:
            request.tunnel_lost()
        else:
            request.peer_failed(self, Failure(reason, **more))

    def switch(self, data: bytes = b"") -> None:
        self.begun, self.told = True, data
        self.request.switch_protocols(response_head(101, 0), data)

    def send_down(self, data: bytes) -> None:
        """Bytes of a tunnel; none: it sends no more."""
        assert self.tunnel and not self.paused and not self.told_all
        self.told += data
        self.told_all = not data
        if data:
            self.request.tunnel_down(data)
        else:
            self.request.tunnel_down_eof()


class FakeAttempt:
    """A connection on its way up."""

    def __init__(self, pool: "FakePool", request) -> None:
        self.pool = pool
        self._request = request
        pool.peer.stats.add(peer_cells.CONNECTING, 1)

    def succeed(self) -> FakePeerStream | None:
        """The stream; ``None``: its request needs it no more."""
        request = self._end()
        if request is None:
            return None
        stream = FakeConnection(self.pool).open(request)
        request.connected(stream)
        return stream

    def fail(self, reason: str = "connection refused", *, timed_out: bool = False) -> None:
        request = self._end()
        if request is not None:
            request.connect_failed(Failure(reason, timed_out=timed_out))

    def is_wanted(self) -> bool:
        return self._request.waits

    @property
    def target(self) -> bytes:
        """Of the request that it is for."""
        return self._request.head.target

    def _end(self):
        pool, request = self.pool, self._request
        pool.attempts.remove(self)
        pool.peer.stats.add(peer_cells.CONNECTING, -1)
        return request if request.waits else None


class FakePool(Pool):
    """``attempts``: connections that are being made; ``streams``: that have not ended; ``idle``: FakeConnections.

    ``clogged``: the first bytes fill a connection up.
    """

    idle = None  # of each pool, in the place of the attribute that holds real connections

    def __init__(self, context, peer) -> None:
        super().__init__(context, peer)
        self.idle = []
        self.attempts = []
        self.streams = []
        self.clogged = False

    def take(self, request):
        while self.idle:
            stream = self.idle.pop().open(request)
            if stream is not None:
                return stream
        return None

    def has_idle(self):
        return bool(self.idle)

    def count_idle(self):
        return len(self.idle)

    def forget_idle(self):
        while self.idle:
            self.idle.pop().close()

    def connect(self, request):
        self.attempts.append(FakeAttempt(self, request))

    # -- what tests call

    def accept(self) -> FakePeerStream | None:
        """The oldest attempt succeeds."""
        return self.attempts[0].succeed()

    def refuse(self, reason: str = "connection refused", *, timed_out: bool = False) -> None:
        self.attempts[0].fail(reason, timed_out=timed_out)

    def running(self) -> int:
        """Requests that are at this peer."""
        return len(self.streams) + sum(attempt.is_wanted() for attempt in self.attempts)

    @property
    def stream(self) -> FakePeerStream:
        """The only one."""
        (stream,) = self.streams
        return stream


class FakeDirectory(PeerDirectory):
    """``pools``: all there have been, those of peers that have left included."""

    def __init__(self, context) -> None:
        super().__init__(context)
        self.context = context
        self.pools = []

    def make(self, entry, scoreboard) -> Peer:
        peer = Peer(self.context, entry, scoreboard)
        peer.pool = FakePool(self.context, peer)
        self.pools.append(peer.pool)
        return peer
