"""The master's table of peers: the addresses of names, and so which peers each upstream of each configuration has.

A change costs what has changed, not what there is: where a name gets another target, only that one is looked at.
"""

from collections.abc import Iterable, Iterator

from rsp.config.schema import Config
from rsp.config.units import Peer
from rsp.config.upstreams import Upstream
from rsp.ipc.peer_table import Changed, PeerEntry, PeerTable, Target
from rsp.ipc.places import Places
from rsp.ipc.scoreboard import Scoreboard


class PeerRegistry:
    """``names``: those that have to be looked up.  ``overflow``: upstreams with more peers than there are places."""

    def __init__(self, scoreboard: Scoreboard) -> None:
        self._places = Places(scoreboard)
        self._targets: dict[Peer, dict[Peer, Target]] = {}  # by name and address
        self._failed: set[Peer] = set()
        self._dirty: dict[Peer, set[Peer]] = {}  # by name: targets that are otherwise than they were
        self._arranged: list[Arrangement] = []
        self.names: set[Peer] = set()
        self.overflow: set[str] = set()

    @property
    def places(self) -> int:
        """One more than the highest place that was ever used."""
        return self._places.used

    @property
    def peers(self) -> list[tuple[str, Peer, int]]:
        """Upstream, address and place of each peer that has a place."""
        return [(upstream, address, place) for (upstream, address), place in self._places.all.items()]

    def place_of(self, upstream: str, address: Peer) -> int | None:
        """The place of a peer; ``None``: it has none."""
        return self._places.of((upstream, address))

    @property
    def left(self) -> list[int]:
        """The places of former peers, until they are given to others."""
        return self._places.left

    @property
    def found(self) -> dict[Peer, list[Target]]:
        """The known addresses of names."""
        return {name: list(targets.values()) for name, targets in self._targets.items()}

    # -- addresses of names

    def learn(self, name: Peer, targets: list[Target] | None) -> None:
        """What ``name`` stands for; ``None``: it cannot be found out.  What was known then stays."""
        if targets is None:
            self._failed.add(name)
            self._dirty.setdefault(name, set())
            return
        before, now = self._targets.get(name, {}), {target.address: target for target in targets}
        self._targets[name] = now
        self._note(name, {each for each in before.keys() | now.keys() if before.get(each) != now.get(each)})

    def change(self, name: Peer, come: list[Target], gone: list[Peer]) -> None:
        """Of what ``name`` stands for, ``come`` is new, or otherwise than before, and ``gone`` is gone."""
        targets = self._targets.setdefault(name, {})
        for address in gone:
            targets.pop(address, None)
        targets.update((target.address, target) for target in come)
        self._note(name, {*gone, *(target.address for target in come)})

    def count(self, name: Peer) -> int:
        """How many targets it has; -1: that is not known yet."""
        return len(self._targets[name]) if name in self._targets else -1

    def _note(self, name: Peer, addresses: set[Peer]) -> None:
        self._failed.discard(name)
        self._dirty.setdefault(name, set()).update(addresses)

    # -- peers

    def arrange(self, *configs: Config) -> "list[Arrangement]":
        """The peers for each of ``configs``, by what is known; no other peer has a place any more.

        They stay up to date by :meth:`refresh`, until other configurations are arranged.
        """
        known = {id(each.config): each for each in self._arranged}
        late = bool(self._arranged)
        arrangements = [known.get(id(config)) or Arrangement(config) for config in configs]
        self.names = {name for each in arrangements for name in each.names}
        self._targets = {name: targets for name, targets in self._targets.items() if name in self.names}
        self._failed &= self.names
        self._arranged = arrangements
        if self.overflow or any(each not in known.values() for each in arrangements):
            self._arrange_all(late=late)
        else:
            self.refresh()
        self._leave_unused()
        for each in arrangements:
            if each not in known.values():
                each.taken()
        return arrangements

    def _arrange_all(self, *, late: bool) -> None:
        """Of all configurations, from what is known."""
        self._dirty = {}
        self.overflow = set()
        for arrangement in self._arranged:
            for one in arrangement.upstreams:
                for address in [*one.entries, *one.addresses(self._targets)]:
                    self._bring_up_to_date(arrangement, one, address, late=late)
            arrangement.forget_names(self._targets, self._failed)

    def _leave_unused(self) -> None:
        """Places of former peers."""
        used = {(one.name, address) for each in self._arranged for one in each.upstreams for address in one.entries}
        for key in [key for key in self._places.all if key not in used]:
            self._places.leave(key)

    def refresh(self) -> None:
        """Bring what is arranged up to date; :attr:`Arrangement.changed` notes how."""
        if self.overflow:
            self._arrange_all(late=True)
            self._leave_unused()
            return
        dirty, self._dirty = self._dirty, {}
        for arrangement in self._arranged:
            for name, addresses in dirty.items():
                for one in arrangement.by_name.get(name, ()):
                    for address in addresses:
                        self._bring_up_to_date(arrangement, one, address, late=True)
            arrangement.forget_names(self._targets, self._failed)
        for arrangement in self._arranged:
            for upstream, changed in arrangement.changed.items():
                for address, (_, now) in changed.items():
                    if now is None and not any(each.has(upstream, address) for each in self._arranged):
                        self._places.leave((upstream, address))

    def _bring_up_to_date(self, arrangement: "Arrangement", one: "Members", address: Peer, *, late: bool) -> None:
        found = one.given_for(address, self._targets)
        if found is None:
            arrangement.put(one, address, None)
            return
        place = self._places.take((one.name, address), late=late)
        if place is None:
            self.overflow.add(one.name)
        arrangement.put(one, address, one.entry(found[0], found[1], place) if place is not None else None)


class Arrangement:
    """The peers of one configuration.  ``changed``: since :meth:`taken`, by upstream.

    ``unknown``: names that have not been looked up yet; they are worth waiting for.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.upstreams = [Members(upstream) for upstream in config.upstreams]
        self.by_name: dict[Peer, list[Members]] = {}
        for one in self.upstreams:
            for name in one.names:
                self.by_name.setdefault(name, []).append(one)
        self._by_upstream = {one.name: one for one in self.upstreams}
        self.unknown: list[Peer] = sorted(self.by_name)
        self._told_unknown: list[Peer] = []
        self.changed: dict[str, Changed] = {}

    @property
    def names(self) -> Iterable[Peer]:
        return self.by_name

    def has(self, upstream: str, address: Peer) -> bool:
        one = self._by_upstream.get(upstream)
        return one is not None and address in one.entries

    def table(self) -> PeerTable:
        """For a process that knows nothing yet."""
        return PeerTable({one.name: list(one.entries.values()) for one in self.upstreams}, self.unknown)

    def put(self, one: "Members", address: Peer, entry: PeerEntry | None) -> None:
        before = one.entries.get(address)
        if entry == before:
            return
        if entry is None:
            del one.entries[address]
        else:
            one.entries[address] = entry
        changed = self.changed.setdefault(one.name, {})
        first = changed[address][0] if address in changed else before
        changed[address] = first, entry

    def forget_names(self, known: Iterable[Peer], failed: set[Peer]) -> None:
        """Those that have become known."""
        if self.unknown:
            self.unknown = sorted(set(self.by_name) - set(known) - failed)

    def taken(self) -> tuple[dict[str, Changed], bool]:
        """What has changed since the last time, and whether names that were unknown are not any more."""
        changed, self.changed = self.changed, {}
        before, self._told_unknown = self._told_unknown, self.unknown
        return changed, before != self.unknown


class Members:
    """The peers of one upstream, by address."""

    def __init__(self, upstream: Upstream) -> None:
        self.name = upstream.name
        self.entries: dict[Peer, PeerEntry] = {}
        self._given = upstream.given
        self._most = [upstream.max_conns if peer.max_conns is None else peer.max_conns for peer in self._given]
        self._fixed: dict[Peer, int] = {}  # addresses that are no names
        self.names: dict[Peer, int] = {}
        for index, peer in enumerate(self._given):
            (self.names if peer.address.is_name else self._fixed).setdefault(peer.address, index)

    def addresses(self, known: dict[Peer, dict[Peer, Target]]) -> Iterator[Peer]:
        """Of all that stands in the configuration, in its order; some of them perhaps twice."""
        for peer in self._given:
            if peer.address in self.names:
                yield from known.get(peer.address, ())
            else:
                yield peer.address

    def given_for(self, address: Peer, known: dict[Peer, dict[Peer, Target]]) -> tuple[int, Target | None] | None:
        """What stands for ``address`` in the configuration, the first where there are several: its index, and what it
        says of the address."""
        first = self._fixed.get(address)
        found: tuple[int, Target | None] | None = None if first is None else (first, None)
        for name, index in self.names.items():
            if found is None or index < found[0]:
                target = known[name].get(address) if name in known else None
                found = found if target is None else (index, target)
        return found

    def entry(self, given: int, target: Target | None, place: int) -> PeerEntry:
        peer = self._given[given]
        weight = peer.weight if target is None or target.weight is None else target.weight
        backup = peer.backup or (target is not None and target.backup)
        address = peer.address if target is None else target.address
        return PeerEntry(address, place, given, weight, backup, self._most[given])
