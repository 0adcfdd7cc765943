"""What a value has to be like: that of a field, of a parameter of the query, of a cookie.

Rules of this room: it knows bytes only, and nothing of where they come from.  Everything takes time that is linear in
the value: texts are compared, regular expressions are RE2's.
"""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from operator import methodcaller
from typing import Final

from rsp.http.regex import Pattern, Sieve, TooCostly

_PATIENCE: Final = 0.1  # seconds of this thread that all values may take
MOST_SEARCHED: Final = 100  # values: each costs 10 us before the search begins, and a head has room for thousands
Test = Callable[[bytes], bool]


class TooMany(TooCostly):
    """There are more values than regular expressions search."""


class Matcher:
    """At least one value passes all tests, and no value is one for ``unless``.

    ``whole``, ``prefix``, ``suffix``, ``contains``, ``regex``: texts of which one is enough; empty: no such test.
    Without any of them, no value is needed.  ``said``: as the configuration has it.
    """

    __slots__ = ("_finds", "_tests", "_unless", "said")

    def __init__(
        self,
        *,
        whole: Sequence[str] = (),
        prefix: Sequence[str] = (),
        suffix: Sequence[str] = (),
        contains: Sequence[str] = (),
        regex: Sequence[str] = (),
        unless: "Matcher | None" = None,
        said: str = "",
    ) -> None:
        """Raises :class:`ValueError` where ``regex`` cannot be used."""
        self.said = said
        self._unless = unless
        self._tests: list[Test] = []  # of thousands of values, each costs no more than a call of a builtin
        if whole:
            self._tests.append(frozenset(_bytes(whole)).__contains__)
        if prefix:
            self._tests.append(methodcaller("startswith", _bytes(prefix)))
        if suffix:
            self._tests.append(methodcaller("endswith", _bytes(suffix)))
        if contains:
            self._tests.append(partial(_contains, _bytes(contains)))
        self._finds: Test | None = _finder([Pattern(text) for text in regex])

    def holds(self, values: Collection[bytes]) -> bool:
        """Raises :class:`TooCostly` where a regular expression would take too long for a value, or for all of them."""
        if (self._tests or self._finds) and not self._one_passes(values):
            return False
        return self._unless is None or not self._unless.holds(values)

    def _one_passes(self, values: Collection[bytes]) -> bool:
        left: Iterable[bytes] = values
        for test in self._tests:
            left = filter(test, left)
        finds = self._finds
        if finds is None:
            return any(True for _ in left)
        if len(values) < 2:
            return any(map(finds, left))
        end = time.thread_time() + _PATIENCE
        for number, value in enumerate(left):
            if number == MOST_SEARCHED:
                raise TooMany(f"there are more than {MOST_SEARCHED} values")
            if finds(value):
                return True
            if time.thread_time() > end:
                raise TooCostly(f"this pattern takes too long for {len(values):,} values")
        return False


def _finder(patterns: list[Pattern]) -> Test | None:
    if len(patterns) < 2:
        return patterns[0].finds if patterns else None
    sieve = Sieve(patterns)
    return lambda value: bool(sieve.find(value))


def _bytes(texts: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(text.encode() for text in texts)


def _contains(texts: tuple[bytes, ...], value: bytes) -> bool:
    return any(text in value for text in texts)
