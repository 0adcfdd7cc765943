"""Rates: as they are written, as clients are told of them, and as they hold."""

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.config.rates import Rate
from rsp.ipc.shared_memory import Shared, hash_of
from tests.soak import examples


@pytest.mark.parametrize(
    ("text", "number", "period"),
    [("10r/s", 10, 1), ("300r/m", 300, 60), ("1000r/h", 1000, 3600), ("0.5r/s", 0.5, 1), ("7/m", 7, 60),
     ("5 r/d", 5, 86400), ("10r/sec", 10, 1), (" 2r/min ", 2, 60)],
)  # fmt: skip
def test_how_they_are_written(text, number, period):
    assert Rate.parse(text) == (number, period)


@pytest.mark.parametrize(
    "text", ["", "10", "10r", "r/s", "10r/w", "-1r/s", "0r/s", "1e3r/s", "10r/s;", "9999999r/s", "0.0001r/d"]
)
def test_what_is_none(text):
    with pytest.raises(ValueError, match="expected a rate"):
        Rate.parse(text)


@pytest.mark.parametrize(
    ("text", "burst", "policy"),
    [("10r/s", 0, (10, 1)), ("10r/s", 20, (21, 3)), ("300r/m", 20, (300, 60)), ("1r/m", 2, (3, 180)),
     ("1r/h", 0, (1, 3600)), ("0.5r/s", 0, (1, 2)), ("10r/s", 9, (10, 1)), ("2.5r/s", 0, (2, 1))],
)  # fmt: skip
def test_what_clients_are_told_of_it(text, burst, policy):
    assert Rate.parse(text).policy(burst) == policy


@given(st.integers(1, 1000), st.sampled_from("smh"), st.integers(0, 2000))
@examples(100)
def test_no_client_has_more_left_than_the_quota_or_waits_longer_than_the_window(number, unit, burst):
    rate = Rate.parse(f"{number}r/{unit}")
    quota, window = rate.policy(burst)
    exact = Fraction(rate.period, number)
    assert quota >= burst + 1
    assert window >= (burst + 1) * exact  # a bucket that is empty is full by then
    assert window <= quota * exact + 1


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b"]), st.integers(0, 4)), max_size=40), st.integers(0, 3))
@examples(60)
def test_it_is_a_token_bucket(draws, burst):
    """Against one with tokens, of which none come back meanwhile: an interval is an hour."""
    shared, tokens = Shared(1 << 20), {b"a": burst + 1.0, b"b": burst + 1.0}
    for key, cost in draws:
        full = shared.draw(key, 3600.0, 3600.0 * burst, cost)
        # GCRA asks for room for one, whatever the cost; a cost of several may leave a debt.
        if tokens[key] >= 1:
            tokens[key] -= cost
            assert full == pytest.approx(3600 * (burst + 1 - tokens[key]), abs=1)
        else:
            assert full == pytest.approx(-3600 * (1 - tokens[key]), abs=1)


def test_a_row_is_served_one_after_the_other():
    shared = Shared(1 << 20)

    def reserve(key, seconds, credit):
        hashed = hash_of(key)
        return shared.shard(hashed).reserve(hashed, seconds, credit)

    assert reserve(b"k", 10.0, 2.0) == pytest.approx(-2, abs=0.1)
    assert reserve(b"k", 10.0, 2.0) == pytest.approx(8, abs=0.1)
    assert reserve(b"k", 1.0, 2.0) == pytest.approx(18, abs=0.1)
    assert reserve(b"other", 1.0, 0.0) == pytest.approx(0, abs=0.1)


def test_time_comes_back():
    shared = Shared(1 << 20)
    assert shared.draw(b"k", 60.0, 0.0, 1) > 0
    assert -60.0 <= shared.draw(b"k", 60.0, 0.0, 1) < 0
    assert shared.draw(b"j", 0.01, 0.0, 1) > 0
    until = time.monotonic() + 5.0
    while shared.draw(b"j", 0.01, 0.0, 1) < 0:
        assert time.monotonic() < until
        time.sleep(0.001)
