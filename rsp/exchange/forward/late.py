"""Requests whose responses may be late: if one is, another peer is asked as well (a hedge)."""

import asyncio
from collections import deque
from math import inf
from typing import Final

from rsp.balance.latency import Quantiles
from rsp.config.failure import Hedge
from rsp.exchange.forward.queue import WaitingRequest

_ENOUGH: Final = 20.0  # answers before their quantiles mean anything


class Late:
    """Of one upstream.  ``latencies``: of its responses, where they decide what is late."""

    def __init__(self, config: Hedge) -> None:
        self._percentile = config.percentile
        self._after: float = config.after or inf
        self.latencies = Quantiles() if not config.after else None
        self._watched: deque[WaitingRequest] = deque()

    def watch(self, request: WaitingRequest) -> None:
        """``request`` was sent."""
        if self._after < inf:
            self._watched.append(request)
            if len(self._watched) == 1:
                asyncio.get_running_loop().call_later(self._after, self._look)

    def _look(self) -> None:
        watched = self._watched
        if self._after == inf:
            watched.clear()
        now = asyncio.get_running_loop().time()
        while watched:
            request = watched[0]
            wait = request.late_in(self._after)
            if wait > 0.0005:
                asyncio.get_running_loop().call_at(now + wait, self._look)
                return
            watched.popleft()
            request.hedge()

    def tick(self) -> None:
        """Once a second."""
        if self.latencies is not None:
            after = self.latencies.at(self._percentile / 100, _ENOUGH)
            self._after = inf if after is None else after
            self.latencies.fade()
