"""The tables of what rsp measures: a line for each cell of shared memory says what stands there.

Rules of this room: a table is made of lines, one for each cell, in the module that it belongs to (``worker_cells.py``,
``peer_cells.py``, ``peer_marks.py``).  A line returns the cell's number, a plain integer, which is all that the code
that counts needs; everything that shows metrics (the admin API, rspctl) reads :attr:`Table.metrics`.  So a line adds a
metric, and only the code that counts it is missing.
"""

from collections.abc import Callable
from typing import Literal, TypedDict, Unpack

import msgspec

Kind = Literal["counter", "gauge"]  # a counter only grows, over all processes, those that are gone included
Scope = Literal["instance", "process", "worker", "upstream", "peer"]
Unit = Literal["", "bytes", "seconds"]


class Metric(msgspec.Struct, frozen=True):
    """``scale``: how many of what is counted make one ``unit``.  ``listed``: shown under its name by the admin API."""

    name: str
    help: str
    kind: Kind
    scope: Scope
    cell: int
    unit: Unit = ""
    scale: int = 1
    listed: bool = True

    def value(self, counted: int) -> int | float:
        """What a cell's content means, in ``unit``."""
        return counted if self.scale == 1 else counted / self.scale


class Options(TypedDict, total=False):
    scope: Scope  # where it is not the table's
    unit: Unit
    scale: int
    listed: bool


class Table:
    """The cells of a row, at most ``room``, in the order of the lines."""

    def __init__(self, scope: Scope, room: int) -> None:
        self._scope = scope
        self._room = room
        self.size = 0
        self.metrics: tuple[Metric, ...] = ()
        self.counters: tuple[int, ...] = ()  # the cells that are added up when a process is gone

    def cell(self) -> int:
        """A cell that is no metric."""
        if self.size == self._room:
            raise OverflowError(f"there is room for {self._room} cells")
        self.size += 1
        return self.size - 1

    def cells(self, number: int) -> int:
        """Several; the first one."""
        first = self.size
        for _ in range(number):
            self.cell()
        return first

    def counter(self, name: str, description: str, **options: Unpack[Options]) -> int:
        cell = self._metric(name, description, "counter", options)
        self.counters += (cell,)
        return cell

    def gauge(self, name: str, description: str, **options: Unpack[Options]) -> int:
        return self._metric(name, description, "gauge", options)

    def _metric(self, name: str, description: str, kind: Kind, options: Options) -> int:
        options.setdefault("scope", self._scope)
        cell = self.cell()
        self.metrics += (Metric(name=name, help=description, kind=kind, cell=cell, **options),)
        return cell

    def values(self, read: Callable[[int], int], scope: Scope, *kinds: Kind) -> dict[str, int | float]:
        """What the admin API shows, by name; ``read`` gives the content of a cell."""
        return {
            metric.name: metric.value(read(metric.cell))
            for metric in self.metrics
            if metric.listed and metric.scope == scope and (not kinds or metric.kind in kinds)
        }
