"""``rspctl fleet rollout``: a version goes to one node, then to shares, then it is confirmed; or all go back.

Rules of this room: whatever goes wrong ends the trial.  Nothing has to be undone on nodes: they go back on their own
when the trial is not in the record any more, or when its beat stands still (docs/many-nodes.md).
"""

import argparse
import asyncio
import os
import signal
import time
from contextlib import suppress
from typing import Final

from rsp.config.instance import Reload
from rsp.engines.failures import Unreachable
from rsp.nodes.record import Record, Trial
from rsp.nodes.report import LASTING, Report
from rsp.nodes.site import Site
from rsp.terminal.fleet_access import author, change, with_site
from rsp.terminal.fleet_file import Candidate
from rsp.terminal.fleet_lead import Ended, Lead, free
from rsp.terminal.fleet_plan import Verdict, counts, order_of, trouble
from rsp.terminal.instance import Failure
from rsp.terminal.plain import plain

_LOOK: Final = 0.5  # seconds between two looks at the nodes' reports
_LOADING: Final = 60.0  # seconds that a node may take to load a version, beside the trial of one worker
_RETURNING: Final = 30.0
_MOST_LEFT: Final = 10


def roll_out(options: argparse.Namespace) -> int:
    candidate = Candidate.of(options.file)
    files = "1 file" if candidate.files == 1 else f"{candidate.files} files"
    _say(f"version {candidate.version[:12]}: {files}, {-(-len(candidate.packed) // 1024)} KB")
    for path in candidate.left[:_MOST_LEFT]:
        _say(f"warning: {path} is not included in the version; use an absolute path that exists on the nodes")

    async def work(site: Site) -> int:
        if options.now:
            return await _confirm(site, candidate)
        return await _in_steps(site, candidate, options)

    return with_site(options, work)


def _say(text: str) -> None:
    print(plain(text), flush=True)


async def _confirm(site: Site, candidate: Candidate) -> int:
    """Without a trial."""

    def wanted(record: Record) -> Record:
        if record.trial is not None:
            raise Failure(f"a rollout by {record.trial.by} is in progress; abort it first: rspctl fleet abort")
        return record.confirm(candidate.version, author(), time.time())

    record = (await site.read()).record
    wanted(record)
    before = record.versions
    await site.store(candidate.version, candidate.packed)
    held = await change(site, wanted)
    await site.store(candidate.version, candidate.packed)  # another operator may have removed it just before
    await site.forget(before - held.record.versions)
    _say(f"version {candidate.version[:12]} is confirmed; nodes follow")
    return 0


async def _in_steps(site: Site, candidate: Candidate, options: argparse.Namespace) -> int:
    held = await free(site, _say)
    reports = await site.reports()
    if not reports and held.record.stable is None:
        return await _first(site, candidate, held.record)
    if not reports:
        raise Failure(
            "no node has reported, so the version cannot be tried. A running node reports within 10 s (see its log). "
            "rspctl fleet rollout --now confirms a version without trying it"
        )
    if options.first is not None and options.first not in reports:
        raise Failure(f'no node "{options.first}" has reported; see rspctl fleet')
    if candidate.version == held.record.stable:
        raise Failure(f"version {candidate.version[:12]} is already in use")
    await site.store(candidate.version, candidate.packed)
    trial = os.urandom(8).hex()
    nodes = order_of(reports, options.first, trial)
    lead = Lead(site, held, Trial(trial, candidate.version, (nodes[0],), options.deadline, 0, author()))
    await lead.begin()
    await site.store(candidate.version, candidate.packed)  # another operator may have removed it just before
    march = _March(site, lead, candidate, options, trial, nodes, reports)
    return await march.run(held.record)


async def _first(site: Site, candidate: Candidate, record: Record) -> int:
    """No node is there to try it."""
    if record.trial is not None:
        await change(site, lambda now: now.abort())
    return await _confirm(site, candidate)


class _March:
    """``nodes``: in their order.  ``started``: their reports before the first step."""

    def __init__(
        self, site: Site, lead: Lead, candidate: Candidate, options: argparse.Namespace,
        trial: str, nodes: list[str], started: dict[str, Report],
    ) -> None:  # fmt: skip
        self._site = site
        self._lead = lead
        self._version = candidate.version
        self._rules: Reload = candidate.rules
        self._watch: float = options.watch
        self._step: float | int = options.step
        self._trial = trial
        self._nodes = nodes
        self._verdict = Verdict(candidate.rules, started)
        self._patience = max(options.deadline, LASTING / 2)
        self._heard: dict[str, tuple[tuple[str, int], float]] = {}  # the last report of each node, and when it came
        self._figures = ""

    async def run(self, before: Record) -> int:
        """The exit status."""
        loop = asyncio.get_running_loop()
        marching = asyncio.ensure_future(self._march())
        beating = asyncio.ensure_future(self._lead.beat())
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stopped.set)
        stopping = asyncio.ensure_future(stopped.wait())
        try:
            await asyncio.wait((marching, beating, stopping), return_when=asyncio.FIRST_COMPLETED)
            why = "it was interrupted"
            ended = [task for task in (marching, beating) if task.done()]
            if marching in ended and marching.exception() is None:
                await self._tidy(before)
                return 0
            try:
                for task in ended:
                    task.result()
            except (Ended, Unreachable, ValueError) as error:
                why = str(error)
        finally:
            for each in (marching, beating, stopping):
                each.cancel()
            await asyncio.gather(marching, beating, stopping, return_exceptions=True)
        return await self._back(why, before)

    async def _march(self) -> None:
        """Raises :class:`Ended`."""
        for count in counts(len(self._nodes), self._step):
            chosen = tuple(self._nodes[:count])
            if count > 1:
                await self._lead.widen(chosen)
            await self._until_loaded(chosen)
            _say(f"{self._share(chosen)}: loaded" if count > 1 else f"{chosen[0]}: loaded")
            await self._until_watched(chosen)
            _say(f"{self._share(chosen)}: {self._figures}")
        await self._lead.confirm(author())
        _say(f"version {self._version[:12]} is confirmed")

    def _share(self, chosen: tuple[str, ...]) -> str:
        return f"{len(chosen)} of {len(self._nodes)} nodes"

    async def _until_loaded(self, chosen: tuple[str, ...]) -> None:
        over = time.monotonic() + _LOADING + float(self._rules.canary)
        while True:
            reports = await self._look(chosen)
            for name in chosen:
                told = reports[name]
                if name not in self._verdict.joined and told.trial == self._trial and told.state == "trying":
                    self._verdict.joined[name] = told
            missing = [name for name in chosen if name not in self._verdict.joined]
            if not missing:
                return
            if time.monotonic() > over:
                raise Ended(f"{missing[0]} has not loaded it in time")
            await asyncio.sleep(_LOOK)

    async def _until_watched(self, chosen: tuple[str, ...]) -> None:
        over = time.monotonic() + self._watch
        while True:
            reports = await self._look(chosen)
            wrong, self._figures = self._verdict.compare(reports)
            if wrong is not None:
                raise Ended(wrong)
            if time.monotonic() >= over:
                return
            await asyncio.sleep(_LOOK)

    async def _look(self, chosen: tuple[str, ...]) -> dict[str, Report]:
        """Of all nodes; a chosen one in trouble raises :class:`Ended`."""
        while True:
            try:
                reports = await self._site.reports()
                break
            except Unreachable:  # the lead notices, if that lasts
                await asyncio.sleep(_LOOK)
        now = time.monotonic()
        for name in chosen:
            told = reports.get(name)
            wrong = trouble(
                name, self._version, self._trial, told, self._verdict.joined.get(name),
                self._silence(name, told, now), self._patience,
            )  # fmt: skip
            if wrong is not None:
                await self._lead.check()  # nodes go back, too, when another operator ends it
                raise Ended(wrong)
        return reports

    def _silence(self, name: str, told: Report | None, now: float) -> float:
        """By our own clock."""
        if told is None:
            return 0.0
        mark = told.instance, told.number
        if self._heard.get(name, (None, 0.0))[0] != mark:
            self._heard[name] = mark, now
        return now - self._heard[name][1]

    # -- the end

    async def _tidy(self, before: Record) -> None:
        """Versions that nothing refers to any more."""
        with suppress(Unreachable, ValueError):
            await self._site.forget(before.versions - (await self._site.read()).record.versions)

    async def _back(self, why: str, before: Record) -> int:
        stable = (before.stable or "")[:12] or "that they had"
        _say(f"the rollout has failed: {why}")
        if not await self._lead.end():
            raise Failure(f"the engine does not respond; the nodes roll back to version {stable} by themselves")
        now = (await self._site.read()).record
        stable = (now.stable or "")[:12] or stable  # another operator's, perhaps
        if self._version not in now.versions:
            await self._site.forget({self._version})
        over = time.monotonic() + _RETURNING
        while time.monotonic() < over:
            reports = await self._site.reports()
            still = [name for name in self._nodes if name in reports and reports[name].running == self._version]
            if not still or now.stable == self._version:
                raise Failure(f"the rollout has failed; all nodes have rolled back to version {stable}")
            await asyncio.sleep(_LOOK)
        raise Failure(f"the rollout has failed; {len(still)} nodes have not rolled back yet: {', '.join(still[:5])}")
