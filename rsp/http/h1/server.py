"""A client's HTTP/1 connection: what arrives becomes requests, one at a time, each with a :class:`ServerStream`.

It knows nothing of exchanges nor of peers; it counts and logs no request.

Pipelined requests wait as bytes, within bounds, so answers keep their order by nature.  One connection gets a share of
a turn of the loop, counted in requests and chunks; then the other connections have theirs.
"""

from math import inf
from typing import Final

from rsp.http.errors import ProtocolError
from rsp.http.h1.codec import end_of_head, request_in, response_head
from rsp.http.h1.faults import check_size, find_stray
from rsp.http.h1.server_stream import ServerStream, StreamOwner
from rsp.http.h1.states import BODY, TUNNEL, WAIT
from rsp.http.limits import Limits
from rsp.http.message import ResponseHead
from rsp.http.pieces import part
from rsp.http.stream import ClientSession, Service
from rsp.ipc.worker_cells import ACCEPTED
from rsp.net.context import WorkerContext
from rsp.net.transport import Transport

_CR: Final = 13
_LF: Final = 10
# What a connection is doing.
_HEAD: Final = 0  # waiting for a request, or in the middle of its head
_STREAM: Final = 1  # a request is being served
_LINGER: Final = 2  # the answer is out; what still arrives is thrown away (RFC 9112 section 9.6)
_CLOSED: Final = 3

_NEVER: Final = inf
_LINGER_SECONDS: Final = 5
_LINGER_BYTES: Final = 16 << 20
# A connection's share of a turn.  A read can hold 7,000 requests that rsp answers itself.
_REQUESTS: Final = 16
_REQUEST_SHIFT: Final = 9  # one of 512 bytes more, its body included, counts for one more


class ServerConnection(StreamOwner):
    # fmt: off
    __slots__ = (
        "_advancing", "_buffer", "_counted", "_queued", "_searched", "_service", "_start", "_state",
        "_writing_paused", "deadline", "send_deadline", "session", "stream",
    )
    # fmt: on

    def set_up(
        self, context: WorkerContext, service: Service, transport: Transport, session: ClientSession, admitted: bool
    ) -> None:
        """Once, right after it was made.  ``transport``: what carries it; ``admitted``: it was counted during its
        handshake, and was not too many."""
        self.context = context
        self.eof = self.reading_paused = False
        self._service = service
        self.session = session
        self.stream: ServerStream | None = None
        self._state = _HEAD
        self._buffer = b""
        self._start = 0  # what is before this in the buffer is done
        self._searched = 0  # in this much behind it there is no end of a head; or so much was thrown away
        self._advancing = False
        self._writing_paused = False
        self._queued = 0  # bytes that it had not taken when it was last looked at
        self._counted = False  # among the connections of its address
        self.send_deadline = _NEVER
        limits = session.limits
        self.deadline = context.now + limits.idle_time
        self.transport = transport
        transport.begin(self, limits.buffer)
        excess = self._enter(limits)
        if excess > 0 and not admitted:
            self._turn_away(excess, limits)

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

    def _turn_away(self, excess: int, limits: Limits) -> None:
        """Too many connections: say so, as long as that does not become a burden itself."""
        if excess > limits.lingering:
            self.context.stats.answered(503, 0)
            self.abort()
        else:
            self.stop(503, "too many connections")

    def renew(self) -> None:
        """A new configuration is in force: for the next request; one that has begun stays on its own."""
        if self.stream is None and not self._searched:
            self._service.renew(self.session)

    # -- what arrives

    def data_received(self, data: bytes) -> None:
        state, stream = self._state, self.stream
        if state == _HEAD:
            self._buffer = self.take_rest() + data if self._buffer else data
            self._advance()
        elif stream is not None:
            if stream.state == BODY:
                stream.body_received(data)
            elif stream.state == TUNNEL:
                stream.tunnel_received(data)
            else:
                self._buffer = self.take_rest() + data
                if len(self._buffer) > self.session.limits.head_limit:
                    self.pause_reading()
        elif state == _LINGER:
            self._searched += len(data)
            if self._searched > _LINGER_BYTES:
                self.transport.abort()

    def go_on(self) -> None:
        """A new turn, for what the last one left."""
        stream = self.stream
        if self._state == _HEAD:
            self._advance()
        elif stream is not None and stream.state == BODY and not self.reading_paused:
            stream.body_received(b"")

    def eof_received(self) -> bool:
        """A client may close its sending side and still wait for the answers."""
        stream = self.stream
        if stream is not None:
            if stream.state == TUNNEL:
                stream.tunnel_received(b"")
                return True
            if stream.state == BODY:
                self.stop(400, "the request ends early")
                return False
            self.eof = True
            stream.may_have_left()
            return not stream.events.is_moot()
        if self._state == _HEAD and self._writing_paused and self._buffer:
            self.eof = True  # more requests are there, to be answered when the client has taken other answers
            return True
        return False

    def take_rest(self) -> bytes:
        rest, start = self._buffer, self._start
        self._buffer = b""
        self._start = 0
        return part(rest, start, len(rest))

    def put_back(self, rest: bytes) -> None:
        self._buffer = rest

    # -- requests

    def _advance(self) -> None:
        """Serve as many requests as the buffer has whole heads of, one after the other, within a share."""
        if self._advancing:
            return
        self._advancing = True
        share = _REQUESTS
        try:
            while self._buffer and self._state == _HEAD and not self._writing_paused:
                if share <= 0:
                    self.transport.later()
                    return
                data, start = self._buffer, self._start
                end = end_of_head(data, start + self._searched)
                if end < 0:
                    self._unfinished(self.take_rest())
                    break
                share -= self.session.weight
                self._searched = 0
                if end == len(data):
                    self._buffer = b""
                    self._start = 0
                    self._serve(data, start, end)
                else:
                    self._start = end
                    self._serve(data, start, end)
                    share -= (len(data) - start - len(self._buffer) + self._start) >> _REQUEST_SHIFT
            self._pace()
        except ProtocolError as error:
            self.stop(error.status, str(error))
        finally:
            self._advancing = False
        if self.eof and self._state == _HEAD and not (self._writing_paused and self._buffer):
            self.close()

    def _pace(self) -> None:
        """Read as long as few bytes wait."""
        if self.reading_paused:
            stream = self.stream
            if stream is not None and stream.state == BODY:
                return
            if len(self._buffer) - self._start <= self.session.limits.head_limit:
                self.resume_reading()
        elif self._writing_paused and len(self._buffer) - self._start > self.session.limits.head_limit:
            self.pause_reading()  # it asks and asks, and takes no answer

    def _unfinished(self, data: bytes) -> None:
        """A head that has not arrived whole: bounded in size and time."""
        limits = self.session.limits
        if data == b"\r\n"[: len(data)]:  # RFC 9112 section 2.2: an empty line before a request is ignored
            self._buffer = data if len(data) == 1 else b""
            return
        check_size(data, limits.line_limit, limits.head_limit)
        if find_stray(data, max(0, self._searched - 1)):
            raise ProtocolError("bare CR, bare LF or NUL in the head")
        if not self._searched:
            self.deadline = self.context.now + limits.head_time
        self._searched = max(1, len(data) - 3)
        self._buffer = data

    def _serve(self, data: bytes, start: int, end: int) -> None:
        session = self.session
        limits = session.limits
        if data[start] == _CR and data[start + 1] == _LF:  # an empty line before it
            start += 2
        if end - start > limits.line_limit:
            check_size(data[start:end], limits.line_limit, limits.head_limit)
        head = request_in(data, start, end, limits.fields)
        self.deadline = _NEVER
        stream = ServerStream.__new__(ServerStream)  # in the compiled build this is no call of Python
        stream.set_up(self, session, head)
        stream.events = self._service.begin(stream, head)
        self.stream = stream
        self._state = _STREAM
        if stream.state == BODY:
            self._begin_body(stream, head.framing)  # before the start, so that head and body go out together
            if self.stream is not stream:  # its body cannot be understood
                return
        stream.events.start()
        if self.eof and self.stream is stream and stream.state == WAIT:
            stream.may_have_left()

    def _begin_body(self, stream: ServerStream, framing: int) -> None:
        start = self._start
        if 0 < framing <= len(self._buffer) - start:
            piece = part(self._buffer, start, start + framing)  # the next requests need not be copied for it
            self._start += framing
            if self._start == len(self._buffer):
                self.take_rest()
            stream.whole_body(piece)
            return
        stream.begin_body(framing)
        if self._buffer:
            stream.body_received(self.take_rest())

    # -- flow

    def pause_reading(self) -> None:
        if not self.reading_paused and not self.transport.closing:
            self.reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.reading_paused and not self.transport.closing:
            self.reading_paused = False
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        self._writing_paused = True
        self._queued = self.transport.untaken()
        self.send_deadline = self.context.now + self._in_force().send_time
        if self.stream is not None:
            self.stream.events.client_full()

    def resume_writing(self) -> None:
        self._writing_paused = False
        self.send_deadline = _NEVER
        if self.stream is not None:
            self.stream.events.client_ready()
        elif self._state == _HEAD and not self.transport.left:
            self._advance()

    # -- time

    def _in_force(self) -> Limits:
        """The limits that hold now: those of the route once it is known."""
        stream = self.stream
        return self.session.limits if stream is None else stream.limits

    def is_due(self, now: float) -> bool:
        stream = self.stream
        return self.deadline < now or self.send_deadline < now or (stream is not None and stream.is_due(now))

    def expire(self) -> None:
        """A deadline has passed: of the client's sending or of its reading."""
        now, stream = self.context.now, self.stream
        if self.send_deadline < now:
            queued, limits = self.transport.untaken(), self._in_force()
            if self._queued - queued > limits.min_rate * limits.send_time:  # slow, but fast enough
                self._queued = queued
                self.send_deadline = now + limits.send_time
            else:
                self.abort()
        elif stream is not None:
            stream.expire(now)
        elif self._state == _HEAD and self._buffer:
            self.stop(408, "the head took too long")
        elif self._state == _HEAD:
            self.close()
        else:
            self.abort()

    # -- the end of a request

    def finish(self, stream: ServerStream, keep_alive: bool) -> None:
        self.stream = None
        self._service.renew(self.session)
        if self.transport.closing:
            self.close()
        elif stream.state == BODY:
            self._linger()
        elif not keep_alive:
            if self._buffer:
                self._linger()
            else:
                self.close()
        else:
            self._state = _HEAD
            self.deadline = self.context.now + self.session.limits.idle_time
            if self._buffer or self.eof or self.reading_paused:
                self._advance()

    def cut(self, stream: ServerStream) -> None:
        """Half of a response is out.  Where only the connection's end ends it, a reset says that it is not whole."""
        self.stream = None
        if stream.state == BODY and not stream.until_close:
            self._linger()  # the client still sends, and may read only then; it sees that this is half of it
        elif stream.until_close:
            self._state = _CLOSED
            self.transport.reset()
        else:
            self.abort()

    def stop(self, status: int, reason: str) -> None:
        stream, self.stream = self.stream, None
        if stream is None:
            self._answer(self._service.refuse(self.session, status, reason))
            return
        answer = stream.events.request_failed(status, reason)
        if answer is None:
            self.abort()
        else:
            self._answer(answer)

    def _answer(self, answer: tuple[ResponseHead, list[bytes]]) -> None:
        head, pieces = answer
        if not self.transport.closing:
            self.transport.write(response_head(head, head.fields, head.framing, b"close") + b"".join(pieces))
        self._linger()

    def leave(self) -> None:
        stream, self.stream = self.stream, None
        self.abort()
        if stream is not None:
            stream.events.client_left()

    # -- the end

    @property
    def is_idle(self) -> bool:
        return self._state == _HEAD and not self._buffer

    def close(self) -> None:
        """After what is written has been sent."""
        self._state = _CLOSED
        self.deadline = self.context.now + self.session.limits.send_time
        self.transport.close()

    def abort(self) -> None:
        self._state = _CLOSED
        self.transport.abort()

    def _linger(self) -> None:
        """Close for writing, read on for a while: closing now would reset the answer away from the client."""
        if self.transport.closing:
            return
        self._state = _LINGER
        self.take_rest()
        self._searched = 0
        self.deadline = self.context.now + _LINGER_SECONDS
        self.resume_reading()
        self.transport.write_eof()

    def connection_lost(self, error: OSError | None) -> None:
        self._state = _CLOSED
        self.context.connections.discard(self)
        if self._counted:
            self.context.forget_client(self.session.client)
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.events.client_gone()
        self.session.end()
