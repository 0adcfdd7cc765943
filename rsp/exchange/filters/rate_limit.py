"""Requests in a time: a bucket for each key, which all workers share, and what clients are told of it.

``RateLimit-Policy`` and ``RateLimit`` are those of draft-ietf-httpapi-ratelimit-headers-11, with an item for each limit
of the route.  A request that a limit refuses has been counted by those before it.
"""

from math import ceil
from typing import Any, Final

from rsp.config.filters import RateLimit
from rsp.config.limit_rules import several
from rsp.config.rates import Rate
from rsp.config.routes import Route
from rsp.exchange.exchange import Exchange
from rsp.exchange.filter import DONE, PASS, FieldRule, Filter
from rsp.exchange.limit_key import LimitKey
from rsp.http.lines import with_line
from rsp.http.message import ResponseHead
from rsp.ipc.shared_memory import Shared
from rsp.ipc.usage import Usage

_EXACT: Final = 1e-6  # seconds: what differs by less is rounding
_KNOWN: Final = 1024  # states of a bucket whose text is remembered


class _Limit:
    """One of a route's; ``name``: of its policy."""

    __slots__ = ("_burst", "_interval", "_key", "_known", "_last", "_name", "_status", "_told", "policy")

    def __init__(self, route: Route, number: int, config: RateLimit, name: str) -> None:
        rate = Rate.parse(config.rate)
        self._key = LimitKey(route, "rate_limit", number, config.key)
        self._interval = rate.interval
        self._burst = rate.interval * config.burst
        self._name = name.encode()
        self._known: dict[int, bytes] = {}
        self._last, self._told = -1, b""
        self._status = config.status
        self.policy = b'"%b";q=%d;w=%d' % (self._name, *rate.policy(config.burst))

    def draw(self, exchange: Any, rates: Shared) -> float:
        """Seconds until the bucket is full again; less than 0: the request has to wait for this long."""
        hashed = self._key.hashed(exchange)
        return rates.shard(hashed).draw(hashed, self._interval, self._burst, 1.0)

    def admits(self, exchange: Any, full: float) -> bool:
        """Whether the request passes after :meth:`draw` has said ``full``; else it is refused."""
        request: Exchange = exchange
        item = self._item(full)
        request.rate_items = request.rate_items + b", " + item if request.rate_items else item
        if full < 0:
            request.refuse(
                self._status, "the rate limit is exceeded", b"Retry-After: %d\r\n" % max(1, ceil(-full - _EXACT))
            )
        return full >= 0

    def _item(self, full: float) -> bytes:
        """What is left, and when all of it is back."""
        if full < 0:
            return self._text(0, max(1, ceil(self._burst - full - _EXACT)))
        left = int((self._burst - full) / self._interval + 1.000001)
        seconds = int(full + 1.0 - _EXACT)
        state = (left << 24) + seconds
        if state != self._last:
            self._last, self._told = state, self._remembered(state, left, seconds)
        return self._told

    def _remembered(self, state: int, left: int, seconds: int) -> bytes:
        known = self._known.get(state)
        if known is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            known = self._known[state] = self._text(left, seconds)
        return known

    def _text(self, left: int, seconds: int) -> bytes:
        return b'"%b";r=%d;t=%d' % (self._name, left, seconds)


class RateLimitFilter(Filter):
    """For a route with ``rate_limit``."""

    __slots__ = ("_limits", "_rates")

    def __init__(self, route: Route, usage: Usage) -> None:
        self._rates = usage.rates
        self._limits = limits_of(route)

    def is_light(self) -> bool:
        return True

    def request(self, exchange: Any) -> int:
        for limit in self._limits:
            if not limit.admits(exchange, limit.draw(exchange, self._rates)):
                return DONE
        return PASS


class RateLimitFields(FieldRule):
    """Tells clients of the limits, in every response to a request that they have counted."""

    __slots__ = ("_start",)

    def __init__(self, route: Route) -> None:
        policies = b", ".join(limit.policy for limit in limits_of(route))
        self._start = b"RateLimit-Policy: %b\r\nRateLimit: " % policies

    def apply(self, exchange: Any, head: ResponseHead) -> None:
        request: Exchange = exchange
        if request.rate_items:
            head.fields = with_line(head.fields, self._start, request.rate_items)


def limits_of(route: Route) -> tuple[_Limit, ...]:
    given = several(route.rate_limit)
    names = ["default"] if len(given) == 1 else [str(number) for number in range(1, len(given) + 1)]
    return tuple(
        _Limit(route, number, config, name) for number, (config, name) in enumerate(zip(given, names, strict=True))
    )
