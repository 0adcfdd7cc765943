"""What one connection may ask for without bringing anything: frames that cost work and are no requests or data.

A bucket of points: it fills with time and with what is useful, and each such frame takes some out.  A browser that
cancels a page's requests, or a stream of small window updates for data that was sent, stays far above the bottom.
"""

from typing import Final

from rsp.http.h2.errors import Http2Error
from rsp.http.h2.frames import ENHANCE_YOUR_CALM

# Points.  A stream that is reset costs a request (rapid reset, CVE-2023-44487): 500 at once, then 50 a second.
RESET: Final = 20
SETTING: Final = 20
PINGED: Final = 10
SMALL: Final = 4  # a frame without content, or of no use
UPDATE: Final = 1
_MOST: Final = 10_000.0
_RATE: Final = 1_000.0  # a second
_PER_KILOBYTE: Final = 2.0  # of data, in either direction


class Guard:
    """Of one connection."""

    __slots__ = ("_at", "_points")

    def __init__(self, now: float) -> None:
        self._points = _MOST
        self._at = now

    def spend(self, points: int, now: float) -> None:
        """Raises :class:`Http2Error` when there are none left."""
        if now > self._at:
            self._points = min(_MOST, self._points + (now - self._at) * _RATE)
            self._at = now
        self._points -= points
        if self._points < 0:
            raise Http2Error(ENHANCE_YOUR_CALM, "too many frames that only cost work")

    def earn(self, size: int) -> None:
        """``size`` bytes have passed; by size alone, or 200 bytes in frames of one byte would pay for a reset."""
        self._points = min(_MOST, self._points + size * _PER_KILOBYTE / 1024)
