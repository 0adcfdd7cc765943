"""What a worker spends on coding the bodies of responses: time in each turn of the loop, memory, and how hard it tries.

Rules of this room: it knows no codings and no exchanges.  What codes asks whether this turn has time left, says how
much it took, and waits for a later turn where there is none; those that wait have their turns one after the other.
"""

import asyncio
from collections import deque
from typing import Final, Protocol

from rsp.ipc.worker_cells import CODED, UNCODED
from rsp.ipc.worker_stats import WorkerStats
from rsp.system.demand import Demand

_SHARE: Final = 0.005  # seconds of a turn; the last part that begins in them may take longer
_MEMORY: Final = 128 << 20  # bytes that all streams may take
_BUSY: Final = 0.85  # of the worker's time in the last second: try less hard
_CALM: Final = 0.65  # try harder again
_LEVELS: Final = 8  # below the highest one
_EASE: Final = 2  # levels at a time


class Waiting(Protocol):
    """What has something to code."""

    def go_on(self) -> None: ...


class Effort:
    """``relief``: levels by which all are lower than configured, for now.  ``used``: bytes that streams take."""

    __slots__ = ("_demand", "_is_due", "_left", "_stats", "_waiting", "relief", "used")

    def __init__(self, stats: WorkerStats | None = None) -> None:
        self._stats = stats
        self._demand = Demand()
        self._left = _SHARE
        self._waiting: deque[Waiting] = deque()
        self._is_due = False
        self.relief = 0
        self.used = 0

    def count(self, before: int, after: int) -> None:
        """So many bytes of a body have become so many."""
        if self._stats is not None:
            self._stats.add(UNCODED, before)
            self._stats.add(CODED, after)

    # -- time

    def has_time(self) -> bool:
        return self._left > 0.0

    def spend(self, seconds: float) -> None:
        """Of this turn."""
        self._left -= seconds
        self._end_turn()

    def wait(self, waiting: Waiting) -> None:
        """Let it go on in a later turn."""
        self._waiting.append(waiting)
        self._end_turn()

    def _end_turn(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._is_due = False
        self._left = _SHARE
        try:
            for _ in range(len(self._waiting)):
                if self._left <= 0.0:
                    break
                self._waiting.popleft().go_on()
        finally:  # one that fails keeps no other waiting
            if self._waiting:
                self._end_turn()

    # -- memory

    def take(self, size: int) -> bool:
        """Whether there is room for a stream that takes so much; it counts from here on."""
        if self.used + size > _MEMORY:
            return False
        self.used += size
        return True

    def give_back(self, size: int) -> None:
        self.used -= size

    # -- how hard it tries

    def level(self, configured: int) -> int:
        """For a body that begins now."""
        return max(1, configured - self.relief)

    def tick(self, now: float, wall: float) -> None:
        """Once a second."""
        share = self._demand.share()
        if share > _BUSY:
            self.relief = min(_LEVELS, self.relief + _EASE)
        elif share < _CALM and self.relief:
            self.relief -= 1
