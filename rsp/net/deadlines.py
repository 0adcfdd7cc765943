"""What has a deadline, and which of it is due: a share at a time, because tens of thousands take milliseconds.

No clock and no loop here: ``context.py`` has them.
"""

from collections.abc import Iterator
from typing import Final, Protocol

SHARES: Final = 31


class Waiting(Protocol):
    """What has a deadline."""

    def is_due(self, now: float) -> bool: ...

    def expire(self) -> None:
        """The deadline has passed; ``is_due`` said so a moment ago, and it has not been discarded since."""


class Deadlines:
    """A set, in :data:`SHARES` sets.

    Objects in the same 16 KB of memory are in the same one: a walk from page to page takes three times as long.  (The
    hash of an object is its address, divided by 16.)
    """

    __slots__ = ("_shares", "_size")

    def __init__(self) -> None:
        self._shares: list[set[Waiting]] = [set() for _ in range(SHARES)]
        self._size = 0

    def add(self, waiting: Waiting) -> None:
        share = self._shares[(hash(waiting) >> 10) % len(self._shares)]
        self._size -= len(share)
        share.add(waiting)
        self._size += len(share)

    def discard(self, waiting: Waiting) -> None:
        share = self._shares[(hash(waiting) >> 10) % len(self._shares)]
        self._size -= len(share)
        share.discard(waiting)
        self._size += len(share)

    def __contains__(self, waiting: object) -> bool:
        return waiting in self._shares[(hash(waiting) >> 10) % len(self._shares)]

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Waiting]:
        for share in self._shares:
            yield from share

    def note_due(self, number: int, now: float, due: set[Waiting]) -> int:
        """Add what is due in a share to ``due``; how many that share has."""
        share = self._shares[number]
        due.update([waiting for waiting in share if waiting.is_due(now)])
        return len(share)
