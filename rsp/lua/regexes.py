"""Regular expressions for Lua, by RE2: their time is linear in the text, whatever the pattern.

Linear may still be long, and nothing can stop RE2, so what could take long is tried first (``regex.try_beginning``);
hooks look at the clock, and so does what goes from match to match.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from rsp.http import regex

_REMEMBERED: Final = 32  # patterns that hooks have made, each with an automaton of some hundred kilobytes
_AUTOMATON: Final = 256 << 10  # bytes
_LONGEST: Final = 8192  # bytes of a pattern
_LARGEST: Final = 20_000  # instructions of a compiled pattern
_STEP: Final = 1.2e-8  # seconds for a byte and an instruction, at worst
_OUTPUT: Final = 16 << 20  # bytes


class _Late(Exception):
    pass


class Regexes:
    """Those of the file by number; those that hooks make, perhaps of what clients send, by their text, because only the
    last are kept.  The methods raise :class:`ValueError`.

    Those that are given ``allowed``, in units of ten nanoseconds, return how much they took, and their result; more
    than ``allowed``, and none, if that was too little.
    """

    def __init__(self, table: Callable[[Any], Any], serving: Callable[[], bool]) -> None:
        self._table = table
        self._serving = serving
        self._patterns: list[tuple[Any, Any]] = []  # with groups, and without
        self._recent: dict[bytes, tuple[Any, Any]] = {}

    def offered(self) -> dict[str, Callable[..., Any]]:
        return {
            "regex": self.make, "regex_test": self.test, "regex_match": self.match, "regex_replace": self.replace,
            "regex_split": self.split,
        }  # fmt: skip

    def make(self, pattern: bytes, flags: bytes) -> tuple[int | bytes, float]:
        """What to call it; and what it may cost for each byte of a text, in units of ten nanoseconds."""
        if len(pattern) > _LONGEST:
            raise ValueError(f"regex: the pattern is longer than {_LONGEST} bytes")
        whole = "".join(f"(?{flag})" for flag in flags.decode() if flag in "ims").encode() + pattern
        if self._serving():
            return whole, _cost(self._known(whole)[0])
        self._patterns.append((_compiled(whole, groups=True), _compiled(whole, groups=False)))
        return len(self._patterns) - 1, _cost(self._patterns[-1][0])

    def _known(self, which: float | bytes) -> tuple[Any, Any]:
        if not isinstance(which, bytes):
            return self._patterns[int(which)]
        known = self._recent.get(which)
        if known is None:
            known = _compiled(which, groups=True, memory=_AUTOMATON), _compiled(which, groups=False, memory=_AUTOMATON)
            if len(self._recent) >= _REMEMBERED:
                self._recent.clear()
            self._recent[which] = known
        return known

    def test(self, which: float | bytes, subject: bytes) -> bool:
        pattern = self._known(which)[1]
        _try(pattern, subject)
        return pattern.search(subject) is not None

    def match(self, which: float | bytes, subject: bytes) -> Any:
        """A table: the whole match at 0, the groups by number and by name."""
        pattern = self._known(which)[0]
        _try(pattern, subject)
        match = pattern.search(subject)
        if match is None:
            return None
        groups: dict[Any, Any] = {0: match[0]}
        groups.update({index: group for index, group in enumerate(match.groups(), 1) if group is not None})
        for name, group in match.groupdict().items():
            if group is not None:
                groups[name if isinstance(name, bytes) else name.encode()] = group
        return self._table(groups)

    def replace(self, which: float | bytes, subject: bytes, by: bytes, allowed: float) -> Any:
        pattern = self._known(which)[0]

        template = b"\\" in by
        if template and len(by) > _LONGEST:
            raise ValueError(f"regex: a replacement with groups is at most {_LONGEST} bytes long")

        def make(count: Callable[[int], None]) -> bytes:
            pieces: list[bytes] = []
            end = 0
            for match in pattern.finditer(subject):
                piece = match.expand(by) if template else by
                count(len(piece))
                pieces += (subject[end : match.start()], piece)
                end = match.end()
            return b"".join((*pieces, subject[end:]))

        return _timed(pattern, subject, allowed, make)

    def split(self, which: float | bytes, subject: bytes, allowed: float) -> Any:
        pattern = self._known(which)[0]

        def make(count: Callable[[int], None]) -> Any:
            pieces, end = [], 0
            for match in pattern.finditer(subject):
                count(0)
                pieces.append(subject[end : match.start()])
                pieces += [group for group in match.groups() if group is not None]
                end = match.end()
            return self._table([*pieces, subject[end:]])

        return _timed(pattern, subject, allowed, make)


def _compiled(pattern: bytes, *, groups: bool, memory: int = 8 << 20) -> Any:
    try:
        made = regex.compiled(pattern, groups=groups, memory=memory)
    except ValueError as error:
        raise ValueError(f"regex: {error}") from None
    if made.programsize > _LARGEST:
        raise ValueError("regex: pattern too large")
    return made


def _cost(pattern: Any) -> float:
    return float(pattern.programsize * _STEP * 1e8)


def _try(pattern: Any, subject: bytes) -> None:
    try:
        regex.try_beginning(pattern.search, pattern.programsize, subject)
    except regex.TooCostly as error:
        raise ValueError(f"regex: {error}") from None


def _timed(pattern: Any, subject: bytes, allowed: float, make: Callable[[Callable[[int], None]], Any]) -> Any:
    _try(pattern, subject)
    began = time.perf_counter()
    until = began + min(allowed * 1e-8, 1.0)
    size = 0

    def count(more: int) -> None:
        nonlocal size
        size += more
        if size > _OUTPUT:
            raise ValueError(f"regex: the result is larger than {_OUTPUT >> 20} MB")
        if time.perf_counter() > until:
            raise _Late

    try:
        result = make(count)
    except _Late:
        return allowed + 1, None
    return (time.perf_counter() - began) * 1e8, result
