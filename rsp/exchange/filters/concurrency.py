"""Requests at a time: slots for each key, over all workers.  What a worker holds that is gone is void."""

import os
from typing import Any

from rsp.config.filters import Concurrency
from rsp.config.routes import Route
from rsp.exchange.exchange import Exchange
from rsp.exchange.filter import DONE, PASS, Filter, Notes
from rsp.exchange.limit_key import LimitKey
from rsp.ipc.shared_memory import Shard
from rsp.ipc.usage import Usage
from rsp.net.context import WorkerContext


class Slot(Notes):
    """What is held of ``shard``, for a request of the process ``pid``."""

    __slots__ = ("_hashed", "_pid", "_shard")

    def set_up(self, shard: Shard, hashed: int, pid: int) -> None:
        self.waits = False
        self._shard = shard
        self._hashed = hashed
        self._pid = pid

    def ended(self, exchange: Any, status: int) -> None:
        self._shard.let_go(self._hashed, self._pid)


class ConcurrencyFilter(Filter):
    """For one limit of a route: ``config``, ``number`` among them."""

    __slots__ = ("_alive", "_context", "_key", "_looked_at", "_most", "_pid", "_slots", "_status")

    def __init__(self, route: Route, number: int, config: Concurrency, context: WorkerContext, usage: Usage) -> None:
        self._context = context
        self._slots = usage.slots
        self._key = LimitKey(route, "concurrency", number, config.key)
        self._most = config.max
        self._status = config.status
        self._pid = os.getpid()
        self._alive: set[int] = set()
        self._looked_at = -1.0

    def is_light(self) -> bool:
        return True

    def request(self, exchange: Any) -> int:
        hashed = self._key.hashed(exchange)
        shard = self._slots.shard(hashed)
        if not shard.hold(hashed, self._pid, self._most) and not self._hold_again(shard, hashed):
            exchange.refuse(self._status, "too many concurrent requests", b"Retry-After: 1\r\n")
            return DONE
        slot = Slot.__new__(Slot)
        slot.set_up(shard, hashed, self._pid)
        request: Exchange = exchange
        request.tell_of_end(slot)
        return PASS

    def _hold_again(self, shard: Shard, hashed: int) -> bool:
        """Whether there is room without what workers hold that are gone.  Which workers there are is looked up once a
        tick, and again where another one holds a slot: it may have come since, and then its slots are its own."""
        unknown = not shard.holders(hashed) <= self._alive
        if unknown or self._looked_at != self._context.now:
            self._looked_at = self._context.now
            self._alive = self._context.scoreboard.pids() | {self._pid}
        return shard.void(hashed, self._alive) and shard.hold(hashed, self._pid, self._most)
