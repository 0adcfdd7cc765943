"""Spans that wait to be sent: how many are kept, when a batch is due, and what follows when one fails.

Rules of this room: no loop, no socket, and the clock is an argument; ``export.py`` sends.  One batch at a time is under
way.  A batch that fails is sent once more if the collector may take it then, and dropped after that; whatever finds no
room meanwhile is dropped at once.  So a collector that is slow or gone costs a bounded amount of memory, and nothing
else.
"""

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Final

from rsp.control.otlp import Verdict

MOST: Final = 8192  # spans that wait
MOST_BYTES: Final = 8 << 20
BATCH: Final = 512
BATCH_BYTES: Final = 1 << 20
_SMALL: Final = 256  # bytes
_DELAY: Final = 1.0  # seconds that a batch which is not full waits for more
_FIRST_PAUSE: Final = 1.0  # after a failure; twice as long after each further one
_LONGEST_PAUSE: Final = 30.0


class SpanQueue:
    """``counted(exported, dropped)`` is called with numbers of spans."""

    def __init__(self, counted: Callable[[int, int], None]) -> None:
        self._counted = counted
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._oldest = inf  # since when the first one waits
        self._batch: list[bytes] = []  # under way, or to be sent again
        self._sent = False  # it is under way
        self._last_try = False
        self._not_before = 0.0
        self._pause = 0.0
        self.failing = ""  # why the last batch was not taken

    def __len__(self) -> int:
        """Spans that wait, those under way included."""
        return len(self._waiting) + len(self._batch)

    def is_full(self) -> bool:
        """Whether there is no room even for a small one."""
        return len(self) >= MOST or self._size >= MOST_BYTES - _SMALL

    def add(self, span: bytes, now: float) -> None:
        if len(self) >= MOST or self._size + len(span) > MOST_BYTES:
            self._counted(0, 1)
            return
        if not self._waiting:
            self._oldest = now
        self._waiting.append(span)
        self._size += len(span)

    def due(self) -> float:
        """When :meth:`take` has something to do: a moment that may have passed; infinite: not by itself."""
        if self._sent:
            return inf
        if self._batch:
            return self._not_before
        full = len(self._waiting) >= BATCH or self._size >= BATCH_BYTES
        return max(self._not_before, 0.0 if full else self._oldest + _DELAY)

    def take(self, now: float, *, at_once: bool = False) -> list[bytes]:
        """What is to be sent now, perhaps nothing; :meth:`ended` follows.  ``at_once``: it is the last chance."""
        if self._sent or (now < self.due() and not at_once):
            return []
        if not self._batch:
            self._batch = self._next()
            self._last_try = False
        self._sent = bool(self._batch)
        return self._batch

    def _next(self) -> list[bytes]:
        taken: list[bytes] = []
        size = 0
        while self._waiting and len(taken) < BATCH and (not taken or size + len(self._waiting[0]) <= BATCH_BYTES):
            taken.append(self._waiting.popleft())
            size += len(taken[-1])
        # Those under way count until they have gone: they are still in memory.
        if not self._waiting:
            self._oldest = inf
        return taken

    def ended(self, verdict: Verdict, now: float) -> None:
        """The result of sending the batch that was taken."""
        self._sent = False
        self.failing = verdict.reason if verdict.rejected >= len(self._batch) else ""
        if self.failing:
            self._failed(verdict, now)
            return
        self._pause = 0.0
        self._not_before = 0.0
        self._forget(len(self._batch) - verdict.rejected)

    def _failed(self, verdict: Verdict, now: float) -> None:
        self._pause = min(max(_FIRST_PAUSE, 2 * self._pause), _LONGEST_PAUSE)
        self._not_before = now + (self._pause if verdict.pause is None else max(verdict.pause, 0.0))
        if self._last_try or not verdict.again:
            self._forget(0)
        self._last_try = True

    def _forget(self, exported: int) -> None:
        """The batch is over."""
        batch, self._batch = self._batch, []
        self._size -= sum(map(len, batch))
        self._counted(exported, len(batch) - exported)

    def clear(self) -> None:
        """No collector is to have them."""
        if self._sent:
            raise RuntimeError("a batch is under way")
        self._counted(0, len(self))
        self._waiting.clear()
        self._batch = []
        self._size = 0
        self._oldest = inf
