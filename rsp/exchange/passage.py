"""An exchange's way through its filters: whose turn it is, what is on hold, the response that they look at.

Exchanges whose route has no filters never make one.
"""

from collections.abc import Callable
from typing import Final, Protocol

from rsp.exchange.filter import PASS, Filter, Notes
from rsp.exchange.forward.body import RequestBody
from rsp.exchange.forward.forward import Chooser
from rsp.exchange.forward.peer import Peer
from rsp.exchange.forward.upstream import Upstream
from rsp.exchange.held import HeldResponse
from rsp.exchange.running_config import RouteTarget, RunningConfig
from rsp.http.framing import reframe
from rsp.http.message import CHUNKED, RequestHead, ResponseHead
from rsp.http.peer_stream import Responder

# Which phase is on hold.
_NONE: Final = 0
_REQUEST: Final = 1
_RESPONSE: Final = 2
_ERROR: Final = 3

_NO_NAMES: Final[frozenset[bytes]] = frozenset()


class PassageOwner(Protocol):
    """The exchange, as its passage knows it."""

    body: RequestBody | None
    config: RunningConfig
    dropped: bool
    head: RequestHead
    over: bool
    request_done: bool
    responder: Responder
    route: RouteTarget

    # -- the request goes on

    def find_route(self) -> None: ...

    def take(self, route: RouteTarget) -> None: ...

    def handle(self, route: RouteTarget) -> None: ...

    def source_ready(self) -> None: ...

    # -- the response goes on

    def interim(self, head: ResponseHead) -> None: ...

    def send(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None: ...

    def refuse(self, status: int, reason: str) -> None: ...

    def refuse_plainly(self, status: int, reason: str) -> None: ...

    def abort_responder(self) -> None: ...

    def cut_off(self) -> None: ...


class Passage:
    """What filters may set, and where they are.

    ``notes``       what the filters know of this exchange, each kind of them its own
    ``path_set``    a filter has set ``exchange.target``, so the route does not rewrite it
    ``overridden``  names, folded, of rsp's own request fields that a filter has written
    ``sent_to``     the upstream that a filter has chosen; ``pinned``: the peer; ``chooser``: what chooses among peers
    ``held``        the response that filters look at; ``holds``: it has not been sent yet
    ``body_filters``  those that the body of the response passes while it is sent
    """

    # fmt: off
    __slots__ = (
        "_body_limit", "_body_wanted", "_chain", "_exchange", "_failed", "_failure", "_next", "_phase", "body_filters",
        "chooser", "held", "holds", "notes", "overridden", "path_set", "pinned", "sent_to",
    )
    # fmt: on

    def set_up(self, exchange: PassageOwner) -> None:
        self._exchange = exchange
        self.notes: list[Notes] = []
        self.chooser: Chooser | None = None
        self.pinned: Peer | None = None
        self.sent_to: Upstream | None = None
        self.overridden = _NO_NAMES
        self.path_set = False
        self._phase = _NONE
        self._chain: tuple[Filter, ...] = ()
        self._next = 0
        self._failure: tuple[int, str] | None = None
        self._failed = False  # a filter of bodies has failed
        self._body_wanted: Callable[[bytes | None], None] | None = None
        self._body_limit = 0
        self.body_filters: list[Filter] = []
        self.held: HeldResponse | None = None
        self.holds = False

    def go_on(self) -> None:
        """The filter that held the exchange lets it go on."""
        phase = self._phase
        if phase == _REQUEST:
            self._pass_request()
        elif phase == _RESPONSE:
            self._pass_response()
        elif phase == _ERROR:
            self._pass_error()

    def stop(self) -> None:
        """Nothing goes on from here: the exchange is answered otherwise, or over."""
        for notes in self.notes:
            notes.call_off(self._exchange)
        self._phase = _NONE
        self.holds = False

    def withdraw(self) -> None:
        """The response that filters look at has failed; another one follows."""
        for notes in self.notes:
            notes.withdraw()
        self._phase = _NONE
        self.holds = False

    def waits(self) -> bool:
        """Whether a filter waits for something."""
        for notes in self.notes:  # noqa: SIM110 - a C function has no generators
            if notes.waits:
                return True
        return False

    def end(self, filters: tuple[Filter, ...], status: int) -> None:
        """The exchange is over."""
        for current in filters:
            current.ended(self._exchange, status)

    # -- the request

    def begin(self, filters: tuple[Filter, ...]) -> None:
        """The request passes ``filters``; then its route is found, or answers it."""
        self._chain, self._next = filters, 0
        self._pass_request()

    def _pass_request(self) -> None:
        while self._next < len(self._chain):
            current = self._chain[self._next]
            self._next += 1
            self._phase = _REQUEST
            if current.request(self._exchange) != PASS:
                return
        self._phase = _NONE
        exchange = self._exchange
        if exchange.route is not exchange.config.nowhere:
            exchange.handle(exchange.route)
        elif self.sent_to is not None:
            exchange.take(exchange.config.direct(self.sent_to))
        else:
            exchange.find_route()

    # -- the request's body

    def want_body(self, limit: int, wanted: Callable[[bytes | None], None]) -> bool:
        """Call ``wanted`` with the body, ``None`` if it is larger than ``limit``; whether that is still to come."""
        exchange = self._exchange
        body = exchange.body
        if (body is not None and body.size > limit) or exchange.head.framing > limit:
            wanted(None)
            return False
        if exchange.request_done:
            wanted(self._whole_body())
            return False
        self._body_limit, self._body_wanted = limit, wanted
        if exchange.head.expect_continue:
            exchange.head.expect_continue = False
            exchange.interim(ResponseHead(100, b"Continue", 1))
        exchange.source_ready()
        return True

    def _whole_body(self) -> bytes:
        body = self._exchange.body
        return b"".join(body.waiting) if body is not None else b""

    def replace_body(self, body: bytes) -> None:
        """``body`` in the place of the client's, which need not arrive."""
        exchange = self._exchange
        exchange.dropped = not exchange.request_done
        if exchange.body is None:
            exchange.body = RequestBody()
        exchange.body.replace(body)
        exchange.head.framing = len(body)
        if exchange.dropped:
            exchange.source_ready()

    def forget_body(self) -> None:
        """It is not wanted any more."""
        self._body_wanted = None

    def body_arrived(self) -> None:
        """More of the request's body is there."""
        wanted, exchange = self._body_wanted, self._exchange
        if wanted is None or exchange.over:
            return
        body = exchange.body
        if body is not None and body.size > self._body_limit:
            self._body_wanted = None
            wanted(None)
        elif exchange.request_done:
            self._body_wanted = None
            wanted(self._whole_body())
        else:
            exchange.source_ready()

    # -- the response

    def hold(
        self,
        filters: tuple[Filter, ...],
        head: ResponseHead,
        pieces: list[bytes],
        trailers: list[bytes] | None,
        responder: Responder,
    ) -> None:
        """The response passes ``filters``; then ``exchange.send(...)`` is called."""
        if trailers is None:
            responder.pause()
        held = self.held = HeldResponse.__new__(HeldResponse)
        held.set_up(head, pieces, trailers, responder)
        self.holds = True
        self._chain, self._next = filters, 0
        self.body_filters = []
        self._pass_response()

    def _pass_response(self) -> None:
        while self._next < len(self._chain):
            current = self._chain[self._next]
            self._next += 1
            self._phase = _RESPONSE
            if current.response(self._exchange) != PASS:
                return
        self._phase = _NONE
        self.holds = False
        if self.held is not None:
            self._send(self.held)

    def _send(self, held: HeldResponse) -> None:
        """All filters have had their say: what is sent decides how it is framed."""
        exchange, responder = self._exchange, self._exchange.responder
        head, pieces, trailers = held.head, held.pieces, held.trailers
        method = exchange.head.method
        if held.changed and not reframe(head, method, held.length):
            if trailers is None:
                responder.enough()
            pieces, trailers = [], []
        if held.body_filters and head.length_line and method == b"HEAD":  # the filter would change it
            head.has_length, head.length_line = False, b""
        if held.body_filters and head.framing != 0 and not self._failed:
            self.body_filters = held.body_filters
            head.framing = CHUNKED
            filtered = self.filter_body(pieces, trailers is not None)
            if filtered is None:
                self._failed = True
                exchange.abort_responder()
                exchange.refuse(500, "")
                return
            pieces = filtered
        if trailers is None:
            responder.resume()
        exchange.send(head, pieces, trailers)

    def pass_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> list[bytes] | None:
        """More of the response's body: what is to be sent of it now; ``None``: nothing."""
        if self.holds and self.held is not None:
            self.held.add(pieces, trailers)
            return None
        if not self.body_filters:
            return pieces
        filtered = self.filter_body(pieces, trailers is not None)
        if filtered is None:
            self._exchange.abort_responder()
            self._exchange.cut_off()
            return None
        return filtered if filtered or trailers is not None else None

    def filter_body(self, pieces: list[bytes], last: bool) -> list[bytes] | None:
        """What filters make of the body's next pieces; ``None``: one has failed."""
        made: list[bytes] | None = pieces
        for current in self.body_filters:
            made = current.body(self._exchange, made, last) if made is not None else None
        return made

    # -- errors

    def fail(self, filters: tuple[Filter, ...], status: int, reason: str) -> bool:
        """The error passes ``filters``, then ``exchange.refuse_plainly(...)`` is called; false if it has before."""
        self.stop()
        if self._failure is not None:
            return False
        self._failure = (status, reason)
        self._chain, self._next = filters, 0
        self._pass_error()
        return True

    def _pass_error(self) -> None:
        if self._failure is None:
            return
        status, reason = self._failure
        while self._next < len(self._chain):
            current = self._chain[self._next]
            self._next += 1
            self._phase = _ERROR
            if current.error(self._exchange, status, reason) != PASS:
                return
        self._phase = _NONE
        self._exchange.refuse_plainly(status, reason)
