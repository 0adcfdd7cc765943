"""CPUs that workers may run on: how a configuration writes them, and which of them there are."""

import os
import re
from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import Final

from rsp.config.errors import Path
from rsp.config.units import show, spoken

_RANGE: Final = re.compile(r"(0|[1-9]\d{0,3})(?:-(0|[1-9]\d{0,3}))?")  # 0010 is a mask of nginx
_MOST: Final = 8192  # CPUs of a machine, as Linux can be built
# What other programs call it: in lower case without underscores.
SAID: Final = dict.fromkeys(
    ("workercpuaffinity", "cpumap", "cpuset", "cpus", "affinity", "pinworkers"), 'cpu_affinity = "auto"'
)


class CpuSet(str):
    """CPUs by their numbers, in the form of cpuset(7): ``"0"``, ``"2-3"`` or ``"0,4-7"``."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> "CpuSet":
        """Raises :class:`ValueError` saying what was expected."""
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str):
            text = "".join(value.split())
            ranges = [_RANGE.fullmatch(part) for part in text.split(",")]
            if all(found is not None and int(found[1]) <= int(found[2] or found[1]) < _MOST for found in ranges):
                return cls(text)
        raise ValueError(f'expected the CPUs of a worker such as "0" or "2-3", got {show(value)}{_mask(value)}')

    @property
    def numbers(self) -> set[int]:
        found: set[int] = set()
        for part in self.split(","):
            first, _, last = part.partition("-")
            found.update(range(int(first), int(last or first) + 1))
        return found


def _mask(given: object) -> str:
    """What to write instead of a mask of nginx."""
    return f"; write {show(_of_mask(given))}" if _of_mask(given) else spoken(given)


def _of_mask(given: object) -> str:
    """The CPUs of a mask of nginx; empty: ``given`` is not a mask."""
    if not isinstance(given, str) or not re.fullmatch(r"[01]*1[01]*", given):
        return ""
    return written({number for number, bit in enumerate(reversed(given)) if bit == "1"})


def instead(key: str, given: object) -> str:
    """``"; write ..."`` for a value of the wrong shape, or ``""``."""
    if key != "cpu_affinity" or isinstance(given, list):
        return ""
    if given is False or given in ("off", "none", "any"):
        return "; leave it out for any CPU"
    if given is True or given in ("on", "yes"):
        return '; write "auto"'
    try:
        return f"; write {{ {show(CpuSet.parse(given))} }}"
    except ValueError:
        return f"; write {{ {show(_of_mask(given))} }}" if _of_mask(given) else ""


def mistakes(affinity: object) -> Iterator[tuple[Path, str]]:
    """CPUs of `cpu_affinity` that this process may not run on: the path to each, and what is wrong."""
    if not isinstance(affinity, tuple):
        return
    allowed = os.sched_getaffinity(0)
    for number, cpus in enumerate(affinity, 1):
        missing = cpus.numbers - allowed
        if missing:
            yield (
                ("cpu_affinity", number),
                f"cpu_affinity: {show(cpus)}: rsp may not run on CPU {written(missing)}; allowed: {written(allowed)} "
                '(the CPUs of the machine, its cpuset and taskset decide; "auto" uses what is allowed)',
            )


def written(numbers: Collection[int]) -> str:
    """``0,4-7``."""
    ordered = sorted(numbers)
    starts = [ordered[0], *(after for before, after in pairwise(ordered) if after - before > 1)]
    ends = [*(before for before, after in pairwise(ordered) if after - before > 1), ordered[-1]]
    return ",".join(
        str(first) if first == last else f"{first}-{last}" for first, last in zip(starts, ends, strict=True)
    )
