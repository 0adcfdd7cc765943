"""What asks for routes by labels, over time: copies of a service are one, and a host belongs to its first owner.

A container can have any label, so the first owner keeps its hosts: as long as it asks for them, and for a while after,
in which a new version of it can be started.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from rsp.config.labels import MOST_ITEMS, Asked, Labelled, pack, wishes
from rsp.ipc.channel import LARGEST_ASKED

LINGER: Final = 60.0  # seconds for which routes stay when the last container that asks for them has ended
KEPT: Final = 600.0  # seconds for which a host stays its owner's
_MOST_KEPT: Final = 10_000  # hosts
_BLIND: Final = LINGER / 2  # seconds without a look that count; the rest is taken for an outage


class Sighting(NamedTuple):
    """A container or service that is there.  ``created``: seconds since the epoch."""

    created: float
    item: Labelled


class _Group:
    """Copies of one service that ask for the same."""

    __slots__ = ("hosts", "item", "seen_at", "since")

    def __init__(self, since: float, item: Labelled) -> None:
        self.since = since
        self.item = item
        self.hosts = {host for wish in wishes(item) for host in wish.hosts}
        self.seen_at = 0.0


class Claims:
    """``kind``: of all that is seen.  ``owners``: of the hosts of routes that are in force already."""

    def __init__(self, kind: Literal["container", "service"], owners: Mapping[str, str] = {}) -> None:
        self._kind: Literal["container", "service"] = kind
        self._groups: dict[tuple[object, ...], _Group] = {}
        self._owners: dict[str, tuple[str, float]] = {}  # by host: whose it is, and when it was last asked for
        self._before = dict(owners)
        self._looked_at = 0.0
        self.left_out = 0  # of what asks, because it is too much

    def see(self, seen: Iterable[Sighting], now: float) -> Asked:
        """What asks for routes now, as far as it fits."""
        self._pass_over(now)
        self._owners |= {host: (owner, now) for host, owner in self._before.items()}
        self._before.clear()
        names: dict[tuple[object, ...], list[str]] = {}
        for created, item in sorted(seen, key=lambda one: (one.created, one.item.name)):
            key: tuple[object, ...] = (item.owner, item.service, tuple(sorted(item.labels.items())))
            group = self._groups.get(key)
            if group is None:
                if len(self._groups) >= 2 * MOST_ITEMS:
                    continue
                group = self._groups[key] = _Group(created, item)
            group.seen_at = now
            names.setdefault(key, []).append(item.name)
        for key, listed in names.items():
            group = self._groups[key]
            if group.item.name not in listed:  # a copy that is gone
                group.item = msgspec.structs.replace(group.item, name=listed[0])
        self._groups = {key: group for key, group in self._groups.items() if now - group.seen_at < LINGER}
        return self._asked(sorted(self._groups.values(), key=lambda group: (group.since, group.item.name)), now)

    @property
    def lingers(self) -> bool:
        """Whether something is gone whose routes are still there."""
        return any(group.seen_at < self._looked_at for group in self._groups.values())

    def _pass_over(self, now: float) -> None:
        """Time in which nothing could be seen does not count."""
        blind = now - self._looked_at - _BLIND
        if blind > 0 and self._looked_at:
            for group in self._groups.values():
                group.seen_at += blind
            self._owners = {host: (owner, last + blind) for host, (owner, last) in self._owners.items()}
        self._looked_at = now

    def _asked(self, groups: list[_Group], now: float) -> Asked:
        groups = groups[:MOST_ITEMS]
        total = len(self._groups)
        while True:
            asked = Asked(self._kind, [group.item for group in groups], self._contested(groups, now))
            if len(pack(asked)) <= LARGEST_ASKED:
                break
            groups = groups[: len(groups) * 3 // 4]
        self.left_out = total - len(groups)
        return asked

    def _contested(self, groups: list[_Group], now: float) -> dict[str, str]:
        """The owner of each host that others want, too.  Notes whose each host is."""
        self._owners = dict(self._recent(now))
        wanted: dict[str, str] = {}
        contested: dict[str, str] = {}
        for group in groups:
            for host in sorted(group.hosts):
                owner = self._owners[host][0] if host in self._owners else wanted.get(host, group.item.owner)
                if group.item.owner == owner:
                    wanted[host] = owner
                else:
                    contested[host] = owner
        self._owners |= {host: (owner, now) for host, owner in wanted.items()}
        return contested

    def _recent(self, now: float) -> Iterator[tuple[str, tuple[str, float]]]:
        kept = sorted(self._owners.items(), key=lambda one: -one[1][1])[:_MOST_KEPT]
        return ((host, owner) for host, owner in kept if now - owner[1] < KEPT)
