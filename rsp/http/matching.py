"""What a value has to be like: that of a field, of a parameter of the query, of a cookie.

Rules of this room: it knows bytes only, and nothing of where they come from.  Everything takes time that is linear in
the value: texts are compared, regular expressions are RE2's.
"""

import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Final

from rsp.http.regex import Pattern, Sieve, TooCostly

_PATIENCE: Final = 0.1  # seconds of this thread that all values may take
Test = Callable[[bytes], bool]


class Matcher:
    """At least one value passes all tests, and no value is one for ``unless``.

    ``whole``, ``prefix``, ``suffix``, ``contains``, ``regex``: texts of which one is enough; empty: no such test.
    Without any of them, no value is needed.  ``said``: as the configuration has it.
    """

    __slots__ = ("_tests", "_unless", "said")

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
        tests = ((_is_one_of, whole), (_begins, prefix), (_ends, suffix), (_contains, contains))
        self._tests: list[Test] = [partial(test, _bytes(texts)) for test, texts in tests if texts]
        if regex:
            patterns = [Pattern(text) for text in regex]  # the last test: it takes longest
            self._tests.append(patterns[0].finds if len(patterns) == 1 else partial(_is_found, Sieve(patterns)))

    def holds(self, values: Collection[bytes]) -> bool:
        """Raises :class:`TooCostly` where a regular expression would take too long for a value, or for all of them."""
        if self._tests and not self._one_passes(values):
            return False
        return self._unless is None or not self._unless.holds(values)

    def _one_passes(self, values: Collection[bytes]) -> bool:
        if len(values) < 2:
            return any(map(self._passes, values))
        end = time.thread_time() + _PATIENCE
        for value in values:
            if self._passes(value):
                return True
            if time.thread_time() > end:
                raise TooCostly(f"this pattern takes too long for {len(values):,} values")
        return False

    def _passes(self, value: bytes) -> bool:
        return all(test(value) for test in self._tests)


def _bytes(texts: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(text.encode() for text in texts)


def _is_one_of(texts: tuple[bytes, ...], value: bytes) -> bool:
    return value in texts


def _begins(texts: tuple[bytes, ...], value: bytes) -> bool:
    return value.startswith(texts)


def _ends(texts: tuple[bytes, ...], value: bytes) -> bool:
    return value.endswith(texts)


def _contains(texts: tuple[bytes, ...], value: bytes) -> bool:
    return any(text in value for text in texts)


def _is_found(sieve: Sieve, value: bytes) -> bool:
    return bool(sieve.find(value))
