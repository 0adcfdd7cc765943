"""When a trial of a new configuration counts as failed."""

import pytest

from rsp.config.instance import Reload
from rsp.supervise.canary import Sample, fault

RULES = Reload()


def sample(requests, errors=0, ms=1.0):
    return Sample(requests, errors, requests, requests * ms / 1000)


@pytest.mark.parametrize(
    ("trial", "others", "said"),
    [
        (sample(1000), sample(1000), None),
        (sample(1000, 500), sample(1000), "the error rate is 50.0%, compared with 0.0% for the others"),
        (sample(20, 20), sample(20), "the error rate is 100.0%"),
        (sample(19, 19), sample(1000), None),  # too few
        (sample(1000, 1000), sample(19), None),  # nothing to compare with
        (sample(20, 1), sample(1000), None),  # one error is chance
        (sample(10000, 90), sample(10000), None),  # less than the rule allows
        (sample(1000, 300), sample(1000, 300), None),  # the peers' fault
        (sample(1000, ms=5), sample(1000, ms=1), "the latency of peers is 5.0 ms, compared with 1.0 ms for the others"),
        (sample(1000, ms=2.9), sample(1000, ms=1), None),  # noise
        (sample(1000, ms=15), sample(1000, ms=10), None),  # within the rule
    ],
)
def test_the_verdict(trial, others, said):
    verdict = fault(trial, others, RULES)
    assert verdict is None if said is None else verdict is not None and said in verdict


def test_rules():
    assert fault(sample(1000, 400), sample(1000), Reload(max_error_increase=0.5)) is None
    assert fault(sample(1000, ms=500), sample(1000), Reload(max_latency_increase=0)) is None
    assert fault(sample(30, 30), sample(30), Reload(requests=50)) is None
    # Answers of our own have no latency to compare.
    assert fault(Sample(1000, 0, 0, 0.0), sample(1000), RULES) is None


def test_differences_and_text():
    assert sample(10, 2) - sample(4, 1) == Sample(6, 1, 6, pytest.approx(0.006))
    assert str(sample(200, 1, ms=2)) == "200 requests, 0.5% errors, 2.0 ms"
    assert str(Sample(0, 0, 0, 0.0)) == "0 requests, 0.0% errors, 0.0 ms"
