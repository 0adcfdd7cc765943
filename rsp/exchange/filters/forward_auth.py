"""``auth = { forward = ... }``: another service says of each request whether it is served, and whose it is.

Rules of this room: nothing is let through but by a response of 2xx.  The client's own fields of the names in ``copy``
are gone before anything of the route sees the request (``http/claims.py``), but for credentials, which the service has
to see; those are gone once it has been asked.  The service's cookies reach the client whatever it says.
"""

from http import HTTPStatus
from typing import Any, Final

from rsp.config.filters import Auth
from rsp.exchange.exchange import Exchange
from rsp.exchange.filter import DONE, HOLD, PASS, FieldRule, Filter, Notes
from rsp.exchange.filters.forwarded import Forwarded
from rsp.exchange.forward.sticky import Binding
from rsp.exchange.forward.upstream import Upstream
from rsp.exchange.subrequest import SubRequest, head_for
from rsp.exchange.told import scheme_of
from rsp.http.claims import drop_claims
from rsp.http.credentials import binds_connection
from rsp.http.framing import reframe
from rsp.http.message import OutgoingHead, ResponseHead
from rsp.http.names import fold, lines_without, split
from rsp.logs import log

_GET: Final = b"GET"
# By these a service knows the client, so they are not taken from it before it is asked.
CREDENTIALS: Final = frozenset((b"authorization", b"proxy-authorization", b"cookie"))
# About the resource or the body, neither of which the service has: it could answer 304 or 206, which let nothing
# through.  And what the sub-request says itself.
_NOT_PASSED: Final = frozenset((
    b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range", b"range", b"trailer",
    b"x-forwarded-method", b"x-forwarded-uri", b"x-original-method", b"x-original-uri", b"x-original-url",
))  # fmt: skip
_USER: Final = b"user"  # in the name of the field that says whose request it is
_UNAVAILABLE: Final = "the authentication service does not respond"


def claims(auth: Auth | None) -> frozenset[bytes] | None:
    """The names, folded, of the fields that clients may not send; ``None``: there are none."""
    names = frozenset(fold(name.encode()) for name in auth.copy) - CREDENTIALS if auth is not None else None
    return names or None


class ForwardAuthFilter(Filter):
    """``upstream``: the service; ``by_status``: its status decides, and the answer is rsp's own (nginx's auth_request).

    ``forwarded``: the configuration's way to tell peers of clients.
    """

    __slots__ = ("_copied", "_copy", "_forwarded", "_path", "_seen_first", "by_status", "upstream")

    def __init__(self, auth: Auth, upstream: Upstream, forwarded: Forwarded) -> None:
        self.upstream = upstream
        self.by_status = auth.style == "auth_request"
        self._copy = tuple(name.lower().encode() for name in auth.copy)
        self._copied = frozenset(self._copy)
        self._seen_first = frozenset(map(fold, self._copy)) & CREDENTIALS
        self._path = auth.path.encode()
        self._forwarded = forwarded

    def request(self, exchange: Exchange) -> int:
        passage = exchange.passage
        if passage is None or exchange.admitted:
            self._drop_credentials(exchange)
            return PASS
        inquiry = Inquiry(self, exchange, self._outgoing(exchange))
        self._drop_credentials(exchange)
        passage.note(inquiry.notes)
        return inquiry.begin()

    def _drop_credentials(self, exchange: Exchange) -> None:
        if self._seen_first:
            drop_claims(exchange.head, self._seen_first)

    # -- what is asked

    def _outgoing(self, exchange: Exchange) -> OutgoingHead:
        exchange.tell()
        head = exchange.head
        fields = b"\r\n".join([*lines_without(split(head.fields), _NOT_PASSED), b""])
        question = head_for(head, _GET, self._path, fields)
        return OutgoingHead(question, self._path, head.host, fields, self._told(exchange), exchange.request_id)

    def _told(self, exchange: Exchange) -> bytes:
        """Of the client and of its request, whatever ``forwarded`` says of those for the route's peers."""
        head = exchange.head
        lines = self._forwarded.x_forwarded(exchange.session, head)
        lines += b"X-Forwarded-Method: %b\r\nX-Forwarded-Uri: %b\r\n" % (head.method, head.target)
        if self.by_status:
            path = head.target if head.target != b"*" else b"/"
            lines += b"X-Original-Method: %b\r\nX-Original-URI: %b\r\nX-Original-URL: %b://%b%b\r\n" % (
                head.method, head.target, scheme_of(exchange), head.host, path,
            )  # fmt: skip
        via = exchange.config.via
        return lines + via[head.version] if via is not None else lines

    # -- what is answered

    def let_through(self, exchange: Exchange, head: ResponseHead) -> None:
        """The request goes on, with the fields of ``copy`` as the service has them."""
        found = [line for line in split(head.fields) if line.partition(b":")[0].lower() in self._copied]
        lines = b"".join([line + b"\r\n" for line in found])
        exchange.head.fields += lines
        if binds_connection(lines):
            exchange.head.connection_bound = True
        exchange.user = self._user(found)

    def _user(self, lines: list[bytes]) -> bytes:
        values = {name.lower(): value.strip(b" \t") for name, _, value in (line.partition(b":") for line in lines)}
        return next((values[name] for name in self._copy if _USER in name and name in values), b"")

    def refuse(self, exchange: Exchange, head: ResponseHead) -> None:
        """As nginx does: 401 with its challenge, 403, and an error for everything else."""
        if head.status == HTTPStatus.UNAUTHORIZED:
            told = _lines_of(head.fields, b"www-authenticate")
            if b"location" in self._copied:
                told += _lines_of(head.fields, b"location")
            exchange.refuse(head.status, "", told)
        elif head.status == HTTPStatus.FORBIDDEN:
            exchange.refuse(head.status, "")
        else:
            name, status = self.upstream.name, head.status
            said = f'auth: upstream "{name}" answered {status}; style = "auth_request" expects 2xx, 401 or 403'
            log.once_a_second(f"auth {name} {status}", said)
            exchange.refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "")


class AuthNotes(Notes):
    """``inquiry``: the sub-request of this exchange; ``cookies``: field lines for its client."""

    __slots__ = ("cookies", "inquiry")

    def __init__(self, inquiry: "Inquiry") -> None:
        self.waits = False
        self.inquiry: Inquiry | None = inquiry
        self.cookies = b""

    def call_off(self, exchange: Any) -> None:
        inquiry, self.inquiry, self.waits = self.inquiry, None, False
        if inquiry is not None:
            inquiry.call_off()


class Inquiry(SubRequest):
    """The sub-request of one exchange.  ``verdict``: ``HOLD`` until there is one."""

    __slots__ = ("_asks", "_exchange", "_filter", "notes", "verdict")

    def __init__(self, of: ForwardAuthFilter, exchange: Exchange, outgoing: OutgoingHead) -> None:
        super().__init__(outgoing)
        self._filter = of
        self._exchange: Exchange | None = exchange
        self._asks = False  # within ``begin``
        self.notes = AuthNotes(self)
        self.verdict = HOLD

    def begin(self) -> int:
        """What the filter says: at once, or later."""
        exchange = self._exchange
        if exchange is None:
            return DONE
        limits = exchange.route.limits.get(exchange.session.listener, exchange.config.limits)
        self.notes.waits = self._asks = True
        self.ask(exchange, self._filter.upstream, limits)
        self._asks = False
        return self.verdict

    def call_off(self) -> None:
        """The exchange needs it no more."""
        self._exchange = None
        if self.verdict == HOLD:
            self.verdict = DONE
        self.cancel("the request no longer needs it")

    def _decide(self, verdict: int) -> Exchange | None:
        """Once; the exchange that waits for it."""
        exchange, self._exchange = self._exchange, None
        self.verdict = verdict
        self.notes.waits = False
        self.response_started = True  # it is not repeated
        return exchange

    # -- what its way to a peer tells

    def response(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        if self.verdict != HOLD:
            return
        allowed = 200 <= head.status < 300
        if not allowed and not self._filter.by_status:
            self._hand_over(head, pieces, trailers)
            return
        self.notes.cookies = _lines_of(head.fields, b"set-cookie") + self._bound()
        exchange = self._decide(PASS if allowed else DONE)
        self.response_body(pieces, trailers)
        if exchange is None:
            return
        if not allowed:
            self._filter.refuse(exchange, head)
            return
        self._filter.let_through(exchange, head)
        if not self._asks and exchange.passage is not None:
            exchange.passage.go_on()

    def _bound(self) -> bytes:
        """The cookie that binds the client to a peer of the service."""
        lines = self.forward.last_lines if self.forward is not None else b""
        if not lines or self._exchange is None or scheme_of(self._exchange) != b"https":
            return lines
        return Binding.secured(lines)

    def _hand_over(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """The response is the client's, as it is."""
        forward, exchange = self.forward, self._decide(DONE)
        if forward is None or exchange is None:
            return
        if exchange.head.method == b"HEAD" and reframe_for_head(head):
            if trailers is None:
                forward.enough()
            pieces, trailers = [], []
        self.notes.inquiry = None
        if exchange.passage is not None:
            exchange.passage.by_service = True
        exchange.dropped = True  # what comes of the request's body
        exchange.upstream = self._filter.upstream
        exchange.responder = forward
        forward.user = exchange
        forward.spent = True  # what the exchange would send is not what the service was asked
        exchange.response(head, pieces, trailers)

    def refuse(self, status: int, reason: str) -> None:
        if self.verdict == HOLD:
            exchange = self._decide(DONE)
            if exchange is not None:
                exchange.refuse(HTTPStatus.SERVICE_UNAVAILABLE, _UNAVAILABLE)

    def cut_off(self) -> None:
        """In the middle of a body that is of no use."""


class AuthCookies(FieldRule):
    """What the service has set reaches the client with whatever the client gets."""

    __slots__ = ()

    def apply(self, exchange: Any, head: ResponseHead) -> None:
        passage = exchange.passage
        for notes in passage.notes if passage is not None else ():
            if isinstance(notes, AuthNotes):
                head.fields += notes.cookies


def reframe_for_head(head: ResponseHead) -> bool:
    """Of a response to GET, for a client that has asked by HEAD: whether there was a body."""
    had_body = head.framing != 0
    reframe(head, b"HEAD", head.framing if head.framing >= 0 and had_body else None)
    return had_body


def _lines_of(fields: bytes, name: bytes) -> bytes:
    return b"".join([line + b"\r\n" for line in split(fields) if line.partition(b":")[0].lower() == name])
