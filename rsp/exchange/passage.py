"""An exchange's way through its filters: whose turn it is, what is on hold, the response that they look at.

Exchanges whose route has no filters never make one, and those whose filters are all light seldom.
"""

from collections.abc import Callable
from typing import Final

from rsp.exchange.backlog import Backlog, streams
from rsp.exchange.coder import Coder
from rsp.exchange.filter import PASS, Filter, Notes
from rsp.exchange.forward.body import RequestBody
from rsp.exchange.forward.forward import Chooser
from rsp.exchange.forward.peer import Peer
from rsp.exchange.forward.upstream import Upstream
from rsp.exchange.held import HeldResponse
from rsp.exchange.pace import Pace
from rsp.exchange.passage_owner import PassageOwner
from rsp.http.framing import reframe
from rsp.http.message import CHUNKED, ResponseHead
from rsp.http.peer_stream import Responder

# Which phase is on hold.
_NONE: Final = 0
_REQUEST: Final = 1
_RESPONSE: Final = 2
_ERROR: Final = 3

_NO_NAMES: Final[frozenset[bytes]] = frozenset()
_NO_FILTERS: Final[list[Filter]] = []  # never changed
_NO_NOTES: Final[list[Notes]] = []  # never changed


class Passage:
    """What filters may set, and where they are.

    ``notes``       what the filters know of this exchange, each kind of them its own; see :meth:`note`
    ``path_set``    a filter has set ``exchange.target``, so the route does not rewrite it
    ``overridden``  names, folded, of rsp's own request fields that a filter has written
    ``sent_to``     the upstream that a filter has chosen; ``pinned``: the peer; ``chooser``: what chooses among peers
    ``held``        the response that filters look at; ``holds``: it has not been sent yet
    ``coder``       what compresses the response, where that is not whole yet
    ``backlog``     what a slow client has not taken yet of the response, where that is held (``response_buffering``)
    ``by_service``  the response is that of a service that a filter has asked, not of the route's peers
    ``tapping``     notes that want what arrives of the request's body, if there are any
    ``up``, ``down``  how fast the bodies of request and response may go, where that is bounded
    ``body_filters``  those that the body of the response passes while it is sent
    """

    # fmt: off
    __slots__ = (
        "_awaited", "_body_limit", "_body_wanted", "_chain", "_exchange", "_failed", "_failure", "_next", "_phase",
        "backlog", "body_filters", "by_service", "chooser", "coder", "down", "held", "holds", "notes", "overridden",
        "path_set", "pinned", "sent_to", "tapping", "up",
    )
    # fmt: on

    def set_up(self, exchange: PassageOwner) -> None:
        self._exchange = exchange
        self.notes = _NO_NOTES
        self.by_service = False
        self.tapping: list[Notes] | None = None
        self.up: Pace | None = None
        self.down: Pace | None = None
        self.chooser: Chooser | None = None
        self.pinned: Peer | None = None
        self.sent_to: Upstream | None = None
        self.overridden = _NO_NAMES
        self.path_set = False
        self._phase = _NONE
        self._chain: tuple[Filter, ...] = ()
        self._next = 0
        self._failure: tuple[int, str, bytes] | None = None
        self._failed = False  # a filter of bodies has failed
        self._body_wanted: Callable[[bytes | None], None] | None = None
        self._body_limit = 0
        self._awaited: Callable[[], None] | None = None
        self.coder: Coder | None = None
        self.backlog: Backlog | None = None
        self.body_filters = _NO_FILTERS
        self.held: HeldResponse | None = None
        self.holds = False

    def note(self, notes: Notes) -> None:
        """Keep what a filter knows of this exchange."""
        if self.notes is _NO_NOTES:
            self.notes = [notes]
        else:
            self.notes.append(notes)

    def go_on(self) -> None:
        """The filter that held the exchange lets it go on."""
        phase = self._phase
        if phase == _REQUEST:
            if self._pass_request():
                self._enter()
        elif phase == _RESPONSE:
            self._pass_response()
        elif phase == _ERROR:
            self._pass_error()

    def stop(self) -> None:
        """Nothing goes on from here: the exchange is answered otherwise, or over."""
        for notes in self.notes:
            notes.call_off(self._exchange)
        if self.down is not None:
            self.down.call_off(self._exchange)
        if self.up is not None:
            self.up.call_off(self._exchange)
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
        if self.backlog is not None:
            self.backlog.close()

    # -- the request

    def begin(self, filters: tuple[Filter, ...]) -> bool:
        """The request passes ``filters``; whether it has passed all of them already.

        Where it has not, a filter has answered it, or the passage finds its route, or has that answer, later.
        """
        self._chain, self._next = filters, 0
        return self._pass_request()

    def wait(self, filters: tuple[Filter, ...], following: int) -> None:
        """One of ``filters``, which were passed without a passage, holds the request; the next is the ``following``."""
        self._chain, self._next, self._phase = filters, following, _REQUEST

    def _pass_request(self) -> bool:
        while self._next < len(self._chain):
            current = self._chain[self._next]
            self._next += 1
            self._phase = _REQUEST
            if current.request(self._exchange) != PASS:
                return False
        self._phase = _NONE
        return True

    def _enter(self) -> None:
        exchange = self._exchange
        if exchange.route is exchange.config.nowhere:
            exchange.enter()
        else:
            exchange.handle(exchange.route)

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
        self._ask_for_body()
        return True

    def await_body(self, arrived: Callable[[], None]) -> None:
        """Call ``arrived`` whenever more of the body is there, until :meth:`forget_body`."""
        self._awaited = arrived
        self._ask_for_body()

    def _ask_for_body(self) -> None:
        exchange = self._exchange
        if exchange.head.expect_continue:
            exchange.head.expect_continue = False
            exchange.interim(ResponseHead(100, b"Continue", 1))
        exchange.source_ready()

    def _whole_body(self) -> bytes | None:
        body = self._exchange.body
        if body is not None and body.source is not None:
            return body.source.whole()
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
        self._body_wanted = self._awaited = None

    def body_arrived(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """More of the request's body is there."""
        if self.tapping is not None:
            for notes in self.tapping:
                notes.request_body(pieces, trailers)
        wanted, exchange = self._body_wanted, self._exchange
        if self._awaited is not None and not exchange.over:
            self._awaited()
            return
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
        self.body_filters = _NO_FILTERS
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
            head.framing, head.has_length, head.length_line = CHUNKED, False, b""
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
        if self.body_filters:
            filtered = self.filter_body(pieces, trailers is not None)
            if filtered is None:
                self._exchange.abort_responder()
                self._exchange.cut_off()
                return None
            if not filtered and trailers is None:
                return None
            pieces = filtered
        if self.coder is not None:
            self.coder.take(pieces, trailers)
            return None
        if self.backlog is not None and self.backlog.keep(pieces, trailers):
            return None
        return pieces

    def hold_back(self) -> bool:
        """The client takes no more of the response for now: whether what comes of it is kept for the client."""
        exchange = self._exchange
        if self.backlog is None:
            if exchange.response_head is None or streams(exchange.response_head):
                return False
            self.backlog = Backlog(exchange, exchange.route.response_buffer)
        self.backlog.client_full()
        return True

    def filter_body(self, pieces: list[bytes], last: bool) -> list[bytes] | None:
        """What filters make of the body's next pieces; ``None``: one has failed."""
        made: list[bytes] | None = pieces
        for current in self.body_filters:
            made = current.body(self._exchange, made, last) if made is not None else None
        return made

    # -- errors

    def fail(self, filters: tuple[Filter, ...], status: int, reason: str, fields: bytes) -> bool:
        """The error passes ``filters``, then ``exchange.refuse_plainly(...)`` is called; false if it has before."""
        self.stop()
        if self._failure is not None:
            return False
        self._failure = (status, reason, fields)
        self._chain, self._next = filters, 0
        self._pass_error()
        return True

    def error_fields(self, status: int) -> bytes:
        """The lines that the error brought along, as long as its status stays the same."""
        return self._failure[2] if self._failure is not None and self._failure[0] == status else b""

    def _pass_error(self) -> None:
        if self._failure is None:
            return
        status, reason, fields = self._failure
        while self._next < len(self._chain):
            current = self._chain[self._next]
            self._next += 1
            self._phase = _ERROR
            if current.error(self._exchange, status, reason) != PASS:
                return
        self._phase = _NONE
        self._exchange.refuse_plainly(status, reason, fields)
