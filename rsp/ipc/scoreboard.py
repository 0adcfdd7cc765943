"""The scoreboard: one shared table of 64-bit cells that outlives every process but the master.

Nginx and HAProxy call such a table shared statistics, Apache a scoreboard.  It has two parts: a row for each process,
and a place for each peer.  A place holds marks (what is known of the peer) and a tally for each process (what that
process has running there, and how it went).

Every process can write every cell, a worker that was taken over too.  So a reader takes any value for possible,
sums wrap at the largest number that a cell holds, and seals keep the memory from being cut off under a reader.

There are no locks.  What is counted has one writer: a process's own row, its own tally.  Marks are whole values that
are written as one and never counted up, so that several processes may write them; the last value stands.  All
processes read all.  Only the few pages that are used exist: the memory is sparse.

The master moves counts of processes and peers that are gone.  Between :meth:`Scoreboard.moving` and its end a number is
odd, so that what :meth:`Scoreboard.consistent` reads has no count twice, and none is missing.
"""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from rsp.config.units import MOST_WORKERS
from rsp.ipc import peer_cells, peer_marks, worker_cells
from rsp.ipc.estate import Inherited, Legacy
from rsp.ipc.peer_cells import TALLY
from rsp.ipc.peer_marks import MARKS
from rsp.ipc.peer_marks import Reason as Reason
from rsp.ipc.worker_cells import ROW
from rsp.system import memory

SLOTS: Final = 2 * MOST_WORKERS + 1  # rows: workers that leave have theirs until they are gone
PLACES: Final = 4096  # the most peers that one instance may have
REMOVED_PLACE: Final = PLACES  # what peers counted that are none any more
INHERITED_ROW: Final = SLOTS - 3  # what predecessors counted that are gone
CONTROL_ROW: Final = SLOTS - 2
RETIRED_ROW: Final = SLOTS - 1  # what processes counted that are gone
PLACE: Final = MARKS + SLOTS * TALLY
FIRST_PLACE: Final = SLOTS * ROW
SEQUENCE_AT: Final = RETIRED_ROW * ROW + worker_cells.SEQUENCE
MOST: Final = (1 << 64) - 1  # what a cell holds
# Seconds for a move.  A master that was killed does not end its own, and another process may write there: then nothing
# is waited for in the next seconds.
_WAIT: Final = 0.02
_HURRY: Final = 2.0
_Result = TypeVar("_Result")


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
        size = (FIRST_PLACE + (PLACES + 1) * PLACE) * 8
        self.descriptor, self._memory = memory.shared("rsp-scoreboard", size)
        self.cells = memoryview(self._memory).cast("Q")
        self.inherited: Inherited = {}
        self._sequences = {-1: (self.cells, SEQUENCE_AT)}  # by generation of predecessors
        self._moving = False
        self._hurry_until = 0.0  # nothing is waited for

    def row(self, slot: int) -> Row:
        return Row(self.cells, slot)

    @property
    def rows(self) -> int:
        """One more than the highest row that a worker has, or had."""
        return min(self.row(RETIRED_ROW)[worker_cells.ROWS], SLOTS)

    # -- moves

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Within this, the master moves counts from some cells to others."""
        if self._moving:
            yield
            return
        self._moving = True
        self.cells[SEQUENCE_AT] = (self.cells[SEQUENCE_AT] | 1) & MOST
        try:
            yield
        finally:
            self._moving = False
            self.cells[SEQUENCE_AT] = (self.cells[SEQUENCE_AT] + 1) & MOST

    def consistent(self, read: Callable[[], _Result]) -> _Result:
        """What ``read`` returns while nothing is moved."""
        if self._moving:
            return read()
        give_up = 0.0
        while True:
            before = self._sequence()
            result = read()
            if before == self._sequence() and not any(number & 1 for number in before):
                return result
            now = time.monotonic()
            if now < self._hurry_until:
                return result
            give_up = give_up or now + _WAIT
            if now > give_up:
                self._hurry_until = now + _HURRY
                return result
            time.sleep(0)

    def _sequence(self) -> list[int]:
        return [cells[at] for cells, at in self._sequences.values()]

    def inherit(self, predecessor: memoryview, sequence: int, generation: int) -> None:
        """Its counts are read as well, and it moves them itself.  Raises :class:`IndexError`."""
        predecessor[sequence]
        self._sequences[generation] = predecessor, sequence

    def forget(self, generation: int) -> None:
        self._sequences.pop(generation, None)

    def counts(self, legacy: Legacy) -> bool:
        """Whether a predecessor's counts are not yet among our own."""
        folded: int = self.cells[RETIRED_ROW * ROW + worker_cells.FOLDED + legacy.generation]
        return legacy.number >= folded

    def _inherited(self, at: int, cell: int) -> int:
        legacies = self.inherited.get(at)
        if legacies is None:
            return 0
        return sum(legacy.cells(cell + 1)[cell] for legacy in legacies if self.counts(legacy))

    def worker_total(self, cell: int) -> int:
        """Of all processes, those that are gone and those of predecessors included."""
        rows = (*range(self.rows), CONTROL_ROW, RETIRED_ROW, INHERITED_ROW)

        def read() -> int:
            own: int = sum(self.cells[row * ROW + cell] for row in rows)
            return own + self._inherited(INHERITED_ROW * ROW, cell)

        return self.consistent(read) % (MOST + 1)

    # -- places

    def mark(self, place: int, mark: int) -> int:
        value: int = self.cells[FIRST_PLACE + place * PLACE + mark]
        return value

    def set_mark(self, place: int, mark: int, value: int) -> None:
        self.cells[FIRST_PLACE + place * PLACE + mark] = min(max(value, 0), MOST)

    def total(self, place: int, cell: int) -> int:
        """Of all processes' tallies, those that are gone included where that makes sense."""
        return self.consistent(lambda: self._total(place, cell))

    def _total(self, place: int, cell: int) -> int:
        total: int = sum(self.each(place, cell))
        if cell not in peer_cells.TABLE.counters:
            return min(total, MOST)
        retired = FIRST_PLACE + place * PLACE + peer_marks.RETIRED
        total += self.cells[retired + cell] + self.tally(place, CONTROL_ROW, cell) + self._inherited(retired, cell)
        return (total - self.mark(place, peer_marks.BASE + cell)) & MOST

    def removed(self, cell: int) -> int:
        """The total of peers that are none any more."""
        return self.consistent(lambda: sum(self._total(place, cell) for place in (REMOVED_PLACE, *self._left())) & MOST)

    def _left(self) -> Iterator[int]:
        used = self.cells[RETIRED_ROW * ROW + worker_cells.PLACES_USED]
        return (place for place in range(min(used, PLACES)) if self.mark(place, peer_marks.LEFT))

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
        with self.moving():
            self._remove(place)
            for cell in (*range(MARKS + self.rows * TALLY), *range(MARKS + CONTROL_ROW * TALLY, PLACE)):
                self.cells[start + cell] = 0

    def leave(self, place: int) -> None:
        """Its peer is none any more; what it has counted, and counts yet, is that of all removed ones."""
        self.set_mark(place, peer_marks.LEFT, 1)

    def is_inherited(self, place: int) -> bool:
        """Whether a predecessor still counts for its peer."""
        at = FIRST_PLACE + place * PLACE + peer_marks.RETIRED
        return any(map(self.counts, self.inherited.get(at, ())))

    def come_back(self, place: int) -> None:
        """The same peer is one again: what is known of it stays, and its counts begin anew."""
        with self.moving():
            self._remove(place)
            self.set_mark(place, peer_marks.LEFT, 0)

    def _remove(self, place: int) -> None:
        """What it has counted is that of removed peers for good."""
        for cell in peer_cells.TABLE.counters:
            total = self._total(place, cell)
            for where, mark in ((REMOVED_PLACE, peer_marks.RETIRED), (place, peer_marks.BASE)):
                at = FIRST_PLACE + where * PLACE + mark + cell
                self.cells[at] = (self.cells[at] + total) & MOST

    def retire(self, row: int, places: int) -> None:
        """The process of ``row`` is gone: what it counted, at the first ``places`` too, goes to the retired sums."""
        self._move(row * ROW, RETIRED_ROW * ROW, worker_cells.TABLE.counters)
        for place in range(places):
            start = FIRST_PLACE + place * PLACE
            tally = start + MARKS + row * TALLY
            self._move(tally, start + peer_marks.RETIRED, peer_cells.TABLE.counters)
            for offset in range(TALLY):
                self.cells[tally + offset] = 0

    def _move(self, source: int, target: int, cells: tuple[int, ...]) -> None:
        with self.moving():
            for cell in cells:
                self.cells[target + cell] = (self.cells[target + cell] + self.cells[source + cell]) & MOST
                self.cells[source + cell] = 0

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
            fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except OSError:
            return False
        return True

    def disclaim(self, place: int) -> None:
        fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, place)
