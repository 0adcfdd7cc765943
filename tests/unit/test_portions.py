"""Shares are what they say, over any stretch of requests and any pattern in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.balance.portions import Portion, Shares

SLACK = 6.0  # requests; the discrepancy of the golden ratio grows with the logarithm of their number


@given(st.floats(0, 1), st.integers(1, 20_000), st.floats(0, 1, exclude_max=True))
def test_a_share_is_one_to_within_a_few_requests(share, count, at):
    portion = Portion(share, at)
    taken = sum(portion.take() for _ in range(count))
    assert abs(taken - share * count) <= SLACK


@pytest.mark.parametrize("every", [2, 3, 5, 8, 10, 13, 100])
def test_so_it_is_of_every_so_many_th_request(every):
    """A page and its images come in a pattern: none of them may always be in the same share."""
    portion = Portion(0.1)
    taken = [portion.take() for _ in range(1000 * every)][::every]
    assert 70 <= sum(taken) <= 130


def test_all_and_none():
    everything, nothing = Portion(1.0), Portion(0.0)
    assert all(everything.take() for _ in range(1000))
    assert not any(nothing.take() for _ in range(1000))


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=8).filter(any), st.floats(0, 1, exclude_max=True))
def test_several_shares(weights, at):
    shares = Shares(weights, at)
    chosen = [shares.choose() for _ in range(2000)]
    for number, weight in enumerate(weights):
        wanted = 2000 * weight / sum(weights)
        assert abs(chosen.count(number) - wanted) <= 2 * SLACK
        assert weight or number not in chosen


def test_workers_begin_at_different_points():
    portions = [Portion(0.5) for _ in range(50)]
    assert len({tuple(each.take() for _ in range(8)) for each in portions}) > 1
