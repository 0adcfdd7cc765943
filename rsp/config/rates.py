"""Rates as people write them: ``"10r/s"``, ``"300r/m"``, ``"0.5r/s"``."""

import re
from math import ceil
from typing import Final, NamedTuple

from rsp.config.units import show

_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*r?/\s*(s|m|h|d)(?:ec|in|our|ay)?")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LEAST: Final = 1 / 86400 / 1000  # requests a second
_MOST: Final = 1e6


class Rate(NamedTuple):
    """``number`` requests in ``period`` seconds."""

    number: float
    period: int

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Raises :class:`ValueError` saying what was expected."""
        match = _RATE.fullmatch(text.strip()) if len(text) < 32 else None
        if match is None:
            way = f'; write "{text}r/s"' if text.isdecimal() and len(text) < 8 else ""
            raise ValueError(f'expected a rate such as "10r/s", "300r/m" or "1000r/h", got {show(text)}{way}')
        made = cls(float(match[1]), _SECONDS[match[2]])
        if not _LEAST <= made.number / made.period <= _MOST:
            raise ValueError(f"expected a rate above 0 and up to {_MOST:,.0f} requests a second, got {show(text)}")
        return made

    @property
    def interval(self) -> float:
        """Seconds between two requests."""
        return self.period / self.number

    def policy(self, burst: int) -> tuple[int, int]:
        """Quota and window in seconds, as RateLimit-Policy has them: the number of requests that pass in the window.

        The rate as it is written, unless more than that may pass at once: then what may, and the time in which that
        much comes back.  So no client ever has more left than the quota, and the window is never too short.
        """
        quota = max(1, int(self.number), burst + 1)
        if quota == self.number:
            return quota, self.period
        return quota, max(1, ceil(quota * self.interval - 1e-9))
