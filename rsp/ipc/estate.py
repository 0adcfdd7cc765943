"""What a master leaves to its successor: where its counters are in memory, by names, so that other versions of the code
can read them.

Workers of the predecessor go on counting until they have finished.  Until then the successor reads their memory, and
adds what it says to its own; then it takes it over for good (``supervise/heritage.py``).
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

MASK: Final = (1 << 64) - 1
_Index = Annotated[int, Meta(ge=0, lt=1 << 40)]


class Group(msgspec.Struct, frozen=True):
    """Counters of one kind.  ``cells``: the names of a block's cells; ``blocks``: labels and place of each block.

    ``memory``   0: the sheet, 1: the scoreboard
    ``columns``  how far behind its place a block stands again, for each process; its counts are the sum of all
    ``less``     how far behind its place there is what does not count, in as many cells; -1: nothing
    """

    family: str
    memory: Annotated[int, Meta(ge=0, le=1)]
    columns: list[_Index]
    cells: dict[str, _Index]
    blocks: list[tuple[tuple[str, ...], _Index]]
    less: int = -1


class Estate(msgspec.Struct, frozen=True):
    """``sequence``: the cell of the scoreboard that is odd, or changes, while counts are moved."""

    sequence: _Index
    groups: list[Group]


class Legacy:
    """One block of a predecessor's, its ``number``-th.  ``generation``: which predecessor that is.

    ``picks``: the places of its cells, in our order; -1: it has no such cell.
    """

    __slots__ = ("_columns", "_less", "_memory", "_picks", "_whole", "generation", "number")

    def __init__(
        self, memory: memoryview, group: Group, at: int, picks: list[int], generation: int, number: int
    ) -> None:
        """Raises :class:`IndexError` where it is not within ``memory``."""
        self.generation = generation
        self.number = number
        self._memory = memory
        self._columns = [at + column for column in group.columns]
        self._less = at + group.less if group.less >= 0 else -1
        self._picks = picks
        self._whole = picks == list(range(len(picks)))
        last = max((*self._columns, self._less), default=0) + max(picks, default=0)
        if last >= len(memory):
            raise IndexError(f"a block ends at {last} of {len(memory)} cells")

    @property
    def size(self) -> int:
        """How many of our cells it has."""
        return len(self._picks)

    def cells(self, size: int) -> list[int]:
        """What its first ``size`` cells have counted, in our order."""
        counts = [sum(each) for each in zip(*map(self._read, self._columns), strict=True)]
        if self._less >= 0:
            counts = [(count - less) & MASK for count, less in zip(counts, self._read(self._less), strict=True)]
        return (counts + [0] * size)[:size]

    def _read(self, start: int) -> list[int]:
        memory = self._memory
        if self._whole:
            return memory[start : start + len(self._picks)].tolist()
        return [memory[start + pick] if pick >= 0 else 0 for pick in self._picks]


Inherited = dict[int, list[Legacy]]  # by the place of our own block
