"""A process's own row of the scoreboard, as the hot path writes it: at the moment when something happens, so that a
process that is killed takes no count with it.

Sums wrap at the end of what a cell holds, as those of all counters in shared memory do.  ``worker_stats.pyx`` is the
compiled twin of this file.
"""

from rsp.ipc.scoreboard import MOST, Scoreboard
from rsp.ipc.worker_cells import BYTES_SENT, REQUESTS, ROW, STATUS_2XX, STATUS_3XX, STATUS_4XX, STATUS_5XX


class WorkerStats:
    """``row``: the process's own; its cells by their numbers in ``worker_cells.py``."""

    __slots__ = ("_cells", "_start")

    def __init__(self, scoreboard: Scoreboard, row: int) -> None:
        self._cells = scoreboard.cells
        self._start = row * ROW

    def add(self, cell: int, amount: int) -> None:
        self._cells[self._start + cell] = (self._cells[self._start + cell] + amount) & MOST

    def answered(self, status: int, sent: int) -> None:
        """One request answered with ``status`` and ``sent`` body bytes."""
        self.add(REQUESTS, 1)
        self.add(BYTES_SENT, sent)
        if status < 300:
            if status >= 200:
                self.add(STATUS_2XX, 1)
        elif status < 400:
            self.add(STATUS_3XX, 1)
        elif status < 500:
            self.add(STATUS_4XX, 1)
        else:
            self.add(STATUS_5XX, 1)

    def get(self, cell: int) -> int:
        return self._cells[self._start + cell]

    def put(self, cell: int, value: int) -> None:
        self._cells[self._start + cell] = value
