"""Instances of a service that Consul knows and finds healthy, with their weights.

As in Consul's own DNS: an instance with a critical check is out, one with a warning has its weight for that.
"""

from collections.abc import Iterator
from typing import Annotated, Final
from urllib.parse import unquote

import msgspec

from rsp.config.units import show
from rsp.control.discovery.provider import MOST_MEMBERS, Member, Provider, Tell, checked
from rsp.engines.consul import Answer, Consul
from rsp.engines.failures import UNREADABLE, Unreachable
from rsp.engines.web import Web
from rsp.ipc.peer_table import MOST_WEIGHT

Weight = Annotated[int, msgspec.Meta(ge=0)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class _Node(msgspec.Struct, frozen=True, rename="pascal"):
    address: str = ""


class _Weights(msgspec.Struct, frozen=True, rename="pascal"):
    passing: Weight = 1
    warning: Weight = 1


class _Service(msgspec.Struct, frozen=True, rename="pascal"):
    id: str = msgspec.field(name="ID", default="")
    address: str = ""
    port: Port = 0
    weights: _Weights | None = None


class _Check(msgspec.Struct, frozen=True, rename="pascal"):
    status: str = ""


class _Instance(msgspec.Struct, frozen=True, rename="pascal"):
    node: _Node
    service: _Service
    checks: list[_Check] | None = None


_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_INSTANCE: Final = msgspec.json.Decoder(_Instance)


class ConsulService(Provider):
    """``consul://127.0.0.1:8500/app?dc=dc2``."""

    async def follow(self, tell: Tell) -> None:
        url = self.discover.endpoint
        query = [*url.query.items(), *(("tag", tag) for tag in self.discover.tags)]
        async with Web(self.discover, url, self.dns, self.keyring) as web:
            consul = Consul(web, self.discover, self.keyring)
            async for answer in consul.follow(f"/v1/health/service/{unquote(url.path[1:])}", query):
                tell(self._members(answer))

    def _members(self, answer: Answer) -> list[Member]:
        try:
            entries = _LIST.decode(answer.body or b"")
        except UNREADABLE:
            raise Unreachable("the response is not a list of instances in Consul's format") from None
        if answer.filtered and not entries:
            raise Unreachable("the token does not allow reading the service; it requires service:read and node:read")
        if len(entries) > MOST_MEMBERS:
            self.complain(f"it has {len(entries)} instances; only the first {MOST_MEMBERS} are used")
        return list(self._good(entries[:MOST_MEMBERS]))

    def _good(self, entries: list[msgspec.Raw]) -> Iterator[Member]:
        for number, entry in enumerate(entries, 1):
            name = f"instance {number}"
            try:
                instance = _INSTANCE.decode(entry)
                name = show(instance.service.id or name)
                weight = _weight(instance)
                if weight:
                    yield self._member(instance, weight)
            except UNREADABLE as error:
                self.complain(f"{name} is ignored: {error}")

    def _member(self, instance: _Instance, weight: int) -> Member:
        host = instance.service.address or instance.node.address
        port = instance.service.port or self.discover.port
        if not port:
            raise ValueError("it has no port; set it: port = 8000")
        return checked(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", min(weight, MOST_WEIGHT))


def _weight(instance: _Instance) -> int:
    """0: it is out."""
    weights = instance.service.weights or _Weights()
    states = {check.status for check in instance.checks or ()}
    if states <= {"passing"}:
        return weights.passing
    return weights.warning if states <= {"passing", "warning"} else 0
