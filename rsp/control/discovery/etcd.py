"""Members that stand below a prefix of etcd: ``etcd://10.0.0.5:2379/services/app/``; one key for each, whatever its
name.

All are read, and then their changes watched.  A watch that is cut off from its cluster can be silent for ever.  So the
member of etcd that serves it must also answer, every few seconds, a read that its cluster agrees on.
"""

import asyncio
import random
from contextlib import suppress
from typing import Final, NoReturn

from rsp.config.engines import Discover
from rsp.config.instance import Dns
from rsp.control.discovery.provider import MOST_MEMBERS, Member, Provider, Tell, good
from rsp.engines.etcd import Compacted, Etcd, after
from rsp.engines.failures import Oversized, Unreachable
from rsp.tls.material import Keyring

_PROVEN: Final = 1.0  # seconds between two such reads, and up to half as much more
_PATIENCE: Final = 1.0  # seconds for its answer


class EtcdPrefix(Provider):
    """Begins with any endpoint, so that nodes spread; each further try with the one that has answered last."""

    def __init__(self, discover: Discover, dns: Dns, keyring: Keyring) -> None:
        super().__init__(discover, dns, keyring)
        self._url = discover.endpoint
        self._begin_with(random.choice(self._url.hosts))  # noqa: S311

    def _begin_with(self, endpoint: str) -> None:
        hosts = self._url.hosts
        at = hosts.index(endpoint)
        self._url = self._url._replace(hosts=hosts[at:] + hosts[:at])

    async def follow(self, tell: Tell) -> None:
        prefix = self._url.path.encode()
        async with Etcd(self.discover, self._url, self.dns, self.keyring) as etcd:
            try:
                while True:
                    with suppress(Compacted):
                        await self._follow_from_here(etcd, prefix, tell)
            finally:
                self._begin_with(etcd.endpoint)

    async def _follow_from_here(self, etcd: Etcd, prefix: bytes, tell: Tell) -> None:
        found = await etcd.read(prefix, MOST_MEMBERS)
        members: dict[bytes, Member] = {}
        for entry in found.entries:
            self._learn(members, entry.key, entry.value)
        tell(list(members.values()))
        async with etcd.watch(prefix, after(prefix), found.revision + 1) as changes:
            proving = asyncio.create_task(_prove(etcd, prefix, etcd.endpoint))
            reading = asyncio.ensure_future(anext(changes))
            try:
                while True:
                    await asyncio.wait((proving, reading), return_when=asyncio.FIRST_COMPLETED)
                    if proving.done():
                        proving.result()
                    batch = reading.result()
                    reading = asyncio.ensure_future(anext(changes))
                    for change in batch:
                        self._learn(members, change.key, change.value)
                    if batch:
                        tell(list(members.values()))
            finally:
                proving.cancel()
                reading.cancel()
                await asyncio.gather(proving, reading, return_exceptions=True)

    def _learn(self, members: dict[bytes, Member], key: bytes, value: bytes | None) -> None:
        """An entry that is bad now does not stand for what it was."""
        members.pop(key, None)
        if value is not None:
            for member in good([(key.decode(errors="replace"), value)], self.complain):
                members[key] = member
            if len(members) > MOST_MEMBERS:
                raise Oversized(f"there are more than {MOST_MEMBERS} members")


async def _prove(etcd: Etcd, key: bytes, endpoint: str) -> NoReturn:
    """Until ``endpoint``, which serves the watch, does not answer for its cluster any more."""
    while True:
        await asyncio.sleep(_PROVEN * random.uniform(1.0, 1.5))  # noqa: S311
        await etcd.prove(key, _PATIENCE)  # by whichever endpoint, the one before first
        if etcd.endpoint != endpoint:
            raise Unreachable(f"{endpoint} does not answer")
