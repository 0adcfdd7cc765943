"""Peers that no upstream of the configuration has: hooks name them, ``proxy{ peer = ... }`` and ``http.get``.

Each has an upstream of its own, so connections are kept and failures counted as everywhere; but only in this worker, in
a scoreboard that no other process sees.
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias

from rsp.config.errors import ConfigError
from rsp.config.failure import Failures
from rsp.config.instance import Dns
from rsp.config.tls import UpstreamTls
from rsp.config.units import Peer as Address
from rsp.config.upstreams import Upstream as UpstreamConfig
from rsp.config.upstreams import UpstreamPeer
from rsp.exchange.forward.peer import Peer
from rsp.exchange.forward.upstream import Upstream
from rsp.ipc.peer_cells import CONNECTING, IN_FLIGHT
from rsp.ipc.peer_table import PeerEntry
from rsp.ipc.scoreboard import RETIRED_ROW, Scoreboard
from rsp.ipc.worker_cells import ROWS
from rsp.net.context import WorkerContext
from rsp.net.families import Families
from rsp.net.rounds import at_once
from rsp.tls.client_rules import ClientRules

_KEEP: Final = 60.0  # seconds that a peer is kept without use
_MOST: Final = 1024

Found: TypeAlias = Callable[[Upstream | None, str], None]
_Key: TypeAlias = tuple[Address, UpstreamTls | None]


def private_scoreboard(context: WorkerContext) -> Scoreboard:
    """Of this worker alone."""
    scoreboard = Scoreboard()
    scoreboard.row(RETIRED_ROW)[ROWS] = context.row_number + 1
    return scoreboard


class Outside:
    """``make``: makes a peer, in a scoreboard; ``rules``: says how the peers of an upstream are asked over TLS."""

    def __init__(
        self,
        context: WorkerContext,
        make: Callable[[PeerEntry, Scoreboard], Peer],
        rules: Callable[[UpstreamConfig], ClientRules | None],
    ) -> None:
        self._context = context
        self._make = make
        self._rules = rules
        self._scoreboard = private_scoreboard(context)
        self._upstreams: dict[_Key, Upstream] = {}
        self._used: dict[_Key, float] = {}
        self._free = list(range(_MOST))  # places
        self._names: dict[tuple[str, int], tuple[list[str], float]] = {}
        self._families = Families()

    def upstream(self, address: Address, secure: UpstreamTls | None = None) -> Upstream:
        """For an address that is no name, asked over TLS as ``secure`` says, if it does.

        Raises :class:`ValueError` when there are too many, or its TLS cannot be had.
        """
        key = (address, secure)
        upstream = self._upstreams.get(key)
        if upstream is None:
            if not self._free:
                raise ValueError(f"more than {_MOST} peers that are not in the configuration")
            peer = UpstreamPeer(address=address)
            # It is the only one, so nothing is gained by leaving it out.
            config = UpstreamConfig(name=str(address), peers=(peer,), tls=secure or False, failures=Failures(count=0))
            rules = self._rules(config)
            place = self._free.pop()
            self._scoreboard.clear_place(place)
            upstream = self._upstreams[key] = Upstream(self._context, self, config, 0.0, rules)
            upstream.arrange([PeerEntry(address, place, 0, 1, False, 0)], ())
        self._used[key] = self._context.now
        return upstream

    def peer(self, entry: PeerEntry) -> Peer:
        """For its upstreams."""
        return self._make(entry, self._scoreboard)

    def upstreams(self) -> list[Upstream]:
        return list(self._upstreams.values())

    def peers(self) -> list[Peer]:
        return [peer for upstream in self._upstreams.values() for peer in upstream.peers]

    def tick(self, now: float) -> None:
        """Once a second."""
        for key, upstream in list(self._upstreams.items()):
            at_once(upstream.look_around(now))
            if self._used[key] + _KEEP < now:
                (peer,) = upstream.peers
                if not peer.stats.own(IN_FLIGHT) and not peer.stats.own(CONNECTING):
                    peer.retire(0.0)
                    self._free.append(peer.stats.number)
                    del self._upstreams[key], self._used[key]

    def find(
        self, address: Address, secure: UpstreamTls | None, settings: Dns, found: Found
    ) -> Callable[[], None] | None:
        """Call ``found`` with the upstream for ``address``, or with why there is none; what is returned calls that off.

        ``None``: it has been called already.
        """
        if not address.is_name:
            self._found(address, secure, found)
            return None
        addresses, until = self._names.get((address.host, address.port), ([], 0.0))
        if addresses and until > self._context.now:
            self._found(_at(addresses[0], address.port), secure, found)
            return None
        task = asyncio.get_running_loop().create_task(self._look_up(address, secure, settings, found))

        def call_off() -> None:
            task.cancel()

        return call_off

    async def _look_up(self, name: Address, secure: UpstreamTls | None, settings: Dns, found: Found) -> None:
        from rsp.net.lookup import Lookup, LookupFailed, NoSuchName

        try:
            addresses, ttl = await Lookup(settings, self._families).addresses(name.host, name.port)
        except (LookupFailed, NoSuchName) as error:
            found(None, f"{name.host}: {error}")
            return
        if len(self._names) >= _MOST:
            self._names.clear()
        lasting = min(max(ttl, settings.min_ttl), settings.max_ttl)
        self._names[name.host, name.port] = addresses, self._context.now + lasting
        self._found(_at(addresses[0], name.port), secure, found)

    def _found(self, address: Address, secure: UpstreamTls | None, found: Found) -> None:
        try:
            upstream = self.upstream(address, secure)
        except (ValueError, ConfigError) as error:
            found(None, str(error))
            return
        found(upstream, "")


def _at(address: str, port: int) -> Address:
    return Address(f"[{address}]:{port}" if ":" in address else f"{address}:{port}")
