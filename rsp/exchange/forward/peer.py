"""A peer: its idle connections, how new ones are made, and how it has done, for this worker and for all.

One for each peer of each upstream and worker; it lives as long as the peer has its place in the scoreboard, through
reloads.  What all workers have to know is in the place.
"""

import os
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Final

from rsp.balance.candidate import Candidate
from rsp.balance.latency import PeakEwma
from rsp.balance.outliers import ejections, time_out
from rsp.config.upstreams import Upstream as UpstreamConfig
from rsp.ipc.peer_stats import PeerStats
from rsp.ipc.peer_table import PeerEntry
from rsp.ipc.scoreboard import PLACES, Mark, Reason, Scoreboard, Standing, Tally
from rsp.logs import log
from rsp.net.connector import Connector

if TYPE_CHECKING:
    from rsp.exchange.context import Plane
    from rsp.exchange.forward.request import Asker
    from rsp.exchange.forward.upstream import Group
    from rsp.http.h1.client import Upstream

_OPEN: Final = int(Standing.OPEN)
_OUT: Final = int(Standing.OUT)
_FULL: Final = int(Standing.FULL)
_IN_FLIGHT: Final = int(Tally.IN_FLIGHT)
_CONNECTING: Final = int(Tally.CONNECTING)
_EJECTED_UNTIL: Final = int(Mark.EJECTED_UNTIL)
_SINCE: Final = int(Mark.SINCE)
_FOR_THE_REPEATABLE: Final = 5.0  # seconds in which no other request tries a peer that was ejected
_WARM_AT_ONCE: Final = 8  # connections that a tick makes ahead
_FIRST_SHARE: Final = 0.05  # of its weight, when slow start begins


class Attempt:
    """A connection on its way up, for an exchange or (``None``) for the peer's pool, if ``keep``.

    Without either it is a check, and closed at once: an idle connection keeps a peer busy that serves only one at a
    time, until that gives up waiting for a request.  So it is when its exchange has left meanwhile.
    """

    __slots__ = ("_connector", "_keep", "_over", "_peer", "_plane", "_timed_out", "deadline", "exchange")

    def __init__(self, plane: "Plane", peer: "Peer", exchange: "Asker | None", keep: bool = False) -> None:
        self._keep = keep
        self._plane = plane
        self._peer = peer
        self._over = False
        self._timed_out = False
        self.exchange = exchange
        terms = exchange.terms if exchange is not None else plane.site.terms
        self.deadline = plane.now + terms.connect_time + 0.5
        plane.attempts.add(self)
        peer.place.add(_CONNECTING, 1)
        self._connector = Connector(plane.poller, peer.where, self.end)

    def is_due(self, now: float) -> bool:
        return self.deadline < now

    def expire(self) -> None:
        self._timed_out = True
        self._connector.cancel("timed out while connecting")

    def end(self, descriptor: int, reason: str) -> None:
        """Hand the connection over, or say why there is none."""
        if self._over:
            return
        self._over = True
        plane, peer, exchange = self._plane, self._peer, self.exchange
        plane.attempts.discard(self)
        peer.place.add(_CONNECTING, -1)
        if exchange is not None and not exchange.waits:
            exchange = None
        if descriptor >= 0:
            if exchange is not None or self._keep:
                peer.connected(descriptor, exchange)
            else:
                os.close(descriptor)
        elif exchange is not None:
            exchange.connect_failed(reason, timed_out=self._timed_out)
        else:
            log.once_a_second(f"connect {peer.address}", f"Peer {peer.address} cannot be reached: {reason}")


class Peer(Candidate):
    """``idle``: its open connections; the last one used is the first one taken again."""

    # fmt: off
    __slots__ = (
        "_age", "_failures", "_given_weight", "_requests", "_since", "_slow_start", "_spurned", "_warm", "address",
        "backup", "ewma", "group", "idle", "keepalive", "leaving_at", "max_connecting", "max_conns", "place",
        "plane", "probe", "scoreboard", "where",
    )
    # fmt: on

    def __init__(self, plane: "Plane", member: PeerEntry) -> None:
        super().__init__(member.address.encode(), float(member.weight))
        address = member.address
        self.plane = plane
        self.address = address
        self.where = address.path if address.is_unix else (address.host, address.port)
        self.scoreboard: Scoreboard
        self.place: PeerStats
        self._place_in(plane.scoreboard_of(member.place), member.place % PLACES)
        self.idle: list[Upstream] = []
        self.ewma = PeakEwma()
        self.group: Group
        self.probe: Asker | None = None  # the one request that may try it after an ejection
        self.leaving_at = inf  # it is no peer any more; its tunnels end then
        self._requests = 0  # as of the last tick
        self._since = 0  # its mark, as of its last weighing
        self._spurned = 0.0  # another worker had the claim at that tick

    def _place_in(self, scoreboard: Scoreboard, number: int) -> None:
        self.scoreboard = scoreboard
        self.place = PeerStats(scoreboard, number, self.plane.row_number)

    def move_to(self, scoreboard: Scoreboard) -> None:
        """Its place is not its own any more."""
        self._place_in(scoreboard, self.place.number)

    def configure(self, member: PeerEntry, config: UpstreamConfig, group: "Group") -> None:
        """Take over what a new configuration, or a new answer of DNS, says."""
        self.group = group
        self.leaving_at = inf
        self.backup = member.backup
        self.max_conns = member.max_conns
        self.max_connecting = config.max_connecting
        self.keepalive = config.keepalive
        self._age = config.keepalive_age or inf
        self._warm = config.warm
        self._failures = config.failures
        self._slow_start = float(config.slow_start)
        self._given_weight = float(member.weight)
        self._weigh(self.plane.now)

    def retire(self, drain: float) -> None:
        """It is no peer any more: what runs there is finished, tunnels within ``drain`` seconds."""
        if self.leaving_at == inf:
            self.leaving_at = self.plane.now + drain
        self.keepalive = self._warm = 0
        self.forget_idle()

    # -- what policies ask

    def load(self) -> int:
        return self.place.total(_IN_FLIGHT)

    def latency(self) -> float:
        value = self.ewma.value
        return value if value > 0.0 else self.group.typical_latency

    # -- who may come

    def standing(self, now: int) -> int:
        """A :class:`Standing`; ``now`` in milliseconds."""
        standing = self.place.standing(now)
        if standing < _OUT:
            if not self.has_room():
                return _FULL
            if self.max_connecting and not self.idle and self.place.total(_CONNECTING) >= self.max_connecting:
                return _FULL
            if self._slow_start and self.place.mark(_SINCE) != self._since:
                self._weigh(self.plane.now)  # it has come back since the last tick
        return standing

    def has_room(self) -> bool:
        """Whether one more exchange may run there; a standing says that of none that is out or drained."""
        return not self.max_conns or self.place.total(_IN_FLIGHT) < self.max_conns

    def can_be_asked(self) -> bool:
        """Whether it is open, and has room."""
        return self.standing(int(self.plane.now * 1000)) == _OPEN

    def described(self) -> dict[bytes, object]:
        """For on_upstream: what is known of it."""
        return {
            b"address": self.name,
            b"weight": self.weight,
            b"backup": self.backup,
            b"in_flight": self.load(),
            b"latency": self.latency(),
        }

    def claim(self, exchange: "Asker") -> bool:
        """Whether ``exchange`` may be the one that tries the peer after an ejection.

        Rather one that can be repeated; but an upstream may have no such requests.
        """
        now = self.plane.now
        if self.probe is not None or self._spurned == now:
            return False
        if not exchange.repeatable and now < self.place.mark(_EJECTED_UNTIL) / 1000 + _FOR_THE_REPEATABLE:
            return False
        if not self.scoreboard.claim(self.place.number):
            self._spurned = now
            return False
        self.probe = exchange
        return True

    def begin(self) -> bool:
        """One exchange more; false, and none, where other workers were faster to fill it up."""
        self.place.add(_IN_FLIGHT, 1)
        if self.max_conns and self.place.total(_IN_FLIGHT) > self.max_conns:
            self.place.add(_IN_FLIGHT, -1)
            return False
        return True

    def end(self, exchange: "Asker") -> None:
        """``exchange`` has no more business here."""
        self.place.add(_IN_FLIGHT, -1)
        if self.probe is exchange:
            self.spare()
        if self.group.queue:
            self.group.wake()

    def spare(self) -> None:
        """The exchange that had the claim has tried the peer, or does not do so after all."""
        self.probe = None
        self.scoreboard.disclaim(self.place.number)

    # -- how it does

    def tell(self, reason: str) -> None:
        """In the log, within bounds."""
        log.once_a_second(f"{self.address} {reason}", f'upstream "{self.group.name}": peer {self.address}: {reason}')

    def answered(self, now: float, latency: float, status: int) -> None:
        """The head of a response that was sent for ``latency`` seconds ago; ``now``: the clock."""
        latency = max(latency, 0.0)
        self.ewma.add(latency, now)
        self.place.answered(int(latency * 1e6), int(self.ewma.value * 1e6), status >= 500)
        if self.place.mark(_EJECTED_UNTIL):
            self._returned(now, now - latency)

    def succeeded(self, now: float) -> None:
        """A whole response."""
        self.place.succeeded(int(now * 1e6))

    def _returned(self, now: float, asked: float) -> None:
        """It answers again; ``asked``: when that request was sent."""
        place = self.place
        until = place.mark(_EJECTED_UNTIL) / 1000
        early = until > now
        if early and (place.mark(Mark.REASON) != Reason.FAILURES or asked < place.mark(Mark.EJECTED_AT) / 1000):
            return
        place.set_mark(Mark.SINCE, int(now * 1000))
        place.set_mark(_EJECTED_UNTIL, 0)
        self._weigh(now)
        log.line(f'upstream "{self.group.name}": peer {self.address} is back')

    def failed(self, reason: str) -> None:
        """No connection, no response, or half of one."""
        now = monotonic()
        failures = self._failures
        run = self.place.failed(int(now * 1e6), int(failures.within * 1e6))
        until = self.place.mark(_EJECTED_UNTIL) / 1000
        if not failures.count or until > now:
            return
        # One that came, or came back, has to prove itself first.
        proved = self.place.last_success() >= self.place.mark(Mark.SINCE) * 1000
        if not until and run < failures.count and proved:
            return
        if not until and not self.group.can_spare(self, failures.share, now):
            return
        healthy = 0.0 if until else now - self.place.mark(_SINCE) / 1000
        times = ejections(self.place.mark(Mark.EJECTIONS), healthy, failures.out)
        seconds = time_out(failures.out, failures.longest, times)
        self.scoreboard.eject(self.place.number, Reason.FAILURES, times + 1, now, seconds)
        self.forget_idle()
        log.line(
            f'upstream "{self.group.name}": peer {self.address} is out for {seconds:g} s: {reason}'
            + ("" if until else f" ({run} failures in a row)")
        )

    def tick(self, now: float) -> None:
        """Once a second."""
        self._weigh(now)
        place = self.place
        if not place.own(_IN_FLIGHT):
            self.ewma.fade(now)
        place.set_own(Tally.IDLE, len(self.idle))
        requests = place.own(Tally.REQUESTS)
        if (
            self._warm
            and not self.plane.draining
            and requests != self._requests
            and not place.standing(int(now * 1000))
        ):
            wanted = min(self._warm, self.keepalive)
            for _ in range(min(wanted - len(self.idle) - place.own(_CONNECTING), _WARM_AT_ONCE)):
                Attempt(self.plane, self, None, keep=True)
        self._requests = requests
        leaving = min(self.leaving_at, (place.mark(Mark.DRAIN) / 1000) or inf)
        if leaving <= now and place.own(_IN_FLIGHT):
            for upstream in list(self.plane.upstreams):
                if upstream.peer is self:
                    upstream.end_tunnel()

    def _weigh(self, now: float) -> None:
        """Its weight as configured, or as an operator set it; less while it starts slowly."""
        set_weight = self.place.mark(Mark.WEIGHT)
        weight = float(set_weight - 1) if set_weight else self._given_weight
        since = self.place.mark(_SINCE)
        self._since = since
        if self._slow_start and since:
            weight *= min(1.0, max(_FIRST_SHARE, (now - since / 1000) / self._slow_start))
        self.weight = weight

    # -- connections

    def take(self) -> "Upstream | None":
        """An idle connection that is open as far as anyone knows."""
        idle = self.idle
        while idle:
            upstream = idle.pop()
            if not upstream.transport.closing:
                return upstream
        return None

    def connect(self, exchange: "Asker") -> None:
        """Make a connection; then call ``exchange.connected(upstream)`` or ``exchange.connect_failed(...)``."""
        Attempt(self.plane, self, exchange)

    def check(self) -> None:
        """Say in the log if it cannot be reached."""
        Attempt(self.plane, self, None)

    def connected(self, descriptor: int, exchange: "Asker | None") -> None:
        """For ``exchange``, or for the pool."""
        from rsp.http.h1.client import Upstream

        upstream = Upstream(self.plane, self, descriptor)
        if exchange is not None:
            exchange.connected(upstream)
        else:
            upstream.release()

    def keeps(self, upstream: "Upstream") -> bool:
        """Whether a connection that is free now is to stay open."""
        plane = self.plane
        return len(self.idle) < self.keepalive and not plane.draining and plane.now - upstream.made < self._age

    def forget_idle(self) -> None:
        """Close what is idle: the peer has gone away, or left the configuration."""
        while self.idle:
            self.idle.pop().close()
