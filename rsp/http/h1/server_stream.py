"""One request on a client's HTTP/1 connection: its body on the way in, its response on the way out, its deadlines.

What belongs to one request is here, and ends with it: an idle connection has no stream.  What the next request may
need, the bytes that have arrived and the transport, is the connection's (``server.py``); what a stream needs of it is
:class:`StreamOwner`.
"""

from math import inf
from typing import Final

from rsp.http.errors import ProtocolError
from rsp.http.h1.body import ChunkedDecoder, Decoder, LengthDecoder
from rsp.http.h1.codec import response_head
from rsp.http.h1.states import BODY, TUNNEL, WAIT
from rsp.http.h1.write import interim_head
from rsp.http.h1.writing import write_message
from rsp.http.limits import Limits
from rsp.http.message import CHUNKED, UNTIL_CLOSE, RequestHead, ResponseHead
from rsp.http.stream import ClientEvents, ClientSession, ClientStream
from rsp.net.context import WorkerContext
from rsp.net.proxy_header import Address
from rsp.net.transport import Protocol

_NEVER: Final = inf
_NOTHING: Final[list[bytes]] = []  # never changed
_KEPT: Final = (b"keep-alive", b"")  # how 1.0 and 1.1 are told that the connection stays open
_CHUNKS: Final = 512  # a connection's share of a turn: one read can hold 40,000 chunks


class StreamOwner(Protocol):
    """A connection, as its stream sees it.

    ``eof``             the client sends no more, but reads on
    ``reading_paused``  nothing is read from the client for now
    """

    __slots__ = ("context", "eof", "reading_paused")
    context: WorkerContext
    eof: bool
    reading_paused: bool

    def take_rest(self) -> bytes:
        """What has arrived and was not looked at yet."""
        raise NotImplementedError

    def put_back(self, rest: bytes) -> None:
        """``rest`` came behind the request's body."""
        raise NotImplementedError

    def pause_reading(self) -> None:
        raise NotImplementedError

    def resume_reading(self) -> None:
        raise NotImplementedError

    def stop(self, status: int, reason: str) -> None:
        """The request cannot be understood, or not be waited for any longer: answer, then no more of this client."""
        raise NotImplementedError

    def finish(self, stream: "ServerStream", keep_alive: bool) -> None:
        """The stream has ended: on to the next request, or to the end of the connection."""
        raise NotImplementedError

    def cut(self, stream: "ServerStream") -> None:
        """The stream has ended with half of a response."""
        raise NotImplementedError

    def abort(self) -> None:
        raise NotImplementedError

    def leave(self) -> None:
        """The client has left without a word: abort, then tell the stream's exchange."""
        raise NotImplementedError


class ServerStream(ClientStream):
    """``events``: the exchange, which the connection sets right away; ``limits``: those in force for this request."""

    # fmt: off
    __slots__ = (
        "_body_from", "_chunked", "_connection", "_decoder", "_has_room", "_paused_at", "_switched", "_taken",
        "deadline", "events", "head", "limits", "request_deadline", "state", "until_close",
    )
    # fmt: on

    def set_up(self, connection: StreamOwner, session: ClientSession, head: RequestHead) -> None:
        self.session = session
        self.head = head
        self.events: ClientEvents
        self.limits = session.limits
        self.state = BODY if head.framing else WAIT
        self.deadline = _NEVER  # of the client's sending
        self.request_deadline = _NEVER
        self.until_close = False  # the response ends with the connection
        self._connection = connection
        self._chunked = False  # it goes out in chunks
        self._has_room = False  # for a file, in the kernel
        self._switched = False  # 101 is out: a tunnel begins behind the request's body
        self._decoder: Decoder | None = None
        self._taken = 0  # bytes of the body
        self._body_from = 0.0  # when the body began; pauses of ours do not count
        self._paused_at = 0.0

    # -- the request's body

    def whole_body(self, piece: bytes) -> None:
        """All of it came with the head."""
        self.state = WAIT
        self._pass_body([piece], _NOTHING)

    def begin_body(self, framing: int) -> None:
        self._body_from = self._connection.context.now
        self._decoder = ChunkedDecoder(_CHUNKS) if framing == CHUNKED else LengthDecoder(framing)
        self._expect_body(0)

    def body_received(self, data: bytes) -> None:
        """``data`` may be empty: a new turn, for what the last one left."""
        decoder = self._decoder
        if decoder is None:
            return
        connection = self._connection
        try:
            pieces = decoder.feed(data)
        except ProtocolError as error:
            connection.stop(error.status, str(error))
            return
        if decoder.done:
            connection.put_back(decoder.rest)
            self._decoder = None
            self.state = WAIT
            self.deadline = _NEVER
            if connection.eof:
                self.may_have_left()
            self._pass_body(pieces, decoder.trailers)
            return
        if decoder.more:
            connection.transport.later()
        if not connection.reading_paused:
            self._expect_body(len(data))
        self._pass_body(pieces, None)

    def _pass_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        self.events.request_body(pieces, trailers)
        if self._switched and trailers is not None:
            self._begin_tunnel()

    def _expect_body(self, size: int) -> None:
        """``size`` more bytes have arrived; the next ones have to come in time, and fast enough on average.

        What a chunked body could send is not known: it may be a stream that is as slow as what it tells of.
        """
        limits = self.limits
        now = self._connection.context.now
        self._taken += size
        self.deadline = now + limits.body_time
        if limits.min_rate and isinstance(self._decoder, LengthDecoder):
            earned = self._body_from + limits.body_time + self._taken / limits.min_rate
            self.deadline = min(self.deadline, earned)

    def pause(self) -> None:
        connection = self._connection
        if not connection.reading_paused and not connection.transport.closing:
            connection.pause_reading()
            if self.state == BODY:
                self.deadline = _NEVER
                self._paused_at = connection.context.now

    def resume(self) -> None:
        connection = self._connection
        if connection.reading_paused and not connection.transport.closing:
            connection.resume_reading()
            if self.state == BODY:
                self._body_from += connection.context.now - self._paused_at
                self._expect_body(0)
                if self._decoder is not None and self._decoder.more:
                    connection.transport.later()

    # -- the response

    def send_interim(self, head: ResponseHead) -> None:
        """Never to HTTP/1.0, which does not know them (RFC 9110 section 15.2)."""
        connection = self._connection
        if self.head.minor == 1 and not connection.transport.closing:
            connection.transport.write(interim_head(head))
            if connection.eof:
                self.may_have_left()

    def send_response(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        self._send(self._head(head), pieces, trailers)

    def _head(self, head: ResponseHead) -> bytes:
        request = self.head
        self._chunked = head.framing < 0 and request.minor == 1
        self.until_close = head.framing < 0 and request.minor == 0
        framing = UNTIL_CLOSE if self.until_close else head.framing if head.framing >= 0 else CHUNKED
        if self.until_close or self.state == BODY or self._connection.context.leaving:
            request.keep_alive = False
        kept = _KEPT[request.minor] if not head.own else _KEPT[0]
        connection = kept if request.keep_alive else b"close"
        return response_head(head, head.fields, framing, connection)

    def send_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        self._send(b"", pieces, trailers)

    def _send(self, start: bytes, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        if trailers and not self.head.te_trailers:
            trailers = []
        connection = self._connection
        if not connection.transport.closing:
            if trailers is not None and not self.head.keep_alive and self.state == WAIT:
                connection.transport.leaving = True
            write_message(connection.transport, start, pieces, self._chunked, trailers)
            if connection.eof:
                self.may_have_left()
            elif self.state == BODY and not connection.reading_paused:
                self._expect_body(0)  # a stream in both directions: the client may wait for this before it goes on

    def takes_files(self) -> bool:
        return not self._chunked and self._connection.transport.takes_files()

    def send_file(self, head: ResponseHead | None, file: int, start: int, size: int) -> int:
        connection = self._connection
        first = b"" if head is None else self._head(head)
        sent = connection.transport.write_file(first, file, start, size)
        if sent < size and not self._has_room:
            self._has_room = True
            connection.transport.give_room(True)
        if connection.eof:
            self.may_have_left()
        return sent

    # -- after 101 Switching Protocols: bytes both ways

    def open_tunnel(self, head: ResponseHead) -> None:
        self.request_deadline = _NEVER
        self.send_raw(response_head(head, head.fields, 0, b"upgrade"))
        self._switched = True
        if self.state != BODY:
            self._begin_tunnel()

    def _begin_tunnel(self) -> None:
        connection, events = self._connection, self.events
        self._switched = False
        self.state = TUNNEL
        self._extend_tunnel()
        data = connection.take_rest()
        if data:
            events.tunnel_up(data)
        if connection.eof:
            events.tunnel_up_eof()
        connection.resume_reading()

    def _extend_tunnel(self) -> None:
        self.deadline = self._connection.context.now + self.limits.tunnel_time

    def tunnel_received(self, data: bytes) -> None:
        """``data``: empty at its end."""
        self._extend_tunnel()
        if data:
            self.events.tunnel_up(data)
        else:
            self.events.tunnel_up_eof()

    def send_raw(self, data: bytes) -> None:
        if self.state == TUNNEL:
            self._extend_tunnel()
        transport = self._connection.transport
        if not transport.closing:
            transport.write(data)

    def send_eof(self) -> None:
        transport = self._connection.transport
        if not transport.closing:
            transport.write_eof()

    # -- time

    def use(self, limits: Limits) -> None:
        self.limits = limits

    def set_deadline(self, moment: float) -> None:
        self.request_deadline = moment

    def may_have_left(self) -> None:
        """The client sends no more.  If there is nothing to send to it for a while either, it has left.

        By the clock itself: the worker's, which moves once a second, would cut this short.
        """
        seconds = self.limits.half_close_time
        if seconds:
            self.deadline = self._connection.context.clock() + seconds

    def is_due(self, now: float) -> bool:
        return self.deadline < now or self.request_deadline < now

    def expire(self, now: float) -> None:
        connection = self._connection
        if self.request_deadline < now:
            self.events.timed_out()
        elif self.state == BODY:
            connection.stop(408, "the body took too long")
        elif self.state == TUNNEL:
            connection.abort()
        elif connection.transport.waiting:  # it is slow: whether it is there, writing will tell
            self.may_have_left()
        else:
            connection.leave()

    # -- the end

    def finish(self, keep_alive: bool) -> None:
        if self._has_room:
            self._connection.transport.give_room(False)
        self._connection.finish(self, keep_alive and self.head.keep_alive)

    def reset(self, reason: str) -> None:
        """HTTP/1 has no way to tell the client ``reason``."""
        self._connection.cut(self)

    def local_name(self) -> bytes:
        name = self._connection.transport.own_address()
        return b"%b:%d" % (name[0].encode(), name[1]) if name is not None else b"localhost"

    def ends(self) -> tuple[Address, Address] | None:
        return self._connection.transport.ends()
