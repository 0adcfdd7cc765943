"""A client's HTTP/2 connection: requests that arrive become streams, each as if it had come alone.

It knows nothing of exchanges nor of peers; it counts and logs no request.
"""

import struct
from math import inf
from typing import Final

from rsp.http.errors import ProtocolError
from rsp.http.grpc import is_call
from rsp.http.h2.connection import Connection
from rsp.http.h2.errors import Http2Error
from rsp.http.h2.guard import RESET, SMALL
from rsp.http.h2.heads import request_of
from rsp.http.h2.hpack import Fields
from rsp.http.h2.server_stream import H2ServerStream, ServerLane, respond
from rsp.http.h2.states import CLOSED, LINGER_SECONDS, LINGERING, OPEN
from rsp.http.h2.stream import Stream
from rsp.http.h2.wire import frame_head
from rsp.http.limits import Limits
from rsp.http.stream import ClientSession, Service
from rsp.ipc.worker_cells import ACCEPTED
from rsp.logs import log
from rsp.net.context import WorkerContext
from rsp.net.timing import undelivered
from rsp.net.transport import Transport

from rsp.http.h2.frames import (  # isort: skip
    ENABLE_CONNECT_PROTOCOL, ENHANCE_YOUR_CALM, LAST_STREAM, MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE, NO_ERROR,
    NO_RFC7540_PRIORITIES, PING, PREFACE, PROTOCOL_ERROR, REFUSED_STREAM, SETTINGS, STREAM_CLOSED,
)  # fmt: skip

_NEVER: Final = inf
_REQUEST: Final = 32  # what one counts in the share of a turn that a connection has
_MOST_FRAMES: Final = 256  # that wait for a client that takes nothing; more, and nothing is read from it
_ECHO: Final = b"rsp-last"  # of the PING behind the first GOAWAY
_ECHO_SECONDS: Final = 1.0
_FEW: Final = 4096  # bytes that may be on their way without being a response
_NOTHING: Final[list[bytes]] = []  # never changed


_ALWAYS: Final = struct.pack(">HIHI", ENABLE_CONNECT_PROTOCOL, 1, NO_RFC7540_PRIORITIES, 1)


def _settings(limits: Limits) -> bytes:
    """Of a payload of SETTINGS, what a reload may change."""
    return struct.pack(">HIHI", MAX_CONCURRENT_STREAMS, limits.streams, MAX_HEADER_LIST_SIZE, limits.head_limit)


class H2ServerConnection(Connection):
    """``session``: for requests that begin now; those that run keep the one that they began with."""

    __slots__ = (
        "_counted", "_drain_at", "_eof", "_final", "_preface", "_section_deadline", "_service", "_stalled",
        "_starting", "session",
    )  # fmt: skip

    def set_up(
        self, context: WorkerContext, service: Service, transport: Transport, session: ClientSession, admitted: bool
    ) -> None:
        """Once, right after it was made; as :meth:`rsp.http.h1.server.ServerConnection.set_up`."""
        self.session = session
        self._service = service
        self._preface = PREFACE
        self._starting: H2ServerStream | None = None
        self._counted = self._eof = self._final = False
        self._drain_at = _NEVER
        self._section_deadline = _NEVER
        self._stalled = _NEVER
        limits = session.limits
        self.begin_connection(context, transport, limits.buffer, limits.head_limit, _settings(limits) + _ALWAYS, b"")
        self.begins_streams = True
        self.reset_points = RESET
        self.deadline = context.now + limits.head_time
        excess = self._enter(limits)
        if excess > 0 and not admitted:
            context.stats.answered(503, 0)
            self.shut(ENHANCE_YOUR_CALM)
        elif context.leaving:
            self.drain()

    def _enter(self, limits: Limits) -> int:
        """Count it; by how many connections it is too many for the limits in force, 0 or less if it is welcome."""
        context = self.context
        context.stats.add(ACCEPTED, 1)
        if self.session.series is not None:
            self.session.series.accepted()
        context.connections.add(self)
        excess = len(context.connections) - limits.connections
        if excess <= 0 and limits.per_client and self.session.counted:
            self._counted = True
            excess = context.count_client(self.session.client) - limits.per_client
        return excess

    def renew(self) -> None:
        """A new configuration is in force: for the requests that begin from now on."""
        before, limits = self.session, self.session.limits
        if self.streams:
            self.session = before.successor()
        self._service.renew(self.session)
        self._renew_limits(limits, self.session.limits)

    def _renew_limits(self, before: Limits, limits: Limits) -> None:
        self.head_limit, self.buffer = limits.head_limit, limits.buffer
        announced = _settings(limits)
        if announced != _settings(before) and self.state == OPEN:
            self.put(frame_head(len(announced), SETTINGS, 0, 0) + announced)

    # -- what arrives

    def data_received(self, data: bytes) -> None:
        preface = self._preface
        if preface and self.state == OPEN:
            begins = data[: len(preface)]
            if not preface.startswith(begins):
                self.fail(Http2Error(PROTOCOL_ERROR, "a preface that is not that of HTTP/2"))
                return
            self._preface = preface[len(begins) :]
            data = data[len(begins) :]
            if not data:
                return
            self.deadline = self.context.now + self.session.limits.idle_time
        Connection.data_received(self, data)

    def _is_idle_number(self, number: int) -> bool:
        above = number > self.last and not self._final  # after the last GOAWAY, what is above it is ignored
        return above or number % 2 == 0

    def head_received(self, number: int, fields: Fields, last: bool) -> None:
        if number % 2 == 0:
            raise Http2Error(PROTOCOL_ERROR, "a client's stream with an even number")
        if number <= self.last:
            past = self._fate(number)
            if past is None:
                raise Http2Error(PROTOCOL_ERROR, "a stream below the last one")
            if not past:
                raise Http2Error(STREAM_CLOSED, "HEADERS on a stream that is closed")
            self.guard.spend(SMALL, self.context.now)
            return
        if self._final:  # the client has yet to read that it is not processed
            self.guard.spend(SMALL, self.context.now)
            return
        self.last = number
        if len(self.streams) >= self.session.limits.streams:
            self.put_reset(number, REFUSED_STREAM)
            self.guard.spend(RESET, self.context.now)
            return
        self._start()
        self.deadline = _NEVER
        self.share -= _REQUEST * self.session.weight
        self._serve(number, fields, last)

    def _serve(self, number: int, fields: Fields, last: bool) -> None:
        session = self.session
        limits = session.limits
        try:
            head = request_of(fields, last, limits.line_limit, limits.fields)
        except ProtocolError as error:
            code = PROTOCOL_ERROR if fields.fault or error.status == 400 else NO_ERROR
            self._refuse(number, error, code, last, is_call(fields.lines))
            return
        stream = H2ServerStream.__new__(H2ServerStream)  # in the compiled build this is no call of Python
        stream.set_up(self, session, head, number, last)
        lane = stream.lane
        self.know(lane)
        if fields.urgency >= 0:
            lane.urgency = fields.urgency
        stream.events = self._service.begin(stream, head)
        if last:
            stream.events.start()
        else:
            self._starting = stream  # what has come of its body goes to the peer with its head

    def _refuse(self, number: int, error: ProtocolError, code: int, last: bool, call: bool) -> None:
        """A request that cannot be understood; ``call``: of gRPC, as far as it was read.  Raises :class:`Http2Error`
        when there are too many."""
        head, pieces = self._service.refuse(self.session, error.status, str(error), call)
        lane = ServerLane.__new__(ServerLane)
        lane.begin(self, number, self.initial_window)
        lane.serve(None)
        lane.remote_done = last and code == NO_ERROR
        self.know(lane)
        respond(self, lane, head, pieces, _NOTHING)
        if not lane.remote_done:
            lane.close_after(code)
        self.guard.spend(RESET, self.context.now)

    def _start(self) -> None:
        stream, self._starting = self._starting, None
        if stream is not None and stream.lane.user is stream:
            stream.events.start()

    def turn_ends(self) -> None:
        self._start()
        if self.blocked and len(self._out) > _MOST_FRAMES and not self.transport.paused:
            self.transport.pause_reading()  # it asks and asks, and takes no answer

    def resume_writing(self) -> None:
        self._stalled = _NEVER
        Connection.resume_writing(self)
        if self.transport.paused and not self.transport.closing:
            self.transport.resume_reading()

    def section_begins(self) -> None:
        self._section_deadline = self.context.now + self.session.limits.head_time

    def goaway_received(self, last: int, code: int) -> None:
        """The client begins no more streams; what runs goes on."""

    def stream_gone(self, stream: Stream) -> None:
        if not self.streams and self.state == OPEN:
            now = self.context.now
            self.deadline = now if self._final or self._eof else now + self.session.limits.idle_time

    def told(self, error: Http2Error) -> None:
        client = self.session.client.decode()
        log.once_a_second("http2", f"HTTP/2 connection of {client} closed: the client sent {error}")

    def eof_received(self) -> bool:
        """No client closes one side alone to wait for answers, but one that leaves looks like that at first."""
        if self.state != OPEN or not self.streams:
            return False
        self._eof = True
        self.deadline = self.context.clock() + (self.session.limits.half_close_time or _NEVER)
        return True

    # -- time

    def is_due(self, now: float) -> bool:
        limits = self.session.limits
        due = self.deadline < now or self._drain_is_due(now) or self._section_is_late(now)
        if self.blocked:
            if self._stalled == _NEVER:
                self._stalled = now + limits.send_time
            due = due or self._stalled < now
        for lane in self.streams.values():
            if isinstance(lane, ServerLane):
                lane.note_wait(now, limits.send_time)
                due = due or lane.is_due(now)
        return due

    def expire(self) -> None:
        now, limits = self.context.now, self.session.limits
        for lane in list(self.streams.values()):
            if isinstance(lane, ServerLane) and lane.is_due(now) and not lane.gone:
                lane.expire(now, limits)
        if self._stalled < now:
            self.abort()
        elif self._drain_is_due(now):
            self._say_last()
        elif self._section_is_late(now):
            self.fail(Http2Error(PROTOCOL_ERROR, "a head that took too long"))
        elif self.deadline < now:
            self._end()

    def _drain_is_due(self, now: float) -> bool:
        return self._drain_at < now and not self._final and self.state == OPEN

    def _section_is_late(self, now: float) -> bool:
        return self._section_deadline < now and self._block_number != 0 and self.state == OPEN

    def _end(self) -> None:
        """Nothing runs."""
        if self.state != OPEN or self._preface:
            self.abort()
        elif self._final:
            self._half_close()
        else:
            self.shut(NO_ERROR)

    def _half_close(self) -> None:
        """The client knows that it is the end.  While it reads the last responses it says WINDOW_UPDATE, and a socket
        that is closed would answer that with a reset, which takes along what the client has not read."""
        self.state = LINGERING
        self.write_rest()
        reads = self.transport.waiting or undelivered(self.transport.descriptor) > _FEW
        self.deadline = self.context.now + (self.session.limits.send_time if reads else LINGER_SECONDS)
        self.transport.write_eof()

    # -- the end

    @property
    def is_idle(self) -> bool:
        if self.state != OPEN:
            return False
        return not (self.streams or self._block_number) and (self._final or self._drain_at == _NEVER)

    def drain(self) -> None:
        """No more requests: first a warning, then, when the client must have read it, which was the last one (RFC 9113
        section 6.8)."""
        if self.state == OPEN and self._drain_at == _NEVER:
            self._drain_at = self.context.now + _ECHO_SECONDS
            self.put_goaway(LAST_STREAM, NO_ERROR)
            self.put(frame_head(8, PING, 0, 0) + _ECHO)

    def ping_answered(self, payload: bytes) -> None:
        if payload == _ECHO and self._drain_at != _NEVER and not self._final:
            self._say_last()

    def _say_last(self) -> None:
        self._final = True
        self.put_goaway(self.last, NO_ERROR)
        if not self.streams:
            self.deadline = self.context.now

    def close(self) -> None:
        """It is idle: the end."""
        self._end()

    def lose_streams(self) -> None:
        self._starting = None
        Connection.lose_streams(self)

    def connection_lost(self, error: OSError | None) -> None:
        self.state = CLOSED
        self.context.connections.discard(self)
        if self._counted:
            self.context.forget_client(self.session.client)
        self.lose_streams()
        self.session.end()
