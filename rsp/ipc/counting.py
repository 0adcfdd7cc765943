"""What one process counts for the routes, upstreams and listeners of a configuration: their blocks in its column."""

from rsp.ipc.scoreboard import Scoreboard
from rsp.ipc.series import ListenerSeries, RouteSeries, TimesSeries
from rsp.ipc.series_cells import LISTENER, ROUTE, ROUTE_TIMES, UPSTREAM
from rsp.ipc.sheet import ARENA, FIXED, Contents, Labels, Sheet


class Counting:
    """``row``: the process's, in the scoreboard.  What ``contents`` does not have is counted as "other"."""

    def __init__(self, sheet: Sheet, row: int, contents: Contents) -> None:
        self._cells = sheet.cells
        self._start = row * ARENA
        self._at = {(block.family, block.labels): block.at for block in contents.blocks}

    @classmethod
    def alone(cls, board: Scoreboard, row: int) -> "Counting":
        """For a process that no master has forked."""
        return cls(Sheet(board), row, Contents())

    def route(self, name: str, upstream: str) -> RouteSeries:
        """``name`` empty: of requests without a route; ``upstream`` empty: that are sent to none."""
        return RouteSeries(self._cells, self._first(ROUTE.name, (name, upstream)))

    def listener(self, address: str) -> ListenerSeries:
        return ListenerSeries(self._cells, self._first(LISTENER.name, (address,)))

    def upstream(self, name: str) -> TimesSeries:
        return TimesSeries(self._cells, self._first(UPSTREAM.name, (name,)))

    def route_times(self, name: str) -> TimesSeries:
        return TimesSeries(self._cells, self._first(ROUTE_TIMES.name, (name,)))

    def _first(self, family: str, labels: Labels) -> int:
        return self._start + self._at.get((family, labels), FIXED[family][1])
