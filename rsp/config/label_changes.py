"""What a new configuration changes in routes from labels, in lines for the log."""

from collections.abc import Iterator
from typing import Final

from rsp.config.route_names import label
from rsp.config.schema import Config

_MOST_LINES: Final = 20  # of each kind


def changes(before: Config, after: Config) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is a warning."""
    had, has = _routes(before), _routes(after)
    told = [f"Route from labels of {has[key]}: {key} added" for key in has if key not in had]
    told += [f"Route from labels of {had[key]}: {key} removed" for key in had if key not in has]
    yield from ((line, False) for line in _some(told))
    known = set(before.refused)
    refused = [f"Route from labels ignored: {line}" for line in after.refused if line not in known]
    yield from ((line, True) for line in _some(refused))


def _routes(config: Config) -> dict[str, str]:
    """Host and path, with the upstream: and whose it is."""
    count = len(config.routes) - len(config.labelled)
    return {
        f"{label(route)} to {route.to}": place
        for route, place in zip(config.routes[count:], config.labelled, strict=True)
    }


def _some(lines: list[str]) -> list[str]:
    more = len(lines) - _MOST_LINES
    return lines if more <= 0 else [*lines[:_MOST_LINES], f"Routes from labels: {more} further changes"]
