"""Which requests a route is for, as the router wants it."""

from collections.abc import Iterable, Iterator

from rsp.config.routes import Route
from rsp.config.schema import Listener
from rsp.config.units import Listen
from rsp.config.value_match import ValueMatch, ValuePattern, Wanted, regexes_of, texts_of, written
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


def is_over_tls(route: Route, listeners: Iterable[Listener]) -> bool:
    """Whether its requests may come by TLS: it is for every listener, or for one that has it."""
    try:
        own = set(map(Listen.parse, route.listeners))
    except ValueError:  # a mistake of its own
        return True
    return not own or any(each.tls for each in listeners if each.address in own)


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
    conditions += [condition for _, condition in sorted(_of_values(route), key=lambda weighed: weighed[0])]
    return tuple(conditions)


def _of_values(route: Route) -> Iterator[tuple[bool, Condition]]:
    """Each condition on a value, and whether it searches for a regular expression, which takes longest."""
    preflights = route.cors is not None
    for name in sorted(route.headers):
        wanted = route.headers[name]
        test = _wanted(wanted, fold=name.lower().encode() in ANY_CASE)
        yield _searches(wanted), FieldCondition(name, test, preflights=preflights)
    for name in sorted(route.cookies):
        wanted = route.cookies[name]
        yield _searches(wanted), CookieCondition(name, _wanted(wanted), preflights=preflights)
    for name in sorted(route.query):
        wanted = route.query[name]
        yield _searches(wanted), QueryCondition(name, _wanted(wanted))


def _searches(wanted: Wanted) -> bool:
    return any(True for _ in regexes_of(wanted))


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
