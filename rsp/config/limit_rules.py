"""What the types of the schema cannot say about ``rate_limit``, ``concurrency`` and ``bandwidth`` of a route."""

from collections.abc import Collection, Iterator
from typing import TypeVar

from rsp.config import slips
from rsp.config.errors import Path
from rsp.config.filters import Concurrency, RateLimit
from rsp.config.placeholders import IN_KEYS, unknown
from rsp.config.rates import Rate
from rsp.config.routes import Route

T = TypeVar("T", RateLimit, Concurrency)


def mistakes(route: Route, _upstreams: Collection[str]) -> Iterator[tuple[Path, str]]:
    """Each mistake: the path to it, and what is wrong."""
    for number, limit in enumerate(several(route.rate_limit), 1):
        path: Path = ("rate_limit", number) if isinstance(route.rate_limit, tuple) else ("rate_limit",)
        try:
            Rate.parse(limit.rate)
        except ValueError as error:
            yield (*path, "rate"), f"rate_limit: rate: {error}"
        yield from _key_mistakes(route, (*path, "key"), "rate_limit", limit.key)
    for number, bound in enumerate(several(route.concurrency), 1):
        path = ("concurrency", number) if isinstance(route.concurrency, tuple) else ("concurrency",)
        yield from _key_mistakes(route, (*path, "key"), "concurrency", bound.key)
    yield from _bandwidth_mistakes(route)


def several(value: T | tuple[T, ...] | None) -> tuple[T, ...]:
    """One, none or a list, as a list."""
    return value if isinstance(value, tuple) else () if value is None else (value,)


def _key_mistakes(route: Route, path: Path, label: str, key: str) -> Iterator[tuple[Path, str]]:
    if not key:
        yield path, f'{label}: key: it is empty; for one limit for all requests, write a constant: key = "all"'
    slip = slips.variable(key)
    try:
        known = IN_KEYS.of(route)
    except ValueError:  # its regex is wrong, which is said elsewhere
        return
    for wrong in (
        *unknown(key, known),
        *([slip.replace("is sent literally", "has no effect here")] if slip else ()),
    ):
        yield path, f"{label}: key: {wrong}"


def _bandwidth_mistakes(route: Route) -> Iterator[tuple[Path, str]]:
    bandwidth = route.bandwidth
    if bandwidth is None:
        return
    if bandwidth.down is None and bandwidth.up is None:
        yield ("bandwidth",), 'bandwidth: "down" and "up" are missing; add down = "1MB", bytes a second'
    for way in ("down", "up"):
        if getattr(bandwidth, way) == 0:
            yield ("bandwidth", way), f"bandwidth: {way}: expected 1 or more bytes a second; leave it out for no limit"
    if bandwidth.key is not None:
        yield from _key_mistakes(route, ("bandwidth", "key"), "bandwidth", bandwidth.key)
