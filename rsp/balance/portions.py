"""Shares of requests: one in ten, or 90 to 10.

Each request moves a point in [0, 1) on by the golden ratio.  No other step spreads points more evenly: of any n
requests in a row a share has its part to within a few requests.  The same holds for every second or tenth request,
whatever the pattern in which a page and its images come (Kuipers and Niederreiter, Uniform Distribution of Sequences,
section 2.3).  It costs an addition, where a random number costs more and is less even.
"""

import random
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

_STEP: Final = 0.6180339887498949


class Portion:
    """``share`` of all requests, from 0 to 1.  Workers begin at different points, or ``at`` the one that is given."""

    __slots__ = ("_at", "_share")

    def __init__(self, share: float, at: float | None = None) -> None:
        self._share = share
        self._at = random.random() if at is None else at  # noqa: S311 - nothing has to be kept secret

    def take(self) -> bool:
        """Whether the next request belongs to it."""
        self._at += _STEP
        if self._at >= 1.0:
            self._at -= 1.0
        return self._at < self._share


class Shares:
    """Several, by weight; some weight is above 0."""

    __slots__ = ("_at", "_edges")

    def __init__(self, weights: Sequence[float], at: float | None = None) -> None:
        total = sum(weights)
        self._edges = [edge / total for edge in accumulate(weights)]
        self._at = random.random() if at is None else at  # noqa: S311 - nothing has to be kept secret

    def choose(self) -> int:
        """The number of the next request's share."""
        self._at += _STEP
        if self._at >= 1.0:
            self._at -= 1.0
        number = 0
        for edge in self._edges:
            if self._at < edge:
                break
            number += 1
        return number
