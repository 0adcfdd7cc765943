"""Which place of the scoreboard is whose.

Each peer of each upstream has one.  It keeps it as long as it is a peer, through reloads and restarts of any child, so
its state and the orders of operators stay.
"""

import time
from collections.abc import Iterator
from itertools import islice

from rsp.config.units import Peer
from rsp.ipc.peer_cells import CONNECTING, IN_FLIGHT
from rsp.ipc.peer_marks import SINCE
from rsp.ipc.scoreboard import PLACES, RETIRED_ROW, Scoreboard
from rsp.ipc.worker_cells import PLACES_USED

# A place is not given to another peer before all processes know that its own is gone.
_REST: float = 10.0
_LOOK_AT: int = 16  # places that have rested, for one that nothing runs at any more

Key = tuple[str, Peer]  # upstream and address


class Places:
    """``used``: one more than the highest place that was ever given."""

    def __init__(self, scoreboard: Scoreboard) -> None:
        self._scoreboard = scoreboard
        self._places: dict[Key, int] = {}
        self._left: dict[Key, tuple[int, float]] = {}  # peers that had a place, and since when; the oldest first
        self.used = 0

    def of(self, key: Key) -> int | None:
        """The place of a peer; ``None``: it has none."""
        return self._places.get(key)

    @property
    def all(self) -> dict[Key, int]:
        """By peer."""
        return self._places

    @property
    def left(self) -> list[int]:
        """The places of former peers, until they are given to others."""
        return [place for place, _ in self._left.values()]

    def take(self, key: Key, *, late: bool) -> int | None:
        """The peer's place, a new one if it has none; ``None``: there is none left.

        ``late``: it comes, or comes back, to others that are there, so it starts slowly.
        """
        place = self._places.get(key)
        if place is None:
            place = self._new(key)
            if place is not None:
                self._places[key] = place
                if late:
                    self._scoreboard.set_mark(place, SINCE, int(time.monotonic() * 1000))
        return place

    def leave(self, key: Key) -> None:
        """It is no peer any more."""
        place = self._places.pop(key, None)
        if place is not None:
            self._left[key] = place, time.monotonic()
            self._scoreboard.leave(place)

    def _new(self, key: Key) -> int | None:
        """The one that it had not long ago, with all that is known of it; else a free one."""
        if key in self._left:
            known = self._left.pop(key)[0]
            self._scoreboard.come_back(known)
            return known
        place = next(self._free(), None)
        if place is not None:
            self._scoreboard.clear_place(place)
        return place

    def _free(self) -> Iterator[int]:
        now = time.monotonic()
        for key, (place, since) in list(islice(self._left.items(), _LOOK_AT)):
            if since >= now - _REST:
                break
            del self._left[key]
            if not self._is_busy(place):
                yield place
            self._left[key] = place, now  # something is not done there
        if self.used < PLACES:
            self.used += 1
            self._scoreboard.row(RETIRED_ROW)[PLACES_USED] = self.used
            yield self.used - 1

    def _is_busy(self, place: int) -> bool:
        """Whether a worker, or a predecessor's, has yet to count something there."""
        board = self._scoreboard
        return bool(board.total(place, IN_FLIGHT) or board.total(place, CONNECTING)) or board.is_inherited(place)
