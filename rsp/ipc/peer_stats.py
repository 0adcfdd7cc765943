"""A peer's place in the scoreboard as one process sees it: its own tally to write, the marks and all tallies to read.

On a request's way, so it has a twin in C, ``peer_stats.pyx``, and nothing in it allocates.  Sums wrap: another process
may have written anything.
"""

from typing import Final

from rsp.ipc.peer_cells import (
    ERRORS,
    FAILURES,
    LAST_FAILURE,
    LAST_SUCCESS,
    LATENCY,
    LATENCY_SUM,
    REQUESTS,
    RUN,
    STATUS_1XX,
)  # fmt: skip
from rsp.ipc.peer_marks import DRAIN, EJECTED_UNTIL, HEALTH, HEALTH_DEAD, HEALTH_DOUBTFUL
from rsp.ipc.scoreboard import MOST, RETIRED_ROW, SLOTS, SPAN, Scoreboard, marks_at, tally_at
from rsp.ipc.standing import DOUBTFUL, DRAINED, HALF_OPEN, OPEN, OUT
from rsp.ipc.worker_cells import ROW, ROWS

_ROWS_AT: Final = RETIRED_ROW * ROW + ROWS


class PeerStats:
    """``number``: of the place; ``row``: the process's own."""

    __slots__ = ("_cells", "_first", "_marks", "_own", "number")

    def __init__(self, scoreboard: Scoreboard, number: int, row: int) -> None:
        self.number = number
        self._cells = scoreboard.cells
        self._marks = marks_at(number)
        self._first = tally_at(number, 0)
        self._own = tally_at(number, row)

    def standing(self, now: int) -> int:
        """A ``standing``; ``now`` in milliseconds."""
        cells, start = self._cells, self._marks
        if cells[start + DRAIN]:
            return DRAINED
        health = cells[start + HEALTH]
        if health == HEALTH_DEAD:
            return OUT
        until = cells[start + EJECTED_UNTIL]
        if until:
            return OUT if until > now else HALF_OPEN
        return DOUBTFUL if health == HEALTH_DOUBTFUL else OPEN

    def mark(self, mark: int) -> int:
        return self._cells[self._marks + mark]

    def set_mark(self, mark: int, value: int) -> None:
        self._cells[self._marks + mark] = value

    def own(self, tally: int) -> int:
        return self._cells[self._own + tally]

    def set_own(self, tally: int, value: int) -> None:
        self._cells[self._own + tally] = value

    def add(self, tally: int, amount: int) -> None:
        """Never below 0."""
        self._cells[self._own + tally] = (self._cells[self._own + tally] + amount) & MOST

    def total(self, tally: int) -> int:
        """Of all workers that run."""
        cells = self._cells
        at = self._first + tally
        total = 0
        for _ in range(min(cells[_ROWS_AT], SLOTS)):
            total += cells[at]
            at += SPAN
        return total

    def answered(self, latency: int, smoothed: int, status: int) -> None:
        """A response head after ``latency``; ``smoothed``: the mean with it.  In microseconds."""
        cells, own = self._cells, self._own
        self.count_status(status)
        if status >= 500:
            cells[own + ERRORS] = (cells[own + ERRORS] + 1) & MOST
        cells[own + LATENCY_SUM] = (cells[own + LATENCY_SUM] + latency) & MOST
        cells[own + LATENCY] = smoothed

    def count_status(self, status: int) -> None:
        """A response head."""
        cells, own = self._cells, self._own
        cells[own + REQUESTS] = (cells[own + REQUESTS] + 1) & MOST
        number = min(max(status // 100, 1), 5) - 1
        cells[own + STATUS_1XX + number] = (cells[own + STATUS_1XX + number] + 1) & MOST

    def succeeded(self, now: int) -> None:
        """A whole response, at ``now`` in microseconds: failures in a row end here."""
        cells, own = self._cells, self._own
        cells[own + LAST_SUCCESS] = now
        if cells[own + RUN]:
            cells[own + RUN] = 0

    def last_success(self) -> int:
        """The last whole response to any worker, in microseconds."""
        cells = self._cells
        first = self._first + LAST_SUCCESS
        last = 0
        for row in range(min(cells[_ROWS_AT], SLOTS)):
            last = max(last, cells[first + row * SPAN])
        return last

    def failed(self, now: int, within: int) -> int:
        """A failure at ``now``; returns how many there are in a row, over all workers, none older than ``within``."""
        cells, own = self._cells, self._own
        cells[own + FAILURES] = (cells[own + FAILURES] + 1) & MOST
        fresh = cells[own + LAST_FAILURE] + within >= now
        cells[own + RUN] = (cells[own + RUN] + 1) & MOST if fresh else 1
        cells[own + LAST_FAILURE] = now
        success = self.last_success()
        first = self._first
        run = 0
        for row in range(min(cells[_ROWS_AT], SLOTS)):
            at = first + row * SPAN
            last = cells[at + LAST_FAILURE]
            if last > success and last + within >= now:
                run += cells[at + RUN]
        return run
