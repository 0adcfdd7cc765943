"""The receiving half of a client's connection: what arrives becomes requests, one at a time.  What becomes of those is
the other half's business, ``downstream.py``.

Pipelined requests wait as bytes, within bounds, so answers keep their order by nature.  One connection gets a share of
a turn of the loop, counted in requests and chunks; then the other connections have theirs.
"""

from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Final

from rsp.exchange.limits import Terms
from rsp.http.errors import ProtocolError
from rsp.http.h1.body import ChunkedDecoder, Decoder, LengthDecoder
from rsp.http.h1.codec import end_of_head, parse_request
from rsp.http.h1.faults import check_size, find_stray
from rsp.http.message import CHUNKED, RequestHead
from rsp.net.transport import Protocol

if TYPE_CHECKING:
    from rsp.exchange.context import Plane
    from rsp.exchange.running_config import Site

# What a connection is doing.
HEAD: Final = 0  # waiting for a request, or in the middle of its head
BODY: Final = 1  # an exchange runs, its request body is arriving
WAIT: Final = 2  # an exchange runs, its request is complete
TUNNEL: Final = 3
LINGER: Final = 4  # the answer is out; what still arrives is thrown away (RFC 9112 section 9.6)
CLOSED: Final = 5

_HEAD: Final = HEAD
_BODY: Final = BODY
_WAIT: Final = WAIT
_TUNNEL: Final = TUNNEL
_LINGER: Final = LINGER

_NEVER: Final = inf
_LINGER_BYTES: Final = 16 << 20
# A connection's share of a turn.  A read can hold 7,000 requests that rsp answers itself, or 40,000 chunks.
_REQUESTS: Final = 16
_HOOKED: Final = 4  # a request with hooks counts for so many
_REQUEST_SHIFT: Final = 9  # one of 512 bytes more, its body included, counts for one more
_CHUNKS: Final = 512


class Receiver(Protocol):
    # fmt: off
    __slots__ = (
        "_advancing", "_body_from", "_buffer", "_decoder", "_eof", "_paused_at", "_plane", "_reading_paused",
        "_searched", "_start", "_state", "_taken", "_writing_paused", "deadline", "listener", "site",
        "terms",
    )
    # fmt: on

    def __init__(self, plane: "Plane", listener: str) -> None:
        self._plane = plane
        self.listener = listener
        self.site: Site
        self.terms: Terms
        self.deadline = _NEVER
        self._state = _HEAD
        self._buffer = b""
        self._start = 0  # what is before this in the buffer is done
        self._searched = 0  # and in this much behind it there is no end of a head
        self._decoder: Decoder | None = None
        self._advancing = False
        self._eof = False  # the client sends no more, but reads on
        self._reading_paused = False
        self._writing_paused = False
        self._taken = 0  # bytes of the body, or thrown away since the answer
        self._body_from = 0.0  # when the body began; pauses of ours do not count
        self._paused_at = 0.0

    # -- the other half

    def _begin_exchange(self, head: RequestHead) -> None:
        raise NotImplementedError

    def _start_exchange(self) -> None:
        """What has arrived of the body has been passed on."""
        raise NotImplementedError

    def _pass_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """``trailers``: not ``None`` with the last pieces."""
        raise NotImplementedError

    def _pass_raw(self, data: bytes) -> None:
        """Bytes of a tunnel; none: their end."""
        raise NotImplementedError

    def _waits_on(self) -> bool:
        """The client sends no more: whether it may still wait for its answer."""
        raise NotImplementedError

    def _in_force(self) -> Terms:
        """The terms that hold now: those of the route once it is known."""
        raise NotImplementedError

    def _stop(self, status: int, reason: str) -> None:
        """The request cannot be understood, or not be waited for any longer: answer, then no more of this client."""
        raise NotImplementedError

    def close(self) -> None:
        """After what is written has been sent."""
        raise NotImplementedError

    # -- bytes

    def data_received(self, data: bytes) -> None:
        state = self._state
        if state == _HEAD:
            self._buffer = self._rest() + data if self._buffer else data
            self._advance()
        elif state == _BODY:
            self._body(data)
        elif state == _TUNNEL:
            self._pass_raw(data)
        elif state == _WAIT:
            self._buffer = self._rest() + data
            if len(self._buffer) > self.terms.head_limit:
                self.pause()
        elif state == _LINGER:
            self._taken += len(data)
            if self._taken > _LINGER_BYTES:
                self.transport.abort()

    def go_on(self) -> None:
        """A new turn, for what the last one left."""
        if self._state == _HEAD:
            self._advance()
        elif self._state == _BODY and not self._reading_paused:
            self._body(b"")

    def eof_received(self) -> bool:
        """A client may close its sending side and still wait for the answers."""
        state = self._state
        if state == _TUNNEL:
            self._pass_raw(b"")
            return True
        if state == _WAIT:
            self._eof = True
            self._may_have_left()
            return self._waits_on()
        if state == _BODY:
            self._stop(400, "the request ends early")
        elif state == _HEAD and self._writing_paused and self._buffer:
            self._eof = True  # more requests are there, to be answered when the client has taken other answers
            return True
        return False

    def _may_have_left(self) -> None:
        """The client sends no more.  If there is nothing to send to it for a while either, it has left.

        By the clock itself: the worker's, which moves once a second, would cut this short.
        """
        seconds = self._in_force().half_close_time
        if seconds:
            self.deadline = monotonic() + seconds

    def _rest(self) -> bytes:
        """Take what is left out of the buffer."""
        rest, start = self._buffer, self._start
        self._buffer = b""
        self._start = 0
        return rest[start:] if start else rest

    # -- heads

    def _advance(self) -> None:
        """Start as many exchanges as the buffer has whole heads for, one after the other, within a share."""
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
                    self._unfinished(self._rest())
                    break
                share -= 1 if self.site.hooks is None else _HOOKED
                self._searched = 0
                if end == len(data):
                    self._buffer = b""
                    self._start = 0
                    self._request(data[start:] if start else data)
                else:
                    self._start = end
                    self._request(data[start:end])
                    share -= (len(data) - start - len(self._buffer) + self._start) >> _REQUEST_SHIFT
            if self._reading_paused:
                if self._state != _BODY and len(self._buffer) - self._start <= self.terms.head_limit:
                    self.resume()
            elif self._writing_paused and len(self._buffer) - self._start > self.terms.head_limit:
                self.pause()  # it asks and asks, and takes no answer
        except ProtocolError as error:
            self._stop(error.status, str(error))
        finally:
            self._advancing = False
        if self._eof and self._state == _HEAD and not (self._writing_paused and self._buffer):
            self.close()

    def _unfinished(self, data: bytes) -> None:
        """A head that has not arrived whole: bounded in size and time."""
        terms = self.terms
        if data == b"\r\n"[: len(data)]:  # RFC 9112 section 2.2: an empty line before a request is ignored
            self._buffer = data if len(data) == 1 else b""
            return
        check_size(data, terms.line_limit, terms.head_limit)
        if find_stray(data, max(0, self._searched - 1)):
            raise ProtocolError("bare CR, bare LF or NUL in the head")
        if not self._searched:
            self.deadline = self._plane.now + terms.head_time
        self._searched = max(1, len(data) - 3)
        self._buffer = data

    def _request(self, block: bytes) -> None:
        terms = self.terms
        if block[:2] == b"\r\n":
            block = block[2:]
        if len(block) > terms.line_limit:
            check_size(block, terms.line_limit, terms.head_limit)
        head = parse_request(block, terms.fields)
        self.deadline = _NEVER
        self._begin_exchange(head)
        if head.framing == 0:
            self._state = _WAIT
        else:
            self._begin_body(head.framing)  # before the start, so that head and body go out together
        self._start_exchange()
        if self._eof and self._state == _WAIT:
            self._may_have_left()

    # -- bodies

    def _begin_body(self, framing: int) -> None:
        self._state = _BODY
        self._body_from = self._plane.now
        self._taken = 0
        start = self._start
        if 0 < framing <= len(self._buffer) - start:
            piece = self._buffer[start : start + framing]  # the next requests need not be copied for it
            self._start += framing
            if self._start == len(self._buffer):
                self._rest()
            self._state = _WAIT
            self._pass_body([piece], [])
            return
        self._decoder = ChunkedDecoder(_CHUNKS) if framing == CHUNKED else LengthDecoder(framing)
        self._expect_body(0)
        if self._buffer:
            self._body(self._rest())

    def _expect_body(self, size: int) -> None:
        """``size`` more bytes have arrived; the next ones have to come in time, and fast enough on average.

        What a chunked body could send is not known: it may be a stream that is as slow as what it tells of.
        """
        terms = self._in_force()
        now = self._plane.now
        self._taken += size
        self.deadline = now + terms.body_time
        if terms.min_rate and isinstance(self._decoder, LengthDecoder):
            earned = self._body_from + terms.body_time + self._taken / terms.min_rate
            self.deadline = min(self.deadline, earned)

    def _body(self, data: bytes) -> None:
        decoder = self._decoder
        if decoder is None:
            return
        try:
            pieces = decoder.feed(data)
        except ProtocolError as error:
            self._stop(error.status, str(error))
            return
        if decoder.done:
            self._buffer = decoder.rest
            self._decoder = None
            self._state = _WAIT
            self.deadline = _NEVER
            if self._eof:
                self._may_have_left()
            self._pass_body(pieces, decoder.trailers)
            return
        if decoder.more:
            self.transport.later()
        if not self._reading_paused:
            self._expect_body(len(data))
        self._pass_body(pieces, None)

    def pause(self) -> None:
        """The peer takes no more for now, or too many requests wait."""
        if not self._reading_paused and not self.transport.closing:
            self._reading_paused = True
            self.transport.pause_reading()
            if self._state == _BODY:
                self.deadline = _NEVER
                self._paused_at = self._plane.now

    def resume(self) -> None:
        if self._reading_paused and not self.transport.closing:
            self._reading_paused = False
            self.transport.resume_reading()
            if self._state == _BODY:
                self._body_from += self._plane.now - self._paused_at
                self._expect_body(0)
                if self._decoder is not None and self._decoder.more:
                    self.transport.later()
