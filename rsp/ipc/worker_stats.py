"""What one worker has counted: plain integers of its own memory, published into its row of the scoreboard once a tick.

On a request's way, so it has a compiled layout: there ``_counts`` is an array of C integers.  Sums wrap at the end of
what a cell holds, as those of all counters in shared memory do.
"""

from rsp.ipc.scoreboard import MOST, Row
from rsp.ipc.worker_cells import (
    BYTES_SENT,
    PUBLISHED,
    REQUESTS,
    ROW,
    STATUS_2XX,
    STATUS_3XX,
    STATUS_4XX,
    STATUS_5XX,
)  # fmt: skip


class WorkerStats:
    """``_counts``: by their numbers in ``worker_cells.py``."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts = list(bytes(ROW))  # zeros

    def add(self, cell: int, amount: int) -> None:
        self._counts[cell] += amount

    def answered(self, status: int, sent: int) -> None:
        """One request answered with ``status`` and ``sent`` body bytes."""
        self._counts[REQUESTS] += 1
        self._counts[BYTES_SENT] += sent
        if status < 300:
            self._counts[STATUS_2XX] += status >= 200
        elif status < 400:
            self._counts[STATUS_3XX] += 1
        elif status < 500:
            self._counts[STATUS_4XX] += 1
        else:
            self._counts[STATUS_5XX] += 1

    def get(self, cell: int) -> int:
        return self._counts[cell] & MOST

    def put(self, cell: int, value: int) -> None:
        self._counts[cell] = value

    def publish(self, row: Row) -> None:
        for cell in range(PUBLISHED):
            row[cell] = self.get(cell)
