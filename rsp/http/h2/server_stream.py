"""One request on a client's HTTP/2 connection: what :mod:`rsp.http.h1.server_stream` is for HTTP/1."""

from math import inf
from typing import Final

from rsp.http.h1.states import BODY, TUNNEL, WAIT
from rsp.http.h2.frames import CANCEL, HTTP_1_1_REQUIRED, INTERNAL_ERROR, NO_ERROR
from rsp.http.h2.heads import VERSION
from rsp.http.h2.output import Output
from rsp.http.h2.stream import Stream
from rsp.http.h2.websocket import ACCEPT
from rsp.http.limits import Limits
from rsp.http.lines import drop
from rsp.http.message import RequestHead, ResponseHead
from rsp.http.stream import ClientEvents, ClientSession, ClientStream
from rsp.net.proxy_header import Address

_NEVER: Final = inf
_UNAUTHORIZED: Final = 401
_END_SECONDS: Final = 2.0  # what it begins with may be a second old
_NOTHING: Final[list[bytes]] = []  # never changed


def respond(
    connection: Output, stream: Stream, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None
) -> None:
    """The final head, with what there is of the body."""
    fields, length = head.fields, -1
    if head.length_line:
        fields += head.length_line
    # Of an empty response of HTTP/2 END_STREAM says enough: a client of gRPC would show the length as metadata.
    elif head.framing > 0 or (head.has_length and head.version != VERSION):
        length = max(head.framing, 0)
    connection.send_message(stream, connection.encoder.response(head.status, fields, length), pieces, trailers)


class ServerLane(Stream):
    """The stream on its connection.  ``user``: the request, until it is over; ``mark``: what was sent when it began to
    wait; ``end_by``: when the client must have ended it, once nothing but that is missing."""

    __slots__ = ("end_by", "mark", "user")

    end_by: float
    user: "H2ServerStream | None"
    mark: int

    def serve(self, user: "H2ServerStream | None") -> None:
        """Its head has come."""
        self.end_by = _NEVER
        self.has_head = True
        self.mark = 0
        self.user = user

    def arrived(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        user = self.user  # held: compiled calls do not, and it may let go of itself
        if user is not None:
            user.body_arrived(pieces, trailers)

    def was_reset(self, code: int, untouched: bool) -> None:
        user, self.user = self.user, None
        if user is not None:
            user.events.client_gone()

    def failed(self, code: int, reason: str) -> None:
        user = self.user
        if user is not None:
            user.stop(400, reason, code)
        else:
            self.close(code)

    def full(self) -> None:
        user = self.user
        if user is not None:
            user.events.client_full()

    def ready(self) -> None:
        user = self.user
        if user is not None:
            user.events.client_ready()

    # -- time

    def note_wait(self, now: float, seconds: float) -> None:
        """Once a second: the client has ``seconds`` to take enough of what waits, or what its route says."""
        if self.user is not None:
            seconds = self.user.limits.send_time
        if not self.queued:
            self.stalled = _NEVER
        elif self.stalled == _NEVER:
            self.stalled = now + seconds
            self.mark = self.taken

    def is_due(self, now: float) -> bool:
        return self.stalled < now or self.end_by < now or (self.user is not None and self.user.is_due(now))

    def expire(self, now: float, limits: Limits) -> None:
        user = self.user
        if user is not None:
            limits = user.limits
        if self.stalled < now:
            if self.taken - self.mark > limits.min_rate * limits.send_time:  # slow, but fast enough
                self.stalled = _NEVER
            else:
                self.close(CANCEL)
                self.was_reset(CANCEL, False)
        elif user is not None:
            user.expire(now)
        else:
            self.end_by = _NEVER
            self.close_after(NO_ERROR)


class H2ServerStream(ClientStream):
    """``events``: the exchange, which the connection sets right away; ``limits``: those in force for this request."""

    __slots__ = (
        "_body_from", "_connection", "_paused_at", "_taken", "deadline", "events", "head", "lane", "limits",
        "request_deadline", "state",
    )  # fmt: skip

    def set_up(self, connection: Output, session: ClientSession, head: RequestHead, number: int, whole: bool) -> None:
        """``whole``: the stream has ended with the head."""
        self.session = session
        self.head = head
        self.events: ClientEvents
        self.limits = session.limits
        self.deadline = self.request_deadline = _NEVER
        self._connection = connection
        self._taken = 0  # bytes of the body
        self._body_from = connection.context.now  # when it began; pauses of ours do not count
        self._paused_at = 0.0
        lane = self.lane = ServerLane.__new__(ServerLane)  # in the compiled build this is no call of Python
        lane.begin(connection, number, connection.initial_window)
        lane.serve(self)
        lane.remote_done = whole
        self.state = WAIT
        if head.framing:
            self.state = BODY
            lane.expected = head.framing if head.framing > 0 else -1
            self._expect_body(0)
        elif head.upgrade:
            lane.paused = True  # what the client sends belongs to the tunnel
        else:
            lane.expected = 0

    # -- the request's body

    def body_arrived(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        if self.state == TUNNEL:
            self._extend_tunnel()
            for piece in pieces:
                self.events.tunnel_up(piece)
            if trailers is not None and self.state == TUNNEL:
                self.events.tunnel_up_eof()
        elif self.state == BODY:
            if trailers is not None:
                self.state = WAIT
                self.deadline = _NEVER
            else:
                for piece in pieces:
                    self._taken += len(piece)
                self._expect_body(0)
            self.events.request_body(pieces, trailers)

    def _expect_body(self, since: float) -> None:
        """The next bytes have to come in time, and fast enough on average; see :mod:`rsp.http.h1.server_stream`."""
        limits = self.limits
        self._body_from += since
        self.deadline = self._connection.context.now + limits.body_time
        if limits.min_rate and self.head.framing > 0:
            self.deadline = min(self.deadline, self._body_from + limits.body_time + self._taken / limits.min_rate)

    def pause(self) -> None:
        if not self.lane.paused:
            self.lane.pause()
            if self.state == BODY:
                self.deadline = _NEVER
                self._paused_at = self._connection.context.now

    def resume(self) -> None:
        if self.lane.paused and not (self.head.upgrade and self.state == WAIT):
            if self.state == BODY:
                self._expect_body(self._connection.context.now - self._paused_at)
            self.lane.resume()

    # -- the response

    def send_interim(self, head: ResponseHead) -> None:
        if not (self.lane.gone or self.lane.local_done):
            self._connection.send_head(
                self.lane, self._connection.encoder.response(head.status, head.fields, -1), False
            )

    def send_response(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        if head.connection_bound and head.status == _UNAUTHORIZED:
            self.lane.close(HTTP_1_1_REQUIRED)  # for NTLM; browsers and curl ask again with HTTP/1.1
        elif not self.lane.gone:
            respond(self._connection, self.lane, head, pieces, trailers)
            if self.state == BODY and trailers is None and not self.lane.paused:
                self._expect_body(0)

    def send_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        self.lane.send(pieces, trailers)
        if self.state == BODY and trailers is None and not self.lane.paused:
            self._expect_body(0)  # a stream in both directions: the client may wait for this before it goes on

    # -- a WebSocket (RFC 8441): bytes both ways

    def open_tunnel(self, head: ResponseHead) -> None:
        self.request_deadline = _NEVER
        if self.lane.gone:
            return
        block = self._connection.encoder.response(200, drop(head.fields, ACCEPT), -1)
        self._connection.send_head(self.lane, block, False)
        self.state = TUNNEL
        self.limits = self.limits.for_calls()  # both may be as slow as they like
        self._extend_tunnel()
        self.lane.resume()

    def _extend_tunnel(self) -> None:
        self.deadline = self._connection.context.now + self.limits.tunnel_time

    def send_raw(self, data: bytes) -> None:
        self._extend_tunnel()
        self.lane.send([data], None)

    def send_eof(self) -> None:
        self.lane.send(_NOTHING, _NOTHING)

    # -- time

    def use(self, limits: Limits) -> None:
        self.limits = limits
        if self.state == BODY and not self.lane.paused:
            self._expect_body(0)

    def set_deadline(self, moment: float) -> None:
        self.request_deadline = moment

    def is_due(self, now: float) -> bool:
        return self.deadline < now or self.request_deadline < now

    def expire(self, now: float) -> None:
        if self.request_deadline < now:
            self.events.timed_out()
        elif self.state == BODY:
            self.stop(408, "the body took too long", NO_ERROR)
        else:
            self.lane.close(CANCEL)
            self.lane.was_reset(CANCEL, False)

    # -- the end

    def stop(self, status: int, reason: str, code: int) -> None:
        """The request cannot be understood, or not be waited for any longer: answer, and reset with ``code``."""
        lane = self.lane
        answer = self.events.request_failed(status, reason)
        lane.user = None
        if answer is None:
            lane.close(code)
            return
        if code != NO_ERROR:
            lane.remote_done = False  # for any input: the client is told
        respond(self._connection, lane, answer[0], answer[1], _NOTHING)
        if not lane.remote_done:
            lane.close_after(code)

    def finish(self, keep_alive: bool) -> None:
        lane = self.lane
        lane.user = None
        if lane.gone:
            return
        if not lane.ended:
            lane.send(_NOTHING, _NOTHING)  # a tunnel whose peer is gone
        if lane.remote_done:
            return
        # Some clients end a stream by a frame of its own, and fail if the stream is gone by then (httpx).
        if lane.expected == 0:
            lane.end_by = self._connection.context.now + _END_SECONDS
        else:
            lane.close_after(NO_ERROR)

    def reset(self, reason: str) -> None:
        self.lane.user = None
        self.lane.close(INTERNAL_ERROR)

    def local_name(self) -> bytes:
        name = self._connection.transport.own_address()
        return b"%b:%d" % (name[0].encode(), name[1]) if name is not None else b"localhost"

    def ends(self) -> tuple[Address, Address] | None:
        return self._connection.transport.ends()
