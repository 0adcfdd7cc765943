"""Policies: by distribution, and by what happens to the others when a peer comes, goes, or is slow."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.balance.candidate import Candidate
from rsp.balance.policies import Ewma, Hash, LeastConn, Random2, RoundRobin, make

NAMES = ("round_robin", "least_conn", "random2", "ewma", "hash", "sticky")


class Fake(Candidate):
    """A peer whose load and latency the test sets."""

    def __init__(self, name, weight=1.0, load=0, latency=0.01):
        super().__init__(name.encode(), float(weight))
        self.running = load
        self.seconds = latency

    def load(self):
        return self.running

    def latency(self):
        return self.seconds


def fakes(*weights):
    return [Fake(f"10.0.0.{number}:80", weight) for number, weight in enumerate(weights)]


def shares(policy, peers, requests, keys=None):
    """How many of ``requests`` each peer gets when nothing ever ends before the next begins."""
    found = Counter()
    for number in range(requests):
        found[peers.index(policy.choose(list(peers), keys(number) if keys else None))] += 1
    return found


def names_in_order(policy, peers, count):
    return "".join("abcdefgh"[peers.index(policy.choose(list(peers), None))] for _ in range(count))


# -- round robin


def test_round_robin_has_the_order_of_nginx():
    assert names_in_order(RoundRobin(), fakes(5, 1, 1), 7) == "aabacaa"
    assert names_in_order(RoundRobin(), fakes(2, 2), 4) == "abab"


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_round_robin_is_exact_and_spread(weights):
    peers = fakes(*weights)
    policy = RoundRobin()
    order = [peers.index(policy.choose(list(peers), None)) for _ in range(sum(weights))]
    for index, weight in enumerate(weights):
        assert order.count(index) == weight
        if weight * 3 <= sum(weights):  # weights 8, 8, 10, 10, 35 give the last, with just below half, three in a row
            assert (index, index, index) not in zip(order, order[1:], order[2:], strict=False)


def test_workers_begin_at_different_peers():
    def first(offset):
        peers = fakes(1, 1, 1, 1)
        policy = RoundRobin(offset)
        policy.arrange(peers)
        return peers.index(policy.choose(list(peers), None))

    assert {first(worker / 4) for worker in range(4)} == {0, 1, 2, 3}


# -- all of them


@pytest.mark.parametrize("name", NAMES)
@given(
    weights=st.lists(st.integers(0, 20), min_size=1, max_size=10),
    loads=st.lists(st.integers(0, 50), min_size=10, max_size=10),
    key=st.one_of(st.none(), st.binary(max_size=20)),
    offset=st.floats(0, 0.99),
)
def test_a_policy_chooses_among_those_that_are_eligible(name, weights, loads, key, offset):
    peers = fakes(*weights)
    for peer, load in zip(peers, loads, strict=False):
        peer.running = load
    policy = make(name, offset)
    policy.arrange(peers)
    left = list(peers)
    while left:  # failover is to choose again among those who are left
        choice = policy.choose(list(left), key)
        assert choice in left
        left.remove(choice)


@pytest.mark.parametrize("name", NAMES)
def test_equal_peers_get_equal_shares(name):
    peers = fakes(1, 1, 1)
    policy = make(name, 0.0)
    policy.arrange(peers)
    found = shares(policy, peers, 6000, keys=lambda number: b"%d" % number)
    assert all(0.27 < found[index] / 6000 < 0.40 for index in range(3)), found


@pytest.mark.parametrize("name", NAMES)
def test_shares_follow_the_weights(name):
    peers = fakes(1, 2, 5)
    policy = make(name, 0.0)
    policy.arrange(peers)
    found = Counter()
    running = []
    generator = random.Random(1)
    for number in range(16000):  # with 16 requests running at any time
        peer = policy.choose(list(peers), b"%d" % number)
        peer.running += 1
        running.append(peer)
        if len(running) > 16:
            running.pop(generator.randrange(len(running))).running -= 1
        found[peers.index(peer)] += 1
    for index, weight in enumerate((1, 2, 5)):
        assert 0.75 < found[index] / 16000 / (weight / 8) < 1.3, found


@pytest.mark.parametrize("name", NAMES)
def test_a_weight_of_0_is_nothing_while_others_are_there(name):
    peers = fakes(0, 1, 1)
    policy = make(name, 0.0)
    policy.arrange(peers)
    found = shares(policy, peers, 3000, keys=lambda number: b"%d" % number)
    assert found[0] <= 1
    assert policy.choose(peers[:1], b"x") is peers[0]


# -- least connections, two choices, latency


def test_least_conn_takes_the_least_loaded_for_its_weight():
    peers = [Fake("a", load=4), Fake("b", load=3), Fake("c", 4, load=9)]
    assert LeastConn().choose(peers, None) is peers[2]  # 10/4 < 4/1 < 5/1
    peers[2].running = 20
    assert LeastConn().choose(peers, None) is peers[1]


def test_least_conn_takes_turns_among_equals():
    assert names_in_order(LeastConn(), fakes(1, 1, 1), 6) == "abcabc"


def test_random2_never_takes_the_most_loaded():
    peers = [Fake("a", load=1), Fake("b", load=2), Fake("c", load=3)]
    found = shares(Random2(random.Random(1).random), peers, 2000)
    assert found[2] == 0
    assert found[0] > found[1] > 400  # a wins two of three pairs, b one


def test_random2_draws_by_weight():
    draws = iter([0.0, 0.0])
    peers = [Fake("a", 1, load=9), Fake("b", 8, load=0)]
    assert Random2(lambda: next(draws)).choose(peers, None) is peers[1]


def test_ewma_weighs_latency_and_load():
    slow, fast = Fake("slow", latency=0.1, load=0), Fake("fast", latency=0.01, load=5)
    policy = Ewma(random.Random(1).random)
    assert {policy.choose([slow, fast], None).name for _ in range(50)} == {b"fast"}
    fast.running = 12  # 13 x 10 ms > 1 x 100 ms
    assert {policy.choose([slow, fast], None).name for _ in range(50)} == {b"slow"}


# -- hashing


def placed(peers, keys):
    policy = Hash()
    policy.arrange(peers)
    return {key: policy.choose(list(peers), key).name for key in keys}


KEYS = [b"client-%d" % number for number in range(20_000)]


@pytest.mark.parametrize("count", [3, 10])
def test_when_a_peer_goes_only_its_keys_move(count):
    peers = fakes(*[1] * count)
    before, after = placed(peers, KEYS), placed(peers[1:], KEYS)
    moved = [key for key in KEYS if before[key] != after[key]]
    assert {before[key] for key in moved} == {peers[0].name}
    assert len(moved) / len(KEYS) <= 1 / count + 0.03
    heirs = Counter(after[key] for key in moved)
    assert len(heirs) == count - 1  # evenly: all of the others
    assert max(heirs.values()) < 2.2 * len(moved) / (count - 1)


@pytest.mark.parametrize("weights", [(1, 1, 1), (1, 2, 5), (100, 1, 50)])
def test_when_a_peer_comes_keys_move_only_to_it(weights):
    peers = fakes(*weights, 1)
    before, after = placed(peers[:-1], KEYS), placed(peers, KEYS)
    assert {after[key] for key in KEYS if before[key] != after[key]} <= {peers[-1].name}


def test_an_ejected_peers_keys_go_to_the_others_and_come_back():
    peers = fakes(1, 1, 1)
    policy = Hash()
    policy.arrange(peers)
    before = {key: policy.choose(list(peers), key) for key in KEYS[:3000]}
    without = {key: policy.choose(peers[1:], key) for key in before}
    assert all(without[key] is peer for key, peer in before.items() if peer is not peers[0])
    assert {key: policy.choose(list(peers), key) for key in before} == before


def test_every_worker_and_every_instance_agrees():
    assert placed(fakes(1, 2), KEYS[:100]) == placed(fakes(1, 2), KEYS[:100])
    assert placed(fakes(1, 1, 1), [b"fixed"])[b"fixed"] == b"10.0.0.2:80"  # and every version of rsp


def test_keys_spread_over_many_peers():
    found = Counter(placed(fakes(*[1] * 50), KEYS).values())
    assert len(found) == 50
    assert max(found.values()) < 1.5 * len(KEYS) / 50


def test_without_a_key_peers_take_turns():
    peers = fakes(1, 1)
    policy = Hash()
    policy.arrange(peers)
    order = [policy.choose(list(peers), None) for _ in range(6)]
    assert all(first is not second for first, second in pairwise(order))


# -- a ring of very many


def ring_of(policy, keys=3000):
    return [next(policy.owners(b"%d" % number)).name for number in range(keys)]


@pytest.mark.parametrize("count", [3, 70, 1000])
def test_a_ring_that_has_changed_is_the_one_that_would_be_made_anew(count):
    chance = random.Random(count)
    peers = [Fake(f"10.0.{number >> 8}.{number & 255}:80", chance.choice((1, 1, 1, 2, 5))) for number in range(count)]
    spare = [Fake(f"10.9.{number >> 8}.{number & 255}:80") for number in range(count)]
    policy = make("hash", 0.0)
    policy.arrange(peers)
    for _ in range(12):
        gone = chance.sample(peers, chance.randrange(max(1, count // 3)))
        come = chance.sample(spare, min(len(spare), chance.randrange(max(1, count // 3))))
        peers = [peer for peer in peers if peer not in gone] + come
        spare = [peer for peer in spare if peer not in come]
        for peer in chance.sample(peers, min(5, len(peers))):
            peer.weight = chance.choice((0.05, 0.5, peer.nominal))
        policy.change(come, gone)
        policy.reweigh()
        anew = make("hash", 0.0)
        anew.arrange(peers)
        assert ring_of(policy, 300) == ring_of(anew, 300)


def test_a_peer_that_leaves_very_many_takes_only_its_own_keys_along():
    peers = [Fake(f"10.0.{number >> 8}.{number & 255}:80") for number in range(2000)]
    policy = make("hash", 0.0)
    policy.arrange(peers)
    before = ring_of(policy)
    policy.change([], [peers[7]])
    after = ring_of(policy)
    assert all(now == then for now, then in zip(after, before, strict=True) if then != peers[7].name)
    assert peers[7].name not in after
    policy.change([peers[7]], [])
    assert ring_of(policy) == before


@pytest.mark.parametrize("name", ["round_robin", "least_conn", "random2", "ewma"])
def test_many_are_drawn_by_their_weights(name):
    peers = [Fake(f"10.0.{number >> 8}.{number & 255}:80", 4 if number % 2 else 1) for number in range(500)]
    policy = make(name, 0.3)
    policy.arrange(peers)
    policy.meet(peers)
    heavy = sum(policy.draw().weight == 4 for _ in range(20_000)) / 20_000
    assert 0.77 < heavy < 0.83
