"""A node of a site: it follows the record, loads what the record names, and reports.

Rules of this room: ``rsp/nodes/course.py`` decides which version is wanted, by its own clock; here is what reads the
engine and orders reloads.  An engine that is gone, hangs or sends nonsense changes nothing but what is reported.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf
from typing import Final

from rsp import __version__
from rsp.control.state import Data, Mistake, State, silence
from rsp.engines.failures import Unreachable
from rsp.engines.pauses import Pauses
from rsp.ipc import peer_cells, worker_cells
from rsp.ipc.channel import Outcome, What
from rsp.ipc.scoreboard import RETIRED_ROW
from rsp.logs import log
from rsp.nodes.clock import boot_time
from rsp.nodes.course import Course, Wanted
from rsp.nodes.local import Local
from rsp.nodes.node import Node
from rsp.nodes.record import DEADLINE, Record
from rsp.nodes.report import BUSY, USUAL, Report, cut
from rsp.nodes.report import State as Doing
from rsp.nodes.site import Site

_PAUSES: Final = (0.2, 2.0)  # seconds between tries of an engine that does not answer: at first, at most
_LOOK: Final = 10.0  # seconds between two readings of the record, at most
_GAP: Final = 0.1  # seconds between two of them, at least, whatever the engine says has changed
_AGAIN: Final = (5.0, 60.0)  # until a confirmed version that was refused is tried again: at first, at most
_FETCH_AGAIN: Final = 1.0
_LEAVING: Final = 1.0  # for the last word
_UNTOLD: Final = 3  # reports in a row; an engine that is gone is noticed earlier where the record is read
_SILENT: Final = 5.0  # seconds that the loop of a worker has not run: it hangs
_MOST_PLACES: Final = 2000  # of peers whose latencies are added up for a report

Order = Callable[[What, str, bytes], Awaitable[Outcome]]


class Follower:
    """``order(what, version, packed)`` has the master load a version; ``settle(version)``: start with it."""

    def __init__(self, node: Node, state: State, order: Order, settle: Callable[[str], None]) -> None:
        self._node = node
        self._local = Local(node.folder)
        self._state = state
        self._order = order
        self._settle = settle
        self._site = Site(node.place)  # what it imports has to be read now
        self._course = Course(node.name, node.stable or None)
        self._running = node.running
        self._stable = node.stable
        self._stored = {node.running, node.stable} - {""}
        self._wanted = Wanted(None, "")
        self._jobs: list[tuple[Wanted, asyncio.Task[None]]] = []
        self._again_at = 0.0  # when a version that could not be loaded is tried again
        self._again = _AGAIN[0]
        self._doing: Doing = "serving"
        self._trial, self._why = "", ""
        self._changed, self._news = asyncio.Event(), asyncio.Event()
        self._lost_at: float | None = None
        self._number = 0
        self._untold = 0  # reports, one after the other, that the engine did not take
        self._instance = os.urandom(8).hex()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.ensure_future(self._run())]

    async def finish(self) -> None:
        """At the end of the process; a successor has the node's name already."""
        for task in (*self._tasks, *(task for _, task in self._jobs)):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self) -> None:
        pause = _PAUSES[0]
        while True:
            try:
                async with self._site as site:
                    try:
                        async with asyncio.TaskGroup() as group:
                            for work in (self._follow(site), self._act(), self._tell(site)):
                                group.create_task(work)
                    finally:
                        await self._leave(site)
            except Unreachable as error:  # its TLS cannot be set up
                self._lose(str(error))
            except ExceptionGroup as error:  # a defect must not leave the node without a follower
                log.line(f"Unexpected error while following the site: {error.exceptions!r}", log.ERROR)
            await asyncio.sleep(pause)
            pause = _PAUSES[1]
            self._site = Site(self._node.place)

    async def _leave(self, site: Site) -> None:
        stage = self._state.scoreboard.row(RETIRED_ROW)[worker_cells.STAGE]
        if stage == worker_cells.STOPPING and self._lost_at is None:
            with suppress(Unreachable, TimeoutError):
                await asyncio.wait_for(site.leave(self._node.name), _LEAVING)

    # -- the record

    async def _follow(self, site: Site) -> None:
        pauses = Pauses(*_PAUSES)
        while True:
            asked_at = boot_time()
            try:
                held = await site.read()
                self._read(held.record, asked_at)
                pauses.begin_anew()
                await asyncio.sleep(_GAP)
                await site.changed(held, min(_LOOK, self._deadline / 3))
                continue
            except (Unreachable, ValueError) as error:
                self._lose(str(error))
            await asyncio.sleep(pauses.next())

    @property
    def _deadline(self) -> float:
        record = self._course.record
        return record.trial.deadline if record is not None and record.trial is not None else DEADLINE

    def _read(self, record: Record, asked_at: float) -> None:
        before = self._course.record
        if self._lost_at is not None:
            log.line(f"Site {self._node.place.url}: reached again after {boot_time() - self._lost_at:.0f} s")
            self._lost_at = None
        if before is not None and record.serial < before.serial:
            log.line(
                f"Site {self._node.place.url}: its record has gone back from write {before.serial} to {record.serial}: "
                "the engine has lost writes, or was restored",
                log.WARNING,
            )
        self._course.read(record, asked_at)
        if before != record:
            self._changed.set()
            if before is None or (before.trial is None) != (record.trial is None):
                self._news.set()

    def _lose(self, why: str) -> None:
        if self._lost_at is None:
            self._lost_at = boot_time()
            version = self._running[:12]
            log.line(f"Site {self._node.place.url}: {why}; this node continues with version {version}", log.WARNING)

    # -- what is loaded

    async def _act(self) -> None:
        while True:
            self._changed.clear()
            now = boot_time()
            self._turn_to(self._course.wanted(now))
            self._forget_troubles()
            if self._may_begin(now):
                task = asyncio.ensure_future(self._load(self._wanted))
                self._jobs.append((self._wanted, task))
                if self._doing == "serving":
                    self._be("loading")
            elif not self._wanted.trial and self._running == self._wanted.version != self._stable:
                self._stable = self._running
                log.line(f"Site: version {self._stable[:12]} is confirmed and in use")
                self._settle(self._stable)
            wait = min(self._course.due(now), self._again_at - now if self._again_at > now else inf)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait if wait < inf else None)

    def _turn_to(self, wanted: Wanted) -> None:
        before, self._wanted = self._wanted, wanted
        if wanted == before:
            return
        record = self._course.record
        trial = record.trial if record is not None else None
        self._again_at = 0.0
        if wanted.trial and trial is not None:
            log.line(f"Site: trying version {trial.version[:12]} (a rollout by {trial.by or 'an operator'})")
            self._be("loading", wanted.trial)
        elif before.trial and self._doing != "refused":
            if trial is not None and trial.id == before.trial and self._node.name in trial.nodes:
                why = f"no sign of life from its rspctl for {trial.deadline:g} s"
                log.line(f"Site: the rollout is abandoned: {why}", log.WARNING)
                self._be("returned", before.trial, why)
            else:
                self._be("serving")

    def _forget_troubles(self) -> None:
        """What is reported of a trial ends with it; and what could not be loaded may not be wanted any more."""
        record = self._course.record
        trial = record.trial.id if record is not None and record.trial is not None else ""
        of_trial = self._doing in ("refused", "returned") and self._trial not in ("", trial)
        settled = self._doing in ("refused", "loading") and not self._trial and self._running == self._wanted.version
        if of_trial or (settled and not self._jobs):
            self._be("serving")
        if self._doing in ("serving", "loading") and self._missed(record):
            self._be("returned", trial, "it was started during the rollout")

    def _missed(self, record: Record | None) -> bool:
        """Whether it is to take part in a trial that is spent."""
        trial = record.trial if record is not None else None
        return trial is not None and trial.id == self._course.spent and self._node.name in trial.nodes

    def _may_begin(self, now: float) -> bool:
        """One at a time; but what is tried is called off as soon as it is not wanted any more."""
        wanted = self._wanted
        if wanted.version is None or now < self._again_at:
            return False
        if not self._jobs:
            return wanted.version != self._running
        loading = self._jobs[-1][0]
        return len(self._jobs) == 1 and bool(loading.trial) and loading != wanted

    async def _load(self, wanted: Wanted) -> None:
        version = wanted.version or ""
        try:
            packed = b"" if version in self._stored else await self._site.packed(version)
            if wanted != self._wanted:  # the engine took its time, and the roll-out has ended
                self._end(wanted)
                self._changed.set()
                return
            outcome = await self._order("version" if wanted.trial else "version-now", version, packed)
        except (Unreachable, ValueError, Mistake) as error:
            self._end(wanted)
            self._again_at = boot_time() + _FETCH_AGAIN
            log.once_a_second("fetch", f"Site: version {version[:12]} cannot be fetched: {error}", log.WARNING)
        else:
            is_last = self._jobs[-1][0] == wanted
            self._end(wanted)
            if outcome.good:
                self._running = version  # whether or not it is wanted any more
            if is_last:
                self._loaded(wanted, outcome)
        self._changed.set()
        self._news.set()

    def _end(self, wanted: Wanted) -> None:
        self._jobs = [job for job in self._jobs if job[0] != wanted]

    def _loaded(self, wanted: Wanted, outcome: Outcome) -> None:
        version = wanted.version or ""
        if not outcome.good and version in self._stored:  # it was removed here, to make room
            self._stored.discard(version)
            self._again_at = boot_time() + _FETCH_AGAIN
            return
        if outcome.good:
            self._again = _AGAIN[0]
            self._stored.add(version)
            self._state.serve_file(os.path.abspath(self._local.main(version)))  # noqa: PTH100 - links may change
            if wanted.trial:
                self._be("trying", wanted.trial)
            return
        self._be("refused", wanted.trial, self._local.shown(outcome.text, version))
        if wanted.trial:
            self._course.give_up()
        else:
            self._again_at = boot_time() + self._again
            self._again = min(2 * self._again, _AGAIN[1])

    def _be(self, doing: Doing, trial: str = "", why: str = "") -> None:
        self._doing, self._trial, self._why = doing, trial, cut(why)
        self._news.set()

    # -- what is told

    async def _tell(self, site: Site) -> None:
        while True:
            self._news.clear()
            try:
                await site.tell(self._report())
                self._untold = 0
            except Unreachable as error:
                self._miss(str(error))
            record = self._course.record
            busy = self._untold or (record is not None and record.trial is not None)
            with suppress(TimeoutError):
                # Two nodes of one name would else report in step, and one of them would never be seen.
                share = random.uniform(0.5, 1.0)  # noqa: S311
                await asyncio.wait_for(self._news.wait(), share * (BUSY if busy else USUAL))
            await asyncio.sleep(_PAUSES[0])

    def _miss(self, why: str) -> None:
        """Said where the record can be read all the same: nodes that are not seen are not asked to try versions."""
        self._untold += 1
        if self._untold == _UNTOLD and self._lost_at is None:
            where = self._node.place.url
            log.line(f"Site {where}: this node cannot write its report, so rspctl does not show it: {why}", log.ERROR)

    def _report(self) -> Report:
        board = self._state.scoreboard
        workers = self._state.workers()
        places = board.row(RETIRED_ROW)[worker_cells.PLACES_USED]
        counted = min(places, _MOST_PLACES)
        record = self._course.record
        self._number += 1
        return Report(
            node=self._node.name,
            instance=self._instance,
            number=self._number,
            rsp=__version__,
            running=self._running or None,
            state=self._doing,
            trial=self._trial,
            why=self._why,
            serial=record.serial if record is not None else 0,
            requests=board.worker_total(worker_cells.REQUESTS),
            errors=board.worker_total(worker_cells.STATUS_5XX),
            answers=sum(board.totals(peer_cells.REQUESTS, counted)),
            seconds=sum(board.totals(peer_cells.LATENCY_SUM, counted)) / 1e6,
            workers=len(workers),
            deaths=board.row(RETIRED_ROW)[worker_cells.RESTARTS],
            healthy=sum(bool(worker[worker_cells.VERSION]) and silence(worker) < _SILENT for worker in workers),
        )

    def status(self) -> Data:
        return {
            "url": self._node.place.url,
            "node": self._node.name,
            "reached": self._lost_at is None and self._course.record is not None,
            "running": self._running,
            "stable": self._stable,
            "state": self._doing,
            "why": self._why,
        }
