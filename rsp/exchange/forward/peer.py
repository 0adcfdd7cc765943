"""A peer: which requests may come, and how it has done, for this worker and for all.

One for each peer of each upstream and worker; it lives as long as the peer has its place in the scoreboard, through
reloads.  What all workers have to know is in its place.
"""

from math import inf
from typing import Final

from rsp.balance.candidate import Candidate
from rsp.balance.latency import PeakEwma
from rsp.balance.outliers import ejections, time_out
from rsp.config.upstreams import Upstream as UpstreamConfig
from rsp.exchange.forward.attempt import PoolOwner
from rsp.exchange.forward.cgi_pool import CgiPool
from rsp.exchange.forward.pool import Pool
from rsp.exchange.forward.proxy_pool import proxy_pool
from rsp.exchange.forward.secure_pool import SecurePool
from rsp.http.peer_stream import Failure, PeerRequest
from rsp.ipc import peer_marks
from rsp.ipc.peer_cells import CONNECTING, EJECTED, IDLE, IN_FLIGHT, REQUESTS
from rsp.ipc.peer_marks import EJECTED_UNTIL, SINCE, Reason
from rsp.ipc.peer_stats import PeerStats
from rsp.ipc.peer_table import PeerEntry
from rsp.ipc.scoreboard import PLACES, Scoreboard
from rsp.ipc.standing import FULL, OPEN, OUT
from rsp.logs import log
from rsp.net.context import WorkerContext
from rsp.tls.client_rules import ClientRules, name_to_verify

_FOR_THE_REPEATABLE: Final = 5.0  # seconds in which no other request tries a peer that was ejected
_MOST_SAID: Final = 1000  # characters of a line that the peer has for the log, and how many lines in a second
_LINES_SAID: Final = 8
_FIRST_SHARE: Final = 0.05  # of its weight, when slow start begins


class PeerOwner:
    """The upstream of a peer, as the peer knows it.

    ``name``: of the upstream; ``rules``: how its peers are asked over TLS, ``None``: plainly;
    ``typical_latency``: seconds that its peers take to answer
    """

    __slots__ = ("name", "rules", "typical_latency")

    name: str
    rules: ClientRules | None
    typical_latency: float

    def freed(self) -> None:
        """A request has ended at a peer, so there may be room for another one."""
        raise NotImplementedError

    def can_spare(self, peer: "Peer", share: float, clock: float) -> bool:
        """Whether ``peer`` may be ejected as well: another one stays, and no more than ``share`` of all are out."""
        raise NotImplementedError


_NO_OWNER: Final = PeerOwner()


class Peer(Candidate):
    # fmt: off
    __slots__ = (
        "_config", "_drain", "_failures", "_given", "_requests", "_rules", "_since", "_slow_start", "_spurned", "_warm",
        "address", "backup", "context", "ewma", "for_pools", "former_pool", "leaving_at", "max_connecting", "max_conns",
        "owner", "pool", "probe", "scoreboard", "stats",
    )
    # fmt: on

    def __init__(self, context: WorkerContext, entry: PeerEntry, scoreboard: Scoreboard) -> None:
        super().__init__(entry.address.encode(), float(entry.weight))
        self.context = context
        self.address = entry.address
        self.scoreboard = scoreboard
        self.stats = PeerStats(scoreboard, entry.place % PLACES, context.row_number)
        self.for_pools = PoolOwner(entry.address, self.stats)
        self.pool = Pool(context, self.for_pools)
        self.former_pool: Pool | None = None  # it has been retired, and connections of it may still be kept for clients
        self.ewma = PeakEwma()
        self.owner = _NO_OWNER
        self._config: UpstreamConfig | None = None  # as it was configured last, and with which rules
        self._rules: ClientRules | None = None
        self._given = -1
        self.probe: PeerRequest | None = None  # the one request that may try it after an ejection
        self.leaving_at = inf  # it is no peer any more; its tunnels end then
        self._requests = 0  # as of the last tick
        self._since = 0  # its mark, as of its last weighing
        self._spurned = 0.0  # another worker had the claim at that tick

    def move_to(self, scoreboard: Scoreboard) -> None:
        """It has gone, and its place is not its own any more."""
        self.pool.let_go()
        self.scoreboard = scoreboard
        self.stats = self.for_pools.stats = PeerStats(scoreboard, self.stats.number, self.context.row_number)

    def configure(self, entry: PeerEntry, config: UpstreamConfig, owner: PeerOwner) -> None:
        """Take over what a new configuration, or a new answer of DNS, says."""
        anew = self.leaving_at < inf or config is not self._config or entry.given != self._given
        self.owner = owner
        self.leaving_at = inf
        self.backup = entry.backup
        self.max_conns = entry.max_conns
        self.nominal = float(entry.weight)
        if anew or owner.rules is not self._rules:
            self._follow(entry, config)
        self._weigh(self.context.now)

    def _follow(self, entry: PeerEntry, config: UpstreamConfig) -> None:
        """Do as ``config`` says."""
        owner = self.owner
        self._config, self._rules, self._given = config, owner.rules, entry.given
        self.max_connecting = config.max_connecting
        secure = config.secure
        name = name_to_verify(secure, config.named(entry.given, entry.address)) if secure is not None else ""
        self.ask_by(owner.rules, name, config)
        self.pool.configure(config)
        self._drain = float(config.drain)
        self._warm = config.warm
        self._failures = config.failures
        self._slow_start = float(config.slow_start)

    def retire(self, drain: float | None = None) -> None:
        """It is no peer any more: what runs there is finished, tunnels within ``drain`` seconds, or as configured."""
        if self.leaving_at == inf:
            self.leaving_at = self.context.now + (self._drain if drain is None else drain)
        self._warm = 0
        self.pool.retire()

    def ask_by(self, rules: ClientRules | None, name: str, config: UpstreamConfig) -> None:
        """As ``config`` says; over TLS, where its certificate has to be for ``name``; ``None``: plainly.

        Connections that were made otherwise finish what they carry, and are used for nothing else.
        """
        if not self.pool.is_made_for(rules, name, config):
            former = self.former_pool = self.pool
            if config.protocol != "http":
                self.pool = CgiPool(self.context, self.for_pools, config)
            elif config.send_proxy is not None:
                self.pool = proxy_pool(self.context, self.for_pools, rules, name, config)
            elif rules is None:
                self.pool = Pool(self.context, self.for_pools, config.http)
            else:
                self.pool = SecurePool(self.context, self.for_pools, rules, name, config.http)
            former.retire()

    # -- what policies ask

    def load(self) -> int:
        return self.stats.total(IN_FLIGHT)

    def latency(self) -> float:
        value = self.ewma.value
        return value if value > 0.0 else self.owner.typical_latency

    # -- which requests may come

    def standing(self, now: int) -> int:
        """One of ``ipc/standing.py``; ``now`` in milliseconds."""
        standing = self.stats.standing(now)
        if standing < OUT:
            if not self.has_room():
                return FULL
            if self.max_connecting and not self.pool.has_idle() and self.stats.total(CONNECTING) >= self.max_connecting:
                return FULL
            if self._slow_start and self.stats.mark(SINCE) != self._since:
                self._weigh(self.context.now)  # it has come back since the last tick
        return standing

    def has_room(self) -> bool:
        """Whether one more request may run there; a standing says that of none that is out or drained."""
        return not self.max_conns or self.stats.total(IN_FLIGHT) < self.max_conns

    def can_be_asked(self) -> bool:
        """Whether it is open, and has room."""
        return self.standing(int(self.context.now * 1000)) == OPEN

    def described(self) -> dict[bytes, object]:
        """For on_upstream: what rsp knows about it."""
        return {
            b"address": self.name,
            b"weight": self.weight,
            b"backup": self.backup,
            b"in_flight": self.load(),
            b"latency": self.latency(),
        }

    def claim(self, request: PeerRequest) -> bool:
        """Whether ``request`` may be the one that tries the peer after an ejection.

        Rather one that can be repeated; but an upstream may have no such requests.
        """
        now = self.context.now
        if self.probe is not None or self._spurned == now:
            return False
        if not request.is_repeatable() and now < self.stats.mark(EJECTED_UNTIL) / 1000 + _FOR_THE_REPEATABLE:
            return False
        if not self.scoreboard.claim(self.stats.number):
            self._spurned = now
            return False
        self.probe = request
        return True

    def begin(self) -> bool:
        """One request more; false, and none, where other workers were faster to fill it up."""
        self.stats.add(IN_FLIGHT, 1)
        if self.max_conns and self.stats.total(IN_FLIGHT) > self.max_conns:
            self.stats.add(IN_FLIGHT, -1)
            return False
        return True

    def end(self, request: PeerRequest) -> None:
        """``request`` has no more business here."""
        self.stats.add(IN_FLIGHT, -1)
        if self.probe is request:
            self.spare()
        self.owner.freed()

    def spare(self) -> None:
        """The request that had the claim has tried the peer, or does not do so after all."""
        self.probe = None
        self.scoreboard.disclaim(self.stats.number)

    # -- how it does

    def tell(self, reason: str) -> None:
        """In the log, within bounds."""
        log.once_a_second(f"{self.address} {reason}", f'upstream "{self.owner.name}": peer {self.address}: {reason}')

    def said(self, text: bytes) -> None:
        """What it writes to STDERR, in the log: the same once a second, and a few different lines."""
        told = text.decode("utf-8", "replace").strip()[:_MOST_SAID]
        key = f"{self.address} stderr {hash(told) % _LINES_SAID}"
        log.once_a_second(key, f'upstream "{self.owner.name}": peer {self.address} says: {told}')

    def answered(self, now: float, latency: float, status: int) -> None:
        """The head of a response that was sent for ``latency`` seconds ago; ``now``: the clock."""
        latency = max(latency, 0.0)
        self.ewma.add(latency, now)
        self.stats.answered(int(latency * 1e6), int(self.ewma.value * 1e6), status)
        if self.stats.mark(EJECTED_UNTIL):
            self._returned(now, now - latency)

    def succeeded(self, now: float) -> None:
        """A whole response."""
        self.stats.succeeded(int(now * 1e6))

    def _returned(self, now: float, asked: float) -> None:
        """It answers again; ``asked``: when that request was sent."""
        stats = self.stats
        until = stats.mark(EJECTED_UNTIL) / 1000
        early = until > now
        if early and (
            stats.mark(peer_marks.REASON) != Reason.FAILURES or asked < stats.mark(peer_marks.EJECTED_AT) / 1000
        ):
            return
        stats.set_mark(SINCE, int(now * 1000))
        stats.set_mark(EJECTED_UNTIL, 0)
        self._weigh(now)
        log.line(f'upstream "{self.owner.name}": peer {self.address} is back')

    def blame(self, failure: Failure) -> None:
        """It has failed, if it is its own failure."""
        if failure.counts:
            self.failed(failure.reason)

    def failed(self, reason: str) -> None:
        """No connection, no response, or half of one."""
        now = self.context.clock()
        failures = self._failures
        run = self.stats.failed(int(now * 1e6), int(failures.within * 1e6))
        until = self.stats.mark(EJECTED_UNTIL) / 1000
        if not failures.count or until > now:
            return
        # One that came, or came back, has to prove itself first.
        proved = self.stats.last_success() >= self.stats.mark(SINCE) * 1000
        if not until and run < failures.count and proved:
            return
        if not until and not self.owner.can_spare(self, failures.share, now):
            return
        healthy = 0.0 if until else now - self.stats.mark(SINCE) / 1000
        times = ejections(self.stats.mark(peer_marks.EJECTIONS), healthy, failures.out)
        seconds = time_out(failures.out, failures.longest, times)
        self.scoreboard.eject(self.stats.number, Reason.FAILURES, times + 1, now, seconds)
        self.stats.add(EJECTED, 1)
        self.pool.forget_idle()
        log.line(
            f'upstream "{self.owner.name}": peer {self.address} is ejected for {seconds:g} s: {reason}'
            + ("" if until or run < 2 else f" ({run} failures in a row)"),
            log.WARNING,
        )

    def tick(self, now: float) -> None:
        """Once a second."""
        self._weigh(now)
        stats = self.stats
        if not stats.own(IN_FLIGHT):
            self.ewma.fade(now)
        stats.set_own(IDLE, self.pool.count_idle())
        requests = stats.own(REQUESTS)
        if (
            self._warm
            and not self.context.draining
            and requests != self._requests
            and not stats.standing(int(now * 1000))
        ):
            self.pool.warm_up(self._warm)
        self._requests = requests
        leaving = min(self.leaving_at, (stats.mark(peer_marks.DRAIN) / 1000) or inf)
        if leaving <= now and stats.own(IN_FLIGHT):
            self.pool.end_tunnels()

    def _weigh(self, now: float) -> None:
        """Its weight as configured, or as an operator set it; less while it starts slowly."""
        set_weight = self.stats.mark(peer_marks.WEIGHT)
        weight = float(set_weight - 1) if set_weight else self.nominal
        since = self.stats.mark(SINCE)
        self._since = since
        if self._slow_start and since:
            weight *= min(1.0, max(_FIRST_SHARE, (now - since / 1000) / self._slow_start))
        self.weight = weight
