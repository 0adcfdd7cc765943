"""A roll-out as arithmetic: which nodes come when, and whether those that have the version do as well as the others.

Rules of this room: no engine, no clock; reports in, a sentence or ``None`` out.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping

from rsp.config.instance import Reload
from rsp.nodes.report import Report
from rsp.supervise.canary import Sample, fault


def order_of(nodes: Iterable[str], first: str | None, salt: str) -> list[str]:
    """Another one for each roll-out, so that not the same node is the first each time."""
    return sorted(nodes, key=lambda name: (name != first, hashlib.sha256(f"{salt} {name}".encode()).digest()))


def counts(total: int, step: float | int) -> Iterator[int]:
    """How many nodes have the version at each step: one, then ``step`` more each time (a share, or so many)."""
    more = max(1, math.ceil(total * step - 1e-9)) if isinstance(step, float) else step
    now = 1
    while now < total:
        yield now
        now = max(now + 1, more) if now == 1 else now + more
    yield total


def sample(report: Report) -> Sample:
    return Sample(report.requests, report.errors, report.answers, report.seconds)


def _sum(one: Sample, other: Sample) -> Sample:
    requests, errors = one.requests + other.requests, one.errors + other.errors
    return Sample(requests, errors, one.answers + other.answers, one.seconds + other.seconds)


def since(before: Mapping[str, Report], now: Mapping[str, Report], names: Iterable[str]) -> Sample:
    """What the nodes ``names`` have answered between two looks; one that has started anew since is left out."""
    total = Sample(0, 0, 0, 0.0)
    for name in names:
        then, later = before.get(name), now.get(name)
        if then is not None and later is not None and then.instance == later.instance:
            total = _sum(total, sample(later) - sample(then))
    return total


class Verdict:
    """``started``: reports when the roll-out began; ``joined``: of each node with the version, when it got it."""

    def __init__(self, rules: Reload, started: Mapping[str, Report]) -> None:
        self._rules = rules
        self._started = dict(started)
        self.joined: dict[str, Report] = {}

    def compare(self, now: Mapping[str, Report]) -> tuple[str | None, str]:
        """What is wrong, as a clause; and the figures, for people."""
        trial = since(self.joined, now, self.joined)
        rest = [name for name in now if name not in self.joined]
        others, what = since(self._started, now, rest), "the others"
        if others.requests < self._rules.requests:
            others, what = self._before(), "before"
        enough = min(trial.requests, others.requests) >= self._rules.requests
        shown = f"{trial}; {what}: {others}" if enough else f"{trial}; too few requests for a comparison"
        wrong = fault(trial, others, self._rules)
        return (f"with the new version, {wrong} ({trial.requests} requests)" if wrong else None), shown

    def _before(self) -> Sample:
        """All that the nodes had answered when the roll-out began."""
        total = Sample(0, 0, 0, 0.0)
        for report in self._started.values():
            total = _sum(total, sample(report))
        return total


def trouble(
    name: str, version: str, trial: str, now: Report | None, joined: Report | None, silent: float, patience: float
) -> str | None:
    """Why the node ``name`` ends the roll-out, as a clause.  ``silent``: seconds without a new report from it."""
    if now is None:
        return f"{name} has stopped reporting"
    if now.trial == trial and now.state == "refused":
        return f"{name} rejects version {version[:12]}: {now.why}"
    if now.trial == trial and now.state == "returned":
        return f"{name} has rolled back: {now.why}"
    if joined is not None and now.instance != joined.instance:
        return f"{name} was restarted, or another node uses its name"
    if joined is not None and (now.running != version or not now.healthy):
        what = "none of its workers is healthy" if not now.healthy else f"it runs {(now.running or 'nothing')[:12]}"
        return f"{name} no longer runs version {version[:12]}: {what}"
    if joined is not None and now.deaths > joined.deaths:
        return f"a worker of {name} has died; see the log of that node"
    return f"{name} has not reported for {silent:.0f} s" if silent > patience else None
