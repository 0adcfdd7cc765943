"""Which of the routes of one host is for a path.

An exact path goes first; then regular expressions, in the order of their declaration; then the longest prefix, which
goes before them where it is ``first``.  Of equals, the first declared.  A route whose conditions do not hold is
skipped.

A prefix covers itself and what lies below it, segment by segment: ``/api`` is for ``/api`` and ``/api/x``, not for
``/apifoo``; ``/api/`` is for what begins with it.

The cost does not grow with their number.  Prefixes are rows by their length: a row is one look at the path, however
many prefixes it has.  Of regular expressions, one pass over the path says which are found in it.
"""

import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from rsp.http.conditions import Condition, Unroutable
from rsp.http.message import RequestHead
from rsp.http.percent import climbs
from rsp.http.regex import Pattern, Sieve, TooCostly

_SLASH: Final = 0x2F
_DOTS_WITH_PARAMETERS: Final = re.compile(rb"[/\\]\.\.?;")


class CostlyPath(Unroutable):
    """Regular expressions would take too long for it."""

    status, reason = 414, "the path is too long for the regular expressions of its host"


class ClimbingPath(Unroutable):
    """Segments ``..`` lead above ``/``."""

    status, reason = 400, "the path leads above its root"


class UnclearDots(Unroutable):
    """Backends can read its dot segments in different ways."""

    status, reason = 400, "the dot segments of the path have two meanings"


def normalise_path(path: bytes) -> bytes:
    """The path as a lenient backend may see it: percent-decoded, ``\\`` as ``/``, ``//`` merged, dots resolved."""
    decoded = unquote_to_bytes(path).replace(b"\\", b"/")
    kept: list[bytes] = []
    segments = decoded.split(b"/")
    for segment in segments:
        if segment == b"..":
            if kept:
                kept.pop()
        elif segment not in (b"", b"."):
            kept.append(segment)
    tail = b"/" if segments[-1] in (b"", b".", b"..") and kept else b""
    return b"/" + b"/".join(kept) + tail


def check_dots(path: bytes) -> None:
    """Refuse dot segments that backends read in different ways: a filter may have seen another path than they do.

    RFC 3986 section 5.2.4 leaves them out one after the other: an empty segment before ``..`` is one, and an escape is
    no dot.  Others merge ``//`` first, or decode first; Tomcat takes off what stands behind ``;``.

    Raises :class:`ClimbingPath`, :class:`UnclearDots`.
    """
    if b"." not in path and b"%2" not in path:
        return
    decoded = unquote_to_bytes(path)
    if _DOTS_WITH_PARAMETERS.search(decoded) is not None:
        raise UnclearDots
    if b".." not in decoded:
        return
    if climbs(path):
        raise ClimbingPath
    segments = path.split(b"/")[1:]
    for names in (segments, [unquote_to_bytes(segment) for segment in segments]):
        if b".." in names and _left(segments, names) != normalise_path(path):
            raise UnclearDots


def _left(segments: list[bytes], names: list[bytes]) -> bytes:
    """What is left of ``segments`` without those whose names are dots, and is decoded then."""
    kept: list[bytes] = []
    for segment, name in zip(segments, names, strict=True):
        if name == b"..":
            del kept[-1:]
        elif name != b".":
            kept.append(segment)
    if names[-1] in (b".", b".."):
        kept.append(b"")
    parts = unquote_to_bytes(b"/".join(kept)).replace(b"\\", b"/").split(b"/")
    merged = [part for part in parts if part not in (b"", b".")]
    tail = b"/" if parts[-1] in (b"", b".") and merged else b""
    return b"/" + b"/".join(merged) + tail


class Choice:
    """A route at one of its hosts.

    ``number``      in the order of declaration
    ``path``        a prefix, or what is the whole path; ``pattern``: a regular expression in its place
    ``first``       of a prefix: it goes before regular expressions
    ``conditions``  all of which have to hold
    """

    __slots__ = ("conditions", "destination", "exact", "first", "number", "path", "pattern")

    def __init__(
        self,
        number: int,
        destination: Any,
        path: bytes,
        exact: bool,
        pattern: Pattern | None,
        first: bool,
        conditions: tuple[Condition, ...],
    ) -> None:
        self.number = number
        self.destination = destination
        self.path = path
        self.exact = exact
        self.pattern = pattern
        self.first = first
        self.conditions = conditions

    def holds(self, head: RequestHead | None, source: Any) -> bool:
        """Whether its conditions do; without a ``head`` they are taken to."""
        if head is not None:
            for condition in self.conditions:
                if not condition.holds(head, source):
                    return False
        return True


class Row:
    """Prefixes of one length: ``only`` where there is one, else ``several``."""

    __slots__ = ("choices", "only", "several", "size")

    def __init__(self, size: int, several: dict[bytes, list[Choice]]) -> None:
        self.size = size
        self.several = several
        self.only: bytes | None = None
        self.choices: list[Choice] = []
        if len(several) == 1:
            self.only, self.choices = next(iter(several.items()))

    def of(self, path: bytes) -> list[Choice] | None:
        """The routes whose prefix covers ``path``."""
        size, length = self.size, len(path)
        if size > length:
            return None
        if self.only is not None and not path.startswith(self.only):
            return None
        if size != length and path[size - 1] != _SLASH and path[size] != _SLASH:
            return None
        return self.choices if self.only is not None else self.several.get(path[:size])


class PathTable:
    """``normal``: paths are compared as they are once they are normalised."""

    __slots__ = ("_exact", "_patterns", "_rows")

    def __init__(self, choices: Sequence[Choice], patterns: "PatternTable | None", normal: bool) -> None:
        self._patterns = patterns
        self._exact: dict[bytes, list[Choice]] = {}
        sizes: dict[int, dict[bytes, list[Choice]]] = {}
        for choice in choices:
            if choice.pattern is None:
                path = normalise_path(choice.path) if normal else choice.path
                table = self._exact if choice.exact else sizes.setdefault(len(path), {})
                table.setdefault(path, []).append(choice)
        self._rows = [Row(size, sizes[size]) for size in sorted(sizes, reverse=True)]

    def find(self, path: bytes, head: RequestHead | None, source: Any) -> Choice | None:
        """``head``: of the request, as conditions see it; without it they are taken to hold.

        Raises :class:`Unroutable`.
        """
        if self._exact:
            choices = self._exact.get(path)
            if choices is not None:
                for choice in choices:
                    if not choice.conditions or choice.holds(head, source):
                        return choice
        longest = self._longest(path, head, source)
        if self._patterns is None or (longest is not None and longest.first):
            return longest
        found = self._patterns.find(path, head, source)
        return found if found is not None else longest

    def _longest(self, path: bytes, head: RequestHead | None, source: Any) -> Choice | None:
        for row in self._rows:
            choices = row.of(path)
            if choices is not None:
                for choice in choices:
                    if not choice.conditions or choice.holds(head, source):
                        return choice
        return None


class PatternTable:
    """The regular expressions of one host."""

    __slots__ = ("_choices", "_sieve")

    def __init__(self, choices: Sequence[Choice]) -> None:
        self._choices = list(choices)
        self._sieve = Sieve([choice.pattern for choice in choices if choice.pattern is not None])

    def find(self, path: bytes, head: RequestHead | None, source: Any) -> Choice | None:
        """Raises :class:`CostlyPath`."""
        try:
            numbers = self._sieve.find(path)
        except TooCostly:
            raise CostlyPath from None
        for number in numbers:
            choice = self._choices[number]
            if not choice.conditions or choice.holds(head, source):
                return choice
        return None
