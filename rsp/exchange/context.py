"""What all connections of one worker share.

The clock is coarse: ``now`` moves once a tick, and every connection notes the moment at which it has waited long
enough.  The tick walks all connections, which costs less than a timer for each.
"""

import asyncio
import os
import time
from email.utils import formatdate
from math import inf
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from rsp.exchange.forward.outside import Outside
from rsp.exchange.forward.peer import Attempt, Peer
from rsp.exchange.hooks.tasks import Task
from rsp.http.h1.codec import make_id
from rsp.ipc.peer_table import PeerEntry
from rsp.ipc.scoreboard import PLACES, RETIRED_ROW, Cell, Scoreboard, Tally
from rsp.logs.access_log import AccessLog
from rsp.net.poller import Poller

if TYPE_CHECKING:
    from rsp.exchange.running_config import Site
    from rsp.http.h1.client import Upstream
    from rsp.http.h1.server import Downstream


_AT_ONCE: Final = 16


class Plane:
    """One for each worker.  ``row_number``: its row of the scoreboard, written here once a tick.

    ``secret``: the instance's own, for signatures.
    """

    def __init__(self, scoreboard: Scoreboard, row_number: int, secret: bytes, poller: Poller) -> None:
        self.scoreboard = scoreboard
        self.row_number = row_number
        self.secret = secret
        self.poller = poller
        self.now = time.monotonic()
        self.date = b""
        self.own_lines = b""  # fields of rsp's own answers
        self.site: Site
        self.former: WeakSet[Site] = WeakSet()  # sites that exchanges are still on
        self.access_log = AccessLog("off")
        self._outside: Outside | None = None
        self._limbo: Scoreboard | None = None
        self.peers: dict[int, Peer] = {}  # by place, those that have left but are not done included
        self.downstreams: set[Downstream] = set()
        self.upstreams: set[Upstream] = set()
        self.attempts: set[Attempt | Task] = set()  # what is under way and has a deadline
        self.draining = False
        self.by_client: dict[bytes, int] = {}  # open connections, where they are counted
        self._id_prefix = os.urandom(5).hex().encode()
        self._ids = 0
        self.accepted = 0
        self.requests = 0
        self.in_flight = 0
        self.retries = 0
        self.hedges = 0
        self.queued = 0
        self.sent = 0
        self.status_2xx = 0
        self.status_3xx = 0
        self.status_4xx = 0
        self.status_5xx = 0
        self._row = scoreboard.row(row_number)
        self._due: list[Downstream | Upstream | Attempt | Task] = []
        poller.relieve = self._close_idle
        self.tick()

    def tick(self) -> None:
        """Once a second: move the clocks, end what has waited too long, publish the counters."""
        now = self.now = time.monotonic()
        wall = time.time()
        self.date = formatdate(wall, usegmt=True).encode()
        self.own_lines = b"Server: rsp\r\nDate: %b\r\n" % self.date
        self.access_log.set_time(wall)
        self._due += [one for one in self.downstreams if one.is_due(now)]
        self._due += [one for one in self.upstreams if one.is_due(now)]
        self._due += [one for one in self.attempts if one.is_due(now)]
        if self._due:
            self._expire_some()
        if self.peers:
            self._tick_peers(now)
        for site in list(self.former):
            site.tick_former(now)
            site.access_log.set_time(wall)
            site.access_log.flush()
        self.access_log.flush()
        self.publish()

    def _tick_peers(self, now: float) -> None:
        for group in self.site.groups.values():
            group.tick(now)
        if self._outside is not None:
            self._outside.tick(now)
        for place, peer in list(self.peers.items()):
            if peer.leaving_at < inf:
                peer.tick(now)
                if not peer.place.own(Tally.IN_FLIGHT) and not peer.place.own(Tally.CONNECTING):
                    del self.peers[place]
                    peer.move_to(self.limbo)

    @property
    def outside(self) -> Outside:
        """Peers that only hooks know."""
        if self._outside is None:
            self._outside = Outside(self)
        return self._outside

    @property
    def limbo(self) -> Scoreboard:
        """For peers that have left: exchanges of former sites may still ask them, when others have their places."""
        if self._limbo is None:
            self._limbo = Scoreboard()
            self._limbo.row(RETIRED_ROW)[Cell.ROWS] = self.row_number + 1
        return self._limbo

    def scoreboard_of(self, place: int) -> Scoreboard:
        """Where a peer with that place has it."""
        return self.scoreboard if place < PLACES else self.outside.scoreboard

    def peer(self, member: PeerEntry) -> Peer:
        """The peer that has ``member``'s place."""
        known = self.peers.get(member.place)
        if known is None or known.address != member.address:
            known = self.peers[member.place] = Peer(self, member)
        return known

    def retire_all_but(self, places: set[int]) -> None:
        """Who has another place than these is no peer any more."""
        leaving: set[Peer] = set()
        for place, peer in self.peers.items():
            if place not in places and place < PLACES:
                if peer.leaving_at == inf:
                    leaving.add(peer)
                peer.retire(float(peer.group.config.drain))
        if leaving:
            for upstream in list(self.upstreams):
                if upstream.exchange is None and upstream.peer in leaving:
                    upstream.close()

    def _close_idle(self) -> bool:
        """Close the connection to a peer that has been idle for longest at its peer; whether there was one."""
        for peer in self.peers.values():
            if peer.idle:
                peer.idle.pop(0).close()
                return True
        return False

    def _expire_some(self) -> None:
        """End a few of those that are due, then let others have the loop: an attack may make many due at once."""
        due, now = self._due, self.now
        for _ in range(min(_AT_ONCE, len(due))):
            one = due.pop()
            if one.is_due(now):
                one.expire()
        if due:
            asyncio.get_running_loop().call_soon(self._expire_some)

    def admit(self, one: "Downstream") -> int:
        """Count a new connection; by how many it is too many for the limits in force, 0 if it is welcome."""
        terms, client = one.terms, one.client
        self.accepted += 1
        self.downstreams.add(one)
        excess = len(self.downstreams) - terms.connections
        if excess <= 0 and terms.per_client and client != b"unix:" and not self.site.trusts(client):
            one.counted = True
            number = self.by_client[client] = self.by_client.get(client, 0) + 1
            excess = number - terms.per_client
        return max(excess, 0)

    def leave(self, one: "Downstream") -> None:
        """A connection has ended."""
        self.downstreams.discard(one)
        if one.counted:
            left = self.by_client.pop(one.client) - 1
            if left:
                self.by_client[one.client] = left

    def new_id(self) -> bytes:
        """A request id, unique across workers and restarts."""
        self._ids += 1
        return make_id(self._id_prefix, self._ids)

    def count(self, status: int, sent: int) -> None:
        """One request answered with ``status`` and ``sent`` body bytes."""
        self.requests += 1
        self.sent += sent
        if status < 300:
            self.status_2xx += status >= 200
        elif status < 400:
            self.status_3xx += 1
        elif status < 500:
            self.status_4xx += 1
        else:
            self.status_5xx += 1

    def publish(self) -> None:
        """The counters, into the scoreboard."""
        row = self._row
        row[Cell.CONNECTIONS] = len(self.downstreams)
        row[Cell.ACCEPTED] = self.accepted
        row[Cell.REQUESTS] = self.requests
        row[Cell.IN_FLIGHT] = self.in_flight
        row[Cell.RETRIES] = self.retries
        row[Cell.HEDGES] = self.hedges
        row[Cell.QUEUED] = self.queued
        row[Cell.BYTES_SENT] = self.sent
        row[Cell.STATUS_2XX] = self.status_2xx
        row[Cell.STATUS_3XX] = self.status_3xx
        row[Cell.STATUS_4XX] = self.status_4xx
        row[Cell.STATUS_5XX] = self.status_5xx
        row[Cell.HEARTBEAT] = int(self.now * 1000)
