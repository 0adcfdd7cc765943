"""What has been, at falling resolution: rates and percentiles of counters, in memory, bounded.

A *track* belongs to one thing (all traffic, a route, an upstream, a peer).  It is told what has been counted so far,
about once a second, and keeps rates: a second each for five minutes, ten seconds each for an hour, a minute each for a
day.  A level computes its points from counters of its own last point, so nothing is averaged twice, and percentiles are
those of all requests in between.
"""

from array import array
from collections.abc import Sequence, Set
from math import isnan, nan
from typing import Final, NamedTuple

SHARES: Final = (0.5, 0.9, 0.99)


class Resolution(NamedTuple):
    """``points``, one each ``step`` seconds."""

    step: int
    points: int

    @property
    def reach(self) -> int:
        """Seconds."""
        return self.step * self.points


RESOLUTIONS: Final = (Resolution(1, 300), Resolution(10, 360), Resolution(60, 1440))
SHORT: Final = (Resolution(5, 60),)


def quantile(bounds: Sequence[float], counts: Sequence[int], share: float) -> float:
    """The value below which ``share`` of the observations are, by a histogram: linear within a bucket, as Prometheus
    estimates it.  ``counts``: of each bucket, the last one without a bound.  NaN: there were no observations."""
    total = sum(counts)
    if not total:
        return nan
    rank, below, lower = share * total, 0, 0.0
    for bound, count in zip(bounds, counts, strict=False):
        if count and below + count >= rank:
            return lower + (bound - lower) * max(0.0, rank - below) / count
        below += count
        lower = bound
    return lower


class Level:
    """The newest points of one resolution.  A point: a rate for each counter, then percentiles."""

    def __init__(self, resolution: Resolution, width: int) -> None:
        self.resolution = resolution
        self.end = 0  # number of the next point: its time, in steps
        self._width = width
        self._points = array("f")
        self._at = 0.0
        self._counts: Sequence[int] = ()
        self._histogram: Sequence[int] = ()

    def add(self, now: float, counts: Sequence[int], bounds: Sequence[float], histogram: Sequence[int]) -> None:
        """What has been counted until ``now``, in seconds."""
        number = int(now // self.resolution.step)
        if not self._counts:
            self.end, self._at, self._counts, self._histogram = number, now, counts, histogram
        elif number > self.end:
            point = self._point(now - self._at, counts, bounds, histogram)
            for _ in range(min(number - self.end, self.resolution.points)):  # several after a pause
                self._put(point)
            self.end, self._at, self._counts, self._histogram = number, now, counts, histogram

    def _point(
        self, seconds: float, counts: Sequence[int], bounds: Sequence[float], histogram: Sequence[int]
    ) -> list[float]:
        point = [max(0, new - old) / seconds for new, old in zip(counts, self._counts, strict=True)]
        if bounds:
            between = [max(0, new - old) for new, old in zip(histogram, self._histogram, strict=False)]
            point += [quantile(bounds, between, share) for share in SHARES]
        return point

    def _put(self, point: list[float]) -> None:
        self._points.extend(point)
        surplus = len(self._points) // self._width - self.resolution.points
        if surplus > self.resolution.points // 10:  # one move for many points
            del self._points[: surplus * self._width]

    def column(self, index: int) -> list[float | None]:
        """The oldest first; ``None``: no requests."""
        newest = self._points[index :: self._width][-self.resolution.points :]
        return [None if isnan(value) else round(value, 6) for value in newest]


class Track:
    """``bounds``: of the histogram that comes with the counters; without: there is none."""

    def __init__(
        self, counters: Sequence[str], bounds: Sequence[float] = (), resolutions: Sequence[Resolution] = RESOLUTIONS
    ) -> None:
        self.names = (*counters, *(f"p{share * 100:g}" for share in SHARES if bounds))
        self.levels = [Level(resolution, len(self.names)) for resolution in resolutions]
        self.active = 0.0  # when it was last counted something
        self._bounds = bounds
        self._requests = -1

    @property
    def has_times(self) -> bool:
        return bool(self._bounds)

    def add(self, now: float, counts: Sequence[int], histogram: Sequence[int] = ()) -> None:
        """``counts``: of each counter until now, requests first."""
        if counts[0] != self._requests:
            self._requests, self.active = counts[0], now
        for level in self.levels:
            level.add(now, counts, self._bounds, histogram)

    def points(self, seconds: float) -> dict[str, object]:
        """Those of the finest level that reaches back so far; ``end``: when the last one ends, by the clock of
        :meth:`add`."""
        level = next((level for level in self.levels if level.resolution.reach >= seconds), self.levels[-1])
        most = min(level.resolution.points, int(-(-seconds // level.resolution.step)))
        columns = {name: level.column(index)[-most:] for index, name in enumerate(self.names)}
        return {"step": level.resolution.step, "end": level.end * level.resolution.step, "columns": columns}

    def column(self, name: str) -> list[float | None]:
        """Of the finest level."""
        return self.levels[0].column(self.names.index(name))


class Tracks:
    """Tracks by name, at most ``most``: where there are more things than that, those with traffic have one.

    ``bounds``: of histograms; things that come without one have no percentiles.
    """

    _IDLE = 60.0  # seconds without traffic after which a track's place may go to another

    def __init__(
        self,
        most: int,
        counters: Sequence[str],
        bounds: Sequence[float] = (),
        resolutions: Sequence[Resolution] = RESOLUTIONS,
    ) -> None:
        self._most = most
        self._counters, self._bounds, self._resolutions = counters, bounds, resolutions
        self._tracks: dict[str, Track] = {}
        self._busy_until = 0.0  # no series in use has been idle longer than since then

    def __len__(self) -> int:
        return len(self._tracks)

    def get(self, name: str) -> Track | None:
        return self._tracks.get(name)

    def add(self, name: str, now: float, counts: Sequence[int], histogram: Sequence[int] = ()) -> None:
        track = self._tracks.get(name)
        if track is None or track.has_times != bool(histogram):
            if track is None and len(self._tracks) >= self._most and not (counts[0] and self._make_room(now)):
                return
            track = Track(self._counters, self._bounds if histogram else (), self._resolutions)
            self._tracks[name] = track
        track.add(now, counts, histogram)

    def _make_room(self, now: float) -> bool:
        if now < self._busy_until:
            return False
        name, track = min(self._tracks.items(), key=lambda item: item[1].active)
        self._busy_until = track.active + self._IDLE
        if now < self._busy_until:
            return False
        del self._tracks[name]
        return True

    def keep(self, names: Set[str]) -> None:
        """Nothing else exists any more."""
        for name in self._tracks.keys() - names:
            del self._tracks[name]
