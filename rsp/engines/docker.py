"""Docker's HTTP API, which podman has, too, over a local socket: the containers that run, and what happens to them.

Events say that the list has to be read again: so one that is lost, or that this version does not know, costs time and
not correctness.  Docker tells of an end, or of a pause, before its list knows (20.10: by up to a second, while it takes
the network down), so these are believed by themselves, and the list is read once more a little later.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Final
from urllib.parse import urlencode

import msgspec

from rsp.engines.container import Container, Published
from rsp.engines.failures import UNREADABLE, Unreachable, plain
from rsp.engines.web import Stream, Web

_GAP: Final = 0.2  # seconds between two lists, whatever happens
_SOON: Final = 1.0  # seconds from a list that an event has asked for to the next one
_REFRESH: Final = 60.0  # seconds until the list is read though nothing has happened
_LEAVING: Final = 60.0  # seconds for which a container that was told to stop, or has ended, is believed to be gone
_ANSWERS: Final = 16 << 20  # bytes; a container takes 2 to 4 KB
_MOST_CONTAINERS: Final = 10_000
_EVENTS: Final = 16 << 20  # an event has all labels of its container
_REASONS: Final = 4 << 10
_COMES: Final = frozenset(("start", "restart", "unpause"))
_GOES: Final = frozenset(("die", "died", "pause", "stop"))
_CHANGES: Final = frozenset(("rename", "update", "connect", "disconnect", "health_status"))
# Signals by which applications are told to stop: INT, QUIT, KILL, TERM, WINCH (httpd), RTMIN+3 (systemd).
_STOPS: Final = frozenset(("2", "3", "9", "15", "28", "37", "SIGINT", "SIGQUIT", "SIGKILL", "SIGTERM"))

Number = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class _Port(msgspec.Struct, frozen=True, rename="pascal"):
    private_port: Number
    type: str = "tcp"
    public_port: Number | None = 0
    ip: str | None = msgspec.field(name="IP", default="")


class _Network(msgspec.Struct, frozen=True):
    ipv4: str | None = msgspec.field(name="IPAddress", default="")
    ipv6: str | None = msgspec.field(name="GlobalIPv6Address", default="")


class _Settings(msgspec.Struct, frozen=True, rename="pascal"):
    networks: dict[str, _Network | None] | None = None


class _Listed(msgspec.Struct, frozen=True, rename="pascal"):
    """An entry of the list.  The state of health is not in it everywhere: podman's has none."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    names: list[str] | None = None
    created: float = 0.0
    state: str = "running"
    labels: dict[str, str] | None = None
    ports: list[_Port] | None = None
    network_settings: _Settings | None = None


class _Actor(msgspec.Struct, frozen=True):
    id: Annotated[str, msgspec.Meta(max_length=128)] = msgspec.field(name="ID", default="")
    attributes: dict[str, str] = msgspec.field(name="Attributes", default_factory=dict)


class _Event(msgspec.Struct, frozen=True):
    action: str = msgspec.field(name="Action", default="")
    actor: _Actor = msgspec.field(name="Actor", default_factory=_Actor)


_Raw = list[msgspec.Raw]
_LIST: Final = msgspec.json.Decoder(_Raw)
_LISTED: Final = msgspec.json.Decoder(_Listed)
_EVENT: Final = msgspec.json.Decoder(_Event)


class Docker:
    """``unread``: how many entries of the last lists could not be understood."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._changed = asyncio.Event()
        self._leaving: dict[str, float] = {}  # containers of which events say so, and until when that is believed
        self.unread = 0

    async def follow(self, labels: Mapping[str, str]) -> AsyncIterator[list[Container]]:
        """The containers that run and have all ``labels``, by name: now, and after each change.

        An empty value stands for any.  Raises :class:`Unreachable`.
        """
        async with self._web.stream("GET", _target("/events", {"type": ["container", "network"]})) as stream:
            if stream.status != 200:
                raise Unreachable(_refusal(stream.status, await stream.read(_REASONS)))
            reader = asyncio.ensure_future(self._note(stream))
            reader.add_done_callback(lambda _: self._changed.set())
            told = False  # by an event
            try:
                while not reader.done():
                    self._changed.clear()
                    yield await self.containers(labels)
                    await asyncio.sleep(_GAP)
                    told = await self._change(_SOON if told else _REFRESH)
                await reader
                raise Unreachable("the stream of events has ended")
            finally:
                reader.cancel()

    async def _change(self, patience: float) -> bool:
        """Whether there was one."""
        try:
            async with asyncio.timeout(patience):
                return await self._changed.wait()
        except TimeoutError:
            return False

    async def containers(self, labels: Mapping[str, str]) -> list[Container]:
        """As :meth:`follow`, once."""
        self.unread = 0
        wanted = [f"{name}={value}" if value else name for name, value in labels.items()]
        filters = {"status": ["running"], **({"label": wanted} if wanted else {})}
        listed = await self._list(filters)
        unwell = {each.id for each in await self._list({**filters, "health": ["starting", "unhealthy"]})}
        unwell.update(self._gone({each.id for each in listed}))
        found = [_container(each, each.id not in unwell) for each in listed if each.state == "running"]
        return sorted(found, key=lambda container: (container.name, container.id))

    async def _list(self, filters: Mapping[str, list[str]]) -> list[_Listed]:
        status, body = await self._web.ask("GET", _target("/containers/json", filters), limit=_ANSWERS)
        if status != 200:
            raise Unreachable(_refusal(status, body))
        try:
            entries = _LIST.decode(body)
        except UNREADABLE:
            raise Unreachable("the list of containers is not JSON in Docker's format") from None
        found = [each for each in map(_listed, entries[:_MOST_CONTAINERS]) if each is not None]
        self.unread += len(entries) - len(found)
        return found

    # -- events

    async def _note(self, stream: Stream) -> None:
        async for line in stream.lines(_EVENTS):
            with contextlib.suppress(*UNREADABLE):
                event = _EVENT.decode(line)
                if self._means_something(event.action.partition(":")[0], event.actor):
                    self._changed.set()

    def _means_something(self, action: str, actor: _Actor) -> bool:
        """`docker stop` sends a signal first, and the container is in the list until it has ended."""
        if action in _GOES or (action == "kill" and actor.attributes.get("signal") in _STOPS):
            if len(self._leaving) < _MOST_CONTAINERS:
                self._leaving[actor.id] = asyncio.get_running_loop().time() + _LEAVING
            return True
        if action in _COMES:
            self._leaving.pop(actor.id, None)
        return action in _COMES or action in _CHANGES

    def _gone(self, running: set[str]) -> set[str]:
        now = asyncio.get_running_loop().time()
        self._leaving = {each: until for each, until in self._leaving.items() if until > now and each in running}
        return set(self._leaving)


def _listed(raw: msgspec.Raw) -> _Listed | None:
    try:
        return _LISTED.decode(raw)
    except UNREADABLE:
        return None


def _container(listed: _Listed, ready: bool) -> Container:
    names = sorted(listed.names or (), key=lambda name: (name.count("/"), name))  # those of links have two slashes
    settings = listed.network_settings
    networks = {name: _address(network) for name, network in ((settings and settings.networks) or {}).items()}
    ports = [port for port in listed.ports or () if port.type == "tcp"]
    return Container(
        id=listed.id,
        name=plain(names[0].lstrip("/") if names else listed.id[:12], 200),
        created=listed.created,
        labels=listed.labels or {},
        ready=ready,
        networks=networks,
        ports=tuple(sorted({port.private_port for port in ports})),
        published=tuple(
            Published(port.private_port, port.public_port, port.ip or "") for port in ports if port.public_port
        ),
    )


def _address(network: _Network | None) -> str:
    return (network.ipv4 or network.ipv6 or "") if network is not None else ""


def _target(path: str, filters: Mapping[str, list[str]]) -> str:
    return f"{path}?{urlencode({'filters': json.dumps(filters, separators=(',', ':'))})}"


def _refusal(status: int, said: bytes) -> str:
    try:
        reason = str(json.loads(said)["message"])
    except (*UNREADABLE, KeyError, TypeError):
        reason = ""
    return f"Docker responds with status {status} ({plain(reason, 200) or 'no reason given'})"
