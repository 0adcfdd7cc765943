"""Labels of containers, and annotations of services, by which they ask for routes: what they are, and what they say.

What stands here comes from others than the configuration's author.  It is bounded where it arrives, and read as
strictly as a line of the file.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from rsp.config.label_words import elsewhere
from rsp.config.units import show

PREFIX: Final = "rsp."
ENABLE: Final = "rsp.enable"
MOST_ITEMS: Final = 1000  # containers, or services
MOST_LABELS: Final = 100  # of one
LONGEST_LABEL: Final = 1024  # characters of a value
MOST_ROUTES: Final = 16  # of one
MOST_HOSTS: Final = 16  # of one route

_LABEL: Final = re.compile(r"rsp\.(?:routes\.([A-Za-z0-9_-]{1,60})\.)?([^.]+)")
_NAMED: Final = re.compile(r"rsp\.routes\.([A-Za-z0-9_-]{1,60})\.")
_LIST: Final = re.compile(r"\s*,\s*|\s+")
_Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-/]*\Z")]


class Labelled(msgspec.Struct, frozen=True):
    """A container or a service with labels.

    ``owner``    whose it is, as in ``project shop``: another owner's hosts are not its own
    ``service``  of the owner: what has the same is a copy of it
    """

    name: _Name
    owner: Annotated[str, Meta(max_length=300, pattern=r"^(?:container|project|namespace) [A-Za-z0-9_.\-]+\Z")]
    service: _Name
    labels: Annotated[
        dict[Annotated[str, Meta(max_length=255)], Annotated[str, Meta(max_length=LONGEST_LABEL)]],
        Meta(max_length=MOST_LABELS),
    ]


class Asked(msgspec.Struct, frozen=True):
    """All that ask for routes, those first that go before others.  ``owners``: whose each host is."""

    kind: Literal["container", "service"]
    items: Annotated[list[Labelled], Meta(max_length=MOST_ITEMS)]
    owners: dict[str, str]


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Asked)


def pack(asked: Asked) -> bytes:
    """Equal for what is equal."""
    return _encoder.encode(asked)


def unpack(data: bytes) -> Asked:
    """Raises :class:`msgspec.DecodeError`, :class:`msgspec.ValidationError` for what is beyond the bounds."""
    return _decoder.decode(data)


class Wrong(ValueError):
    """A label that cannot be used: what is wrong with it, as a clause."""


class Wish(NamedTuple):
    """A route that is asked for.

    ``name``      as in ``rsp.routes.NAME.host``, or empty
    ``route``, ``upstream``, ``peer``  tables with keys of the file
    ``labels``    by those keys: what says so
    ``mistakes``  of labels that cannot be used: the label, and what is wrong
    """

    item: Labelled
    name: str
    route: dict[str, Any]
    upstream: dict[str, Any]
    peer: dict[str, Any]
    port: int | str | None
    priority: int
    network: str | None
    labels: dict[str, str]
    mistakes: tuple[tuple[str, str], ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(self.route.get("host", ()))

    @property
    def key(self) -> str:
        """The same for copies of one service, which share an upstream."""
        matched = sorted(self.hosts), self.route.get("path"), sorted(self.route.get("methods", ()))
        return msgspec.json.encode((self.item.owner, self.item.service, self.name, *matched)).decode()


def _text(value: str) -> str:
    if not value:
        raise Wrong("expected a text that is not empty; leave the label out")
    return value


def _listed(value: str) -> list[str]:
    items = [item for item in _LIST.split(value.strip()) if item]
    if not items:
        raise Wrong('expected a list such as "a.example.com, b.example.com"')
    return list(dict.fromkeys(items))


def _hosts(value: str) -> list[str]:
    """As they are compared, so that no name can be claimed twice."""
    hosts = list(dict.fromkeys(host.rstrip(".") or host for host in _listed(value.lower())))
    if len(hosts) > MOST_HOSTS:
        raise Wrong(f"{len(hosts)} hosts, and at most {MOST_HOSTS} are allowed")
    for host in hosts:
        if rule := re.search(r"host(?:sni)?\(\s*[`'\"]([^`'\"]+)", host):
            raise Wrong(f"this is a Traefik rule; write {show(rule[1])}, and the path in a label of its own")
    return hosts


def _methods(value: str) -> list[str]:
    return _listed(value)


def _networks(value: str) -> list[str]:
    for item in (items := _listed(value)):
        try:
            ip_network(item)
        except ValueError:
            raise Wrong(f'{show(item)}: expected a network such as "10.0.0.0/8"') from None
    return items


def _true(value: str) -> bool:
    if value not in ("true", "false"):
        meant = {"on": "true", "yes": "true", "1": "true", "off": "false", "no": "false", "0": "false"}
        way = meant.get(value.lower(), value.lower())
        raise Wrong(f"expected true or false, got {show(value)}" + (f"; write {way}" if way in meant.values() else ""))
    return value == "true"


def _sticky(value: str) -> bool | str:
    """A name of a cookie will do as well."""
    return _true(value) if value.lower() in ("true", "false", "on", "off", "yes", "no", "1", "0") else _text(value)


def _number(value: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,9}", value):
        raise Wrong(f"expected a whole number, got {show(value)}")
    return int(value)


def _port(value: str) -> int | str:
    """Those of services may have names."""
    inside = value.removesuffix("/tcp").rpartition(":")[2]
    if inside != value and inside.isdigit():
        raise Wrong(f"expected the port inside the container; write {inside}")
    if re.fullmatch(r"[a-z0-9-]{0,14}[a-z][a-z0-9-]{0,14}", value):
        return value
    if not 1 <= (number := _number(value)) <= 65535:
        raise Wrong(f"expected a port from 1 to 65535, got {show(value)}")
    return number


def _weight(value: str) -> int:
    if not 1 <= (number := _number(value)) <= 1000:
        raise Wrong(f"expected a weight from 1 to 1000, got {show(value)}")
    return number


def _version(value: str) -> int:
    if value not in ("1", "2"):
        raise Wrong(f"expected 1 or 2, got {show(value)}")
    return int(value)


class _Key(NamedTuple):
    table: Literal["route", "upstream", "peer", "own"]
    read: Callable[[str], Any]


# What follows ``rsp.`` or ``rsp.routes.NAME.``; docs/routes-from-labels.md has the same list.
KEYS: Final[dict[str, _Key]] = {
    "host": _Key("route", _hosts),
    "path": _Key("route", _text),
    "methods": _Key("route", _methods),
    "strip": _Key("route", _true),
    "rewrite": _Key("route", _text),
    "allow": _Key("route", _networks),
    "compress": _Key("route", _true),
    "timeout": _Key("route", _text),
    "policy": _Key("upstream", _text),
    "sticky": _Key("upstream", _sticky),
    "health": _Key("upstream", _text),
    "max_conns": _Key("upstream", _number),
    "http": _Key("upstream", _version),
    "weight": _Key("peer", _weight),
    "backup": _Key("peer", _true),
    "port": _Key("own", _port),
    "network": _Key("own", _text),
    "priority": _Key("own", _number),
}


OF_CONTAINERS: Final = ("network", "weight", "backup")  # services have their endpoints instead


def wishes(item: Labelled) -> list[Wish]:
    """The routes that it asks for.  What stands without a name holds for all that have one."""
    if not is_enabled(item.labels):
        return []
    said: dict[str, dict[str, tuple[str, str]]] = {"": {}}  # by the name of the route
    wrong: dict[str, list[tuple[str, str]]] = {"": []}
    for label, value in sorted(item.labels.items()):
        if label == ENABLE or not label.startswith(PREFIX):
            continue
        name, key = _parts(label)
        if len(said) > MOST_ROUTES and name not in said:
            wrong[""].append((label, f"more than {MOST_ROUTES} routes"))
            break
        keys, mistakes = said.setdefault(name, {}), wrong.setdefault(name, [])
        if key in KEYS:
            keys[key] = label, value
        else:
            mistakes.append((label, f"unknown label{elsewhere(label, KEYS)}"))
    names = [name for name in said if name] or [""]
    return [
        _wish(item, name, {**said[""], **said[name]}, [*wrong[""], *(wrong[name] if name else ())]) for name in names
    ]


def _parts(label: str) -> tuple[str, str]:
    """The name of the route that it is about, or nothing for all; and its key."""
    found = _LABEL.fullmatch(label)
    if found is not None:
        return found[1] or "", found[2]
    named = _NAMED.match(label)
    return (named[1] if named is not None else ""), ""


def _wish(item: Labelled, name: str, said: Mapping[str, tuple[str, str]], wrong: list[tuple[str, str]]) -> Wish:
    tables: dict[str, dict[str, Any]] = {"route": {}, "upstream": {}, "peer": {}, "own": {}}
    for key, (label, value) in said.items():
        try:
            tables[KEYS[key].table][key] = KEYS[key].read(value)
        except Wrong as error:
            wrong.append((label, str(error)))
    if "host" not in said:
        wrong.append((f"rsp.routes.{name}.host" if name else "rsp.host", "missing: the host that the route is for"))
    own, labels = tables["own"], {key: label for key, (label, _) in said.items()}
    port, network = own.get("port"), own.get("network")
    return Wish(
        item, name, tables["route"], tables["upstream"], tables["peer"], port, own.get("priority", 0), network, labels,
        tuple(wrong),
    )  # fmt: skip


def is_enabled(labels: Mapping[str, str]) -> bool:
    """Whether routes are asked for at all; another value than true and false is a mistake that :func:`flaw` names."""
    return labels.get(ENABLE) == "true"


def flaw(item: Labelled) -> str | None:
    """What is wrong with ``rsp.enable``, if it is there."""
    try:
        _true(item.labels.get(ENABLE, "false"))
    except Wrong as error:
        return str(error)
    return None


def ours(labels: Mapping[str, str]) -> dict[str, str]:
    """Those of ``labels`` that are for rsp, within bounds.  Raises :class:`Wrong`."""
    found = {label: value for label, value in sorted(labels.items()) if label.startswith(PREFIX)}
    if len(found) > MOST_LABELS:
        raise Wrong(f"more than {MOST_LABELS} labels begin with {PREFIX}")
    for label, value in found.items():
        if len(label) > 255 or len(value) > LONGEST_LABEL:
            raise Wrong(f"the label {show(label)} is longer than {LONGEST_LABEL} characters")
    return found
