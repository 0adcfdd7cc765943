"""``set-var``: a variable stands for the sample that it was set to, as long as that has not changed since."""

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from rsp.importing.haproxy.sections import Line
from rsp.importing.ordered.condition import Inexpressible

AFTER: Final = 1 << 30  # the place of what is looked at behind all rules of a section
_BEFORE: Final = -1 << 20
_SET: Final = re.compile(r"set-var(?P<text>-fmt)?\((?P<name>[\w.]+)\)")
_PATH: Final = ("set-path", "set-pathq", "set-uri", "set-query", "replace-path", "replace-pathq", "replace-uri")
_FIELD: Final = ("set-header", "add-header", "del-header", "replace-header", "replace-value")
_READ: Final = re.compile(r"(?:req\.)?f?(?:hdr|cook)(?:_\w+)?\(([\w-]+)|(path|url|query|base|urlp)")
_CONSTANT: Final = re.compile(r"(?:str|bool|int)\(['\"]?([^()'\"]*)['\"]?\)")
_TRUE: Final = ("true", "1", "yes", "on")


class _Set(Struct, frozen=True):
    """``is_text``: of a log format; ``condition``: words behind the sample; ``response``: when that is there."""

    place: int
    sample: str
    condition: tuple[str, ...]
    is_text: bool
    response: bool


class Variables:
    """Of a frontend, and of the backend that it has chosen."""

    def __init__(self, front: "Variables | None" = None) -> None:
        self._set: dict[str, list[_Set]] = {}
        self._changes: list[tuple[int, str]] = []  # place, and the field or "path"
        if front is not None:
            for name, found in front._set.items():
                earlier = [_Set(_BEFORE + s.place, s.sample, s.condition, s.is_text, s.response) for s in found]
                self._set[name] = earlier
            self._changes = [(_BEFORE + place, name) for place, name in front._changes]

    def read(self, lines: Sequence[Line]) -> None:
        for place, line in enumerate(lines):
            if line.first not in ("http-request", "http-response", "tcp-request") or len(line.words) < 2:
                continue
            rest = line.words[2:] if line.first != "tcp-request" else line.words[3:]
            word = line.words[1] if line.first != "tcp-request" else (line.words[2:3] or [""])[0]
            if (match := _SET.fullmatch(word)) is not None and rest:
                end = next((at for at, each in enumerate(rest) if each in ("if", "unless")), len(rest))
                made = _Set(
                    place, " ".join(rest[:end]), tuple(rest[end:]), bool(match["text"]), line.first == "http-response"
                )
                self._set.setdefault(match["name"], []).append(made)
            elif line.first == "http-request" and word in _PATH:
                self._changes.append((place, "path"))
            elif line.first == "http-request" and word in _FIELD and rest:
                self._changes.append((place, rest[0].lower()))

    def sample(self, name: str, place: int, *, response: bool) -> str:
        """What it was set to for all requests.  Raises :class:`Inexpressible`."""
        found = [each for each in self._set.get(name, ()) if each.place < place or response]
        if not found:
            raise Inexpressible(f"the variable {name} is not set before")
        if len(found) > 1 or found[0].condition or found[0].response:
            raise Inexpressible(f"the variable {name} has several values")
        self._look(found[0], place, response)
        return found[0].sample

    def is_text(self, name: str) -> bool:
        return any(each.is_text for each in self._set.get(name, ()))

    def conditions(
        self, name: str, way: str, values: Sequence[str], place: int, *, response: bool
    ) -> list[tuple[tuple[str, ...], set[str]]] | None:
        """When it has one of the values, if it is set to constants; ``None``: it is not.  No words: always.

        With what a rule changes between there and here: fields, and "path".
        """
        found = [each for each in self._set.get(name, ()) if each.place < place]
        constants = [_CONSTANT.fullmatch(each.sample) for each in found]
        if not found or any(each.response for each in found) or None in constants:
            return None
        told = [_holds(way, values, match[1]) for match in constants if match is not None]
        first = 0 if found[0].condition or told[0] else 1  # what it is where nothing else is said
        if not all(told[first:]):
            raise Inexpressible(f"the variable {name} has several values")
        return [(each.condition, self._changed(each.place, place, response=response)) for each in found[first:]]

    def _look(self, made: _Set, place: int, response: bool) -> None:
        """A response's rule looks at the client's request; others at what it is by then."""
        reads = {match[1].lower() if match[1] else "path" for match in _READ.finditer(made.sample)}
        for what in reads & self._changed(made.place, place, response=response):
            raise Inexpressible(f"{what} is changed, before or after it is kept in a variable")

    def _changed(self, kept: int, place: int, *, response: bool) -> set[str]:
        return {what for at, what in self._changes if kept < at < place or (response and at < kept)}


def _holds(way: str, values: Sequence[str], constant: str) -> bool:
    if way == "found":
        return True
    if way == "bool" or (not way and not values):
        return constant.lower() in _TRUE
    if way not in ("", "str", "int"):
        raise Inexpressible("a variable is compared in part")
    return constant in values
