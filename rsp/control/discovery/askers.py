"""Containers and services as they ask for routes: what of them the configuration sees."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from ipaddress import ip_address
from typing import Final

import msgspec

from rsp.config.label_routes import source_of
from rsp.config.labels import ENABLE, Labelled, Wish, Wrong, ours, wishes
from rsp.config.units import show
from rsp.control.discovery.claims import Sighting
from rsp.control.discovery.provider import Member, checked
from rsp.engines.container import HOST, Container, Unfit
from rsp.engines.failures import plain

MOST_LABELLED: Final = 2000  # of all upstreams together: the places that peers have are for those of the file as well

Complain = Callable[[str], None]

# Labels by which a container says of which project, and of which service in it, it is a copy.
_COPIES: Final = (
    ("com.docker.compose.project", "com.docker.compose.service"),
    ("com.docker.stack.namespace", "com.docker.swarm.service.name"),
)


class _Meta(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    namespace: str = ""
    creation_timestamp: str = ""
    annotations: dict[str, str] | None = None


class Service(msgspec.Struct, frozen=True):
    """Of Kubernetes, as far as it is looked at."""

    metadata: _Meta


def containers(listed: Iterable[Container], complain: Complain) -> Iterator[tuple[Container, Sighting]]:
    """Those that can ask for routes."""
    for container in listed:
        if not _is_name(container.name):
            complain(f"container {show(container.name)} is ignored: its name is not one that Docker gives")
            continue
        owner, service = _copy_of(container)
        item = _labelled(container.name, owner, service, container.labels, complain)
        if item is not None:
            yield container, Sighting(container.created, item)


def services(found: Mapping[str, Service], complain: Complain) -> Iterator[Sighting]:
    """Those that can ask for routes."""
    for service in found.values():
        meta = service.metadata
        if ENABLE not in (annotations := meta.annotations or {}):
            continue
        if not _is_name(meta.name) or not _is_name(meta.namespace):
            complain(f"service {show(plain(meta.name))} is ignored: its name is not one that Kubernetes gives")
            continue
        name, owner = f"{meta.namespace}/{meta.name}", f"namespace {meta.namespace}"
        item = _labelled(name, owner, meta.name, annotations, complain)
        if item is not None:
            yield Sighting(_time(meta.creation_timestamp), item)


def members(
    seen: Iterable[tuple[Container, Sighting]], network: str | None
) -> dict[str, tuple[list[Member], list[str]]]:
    """Of each upstream that containers ask for, by its source: its members, and why others are left out."""
    found: dict[str, tuple[list[Member], list[str]]] = {}
    room = MOST_LABELLED
    for container, sighting in sorted(seen, key=lambda one: (one[1].created, one[0].name)):
        for wish in wishes(sighting.item):
            if wish.mistakes:
                continue
            listed, problems = found.setdefault(source_of(wish), ([], []))
            room -= 1
            if room < 0:
                problems[:] = [f"containers are ignored: labels define more than {MOST_LABELLED} members"]
                continue
            try:
                if container.ready:
                    listed.append(_member(container, wish, network))
            except ValueError as error:
                problems.append(f"container {show(container.name)} is ignored: {error}")
    return found


def _labelled(name: str, owner: str, service: str, labels: Mapping[str, str], complain: Complain) -> Labelled | None:
    try:
        return Labelled(name, owner, service, ours(labels))
    except Wrong as error:
        complain(f"{name} is ignored: {plain(str(error))}")
        return None


def _copy_of(container: Container) -> tuple[str, str]:
    """Whose it is, and of which service it is a copy."""
    for project, service in _COPIES:
        owner, what = container.labels.get(project, ""), container.labels.get(service, "")
        if _is_name(owner) and _is_name(what):
            return f"project {owner}", what
    return f"container {container.name}", container.name


def _member(container: Container, wish: Wish, network: str | None) -> Member:
    """Raises :class:`ValueError`.

    An address of rsp's own machine would lead to whatever listens there, so that only the file can ask for it.
    """
    if wish.network == HOST and network != HOST:
        raise Unfit('rsp.network=host takes network = "host" in discover_routes as well')
    member = checked(_address(container, wish, network), wish.peer.get("weight"), wish.peer.get("backup", False))
    host = ip_address(member.address.rpartition(":")[0].strip("[]"))
    own = getattr(host, "ipv4_mapped", None) or host
    if network != HOST and (own.is_loopback or own.is_unspecified):  # to connect to 0.0.0.0 leads to 127.0.0.1
        raise Unfit("it has no address of its own; put it into a network, or write a route in the file")
    return member


def _address(container: Container, wish: Wish, network: str | None) -> str:
    try:
        return container.address(wish.network or network, wish.port if isinstance(wish.port, int) else None)
    except Unfit as error:
        raise Unfit(_in_labels(str(error))) from None


def _in_labels(said: str) -> str:
    """What the file would say, as labels do; and what only the file can say."""
    if f'network = "{HOST}"' in said:
        return said.replace(f'network = "{HOST}"', f'network = "{HOST}" in discover_routes')
    for key in ("network", "port"):
        before, found, value = said.partition(f"{key} = ")
        if found:
            said = f"{before}rsp.{key}={value.strip(chr(34))}"
    return said


def _time(text: str) -> float:
    """Seconds since the epoch; 0: it is not known."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def _is_name(text: str) -> bool:
    """Labels may be any text."""
    return 0 < len(text) <= 200 and text.isascii() and text[0].isalnum() and not set(text) - _LETTERS


_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
