"""All peers that a worker knows: they outlive configurations, by their place in the scoreboard."""

from math import inf

from rsp.exchange.forward.outside import Outside, private_scoreboard
from rsp.exchange.forward.peer import Peer
from rsp.exchange.forward.pool import close_unused, connections
from rsp.ipc.peer_cells import CONNECTING, IN_FLIGHT
from rsp.ipc.peer_table import PeerEntry
from rsp.ipc.scoreboard import Scoreboard
from rsp.net.context import WorkerContext


class PeerDirectory:
    """``peers``: by place, those that have left but are not done included; ``outside``: those that only hooks know."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._limbo: Scoreboard | None = None
        self._outside: Outside | None = None
        self.peers: dict[int, Peer] = {}
        context.poller.relieve = self._close_idle

    def peer(self, entry: PeerEntry) -> Peer:
        """The peer that has ``entry``'s place."""
        known = self.peers.get(entry.place)
        if known is None or known.address != entry.address:
            known = self.peers[entry.place] = self.make(entry, self._context.scoreboard)
        return known

    def make(self, entry: PeerEntry, scoreboard: Scoreboard) -> Peer:
        return Peer(self._context, entry, scoreboard)

    def retire_all_but(self, places: set[int]) -> None:
        """What has another place than these is no peer any more."""
        leaving: set[Peer] = set()
        for place, peer in self.peers.items():
            if place not in places:
                if peer.leaving_at == inf:
                    leaving.add(peer)
                peer.retire()
        if leaving:
            close_unused(self._context, {peer.pool for peer in leaving})

    def tick(self, now: float) -> None:
        """Once a second, for the peers that the configuration in force does not have."""
        if self._outside is not None:
            self._outside.tick(now)
        for place, peer in list(self.peers.items()):
            if peer.leaving_at < inf:
                peer.tick(now)
                if not peer.stats.own(IN_FLIGHT) and not peer.stats.own(CONNECTING):
                    del self.peers[place]
                    peer.move_to(self.limbo)

    @property
    def outside(self) -> Outside:
        if self._outside is None:
            self._outside = Outside(self._context, self.make)
        return self._outside

    @property
    def limbo(self) -> Scoreboard:
        """For peers that have left: requests of former configurations may still ask them, when others have their
        places."""
        if self._limbo is None:
            self._limbo = private_scoreboard(self._context)
        return self._limbo

    def tunnels(self) -> int:
        """Connections to peers that are tunnels now."""
        return sum(connection.is_tunnel() for connection in connections(self._context))

    def _close_idle(self) -> bool:
        """Close the connection to a peer that has been idle for longest at its peer; whether there was one."""
        outside = self._outside.peers() if self._outside is not None else []
        return any(peer.pool.close_oldest() for peer in (*self.peers.values(), *outside))
