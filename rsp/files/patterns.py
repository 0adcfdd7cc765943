"""Patterns of names: ``*.php``, ``assets/*``.

As shells have them: ``*``, ``?``, ``[abc]``; letters are compared without regard to their case, as some file systems
do.  A pattern without a slash is for the last segment of a name.  With one it is for the whole name, and ``*`` goes on
beyond slashes.
"""

import fnmatch
import re
from collections.abc import Iterable, Mapping


def _expression(pattern: str) -> "re.Pattern[bytes]":
    text = pattern.encode("utf-8", "surrogateescape").decode("latin-1")  # a byte is a character
    return re.compile(fnmatch.translate(text).encode("latin-1"), re.IGNORECASE)


class Patterns:
    """Whether any of several fits: a segment on the way, or all of the name."""

    __slots__ = ("_segments", "_wholes")

    def __init__(self, patterns: Iterable[str]) -> None:
        self._segments: list[re.Pattern[bytes]] = []
        self._wholes: list[re.Pattern[bytes]] = []
        for pattern in patterns:
            name = pattern.strip("/")
            if "/" in name:
                self._wholes.append(_expression(name))
                self._wholes.append(_expression(name + "/*"))
            else:
                self._segments.append(_expression(name))

    def fit(self, name: bytes) -> bool:
        """``name``: below the root, with a slash at its end if it is a directory's."""
        if self._segments:
            for segment in name.split(b"/"):
                if any(each.match(segment) for each in self._segments):
                    return True
        return any(each.match(name) for each in self._wholes)


class Choices:
    """A value for each name: that of the longest pattern that fits, of equals the first."""

    __slots__ = ("_choices",)

    def __init__(self, values: Mapping[str, str]) -> None:
        longest_first = sorted(values.items(), key=lambda item: -len(item[0].lstrip("/")))
        choices = [(pattern.lstrip("/"), value.encode()) for pattern, value in longest_first]
        self._choices = [("/" in pattern, _expression(pattern), value) for pattern, value in choices]

    def of(self, name: bytes) -> bytes:
        """Empty: no pattern fits."""
        last = name[name.rfind(b"/") + 1 :]
        for whole, pattern, value in self._choices:
            if pattern.match(name if whole else last):
                return value
        return b""
