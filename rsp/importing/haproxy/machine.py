"""A line of haproxy.cfg, and ``.if``: lines for some machines, versions or builds of HAProxy only."""

import re
from typing import Final

from msgspec import Struct, field

from rsp.importing.site import Origin

_MESSAGES: Final = (".alert", ".warning", ".notice", ".diag")
_FEATURE: Final = re.compile(r"(!?)\s*(feature|version_atleast|version_before)\(([^()]*)\)")


class Line(Struct):
    words: list[str]
    text: str
    origin: Origin
    used: bool = False

    @property
    def first(self) -> str:
        return self.words[0]

    @property
    def rest(self) -> list[str]:
        return self.words[1:]

    def starts(self, *words: str) -> bool:
        return self.words[: len(words)] == list(words)


class _Block(Struct):
    """``holds`` is ``None`` where only the machine knows.  ``matters``: whether anything but messages is in it."""

    holds: bool | None
    lines: list[Line] = field(default_factory=list)
    matters: bool = False


class Conditions:
    """Blocks that are open."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []

    def holds(self) -> bool:
        """Whether a line here counts, which it is.  Where only the machine knows, it does, and that is reported."""
        for block in self._blocks:
            block.matters = True
        return all(block.holds is not False for block in self._blocks)

    def meet(self, line: Line) -> list[Line]:
        """A line that begins with a dot; the lines of its block, if it ends one of which only the machine knows."""
        if line.first in _MESSAGES:
            return []
        if line.first == ".if":
            self._blocks.append(_Block(_known(line.rest), [line]))
            return []
        if not self._blocks or line.first not in (".elif", ".else", ".endif"):
            return [line]
        block = self._blocks[-1]
        block.lines.append(line)
        if line.first == ".endif":
            self._blocks.pop()
            return block.lines if block.holds is None and block.matters else []
        if block.holds is not None:
            block.holds = not block.holds if line.first == ".else" else (False if block.holds else _known(line.rest))
        return []

    def open(self) -> list[Line]:
        return [line for block in self._blocks for line in block.lines]


def _known(words: list[str]) -> bool | None:
    """rsp has no QUIC, and no version of HAProxy is too old for it."""
    match = _FEATURE.fullmatch(" ".join(words))
    if match is None:
        return None
    holds = match[3].strip() != "QUIC" if match[2] == "feature" else match[2] == "version_atleast"
    return holds != bool(match[1])
