"""Regular expressions for Lua, by RE2: their time is linear in the text, whatever the pattern.

Linear may still be long, and nothing can stop RE2: some patterns take a microsecond for each byte.  So a long text is
tried with its beginning first, and what goes from match to match looks at the clock.
"""

import time
from collections.abc import Callable
from typing import Any, Final

_REMEMBERED: Final = 1024  # patterns
_LONGEST: Final = 8192  # bytes of a pattern
_LARGEST: Final = 20_000  # instructions of a compiled pattern: 1.6 us for each byte of the worst text
_LONG_TEXT: Final = 262_144  # bytes; a text of twice that has its beginning tried
_TRIED: Final = 65_536
_PATIENCE: Final = 0.1  # seconds that a search may take
_OUTPUT: Final = 16 << 20  # bytes


class _Late(Exception):
    pass


class Regexes:
    """By number.  The methods raise :class:`ValueError`.

    Those that are given ``allowed``, in units of ten nanoseconds, return how much they took, and their result; more
    than ``allowed``, and none, if that was too little.
    """

    def __init__(self, table: Callable[[Any], Any]) -> None:
        self._table = table
        self._patterns: list[tuple[Any, Any]] = []  # with groups, and without
        self._numbers: dict[tuple[bytes, bytes], int] = {}

    def offered(self) -> dict[str, Callable[..., Any]]:
        return {
            "regex": self.number, "regex_test": self.test, "regex_match": self.match, "regex_replace": self.replace,
            "regex_split": self.split,
        }  # fmt: skip

    def number(self, pattern: bytes, flags: bytes) -> int:
        number = self._numbers.get((pattern, flags))
        if number is None:
            if len(self._patterns) >= _REMEMBERED:
                raise ValueError("regex: too many patterns; they are compiled once, so make them outside of hooks")
            if len(pattern) > _LONGEST:
                raise ValueError(f"regex: the pattern is longer than {_LONGEST} bytes")
            prefix = "".join(f"(?{flag})" for flag in flags.decode() if flag in "ims").encode()
            self._patterns.append((_compiled(prefix + pattern, groups=True), _compiled(prefix + pattern, groups=False)))
            number = self._numbers[pattern, flags] = len(self._patterns) - 1
        return number

    def test(self, number: float, subject: bytes) -> bool:
        pattern = self._patterns[int(number)][1]
        _try_beginning(pattern, subject)
        return pattern.search(subject) is not None

    def match(self, number: float, subject: bytes) -> Any:
        """A table: the whole match at 0, the groups by number and by name."""
        pattern = self._patterns[int(number)][0]
        _try_beginning(pattern, subject)
        match = pattern.search(subject)
        if match is None:
            return None
        groups: dict[Any, Any] = {0: match[0]}
        groups.update({index: group for index, group in enumerate(match.groups(), 1) if group is not None})
        for name, group in match.groupdict().items():
            if group is not None:
                groups[name if isinstance(name, bytes) else name.encode()] = group
        return self._table(groups)

    def replace(self, number: float, subject: bytes, by: bytes, allowed: float) -> Any:
        pattern = self._patterns[int(number)][0]

        def make(count: Callable[[int], None]) -> bytes:
            pieces: list[bytes] = []
            end = 0
            for match in pattern.finditer(subject):
                piece = match.expand(by)
                count(len(piece))
                pieces += (subject[end : match.start()], piece)
                end = match.end()
            return b"".join((*pieces, subject[end:]))

        return _timed(pattern, subject, allowed, make)

    def split(self, number: float, subject: bytes, allowed: float) -> Any:
        pattern = self._patterns[int(number)][0]

        def make(count: Callable[[int], None]) -> Any:
            pieces, end = [], 0
            for match in pattern.finditer(subject):
                count(0)
                pieces.append(subject[end : match.start()])
                pieces += [group for group in match.groups() if group is not None]
                end = match.end()
            return self._table([*pieces, subject[end:]])

        return _timed(pattern, subject, allowed, make)


def _compiled(pattern: bytes, *, groups: bool) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.never_capture = not groups
    options.encoding = re2.Options.Encoding.LATIN1
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        message = error.args[0] if error.args else error
        raise ValueError(f"regex: {message.decode() if isinstance(message, bytes) else message}") from None
    if compiled.programsize > _LARGEST:
        raise ValueError("regex: pattern too large")
    return compiled


def _try_beginning(pattern: Any, subject: bytes) -> None:
    if len(subject) <= _LONG_TEXT:
        return
    began = time.perf_counter()
    pattern.search(subject[:_TRIED])
    took = time.perf_counter() - began
    if took * len(subject) / _TRIED > _PATIENCE:
        raise ValueError(f"regex: this pattern takes too long for a text of {len(subject):,} bytes")


def _timed(pattern: Any, subject: bytes, allowed: float, make: Callable[[Callable[[int], None]], Any]) -> Any:
    _try_beginning(pattern, subject)
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
