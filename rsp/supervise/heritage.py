"""Counters over an upgrade: what predecessors have counted, and count until their last worker has finished.

The successor is given their memory with a list of what is where, and a socket that ends with the last of their
processes.  Until then their counts are read where they are, by every process that shows counters; then the master adds
them to its own, a few blocks at a time.  So no total goes backwards, and no count is lost.
"""

import mmap
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from rsp.config.units import Peer
from rsp.ipc import peer_cells, worker_cells
from rsp.ipc.estate import MASK, Estate, Group, Inherited, Legacy
from rsp.ipc.families import Family
from rsp.ipc.metrics import Metric
from rsp.ipc.peer_registry import PeerRegistry
from rsp.ipc.scoreboard import (
    BASE_ROW,
    CONTROL_ROW,
    INHERITED_ROW,
    PLACES,
    REMOVED_PLACE,
    RETIRED_ROW,
    SEQUENCE_AT,
    SPAN,
    tally_at,
)  # fmt: skip
from rsp.ipc.series_cells import FAMILIES
from rsp.ipc.series_table import SeriesRegistry
from rsp.ipc.sheet import ARENA, FIXED, OTHER, REMOVED, Labels, Sheet
from rsp.logs import log

MOST: Final = worker_cells.PREDECESSORS
PARTS: Final = 3  # descriptors of each: the sheet, the scoreboard, what ends with its processes
_SHEET: Final = 0
_BOARD: Final = 1
_WORKER: Final = "worker"
_PEER: Final = "peer"
# Workers, and peers, that a predecessor may yet start and get.
_MORE_ROWS: Final = 4
_MORE_PLACES: Final = 64
_AT_ONCE: Final = 32


class Heritage:
    """``sheet``: this instance's own.  ``kept``: of predecessors, none of which has to be there."""

    def __init__(self, sheet: Sheet, kept: "list[Ancestor]") -> None:
        self._sheet = sheet
        self._kept = dict(enumerate(kept[:MOST]))
        self._handing = False  # a successor reads what we keep where it is
        self._series: SeriesRegistry
        self._table: PeerRegistry
        self._life, self._alive = socket.socketpair()  # all our processes have the second

    def link(self, series: SeriesRegistry, table: PeerRegistry) -> None:
        """From here on what predecessors count is a part of our totals.  Before any child is started."""
        self._series, self._table = series, table
        board = self._sheet.board
        for generation, ancestor in list(self._kept.items()):
            try:
                found = list(_legacies(ancestor, generation, series, table))
                board.inherit(ancestor.cells[_BOARD], ancestor.estate.sequence, generation)
            except (IndexError, ValueError) as error:
                log.line(f"Counters of the running master cannot be read and restart at zero: {error}", log.WARNING)
                self._forget(generation)
                continue
            for in_sheet, at, legacy in found:
                inherited = self._sheet.inherited if in_sheet else board.inherited
                inherited.setdefault(at, []).append(legacy)

    def look_after(self) -> None:
        """Take over what predecessors have counted of which no process is left."""
        if self._handing:
            return
        for generation, ancestor in list(self._kept.items()):
            if ancestor.is_gone():
                self._take_over(generation)

    def _take_over(self, generation: int) -> None:
        self._fold(generation)
        self._forget(generation)

    def _fold(self, generation: int) -> None:
        """A few blocks at a time, because readers wait."""
        sheet, board = self._sheet, self._sheet.board
        own = [(sheet.cells, RETIRED_ROW * ARENA + at, legacy) for at, legacy in _take(sheet.inherited, generation)]
        own += [(board.cells, at, legacy) for at, legacy in _take(board.inherited, generation)]
        own.sort(key=lambda each: each[2].number)
        for start in range(0, len(own), _AT_ONCE):
            counts = [(cells, at, legacy.cells(legacy.size)) for cells, at, legacy in own[start : start + _AT_ONCE]]
            with board.moving():
                for cells, at, each in counts:
                    for cell, count in enumerate(each, at):
                        cells[cell] = (cells[cell] + count) & MASK
                board.row(RETIRED_ROW)[worker_cells.FOLDED + generation] = start + len(counts)

    def _forget(self, generation: int) -> None:
        self._sheet.board.forget(generation)
        self._kept.pop(generation).close()

    # -- for a successor

    def hand_over(self) -> tuple[list[Estate], list[int]]:
        """What it gets, with its descriptors.  Nothing is taken over meanwhile: it would be counted twice."""
        self._handing = self._series.closed = True
        for generation in list(self._kept)[MOST - 1 :]:  # too many: what the oldest counts from here on is lost
            self._take_over(generation)
        sheet, kept = self._sheet, list(self._kept.values())
        estates = [_estate(sheet, self._series, self._table), *(ancestor.estate for ancestor in kept)]
        descriptors = [sheet.descriptor, sheet.board.descriptor, self._life.fileno()]
        return estates, descriptors + [each for ancestor in kept for each in ancestor.descriptors]

    def keep(self) -> None:
        """There is no successor after all."""
        self._handing = self._series.closed = False

    def private(self) -> set[socket.socket]:
        """What no child may have open."""
        return {self._life, *(ancestor.life for ancestor in self._kept.values())}


class Ancestor:
    """A predecessor whose processes may still count.  ``descriptors``: :data:`PARTS` of them, ours to close."""

    def __init__(self, estate: Estate, descriptors: list[int]) -> None:
        """Raises :class:`OSError`, :class:`ValueError`."""
        self.estate = estate
        self.life = socket.socket(fileno=descriptors[2])
        self._memory = descriptors[:2]
        self.cells = [_mapped(descriptor) for descriptor in self._memory]

    @property
    def descriptors(self) -> list[int]:
        return [*self._memory, self.life.fileno()]

    def is_gone(self) -> bool:
        """Whether none of its processes runs any more."""
        with suppress(BlockingIOError):
            return not self.life.recv(1, socket.MSG_DONTWAIT)
        return False

    def close(self) -> None:
        self.life.close()
        for descriptor in self._memory:
            os.close(descriptor)


def ancestors(estates: list[Estate], descriptors: list[int]) -> list[Ancestor]:
    """What a predecessor hands over, without those that cannot be used."""
    found = []
    for number, estate in enumerate(estates):
        own = descriptors[number * PARTS : (number + 1) * PARTS]
        try:
            if len(own) < PARTS:
                raise ValueError("descriptors are missing")
            found.append(Ancestor(estate, own))
        except (OSError, ValueError) as error:
            log.line(f"Counters of the running master cannot be taken over and restart at zero: {error}", log.WARNING)
    return found


def _mapped(descriptor: int) -> memoryview:
    size = os.fstat(descriptor).st_size
    return memoryview(mmap.mmap(descriptor, size, prot=mmap.PROT_READ)).cast("Q")


# -- what there is


def _estate(sheet: Sheet, series: SeriesRegistry, table: PeerRegistry) -> Estate:
    """What this master leaves, by names."""
    board = sheet.board
    rows = range(min(board.rows + _MORE_ROWS, INHERITED_ROW))
    columns = [row * ARENA for row in (*rows, RETIRED_ROW)]
    groups = [
        Group(name, _SHEET, columns, family.names, list(_blocks(family, series))) for name, family in FAMILIES.items()
    ]
    own_rows = [row * worker_cells.ROW for row in (*rows, INHERITED_ROW, CONTROL_ROW, RETIRED_ROW)]
    groups.append(Group(_WORKER, _BOARD, own_rows, _counters(worker_cells.TABLE.metrics), [((), 0)]))
    tallies = [row * SPAN for row in (RETIRED_ROW, *rows, CONTROL_ROW)]
    known: list[tuple[Labels, int]] = [((upstream, address), place) for upstream, address, place in table.peers]
    new = range(table.places, min(table.places + _MORE_PLACES, PLACES))
    known += [((REMOVED, REMOVED), place) for place in (REMOVED_PLACE, *table.left, *new)]
    places = [(labels, tally_at(place, 0)) for labels, place in known]
    counters = _counters(peer_cells.TABLE.metrics)
    groups.append(Group(_PEER, _BOARD, tallies, counters, places, BASE_ROW * SPAN))
    return Estate(SEQUENCE_AT, groups)


def _blocks(family: Family, series: SeriesRegistry) -> Iterator[tuple[Labels, int]]:
    gone, other = FIXED[family.name]
    many = len(family.labels)
    yield (REMOVED,) * many, gone
    yield (OTHER,) * many, other
    for (name, labels), at in series.blocks.items():
        if name == family.name and at not in (gone, other):
            yield labels, at
    for at, name in series.removed:
        if name == family.name:
            yield (REMOVED,) * many, at


def _counters(metrics: tuple[Metric, ...]) -> dict[str, int]:
    return {metric.name: metric.cell for metric in metrics if metric.kind == "counter"}


# -- where it goes


def _picks(group: Group) -> list[int]:
    """Where each of our cells is in the group's blocks."""
    if group.family in FAMILIES:
        names: dict[str, int] = FAMILIES[group.family].names
    else:
        names = _counters((worker_cells if group.family == _WORKER else peer_cells).TABLE.metrics)
    cells = {cell: group.cells.get(name, -1) for name, cell in names.items()}
    return [cells.get(cell, -1) for cell in range(max(cells) + 1)]


def _legacies(
    ancestor: Ancestor, generation: int, series: SeriesRegistry, table: PeerRegistry
) -> Iterator[tuple[bool, int, Legacy]]:
    """Whether it is for a block of our sheet, that block's place, and what is to be added there.

    Raises :class:`IndexError`, :class:`ValueError`.
    """
    number = 0
    for group in ancestor.estate.groups:
        picks = _picks(group)
        for labels, at in group.blocks:
            target = _target(group.family, labels, series, table)
            if target is not None:
                yield (
                    group.family in FAMILIES,
                    target,
                    Legacy(ancestor.cells[group.memory], group, at, picks, generation, number),
                )
                number += 1


def _target(family: str, labels: Labels, series: SeriesRegistry, table: PeerRegistry) -> int | None:
    """Where our block is for what a predecessor counted as ``labels``; ``None``: we count no such thing."""
    if family in FAMILIES:
        removed, other = FIXED[family]
        return series.blocks.get((family, labels), other if set(labels) == {OTHER} else removed)
    if family == _WORKER:
        return INHERITED_ROW * worker_cells.ROW
    if family != _PEER or len(labels) != 2:
        return None
    place = table.place_of(labels[0], Peer(labels[1]))
    return tally_at(REMOVED_PLACE if place is None else place, RETIRED_ROW)


def _take(inherited: Inherited, generation: int) -> Iterator[tuple[int, Legacy]]:
    """Remove and return what that predecessor counted."""
    for at, legacies in list(inherited.items()):
        own = [legacy for legacy in legacies if legacy.generation == generation]
        rest = [legacy for legacy in legacies if legacy.generation != generation]
        if rest:
            inherited[at] = rest
        else:
            del inherited[at]
        yield from ((at, legacy) for legacy in own)
