"""Bytes of bodies a second: of each request by itself, or of all with one key, over all workers."""

from typing import Any, Final

from rsp.config.filters import Bandwidth
from rsp.config.routes import Route
from rsp.exchange.exchange import Exchange
from rsp.exchange.filter import PASS, Filter
from rsp.exchange.limit_key import LimitKey
from rsp.exchange.pace import Pace, Row
from rsp.ipc.shared_memory import Shared
from rsp.ipc.usage import Usage

_CREDIT: Final = 0.1  # seconds that may be made up for, as of a body's own time (pace.py)


class SharedRow(Row):
    """The time of all bodies with one key."""

    __slots__ = ("_hashed", "_shard")

    def set_up(self, rates: Shared, hashed: int) -> None:
        self._shard = rates.shard(hashed)
        self._hashed = hashed

    def reserve(self, seconds: float) -> float:
        return self._shard.reserve(self._hashed, seconds, _CREDIT)


class BandwidthFilter(Filter):
    """For a route with ``bandwidth``."""

    __slots__ = ("_down", "_down_key", "_rates", "_up", "_up_key")

    def __init__(self, route: Route, config: Bandwidth, usage: Usage) -> None:
        self._rates = usage.rates
        self._down, self._up = config.down or 0, config.up or 0
        self._down_key = self._up_key = None
        if config.key is not None:
            self._down_key = LimitKey(route, "down", 0, config.key)
            self._up_key = LimitKey(route, "up", 0, config.key)

    def is_light(self) -> bool:
        return True

    def request(self, exchange: Any) -> int:
        request: Exchange = exchange
        if self._down:
            request.get_passage().down = self._pace(request, self._down_key, self._down, False)
        if self._up and request.head.framing != 0:
            pace = self._pace(request, self._up_key, self._up, True)
            if request.received:
                pace.charge(request.received)
            if not request.request_done:
                request.get_passage().up = pace
        return PASS

    def _pace(self, exchange: Exchange, key: LimitKey | None, rate: float, upward: bool) -> Pace:
        pace = Pace.__new__(Pace)
        pace.set_up(exchange, self._row(exchange, key), rate, upward)
        return pace

    def _row(self, exchange: Exchange, key: LimitKey | None) -> Row | None:
        if key is None:
            return None
        shared = SharedRow.__new__(SharedRow)
        shared.set_up(self._rates, key.hashed(exchange))
        return shared
