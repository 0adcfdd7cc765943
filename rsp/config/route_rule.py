"""Which requests a route is for, as the router wants it."""

from rsp.config.routes import Route
from rsp.config.units import Listen
from rsp.config.value_match import ValueMatch, ValuePattern, Wanted, texts_of, written
from rsp.http.conditions import (
    ClientCondition,
    Condition,
    CookieCondition,
    FieldCondition,
    ListenerCondition,
    MethodCondition,
    QueryCondition,
)
from rsp.http.hosts import normalise_host
from rsp.http.matching import Matcher
from rsp.http.names import ANY_CASE
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
    return bool(route.listener or route.methods or route.headers or route.cookies or route.query or route.client)


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
        FieldCondition(
            name, _wanted(route.headers[name], fold=name.lower().encode() in ANY_CASE), preflights=preflights
        )
        for name in sorted(route.headers)
    ]
    conditions += [
        CookieCondition(name, _wanted(route.cookies[name]), preflights=preflights) for name in sorted(route.cookies)
    ]
    conditions += [QueryCondition(name, _wanted(route.query[name])) for name in sorted(route.query)]
    return tuple(conditions)


def _wanted(wanted: Wanted, *, fold: bool = False) -> str | bool | Matcher:
    """``fold``: the values are compared in lower case."""
    return wanted if isinstance(wanted, str | bool) else _matcher(wanted, fold)


def _matcher(wanted: str | tuple[str, ...] | ValuePattern, fold: bool) -> Matcher:
    def texts(value: str | tuple[str, ...] | None) -> list[str]:
        return [text.lower() if fold else text for text in texts_of(value)]

    if not isinstance(wanted, ValuePattern):
        return Matcher(whole=texts(wanted), said=written(wanted))
    unless = wanted.except_ if isinstance(wanted, ValueMatch) else None
    return Matcher(
        prefix=texts(wanted.prefix),
        suffix=texts(wanted.suffix),
        contains=texts(wanted.contains),
        regex=[f"(?i){text}" if fold else text for text in texts_of(wanted.regex)],
        unless=_matcher(unless, fold) if unless is not None else None,
        said=written(wanted),
    )
