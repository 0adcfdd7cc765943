"""An upstream at run time: its peers, the choice among them, the queue for those who have to wait, the retry budget.

Who may be asked is decided here, in this order: peers that are open; backups; those who have to wait when all are
full; and as the last resort whoever is out, because a request that may fail is better than one that must.
"""

import asyncio
from collections import deque
from math import inf
from random import random
from typing import TYPE_CHECKING, Final

from rsp.balance.budget import RetryBudget
from rsp.balance.latency import Quantiles
from rsp.balance.policies import Hash, RoundRobin, make
from rsp.config.upstreams import Upstream as UpstreamConfig
from rsp.exchange.forward.peer import Peer
from rsp.exchange.forward.rest import Rest
from rsp.exchange.forward.sticky import Binding
from rsp.http.fields import cookie, field
from rsp.ipc.peer_table import PeerEntry
from rsp.ipc.scoreboard import Mark, Standing, Tally
from rsp.logs import log

if TYPE_CHECKING:
    from rsp.exchange.context import Plane
    from rsp.exchange.forward.forward import Search
    from rsp.exchange.forward.request import Asker

_OPEN: Final = int(Standing.OPEN)
_HALF_OPEN: Final = int(Standing.HALF_OPEN)
_DOUBTFUL: Final = int(Standing.DOUBTFUL)
_OUT: Final = int(Standing.OUT)
_DRAINED: Final = int(Standing.DRAINED)
_FULL: Final = int(Standing.FULL)
_IN_FLIGHT: Final = int(Tally.IN_FLIGHT)
# How long a request may wait that another worker has made room for without our knowing.
_LOOK_AGAIN: Final = 0.005
FEW: Final = 8  # peers among which a policy chooses for one request; the rest is taken as it comes
_COUNT_AGAIN: Final = 0.01  # seconds
_ENOUGH: Final = 20.0  # answers before their quantiles mean anything


class Group:
    # fmt: off
    __slots__ = (
        "_armed",
        "_backup_policy",
        "_backups",
        "_budget",
        "_by_hash",
        "_counted_at",
        "_hedge",
        "_key_kind",
        "_key_name",
        "_out",
        "_panic",
        "_panic_share",
        "_plane",
        "_policy",
        "_primaries",
        "_unknown",
        "_up",
        "_watched",
        "binding",
        "bounded",
        "config",
        "full",
        "hedge_after",
        "hedges",
        "latencies",
        "name",
        "peers",
        "queue",
        "replay_limit",
        "requests",
        "retry_on",
        "tries",
        "typical_latency",
    )
    # fmt: on

    def __init__(self, plane: "Plane", config: UpstreamConfig, offset: float) -> None:
        self._plane = plane
        self.config = config
        self.name = config.name
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
        self.binding = Binding(config.name, sticky, plane.secret) if sticky is not None else None
        checks = config.checks
        self._panic_share = checks.panic if checks is not None else 0.0
        self._panic = False
        self.requests = 0  # in this second
        self._budget = RetryBudget(config.retry.budget)
        self.tries = config.retry.tries
        self.retry_on = frozenset(config.retry.on) or None
        self.replay_limit = int(config.retry.body)
        self._hedge = config.hedging
        self.hedges = self._hedge is not None
        self.hedge_after = self._hedge.after or inf if self._hedge is not None else inf
        self.latencies = Quantiles() if self._hedge is not None and not self._hedge.after else None
        self._watched: deque[Search] = deque()  # their answers may be late
        self.queue: deque[Search] = deque()
        self._armed = False
        self.full = False  # after `pick` found nobody: it is worth waiting
        self.typical_latency = 0.001

    def arrange(self, members: list[PeerEntry], unknown: bool) -> None:
        """These are the peers now; ``unknown``: more may come when their names have been looked up."""
        self._unknown = unknown
        self.peers = []
        for member in members:
            peer = self._plane.peer(member)
            peer.configure(member, self.config, self)
            if self.binding is not None:
                self.binding.bind(peer)
            self.peers.append(peer)
        if self.binding is not None:
            self.binding.only(self.peers)
        self._primaries = [peer for peer in self.peers if not peer.backup]
        self._backups = [peer for peer in self.peers if peer.backup]
        self.bounded = any(peer.max_conns or peer.max_connecting for peer in self.peers)
        self._rearrange()
        self._look_around()
        if self.queue:
            self.wake()

    def _rearrange(self) -> None:
        self._policy.arrange(self._primaries)
        self._backup_policy.arrange(self._backups)

    # -- who gets a request

    def pick(self, exchange: "Asker", desperate: bool) -> Peer | None:
        """A peer for ``exchange`` that it has not tried; ``None``: none now, and ``full`` says whether to wait.

        ``desperate``: rather one that is out than none.
        """
        if exchange.only is not None and exchange.only.leaving_at == inf:
            return self._pick_own(exchange, exchange.only)
        tried = exchange.tried
        now = int(self._plane.now * 1000)
        if tried and len(tried) >= FEW:
            return self._pick_rest(exchange, now, desperate)
        self.full = False
        if self.binding is not None and not tried:
            bound = self.binding.find(exchange.head.fields)
            if bound is not None and self._may_stay(bound, now, exchange):
                exchange.bound = True
                return bound
        eligible: list[Peer] = []
        for peer in self._primaries:
            if tried and peer in tried:
                continue
            standing = peer.standing(now)
            if standing == _OPEN or (standing == _DOUBTFUL and self._panic):
                eligible.append(peer)
            elif standing == _HALF_OPEN:
                if peer.claim(exchange):
                    return peer
            elif standing == _FULL:
                self.full = True
        if eligible:
            return self._policy.choose(eligible, self._key(exchange) if self._by_hash else None)
        return self._pick_other(tried, now, desperate)

    def _pick_rest(self, exchange: "Asker", now: int, desperate: bool) -> Peer | None:
        """After several that have failed."""
        rest = exchange.rest
        if rest is None or rest.peers is not self.peers:
            rest = exchange.rest = Rest(self.peers, exchange.tried)
        peer = rest.choose(exchange, now, self._panic, desperate)
        self.full = peer is None and (self._unknown or rest.full)
        return peer

    def _pick_own(self, exchange: "Asker", peer: Peer) -> Peer | None:
        """Where the client has a connection of its own: as soon as there is room."""
        if self.binding is not None:
            exchange.bound = self.binding.find(exchange.head.fields) is peer
        self.full = not peer.has_room()
        return None if self.full else peer

    def open_peers(self, tried: set[Peer]) -> list[Peer]:
        """Those that a hook may choose among."""
        now = int(self._plane.now * 1000)
        return [peer for peer in self._primaries if peer not in tried and peer.standing(now) == _OPEN]

    def _pick_other(self, tried: set[Peer], now: int, desperate: bool) -> Peer | None:
        """No primary peer is open."""
        standings = {peer: peer.standing(now) for peer in self.peers if peer not in tried}
        for peers in (self._primaries, self._backups):  # another worker may have made room just now
            found = [peer for peer in peers if standings.get(peer, _OUT) == _OPEN]
            if found:
                return self._backup_policy.choose(found, None)
        self.full = self._unknown or _FULL in standings.values()
        if self.full or not desperate:
            return None
        # The last resort: one that is only doubtful, or about to be tried, or out; one that drains gets nothing new.
        for wanted in (_DOUBTFUL, _HALF_OPEN, _OUT):
            left = [peer for peer, standing in standings.items() if standing == wanted and peer.has_room()]
            if left:
                return self._backup_policy.choose(left, None)
        self.full = any(standing != _DRAINED for standing in standings.values())
        return None

    def _may_stay(self, peer: Peer, now: int, exchange: "Asker") -> bool:
        """Whether a client may go to the peer that its cookie names."""
        standing = peer.standing(now)
        if standing == _DRAINED:
            if peer.place.mark(Mark.DRAIN) <= now:
                return False
            standing = _OPEN if peer.has_room() else _FULL
        if standing == _FULL:  # it stays bound, but this request is served elsewhere
            exchange.bound = True
            return False
        return standing <= _DOUBTFUL and (standing != _HALF_OPEN or peer.claim(exchange))

    def _key(self, exchange: "Asker") -> bytes | None:
        """What the request is balanced by."""
        kind, head = self._key_kind, exchange.head
        if kind == "client":
            return exchange.client
        if kind == "uri":
            return head.target
        if kind == "path":
            return head.path
        if kind == "host":
            return head.host
        return field(head.fields, self._key_name) if kind == "header" else cookie(head.fields, self._key_name)

    def can_spare(self, peer: Peer, share: float, clock: float) -> bool:
        """Whether ``peer`` may be ejected as well: another one stays, and no more than ``share`` of all are out.

        Many may ask in one moment, each of them for every peer, so they are not counted anew each time.
        """
        now = int(self._plane.now * 1000)
        if clock > self._counted_at + _COUNT_AGAIN:
            standings = [one.standing(now) for one in self.peers]
            self._counted_at = clock
            self._out = sum(standing in (_OUT, _HALF_OPEN) for standing in standings)
            self._up = sum(standing in (_OPEN, _DOUBTFUL, _FULL) for standing in standings)
        standing = peer.standing(now)
        is_up = standing in (_OPEN, _DOUBTFUL, _FULL)
        out = self._out - (standing in (_OUT, _HALF_OPEN))
        if self._up - is_up < 1 or out + 1 > share * len(self.peers):
            return False
        self._up, self._out = self._up - is_up, out + 1
        return True

    def may_retry(self) -> bool:
        """Whether one more request that was sent may be sent again; if so, it is counted."""
        return self._budget.withdraw(self.requests)

    # -- the queue

    def others_wait(self) -> bool:
        """Whether a request that comes now has others before it, in this worker or in another one."""
        return bool(self.queue) or (bool(self.peers) and self.peers[0].place.total(Tally.WAITING) > 0)

    def wait(self, exchange: "Search", first: bool = False) -> bool:
        """Let ``exchange`` wait until a peer has room; false if there are too many already.

        ``first``: it had its turn, but another worker was faster.  Its time goes on.
        """
        if len(self.queue) >= self.config.queue.size:
            return False
        if not exchange.queue_limit:
            exchange.queue_limit = self._plane.now + self.config.queue.timeout
        exchange.queue_deadline = exchange.queue_limit
        if first:
            self.queue.appendleft(exchange)
        else:
            self.queue.append(exchange)
        self._count_waiting(1)
        self._look_again()
        return True

    def forget(self, exchange: "Search") -> None:
        """``exchange`` waits no more."""
        exchange.queue_deadline = 0.0
        self.queue.remove(exchange)
        self._count_waiting(-1)

    def _count_waiting(self, change: int) -> None:
        self._plane.queued += change
        if self.peers:
            self.peers[0].place.set_own(Tally.WAITING, len(self.queue))

    def wake(self) -> None:
        """There may be room; but whoever says so is in the middle of something.

        What a worker frees it would always get first itself.  So where others wait as well, it leaves them their share,
        and looks again a little later, as they do.
        """
        mine = len(self.queue)
        others = self.peers[0].place.total(Tally.WAITING) - mine if self.peers else 0
        if others <= 0 or random() * (mine + others) < mine:  # noqa: S311 - no secret
            asyncio.get_running_loop().call_soon(self._serve)

    def _look_again(self) -> None:
        if not self._armed and self.queue:
            self._armed = True
            asyncio.get_running_loop().call_later(_LOOK_AGAIN, self._look)

    def _look(self) -> None:
        self._armed = False
        self._serve()
        self._look_again()

    def _serve(self) -> None:
        queue = self.queue
        passed = 0  # those that wait for one peer only do not hold up the others
        while passed < len(queue):
            exchange = queue[passed]
            peer = self.pick(exchange, True)
            if peer is None and self.full:
                if exchange.only is None:
                    return
                passed += 1
                continue
            self.forget(exchange)
            exchange.resume_at(peer)
            if queue and queue[0] is exchange:  # another worker was faster: not again before there is news
                return

    # -- hedging

    def watch(self, exchange: "Search") -> None:
        """``exchange`` was sent: if its answer is late, another peer is asked as well."""
        if self.hedge_after < inf:
            self._watched.append(exchange)
            if len(self._watched) == 1:
                asyncio.get_running_loop().call_later(self.hedge_after, self._hedge_late)

    def _hedge_late(self) -> None:
        watched = self._watched
        if self.hedge_after == inf:
            watched.clear()
        now = asyncio.get_running_loop().time()
        while watched:
            exchange = watched[0]
            wait = exchange.late_in(self.hedge_after)
            if wait > 0.0005:
                asyncio.get_running_loop().call_at(now + wait, self._hedge_late)
                return
            watched.popleft()
            exchange.hedge()

    # -- once a second

    def tick(self, now: float) -> None:
        self.tick_requests(now)
        for peer in self.peers:
            peer.tick(now)
        self._look_around()
        if self.latencies is not None and self._hedge is not None:
            after = self.latencies.at(self._hedge.percentile / 100, _ENOUGH)
            self.hedge_after = inf if after is None else after
            self.latencies.fade()

    def tick_requests(self, now: float) -> None:
        """What belongs to requests: all that is left of a group whose configuration is no longer in force."""
        self._budget.tick(self.requests)
        self.requests = 0
        expired = [exchange for exchange in self.queue if exchange.queue_deadline < now]
        for exchange in expired:
            self.forget(exchange)
            exchange.waited_too_long()

    def _look_around(self) -> None:
        """What need not be known at once."""
        known = [peer.ewma.value for peer in self._primaries if peer.ewma.value > 0]
        if known:
            self.typical_latency = sum(known) / len(known)
        if self._panic_share and self._primaries:
            now = int(self._plane.now * 1000)
            standings = [peer.standing(now) for peer in self._primaries]
            up = sum(standing in (_OPEN, _FULL) for standing in standings)
            asked = sum(standing != _DRAINED for standing in standings)
            panic = up < self._panic_share * asked
            if panic and not self._panic and _DOUBTFUL in standings:
                few = f"only {up} of {asked} peers are up"
                log.line(f'upstream "{self.name}": {few}, so wrong answers to checks are ignored')
            self._panic = panic
        if isinstance(self._policy, Hash) and self._policy.weights != [peer.weight for peer in self._primaries]:
            self._policy.arrange(self._primaries)
