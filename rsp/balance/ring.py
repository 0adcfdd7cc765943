"""Consistent hashing on a ring (Karger et al., 1997; ketama, nginx's ``hash ... consistent``).

Each peer stands at many points of a circle of 2**64 positions, the more the higher its weight; a key belongs to the
next point.  When a peer goes, its keys go to the peer that comes next, which is a different one for each of its points;
no other keys move.  Points depend on the peers' names alone, so every worker and every instance agrees.

The circle is cut into arcs, each with its points in order, so that a peer that comes or goes costs its own points and
no others: some 40 us, where sorting the points of 10,000 peers anew takes half a second.
"""

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final

# For a weight of 1.  Shares of the circle then differ by some 4 % (1 / sqrt(512)).
POINTS: Final = 512
_MOST_POINTS: Final = 1 << 15  # for all peers together, or
_LEAST_POINTS: Final = 64  # times the number of peers
_AT_ONCE: Final = 8  # positions in one digest
_OWNER: Final = 0xFFFF  # the lowest bits of a point say whose it is
_POINT: Final = (1 << 64) - 1 - _OWNER
_IN_AN_ARC: Final = 6  # as a power of 2: points


def position(key: bytes) -> int:
    """Where on the circle ``key`` is."""
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "little")


def points_for(count: int, weights: float) -> float:
    """Points of a peer for each 1 of its weight, where there are ``count`` peers whose weights add up to ``weights``.

    Halved until they fit, so that a peer's points hardly ever depend on the others.
    """
    points = float(POINTS)
    while points * weights > max(_MOST_POINTS, _LEAST_POINTS * count):
        points /= 2
    return points


def groups(points: float, weight: float) -> int:
    """A peer with ``weight`` has so many groups of points."""
    return max(int(weight > 0), round(points * weight / _AT_ONCE))


def _group(name: bytes, number: int) -> "array[int]":
    return array("Q", blake2b(b"%d %b" % (number, name)).digest())


class Ring:
    """``peers``: name, number below 2**16, and how many groups of points each has.  Answers are numbers."""

    def __init__(self, peers: Iterable[tuple[bytes, int, int]] = ()) -> None:
        points = [
            point & _POINT | owner
            for name, owner, many in peers
            for number in range(many)
            for point in _group(name, number)
        ]
        points.sort()
        bits = max(0, len(points).bit_length() - _IN_AN_ARC)
        self._shift = 64 - bits
        self._arcs = []
        start = 0
        for arc in range(1 << bits):
            end = bisect_left(points, arc + 1 << self._shift, start)
            self._arcs.append(array("Q", points[start:end]))
            start = end

    def put(self, name: bytes, owner: int, first: int, end: int) -> None:
        """A peer gets the groups of points from ``first`` to ``end``."""
        for number in range(first, end):
            for point in _group(name, number):
                insort(self._arcs[point >> self._shift], point & _POINT | owner)

    def take(self, name: bytes, owner: int, first: int, end: int) -> None:
        """It loses them."""
        for number in range(first, end):
            for point in _group(name, number):
                arc, known = self._arcs[point >> self._shift], point & _POINT | owner
                index = bisect_left(arc, known)
                if index < len(arc) and arc[index] == known:
                    del arc[index]

    def walk(self, start: int) -> Iterator[int]:
        """Owners from position ``start`` on, once around; an owner may come again."""
        first, arcs = start >> self._shift, self._arcs
        index = bisect_left(arcs[first], start & _POINT)
        for point in arcs[first][index:]:
            yield point & _OWNER
        for number in (*range(first + 1, len(arcs)), *range(first)):
            for point in arcs[number]:
                yield point & _OWNER
        for point in arcs[first][:index]:
            yield point & _OWNER
