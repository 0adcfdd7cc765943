"""An upstream at run time: its peers, the choice among them, the retry budget, which responses are late.

Which peer may be asked is decided here, in this order: those that are open; backups; when all are full, the request
has to wait; and as the last resort those that are out, because a request that may fail is better than one that must.
"""

from collections.abc import Collection, Iterator
from math import inf
from typing import Final, Protocol

from rsp.balance.budget import RetryBudget
from rsp.balance.policies import RoundRobin, make
from rsp.config.units import Peer as Address
from rsp.config.upstreams import Upstream as UpstreamConfig
from rsp.exchange.forward.crowd import MANY, Crowd
from rsp.exchange.forward.hash_key import HashKey
from rsp.exchange.forward.late import Late
from rsp.exchange.forward.peer import Peer, PeerOwner
from rsp.exchange.forward.queue import Queue, WaitingRequest
from rsp.exchange.forward.rest import Rest
from rsp.exchange.forward.retry import RetryOn
from rsp.exchange.forward.script_roots import scripts_of
from rsp.exchange.forward.sticky import Binding
from rsp.http.grpc import CODES
from rsp.http.peer_stream import PeerRequest
from rsp.ipc import peer_marks
from rsp.ipc.peer_table import Changes, PeerEntry
from rsp.ipc.series import TimesSeries
from rsp.ipc.standing import DOUBTFUL, DRAINED, FULL, HALF_OPEN, OPEN, OUT
from rsp.logs import log
from rsp.net.context import WorkerContext
from rsp.net.rounds import at_once
from rsp.tls.client_rules import ClientRules

FEW: Final = 8  # peers among which a policy chooses for one request; the rest is taken as it comes
_COUNT_AGAIN: Final = 0.01  # seconds
_COUNT_MANY_AGAIN: Final = 0.1
_MOST_TRIES: Final = 1000  # of a request, where there are very many peers
_IN_A_STEP: Final = 100  # peers; some 0.1 ms


class PeerSource(Protocol):
    """Where peers are found: they outlive the upstreams of a configuration."""

    def peer(self, entry: PeerEntry) -> Peer: ...


class Upstream(PeerOwner):
    """``offset`` in [0, 1): this worker's share of a turn, so that workers begin at different peers.

    ``rules``: how its peers are asked over TLS, if they are.  ``scripts``: what its peers run, if they speak FastCGI or
    uwsgi.  ``series``: how long requests take, if that is noted.
    """

    # fmt: off
    __slots__ = (
        "__weakref__", "_backup_policy", "_backups", "_budget", "_context", "_counted_at", "_crowd", "_key", "_late",
        "_names", "_out", "_panic", "_panic_share", "_policy", "_primaries", "_source", "_unknown", "_up", "binding",
        "bounded", "config", "full", "hedges", "latencies", "peers", "queue", "replay_limit", "requests", "retry_on",
        "scripts", "series", "shares", "tries",
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
        self._names = frozenset(peer.address for peer in config.given if peer.address.is_name)
        self._crowd: Crowd | None = None  # where there are very many peers
        self._policy = make(config.policy, offset)
        self._backup_policy = RoundRobin(offset)
        self._key = HashKey(config.key) if config.policy == "hash" else None
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
        self.scripts = scripts_of(config)
        self.replay_limit = int(config.retry.body)
        self._late = Late(config.hedging) if config.hedging is not None else None
        self.hedges = self._late is not None
        self.latencies = self._late.latencies if self._late is not None else None
        self.queue = Queue(context, config.queue, self)
        self.full = False  # after ``pick`` found none: it is worth waiting
        self.typical_latency = 0.001
        self.series: TimesSeries | None = None

    def follow(self, before: "Upstream") -> None:
        """It takes the place of ``before``.  Where it is configured as that was, what takes long to make stays: how
        each peer is asked, and points on a ring."""
        if before.config == self.config:
            self.config = before.config
            if self._key is not None:
                self._policy = before._policy

    def arrange(self, entries: list[PeerEntry], unknown: Collection[Address]) -> None:
        """These are the peers now; ``unknown``: names that have not been looked up yet."""
        self.wait_for(unknown)
        self.peers = [self._source.peer(entry) for entry in entries]
        for peer, entry in zip(self.peers, entries, strict=True):
            self._configure(peer, entry)
        if self.binding is not None:
            self.binding.only(set(self.peers))
        self._sort()
        self._policy.arrange(self._primaries)
        self._backup_policy.arrange(self._backups)
        at_once(self._weigh_up())
        self.freed()

    def change(self, changes: Changes) -> None:
        """Some peers have come or gone, or have another weight."""
        before = self.peers[0] if self.peers else None
        come = []
        for entry in changes.come:
            peer = self._source.peer(entry)
            if peer.owner is not self or peer.leaving_at < inf:
                self.peers.append(peer)
            self._configure(peer, entry)
            come.append(peer)
        gone = self._take_out(set(changes.gone)) if changes.gone else []
        if self.binding is not None:
            for peer in gone:
                self.binding.forget(peer)
        self._sort()
        self._policy.change(
            [peer for peer in come if not peer.backup], [*gone, *(peer for peer in come if peer.backup)]
        )
        if before is not None and self.peers[:1] != [before]:
            self.queue.move(before)
        if self._crowd is None:
            at_once(self._weigh_up())
        else:
            self._crowd.changed = True
        self.freed()

    def _take_out(self, places: set[int]) -> list[Peer]:
        """Removes and returns the peers with these places."""
        left: list[Peer] = []
        gone: list[Peer] = []
        for peer in self.peers:
            (gone if peer.stats.number in places else left).append(peer)
        self.peers = left
        return gone

    def _configure(self, peer: Peer, entry: PeerEntry) -> None:
        peer.configure(entry, self.config, self)
        if self.binding is not None:
            self.binding.bind(peer)

    def _sort(self) -> None:
        """What follows from :attr:`peers`."""
        primaries: list[Peer] = []
        backups: list[Peer] = []
        bounded = False
        for peer in self.peers:
            (backups if peer.backup else primaries).append(peer)
            if peer.max_conns or peer.max_connecting:
                bounded = True
        self._primaries, self._backups, self.bounded = primaries, backups, bounded
        if len(self.peers) <= MANY:
            if self._crowd is not None:
                self._crowd.end()
            self._crowd = None
        elif self._crowd is None:
            self._crowd = Crowd(self._context, self, self._policy)
        self.tries = self.config.retry.tries or (_MOST_TRIES if self._crowd is not None else 0)

    def wait_for(self, unknown: Collection[Address]) -> None:
        """More peers may come when ``unknown``, or some of it, has been looked up."""
        self._unknown = bool(self._names) and not self._names.isdisjoint(unknown)

    def ask_by(self, rules: ClientRules) -> None:
        """Certificates, authorities or revocation lists have changed."""
        self.rules = rules
        for peer in self.peers:
            peer.ask_by(rules, peer.pool.name, self.config)
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
        if self._crowd is not None:
            return self._pick_of_many(self._crowd, request, desperate)
        first: Peer | None = None
        eligible: list[Peer] | None = None  # where there are several
        for peer in self._primaries:
            if tried and peer in tried:
                continue
            standing = peer.standing(now)
            if standing == OPEN or (standing == DOUBTFUL and self._panic):
                if first is None:
                    first = peer
                elif eligible is None:
                    eligible = [first, peer]
                else:
                    eligible.append(peer)
            elif standing == HALF_OPEN:
                if peer.claim(request):
                    return peer
            elif standing == FULL:
                self.full = True
        if eligible is not None:
            return self._policy.choose(eligible, None if self._key is None else self._key.of(request))
        return self._pick_other(tried, now, desperate) if first is None else first

    def _pick_of_many(self, crowd: Crowd, request: PeerRequest, desperate: bool) -> Peer | None:
        """Without a look at each."""
        peer = crowd.choose(request, None if self._key is None else self._key.of(request), self._panic, desperate)
        self.full = peer is None and (self._unknown or crowd.full)
        return peer

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
        peers = self._primaries if self._crowd is None else self._crowd.some_open()
        return [peer for peer in peers if peer not in tried and peer.standing(now) == OPEN]

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

    def can_spare(self, peer: Peer, share: float, clock: float) -> bool:
        # Many may ask in one moment, each of them for every peer, so they are not counted anew each time.
        now = int(self._context.now * 1000)
        if clock > self._counted_at + (_COUNT_AGAIN if self._crowd is None else _COUNT_MANY_AGAIN):
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

    def watch(self, request: WaitingRequest) -> None:
        """``request`` was sent: if its response is late, another peer is asked as well."""
        if self._late is not None:
            self._late.watch(request)

    # -- once a second

    def look_around(self, now: float) -> Iterator[int]:
        """Steps (``net/rounds.py``), because thousands of peers take some milliseconds."""
        self.tick_requests(now)
        if self._late is not None:
            self._late.tick()
        for first in range(0, len(self.peers), _IN_A_STEP):
            for peer in self.peers[first : first + _IN_A_STEP]:
                peer.tick(now)
            yield min(_IN_A_STEP, len(self.peers))
        yield from self._weigh_up()

    def _weigh_up(self) -> Iterator[int]:
        self._note_latency()
        yield len(self._primaries) // 20
        if self._panic_share and self._primaries:
            self._look_for_panic()
            yield len(self._primaries) // 20
        self._policy.reweigh()
        if self._crowd is not None:
            self._crowd.look(self._panic)
            yield len(self.peers) // 20

    def tick_requests(self, now: float) -> None:
        """What belongs to requests: all that is left of an upstream whose configuration is no longer in force."""
        self._budget.tick(self.requests)
        self.requests = 0
        self.queue.tick(now)

    def _note_latency(self) -> None:
        known, latency = 0, 0.0
        for peer in self._primaries:
            if peer.ewma.value > 0:
                known, latency = known + 1, latency + peer.ewma.value
        if known:
            self.typical_latency = latency / known

    def _look_for_panic(self) -> None:
        now = int(self._context.now * 1000)
        up = asked = doubtful = 0
        for peer in self._primaries:
            standing = peer.standing(now)
            up += standing in (OPEN, FULL)
            asked += standing != DRAINED
            doubtful += standing == DOUBTFUL
        panic = up < self._panic_share * asked
        if panic and not self._panic and doubtful:
            few = f"only {up} of {asked} peers are up"
            log.line(f'upstream "{self.name}": {few}, so failed health checks are ignored (panic)', log.WARNING)
        self._panic = panic
