"""The peers of each upstream now, as processes tell each other: those that the configuration names, and those that
names stand for.

The master keeps the table (``peer_registry.py``), because it outlives all other processes; the control process looks
names up; workers and the control process are given the table as a whole when they start and when the configuration
changes, and from then on what changes.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from rsp.config.units import Peer

# A start, or a reload, waits so many seconds for names that have not been looked up yet.
PATIENCE_WITH_NAMES: Final = 2.0
MOST_WEIGHT: Final = 1000
MOST_TARGETS: Final = 1 << 14  # of one name
# Changes in one message.  A worker acts on a message in one turn of its loop: these take it some 2 ms.
_AT_ONCE: Final = 50


class Target(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a name stands for.  ``weight`` and ``backup``: where its source says so."""

    address: Peer
    weight: int | None = None
    backup: bool = False


class PeerEntry(msgspec.Struct, frozen=True, array_like=True):
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


class Changes(msgspec.Struct, frozen=True):
    """Of an upstream.  ``come``: peers that are new or have changed; ``gone``: the places of former peers."""

    come: list[PeerEntry]
    gone: list[int]


Changed = dict[Peer, tuple[PeerEntry | None, PeerEntry | None]]  # by address: the peer before, and now


def changes_of(changed: Changed) -> Changes:
    """As the message says it."""
    come = [now for _, now in changed.values() if now is not None]
    return Changes(come, [before.place for before, now in changed.values() if before is not None and now is None])


def in_parts(changes: Changes) -> Iterator[Changes]:
    """Of bounded size; those that come are first, so that there are always some peers."""
    for start in range(0, len(changes.come), _AT_ONCE):
        yield Changes(changes.come[start : start + _AT_ONCE], [])
    for start in range(0, len(changes.gone), _AT_ONCE):
        yield Changes([], changes.gone[start : start + _AT_ONCE])


def after(entries: Iterable[PeerEntry], changes: Changes) -> list[PeerEntry]:
    """The peers of an upstream whose peers were ``entries``."""
    found = {entry.place: entry for entry in entries}
    for place in changes.gone:
        found.pop(place, None)
    found.update((entry.place, entry) for entry in changes.come)
    return list(found.values())
