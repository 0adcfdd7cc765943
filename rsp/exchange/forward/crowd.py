"""The peers of a very large upstream: which of them may be asked, without a look at all of them for each request.

With a few hundred peers a request looks at each of them, and its choice is exact.  With thousands that would take it a
hundred times as long as everything else, so all are looked at about once a second; a request draws a few of those that
were open then, looks at them, and its policy chooses among those that still are.
"""

from math import inf
from random import random
from typing import Final, Protocol

from rsp.balance.policies import Hash, Policy
from rsp.exchange.forward.peer import Peer
from rsp.http.peer_stream import PeerRequest
from rsp.ipc.standing import DOUBTFUL, FULL, HALF_OPEN, OPEN, OUT
from rsp.net.context import WorkerContext

MANY: Final = 256  # peers; a look at so many takes some 5 us
SHOWN: Final = 64  # to a hook that chooses
_DRAWS: Final = 32  # for one request
_STEPS: Final = 256  # on a ring
_PROBES: Final = 4  # peers whose time out is over, for one request
_CHANGED: Final = 0.1  # seconds after a look, when there are other peers
_MISSED: Final = 0.02  # and when a request has found none of the same peers


class CrowdOwner(Protocol):
    """The upstream."""

    peers: list[Peer]


class Crowd:
    """``full``: some peer was, so it may be worth waiting.  ``drained``: all are."""

    # fmt: off
    __slots__ = (
        "_backups", "_context", "_doubtful", "_full", "_half_open", "_looked_at", "_open", "_out", "_owner", "_panic",
        "_policy", "_waits", "changed", "drained", "full",
    )
    # fmt: on

    def __init__(self, context: WorkerContext, owner: CrowdOwner, policy: Policy) -> None:
        self._context = context
        self._owner = owner
        self._policy = policy
        self._looked_at = 0.0
        self._panic = False
        self._waits = False
        self.changed = False  # there are other peers since
        self.full = self.drained = False
        self._open: list[Peer] = []
        self._full: list[Peer] = []
        self._half_open: list[Peer] = []
        self._backups: list[Peer] = []  # those that are open
        self._doubtful: list[Peer] = []
        self._out: list[Peer] = []

    def look(self, panic: bool) -> None:
        """At all of them; some 50 ns each."""
        self._looked_at = self._context.clock()
        self._panic = panic
        self.changed = self._waits = False
        now = int(self._looked_at * 1000)
        opened: list[Peer] = []
        full: list[Peer] = []
        half_open: list[Peer] = []
        backups: list[Peer] = []
        doubtful: list[Peer] = []
        out: list[Peer] = []
        for peer in self._owner.peers:
            standing = peer.standing(now)
            if standing == OPEN:
                (backups if peer.backup else opened).append(peer)
            elif standing == FULL:
                self._waits = True
                if not peer.backup:
                    full.append(peer)
            elif standing == DOUBTFUL:
                doubtful.append(peer)
                if panic and not peer.backup:
                    opened.append(peer)
            elif standing == HALF_OPEN:
                half_open.append(peer)
            elif standing == OUT:
                out.append(peer)
        self._open, self._full, self._half_open = opened, full, half_open
        self._backups, self._doubtful, self._out = backups, doubtful, out
        self.drained = not (opened or full or half_open or backups or doubtful or out or self._waits)
        if opened:
            self._policy.meet(opened)

    def end(self) -> None:
        """There are few again; each has its turn soon."""
        for peer in self._owner.peers:
            peer.turn = 0.0

    def some_open(self) -> list[Peer]:
        """Some that were open at the last look, and are peers still: as many as a hook is shown."""
        shown = self._shown()
        if not shown and self.changed:
            self.look(self._panic)
            shown = self._shown()
        return shown

    def _shown(self) -> list[Peer]:
        few = len(self._open) <= SHOWN
        some = self._open if few else [self._policy.draw() for _ in range(SHOWN)]
        return [peer for peer in dict.fromkeys(some) if peer.leaving_at == inf]

    def choose(self, request: PeerRequest, key: bytes | None, panic: bool, desperate: bool) -> Peer | None:
        """A peer that ``request`` has not tried; ``None``: none now, and ``full`` says whether to wait.

        ``desperate``: rather one that is out than none.
        """
        self.full = False
        if self.changed and self._context.clock() > self._looked_at + _CHANGED:
            self.look(panic)
        peer = self._good(request, key)
        if peer is None and (self.changed or self._context.clock() > self._looked_at + _MISSED):
            self.look(panic)
            peer = self._good(request, key)
        if peer is not None:
            return peer
        now = int(self._context.now * 1000)
        peer = self._any(self._backups, request, OPEN, now)
        self.full = peer is None and self._waits
        if peer is not None or self._waits or not desperate:
            return peer
        for peers, wanted in ((self._doubtful, DOUBTFUL), (self._half_open, HALF_OPEN), (self._out, OUT)):
            peer = self._any(peers, request, wanted, now)
            if peer is not None:
                return peer
        self.full = not self.drained
        return None

    def _good(self, request: PeerRequest, key: bytes | None) -> Peer | None:
        """One that is open, or that is to be tried after its time out."""
        now = int(self._context.now * 1000)
        if self._half_open:
            peer = self._probed(request, now)
            if peer is not None:
                return peer
        if key is not None:
            peer = self._owned(request, key, now)
            if peer is not None:
                return peer
        if self._open:
            peer = self._drawn(request, now)
            if peer is not None:
                return peer
        return self._any(self._full, request, OPEN, now)

    def _probed(self, request: PeerRequest, now: int) -> Peer | None:
        """Each has its turn once between two looks."""
        tried = request.tried
        for _ in range(min(_PROBES, len(self._half_open))):
            peer = self._half_open.pop()
            usable = peer.leaving_at == inf and not peer.backup and peer not in tried
            if usable and peer.standing(now) == HALF_OPEN and peer.claim(request):
                return peer
        return None

    def _drawn(self, request: PeerRequest, now: int) -> Peer | None:
        """What the policy chooses of the first that are open."""
        policy, tried = self._policy, request.tried
        wanted: int = policy.sample
        found: list[Peer] = []
        for _ in range(_DRAWS):
            peer: Peer = policy.draw()
            if peer.leaving_at < inf or peer in tried or peer in found:
                continue
            standing = peer.standing(now)
            if standing == OPEN or (standing == DOUBTFUL and self._panic):
                found.append(peer)
                if len(found) == wanted:
                    break
            elif standing == FULL:
                self._waits = True
        if len(found) > 1:
            chosen: Peer = policy.choose(found, None)
            return chosen
        return found[0] if found else None

    def _owned(self, request: PeerRequest, key: bytes, now: int) -> Peer | None:
        """The first one that is open, of those that own ``key`` one after the other."""
        policy, tried = self._policy, request.tried
        if not isinstance(policy, Hash):
            return None
        left = _STEPS
        peer: Peer
        for peer in policy.owners(key):
            standing = peer.standing(now)
            if standing == OPEN or (standing == DOUBTFUL and self._panic):
                if peer not in tried:
                    return peer
            elif standing == FULL:
                self._waits = True
            left -= 1
            if not left:
                break
        return None

    def _any(self, peers: list[Peer], request: PeerRequest, wanted: int, now: int) -> Peer | None:
        """One of ``peers`` that stands so and has room, at random."""
        if not peers:
            return None
        tried, count = request.tried, len(peers)
        start = int(random() * count)  # noqa: S311 - no secret
        for number in range(min(count, 4 * _DRAWS)):
            peer = peers[(start + number) % count]
            if peer.leaving_at == inf and peer not in tried and peer.standing(now) == wanted and peer.has_room():
                return peer
        return None
