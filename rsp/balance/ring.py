"""Consistent hashing on a ring (Karger et al., 1997; ketama, nginx's ``hash ... consistent``).

Each peer stands at many points of a circle of 2**64 positions, the more the higher its weight; a key belongs to the
next point.  When a peer goes, its keys go to the peer that comes next, which is a different one for each of its points;
no other keys move.  Points depend on the peers' names alone, so every worker and every instance agrees.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Final

# For a weight of 1.  Shares of the circle then differ by some 4 % (1 / sqrt(512)).
POINTS: Final = 512
_MOST_POINTS: Final = 1 << 15  # for all peers together, or
_LEAST_POINTS: Final = 64  # times the number of peers
_AT_ONCE: Final = 8  # positions in one digest


def position(key: bytes) -> int:
    """Where on the circle ``key`` is."""
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "little")


class Ring:
    """``names`` and ``weights`` of the peers; answers are indexes into them."""

    def __init__(self, names: Sequence[bytes], weights: Sequence[float]) -> None:
        # Halved until it fits, so that a peer's points hardly ever depend on the others.
        points = float(POINTS)
        while points * sum(weights) > max(_MOST_POINTS, _LEAST_POINTS * len(weights)):
            points /= 2
        owned: list[tuple[int, int]] = []
        for index, (name, weight) in enumerate(zip(names, weights, strict=True)):
            for number in range(max(weight > 0, round(points * weight / _AT_ONCE))):
                digest = blake2b(b"%d %b" % (number, name)).digest()
                owned += [(point, index) for point in array("Q", digest)]
        owned.sort()
        self._points = array("Q", (point for point, _ in owned))
        self._owners = array("H", (owner for _, owner in owned))

    def walk(self, start: int) -> Iterator[int]:
        """Owners from position ``start`` on, once around; the same one may come again."""
        first = bisect_left(self._points, start)
        for index in range(first, len(self._owners)):
            yield self._owners[index]
        for index in range(first):
            yield self._owners[index]
