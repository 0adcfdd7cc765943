"""Regular expressions as RE2 has them: searching takes time that is linear in the text, and memory that is bounded."""

import re
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

_AUTOMATON: Final = 256 << 10  # most bytes of the automaton of one route's expression
_TOGETHER: Final = 8 << 20  # most bytes of one automaton for several, or
_PLACE: Final = 400  # so many for each of their instructions
_FEW: Final = 16  # texts that a path is compared with before it is searched
_LONGEST: Final = 4096  # bytes of a pattern
_LARGEST: Final = 1000  # instructions of one
_STEP: Final = 1.2e-8  # seconds for a byte and an instruction, at worst
_TRIAL: Final = 0.005  # seconds that a search may take without a trial
_PATIENCE: Final = 0.1  # seconds that a search may take

# Groups and classes are taken out from the inside to see whether an alternative is left, which may begin otherwise.
_ESCAPED: Final = re.compile(rb"\\.", re.DOTALL)
_CLASS: Final = re.compile(rb"\[\^?\]?[^\]]*\]")
_GROUP: Final = re.compile(rb"\([^()]*\)")
_LITERAL: Final = re.compile(rb"\^((?:[^\\.+*?()|\[\]{}^$]|\\[^A-Za-z0-9])*)([?*+{]?)", re.DOTALL)


def compiled(pattern: bytes, *, groups: bool, memory: int) -> Any:
    """``groups``: whether matches have them; ``memory``: most bytes of its automaton.  Raises :class:`ValueError`."""
    import re2  # only where there is one: it takes a while to load

    try:
        return re2.compile(pattern, _options(groups=groups, memory=memory))
    except re2.error as error:
        message = error.args[0] if error.args else error
        raise ValueError(message.decode() if isinstance(message, bytes) else message) from None


def _options(*, groups: bool, memory: int) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = memory
    options.never_capture = not groups
    options.encoding = re2.Options.Encoding.LATIN1
    return options


class TooCostly(ValueError):
    """A search would take too long."""


class Pattern:
    """The ``regex`` of a route.  Raises :class:`ValueError`.

    ``instructions``  how large it is
    ``literal``   what every path begins with that it is found in
    ``names``     what its groups are called: their numbers, from 1, and their names
    """

    __slots__ = ("_regex", "_search", "instructions", "literal", "names", "text")

    def __init__(self, text: str) -> None:
        self.text = text.encode()
        if len(self.text) > _LONGEST:
            raise ValueError(f"the pattern is longer than {_LONGEST} bytes")
        self._regex = compiled(self.text, groups=True, memory=_AUTOMATON)
        self.instructions = self._regex.programsize
        if self.instructions > _LARGEST:
            raise ValueError(f"the pattern is too large: it has {self.instructions} instructions of {_LARGEST}")
        self._search = self._regex.search
        self.literal = literal_of(self.text)
        self.names = (*map(str, range(1, self._regex.groups + 1)), *map(_text, self._regex.groupindex))

    def finds(self, path: bytes) -> bool:
        try_beginning(self._search, self.instructions, path)
        return self._search(path) is not None

    def captures(self, path: bytes) -> dict[str, bytes]:
        """What its groups have found in ``path``, by number and name; empty where a group took no part."""
        match = self._search(path)
        if match is None:
            return dict.fromkeys(self.names, b"")
        groups = match.groups(b"")
        named = {_text(name): groups[index - 1] for name, index in self._regex.groupindex.items()}
        return {str(index): found for index, found in enumerate(groups, 1)} | named


class Sieve:
    """Which of many patterns are found in a text: one pass for all of them."""

    __slots__ = ("_instructions", "_literals", "_patterns", "_set")

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = patterns
        literals = {pattern.literal for pattern in patterns}
        self._literals = tuple(literals) if len(literals) <= _FEW else (_common(literals),)
        self._instructions = sum(pattern.instructions for pattern in patterns)
        self._set = _together(patterns, max(_TOGETHER, self._instructions * _PLACE))

    def find(self, text: bytes) -> list[int]:
        """The numbers of those that are, in their order.  Raises :class:`TooCostly`."""
        if not text.startswith(self._literals):
            return []
        try_beginning(self._match, self._instructions, text)
        found = self._match(text)
        if found:
            return found[:-1]
        return [number for number, pattern in enumerate(self._patterns) if pattern.finds(text)]

    def _match(self, text: bytes) -> list[int]:
        """With the number behind the last; empty where memory does not suffice."""
        return sorted(self._set.Match(text)) if self._set is not None else []


def _together(patterns: Sequence[Pattern], memory: int) -> Any:
    """``None``: there is no memory for it."""
    import re2

    made = re2.Set.SearchSet(_options(groups=False, memory=memory))
    for pattern in patterns:
        made.Add(pattern.text)
    made.Add(b"")  # is always found, unless memory does not suffice
    try:
        made.Compile()
    except re2.error:
        return None
    return made


def try_beginning(search: Callable[[bytes], object], instructions: int, text: bytes) -> None:
    """Raises :class:`TooCostly` where ``search``, with this number of instructions, would take too long for ``text``.

    Nothing can stop RE2, and where its automaton does not fit, each byte may cost 12 ns for each instruction.  So what
    could take long is tried with beginnings of the text first, each twice the last.
    """
    tried = max(1, int(_TRIAL / (_STEP * instructions)))
    while 2 * tried < len(text):
        began = time.perf_counter()
        search(text[:tried])
        took = time.perf_counter() - began
        if took > _TRIAL and took * len(text) / tried > _PATIENCE:
            raise TooCostly(f"this pattern takes too long for a text of {len(text):,} bytes")
        tried *= 2  # what came before may be known to the automaton


def _common(texts: Collection[bytes]) -> bytes:
    """What all of them begin with."""
    least, greatest = min(texts), max(texts)
    while not greatest.startswith(least):
        least = least[:-1]
    return least


def literal_of(pattern: bytes) -> bytes:
    """What every text begins with that ``pattern`` is found in, as far as that is plain; else empty."""
    found = _LITERAL.match(pattern)
    if found is None or b"\\Q" in pattern or _has_alternatives(pattern):
        return b""
    literal = _ESCAPED.sub(lambda one: one[0][1:], found[1])
    return literal[:-1] if found[2] else literal  # what a quantifier follows may not be there


def _has_alternatives(pattern: bytes) -> bool:
    """Whether there is a ``|`` outside of all groups."""
    rest = _CLASS.sub(b"", _ESCAPED.sub(b"", pattern))
    while (shorter := _GROUP.sub(b"", rest)) != rest:
        rest = shorter
    return b"|" in rest


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
