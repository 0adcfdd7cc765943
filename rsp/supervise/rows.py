"""The workers' rows of the scoreboard: which are free, and what their workers have counted, the ended ones included."""

import heapq
from typing import Final

from rsp.ipc import peer_cells, worker_cells
from rsp.ipc.scoreboard import CONTROL_ROW, RETIRED_ROW, Row, Scoreboard
from rsp.supervise.canary import Sample

MOST: Final = CONTROL_ROW  # workers at a time, those that finish included
_RESPONSES: Final = (peer_cells.REQUESTS, peer_cells.LATENCY_SUM)


class Rows:
    """A worker has a row from its start until the master has seen its end."""

    def __init__(self, scoreboard: Scoreboard) -> None:
        self._scoreboard = scoreboard
        self._retired = scoreboard.row(RETIRED_ROW)
        self._free = list(range(MOST))  # a heap: the lowest is used first
        self._used: dict[int, Row] = {}

    def take(self) -> int | None:
        """The number of a row for a new worker, with nothing in it; ``None`` if all are in use."""
        if not self._free:
            return None
        number = heapq.heappop(self._free)
        row = self._used[number] = self._scoreboard.row(number)
        row.clear()
        self._retired[worker_cells.ROWS] = max(self._retired[worker_cells.ROWS], number + 1)
        return number

    def put_back(self, number: int) -> None:
        """No worker has used it."""
        del self._used[number]
        heapq.heappush(self._free, number)

    def retire(self, number: int, places: int) -> None:
        """The row's worker has ended: what it counted, at the first ``places`` peers too, is kept."""
        self._scoreboard.retire(number, places)
        self.put_back(number)

    def total(self, cell: int) -> int:
        """Of all workers, those that have ended included."""
        return self._retired[cell] + sum(row[cell] for row in self._used.values())

    def note(self, cell: int) -> None:
        """What the master counts: one more."""
        self._retired[cell] += 1

    def stage(self, stage: int) -> None:
        """What the master is at: ``worker_cells.SERVING`` and so on."""
        self._retired[worker_cells.STAGE] = stage

    def sample(self, number: int, places: int) -> Sample:
        """The responses of one worker since its start."""
        board, row = self._scoreboard, self._scoreboard.row(number)
        responses, seconds = (sum(board.column(number, cell, places)) for cell in _RESPONSES)
        return Sample(row[worker_cells.REQUESTS], row[worker_cells.STATUS_5XX], responses, seconds / 1e6)

    def sample_of_all(self, places: int) -> Sample:
        """The responses of all workers since the master's start."""
        board = self._scoreboard
        responses, seconds = (sum(board.totals(cell, places)) for cell in _RESPONSES)
        requests, errors = self.total(worker_cells.REQUESTS), self.total(worker_cells.STATUS_5XX)
        return Sample(requests, errors, responses, seconds / 1e6)
