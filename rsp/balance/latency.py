"""A peer's latency as policies see it, and a group's quantiles.  Seconds everywhere."""

from math import log2
from typing import Final

# Seconds after which an old value counts for half, when nothing comes in between; with many values, for 1/e.
# A quotient is as good as an exponential here, and costs nothing.
DECAY: Final = 10.0
_BUCKETS: Final = 128  # four for each doubling, from 1 us to 2**32 us
_FADE: Final = 0.9  # a tick's worth of forgetting


class PeakEwma:
    """An exponentially weighted mean that follows a rise at once and a fall slowly, and forgets while idle.

    Finagle's "peak EWMA": a peer that gets slow is avoided after one answer.
    """

    __slots__ = ("_at", "value")

    def __init__(self) -> None:
        self.value = 0.0  # 0: nothing is known
        self._at = 0.0

    def add(self, sample: float, now: float) -> None:
        if sample >= self.value:
            self.value = sample
        else:
            kept = DECAY / (DECAY + now - self._at) if now > self._at else 1.0
            self.value = self.value * kept + sample * (1.0 - kept)
        self._at = now

    def fade(self, now: float) -> None:
        """Nothing is heard of the peer: trust the past less and less, so that it is tried again."""
        if now > self._at:
            self.value *= DECAY / (DECAY + now - self._at)
            self._at = now


class Quantiles:
    """A decaying histogram, precise to a fifth: enough to say what takes long."""

    def __init__(self) -> None:
        self._counts = [0.0] * _BUCKETS

    def add(self, seconds: float) -> None:
        self._counts[min(_BUCKETS - 1, int(log2(max(1.0, seconds * 1e6)) * 4))] += 1.0

    def fade(self) -> None:
        self._counts = [count * _FADE for count in self._counts]

    def at(self, share: float, least: float) -> float | None:
        """What ``share`` of all values do not exceed; ``None`` below ``least`` values."""
        total = sum(self._counts)
        if total < least:
            return None
        left = share * total
        for bucket, count in enumerate(self._counts):
            left -= count
            if left <= 0:
                return float(2.0 ** ((bucket + 1) / 4)) / 1e6
        return float(2.0 ** (_BUCKETS / 4)) / 1e6
