"""The peers of each upstream now: those that the configuration names, and those that names stand for.

The master keeps the table, because it outlives all other processes; the control process looks names up; workers and the
control process are given the table as a whole whenever it changes.  Each peer of each upstream has a place in the
scoreboard.  It keeps it as long as it is a peer, through reloads and restarts of any child, so what is known of it and
what an operator said of it stays.
"""

import time
from collections.abc import Iterator
from typing import Final

import msgspec

from rsp.config.schema import Config
from rsp.config.units import Peer
from rsp.config.upstreams import Upstream
from rsp.ipc.peer_cells import IN_FLIGHT
from rsp.ipc.peer_marks import SINCE
from rsp.ipc.scoreboard import PLACES, RETIRED_ROW, Scoreboard
from rsp.ipc.worker_cells import PLACES_USED

# A start, or a reload, waits so many seconds for names that have not been looked up yet.
PATIENCE_WITH_NAMES: Final = 2.0
MOST_WEIGHT: Final = 1000
# A place is not given to another peer before all processes know that its own is gone.
_REST: float = 10.0


class Target(msgspec.Struct, frozen=True):
    """What a name stands for.  ``weight`` and ``backup``: where its SRV record says so."""

    address: Peer
    weight: int | None = None
    backup: bool = False


class PeerEntry(msgspec.Struct, frozen=True):
    """A peer.  ``given``: the index of what stands for it in the upstream's configuration."""

    address: Peer
    place: int
    given: int
    weight: int
    backup: bool
    max_conns: int


class PeerTable(msgspec.Struct, frozen=True):
    """``upstreams``: the peers of each.  ``unknown``: names that have not been looked up yet; they are worth waiting
    for."""

    upstreams: dict[str, list[PeerEntry]]
    unknown: list[Peer]


class PeerRegistry:
    """The master's."""

    def __init__(self, scoreboard: Scoreboard) -> None:
        self._scoreboard = scoreboard
        self._found: dict[Peer, list[Target]] = {}
        self._failed: set[Peer] = set()
        self._places: dict[tuple[str, Peer], int] = {}
        self._left: dict[tuple[str, Peer], tuple[int, float]] = {}  # peers that had a place, and until when
        self._never_used = 0
        self._arranged = False
        self.names: set[Peer] = set()  # those that have to be looked up
        self.overflow: set[str] = set()  # upstreams with more peers than there are places

    @property
    def places(self) -> int:
        """One more than the highest place that was ever used."""
        return self._never_used

    def learn(self, name: Peer, targets: list[Target] | None) -> None:
        """What ``name`` stands for; ``None``: it cannot be found out.  What was known then stays."""
        if targets is None:
            self._failed.add(name)
        else:
            self._failed.discard(name)
            self._found[name] = targets

    @property
    def found(self) -> dict[Peer, list[Target]]:
        """What names stand for, as far as it is known."""
        return self._found

    @property
    def peers(self) -> list[tuple[str, Peer, int]]:
        """Upstream, address and place of each peer that has a place."""
        return [(upstream, address, place) for (upstream, address), place in self._places.items()]

    def place_of(self, upstream: str, address: Peer) -> int | None:
        """The place of a peer; ``None``: it has none."""
        return self._places.get((upstream, address))

    @property
    def left(self) -> list[int]:
        """The places of peers that are none any more, until they are given to others."""
        return [place for place, _ in self._left.values()]

    def arrange(self, *configs: Config) -> list[PeerTable]:
        """The members for each of ``configs``, by what is known; no other peer has a place any more."""
        upstreams = [upstream for config in configs for upstream in config.upstreams]
        names = {peer.address for upstream in upstreams for peer in upstream.peers if peer.address.is_name}
        self._found = {name: found for name, found in self._found.items() if name in names}
        self._failed &= names
        self.names = names
        old, self._places = self._places, {}
        self.overflow = set()
        arranged = [self._members(config, old) for config in configs]
        now = time.monotonic()
        for key, place in old.items():
            if key not in self._places:
                self._left[key] = (place, now)
                self._scoreboard.leave(place)
        self._arranged = True
        return arranged

    def _members(self, config: Config, old: dict[tuple[str, Peer], int]) -> PeerTable:
        found = {upstream.name: list(self._each(upstream, old)) for upstream in config.upstreams}
        names = {peer.address for upstream in config.upstreams for peer in upstream.peers if peer.address.is_name}
        return PeerTable(found, sorted(names - set(self._found) - self._failed))

    def _each(self, upstream: Upstream, old: dict[tuple[str, Peer], int]) -> Iterator[PeerEntry]:
        seen: set[Peer] = set()  # two names may stand for one peer
        for given, peer in enumerate(upstream.peers):
            most = upstream.max_conns if peer.max_conns is None else peer.max_conns
            for target in self._targets(peer.address):
                place = self._place(upstream.name, target.address, old) if target.address not in seen else None
                seen.add(target.address)
                if place is not None:
                    weight = peer.weight if target.weight is None else target.weight
                    yield PeerEntry(target.address, place, given, weight, peer.backup or target.backup, most)

    def _targets(self, address: Peer) -> list[Target]:
        return self._found.get(address, []) if address.is_name else [Target(address)]

    def _place(self, upstream: str, address: Peer, old: dict[tuple[str, Peer], int]) -> int | None:
        key = (upstream, address)
        place = self._places.get(key, old.get(key))
        if place is None:
            place = self._new_place(key)
            if place is None:
                self.overflow.add(upstream)
                return None
            if self._arranged:  # it comes, or comes back, to others that are there: slow start
                self._scoreboard.set_mark(place, SINCE, int(time.monotonic() * 1000))
        self._places[key] = place
        return place

    def _new_place(self, key: tuple[str, Peer]) -> int | None:
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
        rested = time.monotonic() - _REST
        for key, (place, since) in list(self._left.items()):
            busy = self._scoreboard.total(place, IN_FLIGHT) or self._scoreboard.is_inherited(place)
            if since < rested and not busy:
                del self._left[key]
                yield place
        if self._never_used < PLACES:
            self._never_used += 1
            self._scoreboard.row(RETIRED_ROW)[PLACES_USED] = self._never_used
            yield self._never_used - 1
