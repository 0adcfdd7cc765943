"""Peers that do worse than their siblings, and how long a peer stays out (Envoy's outlier detection, in our terms)."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
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
    return [index for index, rate, others in _beside_others(rates) if rate >= share and rate >= others + _ERRORS_ABOVE]


def by_latency(samples: Sequence[Sample], factor: float, requests: int) -> list[int]:
    """Indexes of peers that take ``factor`` times as long as the others' median, or longer."""
    times = {index: peer.latency for index, peer in enumerate(samples) if peer.requests >= requests}
    return [index for index, time, others in _beside_others(times) if time >= factor * others and time - others > 0.001]


def _beside_others(values: Mapping[int, float]) -> list[tuple[int, float, float]]:
    """Each index with its value, and with the median of all other values, if there are others."""
    ordered = sorted(values.values())
    if len(ordered) < 2:
        return []
    return [(index, value, _median_without(ordered, bisect_left(ordered, value))) for index, value in values.items()]


def _median_without(ordered: Sequence[float], left_out: int) -> float:
    """Of ``ordered``, without the one at that index."""
    half, odd = divmod(len(ordered) - 1, 2)
    middle = (half,) if odd else (half - 1, half)
    return sum(ordered[at + (at >= left_out)] for at in middle) / len(middle)


def ejections(before: int, healthy: float, first: float) -> int:
    """How often a peer counts as ejected in a row, after ``before`` times and ``healthy`` seconds without: one less
    for each time that it was well for as long as it is out at ``first``."""
    return max(0, before - int(healthy / first)) if first > 0 else 0


def time_out(first: float, longest: float, times: int) -> float:
    """Seconds that a peer stays out which has been ejected ``times`` times in a row before."""
    return float(min(longest, first * 2.0 ** min(times, 30)))
