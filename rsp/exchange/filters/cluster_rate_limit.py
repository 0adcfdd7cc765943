"""Requests in a time over several instances: ``rate_limit = { ..., cluster = ... }``.

For routes with such a limit, in the place of ``RateLimitFilter``; they may have limits of this instance alone as well.
A request that a lease covers costs what it costs there, any other is on hold for the store's answer.
"""

from functools import partial
from typing import Any

from rsp.config.filters import RateLimit
from rsp.config.limit_rules import several
from rsp.config.rates import Rate
from rsp.config.routes import Route
from rsp.exchange.filter import DONE, HOLD, PASS, Filter, Notes
from rsp.exchange.filters.rate_limit import _Limit, limits_of
from rsp.exchange.lease_client import LeaseClient
from rsp.exchange.lending import Terms
from rsp.exchange.limit_key import LimitKey
from rsp.ipc.lease_terms import ASK, PASS_AND_ASK, REFUSE_AND_ASK
from rsp.ipc.shared_memory import Shared


class ClusterNotes(Notes):
    """Of a request that waits for the decision on the limit ``number``."""

    __slots__ = ("number",)

    def set_up(self, number: int) -> None:
        self.waits = True
        self.number = number

    def call_off(self, exchange: Any) -> None:
        self.waits = False


class ClusterLimit:
    """One of several instances: ``config``, the route's limit ``number``.  ``full``: as ``Leases.seconds``."""

    __slots__ = ("_client", "_interval", "_key", "_leases", "_number", "_terms", "full")

    def __init__(self, route: Route, number: int, config: RateLimit, client: LeaseClient) -> None:
        self._number = number
        self._interval = Rate.parse(config.rate).interval
        self._terms = Terms(self._interval, self._interval * config.burst, 1.0)
        self._key = LimitKey(route, "rate_limit", number, config.key)
        self._client = client
        self._leases = client.leases
        self.full = 0.0

    def is_decided(self, exchange: Any, owner: Any) -> bool:
        """``full`` says how; else ``decided`` of the filter ``owner`` is called later."""
        key = self._key.of(exchange)
        code = self._leases.draw(key, self._interval, 1.0)
        if code == ASK:
            return self._ask(key, exchange, owner)
        if code in (PASS_AND_ASK, REFUSE_AND_ASK):
            self._client.ask_ahead(key, self._terms)
        self.full = self._leases.seconds
        return True

    def _ask(self, key: bytes, exchange: Any, owner: Any) -> bool:
        notes = ClusterNotes.__new__(ClusterNotes)
        notes.set_up(self._number)
        full = self._client.wait(key, self._terms, 1.0, partial(owner.decided, exchange, notes))
        if full is None:
            exchange.get_passage().note(notes)
            return False
        self.full = full
        return True


class ClusterRateLimitFilter(Filter):
    """``clients``: for each limit of the route, the way to its store; ``None``: it is this instance's alone."""

    __slots__ = ("_limits", "_rates", "_shared")

    def __init__(self, route: Route, clients: tuple[LeaseClient | None, ...], rates: Shared) -> None:
        self._rates = rates
        self._limits = limits_of(route)
        self._shared = tuple(
            ClusterLimit(route, number, config, client) if client is not None else None
            for number, (config, client) in enumerate(zip(several(route.rate_limit), clients, strict=True))
        )

    def is_light(self) -> bool:
        return True

    def request(self, exchange: Any) -> int:
        return self._go_through(exchange, 0)

    def _go_through(self, exchange: Any, number: int) -> int:
        """The limits from ``number`` on."""
        while number < len(self._limits):
            limit: _Limit = self._limits[number]
            shared: ClusterLimit | None = self._shared[number]
            if shared is None:
                full = limit.draw(exchange, self._rates)
            elif shared.is_decided(exchange, self):
                full = shared.full
            else:
                return HOLD
            if not limit.admits(exchange, full):
                return DONE
            number += 1
        return PASS

    def decided(self, exchange: Any, notes: ClusterNotes, full: float) -> None:
        """What a request waits for is there."""
        if not notes.waits:
            return
        notes.waits = False
        limit: _Limit = self._limits[notes.number]
        if limit.admits(exchange, full) and self._go_through(exchange, notes.number + 1) == PASS:
            exchange.passage.go_on()
