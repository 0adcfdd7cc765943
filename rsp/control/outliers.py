"""Peers that do worse than their siblings, over all workers: ejected for a while.

The arithmetic is in ``rsp/balance/outliers.py``; here are its figures, from the scoreboard, once a second.
"""

from array import array
from collections import deque
from typing import NamedTuple

from rsp.balance.outliers import Sample, by_errors, by_latency, ejections, time_out
from rsp.config.failure import Outliers as Rules
from rsp.config.schema import Config
from rsp.ipc.peer_cells import EJECTED, ERRORS, LATENCY_SUM, REQUESTS
from rsp.ipc.peer_marks import DRAIN, EJECTED_UNTIL, EJECTIONS, HEALTH, HEALTH_UP, SINCE, Reason
from rsp.ipc.peer_stats import PeerStats
from rsp.ipc.peer_table import PeerEntry, PeerTable
from rsp.ipc.scoreboard import CONTROL_ROW, Scoreboard
from rsp.logs import log

_COUNTED = (REQUESTS, ERRORS, LATENCY_SUM)
_STEPS = 20  # looks back within an interval, at most

Counts = tuple[int, ...]


class Outliers:
    """All upstreams that want it."""

    def __init__(self, scoreboard: Scoreboard) -> None:
        self._scoreboard = scoreboard
        self._watches: dict[str, _Watch] = {}

    def arrange(self, config: Config, members: PeerTable) -> None:
        watches = {}
        for upstream in config.upstreams:
            if upstream.outlier_rules is not None:
                watch = self._watches.get(upstream.name) or _Watch(self._scoreboard, upstream.name)
                watch.rules = upstream.outlier_rules
                watch.members = members.upstreams.get(upstream.name, [])
                watches[upstream.name] = watch
        self._watches = watches

    def tick(self, now: float) -> None:
        if self._watches:
            board = self._scoreboard
            places = max((one.place for watch in self._watches.values() for one in watch.members), default=-1) + 1
            totals = [board.totals(tally, places) for tally in _COUNTED]  # once for all upstreams
            for watch in self._watches.values():
                watch.tick(now, totals)


class _Past(NamedTuple):
    """What the peers at ``places`` had counted, ``at`` that time: a list for each of :data:`_COUNTED`."""

    at: float
    places: "array[int]"
    counts: "list[array[int]]"


class _Watch:
    def __init__(self, scoreboard: Scoreboard, upstream: str) -> None:
        self._scoreboard = scoreboard
        self._upstream = upstream
        self._past: deque[_Past] = deque()
        self._since: dict[int, tuple[float, Counts]] = {}  # peers that came, or were ejected, within the interval
        self.rules = Rules()
        self.members: list[PeerEntry] = []

    def tick(self, now: float, totals: list[list[int]]) -> None:
        """``totals``: by place, of each of :data:`_COUNTED`."""
        rules = self.rules
        samples = self._samples(now, totals)
        out = [self._is_out(member.place) for member in self.members]
        found: dict[int, tuple[Reason, str]] = {}
        if rules.latency:
            for index in by_latency(samples, rules.latency, rules.requests):
                found[index] = (
                    Reason.LATENCY,
                    f"its latency is {samples[index].latency * 1000:.0f} ms, the other peers' is lower",
                )
        if rules.errors:
            for index in by_errors(samples, rules.errors, rules.requests):
                share = samples[index].errors / samples[index].requests
                found[index] = (Reason.ERRORS, f"its error rate is {share:.0%}, the other peers' is lower")
        number_out = sum(out)
        for index, (reason, why) in found.items():
            if out[index]:
                continue
            if number_out + 1 > rules.share * len(self.members) or number_out + 1 >= len(self.members):
                return
            number_out += 1
            self._eject(self.members[index], now, reason, why)

    def _samples(self, now: float, totals: list[list[int]]) -> list[Sample]:
        """What each peer did in the last interval."""
        places = array("I", (member.place for member in self.members))
        counts = [array("Q", [total[place] for place in places]) for total in totals]
        past, interval = self._past, self.rules.interval
        if not past or now >= past[-1].at + interval / _STEPS:
            past.append(_Past(now, places, counts))
        while len(past) > 1 and past[1].at <= now - interval:
            past.popleft()
        first = past[0]
        before: dict[int, Counts] = dict(zip(first.places, zip(*first.counts, strict=True), strict=True))
        self._since = {place: since for place, since in self._since.items() if since[0] > first.at}
        before.update((place, since[1]) for place, since in self._since.items())
        samples = []
        for place, each in zip(places, zip(*counts, strict=True), strict=True):
            if place not in before:
                self._since[place] = now, each
            requests, errors, latency = (
                max(0, new - old) for new, old in zip(each, before.get(place, each), strict=True)
            )
            samples.append(Sample(requests, errors, latency / 1e6 / max(1, requests)))
        return samples

    def _is_out(self, place: int) -> bool:
        mark = self._scoreboard.mark
        return bool(mark(place, EJECTED_UNTIL) or mark(place, DRAIN) or mark(place, HEALTH) > HEALTH_UP)

    def _eject(self, member: PeerEntry, now: float, reason: Reason, why: str) -> None:
        board, place, rules = self._scoreboard, member.place, self.rules
        times = ejections(board.mark(place, EJECTIONS), now - board.mark(place, SINCE) / 1000, rules.out)
        seconds = time_out(rules.out, rules.longest, times)
        board.eject(place, reason, times + 1, now, seconds)
        PeerStats(board, place, CONTROL_ROW).add(EJECTED, 1)
        self._since[place] = now, tuple(board.total(place, tally) for tally in _COUNTED)
        log.line(f'upstream "{self._upstream}": peer {member.address} is ejected for {seconds:g} s: {why}', log.WARNING)
