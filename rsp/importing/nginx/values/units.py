"""nginx's times and sizes as rsp writes them."""

import re
from typing import Final

from rsp.importing.nginx.values.variables import Unsayable

_TIME: Final = re.compile(r"(\d+)(ms|s|m|h|d|w|M|y)?")
_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000, "y": 31536000}
_SIZE: Final = re.compile(r"(\d+)([kKmMgG]?)")


def number_of_seconds(text: str) -> float:
    """Of ``1h30m`` and its like.  Raises :class:`Unsayable`."""
    words = text.replace(" ", "")
    if not re.fullmatch(r"(?:\d+(?:ms|s|m|h|d|w|M|y)?)+", words):
        raise Unsayable(f"{text} is no time")
    return sum(int(number) * _SECONDS[unit or "s"] for number, unit in _TIME.findall(words))


def seconds(text: str) -> str:
    """A duration: ``"60s"``."""
    total = number_of_seconds(text)
    return f"{round(total * 1000)}ms" if total != int(total) else f"{int(total)}s"


def size(text: str) -> str:
    """``"1MB"``; ``"0"`` is no limit."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise Unsayable(f"{text} is no size")
    return match[1] + {"": "", "k": "KB", "m": "MB", "g": "GB"}[match[2].lower()]
