"""A client's HTTP/1 connection: decodes requests, one exchange at a time, and writes the responses.

Pipelined requests wait as bytes, within bounds, so answers keep their order by nature.  It knows nothing of peers.
"""

from math import inf
from typing import TYPE_CHECKING, Final

from rsp.combined import combined
from rsp.http1.body import ChunkedDecoder, Decoder, LengthDecoder
from rsp.http1.codec import end_of_head, parse_request, response_head
from rsp.http1.errors import ProtocolError
from rsp.http1.faults import check_size, find_stray
from rsp.http1.framing import has_content
from rsp.http1.head import CHUNKED, UNTIL_CLOSE, RequestHead, ResponseHead
from rsp.http1.write import interim_head, own_response
from rsp.net.transport import Protocol, Transport
from rsp.proxy.answers import Answer
from rsp.proxy.exchange import Exchange
from rsp.proxy.forwarded import direct, sort_out, through_proxy
from rsp.proxy.hooked import HookedExchange
from rsp.proxy.terms import Terms
from rsp.proxy.writing import write_message

if TYPE_CHECKING:
    from rsp.proxy.conversations import Conversations
    from rsp.proxy.plane import Plane
    from rsp.proxy.site import Destination, Site
    from rsp.route import Entry

# What a connection is doing.
_HEAD: Final = 0  # waiting for a request, or in the middle of its head
_BODY: Final = 1  # an exchange runs, its request body is arriving
_WAIT: Final = 2  # an exchange runs, its request is complete
_TUNNEL: Final = 3
_LINGER: Final = 4  # the answer is out; what still arrives is thrown away (RFC 9112 section 9.6)
_CLOSED: Final = 5

_KEPT: Final = (b"keep-alive", b"")  # how 1.0 and 1.1 are told that the connection stays open
_LINGER_SECONDS: Final = 5
_LINGER_BYTES: Final = 16 << 20
_NEVER: Final = inf


class Downstream(Protocol):
    """``descriptor``: the connected socket; ``client``: its address; ``listener``: where it came in, as configured."""

    # fmt: off
    __slots__ = (
        "_advancing", "_body_from", "_body_size", "_buffer", "_chunked", "_decoder", "_entries", "_eof",
        "_exchange", "_known_host", "_lingered", "_paused_at", "_plane", "_queued", "_reading_paused",
        "_searched", "_state", "_told", "_until_close", "_writing_paused", "client", "conversations", "counted",
        "deadline", "listener", "request_deadline", "send_deadline", "site", "terms",
    )
    # fmt: on

    def __init__(self, plane: "Plane", listener: str, descriptor: int, client: bytes) -> None:
        self._plane = plane
        self.listener = listener
        self.client = client
        self.deadline = _NEVER
        self.send_deadline = _NEVER
        self.request_deadline = _NEVER
        self._state = _HEAD
        self._buffer = b""
        self.site: Site
        self.terms: Terms
        self._known_host: bytes | None = None  # what follows is known for this host
        self._entries: list[list[Entry[Destination]]] = []  # the host's routes
        self._told = b""  # the lines that tell of the client
        self._searched = 0  # in the buffer there is no end of a head before this
        self._decoder: Decoder | None = None
        self._exchange: Exchange | None = None
        self._chunked = False  # the response on its way goes out in chunks
        self._until_close = False  # or ends with the connection
        self._advancing = False
        self._eof = False  # the client sends no more, but reads on
        self._reading_paused = False
        self._writing_paused = False
        self._queued = 0  # bytes in the write buffer when the client was last looked at
        self._lingered = 0
        self.conversations: Conversations | None = None  # connections to peers that only it may use
        self.counted = False  # among the connections of its address
        self._body_from = 0.0  # when the body began; pauses of ours do not count
        self._body_size = 0
        self._paused_at = 0.0

        self._adopt(plane.site)
        self.deadline = plane.now + self.terms.idle_time
        self.transport = Transport(plane.poller, descriptor, self, self.terms.buffer)
        excess = plane.admit(self)
        if excess:
            self._turn_away(excess)

    def _turn_away(self, excess: int) -> None:
        """Too many connections: say so, as long as that does not become a burden itself."""
        if excess > 64:
            self._plane.count(503, 0)
            self.abort()
        else:
            self._stop(503, "too many connections")

    def renew(self) -> None:
        """A new configuration is in force: for the next request; one that has begun stays on its own."""
        if self._exchange is None and not self._searched:
            self._adopt(self._plane.site)

    def _adopt(self, site: "Site") -> None:
        self.site = site
        self.terms = site.listeners.get(self.listener, site.terms)
        self._known_host = None

    # -- the transport's side

    def data_received(self, data: bytes) -> None:
        state = self._state
        if state == _HEAD:
            self._advance(self._buffer + data if self._buffer else data)
        elif state == _BODY:
            self._body(data)
        elif state == _TUNNEL:
            self._extend_tunnel()
            if self._exchange is not None:
                self._exchange.tunnel_up(data)
        elif state == _WAIT:
            self._buffer += data
            if len(self._buffer) > self.terms.head_limit:
                self.pause()
        elif state == _LINGER:
            self._lingered += len(data)
            if self._lingered > _LINGER_BYTES:
                self.abort()

    def eof_received(self) -> bool:
        """A client may close its sending side and still wait for the answers."""
        state = self._state
        if state == _TUNNEL and self._exchange is not None:
            self._exchange.tunnel_up_eof()
            return True
        if state == _WAIT:
            self._eof = True
            exchange = self._exchange
            return exchange is None or not exchange.is_moot()
        if state == _BODY:
            self._stop(400, "the request ends early")
        return False

    def connection_lost(self, error: OSError | None) -> None:
        self._state = _CLOSED
        self._plane.leave(self)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.client_gone()
        if self.conversations is not None:
            self.conversations.close()

    def pause_writing(self) -> None:
        self._writing_paused = True
        self._queued = self.transport.waiting
        self.send_deadline = self._plane.now + self._in_force().send_time
        if self._exchange is not None:
            self._exchange.client_full()

    def resume_writing(self) -> None:
        self._writing_paused = False
        self.send_deadline = _NEVER
        if self._exchange is not None:
            self._exchange.client_ready()
        elif self._state == _HEAD:
            self._advance(self._buffer)
            if len(self._buffer) <= self.terms.head_limit:
                self.resume()

    def is_due(self, now: float) -> bool:
        return self.deadline < now or self.send_deadline < now or self.request_deadline < now

    def _in_force(self) -> Terms:
        """The terms that hold now: those of the route once it is known."""
        exchange = self._exchange
        return self.terms if exchange is None else exchange.terms

    def expire(self) -> None:
        """A deadline has passed: of the client's sending or of its reading."""
        now = self._plane.now
        if self.send_deadline < now:
            queued = self.transport.waiting
            if self._queued - queued > self.terms.min_rate * self._in_force().send_time:  # slow, but fast enough
                self._queued = queued
                self.send_deadline = now + self._in_force().send_time
            else:
                self.abort()
        elif self.request_deadline < now and self._exchange is not None:
            self._exchange.timed_out()
        elif self._state == _HEAD and self._buffer:
            self._stop(408, "the head took too long")
        elif self._state == _BODY:
            self._stop(408, "the body took too long")
        elif self._state == _HEAD:
            self.close()
        else:
            self.abort()

    # -- requests

    def _advance(self, data: bytes) -> None:
        """Start as many exchanges as ``data`` has whole heads for, one after the other."""
        if self._advancing:
            self._buffer = data
            return
        self._advancing = True
        try:
            while data and self._state == _HEAD and not self._writing_paused:
                self._buffer = b""
                end = end_of_head(data, self._searched)
                if end < 0:
                    self._unfinished(data)
                    return
                self._searched = 0
                self._request(data[:end] if end < len(data) else data, data[end:])
                data = self._buffer
            self._buffer = data
            if self._writing_paused and len(data) > self.terms.head_limit:
                self.pause()  # it asks and asks, and takes no answer
        except ProtocolError as error:
            self._stop(error.status, str(error))
        finally:
            self._advancing = False

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

    def _request(self, block: bytes, rest: bytes) -> None:
        plane, terms = self._plane, self.terms
        if block[:2] == b"\r\n":
            block = block[2:]
        if len(block) > terms.line_limit:
            check_size(block, terms.line_limit, terms.head_limit)
        head = parse_request(block, terms.fields)
        self.deadline = _NEVER
        hooks = self.site.hooks
        exchange = self._exchange = (
            Exchange(plane, self, head) if hooks is None else HookedExchange(plane, self, head, hooks)
        )
        if head.framing == 0:
            self._buffer = rest
            self._state = _WAIT
            exchange.start()
            return
        self._state = _BODY
        self._decoder = ChunkedDecoder() if head.framing == CHUNKED else LengthDecoder(head.framing)
        self._body_from = plane.now
        self._body_size = 0
        self._expect_body(0)
        self._buffer = b""
        if rest:
            self._body(rest)  # before the start, so that head and body go out together
        if self._exchange is exchange:
            exchange.start()

    def _expect_body(self, size: int) -> None:
        """``size`` more bytes have arrived; the next ones have to come in time, and fast enough on average."""
        terms = self._in_force()
        now = self._plane.now
        self._body_size += size
        self.deadline = now + terms.body_time
        if terms.min_rate:
            earned = self._body_from + terms.body_time + self._body_size / terms.min_rate
            self.deadline = min(self.deadline, earned)

    def _body(self, data: bytes) -> None:
        decoder, exchange = self._decoder, self._exchange
        if decoder is None or exchange is None:
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
            exchange.request_body(pieces, decoder.trailers)
        else:
            if not self._reading_paused:
                self._expect_body(len(data))
            exchange.request_body(pieces, None)

    def _stop(self, status: int, reason: str) -> None:
        """The request cannot be understood, or not be waited for any longer: answer, then no more of this client."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None and exchange.response_started:
            exchange.client_gone()
            self.abort()
            return
        plane = self._plane
        request_id = exchange.request_id if exchange is not None else b""
        request_id = request_id or plane.new_id()
        head: RequestHead | None = exchange.head if exchange is not None else None
        sent = self.send_own(self.site.pages.error(status, reason, request_id, head), keep_alive=False)
        if exchange is not None:
            exchange.request_id = request_id
            exchange.client_failed(status, sent)
        else:
            plane.count(status, sent)
            log = self.site.access_log
            if log.enabled:
                log.add(
                    combined(self.client, log.stamp, b"", b"", 1, status, sent, b"", b"", b"", 0.0, 0.0, request_id)
                )
        self._linger()

    # -- the exchange's side

    def entries(self, host: bytes) -> "list[list[Entry[Destination]]]":
        """The routes for ``host``.  A client asks for one host again and again, so what that means is kept."""
        if self._known_host != host:
            site = self.site
            self._known_host = host
            self._entries = site.router.entries(host)
            self._told = direct(site.forwarded, self.client, host or self._own_name())
        return self._entries

    def _own_name(self) -> bytes:
        """Where the client connected to: the host of a request that names none."""
        name = self.transport.own_address()
        return b"%b:%d" % (name[0].encode(), name[1]) if name is not None else b"localhost"

    def forwarded(self, exchange: Exchange) -> bytes:
        """The lines that tell a peer of the client, each with its CRLF; the exchange learns the client's real address.

        Gives a request without a host (1.0) one.
        """
        head = exchange.head
        if not head.host:
            head.host = self._own_name()
        site = self.site
        if head.forwarded:
            trusted = site.trusts(self.client)
            sort_out(site, head, trusted)
            if trusted:
                told, exchange.client = through_proxy(site, self.client, head)
                return told
        return self._told

    def send_interim(self, head: ResponseHead) -> None:
        if not self.transport.closing:
            self.transport.write(interim_head(head))

    def send_continue(self) -> None:
        """The body is wanted, by us and not by a peer."""
        if not self.transport.closing:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def send_response(
        self,
        exchange: Exchange,
        head: ResponseHead,
        fields: bytes,
        pieces: list[bytes],
        trailers: list[bytes] | None,
    ) -> None:
        """``fields``: the lines to send; ``trailers``: not ``None`` when this is the whole response."""
        request = exchange.head
        self._chunked = head.framing < 0 and request.minor == 1
        self._until_close = head.framing < 0 and request.minor == 0
        framing = UNTIL_CLOSE if self._until_close else head.framing if head.framing >= 0 else CHUNKED
        if self._until_close or not exchange.request_done or self._plane.draining:
            request.keep_alive = False
        connection = _KEPT[request.minor] if request.keep_alive else b"close"
        self._send(exchange, response_head(head, fields, framing, connection), pieces, trailers)

    def send_body(self, exchange: Exchange, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        self._send(exchange, b"", pieces, trailers)

    def _send(self, exchange: Exchange, start: bytes, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        for piece in pieces:
            exchange.sent += len(piece)
        if trailers and not exchange.head.te_trailers:
            trailers = []
        if not self.transport.closing:
            write_message(self.transport, start, pieces, self._chunked, trailers)

    def send_own(self, answer: Answer, *, keep_alive: bool) -> int:
        """An answer of rsp's own; returns the size of its body.  Nothing of a response may have been sent before."""
        status, kind, more, body = answer
        exchange = self._exchange
        keep = keep_alive and exchange is not None and exchange.head.keep_alive and not self._plane.draining
        with_body = exchange is None or exchange.head.method != b"HEAD"
        if not has_content(status):
            body = b""
        if exchange is not None:
            exchange.head.keep_alive = keep
        if self.transport.closing:
            return 0
        data = own_response(status, kind, more, body, self._plane.date, with_body=with_body, keep_alive=keep)
        self.transport.write(data)
        return len(body) if with_body else 0

    def finish(self, keep_alive: bool) -> None:
        """The exchange is over: on to the next request, or to the end of the connection."""
        exchange, self._exchange = self._exchange, None
        self.request_deadline = _NEVER
        if self.site is not self._plane.site:
            self._adopt(self._plane.site)
        if self.transport.closing:
            return
        if self._state == _BODY:
            self._linger()
        elif not keep_alive or exchange is None or not exchange.head.keep_alive:
            if self._buffer:
                self._linger()
            else:
                self.close()
        else:
            self._state = _HEAD
            self.deadline = self._plane.now + self.terms.idle_time
            if self._buffer and not self._advancing:
                self._advance(self._buffer)
            if self._reading_paused and len(self._buffer) <= self.terms.head_limit:
                self.resume()
            if self._eof and self._state == _HEAD and not (self._writing_paused and self._buffer):
                self.close()

    def start_tunnel(self, head: ResponseHead) -> None:
        """Send 101; from now on bytes go both ways."""
        self._state = _TUNNEL
        self.request_deadline = _NEVER
        self.send_raw(response_head(head, head.fields, 0, b"upgrade"))
        data, self._buffer = self._buffer, b""
        if data and self._exchange is not None:
            self._exchange.tunnel_up(data)
        if self._reading_paused:
            self.resume()

    def _extend_tunnel(self) -> None:
        self.deadline = self._plane.now + self._in_force().tunnel_time

    def send_raw(self, data: bytes) -> None:
        self._extend_tunnel()
        if not self.transport.closing:
            self.transport.write(data)

    def send_eof(self) -> None:
        if not self.transport.closing:
            self.transport.write_eof()

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

    # -- the end

    @property
    def is_idle(self) -> bool:
        return self._state == _HEAD and not self._buffer

    def close(self) -> None:
        """After what is written has been sent."""
        self._state = _CLOSED
        self.deadline = self._plane.now + self._in_force().send_time
        self.transport.close()

    def abort(self) -> None:
        self._state = _CLOSED
        self.transport.abort()

    def cut(self) -> None:
        """Half of a response is out.  Where only the connection's end ends it, a reset says that it is not whole."""
        self._state = _CLOSED
        self._exchange = None  # it has ended
        if self._until_close:
            self.transport.reset()
        else:
            self.transport.abort()

    def _linger(self) -> None:
        """Close for writing, read on for a while: closing now would reset the answer away from the client."""
        if self.transport.closing:
            return
        self._state = _LINGER
        self._buffer = b""
        self.deadline = self._plane.now + _LINGER_SECONDS
        self.resume()
        self.transport.write_eof()
