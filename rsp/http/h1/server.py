"""A client's HTTP/1 connection: its sending half, its deadlines and its end.  The other half is ``receiver.py``.

It knows nothing of peers.
"""

from math import inf
from typing import TYPE_CHECKING, Final

from rsp.exchange.answers import NO_PEER, Answer, respond
from rsp.exchange.exchange import Exchange
from rsp.exchange.filters.forwarded import direct, sort_out, through_proxy
from rsp.exchange.hooks.hooked import HookedExchange
from rsp.exchange.limits import Terms
from rsp.http.h1.codec import response_head
from rsp.http.h1.receiver import BODY, CLOSED, HEAD, LINGER, TUNNEL, WAIT, Receiver
from rsp.http.h1.write import interim_head
from rsp.http.h1.writing import write_message
from rsp.http.message import CHUNKED, UNTIL_CLOSE, RequestHead, ResponseHead
from rsp.logs.combined import combined
from rsp.net.transport import Transport

if TYPE_CHECKING:
    from rsp.exchange.context import Plane
    from rsp.exchange.forward.conversations import Conversations
    from rsp.exchange.running_config import Destination, Site
    from rsp.http.routing import Entry

_HEAD: Final = HEAD
_BODY: Final = BODY
_WAIT: Final = WAIT
_TUNNEL: Final = TUNNEL
_LINGER: Final = LINGER
_CLOSED: Final = CLOSED

_KEPT: Final = (b"keep-alive", b"")  # how 1.0 and 1.1 are told that the connection stays open
_LINGER_SECONDS: Final = 5
_NEVER: Final = inf


class Downstream(Receiver):
    """``descriptor``: the connected socket; ``client``: its address; ``listener``: where it came in, as configured."""

    # fmt: off
    __slots__ = (
        "_chunked", "_entries", "_exchange", "_known_host", "_queued", "_told", "_until_close", "client",
        "conversations", "counted", "request_deadline", "send_deadline",
    )
    # fmt: on

    def __init__(self, plane: "Plane", listener: str, descriptor: int, client: bytes) -> None:
        Receiver.__init__(self, plane, listener)
        self.client = client
        self._exchange: Exchange | None = None
        self.send_deadline = _NEVER
        self.request_deadline = _NEVER
        self._known_host: bytes | None = None  # what follows is known for this host
        self._entries: list[list[Entry[Destination]]] = []  # the host's routes
        self._told = b""  # the lines that tell of the client
        self._chunked = False  # the response on its way goes out in chunks
        self._until_close = False  # or ends with the connection
        self._queued = 0  # bytes in the write buffer when the client was last looked at
        self.conversations: Conversations | None = None  # connections to peers that only it may use
        self.counted = False  # among the connections of its address

        self._adopt(plane.site)
        self.deadline = plane.now + self.terms.idle_time
        self.transport = Transport(plane.poller, descriptor, self, self.terms.buffer)
        excess = plane.admit(self)
        if excess:
            self._turn_away(excess)

    def _turn_away(self, excess: int) -> None:
        """Too many connections: say so, as long as that does not become a burden itself."""
        if excess > self.terms.lingering:
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
        elif self._state == _HEAD and not self.transport.left:
            self._advance()

    def is_due(self, now: float) -> bool:
        return self.deadline < now or self.send_deadline < now or self.request_deadline < now

    def expire(self) -> None:
        """A deadline has passed: of the client's sending or of its reading."""
        now = self._plane.now
        if self.send_deadline < now:
            queued = self.transport.waiting
            if self._queued - queued > self._in_force().min_rate * self._in_force().send_time:  # slow, but fast enough
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
        elif self._state == _WAIT and self.transport.waiting:  # it is slow: whether it is there, writing will tell
            self._may_have_left()
        elif self._state == _WAIT:
            exchange, self._exchange = self._exchange, None
            self.abort()
            if exchange is not None:
                exchange.client_left()
        else:
            self.abort()

    # -- the receiving half's side

    def _begin_exchange(self, head: RequestHead) -> None:
        plane, hooks = self._plane, self.site.hooks
        self._exchange = Exchange(plane, self, head) if hooks is None else HookedExchange(plane, self, head, hooks)

    def _start_exchange(self) -> None:
        if self._exchange is not None:
            self._exchange.start()

    def _pass_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        exchange = self._exchange
        if exchange is not None:
            exchange.request_body(pieces, trailers)
            if trailers is not None and exchange.status == 101 and self._exchange is exchange:
                self._open_tunnel()

    def _pass_raw(self, data: bytes) -> None:
        self._extend_tunnel()
        exchange = self._exchange
        if exchange is None:
            return
        if data:
            exchange.tunnel_up(data)
        else:
            exchange.tunnel_up_eof()

    def _waits_on(self) -> bool:
        return self._exchange is None or not self._exchange.is_moot()

    def _in_force(self) -> Terms:
        exchange = self._exchange
        return self.terms if exchange is None else exchange.terms

    def _stop(self, status: int, reason: str) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None and exchange.response_started:
            exchange.client_gone()
            self.abort()
            return
        plane = self._plane
        request_id = exchange.request_id if exchange is not None else b""
        request_id = request_id or plane.new_id()
        head: RequestHead | None = exchange.head if exchange is not None else None
        sent = self._send_error(self.site.pages.error(status, reason, request_id, head), exchange)
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

    def _send_error(self, answer: Answer, exchange: Exchange | None) -> int:
        """Without hooks, which see requests that could be read; returns the size of the body that is sent."""
        head, fields, pieces = respond(answer, exchange.head.method if exchange else b"", self._plane.own_lines)
        if exchange is not None:
            fields = exchange.ruled(fields)
        elif self.site.own_rules is not None:
            fields = self.site.own_rules.apply(fields, None)
        if self.transport.closing:
            return 0
        self.transport.write(response_head(head, fields, head.framing, b"close") + b"".join(pieces))
        return sum(map(len, pieces))

    # -- the exchange's side

    def entries(self, host: bytes) -> "list[list[Entry[Destination]]]":
        """The routes for ``host``.  A client asks for one host again and again, so what that means is kept."""
        if self._known_host != host:
            site = self.site
            self._known_host = host
            self._entries = site.router.entries(host)
            self._told = direct(site.forwarded, self.client, host or self.own_name())
        return self._entries

    def own_name(self) -> bytes:
        """Where the client connected to: the host of a request that names none."""
        name = self.transport.own_address()
        return b"%b:%d" % (name[0].encode(), name[1]) if name is not None else b"localhost"

    def forwarded(self, exchange: Exchange) -> bytes:
        """The lines that tell a peer of the client, each with its CRLF; the exchange learns the client's real address.

        Gives a request without a host (1.0) one.
        """
        head = exchange.head
        if not head.host:
            head.host = self.own_name()
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
            if self._eof:
                self._may_have_left()

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
        kept = _KEPT[request.minor] if head.minor != NO_PEER else _KEPT[0]
        connection = kept if request.keep_alive else b"close"
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
            if self._eof:
                self._may_have_left()
            elif self._state == _BODY and not self._reading_paused:
                self._expect_body(0)  # a stream in both directions: the client may wait for this before it goes on

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
            if self._buffer or self._eof or self._reading_paused:
                self._advance()

    def start_tunnel(self, head: ResponseHead) -> None:
        """Send 101; from now on bytes go both ways, those of the client behind what is left of its request's body."""
        self.request_deadline = _NEVER
        self.send_raw(response_head(head, head.fields, 0, b"upgrade"))
        if self._state != _BODY:
            self._open_tunnel()

    def _open_tunnel(self) -> None:
        self._state = _TUNNEL
        self._extend_tunnel()
        data = self._rest()
        exchange = self._exchange
        if data and exchange is not None:
            exchange.tunnel_up(data)
        if self._eof and exchange is not None:
            exchange.tunnel_up_eof()
        if self._reading_paused:
            self.resume()

    def _extend_tunnel(self) -> None:
        if self._state == _TUNNEL:
            self.deadline = self._plane.now + self._in_force().tunnel_time

    def send_raw(self, data: bytes) -> None:
        self._extend_tunnel()
        if not self.transport.closing:
            self.transport.write(data)

    def send_eof(self) -> None:
        if not self.transport.closing:
            self.transport.write_eof()

    # -- the end

    @property
    def is_idle(self) -> bool:
        return self._state == _HEAD and not self._buffer

    def close(self) -> None:
        self._state = _CLOSED
        self.deadline = self._plane.now + self._in_force().send_time
        self.transport.close()

    def abort(self) -> None:
        self._state = _CLOSED
        self.transport.abort()

    def cut(self) -> None:
        """Half of a response is out.  Where only the connection's end ends it, a reset says that it is not whole."""
        self._exchange = None  # it has ended
        if self._state == _BODY and not self._until_close:
            self._linger()  # the client still sends, and may read only then; it sees that this is half of it
            return
        self._state = _CLOSED
        if self._until_close:
            self.transport.reset()
        else:
            self.transport.abort()

    def _linger(self) -> None:
        """Close for writing, read on for a while: closing now would reset the answer away from the client."""
        if self.transport.closing:
            return
        self._state = _LINGER
        self._rest()
        self._taken = 0
        self.deadline = self._plane.now + _LINGER_SECONDS
        self.resume()
        self.transport.write_eof()
