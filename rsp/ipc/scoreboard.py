"""The scoreboard: one shared table of 64-bit cells that outlives every process but the master.

Nginx and HAProxy call such a table shared statistics, Apache a scoreboard.  It has three parts: a row for each process;
the marks of each peer (its state); and for each process a tally of each peer (what that process has running
there, and how it went).  A peer's number in the last two is its *place*.  The marks of all peers are side by side, and
so are all tallies of a process: a peer takes 128 bytes, and 192 more for each process.

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
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import compress
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
# The most peers that one instance may have: 10,000, and those of the last ten seconds where 1,000 change each second.
PLACES: Final = 1 << 15
REMOVED_PLACE: Final = PLACES  # the counts of former peers
INHERITED_ROW: Final = SLOTS - 3  # what predecessors counted that are gone
CONTROL_ROW: Final = SLOTS - 2
RETIRED_ROW: Final = SLOTS - 1  # what processes counted that are gone
BASE_ROW: Final = SLOTS  # of tallies only: what was counted before a peer was removed and came back
FIRST_MARK: Final = SLOTS * ROW
FIRST_TALLY: Final = FIRST_MARK + (PLACES + 1) * MARKS
SPAN: Final = (PLACES + 1) * TALLY  # cells from a process's tallies to the next one's
SEQUENCE_AT: Final = RETIRED_ROW * ROW + worker_cells.SEQUENCE
MOST: Final = (1 << 64) - 1  # what a cell holds
# Seconds for a move.  A master that was killed does not end its own, and another process may write there: then nothing
# is waited for in the next seconds.
_WAIT: Final = 0.02
_HURRY: Final = 2.0
_NO_TALLY: Final = memoryview(array("Q", [0] * TALLY))
_NO_MARKS: Final = memoryview(array("Q", [0] * MARKS))
_Result = TypeVar("_Result")


def marks_at(place: int) -> int:
    """The first cell of a place's marks."""
    return FIRST_MARK + place * MARKS


def tally_at(place: int, row: int) -> int:
    """The first cell of the tally that the process of ``row`` has of a place."""
    return FIRST_TALLY + row * SPAN + place * TALLY


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
        size = (FIRST_TALLY + (SLOTS + 1) * SPAN) * 8
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

    def pids(self) -> set[int]:
        """Of all workers, and 0 for rows that none has."""
        return {self.row(number)[worker_cells.PID] for number in range(self.rows)}

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
        value: int = self.cells[FIRST_MARK + place * MARKS + mark]
        return value

    def set_mark(self, place: int, mark: int, value: int) -> None:
        self.cells[FIRST_MARK + place * MARKS + mark] = min(max(value, 0), MOST)

    def marks(self, mark: int, places: int) -> list[int]:
        """Of the first ``places``."""
        return self.cells[FIRST_MARK + mark : FIRST_MARK + places * MARKS : MARKS].tolist()

    def total(self, place: int, cell: int) -> int:
        """Of all processes' tallies, those that are gone included where that makes sense."""
        return self.consistent(lambda: self._total(place, cell))

    def _total(self, place: int, cell: int) -> int:
        total: int = sum(self.each(place, cell))
        if cell not in peer_cells.TABLE.counters:
            return min(total, MOST)
        retired = tally_at(place, RETIRED_ROW)
        total += self.cells[retired + cell] + self.tally(place, CONTROL_ROW, cell) + self._inherited(retired, cell)
        return (total - self.tally(place, BASE_ROW, cell)) & MOST

    def all_totals(self, place: int) -> list[int]:
        """By cell, as :meth:`total`: of all cells in the time that two take one by one."""
        return self.consistent(lambda: self._all_totals(place))

    def _all_totals(self, place: int) -> list[int]:
        workers = [self._tally(place, row).tolist() for row in range(self.rows)]
        running = [sum(each) for each in zip(*workers, strict=True)] if workers else [0] * TALLY
        gone, base = (
            [self._tally(place, row).tolist() for row in (CONTROL_ROW, RETIRED_ROW)],
            self._tally(place, BASE_ROW),
        )
        legacies = self.inherited.get(tally_at(place, RETIRED_ROW), ())
        gone += [legacy.cells(TALLY) for legacy in legacies if self.counts(legacy)]
        counts = [min(total, MOST) for total in running]
        for cell in peer_cells.TABLE.counters:
            counts[cell] = (running[cell] + sum(each[cell] for each in gone) - base[cell]) & MOST
        return counts

    def totals(self, cell: int, places: int) -> list[int]:
        """As :meth:`total`, of the first ``places``: some hundred times as fast for each."""
        return self.consistent(lambda: self._totals(cell, places))

    def _totals(self, cell: int, places: int) -> list[int]:
        rows = [self.column(row, cell, places) for row in range(self.rows)]
        if cell not in peer_cells.TABLE.counters:
            return [min(total, MOST) for total in _sums(rows, places)]
        rows += [self.column(row, cell, places) for row in (CONTROL_ROW, RETIRED_ROW)]
        if self.inherited:
            rows.append([self._inherited(tally_at(place, RETIRED_ROW), cell) for place in range(places)])
        bases = self.column(BASE_ROW, cell, places)
        return [(total - base) & MOST for total, base in zip(_sums(rows, places), bases, strict=True)]

    def removed(self, cell: int) -> int:
        """The total of former peers."""

        def read() -> int:
            used = self.used_places
            left = self.marks(peer_marks.LEFT, used)
            gone = sum(compress(self._totals(cell, used), left)) if any(left) else 0
            return (self._total(REMOVED_PLACE, cell) + gone) & MOST

        return self.consistent(read)

    @property
    def used_places(self) -> int:
        """One more than the highest place that was ever a peer's."""
        return min(self.cells[RETIRED_ROW * ROW + worker_cells.PLACES_USED], PLACES)

    def each(self, place: int, cell: int) -> list[int]:
        """By row, of all workers' tallies."""
        start = FIRST_TALLY + place * TALLY + cell
        return self.cells[start : start + self.rows * SPAN : SPAN].tolist()

    def column(self, row: int, cell: int, places: int) -> list[int]:
        """By place, of the process that has ``row``."""
        start = FIRST_TALLY + row * SPAN
        return self.cells[start + cell : start + places * TALLY : TALLY].tolist()

    def tally(self, place: int, row: int, cell: int) -> int:
        """Of the process that has ``row``."""
        value: int = self.cells[FIRST_TALLY + row * SPAN + place * TALLY + cell]
        return value

    def clear_place(self, place: int) -> None:
        """For a new peer."""
        with self.moving():
            self._remove(place)
            start = marks_at(place)
            self.cells[start : start + MARKS] = _NO_MARKS
            for row in (*range(self.rows), CONTROL_ROW, RETIRED_ROW, BASE_ROW):
                self._tally(place, row)[:] = _NO_TALLY

    def leave(self, place: int) -> None:
        """Its peer has been removed; its counts, past and future, belong to all removed peers."""
        self.set_mark(place, peer_marks.LEFT, 1)

    def is_inherited(self, place: int) -> bool:
        """Whether a predecessor still counts for its peer."""
        return any(map(self.counts, self.inherited.get(tally_at(place, RETIRED_ROW), ())))

    def come_back(self, place: int) -> None:
        """The same peer is back: its state stays, and its counts begin at zero."""
        with self.moving():
            self._remove(place)
            self.set_mark(place, peer_marks.LEFT, 0)

    def _remove(self, place: int) -> None:
        """What it has counted is that of removed peers for good."""
        if not any(any(self._tally(place, row)) for row in (*range(self.rows), CONTROL_ROW, RETIRED_ROW, BASE_ROW)):
            return
        removed, base = tally_at(REMOVED_PLACE, RETIRED_ROW), tally_at(place, BASE_ROW)
        for cell in peer_cells.TABLE.counters:
            total = self._total(place, cell)
            for at in (removed + cell, base + cell):
                self.cells[at] = (self.cells[at] + total) & MOST

    def _tally(self, place: int, row: int) -> memoryview:
        start = tally_at(place, row)
        return self.cells[start : start + TALLY]

    def retire(self, row: int, places: int) -> None:
        """The process of ``row`` is gone: what it counted, at the first ``places`` too, goes to the retired sums."""
        self._move(row * ROW, RETIRED_ROW * ROW, worker_cells.TABLE.counters)
        start = tally_at(0, row)
        tallies, nothing = self.cells[start : start + places * TALLY].tobytes(), _NO_TALLY.tobytes()
        for place in range(places):
            if tallies[place * TALLY * 8 : (place + 1) * TALLY * 8] != nothing:
                self._move(tally_at(place, row), tally_at(place, RETIRED_ROW), peer_cells.TABLE.counters)
                self._tally(place, row)[:] = _NO_TALLY

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


def _sums(columns: Sequence[list[int]], places: int) -> list[int]:
    """Of each place."""
    return [sum(each) for each in zip(*columns, strict=True)] if columns else [0] * places
