"""One request on a connection to a peer, and its response: writes the one, decodes the other.

What outlives the request belongs to the connection, see ``client.py``.
"""

from math import inf
from typing import Final

from rsp.http.errors import ProtocolError
from rsp.http.h1.body import ChunkedDecoder, CloseDecoder, Decoder, LengthDecoder
from rsp.http.h1.codec import end_of_head, parse_response, request_head
from rsp.http.h1.faults import find_stray
from rsp.http.h1.lenient import read_head
from rsp.http.h1.writing import write_message
from rsp.http.message import CHUNKED, OutgoingHead, ResponseHead
from rsp.http.names import lines_without
from rsp.http.peer_stream import Failure, PeerRequest, PeerStream
from rsp.net.context import WorkerContext
from rsp.net.secure import TlsLost
from rsp.net.timing import timing
from rsp.net.transport import Protocol

_NEVER: Final = inf
_LEAST_PATIENCE: Final = 0.005  # seconds in which a connection that had been closed says so, at least
_LATE: Final = 0.1  # in which a busy peer does, perhaps
_NOTHING: Final[list[bytes]] = []  # never changed
_CHUNKS: Final = 512  # in a turn; a read can hold 40,000 of a byte each
_INTERIM: Final = 100  # responses before the final one; 102 (Processing) may come every few seconds


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
        self.stream: H1PeerStream | None = None
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


class H1PeerStream(PeerStream):
    # fmt: off
    __slots__ = (
        "_buffer", "_chunked", "_connection", "_decoder", "_end_delay", "_head", "_heard", "_interim",
        "_interim_size", "_limits", "_request", "_sent_after", "_tunnel",
    )
    # fmt: on

    def set_up(self, connection: Connection, request: PeerRequest) -> None:
        self._connection = connection
        self._request: PeerRequest | None = request
        self._limits = request.limits
        self._chunked = False
        self._heard = False  # something of a response has come
        self._sent_after = 0  # the request: after so many looks for events
        self._end_delay = _NEVER  # how long after the request the peer's end of file came, as the kernel saw it
        self._buffer = b""
        self._head: ResponseHead | None = None
        self._interim = 0  # responses before the final one, and their bytes
        self._interim_size = 0
        self._decoder: Decoder | None = None
        self._tunnel = False

    # -- the request's side

    def is_full(self) -> bool:
        return self._connection.full

    def is_bound(self) -> bool:
        return self._connection.bound

    def is_doubtful(self) -> bool:
        return self._connection.doubtful

    def is_stale(self) -> bool:
        return self._connection.is_stale()

    def send_request(self, head: OutgoingHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        connection, request = self._connection, head.head
        connection.stream = self
        if request.connection_bound:
            connection.bound = True
        self._chunked = request.framing == CHUNKED
        self._sent_after = connection.context.poller.looks
        start = request_head(request, head.target, head.host, head.fields, head.extra, head.request_id)
        self._send(start, pieces, trailers)

    def send_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        if not self._connection.transport.closing:
            self._send(b"", pieces, trailers)

    def _send(self, start: bytes, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        connection = self._connection
        connection.deadline = _NEVER if self._tunnel else connection.context.now + self._limits.response_time
        write_message(connection.transport, start, pieces, self._chunked, trailers)

    def pause(self) -> None:
        connection = self._connection
        connection.transport.pause_reading()
        connection.deadline = _NEVER

    def resume(self) -> None:
        connection = self._connection
        connection.deadline = _NEVER if self._tunnel else connection.context.now + self._limits.read_time
        connection.transport.resume_reading()
        if self._decoder is not None and self._decoder.more:
            connection.transport.later()

    def open_tunnel(self) -> None:
        self._tunnel = True
        self._connection.deadline = _NEVER

    def is_tunnel(self) -> bool:
        return self._tunnel

    def send_raw(self, data: bytes) -> None:
        if not self._connection.transport.closing:
            self._connection.transport.write(data)

    def send_eof(self) -> None:
        if not self._connection.transport.closing:
            self._connection.transport.write_eof()

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

    # -- the connection's side

    def timed_out(self) -> None:
        """The deadline has passed."""
        self._fail(Failure("timed out", timed_out=True))

    def data_received(self, data: bytes) -> None:
        request = self._request
        if request is None:
            return
        if self._tunnel:
            request.tunnel_down(data)
            return
        try:
            if not self._heard:
                self._hear()
            if self._decoder is not None:
                self._connection.deadline = self._connection.context.now + self._limits.read_time
                self._body(request, self._decoder, data)
            else:
                self._heads(request, self._buffer + data if self._buffer else data)
        except ProtocolError as error:
            self._fail(Failure(f"sent a bad response: {error}"))

    def go_on(self) -> None:
        if self._decoder is not None and not self._connection.transport.paused:
            self.data_received(b"")

    def eof_received(self) -> bool:
        request, connection = self._request, self._connection
        if request is None:
            return False
        if self._tunnel:
            request.tunnel_down_eof()
            return True
        if isinstance(self._decoder, CloseDecoder):
            self._finish(request, None, _NOTHING, _NOTHING, False)
        elif connection.reused and not self._heard:
            connection.transport.round_trip, delay = timing(connection.transport.descriptor)
            self._note_end(request, delay)
        return False

    def _note_end(self, request: PeerRequest, delay: float) -> None:
        if request.head.framing == 0:  # else data may have been sent long after the head
            self._end_delay = delay

    def connection_lost(self, error: OSError | None) -> None:
        request = self._let_go()
        if request is None:
            return
        if self._tunnel:
            request.tunnel_lost()
            return
        if isinstance(error, TlsLost):
            self._note_end(request, error.delay)
        request.peer_failed(self, self._failure(error))

    def _failure(self, error: OSError | None) -> Failure:
        if isinstance(error, TlsLost):
            # With TLS 1.3 a peer's refusal of this side's certificate comes only after the request has been sent.
            refused = error.refused and not (self._heard or self._connection.reused)
            return Failure(error.reason, untouched=refused)
        return Failure("reset the connection" if error else "closed the connection early")

    def pause_writing(self) -> None:
        if self._request is not None:
            self._request.peer_full()

    def resume_writing(self) -> None:
        if self._request is not None:
            self._request.peer_ready()

    # -- the response

    def _hear(self) -> None:
        """The first bytes since the request.  What was there at the look for events that brought the request is behind
        the response before it."""
        if self._connection.reused and self._sent_after == self._connection.context.poller.looks:
            self._end_delay = 0.0
            raise ProtocolError("bytes behind a complete response")
        self._heard = True

    def _heads(self, request: PeerRequest, data: bytes) -> None:
        """Interim responses, within bounds, then the final head, with what follows it."""
        limits, method = self._limits, request.head.method
        start = 0  # of the head
        searched = max(0, len(self._buffer) - 3)  # there is no end of a head before this
        while True:
            end = end_of_head(data, max(start, searched))
            head = None
            if 0 <= end - start <= limits.head_limit:
                try:
                    head = parse_response(data[start:end], method, limits.fields)
                except ProtocolError:
                    if self._connection.is_strict():
                        raise
            if head is None:
                data, searched, start = data[start:], max(0, searched - start), 0
                head, end = self._not_plain(data, searched, method)
                if (end if head is not None else len(data)) > limits.head_limit:
                    raise ProtocolError("the head is too large")
                if head is None:
                    self._buffer = data
                    return
            self._connection.silent = False
            if head.status >= 200 or head.status == 101:
                break
            self._interim += 1
            self._interim_size += end - start
            if self._interim > _INTERIM or self._interim_size > limits.head_limit:
                raise ProtocolError("too many interim responses")
            request.interim(head)
            if self._request is None:  # that was enough
                return
            if end == len(data):
                self._buffer = b""
                return
            start = end
        self._buffer = b""
        data = data[end:]
        if head.status == 101:
            request.switch_protocols(head, data)
        else:
            self._begin(request, head, data)

    def _not_plain(self, data: bytes, searched: int, method: bytes) -> tuple[ResponseHead | None, int]:
        """A head that has not arrived whole, or not as a strict reader wants it; ``None`` and -1 for the former."""
        if not self._connection.is_strict():
            return read_head(data, searched, method, self._limits.fields, self._connection.silent)
        if find_stray(data, max(0, searched - 1)):
            raise ProtocolError("bare CR, bare LF or NUL in the head")
        return None, -1

    def _begin(self, request: PeerRequest, head: ResponseHead, data: bytes) -> None:
        connection, framing = self._connection, head.framing
        self._head = head
        if head.connection_bound:
            connection.bound = True
        connection.deadline = connection.context.now + self._limits.read_time
        if framing == 0:
            connection.doubtful = head.status == 304 or request.head.method == b"HEAD"
        if framing == 0 or framing == len(data):
            self._finish(request, head, [data] if framing else _NOTHING, _NOTHING, framing > 0 or not data)
            return
        if framing > 0:
            self._decoder = LengthDecoder(framing)
        else:
            self._decoder = ChunkedDecoder(_CHUNKS) if framing == CHUNKED else CloseDecoder()
        pieces = self._decoder.feed(data) if data else []
        if self._decoder.done:
            self._finish(request, head, pieces, self._decoder.trailers, not self._decoder.rest)
        else:
            if self._decoder.more:
                connection.transport.later()
            request.response(head, pieces, None)

    def _body(self, request: PeerRequest, decoder: Decoder, data: bytes) -> None:
        pieces = decoder.feed(data)
        if decoder.done:
            self._finish(request, None, pieces, decoder.trailers, not decoder.rest)
            return
        if decoder.more:
            self._connection.transport.later()
        if pieces:
            request.response_body(pieces, None)

    def _finish(
        self,
        request: PeerRequest,
        head: ResponseHead | None,
        pieces: list[bytes],
        trailers: list[bytes],
        reusable: bool,
    ) -> None:
        """The response is complete; ``head``: if it has not been passed on yet.

        The connection is free before the client's next request can ask for one.
        """
        if trailers and self._head is not None and self._head.barred is not None:
            trailers = lines_without(trailers, self._head.barred)
        request.peer_done()
        self._let_go()
        if reusable and self._head is not None and self._head.keep_alive and request.request_done:
            self._connection.release(request)
        elif request.request_done:
            self._connection.transport.close()
        else:
            self._connection.transport.abort()  # it answers early, and need not read the rest of the request
        if head is not None:
            request.response(head, pieces, trailers)
        else:
            request.response_body(pieces, trailers)
