"""Latencies, retry budgets, outliers, back-off."""

import pytest

from rsp.balance.budget import RESERVE, RetryBudget
from rsp.balance.latency import PeakEwma, Quantiles
from rsp.balance.outliers import Sample, by_errors, by_latency, ejections, time_out


def test_peak_ewma_follows_a_rise_at_once_and_a_fall_slowly():
    ewma = PeakEwma()
    ewma.add(0.010, 100.0)
    assert ewma.value == 0.010
    ewma.add(0.500, 100.1)
    assert ewma.value == 0.500
    ewma.add(0.010, 101.1)
    assert 0.4 < ewma.value < 0.5
    for step in range(600):
        ewma.add(0.010, 101.1 + step * 0.1)
    assert ewma.value < 0.015


def test_peak_ewma_forgets_while_idle():
    ewma = PeakEwma()
    ewma.add(1.0, 0.0)
    for second in range(1, 61):
        ewma.fade(float(second))
    assert ewma.value < 0.01
    ewma.fade(10.0)  # a clock that is behind changes nothing
    assert 0 < ewma.value < 0.01


@pytest.mark.parametrize(("share", "expected"), [(0.5, 0.010), (0.95, 0.010), (0.99, 0.200)])
def test_quantiles(share, expected):
    values = Quantiles()
    for number in range(1000):
        values.add(0.200 if number % 40 == 0 else 0.010)
    found = values.at(share, 20)
    assert expected <= found <= expected * 1.25


def test_quantiles_say_nothing_too_early_and_forget():
    values = Quantiles()
    for _ in range(19):
        values.add(0.01)
    assert values.at(0.95, 20) is None
    values.add(1e9)
    values.add(0.0)
    assert values.at(0.99, 20) > 1000
    for _ in range(100):
        values.fade()
    assert values.at(0.95, 20) is None


def test_a_budget_allows_its_share_and_a_reserve():
    budget = RetryBudget(0.2)
    assert sum(budget.withdraw(1000) for _ in range(10_000)) == 200 + RESERVE * 10
    budget.tick(1000)
    assert not budget.withdraw(0)
    for _ in range(10):
        budget.tick(0)
    assert sum(budget.withdraw(0) for _ in range(10_000)) == RESERVE * 10


def test_a_budget_of_0_allows_nothing():
    assert not RetryBudget(0.0).withdraw(10**6)


def samples(*rates, requests=100, latency=0.01):
    return [Sample(requests, int(rate * requests), latency) for rate in rates]


@pytest.mark.parametrize(
    ("rates", "found"),
    [
        ((0.0, 0.0, 0.5), [2]),
        ((0.0, 0.0, 0.1), []),  # below the share
        ((0.5, 0.5, 0.5), []),  # all are sick: it is not the peers' fault
        ((1.0, 0.9, 0.0), [0, 1]),
        ((0.5,), []),
    ],
)
def test_outliers_by_errors(rates, found):
    assert by_errors(samples(*rates), 0.3, 20) == found


def test_who_had_few_requests_is_not_judged():
    assert by_errors([*samples(0.0, 0.0), Sample(19, 19, 0.01)], 0.3, 20) == []
    assert by_latency([*samples(0.0, 0.0), Sample(19, 0, 9.0)], 5, 20) == []


def test_outliers_by_latency():
    three = [Sample(100, 0, 0.010), Sample(100, 0, 0.012), Sample(100, 0, 0.100)]
    assert by_latency(three, 5, 20) == [2]
    assert by_latency(three, 20, 20) == []
    assert by_latency([Sample(100, 0, 0.00001), Sample(100, 0, 0.0005)], 5, 20) == []  # a millisecond is nothing


def test_time_out_doubles_to_its_limit():
    assert [time_out(1, 60, times) for times in (0, 1, 2, 5, 6, 10_000)] == [1, 2, 4, 32, 60, 60]


def test_health_makes_up_for_ejections():
    assert [ejections(4, healthy, 1.0) for healthy in (0, 0.9, 1, 2.5, 100)] == [4, 4, 3, 2, 0]
    assert ejections(4, 5.0, 0.0) == 0
