"""Which requests a route is for, as the router wants it."""

from rsp.config.routes import Route
from rsp.config.units import Listen
from rsp.http.conditions import (
    ClientCondition,
    Condition,
    FieldCondition,
    ListenerCondition,
    MethodCondition,
    QueryCondition,
)
from rsp.http.hosts import normalise_host
from rsp.http.regex import Pattern
from rsp.http.routing import Rule


def rule_of(route: Route) -> Rule:
    """Raises :class:`ValueError` where ``regex`` cannot be used."""
    return Rule(
        route.hosts,
        _path(route),
        route.exact is not None,
        Pattern(route.regex) if route.regex is not None else None,
        route.first,
        conditions_of(route),
    )


def _path(route: Route) -> str:
    if route.exact is not None:
        return route.exact
    # With slash = "redirect", /docs/ is for /docs as well, and answers it.
    return route.path.rstrip("/") or "/" if route.slash is not None else route.path


def hosts_of(route: Route) -> list[str]:
    """Its hosts as they are compared; empty: every host."""
    return [normalise_host(host.encode()).decode() if host != "*" else "" for host in route.hosts or ("*",)]


def is_conditional(route: Route) -> bool:
    """Whether it asks for more than host and path."""
    return bool(route.listener or route.methods or route.headers or route.query or route.client)


def conditions_of(route: Route) -> tuple[Condition, ...]:
    """The cheapest first."""
    conditions: list[Condition] = []
    preflights = route.cors is not None
    if route.listener:
        conditions.append(ListenerCondition(map(Listen.parse, route.listeners)))
    if route.methods:
        conditions.append(MethodCondition(route.methods, preflights=preflights))
    if route.client:
        conditions.append(ClientCondition(route.client))
    conditions += [
        FieldCondition(name, wanted, preflights=preflights) for name, wanted in sorted(route.headers.items())
    ]
    conditions += [QueryCondition(name, wanted) for name, wanted in sorted(route.query.items())]
    return tuple(conditions)
