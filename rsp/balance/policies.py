"""The policies.  ``eligible`` is never empty; weights of 0 are only chosen when there is nothing else.

Where there are thousands of peers, nothing looks at all of them for one request: a policy *draws* one after the other,
and chooses among the first few that are eligible.
"""

from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from random import random
from typing import Any, TypeVar

from rsp.balance.candidate import Candidate
from rsp.balance.ring import Ring, groups, points_for, position

C = TypeVar("C", bound=Candidate)

_LEAST = 1e-9  # in place of a weight of 0


class Policy:
    """``key``: what the request is balanced by, for policies that look at it; ``None`` where it has none.

    ``sample``: of very many peers, it chooses among so many that it has drawn.
    """

    sample = 1

    def arrange(self, peers: Sequence[Candidate]) -> None:
        """The peers, or their configured weights, have changed."""

    def change(self, come: Sequence[Candidate], gone: Sequence[Candidate]) -> None:
        """Some peers have."""

    def reweigh(self) -> None:
        """Weights may have changed."""

    def choose(self, eligible: list[C], key: bytes | None) -> C:
        raise NotImplementedError

    # -- of very many

    def meet(self, peers: list[C]) -> None:
        """From here on, these are drawn."""
        raise NotImplementedError

    def draw(self) -> Any:  # a peer of the kind that it has met
        """One of those that it has met, of which there is one at least."""
        raise NotImplementedError


class RoundRobin(Policy):
    """Smooth weighted round robin, the order of nginx: weights 5, 1, 1 give a a b a c a a.

    ``offset`` in [0, 1): where in the turn to start, so that workers do not all begin with the same peer.
    """

    def __init__(self, offset: float = 0.0) -> None:
        self._offset = offset
        self._met: list[Candidate] = []
        self._heaviest = 0.0
        self._at = -1

    def arrange(self, peers: Sequence[Candidate]) -> None:
        if not self._offset or not peers:
            return
        lowest = min((peer.weight for peer in peers if peer.weight > 0), default=1.0)
        turns = int(sum(peer.weight for peer in peers) / lowest * self._offset)
        for _ in range(min(turns, 100_000 // len(peers), 1000)):
            self.choose(list(peers), None)
        self._at = int(self._offset * len(peers))
        self._offset = 0.0

    def choose(self, eligible: list[C], key: bytes | None) -> C:
        best = eligible[0]
        total = 0.0
        for peer in eligible:
            peer.turn += peer.weight
            total += peer.weight
            if peer.turn > best.turn:
                best = peer
        best.turn -= total
        return best

    def meet(self, peers: list[C]) -> None:
        self._met = list(peers)
        heaviest = 0.0
        for peer in peers:
            if peer.weight > heaviest:
                heaviest = peer.weight
        for peer in peers:
            if not 0.0 <= peer.turn < heaviest:  # an account of :meth:`choose`
                peer.turn = 0.0
        self._heaviest = heaviest

    def draw(self) -> Any:  # a peer of the kind that it has met
        """Around and around; a peer with half the weight of the heaviest one is passed over every other time."""
        met, at, heaviest = self._met, self._at, self._heaviest
        for _ in range(len(met)):
            at = at + 1 if at + 1 < len(met) else 0
            peer = met[at]
            peer.turn += peer.weight
            if peer.turn >= heaviest:
                peer.turn = peer.turn - heaviest if peer.turn < 2 * heaviest else 0.0
                break
        self._at = at
        return met[at]


class Drawn:
    """Peers to be drawn at random, by their weights."""

    __slots__ = ("_draw", "_peers", "_sums")

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._peers: list[Candidate] = []
        self._sums: list[float] = []

    def meet(self, peers: list[C]) -> None:
        total, sums = 0.0, []
        for peer in peers:
            total += peer.weight if peer.weight > _LEAST else _LEAST
            sums.append(total)
        self._peers, self._sums = list(peers), sums

    def one(self) -> Candidate:
        index = bisect(self._sums, self._draw() * self._sums[-1])
        return self._peers[min(index, len(self._peers) - 1)]


class LeastConn(RoundRobin):
    """The peer with the fewest exchanges for its weight; of equals, the one whose turn it is.

    Of very many, it is the best of eight.
    """

    sample = 8

    def __init__(self, offset: float = 0.0) -> None:
        RoundRobin.__init__(self, offset)
        self._drawn = Drawn(random)

    def meet(self, peers: list[C]) -> None:
        self._drawn.meet(peers)

    def draw(self) -> Any:  # a peer of the kind that it has met
        return self._drawn.one()

    def choose(self, eligible: list[C], key: bytes | None) -> C:
        least = 0.0
        equals: list[C] = []
        for peer in eligible:
            cost = _share(peer)
            if not equals or cost < least:
                least = cost
                equals = [peer]
            elif cost == least:
                equals.append(peer)
        return equals[0] if len(equals) == 1 else RoundRobin.choose(self, equals, key)


class Random2(Policy):
    """The power of two choices: of two different peers, drawn by weight, the one with fewer exchanges for its weight.

    Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (1996).  ``draw`` gives numbers in [0, 1).
    """

    sample = 2

    def __init__(self, draw: Callable[[], float] = random) -> None:
        self._draw = draw
        self._many = Drawn(draw)

    def meet(self, peers: list[C]) -> None:
        self._many.meet(peers)

    def draw(self) -> Any:  # a peer of the kind that it has met
        return self._many.one()

    def choose(self, eligible: list[C], key: bytes | None) -> C:
        if len(eligible) == 1:
            return eligible[0]
        first = self._drawn(eligible, None)
        second = self._drawn(eligible, first)
        return second if self._cost(second) < self._cost(first) else first

    def _cost(self, peer: Candidate) -> float:
        return _share(peer)

    def _drawn(self, eligible: list[C], but: C | None) -> C:
        total = 0.0
        for peer in eligible:
            if peer is not but:
                total += peer.weight
        left = self._draw() * total
        last = eligible[0]
        for peer in eligible:
            if peer is not but:
                last = peer
                left -= peer.weight
                if left < 0.0:
                    break
        return last


class Ewma(Random2):
    """As :class:`Random2`, but weighs peak EWMA latency x exchanges (Finagle and Linkerd name it so)."""

    def _cost(self, peer: Candidate) -> float:
        return peer.latency() * _share(peer)


class Hash(RoundRobin):
    """Consistent hashing: a key stays with its peer; when a peer goes, only its own keys move, evenly.

    A request without a key takes its turn.
    """

    def __init__(self, offset: float = 0.0) -> None:
        RoundRobin.__init__(self, offset)
        self._peers: list[Candidate | None] = []  # by their numbers on the ring
        self._numbers: dict[Candidate, int] = {}
        self._groups: list[int] = []  # of points
        self._given: list[float] = []  # weights, as they were configured
        self._worth: list[float] = []  # and as they were when points were given for them
        self._free: list[int] = []  # numbers
        self._weights = 0.0
        self._points = points_for(0, 0.0)
        self._ring = Ring()

    def arrange(self, peers: Sequence[Candidate]) -> None:
        RoundRobin.arrange(self, peers)
        now = set(peers)
        come = [peer for peer in peers if peer not in self._numbers]
        gone = [peer for peer in self._numbers if peer not in now]
        if len(come) + len(gone) <= len(peers) // 4:
            self.change(come, gone)
            self._keep(peers)
            self.reweigh()
            return
        self._numbers = {peer: number for number, peer in enumerate(peers)}
        self._peers, self._free = list(peers), []
        self._build()

    def _build(self) -> None:
        self._given = [0.0 if peer is None else peer.nominal for peer in self._peers]
        self._weights = sum(self._given)
        self._points = points_for(len(self._numbers), self._weights)
        self._worth = [0.0 if peer is None else peer.weight for peer in self._peers]
        self._groups = [groups(self._points, weight) for weight in self._worth]
        self._ring = Ring((peer.name, number, self._groups[number]) for peer, number in self._numbers.items())

    def change(self, come: Sequence[Candidate], gone: Sequence[Candidate]) -> None:
        for peer in gone:
            number = self._numbers.pop(peer, None)
            if number is not None:
                self._ring.take(peer.name, number, 0, self._groups[number])
                self._weights -= self._given[number]
                self._peers[number], self._groups[number] = None, 0
                self._given[number] = self._worth[number] = 0.0
                self._free.append(number)
        for peer in come:
            if peer not in self._numbers:
                self._add(peer)
        self._keep(come)
        if len(come) > len(self._numbers) // 4 and len(come) > 1:  # sorting is faster than putting in
            self._build()
        elif self._fits():
            for peer in come:
                self._give_points(peer, self._numbers[peer])

    def _keep(self, peers: Sequence[Candidate]) -> None:
        """Note how they are configured."""
        for peer in peers:
            number = self._numbers[peer]
            self._weights += peer.nominal - self._given[number]
            self._given[number] = peer.nominal

    def _fits(self) -> bool:
        """Whether peers have as many points as before; if not, they are given all anew."""
        fits = self._points == points_for(len(self._numbers), self._weights)
        if not fits:
            self._build()
        return fits

    def _add(self, peer: Candidate) -> None:
        if not self._free:
            self._free.append(len(self._peers))
            self._peers.append(None)
            self._groups.append(0)
            self._given.append(0.0)
            self._worth.append(0.0)
        number = self._numbers[peer] = self._free.pop()
        self._peers[number] = peer

    def reweigh(self) -> None:
        if self._fits():
            for number in range(len(self._peers)):
                peer = self._peers[number]
                if peer is not None and peer.weight != self._worth[number]:
                    self._give_points(peer, number)

    def _give_points(self, peer: Candidate, number: int) -> None:
        """As many as its weight is worth now."""
        known, wanted = self._groups[number], groups(self._points, peer.weight)
        if wanted > known:
            self._ring.put(peer.name, number, known, wanted)
        elif wanted < known:
            self._ring.take(peer.name, number, wanted, known)
        self._groups[number], self._worth[number] = wanted, peer.weight

    def owners(self, key: bytes) -> Iterator[Any]:
        """Of ``key``: the first one, and those that come next, again and again."""
        for number in self._ring.walk(position(key)):
            peer = self._peers[number]
            if peer is not None:
                yield peer

    def choose(self, eligible: list[C], key: bytes | None) -> C:
        if key is not None:
            for number in self._ring.walk(position(key)):
                owner = self._peers[number]
                for peer in eligible:
                    if peer is owner:
                        return peer
        return RoundRobin.choose(self, eligible, key)


def _share(peer: Candidate) -> float:
    return (peer.load() + 1) / (peer.weight if peer.weight > _LEAST else _LEAST)


def make(name: str, offset: float) -> Policy:
    """The policy that a configuration names; for ``offset`` see :class:`RoundRobin`."""
    if name == "least_conn":
        return LeastConn(offset)
    if name == "random2":
        return Random2()
    if name == "ewma":
        return Ewma()
    return Hash(offset) if name == "hash" else RoundRobin(offset)
