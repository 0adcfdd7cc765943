"""The lead in a roll-out: the trial in the record, kept alive by beats, until another writer ends it.

Rules of this room: each write is on condition of the one before.  Its own lateness ends a trial like any failure does:
nodes have gone back by then.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from rsp.engines.failures import Unreachable
from rsp.nodes.clock import boot_time
from rsp.nodes.record import Record, Trial
from rsp.nodes.site import Held, Site
from rsp.terminal.instance import Failure

_AGAIN: Final = 0.3  # seconds until a write is tried again
_LOOK: Final = 0.5
_UNDOING: Final = 30.0  # seconds for ending a trial when the engine does not answer


class Ended(Exception):
    """The roll-out is over; the text is a clause that says why."""


async def free(site: Site, say: Callable[[str], None]) -> Held:
    """The record without a trial whose author is alive.  Raises :class:`Failure` while one is under way."""
    held = await site.read()
    trial = held.record.trial
    if trial is None:
        return held
    say(f"the record contains a rollout by {trial.by}; waiting {trial.deadline:g} s for a sign of life from it")
    over = boot_time() + trial.deadline
    while boot_time() < over:
        await site.changed(held, min(_LOOK, trial.deadline))
        now = await site.read()
        if now.record.trial is None:
            return now
        if now.version != held.version:
            raise Failure(f"a rollout of version {trial.version[:12]} by {trial.by} is in progress")
    say(f"took over the abandoned rollout by {trial.by}")
    return held


class Lead:
    """Of the trial that ``begin`` writes."""

    def __init__(self, site: Site, held: Held, trial: Trial) -> None:
        self._site = site
        self._held = held
        self._trial = trial
        self._alive_at = 0.0  # when the last write that succeeded was begun
        self._lock = asyncio.Lock()

    async def begin(self) -> None:
        """Raises :class:`Failure` if another operator was quicker."""
        begun = boot_time()
        held = await self._site.replace(self._held, self._held.record.begin(self._trial))
        if held is None:
            raise Failure("another operator has just changed the site; try again")
        self._held, self._alive_at = held, begun

    async def beat(self) -> None:
        """For ever.  Raises :class:`Ended`."""
        while True:
            await asyncio.sleep(self._trial.interval)
            await self._write(lambda record: record.beat())

    async def widen(self, nodes: tuple[str, ...]) -> None:
        """From now on ``nodes`` try it.  Raises :class:`Ended`."""
        await self._write(lambda record: record.beat(nodes))

    async def confirm(self, by: str) -> None:
        """Raises :class:`Ended`."""
        version, at = self._trial.version, time.time()
        await self._write(lambda record: record.confirm(version, by, at))

    async def _write(self, wanted: Callable[[Record], Record]) -> None:
        async with self._lock:
            while True:
                begun = boot_time()
                if begun - self._alive_at > self._trial.deadline:
                    raise Ended(
                        f"the engine accepted no write for {self._trial.deadline:g} s: the nodes have rolled back"
                    )
                try:
                    done = await self._site.replace(self._held, wanted(self._held.record))
                    if done is not None:
                        self._held, self._alive_at = done, begun
                        return
                    await self._catch_up()
                except Unreachable:
                    await asyncio.sleep(_AGAIN)

    async def check(self) -> None:
        """Raises :class:`Ended` if another writer has ended it."""
        async with self._lock:
            with suppress(Unreachable):
                await self._catch_up()

    async def _catch_up(self) -> None:
        """A write of ours whose answer was lost may have come through; another writer's ends the roll-out."""
        now = await self._site.read()
        trial = now.record.trial
        if trial is None or trial.id != self._trial.id:
            by = f"a rollout by {trial.by}" if trial is not None else "another operator"
            raise Ended(f"{by} has aborted it")
        self._held = now

    async def end(self) -> bool:
        """Nodes go back.  False: the engine does not answer; they will by themselves."""
        over = boot_time() + _UNDOING
        while boot_time() < over:
            try:
                held = await self._site.read()
                trial = held.record.trial
                if trial is None or trial.id != self._trial.id:
                    return True
                if await self._site.replace(held, held.record.abort()) is not None:
                    return True
            except (Unreachable, ValueError):
                await asyncio.sleep(_AGAIN)
        return False
