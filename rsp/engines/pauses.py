"""How long rsp waits before it tries an engine again."""

import random


class Pauses:
    """``first``: seconds after a failure; twice as long each time, but not longer than ``latest``."""

    def __init__(self, first: float, latest: float) -> None:
        self._first, self._latest = first, latest
        self._next = first

    def begin_anew(self) -> None:
        self._next = self._first

    def next(self) -> float:
        """Seconds; at random, so that not all instances come at once."""
        pause, self._next = self._next, min(self._next * 2, self._latest)
        return pause * random.uniform(0.5, 1.0)  # noqa: S311
