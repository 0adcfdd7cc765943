"""Requests for the peers of an upstream."""

from rsp.exchange.exchange import Exchange
from rsp.exchange.forward.body import RequestBody
from rsp.exchange.forward.conversations import Conversations
from rsp.exchange.forward.forward import Forward
from rsp.exchange.forward.upstream import Upstream
from rsp.exchange.handler import Handler
from rsp.exchange.handlers.scripts import is_for_peer


class Proxy(Handler):
    """For a route with ``to``."""

    __slots__ = ("_upstream",)

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def start(self, exchange: Exchange) -> None:
        forward_to(exchange, self._upstream)


def forward_to(exchange: Exchange, upstream: Upstream) -> None:
    """Ask the peers of ``upstream``."""
    if upstream.scripts is None or is_for_peer(exchange, upstream.scripts):
        prepare(exchange, upstream).begin()


def prepare(exchange: Exchange, upstream: Upstream) -> Forward:
    """What asks the peers of ``upstream`` once it begins."""
    exchange.upstream = upstream
    exchange.tell()
    body = exchange.body
    if body is None and exchange.head.framing != 0:
        body = exchange.body = RequestBody.__new__(RequestBody)  # in the compiled build this is no call of Python
        body.set_up()
    forward = Forward.__new__(Forward)  # in the compiled build this is no call of Python
    forward.set_up(
        exchange.context, exchange, upstream, exchange.head, exchange.limits, exchange.client, body,
        body is None or body.trailers is not None,
    )  # fmt: skip
    if exchange.journal is not None:
        forward.journal = exchange.journal
        forward.journal.asks(upstream.name, upstream.rules is not None)
    if exchange.passage is not None:
        forward.chooser, forward.pinned = exchange.passage.chooser, exchange.passage.pinned
    if exchange.session.own is not None:
        conversations = exchange.session.own.get(Conversations)
        if isinstance(conversations, Conversations):
            forward.own = conversations.find(upstream.name, exchange.context.now)
            forward.only = forward.own.peer if forward.own is not None else None
    upstream.requests += 1
    exchange.responder = forward
    return forward
