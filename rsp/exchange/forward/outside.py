"""Peers that no upstream of the configuration has: hooks name them, ``proxy{ peer = ... }`` and ``http.get``.

Each is an upstream of its own with one peer, so connections are kept and failures counted as everywhere; but only in
this worker, in a scoreboard that nobody else sees.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from rsp.config.schema import Dns
from rsp.config.units import Peer as Address
from rsp.config.upstreams import Failures, Upstream, UpstreamPeer
from rsp.exchange.forward.upstream import Group
from rsp.exchange.hooks.tasks import cancel
from rsp.ipc.peer_table import PeerEntry
from rsp.ipc.scoreboard import PLACES, RETIRED_ROW, Cell, Scoreboard, Tally
from rsp.net.families import Families

if TYPE_CHECKING:
    from rsp.exchange.context import Plane

_KEEP: Final = 60.0  # seconds that one is kept without use
_MOST: Final = 1024


class Outside:
    def __init__(self, plane: "Plane") -> None:
        self._plane = plane
        self.scoreboard = Scoreboard()
        self.scoreboard.row(RETIRED_ROW)[Cell.ROWS] = plane.row_number + 1
        self._groups: dict[Address, Group] = {}
        self._used: dict[Address, float] = {}
        self._free = list(range(_MOST))
        self._names: dict[tuple[str, int], tuple[list[str], float]] = {}
        self._families = Families()

    def group(self, address: Address) -> Group:
        """For an address that is no name.  Raises :class:`ValueError` when there are too many."""
        group = self._groups.get(address)
        if group is None:
            if not self._free:
                raise ValueError(f"more than {_MOST} peers that are not in the configuration")
            place = self._free.pop()
            self.scoreboard.clear_place(place)
            peer = UpstreamPeer(address=address)
            # It is the only one, so nothing is gained by leaving it out.
            config = Upstream(name=str(address), peers=(peer,), failures=Failures(count=0))
            group = self._groups[address] = Group(self._plane, config, 0.0)
            group.arrange([PeerEntry(address, PLACES + place, 0, 1, False, 0)], False)
        self._used[address] = self._plane.now
        return group

    def tick(self, now: float) -> None:
        """Once a second."""
        for address, group in list(self._groups.items()):
            group.tick(now)
            if self._used[address] + _KEEP < now:
                for peer in group.peers:
                    peer.retire(0.0)
                    if not peer.place.own(Tally.IN_FLIGHT):
                        self._plane.peers.pop(PLACES + peer.place.number, None)
                        self._free.append(peer.place.number)
                        del self._groups[address], self._used[address]

    def find(
        self, address: Address, settings: Dns, found: Callable[[Group | None, str], None]
    ) -> Callable[[], None] | None:
        """Call ``found`` with the group for ``address``, or with why there is none; what is returned calls that off.

        ``None``: it has been called already.
        """
        if not address.is_name:
            self._found(address, found)
            return None
        addresses, until = self._names.get((address.host, address.port), ([], 0.0))
        if addresses and until > self._plane.now:
            self._found(_at(addresses[0], address.port), found)
            return None
        task = asyncio.get_running_loop().create_task(self._look_up(address, settings, found))
        return lambda: cancel(task)

    async def _look_up(self, name: Address, settings: Dns, found: Callable[[Group | None, str], None]) -> None:
        from rsp.net.lookup import Lookup, LookupFailed, NoSuchName

        try:
            addresses, ttl = await Lookup(settings, self._families).addresses(name.host, name.port)
        except (LookupFailed, NoSuchName) as error:
            found(None, f"{name.host}: {error}")
            return
        if len(self._names) >= _MOST:
            self._names.clear()
        lasting = min(max(ttl, settings.min_ttl), settings.max_ttl)
        self._names[name.host, name.port] = addresses, self._plane.now + lasting
        self._found(_at(addresses[0], name.port), found)

    def _found(self, address: Address, found: Callable[[Group | None, str], None]) -> None:
        try:
            group = self.group(address)
        except ValueError as error:
            found(None, str(error))
            return
        found(group, "")


def _at(address: str, port: int) -> Address:
    return Address(f"[{address}]:{port}" if ":" in address else f"{address}:{port}")
