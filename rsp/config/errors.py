"""How a mistake in a configuration is named."""

import difflib
import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

_LONGEST: Final = 1000  # characters of a message
Path = tuple[str | int, ...]  # of keys and indexes, to where a mistake is in a declaration


class Position(Struct, frozen=True):
    """Where in the Lua sources something was written; ``line`` counts from 1, 0 is unknown."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class ConfigError(Exception):
    """One or more mistakes; each of ``messages`` is a line that stands by itself."""

    def __init__(self, *messages: str) -> None:
        # The name of a file may be any bytes.
        self.messages = tuple(message.encode("utf-8", "backslashreplace").decode() for message in messages)
        super().__init__("\n".join(self.messages))


def suggest(word: str, known: Iterable[str]) -> str:
    """``' (did you mean "weight"?)'`` where one of ``known`` is close to ``word``, else ``""``."""
    names = {name.lower().replace("_", ""): name for name in known}
    folded = word.lower().replace("_", "")
    swapped = [name for name in names if sorted(name) == sorted(folded)]  # no other is as likely
    close = swapped or difflib.get_close_matches(folded, names, n=1, cutoff=0.7)
    return f' (did you mean "{names[close[0]]}"?)' if close else ""


def one_line(message: str) -> str:
    """A message that quotes control characters, or a long value, is one line that can be read."""
    line = re.sub(r"[\x00-\x1f\x7f]", lambda found: ascii(found[0])[1:-1], message)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
