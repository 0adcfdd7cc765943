"""Pods of a service of Kubernetes, out of its EndpointSlices.

As kube-proxy does it: pods that are ready; where none is, those that still serve while they end; of a service with both
families of addresses one, because both are the same pods.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from rsp.config.engines import Discover
from rsp.config.instance import Dns
from rsp.config.units import show
from rsp.control.discovery.provider import Member, Provider, Tell, checked
from rsp.engines.failures import Unreachable, plain
from rsp.engines.kubernetes import Collection, authorise, in_cluster
from rsp.engines.web import Web
from rsp.tls.material import Keyring

_OWN_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

Complain = Callable[[str], None]


class _Conditions(msgspec.Struct, frozen=True):
    """``None`` is not known: ready, then, as the API says."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class _Endpoint(msgspec.Struct, frozen=True):
    """``addresses``: all of them lead to the same pod, and the first is the one to use."""

    addresses: list[str]
    conditions: _Conditions = _Conditions()


class _Port(msgspec.Struct, frozen=True):
    name: str | None = ""
    protocol: str | None = "TCP"
    port: int | None = None


class Slice(msgspec.Struct, frozen=True, rename="camel"):
    """An EndpointSlice, as far as it is looked at; its bounds are those of the API."""

    address_type: Literal["IPv4", "IPv6", "FQDN"]
    endpoints: Annotated[list[_Endpoint], msgspec.Meta(max_length=1000)] | None = None
    ports: Annotated[list[_Port], msgspec.Meta(max_length=100)] | None = None


class KubernetesSlices(Provider):
    """``kubernetes:///namespace/service``, ``kubernetes://api.example.com:6443/namespace/service``."""

    def __init__(self, discover: Discover, dns: Dns, keyring: Keyring) -> None:
        super().__init__(discover, dns, keyring)
        self._slices: Collection[Slice] | None = None

    async def follow(self, tell: Tell) -> None:
        slices = self._slices or self._collection()
        self._slices = slices
        url = in_cluster(self.discover.endpoint)
        async with Web(self.discover, url, self.dns, self.keyring) as web:
            authorise(web, self.discover, self.keyring)
            pods = Pods(self.discover.port, self.complain)
            async for found in slices.follow(web):
                tell(pods.members(found))

    def _collection(self) -> Collection[Slice]:
        *namespaces, service = self.discover.endpoint.path.strip("/").split("/")
        namespace = namespaces[0] if namespaces else _own_namespace()
        wanted = {"kubernetes.io/service-name": service, **self.discover.labels}
        selector = ",".join(f"{name}={value}" if value else name for name, value in wanted.items())
        path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        slices = Collection(path, Slice, selector)
        slices.complain = lambda text: self.complain(text)
        return slices


class Pods:
    """What slices give.  A slice that is the same object as before is not looked at again: one of a hundred changes.

    ``port``: its number or name, where the pods have several.
    """

    def __init__(self, port: int | str | None, complain: Complain) -> None:
        self._port = port
        self._complain = complain
        self._known: dict[str, tuple[Slice, list[Member], list[Member]]] = {}

    def members(self, slices: Mapping[str, Slice]) -> list[Member]:
        known, self._known = self._known, {}
        for name, each in _of_one_family(slices):
            found = known.get(name)
            self._known[name] = found if found is not None and found[0] is each else (each, *self._sorted(name, each))
        ready = dict.fromkeys(member for _, found, _ in self._known.values() for member in found)
        return list(ready or dict.fromkeys(member for _, _, found in self._known.values() for member in found))

    def _sorted(self, name: str, each: Slice) -> tuple[list[Member], list[Member]]:
        """Those that are ready, and those that end and still serve."""
        ready: list[Member] = []
        ending: list[Member] = []
        try:
            number = _port(each.ports or [], self._port)
        except ValueError as error:
            self._complain(f"EndpointSlice {plain(name)} is ignored: {plain(str(error))}")
            return [], []
        for endpoint in each.endpoints or ():
            try:
                _sort(endpoint, number, ready, ending)
            except ValueError as error:
                self._complain(f"EndpointSlice {plain(name)}: an endpoint is ignored: {plain(str(error))}")
        return ready, ending


def _of_one_family(slices: Mapping[str, Slice]) -> list[tuple[str, Slice]]:
    filled = [(name, each) for name, each in slices.items() if each.endpoints]
    return [pair for pair in filled if pair[1].address_type == "IPv4"] or [
        pair for pair in filled if pair[1].address_type == "IPv6"
    ]


def _port(ports: list[_Port], wanted: int | str | None) -> int:
    """Raises :class:`ValueError` where it is not clear which one is meant."""
    those = [port for port in ports if port.protocol in (None, "TCP")]
    if wanted is None and len(those) > 1:
        raise ValueError(f"it has several ports ({_listed(those)}); choose one: port = {show(those[0].name or '')}")
    fitting = those if wanted is None else [port for port in those if wanted in (port.port, port.name)]
    if isinstance(wanted, int) and any(port.port is None for port in those):  # any port
        return wanted
    if not fitting or fitting[0].port is None:
        raise ValueError(f"it has no port {wanted or ''}".rstrip() + f"; its pods have {_listed(those) or 'none'}")
    return fitting[0].port


def _listed(ports: list[_Port]) -> str:
    return ", ".join(f"{port.name or ''} {port.port or 'any'}".strip()[:40] for port in ports[:8])


def _sort(endpoint: _Endpoint, port: int, ready: list[Member], ending: list[Member]) -> None:
    conditions = endpoint.conditions
    if conditions.ready is not False:
        found = ready
    elif conditions.serving and conditions.terminating:
        found = ending
    else:
        return
    for address in endpoint.addresses[:1]:
        found.append(checked(f"[{address}]:{port}" if ":" in address else f"{address}:{port}"))


def _own_namespace() -> str:
    try:
        return _OWN_NAMESPACE.read_text().strip()
    except (OSError, UnicodeDecodeError):
        raise Unreachable(
            f"{_OWN_NAMESPACE} cannot be read, so the namespace is not known; write kubernetes:///NAMESPACE/SERVICE"
        ) from None
