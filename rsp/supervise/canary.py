"""Whether one worker's trial of a new configuration went well: arithmetic, and the sentence that says so."""

from math import sqrt
from typing import Final, NamedTuple

from rsp.config.instance import Reload

_CERTAIN: Final = 3.0  # standard errors: chance alone reaches that once in a thousand trials
_FEW: Final = 3  # errors; fewer can happen to any worker
_LEAST_DELAY: Final = 0.002  # seconds; less is noise, however many times as long it is


class Sample(NamedTuple):
    """What was answered in some time.  ``errors``: of ``requests``, with status 500 or above; ``answers`` by peers
    took ``seconds`` in all."""

    requests: int
    errors: int
    answers: int
    seconds: float

    def __sub__(self, other: "Sample") -> "Sample":
        return Sample(
            self.requests - other.requests,
            self.errors - other.errors,
            self.answers - other.answers,
            self.seconds - other.seconds,
        )

    def possible(self) -> "Sample":
        """The same with at most as many errors as requests, and nothing below 0: a worker may count anything."""
        errors = min(max(self.errors, 0), self.requests)
        return Sample(self.requests, errors, max(self.answers, 0), max(self.seconds, 0.0))

    @property
    def error_rate(self) -> float:
        return self.errors / self.requests if self.requests else 0.0

    @property
    def latency(self) -> float:
        return self.seconds / self.answers if self.answers else 0.0

    def __str__(self) -> str:
        return f"{self.requests} requests, {self.error_rate:.1%} errors, {self.latency * 1000:.1f} ms"


def fault(trial: Sample, others: Sample, rules: Reload) -> str | None:
    """What is wrong with ``trial``, as a clause, or ``None``.  With too few requests there is no verdict."""
    if trial.requests < rules.requests or others.requests < rules.requests:
        return None
    trial, others = trial.possible(), others.possible()
    rate, usual = trial.error_rate, others.error_rate
    both = (trial.errors + others.errors) / (trial.requests + others.requests)
    deviation = sqrt(both * (1 - both) * (1 / trial.requests + 1 / others.requests))
    more = trial.errors - usual * trial.requests
    if rate - usual > max(rules.max_error_increase, _CERTAIN * deviation) and more >= _FEW:
        return f"the error rate is {rate:.1%}, compared with {usual:.1%} for the others"
    if not rules.max_latency_increase or trial.answers < rules.requests or others.answers < rules.requests:
        return None
    longer = trial.latency - others.latency
    if longer > max(rules.max_latency_increase * others.latency, _LEAST_DELAY):
        return (
            f"the latency of peers is {trial.latency * 1000:.1f} ms, compared with {others.latency * 1000:.1f} ms for "
            "the others"
        )
    return None
