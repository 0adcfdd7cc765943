"""The scoreboard: one shared table of 64-bit cells that outlives every process but the master.

Nginx and HAProxy call such a table shared statistics, Apache a scoreboard.  It has two parts: a row for each process,
and a place for each peer.  A place holds marks (what is known of the peer) and a tally for each process (what that
process has running there, and how it went).

Every process can write every cell, a worker that was taken over too.  So a reader takes any value for possible,
sums stop at the largest number that a cell holds, and seals keep the memory from being cut off under a reader.

There are no locks.  What is counted has one writer: a process's own row, its own tally.  Marks are whole values that
are written as one and never counted up, so that several processes may write them; the last value stands.  All
processes read all.  Only the few pages that are used exist: the memory is sparse.
"""

import fcntl
from typing import Final

from rsp.config.units import MOST_WORKERS
from rsp.ipc import peer_cells, peer_marks, worker_cells
from rsp.ipc.peer_cells import TALLY
from rsp.ipc.peer_marks import MARKS
from rsp.ipc.peer_marks import Reason as Reason
from rsp.ipc.worker_cells import ROW
from rsp.system import memory

SLOTS: Final = 2 * MOST_WORKERS  # rows: workers that leave have theirs until they are gone
PLACES: Final = 4096  # the most peers that one instance may have
CONTROL_ROW: Final = SLOTS - 2
RETIRED_ROW: Final = SLOTS - 1  # what processes counted that are gone
PLACE: Final = MARKS + SLOTS * TALLY
FIRST_PLACE: Final = SLOTS * ROW
MOST: Final = (1 << 64) - 1  # what a cell holds


class Row:
    """One process's cells, by their numbers in ``worker_cells.py``."""

    __slots__ = ("_cells", "_start")

    def __init__(self, cells: memoryview, slot: int) -> None:
        self._cells = cells
        self._start = slot * ROW

    def __getitem__(self, cell: int) -> int:
        value: int = self._cells[self._start + cell]
        return value

    def __setitem__(self, cell: int, value: int) -> None:
        self._cells[self._start + cell] = min(max(value, 0), MOST)

    def clear(self) -> None:
        """For a new process."""
        for cell in range(ROW):
            self[cell] = 0


class Scoreboard:
    """Create it before forking; children share the memory."""

    def __init__(self) -> None:
        size = (FIRST_PLACE + PLACES * PLACE) * 8
        self._descriptor, self._memory = memory.shared("rsp-scoreboard", size)
        self.cells = memoryview(self._memory).cast("Q")

    def row(self, slot: int) -> Row:
        return Row(self.cells, slot)

    @property
    def rows(self) -> int:
        """One more than the highest row that a worker has, or had."""
        return min(self.row(RETIRED_ROW)[worker_cells.ROWS], SLOTS)

    # -- places

    def mark(self, place: int, mark: int) -> int:
        value: int = self.cells[FIRST_PLACE + place * PLACE + mark]
        return value

    def set_mark(self, place: int, mark: int, value: int) -> None:
        self.cells[FIRST_PLACE + place * PLACE + mark] = min(max(value, 0), MOST)

    def total(self, place: int, cell: int) -> int:
        """Of all processes' tallies, those that are gone included where that makes sense."""
        total = sum(self.each(place, cell))
        return min(
            total + self.mark(place, peer_marks.RETIRED + cell) if cell in peer_cells.TABLE.counters else total, MOST
        )

    def each(self, place: int, cell: int) -> list[int]:
        """By row, of all workers' tallies."""
        start = FIRST_PLACE + place * PLACE + MARKS + cell
        return [self.cells[start + row * TALLY] for row in range(self.rows)]

    def tally(self, place: int, row: int, cell: int) -> int:
        """Of the process that has ``row``."""
        value: int = self.cells[FIRST_PLACE + place * PLACE + MARKS + row * TALLY + cell]
        return value

    def clear_place(self, place: int) -> None:
        """For a new peer."""
        start = FIRST_PLACE + place * PLACE
        for cell in range(start, start + MARKS + self.rows * TALLY):
            self.cells[cell] = 0

    def retire(self, row: int, places: int) -> None:
        """The process of ``row`` is gone: what it counted, at the first ``places`` too, goes to the retired sums."""
        own, retired = self.row(row), self.row(RETIRED_ROW)
        for counted in worker_cells.TABLE.counters:
            retired[counted] = min(retired[counted] + own[counted], MOST)
            own[counted] = 0
        for place in range(places):
            start = FIRST_PLACE + place * PLACE
            tally = start + MARKS + row * TALLY
            for cell in peer_cells.TABLE.counters:
                retired_at = start + peer_marks.RETIRED + cell
                self.cells[retired_at] = min(self.cells[retired_at] + self.cells[tally + cell], MOST)
            for offset in range(TALLY):
                self.cells[tally + offset] = 0

    def eject(self, place: int, reason: Reason, times: int, now: float, seconds: float) -> None:
        """It is out from ``now`` (CLOCK_MONOTONIC in seconds) for ``seconds``, for the ``times``-th time in a row."""
        self.set_mark(place, peer_marks.REASON, reason)
        self.set_mark(place, peer_marks.EJECTIONS, times)
        # One more: what was asked for in the same millisecond was asked for before.
        self.set_mark(place, peer_marks.EJECTED_AT, int(now * 1000) + 1)
        self.set_mark(place, peer_marks.EJECTED_UNTIL, int((now + seconds) * 1000))

    # -- the one process that may try an ejected peer

    def claim(self, place: int) -> bool:
        """One process for each place; the kernel frees it when that process dies."""
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except OSError:
            return False
        return True

    def disclaim(self, place: int) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, place)
