"""Members as addresses: what none can have is left out, and names are looked up as those of peers, again and again."""

import asyncio
import math
from ipaddress import ip_address
from itertools import islice
from typing import Final

from rsp.config.instance import Dns
from rsp.config.units import Peer
from rsp.control.discovery.damping import Members
from rsp.control.discovery.provider import MOST_MEMBERS, Member, checked
from rsp.net.lookup import Lookup, LookupFailed, NoSuchName

_MOST: Final = 500  # names of one source
_AT_ONCE: Final = 16
_PATIENCE: Final = 3.0  # seconds: members without names do not wait longer for those that have one

_NUMERIC, _NAMED = "", "name"


class Addresses:
    """Of the members of one source.  ``due``: when an address has had its time, on the loop's clock."""

    def __init__(self, dns: Dns) -> None:
        self._lookup = Lookup(dns)
        self._least, self._longest = float(dns.min_ttl), float(dns.max_ttl)
        self._retry = float(dns.retry)
        self._kinds: dict[Member, str] = {}  # what is checked once: there may be 10,000, five times a second
        self._known: dict[str, tuple[list[str], float]] = {}  # by name and port: addresses, and until when
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self.due = math.inf

    async def of(self, members: list[Member]) -> tuple[Members, list[str]]:
        """By address, the first of those that have the same; and a clause on each that is left out."""
        kinds = self._kinds
        self._kinds = kinds = {member: kinds[member] if member in kinds else _kind(member) for member in members}
        wrong = [text for text in kinds.values() if text not in (_NUMERIC, _NAMED)]
        names = [member.address for member, kind in kinds.items() if kind is _NAMED]
        self.due = math.inf
        if names or self._known:
            wrong += await self._look(names)
        found: Members = {}
        for member, kind in kinds.items():
            if kind is _NUMERIC:
                found.setdefault(member.address, member)
            elif kind is _NAMED:
                for address in self._known.get(member.address, ((), 0.0))[0]:
                    found.setdefault(address, member._replace(address=address))
        if len(found) > MOST_MEMBERS:  # names can stand for any number
            wrong.append(f"its names stand for {len(found)} members; only the first {MOST_MEMBERS} are used")
            found = dict(islice(found.items(), MOST_MEMBERS))
        return found, wrong

    async def _look(self, names: list[str]) -> list[str]:
        """A clause on each that cannot be looked up."""
        wanted = dict.fromkeys(names[:_MOST])
        self._known = {name: self._known[name] for name in wanted if name in self._known}
        now = asyncio.get_running_loop().time()
        stale = [name for name in wanted if name not in self._known or self._known[name][1] <= now]
        wrong = await self._all(stale) if stale else []
        if len(names) > _MOST:
            wrong.append(f"{len(names)} members have names; only {_MOST} are looked up")
        self.due = min((until for _, until in self._known.values()), default=math.inf)
        return wrong

    async def _all(self, names: list[str]) -> list[str]:
        tasks = [asyncio.create_task(self._one(name)) for name in names]
        try:
            done, late = await asyncio.wait(tasks, timeout=_PATIENCE)
        finally:
            for task in tasks:
                task.cancel()
        for name, task in zip(names, tasks, strict=True):
            if task in late:
                self._keep(name)
        wrong = [text for task in done if (text := task.result())]
        return [*wrong, f"{len(late)} names are not looked up yet"] if late else wrong

    async def _one(self, name: str) -> str:
        host, _, port = name.rpartition(":")
        loop = asyncio.get_running_loop()
        try:
            async with self._turns:
                found, ttl = await self._lookup.addresses(host, int(port))
        except NoSuchName as error:
            self._known[name] = [], loop.time() + self._retry
            return f"{name} is ignored: {error}"
        except LookupFailed as error:
            self._keep(name)
            return f"{name}: {error}"
        addresses = [f"[{address}]:{port}" if ":" in address else f"{address}:{port}" for address in found]
        self._known[name] = addresses, loop.time() + min(max(ttl, self._least), self._longest)
        return ""

    def _keep(self, name: str) -> None:
        """What was known stays, for now."""
        self._known[name] = self._known.get(name, ([], 0.0))[0], asyncio.get_running_loop().time() + self._retry


def _kind(member: Member) -> str:
    """Whether its address has to be looked up; or what is wrong with it."""
    try:
        checked(*member)
        peer = Peer(member.address)
        if peer.is_name:
            return _NAMED
        ip_address(peer.host)  # the master insists on it
    except ValueError as error:
        return f"a member is ignored: {error}"
    return _NUMERIC
