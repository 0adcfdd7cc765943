"""Limits of several instances hold within their bounds, whatever comes and however the store does."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.config.cluster_limits import least_burst
from rsp.exchange.lending import Terms
from rsp.ipc.lease_terms import HOLDS
from tests.leases_lab import Lab, most_in
from tests.soak import examples

PATIENCE = 0.05
RATES = st.sampled_from([2.0, 20.0, 100.0, 250.0, 1000.0, 3000.0])
BURSTS = st.sampled_from([0, 1, 10, 100])
# For each load: which instance has it, its rate as a share of the limit's, when it begins and ends.
LOADS = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from([0.1, 0.5, 1.0, 3.0]), st.floats(0, 1), st.floats(0.05, 1.0)),
    min_size=1, max_size=6,
)  # fmt: skip


def limit(rate, burst):
    return Terms(1 / rate, least_burst(1 / rate, burst) / rate, 1.0)


def offer(lab, loads, rate, terms):
    for instance, share, begin, lasts in loads:
        lab.offer(lab.instances[instance], rate * share, b"k", terms, begin, begin + lasts)


def excess(moments, terms):
    """The most that passed in any time above the rate and what may pass at once, in requests."""
    return max(
        most_in(moments, seconds) - (seconds + 2 * HOLDS) / terms.interval - terms.depth / terms.interval - 1
        for seconds in (0.0, 0.1, 0.5, 2.0)
    )


@given(RATES, BURSTS, LOADS, st.sampled_from([0.0001, 0.002, 0.01]), st.integers(0, 999))
@examples(40)
def test_no_more_pass_than_the_bound_says(rate, burst, loads, delay, seed):
    lab, terms = Lab(delay=delay, seed=seed), limit(rate, burst)
    offer(lab, loads, rate, terms)
    lab.run(3.0)
    assert excess(lab.passed(b"k"), terms) <= 1e-6
    for worker in lab.workers:
        assert len(worker.passed) + worker.refused == worker.requests  # each is decided once
        assert not worker.client._waiting
        assert not worker.client._wishes
    assert max(lab.waits, default=0) <= PATIENCE + 0.001


@given(RATES, BURSTS, LOADS, st.lists(
    st.tuples(st.floats(0.01, 0.6), st.sampled_from(["up", "refuses", "hangs"]), st.floats(-0.5, 0.5)),
    min_size=1, max_size=6,
), st.integers(0, 999))  # fmt: skip
@examples(40)
def test_whatever_the_store_does_requests_are_decided_in_time(rate, burst, loads, course, seed):
    lab, terms = Lab(seed=seed), limit(rate, burst)
    offer(lab, loads, rate, terms)
    for lasts, state, skew in course:
        lab.store.state, lab.store.skew = state, skew
        lab.run(lasts)
    lab.store.state = "up"
    lab.run(4.0)
    assert max(lab.waits, default=0) <= PATIENCE + 0.001
    for worker in lab.workers:
        assert len(worker.passed) + worker.refused == worker.requests
        assert not worker.client._waiting
        assert not worker.client.leases.local  # it answers again
    # Each change of the store's clock and each outage may bring what passes at once, once more, to each instance.
    changes = len(course) + 1
    times = (terms.depth / terms.interval + 1) * changes * (len(lab.instances) + 1)
    assert len(lab.passed(b"k")) <= times + (4.0 + sum(lasts for lasts, _, _ in course) + changes) / terms.interval


@pytest.mark.parametrize("seed", [1, 2])
def test_under_load_as_much_passes_as_the_limit_says(seed):
    lab, terms = Lab(seed=seed), limit(1000, 0)
    for workers in lab.instances:
        lab.offer(workers, 400, b"k", terms, 0, 6)
    lab.run(6.0)
    passed = lab.passed(b"k")
    assert abs(len(passed) - 6000) <= 0.02 * 6000
    # Nearly all are decided without a wait, and those that wait do it for a round trip.
    requests = sum(worker.requests for worker in lab.workers)
    assert len(lab.waits) < 0.05 * requests
    assert sorted(lab.waits)[int(0.99 * len(lab.waits))] < 0.001 if lab.waits else True
    assert lab.store.asked < 1200 * 6


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_below_the_limit_passes(seed):
    lab, terms = Lab(seed=seed), limit(1000, 50)
    for workers in lab.instances:
        lab.offer(workers, 160, b"k", terms, 0, 4)
    lab.run(4.5)
    requests = sum(worker.requests for worker in lab.workers)
    assert len(lab.passed(b"k")) >= 0.995 * requests
    assert lab.store.asked < requests  # a lease is for several


@pytest.mark.parametrize("seed", [1])
def test_a_flood_of_keys_is_bounded(seed):
    """Each request has a key of its own."""
    lab, terms = Lab(instances=1, workers=1, seed=seed), limit(0.1, 0)
    worker = lab.workers[0]
    for number in range(3000):
        worker.request(b"%d %d" % (seed, number), terms)
        if not number % 50:
            assert worker.client._waiting <= 1024
            assert len(worker.client._wishes) <= 4096
            lab.run(0.0002)
    lab.run(1.0)
    assert len(worker.passed) == 3000  # the first of each key
    assert lab.store.most_under_way <= 5  # with that which counts instances
    assert len(worker.client._lent) <= 4096
    assert math.isclose(max(worker.waits, default=0), 0, abs_tol=PATIENCE + 0.001)
