"""Routes from labels, beside those of the file: each is checked as a line of the file is, and left out if it is wrong.

No label can make the file's own configuration fail, or change the handling of a request that matches one of its
routes.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any, Final

import msgspec

from rsp.config import label_hosts
from rsp.config.build import Builder
from rsp.config.declaration import Declaration
from rsp.config.engines import Access, Discover, DiscoverRoutes
from rsp.config.errors import Position
from rsp.config.label_hosts import FileRoutes
from rsp.config.labels import OF_CONTAINERS, Asked, Wish, flaw, unpack, wishes
from rsp.config.routes import Route
from rsp.config.routing_rules import shadowed
from rsp.config.schema import Config
from rsp.config.units import show
from rsp.config.upstreams import Upstream

SCHEME: Final = "labels"  # of upstreams whose members are the containers that ask for them
MOST_ROUTES: Final = 1000
_MOST_REFUSED: Final = 100  # that are named
_LONGEST_LINE: Final = 1000
_NOWHERE: Final = "127.0.0.1:1"  # stands for the members, which are found later


class Granted(msgspec.Struct):
    """A route as it will be; ``place``: of the labels, ``owner``: whose they are."""

    place: str
    owner: str
    upstream: Upstream
    route: Route


def source_of(wish: Wish) -> str:
    """What upstreams of containers have as `discover`; the same for copies of one service."""
    return f"{SCHEME}:{sha256(wish.key.encode()).hexdigest()[:20]}"


def relabelled(config: Config, packed: bytes) -> Config:
    """``config`` with the routes that labels ask for now, and no others from labels.

    ``packed``: as :func:`rsp.config.labels.pack` gives it; empty: nothing asks.  Raises :class:`msgspec.DecodeError`.
    """
    alone, rules = without_labels(config), config.settings.discover_routes
    if not packed or rules is None:
        return alone
    asked = unpack(packed)
    return with_labels(alone, asked) if asked.kind == rules.asking else alone


def without_labels(config: Config) -> Config:
    """What the file says."""
    count = len(config.labelled)
    places = {key: place for key, place in config.places.items() if _item_of(place) not in config.labelled}
    return msgspec.structs.replace(
        config,
        upstreams=config.upstreams[: len(config.upstreams) - count],
        routes=config.routes[: len(config.routes) - count],
        labelled=(),
        owners={},
        refused=(),
        places=places,
    )


def with_labels(config: Config, asked: Asked) -> Config:
    """``config``, of the file alone, with the routes that ``asked`` may have; what it may not have is said in
    ``refused``."""
    rules = config.settings.discover_routes
    if rules is None:
        return config
    refused: list[str] = []
    granted = list(_in_force(_Grants(config, rules, asked, refused).all(), refused))
    places = {f"host {host}": one.place for one in granted for host in one.route.hosts}
    secure = any(listener.tls for listener in config.listeners)
    more = len(refused) - _MOST_REFUSED
    return msgspec.structs.replace(
        config,
        upstreams=(*config.upstreams, *(one.upstream for one in granted)),
        routes=(*config.routes, *(one.route for one in granted)),
        labelled=tuple(one.place for one in granted),
        owners={host: one.owner for one in granted for host in one.route.hosts},
        places={**places, **config.places} if secure else config.places,
        refused=(*map(_printable, refused[:_MOST_REFUSED]), *((f"and {more} more",) if more > 0 else ())),
    )


def _item_of(place: str) -> str:
    return place.partition(" (label ")[0]


def _printable(line: str) -> str:
    """Labels may be any text."""
    return "".join(letter if letter.isprintable() else "?" for letter in line[:_LONGEST_LINE])


def _in_force(granted: Iterable[Granted], refused: list[str]) -> Iterator[Granted]:
    """Those that requests can come to: of several for the same, the first."""
    listed = list(granted)
    hidden = {number: before for number, before, _ in shadowed(one.route for one in listed)}
    for number, one in enumerate(listed):
        if number in hidden:
            other = listed[hidden[number]].place
            said = f"no request would come here: the same host and path are those of {other}"
            refused.append(f"{one.place}: {said}, which is older or has a higher rsp.priority")
        else:
            yield one


class _Grants:
    """One look at all that is asked for."""

    def __init__(self, config: Config, rules: DiscoverRoutes, asked: Asked, refused: list[str]) -> None:
        self._rules = rules
        self._asked = asked
        self._refused = refused
        self._file = FileRoutes(config.routes, rules.hosts)
        self._taken = {upstream.name for upstream in config.upstreams}

    def all(self) -> Iterator[Granted]:
        """In the order in which they go before each other."""
        found: dict[str, Wish] = {}
        for wish in self._wishes():
            objections = list(self._objections(wish))
            self._refused += (f"{place}: {said}" for place, said in objections)
            if not objections:
                found.setdefault(wish.key, wish)  # of copies, the first speaks for all
        ordered = sorted(found.values(), key=lambda wish: -wish.priority)
        for wish in ordered[:MOST_ROUTES]:
            granted = self._built(wish)
            if granted is not None:
                yield granted
        if (more := len(ordered) - MOST_ROUTES) > 0:
            self._refused.append(f"{more} routes, because labels define more than {MOST_ROUTES}")

    def _wishes(self) -> Iterator[Wish]:
        for item in self._asked.items:
            wrong = flaw(item)
            if wrong is not None:
                self._refused.append(f"{self._asked.kind} {item.name} (label rsp.enable): {wrong}")
            yield from wishes(item)

    def _place(self, wish: Wish, label: str | None = None) -> str:
        return f"{self._asked.kind} {wish.item.name}" + (f" (label {label})" if label else "")

    def _objections(self, wish: Wish) -> Iterator[tuple[str, str]]:
        for label, said in wish.mistakes:
            yield self._place(wish, label), said
        for host in wish.hosts:
            objection = label_hosts.flaw(host) or self._of_others(wish, host)
            if objection is not None:
                yield self._place(wish, wish.labels.get(objection.partition(" ")[0])), objection
        if self._asked.kind == "container" and isinstance(wish.port, str):
            yield self._place(wish, wish.labels["port"]), f"expected a port from 1 to 65535, got {show(wish.port)}"
        for key in OF_CONTAINERS if self._asked.kind == "service" else ():
            if key in wish.labels:
                yield self._place(wish, wish.labels[key]), "it applies to containers; a service has endpoints"

    def _of_others(self, wish: Wish, host: str) -> str | None:
        """What stands in the way of a route for ``host``."""
        said = self._file.objection(host, wish.route.get("path", "/"))
        owner = self._asked.owners.get(host, wish.item.owner)
        if said is None and owner != wish.item.owner:
            return f"host = {show(host)}: it is that of {owner}, which asked for it first"
        return said

    def _built(self, wish: Wish) -> Granted | None:
        """As the same lines in the file would be."""
        name = self._name(wish)
        at = Position(self._place(wish), 0)
        peers = [{"list": [_NOWHERE], "map": {}}]
        route = {**wish.route, "to": name}
        timeout = route.pop("timeout", None)
        if timeout is not None:
            route["timeouts"] = {"response": timeout}
        labels = {**wish.labels, "timeouts": wish.labels.get("timeout", "")}
        declared = [
            Declaration("upstream", name, _table(wish.upstream, peers), at, labels=labels),
            Declaration("route", "", _table(route), at, labels=labels),
        ]
        upstreams, routes, mistakes = Builder(declared, {}, "", _no_file).beside()
        if mistakes or len(upstreams) != 1 or len(routes) != 1:
            self._refused += mistakes
            return None
        self._taken.add(name)
        discover = Discover(url=source_of(wish), minimum=0) if self._asked.kind == "container" else self._service(wish)
        return Granted(
            at.file, wish.item.owner, msgspec.structs.replace(upstreams[0], peers=(), discover=discover), routes[0]
        )

    def _service(self, wish: Wish) -> Discover:
        """The members of a service are its endpoints, as for an upstream of the file."""
        hosts = ",".join(self._rules.api.hosts)
        access = {name: getattr(self._rules, name) for name in Access.__struct_fields__}
        return Discover(url=f"kubernetes://{hosts}/{wish.item.name}", port=wish.port, **access)

    def _name(self, wish: Wish) -> str:
        kind, _, owner = wish.item.owner.partition(" ")
        own = wish.item.service if kind == "container" else f"{owner}/{wish.item.service}"
        where = "docker" if self._asked.kind == "container" else "kubernetes"
        name = f"{own}:{wish.name}@{where}" if wish.name else f"{own}@{where}"
        if name in self._taken:
            return f"{name}#{sha256(wish.key.encode()).hexdigest()[:6]}"
        return name


def _table(named: dict[str, Any], items: list[Any] | None = None) -> dict[str, Any]:
    """As Lua's tables are recorded."""
    return {
        "list": items or [],
        "map": {key: _value(value) for key, value in named.items()},
    }


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return _table(value)
    return {"list": value, "map": {}} if isinstance(value, list) else value


def _no_file(name: str) -> str:
    raise ValueError(f"{name}: labels cannot refer to files")
