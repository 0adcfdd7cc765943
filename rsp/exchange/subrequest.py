"""A request of rsp's own beside a client's: through the pools, the balancing and the retries of an upstream.

Rules of this room: it is bounded, and its result never touches the client's exchange.  Subclasses
say what a response means.  Requests of hooks are in ``hooks/call.py``: they have no exchange of their own.
"""

from typing import Final

from rsp.exchange.forward.body import RequestBody
from rsp.exchange.forward.forward import Forward
from rsp.exchange.forward.journal import Journal
from rsp.exchange.forward.upstream import Upstream
from rsp.exchange.subject import Subject
from rsp.exchange.told import scheme_of
from rsp.http.limits import Limits
from rsp.http.message import OutgoingHead, RequestFields, RequestHead, ResponseHead
from rsp.http.peer_stream import ResponseReceiver

_MOST_READ: Final = 64 << 10  # bytes of a body that is of no use, so that its connection can be used again
_NO_FIELDS: Final = RequestFields()


def head_for(like: RequestHead, method: bytes, target: bytes, fields: bytes, framing: int = 0) -> RequestHead:
    """The head of a sub-request to the host of ``like``; it asks for no upgrade."""
    head = RequestHead(method, target, 1, _NO_FIELDS)
    head.path = target.partition(b"?")[0]
    head.host = like.host
    head.fields = fields
    head.framing = framing
    head.connection_bound = like.connection_bound
    return head


class SubRequest(ResponseReceiver):
    """``forward``: its way to a peer, once it has begun.

    What it does by itself: a response is read to its end and thrown away.
    """

    __slots__ = ("_exchange_journal", "_journal", "_left", "_local_name", "_outgoing", "_scheme", "forward")

    def __init__(self, outgoing: OutgoingHead) -> None:
        self.response_started = False
        self.forward: Forward | None = None
        self._outgoing = outgoing
        self._journal: Journal | None = None
        self._exchange_journal: Journal | None = None
        self._left = _MOST_READ
        self._scheme = self._local_name = b""

    def ask(self, exchange: Subject, upstream: Upstream, limits: Limits, body: RequestBody | None = None) -> None:
        """Begin.  What it waits for may be there before this returns.  ``body``: all of it."""
        forward = self.forward = Forward()
        forward.set_up(
            exchange.context, self, upstream, self._outgoing.head, limits, exchange.client, body, request_done=True
        )
        if exchange.journal is not None and not exchange.over:
            self._exchange_journal = exchange.journal
            self._journal = forward.journal = exchange.journal.begin_call(self._outgoing.head)
            if self._journal is not None:
                self._journal.asks(upstream.name, upstream.rules is not None)
        if upstream.scripts is not None:  # they are told more of the client's connection
            self._scheme, self._local_name = scheme_of(exchange), exchange.stream.local_name()
        upstream.requests += 1
        forward.begin()

    def cancel(self, reason: str) -> None:
        """It is of no more use."""
        if self.forward is not None:
            self.forward.abort(reason)

    # -- what its way to a peer asks and tells

    def outgoing_head(self) -> OutgoingHead:
        made = self._outgoing
        outgoing = OutgoingHead(made.head, made.target, made.host, made.fields, made.extra, made.request_id)
        around, own = self._exchange_journal, self._journal
        if around is not None and own is not None and around.trace is not None:
            around.trace.name_try(outgoing, own.sending)
        return outgoing

    def placeholder(self, name: str) -> bytes:
        return self._scheme if name == "scheme" else b""

    def local_name(self) -> bytes:
        return self._local_name

    def response(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        self.response_started = True
        self.response_body(pieces, trailers)

    def response_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        self._left -= sum(map(len, pieces))
        if trailers is None:
            if self._left < 0 and self.forward is not None:
                self.forward.enough()
                self.ended()
        else:
            self.ended()

    def refuse(self, status: int, reason: str) -> None:
        self.ended()

    def cut_off(self) -> None:
        self.ended()

    def ended(self) -> None:
        """Nothing more comes of it."""
