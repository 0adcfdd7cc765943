"""The policies.  ``eligible`` is never empty; weights of 0 are only chosen when there is nothing else."""

from collections.abc import Callable, Sequence
from random import random
from typing import TypeVar

from rsp.balance.candidate import Candidate
from rsp.balance.ring import Ring, position

C = TypeVar("C", bound=Candidate)

_LEAST = 1e-9  # in place of a weight of 0


class Policy:
    """``key``: what the request is balanced by, for policies that look at it; ``None`` where it has none."""

    def arrange(self, peers: Sequence[Candidate]) -> None:
        """The peers, or their configured weights, have changed."""

    def choose(self, eligible: list[C], key: bytes | None) -> C:
        raise NotImplementedError


class RoundRobin(Policy):
    """Smooth weighted round robin, the order of nginx: weights 5, 1, 1 give a a b a c a a.

    ``offset`` in [0, 1): where in the turn to start, so that workers do not all begin with the same peer.
    """

    def __init__(self, offset: float = 0.0) -> None:
        self._offset = offset

    def arrange(self, peers: Sequence[Candidate]) -> None:
        lowest = min((peer.weight for peer in peers if peer.weight > 0), default=1.0)
        turns = int(sum(peer.weight for peer in peers) / lowest * self._offset)
        for _ in range(min(turns, 1000)):
            self.choose(list(peers), None)
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


class LeastConn(RoundRobin):
    """The peer with the fewest exchanges for its weight; of equals, the one whose turn it is."""

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

    def __init__(self, draw: Callable[[], float] = random) -> None:
        self._draw = draw

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


class Hash(Policy):
    """Consistent hashing: a key stays with its peer; when a peer goes, only its own keys move, evenly.

    A request without a key takes its turn.
    """

    def __init__(self, offset: float = 0.0) -> None:
        self._ring = Ring((), ())
        self._peers: list[Candidate] = []
        self.weights: list[float] = []  # as arranged
        self._turns = RoundRobin(offset)

    def arrange(self, peers: Sequence[Candidate]) -> None:
        self._peers = list(peers)
        self._turns.arrange(peers)
        self.weights = [peer.weight for peer in peers]
        self._ring = Ring([peer.name for peer in peers], self.weights)

    def choose(self, eligible: list[C], key: bytes | None) -> C:
        if key is not None:
            for index in self._ring.walk(position(key)):
                owner = self._peers[index]
                for peer in eligible:
                    if peer is owner:
                        return peer
        return self._turns.choose(eligible, key)


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
