"""When an answer of a source comes into force: at once, later, or not at all.

Rules of this room: no clock, no sockets; the caller says what time it is.

An answer with fewer members than ``minimum``, and fewer than are in force, is in doubt: it has to stay the same for
``doubt`` before it counts.  A list that comes while nothing is known counts at once.

A member that comes and goes again and again is flapping: it stays as it is, in or out, until it has kept still.
"""

import math
from collections import deque
from typing import Final

from rsp.control.discovery.provider import Member

_TURNS: Final = 3  # how often a member may come or go
_WITHIN: Final = 10.0  # seconds in which these changes make it flapping;
_STILL: Final = 5.0  # seconds of rest after which it is not flapping any more
_MOST: Final = 20_000  # members whose turns are remembered

Members = dict[str, Member]


class Damper:
    """``in_force``: by address; ``None``: nothing is known yet.

    ``doubted``: how many members an answer has that is not believed; ``None``: there is none.
    ``due``: when :meth:`settle` wants to be called, if no answer comes before.
    """

    def __init__(self, minimum: int, doubt: float, in_force: Members | None = None) -> None:
        self._minimum = minimum
        self._patience = doubt
        self._doubted_since = 0.0
        self._last: Members = in_force or {}  # answer that was believed
        self._turns: dict[str, deque[float]] = {}
        self.in_force = in_force
        self.doubted: int | None = None
        self.flapping: set[str] = set()
        self.due = math.inf

    def settle(self, answer: Members, now: float) -> bool:
        """Whether another answer is in force than before; ``answer`` is the newest."""
        self.due = math.inf
        if self.in_force is None:
            self.in_force = self._last = answer
            return True
        if self._is_doubtful(answer, self.in_force, now):
            return False
        self._watch(answer, now)
        wanted = self._damped(answer, self.in_force) if self.flapping else answer
        if wanted == self.in_force:
            return False
        self.in_force = wanted
        return True

    def _is_doubtful(self, answer: Members, in_force: Members, now: float) -> bool:
        if len(answer) >= min(self._minimum, len(in_force)):
            self.doubted = None
            return False
        if self.doubted is None:
            self._doubted_since = now
        self.doubted = len(answer)
        self.due = self._doubted_since + self._patience
        if now < self.due:
            return True
        self.doubted, self.due = None, math.inf
        return False

    def _watch(self, answer: Members, now: float) -> None:
        """Which members come and go."""
        if answer is not self._last:
            if len(self._turns) > _MOST:
                self._turns.clear()
            for address in answer.keys() ^ self._last.keys():
                self._turns.setdefault(address, deque(maxlen=_TURNS + 1)).append(now)
            self._last = answer
        for address, turns in list(self._turns.items()):
            if len(turns) > _TURNS and turns[-1] - turns[0] < _WITHIN:
                self.flapping.add(address)
            if now >= turns[-1] + (_STILL if address in self.flapping else _WITHIN):
                del self._turns[address]
                self.flapping.discard(address)
        self.flapping &= self._turns.keys()
        if self.flapping:
            self.due = min(self._turns[address][-1] for address in self.flapping) + _STILL

    def _damped(self, answer: Members, in_force: Members) -> Members:
        wanted = dict(answer)
        for address in self.flapping:
            if address in in_force:
                wanted[address] = answer.get(address, in_force[address])
            else:
                wanted.pop(address, None)
        return wanted
