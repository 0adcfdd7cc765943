"""Peers that do worse than their siblings, over all workers: ejected for a while.

The arithmetic is in ``rsp/balance/outliers.py``; here are its figures, from the scoreboard, once a second.
"""

from collections import deque

from rsp.balance.outliers import Sample, by_errors, by_latency, ejections, time_out
from rsp.config.schema import Config
from rsp.config.upstreams import Outliers as Rules
from rsp.ipc.peer_cells import EJECTED, ERRORS, LATENCY_SUM, REQUESTS
from rsp.ipc.peer_marks import DRAIN, EJECTED_UNTIL, EJECTIONS, HEALTH, HEALTH_UP, SINCE, Reason
from rsp.ipc.peer_stats import PeerStats
from rsp.ipc.peer_table import PeerEntry, PeerTable
from rsp.ipc.scoreboard import CONTROL_ROW, Scoreboard
from rsp.logs import log

_COUNTED = (REQUESTS, ERRORS, LATENCY_SUM)


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
        for watch in self._watches.values():
            watch.tick(now)


class _Watch:
    def __init__(self, scoreboard: Scoreboard, upstream: str) -> None:
        self._scoreboard = scoreboard
        self._upstream = upstream
        self._past: dict[int, deque[tuple[float, tuple[int, ...]]]] = {}  # by place: totals, and when
        self.rules = Rules()
        self.members: list[PeerEntry] = []

    def tick(self, now: float) -> None:
        rules = self.rules
        samples = [self._sample(member.place, now) for member in self.members]
        self._past = {member.place: self._past[member.place] for member in self.members}
        out = [self._is_out(member.place) for member in self.members]
        found: dict[int, tuple[Reason, str]] = {}
        if rules.latency:
            for index in by_latency(samples, rules.latency, rules.requests):
                found[index] = (Reason.LATENCY, f"takes {samples[index].latency * 1000:.0f} ms, its siblings less")
        if rules.errors:
            for index in by_errors(samples, rules.errors, rules.requests):
                share = samples[index].errors / samples[index].requests
                found[index] = (Reason.ERRORS, f"{share:.0%} of its answers are errors, of its siblings' less")
        for index, (reason, why) in found.items():
            if out[index]:
                continue
            if sum(out) + 1 > rules.share * len(self.members) or sum(out) + 1 >= len(self.members):
                return
            out[index] = True
            self._eject(self.members[index], now, reason, why)

    def _sample(self, place: int, now: float) -> Sample:
        """What the peer did in the last interval."""
        totals = tuple(self._scoreboard.total(place, tally) for tally in _COUNTED)
        past = self._past.setdefault(place, deque())
        past.append((now, totals))
        while len(past) > 1 and past[1][0] <= now - self.rules.interval:
            past.popleft()
        requests, errors, latency = (max(0, new - old) for new, old in zip(totals, past[0][1], strict=True))
        return Sample(requests, errors, latency / 1e6 / max(1, requests))

    def _is_out(self, place: int) -> bool:
        mark = self._scoreboard.mark
        return bool(mark(place, EJECTED_UNTIL) or mark(place, DRAIN) or mark(place, HEALTH) > HEALTH_UP)

    def _eject(self, member: PeerEntry, now: float, reason: Reason, why: str) -> None:
        board, place, rules = self._scoreboard, member.place, self.rules
        times = ejections(board.mark(place, EJECTIONS), now - board.mark(place, SINCE) / 1000, rules.out)
        seconds = time_out(rules.out, rules.longest, times)
        board.eject(place, reason, times + 1, now, seconds)
        PeerStats(board, place, CONTROL_ROW).add(EJECTED, 1)
        self._past[place].clear()
        self._past[place].append((now, tuple(board.total(place, tally) for tally in _COUNTED)))
        log.line(f'upstream "{self._upstream}": peer {member.address} is out for {seconds:g} s: {why}', log.WARNING)
