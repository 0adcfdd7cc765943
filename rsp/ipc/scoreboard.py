"""The scoreboard: one shared table of 64-bit cells that outlives every process but the master.

Nginx and HAProxy call such a table shared statistics, Apache a scoreboard.  It has two parts: a row for each process,
and a place for each peer.  A place holds marks (what is known of the peer) and a tally for each process (what that
process has running there, and how it went).

Every process can write every cell, a worker that was taken over too.  So a reader takes any value for possible,
sums stop at the largest number that a cell holds, and seals keep the memory from being cut off under a reader.

There are no locks.  What is counted has one writer: a process's own row, its own tally.  Marks are whole values that
are written as one and never counted up, so that several may write them; the last word stands.  Everyone reads all.
Only the few pages that are used exist: the memory is sparse.
"""

import fcntl
from enum import IntEnum
from typing import Final

from rsp.config.units import MOST_WORKERS
from rsp.system import memory

SLOTS: Final = 2 * MOST_WORKERS  # rows: workers that leave have theirs until they are gone
PLACES: Final = 4096  # the most peers that one instance may have
CONTROL_ROW: Final = SLOTS - 2
RETIRED_ROW: Final = SLOTS - 1  # what processes counted that are gone
ROW: Final = 32  # cells in a row
MARKS: Final = 32  # cells for marks and retired counts at the start of a place
TALLY: Final = 16  # cells in a tally
PLACE: Final = MARKS + SLOTS * TALLY
FIRST_PLACE: Final = SLOTS * ROW
MOST: Final = (1 << 64) - 1  # what a cell holds


class Cell(IntEnum):
    """Cells of a process's row.  The master writes those from CPU_MS on, the process all the others."""

    HEARTBEAT = 0  # CLOCK_MONOTONIC in milliseconds at the last tick
    CONNECTIONS = 1  # client connections open now
    ACCEPTED = 2  # client connections ever
    REQUESTS = 3  # exchanges finished
    STATUS_2XX = 4
    STATUS_3XX = 5
    STATUS_4XX = 6
    STATUS_5XX = 7
    BYTES_SENT = 8  # body bytes to clients
    RETRIES = 9
    IN_FLIGHT = 10  # exchanges running now
    QUEUED = 11  # exchanges that wait for a peer
    HEDGES = 12
    CUT = 13  # exchanges that ran when time was up, tunnels aside
    CUT_TUNNELS = 14
    CPU_MS = 16
    RSS = 17  # bytes
    PID = 18  # 0: nobody's row
    SLOT = 19
    VERSION = 20  # of the configuration that it serves
    STARTED = 21  # CLOCK_MONOTONIC in milliseconds
    ROWS = 22  # in the retired row only: one more than the highest row in use


class Mark(IntEnum):
    """Cells at the start of a place.  Times are CLOCK_MONOTONIC in milliseconds; 0: never."""

    EJECTED_UNTIL = 0  # then one request may try it; 0: it is in
    EJECTED_AT = 1
    EJECTIONS = 2  # in a row, for the back-off
    REASON = 3  # of the ejection: Reason
    SINCE = 4  # it came, or came back: slow start counts from here
    HEALTH = 5  # Health, written by the control process
    DRAIN = 6  # no new exchanges; sticky ones and tunnels until then.  Written by the control process, as WEIGHT is
    WEIGHT = 7  # set by an operator: one more than the weight; 0: as configured
    CHECKED = 8  # when active health last looked
    RETIRED = 16  # from here on: sums of the tallies of processes that are gone


class Tally(IntEnum):
    """Cells of one process's tally of a peer."""

    IN_FLIGHT = 0  # exchanges that have the peer now
    CONNECTING = 1
    LAST_SUCCESS = 2  # CLOCK_MONOTONIC in microseconds
    LATENCY = 3  # decaying mean of the time to the response's head, in microseconds
    REQUESTS = 4  # response heads
    ERRORS = 5  # of those, 500 and above
    FAILURES = 6  # no connection, no response, or half of one
    RETRIES = 7  # requests that went on to another peer
    LATENCY_SUM = 8  # microseconds, of all response heads
    RUN = 9  # failures in a row
    LAST_FAILURE = 10  # CLOCK_MONOTONIC in microseconds
    IDLE = 11  # open connections that nobody uses, at the last tick
    WAITING = 12  # exchanges in the queue, of an upstream's first peer only


SUMMED: Final = (Tally.REQUESTS, Tally.ERRORS, Tally.FAILURES, Tally.RETRIES, Tally.LATENCY_SUM)


COUNTED: Final = (
    Cell.ACCEPTED, Cell.REQUESTS, Cell.STATUS_2XX, Cell.STATUS_3XX, Cell.STATUS_4XX, Cell.STATUS_5XX,
    Cell.BYTES_SENT, Cell.RETRIES, Cell.HEDGES, Cell.CUT, Cell.CUT_TUNNELS, Cell.CPU_MS,
)  # fmt: skip


class Health(IntEnum):
    """What active checks say of a peer."""

    UNKNOWN = 0
    UP = 1
    DOUBTFUL = 2  # it answers, but not as it should
    DEAD = 3  # it does not answer


class Standing(IntEnum):
    """Whether a peer may be asked, by its marks."""

    OPEN = 0
    HALF_OPEN = 1  # its time out is over: one request may try it
    DOUBTFUL = 2  # active checks get wrong answers
    OUT = 3  # ejected, or dead for active checks
    DRAINED = 4
    FULL = 5  # no mark says that: it has as many exchanges as it may have


class Reason(IntEnum):
    """Why a peer was ejected."""

    FAILURES = 1
    ERRORS = 2
    LATENCY = 3


class Row:
    """One process's cells, as a mutable sequence indexed by :class:`Cell`."""

    __slots__ = ("_cells", "_start")

    def __init__(self, cells: memoryview, slot: int) -> None:
        self._cells = cells
        self._start = slot * ROW

    def __getitem__(self, cell: Cell) -> int:
        value: int = self._cells[self._start + cell]
        return value

    def __setitem__(self, cell: Cell, value: int) -> None:
        self._cells[self._start + cell] = min(max(value, 0), MOST)


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
        return min(self.row(RETIRED_ROW)[Cell.ROWS], SLOTS)

    # -- places

    def mark(self, place: int, mark: int) -> int:
        value: int = self.cells[FIRST_PLACE + place * PLACE + mark]
        return value

    def set_mark(self, place: int, mark: int, value: int) -> None:
        self.cells[FIRST_PLACE + place * PLACE + mark] = min(max(value, 0), MOST)

    def total(self, place: int, tally: Tally) -> int:
        """Of all processes, those that are gone included where that makes sense."""
        total = sum(self.each(place, tally))
        return min(total + self.mark(place, Mark.RETIRED + tally) if tally in SUMMED else total, MOST)

    def each(self, place: int, tally: Tally) -> list[int]:
        """By row, of all workers."""
        start = FIRST_PLACE + place * PLACE + MARKS + tally
        return [self.cells[start + row * TALLY] for row in range(self.rows)]

    def tally(self, place: int, row: int, tally: Tally) -> int:
        """Of the process that has ``row``."""
        value: int = self.cells[FIRST_PLACE + place * PLACE + MARKS + row * TALLY + tally]
        return value

    def clear_place(self, place: int) -> None:
        """For a new peer."""
        start = FIRST_PLACE + place * PLACE
        for cell in range(start, start + MARKS + self.rows * TALLY):
            self.cells[cell] = 0

    def retire(self, row: int, places: int) -> None:
        """The process of ``row`` is gone: what it counted, at the first ``places`` too, goes to the retired sums."""
        own, retired = self.row(row), self.row(RETIRED_ROW)
        for counted in COUNTED:
            retired[counted] = min(retired[counted] + own[counted], MOST)
            own[counted] = 0
        for place in range(places):
            start = FIRST_PLACE + place * PLACE
            tally = start + MARKS + row * TALLY
            for cell in SUMMED:
                retired_at = start + Mark.RETIRED + cell
                self.cells[retired_at] = min(self.cells[retired_at] + self.cells[tally + cell], MOST)
            for offset in range(TALLY):
                self.cells[tally + offset] = 0

    def eject(self, place: int, reason: Reason, times: int, now: float, seconds: float) -> None:
        """It is out from ``now`` (CLOCK_MONOTONIC in seconds) for ``seconds``, for the ``times``-th time in a row."""
        self.set_mark(place, Mark.REASON, reason)
        self.set_mark(place, Mark.EJECTIONS, times)
        # One more: what was asked for in the same millisecond was asked for before.
        self.set_mark(place, Mark.EJECTED_AT, int(now * 1000) + 1)
        self.set_mark(place, Mark.EJECTED_UNTIL, int((now + seconds) * 1000))

    # -- who alone may try an ejected peer

    def claim(self, place: int) -> bool:
        """One process for each place; the kernel frees it when that process dies."""
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except OSError:
            return False
        return True

    def disclaim(self, place: int) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, place)
