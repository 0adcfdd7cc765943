"""What routes are called: in metrics and logs, and where a person reads of them."""

from itertools import count

from rsp.config.routes import Route
from rsp.config.schema import Config


def route_names(config: Config) -> list[str]:
    """Of all routes, in their order, each another one: as set, else host and path as written; ``#2`` for a second.

    Of several hosts it is the first, and how many more there are.
    """
    taken: dict[str, int] = {}
    names = [""] * len(config.routes)
    given = [route.name for route in config.routes]
    first = {name: given.index(name) for name in set(given) if name}
    # A name that is set goes to its route, wherever that stands.
    for index in (*first.values(), *(index for index in range(len(given)) if first.get(given[index] or "") != index)):
        route = config.routes[index]
        names[index] = _unique(route.name or _hosts(route, "+", "") + _path(route), taken)
    return names


def label(route: Route) -> str:
    """For a person: ``shop.example.com /api/``, ``any host exact /up``, ``any host regex ^/users/``."""
    kind = "regex " if route.regex is not None else "exact " if route.exact is not None else ""
    return f"{_hosts(route, ' and ', ' more') or 'any host'} {kind}{_path(route)}"


def _hosts(route: Route, before: str, behind: str) -> str:
    if not route.hosts:
        return ""
    more = len(route.hosts) - 1
    return route.hosts[0] + (f"{before}{more}{behind}" if more else "")


def _path(route: Route) -> str:
    return route.regex or route.exact or route.path


def _unique(name: str, taken: dict[str, int]) -> str:
    """``taken``: names in use, each with the last number that was tried behind it."""
    if name not in taken:
        taken[name] = 1
        return name
    for number in count(taken[name] + 1):
        taken[name] = number
        numbered = f"{name}#{number}"
        if numbered not in taken:
            break
    taken[numbered] = 1
    return numbered
