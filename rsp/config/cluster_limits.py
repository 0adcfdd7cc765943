"""``cluster`` of ``rate_limit``: which store, and what such limits admit at once."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from rsp.config.engines import Store
from rsp.config.errors import Path
from rsp.config.limit_rules import several
from rsp.config.rates import Rate
from rsp.config.routes import Route
from rsp.config.store_rules import store_of
from rsp.config.tls_rules import Finding

_SLACK: Final = 0.04  # seconds of its rate that such a limit admits at once, so that each instance can have a lease


class _Declared(NamedTuple):
    stores: tuple[Store, ...]


def mistakes(routes: Iterable[Route], stores: tuple[Store, ...]) -> Iterator[Finding]:
    """Stores that there are not."""
    for route in routes:
        for number, limit in enumerate(several(route.rate_limit), 1):
            if not limit.cluster:
                continue
            path: Path = ("rate_limit", number) if isinstance(route.rate_limit, tuple) else ("rate_limit",)
            try:
                store_of(_Declared(stores), limit.cluster)
            except ValueError as error:
                yield Finding(route, (*path, "cluster"), f"rate_limit: cluster: {error}")


def has_cluster_limits(route: Route) -> bool:
    return any(limit.cluster for limit in several(route.rate_limit))


def with_slack(route: Route) -> Route:
    """The same with the bursts that limits of several instances have."""
    limits = tuple(
        msgspec.structs.replace(limit, burst=int(least_burst(Rate.parse(limit.rate).interval, limit.burst)))
        if limit.cluster else limit
        for limit in several(route.rate_limit)
    )  # fmt: skip
    return msgspec.structs.replace(route, rate_limit=limits)


def least_burst(interval: float, burst: float) -> float:
    """``interval``: seconds for each request."""
    return max(burst, (_SLACK / interval + 1e-9) // 1)
