"""One request on an HTTP/2 connection to a peer, and its response, as :mod:`rsp.http.h1.client_stream` is for HTTP/1.

What outlives the request belongs to the connection, see ``client.py``.  A request's stream gets its number when its
head is sent, because numbers have to go up (RFC 9113 section 5.1.1).
"""

from math import inf
from typing import Final

from rsp.http.errors import ProtocolError
from rsp.http.h2.errors import StreamError
from rsp.http.h2.frames import CANCEL, HTTP_1_1_REQUIRED, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, error_name
from rsp.http.h2.heads import response_of
from rsp.http.h2.hpack import Fields
from rsp.http.h2.link import PeerLink
from rsp.http.h2.stream import Stream
from rsp.http.h2.websocket import KEY, WEBSOCKET, accepted, is_websocket
from rsp.http.lines import drop, get
from rsp.http.message import OutgoingHead, RequestHead, ResponseHead
from rsp.http.peer_stream import Failure, PeerRequest, PeerStream

_NEVER: Final = inf
_LEAST_PATIENCE: Final = 0.005  # seconds in which a connection that had been closed says so, at least
_LATE: Final = 0.1  # in which a busy peer does, perhaps
_NOTHING: Final[list[bytes]] = []  # never changed
_INTERIM: Final = 100  # responses before the final one
_WITH_LENGTH: Final = frozenset((b"POST", b"PUT", b"PATCH"))


class PeerLane(Stream):
    """The stream on its connection.  ``user``: the request, until it is over; held while it is told something, because
    compiled calls do not, and it may let go of itself."""

    __slots__ = ("user",)

    user: "H2PeerStream | None"

    def head_arrived(self, fields: Fields, last: bool) -> None:
        user = self.user
        if user is not None:
            user.head_arrived(fields, last)

    def arrived(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        user = self.user
        if user is not None:
            user.body_arrived(pieces, trailers)

    def was_reset(self, code: int, untouched: bool) -> None:
        user = self.user
        whole = self._held_trailers is not None  # the response, which waits: it stands (RFC 9113 section 8.1)
        if user is not None and not whole:
            user.was_reset(code, untouched)

    def failed(self, code: int, reason: str) -> None:
        self.close(code)
        user = self.user
        if user is not None:
            user.fail(Failure(f"sent a bad response: {reason}"))

    def full(self) -> None:
        user = self.user
        if user is not None:
            user.peer_full()

    def ready(self) -> None:
        user = self.user
        if user is not None:
            user.peer_ready()


class H2PeerStream(PeerStream):
    """``deadline``: of what it waits for."""

    # fmt: off
    __slots__ = (
        "_bodiless", "_head", "_interim", "_interim_size", "_key", "_link", "_perhaps_stale", "_request", "_sent_at",
        "_tunnel", "_untouched", "_websocket", "deadline", "lane",
    )
    # fmt: on

    def set_up(self, link: PeerLink, request: PeerRequest) -> None:
        self._link = link
        self._request: PeerRequest | None = request
        self.lane: PeerLane | None = None
        self.deadline = _NEVER
        self._head: ResponseHead | None = None  # waits for the end of a response without a body
        self._interim = self._interim_size = 0  # responses before the final one, and their bytes
        self._key = b""  # of a WebSocket that has not begun yet
        self._tunnel = False
        self._bodiless = request.head.framing == 0
        self._perhaps_stale = False  # it was sent on a connection that had been idle
        self._sent_at = 0.0
        self._untouched = False
        self._websocket = False

    # -- the request's side

    def is_full(self) -> bool:
        return self.lane is not None and self.lane.is_full

    def is_bound(self) -> bool:
        return False

    def is_doubtful(self) -> bool:
        return False

    def is_stale(self) -> bool:
        return self._link.is_stale()

    def send_request(self, head: OutgoingHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        link, request = self._link, head.head
        lane = self.lane = PeerLane.__new__(PeerLane)  # in the compiled build this is no call of Python
        lane.user = self
        if not link.streams:
            link.heard = not link.reused
        self._perhaps_stale = not link.heard
        self._sent_at = link.context.now
        link.begin_lane(lane)
        link.context.peer_connections.add(self)
        self._websocket = bool(request.upgrade) and is_websocket(request)
        whole = self._bodiless and not self._websocket
        if self._websocket:
            block = self._connect(head)
        else:
            block = link.encoder.request(
                request.method, link.scheme, head.host, head.target, b"", head.fields, _extra(head)
            )
        self._expect()
        link.send_message(lane, block, pieces, _NOTHING if whole else trailers)

    def _connect(self, head: OutgoingHead) -> bytes:
        """A WebSocket's request (RFC 8441 section 5)."""
        self._key = get(head.fields, KEY) or b""
        fields = drop(head.fields, KEY)
        return self._link.encoder.request(
            b"CONNECT", self._link.scheme, head.host, head.target, WEBSOCKET, fields, _extra(head)
        )

    def send_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        if self.lane is not None:
            self._expect()
            self.lane.send(pieces, trailers)

    def _expect(self) -> None:
        """The peer has so much time for its response."""
        request = self._request
        if request is None or self._tunnel or (self.lane is not None and self.lane.paused):
            return
        if self.lane is not None and self.lane.has_head:
            self._expect_more()
            return
        limits = request.limits
        # The response to a call may be about more than the part of the request that has come so far.
        asks_on = request.head.grpc and not request.request_done
        self.deadline = self._link.context.now + (limits.tunnel_time if asks_on else limits.response_time)

    def pause(self) -> None:
        if self.lane is not None:
            self.lane.pause()
        self.deadline = _NEVER

    def resume(self) -> None:
        if self.lane is not None and self.lane.paused:
            self._expect_more()
            self.lane.resume()

    def _expect_more(self) -> None:
        request = self._request
        if request is not None and not self._tunnel:
            self.deadline = self._link.context.now + request.limits.read_time

    def open_tunnel(self) -> None:
        self._tunnel = True
        self.deadline = _NEVER

    def is_tunnel(self) -> bool:
        return self._tunnel and self._request is not None

    def send_raw(self, data: bytes) -> None:
        if self.lane is not None:
            self.lane.send([data], None)

    def send_eof(self) -> None:
        if self.lane is not None:
            self.lane.send(_NOTHING, _NOTHING)

    # -- when it has failed

    def went_stale(self, seconds: float) -> bool:
        """The peer says that it has not processed it; or as for HTTP/1: the connection had been idle, and it ended
        without a byte, within two round trips of the request."""
        if self._untouched:
            return True
        link = self._link
        if not self._perhaps_stale or link.heard:
            return False
        delay = min(seconds, link.end_delay) if self._bodiless else seconds
        return delay <= max(_LEAST_PATIENCE, 2 * link.transport.round_trip)

    def may_have_gone_stale(self, seconds: float) -> bool:
        return self._perhaps_stale and not self._link.heard and seconds <= _LATE

    # -- its end

    def hand_over(self, request: PeerRequest) -> None:
        self._request = request

    def put_back(self) -> None:
        self._request = None
        self._link.stream_unused()

    def abort(self, reason: str) -> None:
        self._let_go()
        if self.lane is not None:
            self.lane.close(CANCEL)

    def close(self) -> None:
        lane, request = self.lane, self._request
        if lane is None or request is None or lane.gone or not (lane.queued or lane.ended):
            self.abort("it is over")
        else:
            self._request = None
            lane.close_after(CANCEL)
            self.deadline = self._link.context.now + request.limits.read_time  # for what waits

    def _let_go(self) -> PeerRequest | None:
        """This is over; returns what was told of it."""
        request, self._request = self._request, None
        if self.lane is not None:
            self.lane.user = None
            self._link.context.peer_connections.discard(self)
        return request

    def fail(self, failure: Failure) -> None:
        """The stream is gone."""
        tunnel, request = self._tunnel, self._let_go()
        if request is None:
            return
        if tunnel:
            request.tunnel_lost()
        else:
            request.peer_failed(self, failure)

    def end_tunnel(self) -> None:
        """The peer is leaving."""
        if self.lane is not None:
            self.lane.close(CANCEL)
        self.fail(Failure("the peer is leaving"))

    # -- the clock's side

    def is_due(self, now: float) -> bool:
        return self.deadline < now

    def expire(self) -> None:
        """The deadline has passed.  A connection on which nothing has come meanwhile is not used any more: its peer may
        be gone without a word."""
        link, request, begun = self._link, self._request, self.lane is not None and self.lane.has_head
        if self.lane is not None:
            self.lane.close(CANCEL)
        if link.heard_at <= self._sent_at:
            link.leave()
        if request is not None:
            asks_on = request.head.grpc and not request.request_done
            self.fail(Failure(request.limits.overdue(begun, asks_on), timed_out=True))

    # -- the connection's side

    def peer_full(self) -> None:
        request = self._request
        if request is not None:
            request.peer_full()

    def peer_ready(self) -> None:
        request = self._request
        if request is not None:
            request.peer_ready()

    def was_reset(self, code: int, untouched: bool) -> None:
        """By the peer, or because the connection has ended."""
        link = self._link
        if code == HTTP_1_1_REQUIRED:
            untouched = True
            link.wants_http1()
        self._untouched = untouched
        if link.reason and (untouched or code == NO_ERROR):
            counts, link.told_of_end = not link.told_of_end, True
            self.fail(Failure(link.reason, untouched=untouched, counts=counts))
        else:
            verb = "refused" if code == REFUSED_STREAM else "reset"
            self.fail(Failure(f"{verb} the request ({error_name(code)})", untouched=untouched))

    def head_arrived(self, fields: Fields, last: bool) -> None:
        """Raises :class:`StreamError`."""
        request = self._request
        if request is None:
            return
        try:
            head = response_of(fields, last, request.head.method, request.limits.fields)
            if head.status < 200:
                self._take_interim(request, head, fields.size, last)
                return
        except ProtocolError as error:
            raise StreamError(PROTOCOL_ERROR, str(error)) from None
        self._take_final(request, head, last)

    def _take_interim(self, request: PeerRequest, head: ResponseHead, size: int, last: bool) -> None:
        """Raises :class:`ProtocolError`."""
        if last or head.status == 101:
            raise ProtocolError("an interim response that ends the stream" if last else "status 101")
        self._interim += 1
        self._interim_size += size
        if self._interim > _INTERIM or self._interim_size > request.limits.head_limit:
            raise ProtocolError("too many interim responses")
        request.interim(head)

    def _take_final(self, request: PeerRequest, head: ResponseHead, last: bool) -> None:
        lane = self.lane
        if lane is None:
            return
        lane.has_head = True
        self._expect_more()
        if self._websocket:
            if 200 <= head.status < 300 and not last:
                self._switch(request, head)
                return
            lane.send(_NOTHING, _NOTHING)  # no WebSocket: nothing more comes from here
        lane.expected = head.framing if head.framing >= 0 else -1
        if last:
            lane.remote_done = True
            self._finish(request, head, _NOTHING, _NOTHING)
        elif head.framing == 0:
            self._head = head
        else:
            request.response(head, _NOTHING, None)

    def _switch(self, request: PeerRequest, head: ResponseHead) -> None:
        """The peer has accepted a WebSocket: as HTTP/1.1 says it."""
        switched = ResponseHead(101, b"Switching Protocols", 1)
        switched.version = head.version
        switched.fields = head.fields + b"Sec-WebSocket-Accept: %b\r\n" % accepted(self._key)
        switched.upgrade = WEBSOCKET
        request.switch_protocols(switched, b"")

    def body_arrived(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        request, lane = self._request, self.lane
        if request is None or lane is None:
            return
        if self._tunnel:
            self._tunnel_arrived(request, pieces, trailers)
        elif not lane.has_head:
            lane.failed(PROTOCOL_ERROR, "DATA before the head")
        elif trailers is not None:
            head, self._head = self._head, None
            self._finish(request, head, pieces, trailers)
        else:
            self._expect_more()
            request.response_body(pieces, None)

    def _tunnel_arrived(self, request: PeerRequest, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        for piece in pieces:
            request.tunnel_down(piece)
        if trailers is not None and self._request is not None:
            request.tunnel_down_eof()

    def _finish(
        self, request: PeerRequest, head: ResponseHead | None, pieces: list[bytes], trailers: list[bytes]
    ) -> None:
        """The response is complete; ``head``: if it has not been passed on yet.  There is room on the connection before
        the client's next request can ask for some."""
        lane = self.lane
        request.peer_done()
        self._let_go()
        if lane is not None:
            if lane.local_done:
                self._link.forget(lane)
            else:
                lane.close(NO_ERROR if request.request_done else CANCEL)  # it answers early
        if head is not None:
            request.response(head, pieces, trailers)
        else:
            request.response_body(pieces, trailers)


def _extra(head: OutgoingHead) -> bytes:
    """What HTTP/1.1 would write itself, see ``h1/write.py``."""
    request: RequestHead = head.head
    extra = head.extra
    if head.request_id:
        extra += b"x-request-id: %b\r\n" % head.request_id
    if request.framing > 0 or (request.framing == 0 and request.method in _WITH_LENGTH):
        extra += b"content-length: %d\r\n" % request.framing
    if request.expect_continue:
        extra += b"expect: 100-continue\r\n"
    if request.te_trailers:
        extra += b"te: trailers\r\n"
    return extra
