"""Work of each second that takes more than a moment: some in each turn of the loop, so that requests come between.

Such work is a generator of steps.  Each step does some of it, 0.1 ms at most, and gives the microseconds that this may
have taken.
"""

import asyncio
from collections.abc import Iterator
from typing import Final

_A_TURN: Final = 200  # microseconds


class Rounds:
    """One round after the other.  A round that is not over when the next one is due goes on in its place."""

    __slots__ = ("_goes_on", "_steps")

    def __init__(self) -> None:
        self._steps: Iterator[int] = iter(())
        self._goes_on = False

    def begin(self, steps: Iterator[int]) -> None:
        if not self._goes_on:
            self._steps = steps
            self._go_on()

    def _go_on(self) -> None:
        self._goes_on = False
        left = _A_TURN
        for taken in self._steps:
            left -= taken
            if left <= 0:
                asyncio.get_running_loop().call_soon(self._go_on)
                self._goes_on = True
                break


def at_once(steps: Iterator[int]) -> None:
    """All of them."""
    for _ in steps:
        pass
