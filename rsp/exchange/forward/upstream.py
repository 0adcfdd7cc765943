"""An upstream at run time: its peers, the choice among them, the retry budget, which responses are late.

Which peer may be asked is decided here, in this order: those that are open; backups; when all are full, the request
has to wait; and as the last resort those that are out, because a request that may fail is better than one that must.
"""

import asyncio
from collections import deque
from math import inf
from typing import Final, Protocol

from rsp.balance.budget import RetryBudget
from rsp.balance.latency import Quantiles
from rsp.balance.policies import Hash, RoundRobin, make
from rsp.config.upstreams import Upstream as UpstreamConfig
from rsp.exchange.forward.peer import Peer, PeerOwner
from rsp.exchange.forward.queue import Queue, WaitingRequest
from rsp.exchange.forward.rest import Rest
from rsp.exchange.forward.retry import RetryOn
from rsp.exchange.forward.sticky import Binding
from rsp.http.fields import cookie, field
from rsp.http.grpc import CODES
from rsp.http.peer_stream import PeerRequest
from rsp.ipc import peer_marks
from rsp.ipc.peer_table import PeerEntry
from rsp.ipc.series import TimesSeries
from rsp.ipc.standing import DOUBTFUL, DRAINED, FULL, HALF_OPEN, OPEN, OUT
from rsp.logs import log
from rsp.net.context import WorkerContext
from rsp.tls.client_rules import ClientRules

FEW: Final = 8  # peers among which a policy chooses for one request; the rest is taken as it comes
_COUNT_AGAIN: Final = 0.01  # seconds
_ENOUGH: Final = 20.0  # answers before their quantiles mean anything


class PeerSource(Protocol):
    """Where peers are found: they outlive the upstreams of a configuration."""

    def peer(self, entry: PeerEntry) -> Peer: ...


class Upstream(PeerOwner):
    """``offset`` in [0, 1): this worker's share of a turn, so that workers begin at different peers.

    ``rules``: how its peers are asked over TLS, if they are.  ``series``: how long requests take, if that is noted.
    """

    # fmt: off
    __slots__ = (
        "__weakref__", "_backup_policy", "_backups", "_budget", "_by_hash", "_context", "_counted_at", "_hedge",
        "_hedge_after", "_key_kind", "_key_name", "_out", "_panic", "_panic_share", "_policy", "_primaries", "_source",
        "_unknown", "_up", "_watched", "binding", "bounded", "config", "full", "hedges", "latencies", "peers", "queue",
        "replay_limit", "requests", "retry_on", "series", "shares", "tries",
    )
    # fmt: on

    def __init__(
        self,
        context: WorkerContext,
        source: PeerSource,
        config: UpstreamConfig,
        offset: float,
        rules: ClientRules | None = None,
    ) -> None:
        self._context = context
        self._source = source
        self.config = config
        self.name = config.name
        self.rules = rules
        self.peers: list[Peer] = []
        self.bounded = False  # some peer has a limit, so requests may have to wait
        self._primaries: list[Peer] = []
        self._backups: list[Peer] = []
        self._counted_at = 0.0
        self._out = self._up = 0  # peers, then
        self._unknown = False  # a name has not been looked up yet
        self._policy = make(config.policy, offset)
        self._backup_policy = RoundRobin(offset)
        self._by_hash = config.policy == "hash"
        kind, _, name = config.key.partition(":")
        self._key_kind = kind
        self._key_name = name.lower().encode() if kind == "header" else name.encode()
        sticky = config.stickiness
        self.binding = Binding(config.name, sticky, context.secret) if sticky is not None else None
        checks = config.checks
        self._panic_share = checks.panic if checks is not None else 0.0
        self._panic = False
        self.requests = 0  # in this second
        self._budget = RetryBudget(config.retry.budget)
        self.tries = config.retry.tries
        codes = frozenset(CODES[name] for name in config.retry.on_grpc)
        self.retry_on = RetryOn(frozenset(config.retry.on), codes) if config.retry.on or codes else None
        self.shares = config.shares
        self.replay_limit = int(config.retry.body)
        self._hedge = config.hedging
        self.hedges = self._hedge is not None
        self._hedge_after = self._hedge.after or inf if self._hedge is not None else inf
        self.latencies = Quantiles() if self._hedge is not None and not self._hedge.after else None
        self._watched: deque[WaitingRequest] = deque()  # their responses may be late
        self.queue = Queue(context, config.queue, self)
        self.full = False  # after ``pick`` found none: it is worth waiting
        self.typical_latency = 0.001
        self.series: TimesSeries | None = None

    def arrange(self, entries: list[PeerEntry], unknown: bool) -> None:
        """These are the peers now; ``unknown``: more may come when their names have been looked up."""
        self._unknown = unknown
        self.peers = []
        for entry in entries:
            peer = self._source.peer(entry)
            peer.configure(entry, self.config, self)
            if self.binding is not None:
                self.binding.bind(peer)
            self.peers.append(peer)
        if self.binding is not None:
            self.binding.only(self.peers)
        self._primaries = [peer for peer in self.peers if not peer.backup]
        self._backups = [peer for peer in self.peers if peer.backup]
        self.bounded = any(peer.max_conns or peer.max_connecting for peer in self.peers)
        self._policy.arrange(self._primaries)
        self._backup_policy.arrange(self._backups)
        self._look_around()
        self.freed()

    def ask_by(self, rules: ClientRules) -> None:
        """Certificates, authorities or revocation lists have changed."""
        self.rules = rules
        for peer in self.peers:
            peer.ask_by(rules, peer.pool.name, self.config.http)
            peer.pool.configure(self.config)

    # -- the choice

    def pick(self, request: PeerRequest, desperate: bool) -> Peer | None:
        """A peer for ``request`` that it has not tried; ``None``: none now, and ``full`` says whether to wait.

        ``desperate``: rather one that is out than none.
        """
        only = request.only
        if only is not None and isinstance(only, Peer) and only.leaving_at == inf:
            return self._pick_own(request, only)
        tried = request.tried
        now = int(self._context.now * 1000)
        if tried and len(tried) >= FEW:
            return self._pick_rest(request, now, desperate)
        self.full = False
        if self.binding is not None and not tried:
            bound = self.binding.find(request.head.fields)
            if bound is not None and self._may_stay(bound, now, request):
                request.bound = True
                return bound
        eligible: list[Peer] = []
        for peer in self._primaries:
            if tried and peer in tried:
                continue
            standing = peer.standing(now)
            if standing == OPEN or (standing == DOUBTFUL and self._panic):
                eligible.append(peer)
            elif standing == HALF_OPEN:
                if peer.claim(request):
                    return peer
            elif standing == FULL:
                self.full = True
        if eligible:
            return self._policy.choose(eligible, self._key(request) if self._by_hash else None)
        return self._pick_other(tried, now, desperate)

    def _pick_rest(self, request: PeerRequest, now: int, desperate: bool) -> Peer | None:
        """After several that have failed."""
        rest = request.rest
        if not isinstance(rest, Rest) or rest.peers is not self.peers:
            rest = request.rest = Rest(self.peers, request.tried)
        peer = rest.choose(request, now, self._panic, desperate)
        self.full = peer is None and (self._unknown or rest.full)
        return peer

    def _pick_own(self, request: PeerRequest, peer: Peer) -> Peer | None:
        """Where the client has a connection of its own: as soon as there is room."""
        if self.binding is not None:
            request.bound = self.binding.find(request.head.fields) is peer
        self.full = not peer.has_room()
        return None if self.full else peer

    def open_peers(self, tried: set[Peer]) -> list[Peer]:
        """Those that a hook may choose among."""
        now = int(self._context.now * 1000)
        return [peer for peer in self._primaries if peer not in tried and peer.standing(now) == OPEN]

    def _pick_other(self, tried: set[Peer], now: int, desperate: bool) -> Peer | None:
        """No primary peer is open."""
        standings = {peer: peer.standing(now) for peer in self.peers if peer not in tried}
        for peers in (self._primaries, self._backups):  # another worker may have made room just now
            found = [peer for peer in peers if standings.get(peer, OUT) == OPEN]
            if found:
                return self._backup_policy.choose(found, None)
        self.full = self._unknown or FULL in standings.values()
        if self.full or not desperate:
            return None
        # The last resort: one that is only doubtful, or about to be tried, or out; one that drains gets nothing new.
        for wanted in (DOUBTFUL, HALF_OPEN, OUT):
            left = [peer for peer, standing in standings.items() if standing == wanted and peer.has_room()]
            if left:
                return self._backup_policy.choose(left, None)
        self.full = any(standing != DRAINED for standing in standings.values())
        return None

    def _may_stay(self, peer: Peer, now: int, request: PeerRequest) -> bool:
        """Whether a client may go to the peer that its cookie names."""
        standing = peer.standing(now)
        if standing == DRAINED:
            if peer.stats.mark(peer_marks.DRAIN) <= now:
                return False
            standing = OPEN if peer.has_room() else FULL
        if standing == FULL:  # it stays bound, but this request is served elsewhere
            request.bound = True
            return False
        return standing <= DOUBTFUL and (standing != HALF_OPEN or peer.claim(request))

    def _key(self, request: PeerRequest) -> bytes | None:
        """What the request is balanced by."""
        kind, head = self._key_kind, request.head
        if kind == "client":
            return request.client
        if kind == "uri":
            return head.target
        if kind == "path":
            return head.path
        if kind == "host":
            return head.host
        return field(head.fields, self._key_name) if kind == "header" else cookie(head.fields, self._key_name)

    def can_spare(self, peer: Peer, share: float, clock: float) -> bool:
        # Many may ask in one moment, each of them for every peer, so they are not counted anew each time.
        now = int(self._context.now * 1000)
        if clock > self._counted_at + _COUNT_AGAIN:
            standings = [each.standing(now) for each in self.peers]
            self._counted_at = clock
            self._out = sum(standing in (OUT, HALF_OPEN) for standing in standings)
            self._up = sum(standing in (OPEN, DOUBTFUL, FULL) for standing in standings)
        standing = peer.standing(now)
        is_up = standing in (OPEN, DOUBTFUL, FULL)
        out = self._out - (standing in (OUT, HALF_OPEN))
        if self._up - is_up < 1 or out + 1 > share * len(self.peers):
            return False
        self._up, self._out = self._up - is_up, out + 1
        return True

    def may_retry(self) -> bool:
        """Whether one more request that was sent may be sent again; if so, it is counted."""
        return self._budget.withdraw(self.requests)

    def may_ask_again(self, peer: Peer) -> bool:
        """Whether a retry, which ``tries`` and the budget allow, can go nowhere else than to ``peer``."""
        return self.peers == [peer] and self.tries != 1 and self.may_retry()

    def freed(self) -> None:
        if self.queue:
            self.queue.wake()

    # -- hedging

    def watch(self, request: WaitingRequest) -> None:
        """``request`` was sent: if its response is late, another peer is asked as well."""
        if self._hedge_after < inf:
            self._watched.append(request)
            if len(self._watched) == 1:
                asyncio.get_running_loop().call_later(self._hedge_after, self._hedge_late)

    def _hedge_late(self) -> None:
        watched = self._watched
        if self._hedge_after == inf:
            watched.clear()
        now = asyncio.get_running_loop().time()
        while watched:
            request = watched[0]
            wait = request.late_in(self._hedge_after)
            if wait > 0.0005:
                asyncio.get_running_loop().call_at(now + wait, self._hedge_late)
                return
            watched.popleft()
            request.hedge()

    # -- once a second

    def tick(self, now: float) -> None:
        self.tick_requests(now)
        for peer in self.peers:
            peer.tick(now)
        self._look_around()
        if self.latencies is not None and self._hedge is not None:
            after = self.latencies.at(self._hedge.percentile / 100, _ENOUGH)
            self._hedge_after = inf if after is None else after
            self.latencies.fade()

    def tick_requests(self, now: float) -> None:
        """What belongs to requests: all that is left of an upstream whose configuration is no longer in force."""
        self._budget.tick(self.requests)
        self.requests = 0
        self.queue.tick(now)

    def _look_around(self) -> None:
        """What need not be known at once."""
        known = [peer.ewma.value for peer in self._primaries if peer.ewma.value > 0]
        if known:
            self.typical_latency = sum(known) / len(known)
        if self._panic_share and self._primaries:
            now = int(self._context.now * 1000)
            standings = [peer.standing(now) for peer in self._primaries]
            up = sum(standing in (OPEN, FULL) for standing in standings)
            asked = sum(standing != DRAINED for standing in standings)
            panic = up < self._panic_share * asked
            if panic and not self._panic and DOUBTFUL in standings:
                few = f"only {up} of {asked} peers are up"
                log.line(f'upstream "{self.name}": {few}, so wrong answers to checks are ignored', log.WARNING)
            self._panic = panic
        if isinstance(self._policy, Hash) and self._policy.weights != [peer.weight for peer in self._primaries]:
            self._policy.arrange(self._primaries)
