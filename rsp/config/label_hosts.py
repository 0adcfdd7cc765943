"""Which hosts labels may claim, beside the routes of the file."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from rsp.config.errors import Path
from rsp.config.route_names import label
from rsp.config.route_rule import hosts_of, is_conditional, rule_of
from rsp.config.routes import Route
from rsp.config.routing_rules import mistakes
from rsp.config.units import show
from rsp.http.routing import Router, find

_HOST: Final[Path] = ("host",)
_PLAIN: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]|\.(?!\.))*")  # most are
_NAME: Final = 3, 0  # how specific a name in full is


def covers(pattern: str, host: str) -> bool:
    """Whether ``pattern``, as a route has it, is for the name ``host``; ``""`` and ``*`` are for all."""
    if pattern in ("", "*"):
        return True
    if pattern[:2] == "*.":
        return host.endswith(pattern[1:])
    return host.startswith(pattern[:-1]) if pattern[-2:] == ".*" else host == pattern


def flaw(host: str) -> str | None:
    """Why labels cannot claim ``host``, whatever is allowed: it is not one name, in full."""
    if _PLAIN.fullmatch(host) and host != "_":
        return None
    for path, message in mistakes(Route(to="x", host=host), ()):
        if path == _HOST:
            return message.replace("; write host = ", "; write ")  # a label is written in another way
    if "*" in host or host[:1] == "[":
        return (
            f"host = {show(host)}: labels must contain complete names; a pattern would take hosts of later "
            "containers or services"
        )
    return None


class FileRoutes:
    """The routes of the file, which labels may not stand in the way of.  ``allowed``: patterns of hosts."""

    def __init__(self, routes: Iterable[Route], allowed: Iterable[str]) -> None:
        self._allowed = sorted((pattern.lower().rstrip(".") for pattern in allowed), key=_specific, reverse=True)
        self._named: dict[str, list[Route]] = {}
        self._patterns: list[tuple[str, Route]] = []
        for route in (listed := list(routes)):
            for host in hosts_of(route):
                if _specific(host) == _NAME:
                    self._named.setdefault(host, []).append(route)
                else:
                    self._patterns.append((host, route))
        self._router = Router((rule_of(route), route) for route in listed if _is_plain(route))

    def objection(self, host: str, path: str) -> str | None:
        """Why a route for this host and path cannot be, as a message that begins with the key."""
        pattern = next((one for one in self._allowed if covers(one, host)), None)
        if pattern is None:
            listed = ", ".join(map(show, sorted(self._allowed)))
            return f"host = {show(host)}: it is not among the hosts of discover_routes ({listed})"
        for own, route in self._for(host):
            if _specific(own) > _specific(pattern):
                said = f"the file has a route for it ({label(route)})"
                return f"host = {show(host)}: {said}; to share it, list the complete name in hosts of discover_routes"
            if route.client_ca is not None:
                return f"host = {show(host)}: the file asks its clients for certificates ({label(route)})"
        found: Route | None = find(self._router.levels(host.encode()), path.encode(), False, None, None)
        if found is not None and not _is_default(found, host):
            return f"path = {show(path)}: no request would come here: the file has a route for it ({label(found)})"
        return None

    def _for(self, host: str) -> Iterator[tuple[str, Route]]:
        """The routes for a name, with what they call it."""
        yield from ((host, route) for route in self._named.get(host, ()))
        yield from ((pattern, route) for pattern, route in self._patterns if covers(pattern, host))


def _specific(pattern: str) -> tuple[int, int]:
    """The greatest is the most specific.  What begins alike is no narrower than what ends alike."""
    if pattern in ("", "*"):
        return 0, 0
    if pattern[-2:] == ".*":
        return 1, len(pattern)
    return (2, len(pattern)) if pattern[:2] == "*." else _NAME


def _is_plain(route: Route) -> bool:
    """Whether it is for all requests below its path."""
    return route.exact is None and route.regex is None and not is_conditional(route)


def _is_default(route: Route, host: str) -> bool:
    """Whether it leaves requests for ``host`` to labels, as ``http/routing.py`` has it."""
    return route.path == "/" and not route.first and host not in hosts_of(route)
