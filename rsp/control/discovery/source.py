"""One source at work: its provider is followed, again when it fails, and what it says comes into force damped.

What is known stays in force while the provider is gone.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable
from typing import Final

from rsp.config.engines import Discover
from rsp.config.instance import Dns
from rsp.config.units import Peer
from rsp.control.discovery.again import MOST_COMPLAINTS, PAUSES, Complaints, clause
from rsp.control.discovery.changes import Changes
from rsp.control.discovery.damping import Damper, Members
from rsp.control.discovery.names import Addresses
from rsp.control.discovery.provider import MOST_MEMBERS, Member, Provider
from rsp.control.discovery.standing import Standing
from rsp.engines.failures import plain
from rsp.engines.pauses import Pauses
from rsp.ipc.peer_table import Target
from rsp.logs import log

_AT_LEAST: Final = 0.2  # seconds between two changes that come into force
_STEADY: Final = 10.0  # seconds of work after which a provider begins with the first pause again
_SHOWN: Final = 20  # members that flap

Found = Callable[[Peer, list[Target] | None], None]


class Source:
    """``name`` stands for its members, which are those of ``upstream``; ``in_force``: the known members.

    ``make``: a provider that has what it needs; it may raise :class:`ImportError`.
    """

    def __init__(
        self,
        name: Peer,
        upstream: str,
        discover: Discover,
        dns: Dns,
        make: Callable[[], Provider],
        found: Found,
        in_force: Members | None,
    ) -> None:
        self._name = name
        self._upstream = upstream
        self._shown = discover.shown
        self._make = make
        self._found = found
        self._doubt = discover.doubt
        self._newest: list[Member] | None = None
        self._woken = asyncio.Event()
        self._state, self._since, self._problem = "waiting", time.time(), ""
        self._failures = 0  # in a row
        self._is_told = False  # the log knows of the outage
        self._complaints = Complaints()
        self._changes, self._errors = 0, 0
        self._damper = Damper(discover.minimum, float(discover.doubt), in_force)
        self._addresses = Addresses(dns)
        self._log = Changes(in_force)
        loop = asyncio.get_running_loop()
        self._following = loop.create_task(self._follow())
        self._settling = loop.create_task(self._settle())

    def restart(self, make: Callable[[], Provider]) -> None:
        """With other credentials; all that is known stays."""
        self._following.cancel()
        self._make = make
        self._following = asyncio.get_running_loop().create_task(self._follow())

    def stop(self) -> None:
        self._following.cancel()
        self._settling.cancel()

    @property
    def standing(self) -> Standing:
        damper = self._damper
        doubt = f"a result with {damper.doubted} members is not used yet" if damper.doubted is not None else ""
        state = "doubtful" if self._state == "ok" and doubt else self._state
        problem = self._problem if self._state != "ok" else doubt
        members, flapping = len(damper.in_force or ()), sorted(damper.flapping)[:_SHOWN]
        return Standing(
            self._upstream, self._shown, state, self._since, members, self._changes, self._errors, flapping, problem
        )

    # -- the provider

    async def _follow(self) -> None:
        """For ever."""
        loop = asyncio.get_running_loop()
        pauses = Pauses(*PAUSES)
        provider: Provider | None = None
        while True:
            began = loop.time()
            try:
                if provider is None:
                    provider = self._make()
                    provider.complain = self._complain
                await provider.follow(self._tell)
                why = "it has ended"
            except Exception as error:
                why = clause(error)
            if self._state == "ok" and loop.time() - began > _STEADY:
                pauses.begin_anew()
            self._fail(why)
            await asyncio.sleep(pauses.next())

    def _tell(self, members: list[Member]) -> None:
        if len(members) > MOST_MEMBERS:
            self._complain(f"it has {len(members)} members; only the first {MOST_MEMBERS} are used")
        self._newest = members[:MOST_MEMBERS]
        self._failures = 0
        self._stand("ok")
        if self._is_told:
            log.line(f"{self._label} can be reached again")
            self._is_told, self._problem = False, ""
        self._woken.set()

    def _fail(self, why: str) -> None:
        """The first failure of a source that has worked may be over in 0.2 s: another endpoint answers."""
        self._errors += 1
        self._failures += 1
        self._problem = why
        is_new = self._state == "waiting"
        if is_new and self._damper.in_force is None:
            self._found(self._name, None)  # so that a start does not wait for it
        if (is_new or self._failures > 1) and not self._is_told:
            self._is_told = True
            kept = "; the previous result stays in use" if self._damper.in_force else ""
            log.line(f"{self._label}: {why}{kept}", log.WARNING)
        if is_new or self._failures > 1:
            self._stand("unreachable")

    def _stand(self, state: str) -> None:
        if state != self._state:
            self._state, self._since = state, time.time()

    def _complain(self, text: str) -> None:
        if self._complaints.is_new(text):
            log.once_a_second(f"discovery {self._name}", f"{self._label}: {plain(text)}", most=MOST_COMPLAINTS)

    @property
    def _label(self) -> str:
        return f"Upstream {self._upstream}: {self._shown}"

    # -- what comes into force

    async def _settle(self) -> None:
        """For ever."""
        loop = asyncio.get_running_loop()
        while True:
            due = min(self._damper.due, self._addresses.due, self._log.due)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due if due < math.inf else None):
                    await self._woken.wait()
            self._woken.clear()
            if self._newest is None:
                continue
            answer, wrong = await self._addresses.of(self._newest)
            for text in wrong:
                self._complain(text)
            if self._take(answer, loop.time()):
                await asyncio.sleep(_AT_LEAST)

    def _take(self, answer: Members, now: float) -> bool:
        """Whether the answer is another one, and in force."""
        damper = self._damper
        doubted, flapping, first = damper.doubted, set(damper.flapping), damper.in_force is None
        is_new = damper.settle(answer, now)
        in_force = damper.in_force or {}
        if is_new:
            self._changes += not first
            self._found(self._name, list(map(_target, in_force.values())))
        if damper.doubted is not None and doubted is None:
            said = f"{self._label} gives {damper.doubted or 'no'} members, after {len(in_force)}"
            log.line(f"{said}; this is not believed unless it stands for {self._doubt}", log.WARNING)
        for address in sorted(damper.flapping - flapping)[:1]:
            others = len(damper.flapping - flapping) - 1
            more = f" and {others} others" if others else ""
            stays = "in" if address in in_force else "out"
            said = f"{address}{more} comes and goes again and again; it stays {stays} until it has kept still"
            log.once_a_second(f"flapping {self._name}", f"Upstream {self._upstream}: {said}")
        if text := self._log.line(in_force, now):
            log.line(f"Upstream {self._upstream}: {text}")
        return is_new


def _target(member: Member) -> Target:
    """The usual weight is left out: there may be 10,000 in a message."""
    return Target(Peer(member.address), member.weight if member.weight != 1 else None, member.backup)
