"""The names of routes, as metrics and logs show them."""

from itertools import count

from rsp.config.schema import Config


def route_names(config: Config) -> list[str]:
    """Of all routes, in their order, each another one: as set, else host and path as written; ``#2`` for a second."""
    taken: dict[str, int] = {}
    names = [""] * len(config.routes)
    given = [route.name for route in config.routes]
    first = {name: given.index(name) for name in set(given) if name}
    # A name that is set goes to its route, wherever that stands.
    for index in (*first.values(), *(index for index in range(len(given)) if first.get(given[index] or "") != index)):
        route = config.routes[index]
        names[index] = _unique(route.name or f"{route.host or ''}{route.path}", taken)
    return names


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
