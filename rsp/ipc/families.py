"""Families of series: what is counted for each of several things, such as routes, and how that lies in memory.

A family is made of lines, as a :class:`metrics.Table` is: a line returns the number of its first cell, which is all
that the code that counts needs.  Everything that shows series reads :attr:`Family.measures`.
"""

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from rsp.ipc.metrics import Unit

_LINE: Final = 8  # cells of a cache line: no block begins or ends within one


class Measure(msgspec.Struct, frozen=True):
    """A metric of a family: ``width`` cells from ``cell`` on.  ``name``: for Prometheus, with the unit, a counter's
    without ``_total``.

    ``values``  of the additional label ``label``, one for each cell
    ``bounds``  of a histogram's buckets, each included; then there is one more bucket for all that is larger, and
                behind it the sum of all values
    ``scale``   how many of what is counted, or summed up, make one unit
    """

    name: str
    help: str
    kind: Literal["counter", "histogram"]
    cell: int
    width: int
    label: str = ""
    values: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    unit: Unit = ""
    scale: int = 1

    def names(self) -> Iterator[str]:
        """Of its cells, as other versions of the code know them."""
        if self.values:
            yield from (f"{self.name} {value}" for value in self.values)
        elif self.bounds:
            yield from (f"{self.name} {bound:g}" for bound in self.bounds)
            yield f"{self.name} more"
            yield f"{self.name} sum"
        else:
            yield self.name


class Family:
    """``labels``: the names of what distinguishes its series."""

    def __init__(self, name: str, *labels: str) -> None:
        self.name = name
        self.labels = labels
        self.measures: tuple[Measure, ...] = ()
        self._used = 0

    @property
    def size(self) -> int:
        """Cells of a block."""
        return -(-self._used // _LINE) * _LINE

    @property
    def names(self) -> dict[str, int]:
        """The cells of a block by their names between versions."""
        names = (name for measure in self.measures for name in measure.names())
        return dict(zip(names, range(self._used), strict=True))

    def counter(self, name: str, description: str, unit: Unit = "") -> int:
        return self._add(Measure(name, description, "counter", self._used, 1, unit=unit))

    def counters(self, name: str, description: str, label: str, *values: str) -> int:
        """One for each of ``values``, in their order."""
        return self._add(Measure(name, description, "counter", self._used, len(values), label, values))

    def histogram(self, name: str, description: str, bounds: tuple[float, ...], unit: Unit, scale: int = 1) -> int:
        measure = Measure(name, description, "histogram", self._used, len(bounds) + 2, bounds=bounds)
        return self._add(msgspec.structs.replace(measure, unit=unit, scale=scale))

    def _add(self, measure: Measure) -> int:
        self.measures += (measure,)
        self._used += measure.width
        return measure.cell
