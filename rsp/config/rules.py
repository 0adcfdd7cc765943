"""What the types of the schema cannot say about a route or an upstream."""

import re
from collections.abc import Collection, Iterator

from rsp.config.errors import suggest
from rsp.config.schema import ROUTE_LIMITS, ROUTE_TIMEOUTS, HeaderRules, Route
from rsp.config.units import show
from rsp.config.upstreams import Upstream

Path = tuple[str | int, ...]

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_KEYS = ("client", "uri", "path", "host", "header", "cookie")
_HOST = re.compile(r"[A-Za-z0-9.\-_:\[\]]+")
# Framing and routing are rsp's own to write.
_RESERVED = frozenset((
    "connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
    "upgrade",
))  # fmt: skip


def route_mistakes(route: Route, upstreams: Collection[str]) -> Iterator[tuple[Path, str]]:
    """Each mistake in ``route``: the path to it, and what is wrong."""
    answers = [name for name in ("to", "redirect", "respond") if getattr(route, name) is not None]
    if not answers:
        yield (), 'missing "to" (or "redirect", or "respond")'
    elif len(answers) > 1:
        yield (answers[1],), f'"{answers[0]}" and "{answers[1]}" exclude each other'
    if route.to is not None and route.to not in upstreams:
        hint = suggest(route.to, upstreams) or (f" (there is {', '.join(map(show, upstreams))})" if upstreams else "")
        yield ("to",), f'to = "{route.to}": no such upstream{hint}'
    if route.host is not None and "*" in route.host.removeprefix("*.").replace("*", "", route.host == "*"):
        yield ("host",), f'host = "{route.host}": expected a name or "*.example.com"'
    if route.send_host is not None and not _HOST.fullmatch(route.send_host):
        yield ("send_host",), f'send_host = "{route.send_host}": expected a host name, with or without a port'
    if route.strip and route.rewrite is not None:
        yield ("rewrite",), '"strip" and "rewrite" exclude each other'
    for key, allowed in (("timeouts", ROUTE_TIMEOUTS), ("limits", ROUTE_LIMITS)):
        given = getattr(route, key)
        for name in given.__struct_fields__ if given is not None else ():
            if getattr(given, name) is not None and name not in allowed:
                yield (key, name), f'{key}: "{name}" cannot be set for a route, only for a listener or for all'
    if route.respond is not None:
        yield from _fields("respond", "headers", route.respond.headers)
        yield from _values("respond", "type", {"type": route.respond.type})
    if isinstance(route.redirect, str) or route.redirect is not None:
        target = route.redirect if isinstance(route.redirect, str) else route.redirect.to
        if not re.fullmatch(r"[!-~]+", target):
            yield ("redirect",), f"redirect: expected a URL without spaces, got {show(target)}"
    for key in ("request_headers", "response_headers"):
        rules: HeaderRules | None = getattr(route, key)
        if rules is not None:
            yield from _fields(key, "remove", dict.fromkeys(rules.remove, ""))
            yield from _fields(key, "set", rules.set)
            yield from _fields(key, "add", rules.add)


def _fields(key: str, part: str, fields: dict[str, str]) -> Iterator[tuple[Path, str]]:
    for name in fields:
        if not _NAME.fullmatch(name):
            yield (key, part, name), f"{key}: {part}: {show(name)} is no name of a field"
        elif name.lower() in _RESERVED:
            yield (key, part, name), f'{key}: {part}: "{name}" is rsp\'s own to write'
    yield from _values(key, part, fields)


def _values(key: str, part: str, fields: dict[str, str]) -> Iterator[tuple[Path, str]]:
    for name, value in fields.items():
        try:
            good = _VALUE.fullmatch(value.encode().decode("latin-1")) is not None
        except UnicodeEncodeError:
            good = False
        if not good:
            yield (key, part, name), f'{key}: {part}: "{name}": a control character or line break in the value'


def upstream_mistakes(upstream: Upstream) -> Iterator[tuple[Path, str]]:
    """Each mistake in ``upstream``: the path to it, and what is wrong."""
    seen: set[str] = set()
    for number, peer in enumerate(upstream.peers, 1):
        if peer.address in seen:
            yield (number,), f'peer "{peer.address}" stands there twice (a larger share is a "weight")'
        seen.add(peer.address)
    if all(peer.backup for peer in upstream.peers):
        yield (), "every peer is a backup; at least one must not be"
    if upstream.policy != "hash" and upstream.key != "client":
        yield ("key",), f'"key" is for policy "hash", not for "{upstream.policy}"'
    kind, colon, name = upstream.key.partition(":")
    if kind not in _KEYS or bool(colon) != (kind in ("header", "cookie")) or (colon and not _NAME.fullmatch(name)):
        yield ("key",), f"key: expected {' or '.join(_KEYS)}, the last two with a :NAME, got {show(upstream.key)}"
    health = upstream.checks
    if isinstance(upstream.health, str) and upstream.health != "tcp" and not upstream.health.startswith("/"):
        yield ("health",), f'health: expected a path, "tcp" or a table, got {show(upstream.health)}'
    elif health is not None:
        try:
            statuses(health.status)
        except ValueError as error:
            yield ("health", "status"), f"health: status: {error}"
        for key in ("host", "body"):
            yield from _values("health", key, {key: getattr(health, key) or ""})
        if health.timeout > health.interval:
            yield (
                ("health", "timeout"),
                f"health: timeout: {health.timeout} is longer than the interval of {health.interval}",
            )
    sticky = upstream.stickiness
    if sticky is not None and not _NAME.fullmatch(sticky.cookie):
        yield ("sticky", "cookie"), f"sticky: {show(sticky.cookie)} is no name of a cookie"
    if sticky is not None and not re.fullmatch(r"[!-+\--:<-~]+", sticky.path):
        yield ("sticky", "path"), f"sticky: path: {show(sticky.path)} cannot stand in a cookie"
    for failing in (upstream.failures, upstream.outlier_rules):
        if failing is not None and failing.longest < failing.out:
            key = "failures" if failing is upstream.failures else "outliers"
            yield (key, "longest"), f'{key}: longest: {failing.longest} is less than "out" ({failing.out})'


def statuses(wanted: int | str | tuple[int | str, ...]) -> list[range]:
    """Status codes as ranges; raises :class:`ValueError`."""
    found = []
    for one in wanted if isinstance(wanted, tuple) else (wanted,):
        match = re.fullmatch(r"(\d{3})(?:-(\d{3}))?", str(one))
        if match is None or not 100 <= int(match[1]) <= int(match[2] or match[1]) <= 599:
            raise ValueError(f'expected a status such as 200 or "200-399", got {show(one)}')
        found.append(range(int(match[1]), int(match[2] or match[1]) + 1))
    return found
