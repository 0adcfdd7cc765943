"""Trouble on purpose: requests that wait, and requests that end in an error."""

import asyncio
from typing import Any

from rsp.balance.portions import Portion
from rsp.config.filters import Fault
from rsp.exchange.filter import DONE, HOLD, PASS, Filter, Notes


class DelayNotes(Notes):
    """A request that waits."""

    __slots__ = ("_timer",)

    def begin(self, exchange: Any, seconds: float, abort: int) -> None:
        """Go on, or end with the status ``abort``, within this number of seconds."""
        self._timer = asyncio.get_running_loop().call_later(seconds, _end, exchange, abort)

    def call_off(self, exchange: Any) -> None:
        self._timer.cancel()


class FaultFilter(Filter):
    """For a route with ``fault``."""

    __slots__ = ("_abort", "_delay", "_portion")

    def __init__(self, fault: Fault) -> None:
        self._delay = float(fault.delay)
        self._abort = fault.abort or 0
        self._portion = Portion(fault.share)

    def is_light(self) -> bool:
        return True

    def request(self, exchange: Any) -> int:
        if not self._portion.take():
            return PASS
        if self._delay:
            notes = DelayNotes()
            exchange.get_passage().note(notes)
            notes.begin(exchange, self._delay, self._abort)
            return HOLD
        _refuse(exchange, self._abort)
        return DONE


def _end(exchange: Any, abort: int) -> None:
    if abort:
        _refuse(exchange, abort)
    else:
        exchange.passage.go_on()


def _refuse(exchange: Any, status: int) -> None:
    exchange.refuse(status, "an injected fault")
