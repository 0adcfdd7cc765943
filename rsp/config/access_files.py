"""The files that ``allow``, ``deny``, ``country`` and ``maintenance`` of a route name.

Their content travels under ``KIND name``, so that one name may be of two kinds.
"""

from collections.abc import Iterator
from typing import Final

from rsp.config.network_list import name_of
from rsp.config.routes import Route

LIST: Final = "list"
DATABASE: Final = "database"
MARK: Final = "mark"


def entries(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """Of ``allow`` or ``deny``, as a list."""
    return (value,) if isinstance(value, str) else value or ()


def lists_of(route: Route) -> Iterator[tuple[str, str]]:
    """The key and the name of each file with networks."""
    for key in ("allow", "deny"):
        for entry in entries(getattr(route, key)):
            if name := name_of(entry):
                yield key, name


def mark_of(route: Route) -> str | None:
    """The name of the file that stands for maintenance as long as it exists."""
    return name_of(route.maintenance) if isinstance(route.maintenance, str) else None


def named(route: Route) -> Iterator[tuple[str, str]]:
    """The key and the name of each file, for messages about it."""
    yield from lists_of(route)
    if route.country is not None:
        yield "country", route.country.file
    if name := mark_of(route):
        yield "maintenance", name
