"""The sheet: what all processes have counted for routes, upstreams and listeners, in shared memory.

A column of cells for each process, by its row in the scoreboard, and one for the master.  A *block* is the cells of one
series, at the same place in each column; its totals are the sums over all columns.  Each process writes its own column
alone, at the moment when something is counted, and no column is ever cleared: the next process with that row counts
on.  So a process that is killed takes no count with it, and no total ever goes backwards.

The master alone decides which block is whose (``series_table.py``), and moves totals between blocks by what it writes
into its own column; sums wrap, so that may be less than nothing.  The memory is sparse: only what is used exists.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Final

import msgspec

from rsp.ipc.estate import Inherited
from rsp.ipc.families import Family
from rsp.ipc.scoreboard import MOST, RETIRED_ROW, SLOTS, Scoreboard
from rsp.ipc.series_cells import FAMILIES
from rsp.system import memory

ARENA: Final = 1 << 20  # cells of a column
_AT_ONCE: Final = 64  # blocks that are read in one step

Labels = tuple[str, ...]
Read = tuple[Family, Labels, list[int]]
ReadBlocks = Callable[..., Iterator[Read]]  # of the families that are named, or of all: as :meth:`Sheet.blocks`


def _fixed() -> tuple[dict[str, tuple[int, int]], int]:
    blocks, at = {}, 0
    for family in FAMILIES.values():
        blocks[family.name] = (at, at + family.size)
        at += 2 * family.size
    return blocks, at


# The blocks of each family for what is gone, labelled "removed", and for what there was no room for, "other".
FIXED, FIRST = _fixed()
REMOVED: Final = "removed"
OTHER: Final = "other"


class Block(msgspec.Struct, frozen=True, array_like=True):
    """A series, and where its cells are."""

    family: str
    labels: Labels
    at: int


class Contents(msgspec.Struct, frozen=True):
    """``blocks``: those in use; ``removed``: those whose routes, upstreams and listeners are gone, by family: the place
    of one, and how many there are side by side."""

    blocks: list[Block] = []
    removed: dict[str, list[tuple[int, int]]] = {}


class Sheet:
    """Create it before forking; children share the memory."""

    def __init__(self, board: Scoreboard) -> None:
        self.board = board
        self.descriptor, self.memory = memory.shared("rsp-sheet", SLOTS * ARENA * 8)
        self.cells = memoryview(self.memory).cast("Q")
        self.inherited: Inherited = {}

    def sums(self, at: int, size: int) -> list[int]:
        """The totals of the cells of the block at ``at``."""
        starts = (row * ARENA + at for row in (*range(self.board.rows), RETIRED_ROW))
        columns = [self.cells[start : start + size].tolist() for start in starts]
        if self.inherited:
            columns += [legacy.cells(size) for legacy in self.inherited.get(at, ()) if self.board.counts(legacy)]
        return [total & MOST for total in map(sum, zip(*columns, strict=True))]

    def is_inherited(self, at: int) -> bool:
        """Whether a predecessor still counts for the block at ``at``."""
        return any(map(self.board.counts, self.inherited.get(at, ())))

    def add(self, at: int, amounts: Iterable[int]) -> None:
        """The master's, within :meth:`Scoreboard.moving` where that is a part of a move."""
        start = RETIRED_ROW * ARENA + at
        for index, amount in enumerate(amounts, start):
            self.cells[index] = (self.cells[index] + amount) & MOST

    def blocks(self, contents: Contents, *families: str) -> Iterator[Read]:
        """All series of ``families``, or all there are, with their cells' totals, a few at a time."""
        wanted = families or tuple(FAMILIES)
        yield from (self._gone(FAMILIES[name], contents.removed.get(name, [])) for name in wanted)
        blocks = (block for block in contents.blocks if block.family in wanted)
        while some := list(islice(blocks, _AT_ONCE)):
            yield from self.board.consistent(partial(self._read, some))
        for name in wanted:
            family = FAMILIES[name]
            yield family, (OTHER,) * len(family.labels), self.sums(FIXED[name][1], family.size)

    def _read(self, blocks: list[Block]) -> list[Read]:
        families = ((block, FAMILIES[block.family]) for block in blocks)
        return [(family, block.labels, self.sums(block.at, family.size)) for block, family in families]

    def _gone(self, family: Family, removed: list[tuple[int, int]]) -> Read:
        """What the series that have been removed had counted, all together."""

        def read() -> list[int]:
            each = [self._run(at, count, family.size) for at, count in ((FIXED[family.name][0], 1), *removed)]
            return [total & MOST for total in map(sum, zip(*each, strict=True))]

        return family, (REMOVED,) * len(family.labels), self.board.consistent(read)

    def _run(self, at: int, count: int, size: int) -> list[int]:
        """The sums of the totals of blocks side by side."""
        if count == 1 or self.inherited:
            each = (self.sums(at + index * size, size) for index in range(count))
            return list(map(sum, zip(*each, strict=True)))
        starts = (row * ARENA + at for row in (*range(self.board.rows), RETIRED_ROW))
        columns = [self.cells[start : start + count * size].tolist() for start in starts]
        return [sum(sum(column[cell::size]) for column in columns) for cell in range(size)]
