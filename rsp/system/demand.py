"""How much processor time this thread wants: what it had, and what it waited for while others had the processor."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Final

_SCHEDSTAT: Final = Path("/proc/thread-self/schedstat")  # nanoseconds that it ran, and that it was ready to run


class Demand:
    """As a share of the time since it was asked before: 0 for a thread that sleeps, 1 for one that never does.

    Where the kernel does not tell, the time that it waited for others is missing.
    """

    __slots__ = ("_at", "_wanted")

    def __init__(self) -> None:
        self._at, self._wanted = time.monotonic(), _wanted()

    def share(self) -> float:
        at, wanted = time.monotonic(), _wanted()
        share = (wanted - self._wanted) / max(at - self._at, 0.001)
        self._at, self._wanted = at, wanted
        return min(max(share, 0.0), 1.0)


def _wanted() -> float:
    """Seconds since it began."""
    with suppress(OSError, ValueError):
        ran, waited, _ = _SCHEDSTAT.read_bytes().split()
        return (int(ran) + int(waited)) / 1e9
    return time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID)
