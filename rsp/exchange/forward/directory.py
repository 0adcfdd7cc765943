"""All peers that a worker knows: they outlive configurations, by their place in the scoreboard."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from math import inf
from typing import Final

from rsp.config.errors import ConfigError
from rsp.config.upstreams import Upstream as UpstreamConfig
from rsp.exchange.forward.outside import Outside, private_scoreboard
from rsp.exchange.forward.peer import Peer
from rsp.exchange.forward.pool import Pool, close_unused, connections, shared_tunnels
from rsp.exchange.forward.upstream import Upstream
from rsp.ipc.peer_cells import CONNECTING, IN_FLIGHT
from rsp.ipc.peer_table import PeerEntry
from rsp.ipc.scoreboard import Scoreboard
from rsp.net.context import WorkerContext
from rsp.net.rounds import Rounds
from rsp.tls.client_rules import ClientRules, KnownRules
from rsp.tls.contexts import ContextError
from rsp.tls.material import Keyring

_MOST_CHECKED: Final = 256  # peers
_A_LOOK: Final = 5  # microseconds, at a peer that has left


class PeerDirectory:
    """``peers``: by place, those that have left but are not done included; ``outside``: those that only hooks know.

    ``keyring``: what certificates and authorities there are for upstreams that only hooks know.
    """

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._limbo: Scoreboard | None = None
        self._outside: Outside | None = None
        self._rules = KnownRules()
        self.keyring = Keyring()
        self.peers: dict[int, Peer] = {}
        self._leaving: dict[int, Peer] = {}  # by place, and so are these
        self._rounds = Rounds()
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
        unused: set[Pool] = set()
        for place, peer in self.peers.items():
            if place not in places:
                if peer.leaving_at == inf:
                    unused.add(peer.pool)
                peer.retire()
                self._leaving[place] = peer
        self._close_unused(unused, self.peers.values())

    def retire(self, places: Collection[int]) -> None:
        """What has these places is no peer any more."""
        unused: set[Pool] = set()
        gone = {place: peer for place in places if (peer := self.peers.get(place)) is not None}
        for peer in gone.values():
            unused.add(peer.pool)
            peer.retire()
        self._leaving |= gone
        self._close_unused(unused, gone.values())

    def _close_unused(self, pools: set[Pool], peers: Iterable[Peer]) -> None:
        """What is idle of ``pools``, and of those that ``peers`` had when they were asked by other rules."""
        for peer in peers:
            if peer.former_pool is not None:
                pools.add(peer.former_pool)
                peer.former_pool = None
        if pools:
            close_unused(self._context, pools)

    def check(self) -> None:
        """Say in the log which peers cannot be reached; of very many it is enough to try some."""
        for peer in islice(self.peers.values(), _MOST_CHECKED):
            peer.pool.check()

    # -- how peers are asked over TLS

    def rules(self, config: UpstreamConfig, keyring: Keyring) -> ClientRules | None:
        """How the peers of ``config`` are asked over TLS; ``None``: plainly.  Raises :class:`ConfigError`."""
        secure = config.secure
        if secure is None:
            return None
        try:
            return self._rules.find(secure, keyring, config.http)
        except ContextError as error:
            raise ConfigError(f'upstream "{config.name}": tls: {error}') from None

    def renew(self, keyring: Keyring, upstreams: Iterable[Upstream]) -> None:
        """Certificates, authorities or revocation lists have changed.  Raises :class:`ConfigError`, and changes nothing
        then."""
        outside = self._outside.upstreams() if self._outside is not None else ()
        found = [(upstream, self.rules(upstream.config, keyring)) for upstream in (*upstreams, *outside)]
        self.keyring = keyring
        for upstream, rules in found:
            if rules is not None:
                upstream.ask_by(rules)
        self._close_unused(set(), [peer for upstream, _ in found for peer in upstream.peers])

    def tick(self, now: float) -> None:
        """Once a second, for the peers that the configuration in force does not have."""
        if self._outside is not None:
            self._outside.tick(now)
        self._rounds.begin(self._see_off(now))

    def _see_off(self, now: float) -> Iterator[int]:
        """Those that have nothing more to do."""
        for place, peer in list(self._leaving.items()):
            yield _A_LOOK
            if self._leaving.get(place) is not peer:
                continue
            if peer.leaving_at == inf or self.peers.get(place) is not peer:  # it is a peer again, or another one is
                del self._leaving[place]
                continue
            peer.tick(now)
            if not peer.stats.own(IN_FLIGHT) and not peer.stats.own(CONNECTING):
                del self.peers[place], self._leaving[place]
                peer.move_to(self.limbo)

    @property
    def outside(self) -> Outside:
        if self._outside is None:
            self._outside = Outside(self._context, self.make, lambda config: self.rules(config, self.keyring))
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
        single = sum(connection.is_tunnel() for connection in connections(self._context))
        return single + len(shared_tunnels(self._context))

    def _close_idle(self) -> bool:
        """Close the connection to a peer that has been idle for longest at its peer; whether there was one."""
        outside = self._outside.peers() if self._outside is not None else []
        return any(peer.pool.close_oldest() for peer in (*self.peers.values(), *outside))
