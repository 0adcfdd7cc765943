"""Why an engine cannot be used, as a clause for the log.

What an engine says is cut off, and stripped of what a terminal would obey.
"""

import re
from typing import Final

_LONGEST: Final = 300
_EACH: Final = 16  # bytes of JSON for a value, on average over an answer that is as long as it may be
# Commas of texts do not count: they may be a label of one container among many.  It matches at each quote, or a hostile
# text would be looked at from each of its quotes on.
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)

# What decoding JSON raises: also where it is nested deeply.
UNREADABLE: Final = (ValueError, RecursionError)


class Unreachable(Exception):
    """No answer that can be used; the text is a clause, without secrets.

    ``untouched``: the engine cannot have received what it was asked.
    """

    def __init__(self, text: str, *, untouched: bool = False) -> None:
        super().__init__(plain(text))
        self.untouched = untouched


class Broken(Unreachable):
    """A connection broke off before the answer's end."""


class Oversized(Unreachable):
    """An answer is larger than its limit."""


def is_crowded(data: bytes, limit: int) -> bool:
    """Whether JSON of at most ``limit`` bytes has more values than an engine's: each takes 70 bytes of memory and some
    microseconds, so that ``[1,1,1...`` of 32 MB would be 1.2 GB."""
    most = limit // _EACH
    return data.count(b",") > most and _STRING.sub(b"", data).count(b",") > most


def plain(text: str, longest: int = _LONGEST) -> str:
    """What an engine says, in a form that a log line may have."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:longest])
