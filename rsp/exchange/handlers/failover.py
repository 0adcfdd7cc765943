"""``failover``: another upstream, after all attempts of the first have failed.

Rules of this room: a request goes to the other upstream at most once, and only where ``retry`` would let it be sent to
another peer: nothing of it was sent, or its method is idempotent and all of its body is still here.  The budget of
``retry`` does not count: it protects peers from requests that come several times, and this one comes once.
"""

from typing import Any

from rsp.config.filters import Failover as FailoverConfig
from rsp.exchange.exchange import Exchange
from rsp.exchange.forward.forward import Forward
from rsp.exchange.forward.upstream import Upstream
from rsp.exchange.handler import Handler
from rsp.exchange.handlers.proxy import prepare
from rsp.exchange.handlers.scripts import is_for_peer
from rsp.http.message import OutgoingHead, ResponseHead
from rsp.http.peer_stream import BoundConnection, ResponseReceiver


class Failover:
    """``other``: the upstream that is asked after one of the statuses ``on``; ``choice``: of a split whose clients stay
    where their first request went, or ``None``."""

    __slots__ = ("choice", "on", "other")

    def __init__(self, config: FailoverConfig, other: Upstream) -> None:
        self.on = frozenset(config.on)
        self.other = other
        self.choice: Any = None  # ``split.py``, which is above this room

    def watch(self, exchange: Exchange, forward: Forward) -> None:
        """Where ``forward``, which has not begun, fails: ask the other upstream."""
        if forward.upstream is not self.other:
            guard = Guard.__new__(Guard)
            guard.set_up(self, exchange, forward)
            forward.user = guard


class ProxyOrOther(Handler):
    """For a route with ``to`` and ``failover``."""

    __slots__ = ("_failover", "_upstream")

    def __init__(self, upstream: Upstream, failover: Failover) -> None:
        self._upstream = upstream
        self._failover = failover

    def start(self, exchange: Exchange) -> None:
        upstream = self._upstream
        if upstream.scripts is None or is_for_peer(exchange, upstream.scripts):
            forward = prepare(exchange, upstream)
            self._failover.watch(exchange, forward)
            forward.begin()


class Guard(ResponseReceiver):
    """Stands before the exchange until the first upstream's response has begun, or will not come.

    ``was_sent``: some peer may have seen the request.
    """

    __slots__ = ("_exchange", "_failover", "_forward", "_was_sent")

    def set_up(self, failover: Failover, exchange: Exchange, forward: Forward) -> None:
        self.response_started = False
        self._failover = failover
        self._exchange = exchange
        self._forward = forward
        self._was_sent = False

    def _may_go_on(self, status: int) -> bool:
        """Whether the other upstream is asked, if the first one's answer is ``status``."""
        forward = self._forward
        if status not in self._failover.on or self._exchange.over:
            return False
        return forward.is_repeatable() if self._was_sent else forward.is_whole()

    # In the compiled build a request does not hold its user while it calls it: the guard is gone as soon as the request
    # has another one.  So what is needed after that is taken first.

    def _go_on(self) -> None:
        """Ask the other upstream."""
        first, exchange, other = self._forward, self._exchange, self._failover.other
        choice = self._failover.choice
        first.take_back()
        first.abort("another upstream is asked")
        if other.scripts is not None and not is_for_peer(exchange, other.scripts):
            return
        second = prepare(exchange, other)
        if choice is not None:
            second.last_lines = choice.line_after(first.last_lines, other, exchange)
        if first.tries:
            second.peer = first.peer
        second.begun, second.tries, second.peers_tried = first.begun, first.tries, first.peers_tried
        second.seconds, second.connect_seconds = first.seconds, first.connect_seconds
        second.begin()

    def _step_aside(self) -> Exchange:
        """The exchange takes what comes from here on."""
        exchange = self._exchange
        self._forward.user = exchange
        return exchange

    # -- what the first upstream's way to a peer asks and tells

    def outgoing_head(self) -> OutgoingHead:
        self._was_sent = True
        return self._exchange.outgoing_head()

    def outgoing_trailers(self, trailers: list[bytes]) -> list[bytes]:
        return self._exchange.outgoing_trailers(trailers)

    def interim(self, head: ResponseHead) -> None:
        self._exchange.interim(head)

    def response(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        if self._may_go_on(head.status):
            self._go_on()
        else:
            self._step_aside().response(head, pieces, trailers)

    def switched(self, head: ResponseHead, data: bytes) -> None:
        self._step_aside().switched(head, data)

    def refuse(self, status: int, reason: str) -> None:
        if self._may_go_on(status):
            self._go_on()
        else:
            self._step_aside().refuse(status, reason)

    def source_full(self) -> None:
        self._exchange.source_full()

    def source_ready(self) -> None:
        self._exchange.source_ready()

    def announced(self) -> object:
        return self._exchange.announced()

    def placeholder(self, name: str) -> bytes:
        return self._exchange.placeholder(name)

    def local_name(self) -> bytes:
        return self._exchange.local_name()

    def keep_for_client(self, peer: object, connection: BoundConnection) -> None:
        self._exchange.keep_for_client(peer, connection)
