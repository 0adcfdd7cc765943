"""Messages of the log as JSON: ``{"time":"2026-11-23T12:59:00.123Z","level":"warning","pid":17,"message":"..."}``.

A record is one line, and short enough for a pipe to take it at once or not at all.  A longer message, such as a stack,
becomes several records.
"""

import os
import time
from typing import Final

import msgspec

_WIDEST: Final = 3900  # bytes; outlet.py folds longer lines
_PART: Final = 600  # characters: written as \u0000, six bytes each
_NAMES: Final = {3: "error", 4: "warning", 6: "info"}


class Record(msgspec.Struct, frozen=True):
    time: str
    level: str
    pid: int
    message: str


def records(message: str, level: int, now: float) -> list[bytes]:
    """Each with its line feed."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"
    name, pid = _NAMES.get(level, "info"), os.getpid()
    text = message.encode("utf-8", "replace").decode()
    whole = _line(Record(stamp, name, pid, text))
    if len(whole) <= _WIDEST:
        return [whole]
    return [_line(Record(stamp, name, pid, text[at : at + _PART])) for at in range(0, len(text), _PART)]


def _line(record: Record) -> bytes:
    return msgspec.json.encode(record) + b"\n"
