"""Smooth weighted round robin, the order that nginx's default balancer gives.

Weights 5, 1, 1 give a a b a c a a: the heavy peer's turns are spread, not bunched.  The order repeats after
sum(weights) turns, so it is laid out once and a turn is one step through a tuple.
"""

from collections.abc import Collection, Sequence
from math import gcd


def smooth_order(weights: Sequence[int]) -> tuple[int, ...]:
    """One full turn of smooth weighted round robin over ``weights`` (all >= 1), as indexes."""
    divisor = gcd(*weights)
    shares = [weight // divisor for weight in weights]
    total = sum(shares)
    current = [0] * len(shares)
    order = []
    for _ in range(total):
        for index, share in enumerate(shares):
            current[index] += share
        best = max(range(len(shares)), key=current.__getitem__)
        current[best] -= total
        order.append(best)
    return tuple(order)


class RoundRobin:
    """``offset`` in [0, 1) is where in the turn to start, so that workers do not all begin with the same peer."""

    __slots__ = ("_next", "_order")

    def __init__(self, weights: Sequence[int], offset: float = 0.0) -> None:
        self._order = smooth_order(weights)
        self._next = int(len(self._order) * offset)

    def pick(self, tried: Collection[int] = ()) -> int | None:
        order = self._order
        for _ in order:
            index = order[self._next]
            self._next += 1
            if self._next == len(order):
                self._next = 0
            if index not in tried:
                return index
        return None
