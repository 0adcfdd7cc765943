"""Peers that do worse than their siblings, and how long a peer stays out (Envoy's outlier detection, in our terms)."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

_ERRORS_ABOVE = 0.05  # an error rate is never an outlier's that is less than so far above the others'


class Sample(NamedTuple):
    """What one peer did in the last interval.  ``latency``: the mean time to a response's head, in seconds."""

    requests: int
    errors: int
    latency: float


def by_errors(samples: Sequence[Sample], share: float, requests: int) -> list[int]:
    """Indexes of peers that answer ``share`` of their requests or more with errors while the others do not.

    Peers with fewer than ``requests`` are not evaluated.  When all are sick it is not the peers' fault: none.
    """
    rates = {index: peer.errors / peer.requests for index, peer in enumerate(samples) if peer.requests >= requests}
    found = []
    for index, rate in rates.items():
        others = [other for sibling, other in rates.items() if sibling != index]
        if others and rate >= share and rate >= median(others) + _ERRORS_ABOVE:
            found.append(index)
    return found


def by_latency(samples: Sequence[Sample], factor: float, requests: int) -> list[int]:
    """Indexes of peers that take ``factor`` times as long as the others' median, or longer."""
    times = {index: peer.latency for index, peer in enumerate(samples) if peer.requests >= requests}
    found = []
    for index, time in times.items():
        others = [other for sibling, other in times.items() if sibling != index]
        if others and time >= factor * median(others) and time - median(others) > 0.001:
            found.append(index)
    return found


def ejections(before: int, healthy: float, first: float) -> int:
    """How often a peer counts as ejected in a row, after ``before`` times and ``healthy`` seconds without: one less
    for each time that it was well for as long as it is out at ``first``."""
    return max(0, before - int(healthy / first)) if first > 0 else 0


def time_out(first: float, longest: float, times: int) -> float:
    """Seconds that a peer stays out which has been ejected ``times`` times in a row before."""
    return float(min(longest, first * 2.0 ** min(times, 30)))
