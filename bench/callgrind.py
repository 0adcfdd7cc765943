"""What callgrind has written down: events by object and function."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

Costs = dict[str, int]  # by event, as ``Ir``
_TIMER = "uvtimer_callback"  # what rsp does once a second


class Counts:
    """Of one file.  ``events``: their names, in order; ``own``: (object, function) to their own events, callees not
    included; ``timer``: what was done once a second, callees included, which is no request's."""

    def __init__(self, file: Path) -> None:
        self.events: list[str] = []
        self.own: dict[tuple[str, str], Counter[str]] = {}
        self.timer: Counter[str] = Counter()
        self._read(file.read_text(errors="replace").splitlines())

    def _read(self, lines: list[str]) -> None:
        names: dict[tuple[str, str], str] = {}
        where, called, inside = ["", ""], "", False
        for line in lines:
            kind, equals, value = line.partition("=")
            if equals and kind in ("ob", "fn", "cob", "cfn"):
                value = _name(names, kind[-2:], value)
                if kind == "cfn":
                    called = value
                elif kind != "cob":
                    where[kind == "fn"] = value
            elif kind == "calls":
                inside = True
            elif line[:1] in "+-*" or line[:1].isdigit():
                costs = self._costs(line)
                if not inside:
                    self.own.setdefault((where[0], where[1]), Counter()).update(costs)
                elif _TIMER in called and _TIMER not in where[1]:
                    self.timer.update(costs)
                inside = False
            elif line.startswith("events:"):
                self.events = line.split()[1:]

    def _costs(self, line: str) -> dict[str, int]:
        return dict(zip(self.events, map(int, line.split()[1:]), strict=False))  # zeros at the end are left out

    def total(self, event: str, without: str = r"(?!)") -> int:
        """``without``: a regular expression for objects that do not count."""
        own = sum(costs[event] for (where, _), costs in self.own.items() if not re.search(without, where))
        return own - self.timer[event]

    def functions(self) -> Iterator[tuple[str, int]]:
        """Their own instructions."""
        for (where, function), costs in self.own.items():
            yield f"{_plain(function)} ({Path(where).name})", costs["Ir"]


def _name(names: dict[tuple[str, str], str], kind: str, value: str) -> str:
    """Callgrind writes ``(number) name`` the first time, and ``(number)`` after that."""
    number, _, name = value.partition(" ")
    return names.setdefault((kind, number), name)


def _plain(function: str) -> str:
    """Without what tells apart the depths of a recursion."""
    return function.partition("'")[0]
