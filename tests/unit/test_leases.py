"""What an instance may admit of a shared limit without asking: by its own clock, over all of its workers."""

import os
import time

import pytest

from rsp.exchange.lending import Terms, answers, arguments, key_of
from rsp.ipc.lease_terms import ASK, HOLDS, PASS, PASS_AND_ASK, REFUSE, REFUSE_AND_ASK
from rsp.ipc.leases import Leases
from rsp.ipc.shared_memory import Shared

SECOND = 0.001  # between two of 1,000 a second
MINUTE = 60.0


@pytest.fixture
def rates():
    return Shared(1 << 20)


@pytest.fixture
def leases(rates):
    return Leases(rates)


def test_of_an_unknown_bucket_the_store_decides(leases):
    assert leases.draw(b"k", SECOND, 1.0) == ASK
    assert (leases.is_new, leases.need, leases.want) == (True, 1.0, 0.0)
    assert leases.draw(b"k", SECOND, 2.5) == ASK
    assert (leases.is_new, leases.need) == (False, 2.5)


def test_a_lease_is_drawn_from_by_all_workers(rates, leases):
    leases.told(b"k", 5.0, 0.0, 3600.0)
    if os.fork() == 0:
        os._exit(Leases(rates).draw(b"k", 60.0, 2.0))
    assert os.waitstatus_to_exitcode(os.wait()[1]) == PASS
    assert leases.draw(b"k", MINUTE, 2.0) in (PASS, PASS_AND_ASK)
    assert leases.seconds == pytest.approx(3600 - 60, abs=1)  # what is left of the lease counts as not used
    assert leases.draw(b"k", MINUTE, 2.0) == ASK  # one is left
    assert leases.draw(b"other", MINUTE, 1.0) == ASK


def test_a_lease_that_is_half_used_is_renewed_in_the_background(leases):
    for _ in range(10):
        leases.draw(b"k", SECOND, 1.0)
    leases.told(b"k", 8.0, 0.0, 0.0)
    begun = time.monotonic()
    found = [leases.draw(b"k", SECOND, 1.0) for _ in range(8)]
    questions = 1 + int((time.monotonic() - begun) / 0.005)  # not again before it can have been answered
    assert found[:3] == [PASS] * 3
    assert 1 <= found.count(PASS_AND_ASK) <= questions
    assert leases.want > 1
    assert leases.need == 0.0


def test_a_lease_ends(leases):
    leases.told(b"k", 5.0, 0.0, 0.0)
    assert leases.unused(b"k") == pytest.approx(-HOLDS, abs=0.1)
    time.sleep(HOLDS + 0.01)
    assert leases.draw(b"k", SECOND, 1.0) == ASK
    assert leases.unused(b"k") == 5.0
    assert leases.unused(b"k") == 0.0
    assert leases.unused(b"unknown") == 0.0


def test_an_empty_bucket_is_not_asked_for(leases):
    leases.told(b"k", 0.0, 0.05, 100.0)
    assert leases.draw(b"k", MINUTE, 1.0) == REFUSE
    assert -0.05 <= leases.seconds < 0
    time.sleep(0.06)
    assert leases.draw(b"k", MINUTE, 1.0) == ASK


def test_a_fast_limit_is_refilled_in_the_background(leases):
    found, key = [ASK], b"k"
    while ASK in found:  # with another bucket, where other processes have run for longer than the answer holds
        key += b"k"
        for _ in range(100):
            leases.draw(key, SECOND, 1.0)
        leases.told(key, 0.0, 0.001, 0.02)
        found = []
        begun = time.monotonic()
        while found.count(REFUSE_AND_ASK) < 4 and ASK not in found:
            found.append(leases.draw(key, SECOND, 1.0))
    assert set(found) == {REFUSE, REFUSE_AND_ASK}  # no request waits
    assert found.count(REFUSE_AND_ASK) == 4
    assert time.monotonic() - begun > 0.014  # every 5 ms
    assert leases.need > 10
    assert leases.want == 0.0


def test_a_fast_limit_of_which_others_take_all_is_asked_for_less_often(leases):
    """Whatever many instances do: each asks ten times a second at least, and twice as often after each answer."""

    def pause():
        for _ in range(20):
            leases.draw(b"k", SECOND, 1.0)
        leases.told(b"k", 0.0, 0.001, 0.04)
        begun = time.monotonic()
        while leases.draw(b"k", SECOND, 1.0) == REFUSE:
            assert time.monotonic() - begun < 1
        return time.monotonic() - begun

    pauses = [pause() for _ in range(6)]
    wanted = [0.01, 0.02, 0.04, 0.08, 0.1, 0.1]
    assert all(pause > 0.9 * least for pause, least in zip(pauses, wanted, strict=True))
    leases.told(b"k", 1.0, 0.001, 0.04)
    assert leases.draw(b"k", SECOND, 1.0) in (PASS, PASS_AND_ASK)
    assert pause() < pauses[-1]


def test_a_cost_of_nothing_passes_where_one_request_would(leases):
    leases.told(b"k", 0.5, 0.0, 0.0)
    assert leases.draw(b"k", MINUTE, 0.0) == ASK
    leases.told(b"k", 1.0, 0.0, 0.0)
    assert leases.draw(b"k", MINUTE, 0.0) in (PASS, PASS_AND_ASK)
    leases.told(b"k", 0.0, 60.0, 0.0)
    leases.draw(b"k", MINUTE, 1.5)
    assert leases.draw(b"k", MINUTE, 0.0) == REFUSE


def test_without_a_store_nothing_is_drawn(leases):
    leases.told(b"k", 5.0, 0.0, 0.0)
    leases.local = True
    assert leases.draw(b"k", SECOND, 1.0) == ASK


def test_a_flood_of_keys_takes_no_more_memory(rates, leases):
    for number in range(30_000):
        leases.draw(b"%d" % number, SECOND, 1.0)
    entries, evicted = rates.usage()
    assert entries < 8000
    assert evicted > 20_000
    assert rates.draw(b"1", 1.0, 0.0, 1.0) == 1.0  # a limit of this instance with the same key is another bucket


# -- what the store says


@pytest.mark.parametrize(
    "reply",
    [
        None, b"OK", 3, [], [1000, 0], [1000, 0, 0, 0], [1000, 0, b"0"], [1000, 0, None], [2000, 0, 0],
        ["1000", 0, 0], [1000.0, 0, 0], [[1000, 0, 0]], ConnectionError("gone"), [10**30, 0, 0],
    ],
)  # fmt: skip
def test_replies_that_are_none(reply):
    assert answers(reply, [1.0]) is None


def test_replies_are_bounded():
    assert answers([1000, 10**30, -5], [1.0]) == [(1.0, 1e8, 0.0)]
    assert answers([-1, 1500, 2_000_000, 1500, 0, 0], [1.0, 2.0]) == [(-0.001, 0.0015, 2.0), (1.5, 0.0, 0.0)]


def test_keys_say_nothing_of_clients():
    assert key_of(b"\x00192.0.2.1") == key_of(b"\x00192.0.2.1")
    assert key_of(b"\x00192.0.2.1") != key_of(b"\x00192.0.2.2")
    assert len(key_of(b"x" * 1000)) == len(key_of(b"")) == 40


def test_arguments_are_exact():
    interval, depth, *_ = arguments(Terms(1e-6, 0.02, 1.0), 1.0, 1.0, 0.0)
    assert (float(interval), float(depth)) == (1.0, 20000.0)
    interval, depth, *_, most = arguments(Terms(86400000.0, 86400000.0 * 7, 1.0), 1.0, 1.0, 0.0)
    assert (float(interval), float(depth)) == (86400000.0e6, 86400000.0e6 * 7)
    assert float(most) == 86400000.0e6 * 8
