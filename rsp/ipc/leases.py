"""Limits that several instances share: what this instance may admit without asking the store, over all its workers.

A lease is a number of requests that the store has taken out of a limit's bucket for this instance.  Requests draw from
it; what a quarter of a second has not used goes back, or what 50 ms have not, where the bucket was empty.  An entry of
the memory that workers share has the state of a bucket, so all workers draw from one lease, and a flood of keys
pushes out the oldest.

Rules of this room: it decides, and never asks a store, which ``exchange/lease_client.py`` does; and it knows no other
clock than this machine's.  How much is leased, and when, is reckoned here:

- A request waits for the store where no lease is left and the bucket is not known to be empty.
- A bucket that is known to be empty is asked for again once it has something, not before.
- Limits of more than 200 requests a second whose bucket is empty again and again are refilled in the background every
  5 ms, less often where others have taken all: requests are answered at once, and the others get what one is refused.
- A lease is what has been asked for in a tenth of a second, but at most a quarter of what is in the bucket; once half
  of it is used, the next one is asked for in the background.
"""

from typing import Final

from rsp.ipc.clock import monotonic
from rsp.ipc.entries import Entries
from rsp.ipc.lease_terms import ASK, HOLDS, PASS, PASS_AND_ASK, REFUSE, REFUSE_AND_ASK
from rsp.ipc.shared_memory import Shared, hash_of

_AHEAD: Final = 0.1  # seconds of requests that a lease is for
_PACE: Final = 0.005  # seconds between two questions in the background,
_SLOWEST: Final = 0.1  # and at most, when there was nothing again and again: many instances ask
_FAST: Final = 0.005  # seconds between requests of limits that are refilled in the background
_BUSY: Final = 0.05  # seconds after which an empty bucket is asked for as if it had not been empty
_SAMPLE: Final = 0.02  # seconds in which requests are counted
_OTHER: Final = 0x5A5A5A5A000000  # sets an entry here apart from the bucket of the same key

# The numbers of an entry; that which entries without words have is what the lease had at first, or, less than 0, the
# seconds of the last pause between questions, which brought nothing.
_LEFT: Final = 0  # of the lease
_UNTIL: Final = 1  # it holds
_EMPTY: Final = 2  # until then the bucket is
_ASK_AT: Final = 3  # in the background, not before
_FULL: Final = 4  # the bucket is, by then
_SEEN: Final = 5  # requests
_SINCE: Final = 6
_DEMAND: Final = 7  # requests a second


class Leases:
    """Of one store.

    ``local``    the store does not answer: nothing is drawn here
    ``seconds``  after :meth:`draw`, as of :meth:`Shard.draw`: until the bucket is full again, or, less than 0, until
                 the request would pass
    ``need``     for how many requests the next lease has to be; ``want``: for how many more it should be
    ``is_new``   nothing was known of the bucket
    """

    __slots__ = ("_rates", "is_new", "local", "need", "seconds", "want")

    def __init__(self, rates: Shared) -> None:
        self._rates = rates
        self.local = False
        self.seconds = 0.0
        self.want = 0.0
        self.need = 0.0
        self.is_new = False

    def draw(self, key: bytes, interval: float, cost: float) -> int:
        """``interval``: seconds for each request."""
        if self.local:
            return ASK
        hashed = hash_of(key) ^ _OTHER
        entries = self._rates.entries_of(hashed)
        entries.begin()
        try:
            now = monotonic()
            cell = entries.find(b"", hashed)
            self.is_new = not cell
            if not cell:
                cell = self._new(entries, hashed, now)
            entries.touch(cell)
            entries.set_real(cell, _SEEN, entries.real(cell, _SEEN) + cost)
            left = entries.real(cell, _LEFT) if now < entries.real(cell, _UNTIL) else 0.0
            if left >= (cost if cost > 0.0 else 1.0):
                return self._take(entries, cell, now, interval, left - cost)
            return self._do_without(entries, cell, now, interval, cost)
        finally:
            entries.end()

    def _take(self, entries: Entries, cell: int, now: float, interval: float, left: float) -> int:
        """A request passes, and leaves so much of the lease."""
        entries.set_real(cell, _LEFT, left)
        full = entries.real(cell, _FULL) - now - left * interval
        self.seconds = full if full > 0.0 else 0.0
        if left * 2.0 > entries.number(cell) or now < entries.real(cell, _ASK_AT):
            return PASS
        self._reckon(entries, cell, now)
        self.need = 0.0
        return PASS_AND_ASK if self.want >= 1.0 else PASS

    def _do_without(self, entries: Entries, cell: int, now: float, interval: float, cost: float) -> int:
        """There is no lease that covers a request."""
        since = now - entries.real(cell, _EMPTY)
        if since < 0.0:
            self.seconds = since
            return REFUSE
        wait = entries.real(cell, _ASK_AT) - now
        if interval >= _FAST or (since >= _BUSY and (wait <= 0.0 or entries.number(cell) >= 0.0)):
            self._reckon(entries, cell, now)
            self.need = cost
            return ASK
        self.seconds = -(wait if wait > interval else interval)
        if wait > 0.0:
            return REFUSE
        self._reckon(entries, cell, now)
        self.need = entries.real(cell, _DEMAND) * _PACE * 2.0 // 1.0 + 1.0
        self.want = 0.0
        return REFUSE_AND_ASK

    def told(self, key: bytes, more: float, wait: float, full: float) -> None:
        """The store has answered: ``more`` requests for the lease; ``wait``: seconds until the bucket has something, 0
        if it has; ``full``: seconds until it would be full."""
        hashed = hash_of(key) ^ _OTHER
        entries = self._rates.entries_of(hashed)
        entries.begin()
        try:
            now = monotonic()
            cell = entries.find(b"", hashed)
            if not cell:
                cell = self._new(entries, hashed, now)
            if more > 0.0:
                left = entries.real(cell, _LEFT) if now < entries.real(cell, _UNTIL) else 0.0
                entries.set_real(cell, _LEFT, left + more)
                entries.set_real(cell, _UNTIL, now + (_BUSY if wait > 0.0 else HOLDS))
                entries.set_number(cell, left + more)
            if wait > 0.0:
                entries.set_real(cell, _EMPTY, now + wait)
                pause = wait if more > 0.0 else max(wait, self._back_off(entries, cell))
                entries.set_real(cell, _ASK_AT, max(entries.real(cell, _ASK_AT), now + pause))
            else:
                entries.set_real(cell, _ASK_AT, now)
            entries.set_real(cell, _FULL, now + full)
            entries.expire(cell, now + max(full, wait, HOLDS) + 1.0)
        finally:
            entries.end()

    def _back_off(self, entries: Entries, cell: int) -> float:
        """Seconds to the next question in the background after one for nothing: twice as many as before."""
        before = entries.number(cell)
        pause = before * -2.0 if before < 0.0 else _PACE * 2.0
        pause = pause if pause < _SLOWEST else _SLOWEST
        entries.set_number(cell, -pause)
        return pause

    def unused(self, key: bytes) -> float:
        """What a lease that does not hold any more has left, for the store; less than 0: it still holds, for this
        number of seconds."""
        hashed = hash_of(key) ^ _OTHER
        entries = self._rates.entries_of(hashed)
        entries.begin()
        try:
            cell = entries.find(b"", hashed)
            if not cell:
                return 0.0
            left, holds = entries.real(cell, _LEFT), entries.real(cell, _UNTIL) - monotonic()
            if left <= 0.0:
                return 0.0
            if holds > 0.0:
                return -holds
            entries.set_real(cell, _LEFT, 0.0)
            return left
        finally:
            entries.end()

    def _new(self, entries: Entries, hashed: int, now: float) -> int:
        entries.insert_words(hashed, 0)
        cell = entries.find(b"", hashed)
        entries.set_number(cell, 0.0)
        entries.set_real(cell, _SINCE, now)
        entries.expire(cell, now + 2.0)
        return cell

    def _reckon(self, entries: Entries, cell: int, now: float) -> None:
        """A lease is about to be asked for: how large it should be."""
        seen, past = entries.real(cell, _SEEN), now - entries.real(cell, _SINCE)
        demand = entries.real(cell, _DEMAND)
        if past >= _SAMPLE:
            demand = seen / past
            entries.set_real(cell, _SEEN, 0.0)
            entries.set_real(cell, _SINCE, now)
        else:
            demand = max(demand, (seen - 1.0) / _SAMPLE)
        entries.set_real(cell, _DEMAND, demand)
        entries.set_real(cell, _ASK_AT, now + _PACE)
        self.want = demand * _AHEAD // 1.0
