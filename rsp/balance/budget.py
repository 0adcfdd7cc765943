"""How many retries are not too many (Finagle's retry budget): a share of the requests of the last ten seconds.

A peer that fails now and then costs a few retries.  When most requests fail, sending them again would only double
the load on what is sick, so then the first answer stands.
"""

from typing import Final

_SECONDS: Final = 10
RESERVE: Final = 10  # retries a second that are always allowed, so that a quiet service can fail over, too


class RetryBudget:
    """``share``: retries for each request, for instance 0.2.  ``requests``: those of the second that is running."""

    __slots__ = ("_requests", "_retries", "_share", "retries")

    def __init__(self, share: float) -> None:
        self._share = share
        self._requests = [0] * _SECONDS
        self._retries = [0] * _SECONDS
        self.retries = 0  # in this second

    def tick(self, requests: int) -> None:
        """A second is over."""
        self._requests = [requests, *self._requests[:-1]]
        self._retries = [self.retries, *self._retries[:-1]]
        self.retries = 0

    def withdraw(self, requests: int) -> bool:
        """Whether one more retry is in order; if so, it is counted."""
        if self._share <= 0:
            return False
        allowed = self._share * (sum(self._requests) + requests) + RESERVE * _SECONDS
        if sum(self._retries) + self.retries >= allowed:
            return False
        self.retries += 1
        return True
