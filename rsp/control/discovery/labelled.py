"""Routes from labels: follows all containers or services that ask for them, and tells the master what they ask for.

The upstreams of these routes get their members here, too: one look at all containers serves them all, and members come
and go without a reload.
"""

import asyncio
import os
import pwd
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from rsp.config.engines import Discover, DiscoverRoutes
from rsp.config.instance import Dns
from rsp.config.labels import ENABLE, Asked, pack
from rsp.config.schema import Config
from rsp.control.discovery.again import MOST_COMPLAINTS, PAUSES, Complaints, clause
from rsp.control.discovery.askers import Service, containers, members, services
from rsp.control.discovery.claims import Claims, Sighting
from rsp.control.discovery.provider import Member, Provider, Tell
from rsp.engines import credentials
from rsp.engines.failures import plain
from rsp.engines.pauses import Pauses
from rsp.logs import log
from rsp.tls.material import Keyring

if TYPE_CHECKING:
    from rsp.engines.kubernetes import Collection

_LOOK: Final = 5.0  # seconds between two looks at what is gone
_GAP: Final = 1.0  # seconds between two changes of routes
_SLOW: Final = 5.0  # the same, once there have been
_BURST: Final = 10  # changes within
_WITHIN: Final = 60.0  # seconds


class Labels:
    """``tell(asked)`` gets what asks for routes, packed, whenever that is something else."""

    def __init__(self, tell: Callable[[bytes], None]) -> None:
        self._tell_master = tell
        self._rules: tuple[object, ...] | None = None
        self._following: _Following | None = None
        self._providers: set[_Copies] = set()
        self._members: dict[str, tuple[list[Member], list[str]]] | None = None

    def arrange(self, config: Config, keyring: Keyring) -> None:
        """Follow what ``config`` says."""
        given, dns = config.settings.discover_routes, config.settings.dns
        rules = given.filled if given is not None else None
        # Which hosts are allowed is the master's business: whose they are is not forgotten for it.
        wanted = (replace(rules, hosts=("*",)), dns, *credentials.all_of(rules, keyring)) if rules is not None else None
        if wanted == self._rules:
            return
        self._rules = wanted
        self.stop()
        if rules is not None:
            self._following = _Following(rules, dns, keyring, config.owners, self._tell_master, self._learn)

    def stop(self) -> None:
        if self._following is not None:
            self._following.stop()
        self._following = None

    @property
    def problem(self) -> str:
        """Why nothing is heard of what asks for routes; empty: all is well."""
        return self._following.problem if self._following is not None else ""

    def provider(self, discover: Discover) -> Provider:
        """Of the members of an upstream that labels ask for."""
        return _Copies(discover, self)

    def _learn(self, found: dict[str, tuple[list[Member], list[str]]]) -> None:
        self._members = found
        for provider in self._providers:
            provider.learn(found)

    async def attend(self, provider: "_Copies") -> None:
        """Tell it of its members, for ever."""
        self._providers.add(provider)
        try:
            if self._members is not None:
                provider.learn(self._members)
            await asyncio.Event().wait()
        finally:
            self._providers.discard(provider)


class _Copies(Provider):
    """``labels:KEY``: the containers that ask for the same route."""

    def __init__(self, discover: Discover, labels: Labels) -> None:
        super().__init__(discover, Dns(), Keyring())
        self._labels = labels
        self._tell: Tell = lambda _: None

    async def follow(self, tell: Tell) -> None:
        self._tell = tell
        await self._labels.attend(self)

    def learn(self, found: dict[str, tuple[list[Member], list[str]]]) -> None:
        """``found``: by source."""
        those, problems = found.get(self.discover.url, ([], []))
        for problem in problems:
            self.complain(problem)
        self._tell(those)


class _Following:
    """Of one source, with one set of rules."""

    def __init__(
        self,
        rules: DiscoverRoutes,
        dns: Dns,
        keyring: Keyring,
        owners: Mapping[str, str],
        tell: Callable[[bytes], None],
        learn: Callable[[dict[str, tuple[list[Member], list[str]]]], None],
    ) -> None:
        self._rules = rules
        self._dns = dns
        self._keyring = keyring
        self._tell = tell
        self._learn = learn
        self._shown = str(rules.engine if rules.docker is not None else rules.api)
        self._claims = Claims("container" if rules.docker is not None else "service", owners)
        self._seen: list[Sighting] | None = None
        self._told = b""
        self._changed = asyncio.Event()
        self._complaints = Complaints()
        self._collection: Collection[Service] | None = None  # knows which version it has seen
        self.problem = ""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._follow()), loop.create_task(self._pass_on())]

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    # -- what is there

    async def _follow(self) -> None:
        """For ever."""
        pauses = Pauses(*PAUSES)
        while True:
            try:
                source = self._containers() if self._rules.docker is not None else self._services()
                async for seen in source:
                    pauses.begin_anew()
                    self._see(seen)
                why = "it has ended"
            except Exception as error:
                why = clause(error)
            self._fail(why)
            await asyncio.sleep(pauses.next())

    async def _containers(self) -> AsyncIterator[list[Sighting]]:
        from rsp.engines.docker import Docker
        from rsp.engines.web import Web

        url = self._rules.engine
        async with Web(self._rules, url, self._dns, self._keyring, path=None if url.hosts else url.path) as web:
            async for listed in Docker(web).follow({ENABLE: ""}):
                seen = list(containers(listed, self._complain))
                self._learn(members(seen, self._rules.network))
                yield [sighting for _, sighting in seen]

    async def _services(self) -> AsyncIterator[list[Sighting]]:
        from rsp.engines.kubernetes import Collection, authorise, in_cluster
        from rsp.engines.web import Web

        collection = self._collection
        if collection is None:
            space = self._rules.namespace
            path = f"/api/v1/namespaces/{space}/services" if space is not None else "/api/v1/services"
            collection = self._collection = Collection(path, Service)
            collection.complain = self._complain
        async with Web(self._rules, in_cluster(self._rules.api), self._dns, self._keyring) as web:
            authorise(web, self._rules, self._keyring)
            async for found in collection.follow(web):
                yield list(services(found, self._complain))

    def _see(self, seen: list[Sighting]) -> None:
        self._seen = seen
        if self.problem:
            log.line(f"Routes from labels: {self._shown} can be reached again")
            self.problem = ""
        self._changed.set()

    def _fail(self, why: str) -> None:
        if "permission denied" in why.lower():
            why += f"; {_user()} may not open it, see docs/routes-from-labels.md"
        if not self.problem:
            kept = "; its previous routes stay in use" if self._seen is not None else ""
            log.line(f"Routes from labels: {self._shown}: {why}{kept}", log.WARNING)
        self.problem = why

    def _complain(self, text: str) -> None:
        if self._complaints.is_new(text):
            log.once_a_second("labels", f"Routes from labels: {plain(text)}", most=MOST_COMPLAINTS)

    # -- what the master hears

    async def _pass_on(self) -> None:
        """For ever: at once, but not more often than a reload may be."""
        loop = asyncio.get_running_loop()
        sent: deque[float] = deque(maxlen=_BURST)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK if self._claims.lingers else None):
                    await self._changed.wait()
            self._changed.clear()
            if self._seen is None or self.problem or not self._send(loop.time()):
                continue
            sent.append(loop.time())
            busy = len(sent) == _BURST and loop.time() - sent[0] < _WITHIN
            await asyncio.sleep(_SLOW if busy else _GAP)

    def _send(self, now: float) -> bool:
        """Whether there was something to tell."""
        asked: Asked = self._claims.see(self._seen or (), now)
        if self._claims.left_out:
            said = f"{self._claims.left_out} more ask for routes than there is room for"
            log.once_a_second("labels room", f"Routes from labels: {said}", log.WARNING)
        packed = pack(asked)
        if packed == self._told:
            return False
        self._told = packed
        self._tell(packed)
        return True


def _user() -> str:
    """What this process runs as."""
    try:
        return f"the user {pwd.getpwuid(os.geteuid()).pw_name}"
    except KeyError:
        return f"the user with the number {os.geteuid()}"


def load(config: Config) -> None:
    """Import what ``config`` needs, while it can be read."""
    rules = config.settings.discover_routes
    if rules is not None:
        import rsp.engines.web

        if rules.docker is not None:
            import rsp.engines.docker
        else:
            import rsp.engines.kubernetes  # noqa: F401
