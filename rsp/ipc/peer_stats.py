"""A peer's place in the scoreboard as one process sees it: its own tally to write, the marks, everybody's to read.

On a request's way, so it has a compiled layout and nothing in it allocates.  Sums wrap: another
process may have written anything.
"""

from typing import Final

from rsp.ipc.scoreboard import (
    FIRST_PLACE,
    MARKS,
    MOST,
    PLACE,
    RETIRED_ROW,
    ROW,
    SLOTS,
    TALLY,
    Cell,
    Health,
    Mark,
    Scoreboard,
    Standing,
    Tally,
)  # fmt: skip

_ROWS_AT: Final = RETIRED_ROW * ROW + int(Cell.ROWS)
_MARKS: Final = MARKS
_MOST: Final = MOST
_SLOTS: Final = SLOTS
_TALLY: Final = TALLY
_EJECTED_UNTIL: Final = int(Mark.EJECTED_UNTIL)
_HEALTH: Final = int(Mark.HEALTH)
_DRAIN: Final = int(Mark.DRAIN)
_HEALTH_DOUBTFUL: Final = int(Health.DOUBTFUL)
_HEALTH_DEAD: Final = int(Health.DEAD)
_LAST_SUCCESS: Final = int(Tally.LAST_SUCCESS)
_LATENCY: Final = int(Tally.LATENCY)
_REQUESTS: Final = int(Tally.REQUESTS)
_ERRORS: Final = int(Tally.ERRORS)
_FAILURES: Final = int(Tally.FAILURES)
_LATENCY_SUM: Final = int(Tally.LATENCY_SUM)
_RUN: Final = int(Tally.RUN)
_LAST_FAILURE: Final = int(Tally.LAST_FAILURE)

_OPEN: Final = int(Standing.OPEN)
_HALF_OPEN: Final = int(Standing.HALF_OPEN)
_DOUBTFUL: Final = int(Standing.DOUBTFUL)
_OUT: Final = int(Standing.OUT)
_DRAINED: Final = int(Standing.DRAINED)


class PeerStats:
    """``number``: of the place; ``row``: the process's own."""

    __slots__ = ("_cells", "_own", "_start", "number")

    def __init__(self, scoreboard: Scoreboard, number: int, row: int) -> None:
        self.number = number
        self._cells = scoreboard.cells
        self._start = FIRST_PLACE + number * PLACE
        self._own = self._start + _MARKS + row * _TALLY

    def standing(self, now: int) -> int:
        """A :class:`Standing`; ``now`` in milliseconds."""
        cells, start = self._cells, self._start
        if cells[start + _DRAIN]:
            return _DRAINED
        health = cells[start + _HEALTH]
        if health == _HEALTH_DEAD:
            return _OUT
        until = cells[start + _EJECTED_UNTIL]
        if until:
            return _OUT if until > now else _HALF_OPEN
        return _DOUBTFUL if health == _HEALTH_DOUBTFUL else _OPEN

    def mark(self, mark: int) -> int:
        return self._cells[self._start + mark]

    def set_mark(self, mark: int, value: int) -> None:
        self._cells[self._start + mark] = value

    def own(self, tally: int) -> int:
        return self._cells[self._own + tally]

    def set_own(self, tally: int, value: int) -> None:
        self._cells[self._own + tally] = value

    def add(self, tally: int, amount: int) -> None:
        """Never below 0."""
        self._cells[self._own + tally] = (self._cells[self._own + tally] + amount) & _MOST

    def total(self, tally: int) -> int:
        """Of all workers that run."""
        cells = self._cells
        at = self._start + _MARKS + tally
        total = 0
        for _ in range(min(cells[_ROWS_AT], _SLOTS)):
            total += cells[at]
            at += _TALLY
        return total

    def answered(self, latency: int, smoothed: int, error: bool) -> None:
        """A response head after ``latency``; ``smoothed``: the mean with it.  In microseconds."""
        cells, own = self._cells, self._own
        cells[own + _REQUESTS] = (cells[own + _REQUESTS] + 1) & _MOST
        if error:
            cells[own + _ERRORS] = (cells[own + _ERRORS] + 1) & _MOST
        cells[own + _LATENCY_SUM] = (cells[own + _LATENCY_SUM] + latency) & _MOST
        cells[own + _LATENCY] = smoothed

    def succeeded(self, now: int) -> None:
        """A whole response, at ``now`` in microseconds: failures in a row end here."""
        cells, own = self._cells, self._own
        cells[own + _LAST_SUCCESS] = now
        if cells[own + _RUN]:
            cells[own + _RUN] = 0

    def last_success(self) -> int:
        """The last whole response to any worker, in microseconds."""
        cells = self._cells
        first = self._start + _MARKS + _LAST_SUCCESS
        last = 0
        for row in range(min(cells[_ROWS_AT], _SLOTS)):
            last = max(last, cells[first + row * _TALLY])
        return last

    def failed(self, now: int, within: int) -> int:
        """A failure at ``now``; returns how many there are in a row, over all workers, none older than ``within``."""
        cells, own = self._cells, self._own
        cells[own + _FAILURES] = (cells[own + _FAILURES] + 1) & _MOST
        fresh = cells[own + _LAST_FAILURE] + within >= now
        cells[own + _RUN] = (cells[own + _RUN] + 1) & _MOST if fresh else 1
        cells[own + _LAST_FAILURE] = now
        success = self.last_success()
        first = self._start + _MARKS
        run = 0
        for row in range(min(cells[_ROWS_AT], _SLOTS)):
            at = first + row * _TALLY
            last = cells[at + _LAST_FAILURE]
            if last > success and last + within >= now:
                run += cells[at + _RUN]
        return run
