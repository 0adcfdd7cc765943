"""Durations as rsp writes them, whatever the source calls its units."""

from typing import Final

_UNITS: Final = (("s", 1), ("m", 60), ("h", 3600), ("d", 86400))


def duration(seconds: float) -> str:
    """``"2m"``, ``"5s"``, ``"500ms"``: the largest unit that fits; what is below a millisecond is one, 0 stays 0."""
    for name, size in reversed(_UNITS):
        if seconds and seconds % size == 0:
            return f"{seconds / size:.0f}{name}"
    return f"{max(seconds * 1000, 1):.0f}ms" if seconds else "0s"


def rate(count: int, period: float) -> str:
    """``"10r/s"``: the same rate in the largest unit that makes it a whole number, or nearly."""
    for unit, size in _UNITS:
        each = count * size / period
        if each >= 1 and each == int(each):
            return f"{each:.0f}r/{unit}"
    return f"{count * 60 / period:g}r/m"
