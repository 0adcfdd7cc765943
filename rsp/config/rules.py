"""What the types of the schema cannot say about settings, a route or an upstream."""

import re
from collections.abc import Collection, Iterator
from urllib.parse import quote

import msgspec

from rsp.config import slips
from rsp.config.errors import Path, suggest
from rsp.config.instead import one_each
from rsp.config.limits import ROUTE_LIMITS, ROUTE_TIMEOUTS
from rsp.config.placeholders import IN_FIELDS, IN_HOST, IN_REDIRECTS, unknown
from rsp.config.schema import HeaderRules, Route, Settings
from rsp.config.units import Size, show
from rsp.config.upstreams import Health, Upstream
from rsp.http.names import FORWARDED, OWN, RESERVED, fold, learn
from rsp.http.routing import normalise_host, normalise_path

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_VISIBLE = re.compile(r"[!-~]+")
# Texts that never reach a head, so that they may have lines.
_FREE = frozenset(("body",))
LEAST_LUA_MEMORY = 8 << 20
_KEYS = ("client", "uri", "path", "host", "header", "cookie")
_HOST = re.compile(r"[A-Za-z0-9.\-_:\[\]]+")
_HOST_VALUE = re.compile(r"\{(?:host|authority)\}")
_ROUTE_HOST = re.compile(r"\*|(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9\-_]|\.(?!\.))*|\[[0-9A-Fa-f:.]+\]")
_REMOVED = "removed"  # the label of metrics
_RESERVED = RESERVED | {b"host"}  # Host has a rule of its own, in requests


def unsendable(value: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Each text in ``value`` that no head and no log line may have: with control characters, or not UTF-8.

    Every declaration passes here, so that a new key cannot be forgotten (RFC 9110 section 5.5).
    """
    if isinstance(value, str):
        free = bool(path) and path[-1] in _FREE
        try:
            value.encode()
        except UnicodeEncodeError:
            yield path, "this is not UTF-8 text"
            return
        if not free and _CONTROL.search(value) is not None:
            yield path, "a control character or line break in the value"
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from unsendable(getattr(value, name), (*path, name))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from unsendable(name, path)
            yield from unsendable(item, (*path, name))
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from unsendable(item, (*path, number))


def setting_mistakes(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Each mistake in ``settings``: the path to it, and what is wrong."""
    if settings.lua.memory < LEAST_LUA_MEMORY:
        yield ("lua", "memory"), f"lua: memory: expected {Size(LEAST_LUA_MEMORY)} or more"
    for number, name in enumerate(settings.keep_forwarded):
        folded = fold(name.encode())
        if folded in OWN or learn(name.encode()) != FORWARDED:
            written = "rsp writes it itself" if folded in OWN else "it is not a forwarded field that rsp drops"
            yield ("keep_forwarded", number), f"keep_forwarded: {show(name)}: {written}"
    if settings.via is not None and re.fullmatch(r"[!-+\--~]+", settings.via) is None:
        yield ("via",), f'via: expected a name such as "edge", got {show(settings.via)}'

    if settings.response_headers is not None:
        yield from _rule_mistakes("response_headers", settings.response_headers)


def route_key(route: Route) -> str:
    """Routes of one key are for the same requests."""
    host = normalise_host(route.host.encode()).decode() if route.host not in (None, "*") else ""
    return f"{host} {route.path}"


def _host_mistakes(host: str) -> Iterator[tuple[Path, str]]:
    """Why ``host`` of a route can never be that of a request."""
    name, colon, port = host.rpartition(":")
    if not host.isascii():
        try:
            said = host.encode("idna").decode()
        except UnicodeError:
            said = ""
        written = f": clients send it as {show(said)}" if said else ""
        yield ("host",), f"host = {show(host)}: a name has ASCII characters only{written}"
    elif "://" in host or "/" in host:
        plain = slips.host_of(host)
        way = f"; say host = {show(plain)}" if _ROUTE_HOST.fullmatch(plain) else ""
        yield ("host",), f'host = {show(host)}: expected a name such as "example.com", without a scheme and a path{way}'
    elif len(several := re.split(r"[\s,;]+", host.strip(" ,;"))) > 1 and all(map(_ROUTE_HOST.fullmatch, several)):
        yield ("host",), f'host = {show(host)}: expected a name such as "example.com"{one_each("host", several)}'
    elif host[:1] == "." and _ROUTE_HOST.fullmatch(host[1:]):
        yield ("host",), f'host = "{host}": expected a name; write "*{host}", and a route for "{host[1:]}" itself'
    elif colon and port.isdigit() and (":" not in name or name[:1] == "["):
        yield ("host",), f'host = "{host}": ports are not compared; say host = "{name}"'
    elif ":" in host and host[:1] != "[":
        yield ("host",), f'host = "{host}": an IPv6 address goes in brackets: "[{host}]"'
    elif host == "_":
        yield ("host",), 'host = "_": that is nginx\'s word for every host; leave "host" out'
    elif "*" in host.removeprefix("*.") and host != "*":
        yield ("host",), f'host = "{host}": expected a name or "*.example.com"'
    elif _ROUTE_HOST.fullmatch(host) is None or len(host) > 255:
        yield ("host",), f'host = {show(host)}: expected a name such as "example.com" or "*.example.com"'


def _name_mistakes(name: str | None) -> Iterator[tuple[Path, str]]:
    if name == _REMOVED:
        yield ("name",), f'name: metrics count routes that a reload has removed as "{name}"; choose another name'


def _path_mistakes(path: str) -> Iterator[tuple[Path, str]]:
    """Why ``path`` of a route can never be that of a request, or is not what it looks like."""
    for mark in "?#":
        if mark in path:
            yield ("path",), f'path = {show(path)}: what begins with "{mark}" is not part of the path'
            return
    if "*" in path:
        prefix = path.rstrip("*")
        way = f"; say path = {show(prefix or '/')}" if "*" not in prefix else ""
        yield ("path",), f'path = {show(path)}: "*" stands for nothing here, a path covers what lies below it{way}'
        return
    written = quote(normalise_path(path.encode("utf-8", "replace")), safe="/!\"$&'()+,;<=>@[]^`{|}~:")
    if path != written:
        yield ("path",), f"path = {show(path)}: no request is matched by it; clients send {show(written)}"


def _idle_keys(route: Route, answer: str) -> Iterator[tuple[Path, str]]:
    for name in ("strip", "rewrite", "send_host", "request_headers", "on_upstream"):
        if getattr(route, name):
            yield (name,), f'"{name}" is for requests that go to a peer; "{answer}" answers them here'


def _url_path(key: str, path: str) -> Iterator[tuple[Path, str]]:
    if _VISIBLE.fullmatch(path) is None or "#" in path:
        yield (key,), f'{key}: {show(path)} cannot stand in a request; encode it, as in "/caf%C3%A9"'


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
    if route.host is not None:
        yield from _host_mistakes(route.host)
    yield from _path_mistakes(route.path)
    yield from _name_mistakes(route.name)
    if route.rewrite is not None:
        yield from _url_path("rewrite", route.rewrite)
    if route.send_host is not None and not _HOST.fullmatch(route.send_host):
        yield ("send_host",), f'send_host = "{route.send_host}": expected a host name, with or without a port'
    if answers and route.to is None and route.on_request is None:  # a hook could still send it to a peer
        yield from _idle_keys(route, answers[0])
    if route.strip and route.rewrite is not None:
        yield ("rewrite",), '"strip" and "rewrite" exclude each other'
    for key, allowed in (("timeouts", ROUTE_TIMEOUTS), ("limits", ROUTE_LIMITS)):
        given = getattr(route, key)
        for name in given.__struct_fields__ if given is not None else ():
            if getattr(given, name) is not None and name not in allowed:
                yield (key, name), f'{key}: "{name}" cannot be set for a route, only for a listener or for all'
    if route.respond is not None:
        yield from _fields("respond", "headers", route.respond.headers)
        yield from _placeholders("respond", "headers", route.respond.headers)
    if isinstance(route.redirect, str) or route.redirect is not None:
        target = route.redirect if isinstance(route.redirect, str) else route.redirect.to
        if not re.fullmatch(r"[!-~]+", target):
            yield ("redirect",), f"redirect: expected a URL without spaces, got {show(target)}"
        else:
            slip = slips.target_mistake(target)
            for wrong in (*unknown(target, IN_REDIRECTS), *([slip] if slip else ())):
                yield ("redirect",), f"redirect: {wrong}"
    for key in ("request_headers", "response_headers"):
        rules: HeaderRules | None = getattr(route, key)
        if rules is not None:
            yield from _rule_mistakes(key, rules)


def _rule_mistakes(key: str, rules: HeaderRules) -> Iterator[tuple[Path, str]]:
    hosts = {name: value for name, value in rules.set.items() if name.lower() == "host" and key == "request_headers"}
    for name, value in hosts.items():
        yield from _placeholders(key, "set", {name: value}, IN_HOST)
        if not _HOST.fullmatch(_HOST_VALUE.sub("h", value)):
            yield (key, "set", name), f"{key}: set: {name}: expected a host name, with or without a port"
    others = {name: value for name, value in rules.set.items() if name not in hosts}
    yield from _fields(key, "remove", dict.fromkeys(rules.remove, ""))
    for part, fields in (("set", others), ("add", rules.add)):
        yield from _fields(key, part, fields)
        yield from _placeholders(key, part, fields)


def _fields(key: str, part: str, fields: dict[str, str]) -> Iterator[tuple[Path, str]]:
    yield from slips.field_names(key, part, fields)
    for name in fields:
        if not _NAME.fullmatch(name):
            yield (key, part, name), f"{key}: {part}: {show(name)} is no name of a field"
        elif name.lower() == "host" and key == "request_headers":
            yield (key, part, name), f'{key}: {part}: a request has one Host; it can be "set"'
        elif fold(name.encode()) in _RESERVED:
            yield (key, part, name), f'{key}: {part}: "{name}" is rsp\'s own to write'


def _placeholders(
    key: str, part: str, fields: dict[str, str], known: Collection[str] = IN_FIELDS
) -> Iterator[tuple[Path, str]]:
    for name, value in fields.items():
        slip = slips.variable(value)
        for wrong in (*unknown(value, known), *([slip] if slip else ())):
            yield (key, part, name), f"{key}: {part}: {name}: {wrong}"


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
    if upstream.http == "auto" and upstream.secure is None:
        yield (
            ("http",),
            'http = "auto" needs tls: without TLS there is no handshake in which a peer could choose; add tls = true, '
            "or write http = 1 or http = 2",
        )
    health = upstream.checks
    if isinstance(upstream.health, str) and upstream.health not in ("tcp", "grpc") and upstream.health[:1] != "/":
        yield ("health",), f'health: expected a path, "tcp", "grpc" or a table, got {show(upstream.health)}'
    elif health is not None:
        try:
            statuses(health.status)
        except ValueError as error:
            yield ("health", "status"), f"health: status: {error}"
        for path, message in _url_path("path", health.path):
            yield ("health", *path), f"health: {message}"
        if health.host is not None and _HOST.fullmatch(health.host) is None:
            yield ("health", "host"), f"health: host: expected a host name, got {show(health.host)}"
        yield from _grpc_mistakes(upstream, health)
        if health.timeout > health.interval:
            yield (
                ("health", "timeout"),
                f"health: timeout: {health.timeout} is longer than the interval of {health.interval}",
            )
    if upstream.retry.on_grpc and upstream.http == 1:
        yield ("retry", "on_grpc"), "retry: on_grpc: gRPC needs HTTP/2 at the peers; add http = 2 to the upstream"
    sticky = upstream.stickiness
    if sticky is not None and not _NAME.fullmatch(sticky.cookie):
        yield ("sticky", "cookie"), f"sticky: {show(sticky.cookie)} is no name of a cookie"
    if sticky is not None and not re.fullmatch(r"[!-+\--:<-~]+", sticky.path):
        yield ("sticky", "path"), f"sticky: path: {show(sticky.path)} cannot stand in a cookie"
    for failing in (upstream.failures, upstream.outlier_rules):
        if failing is not None and failing.longest < failing.out:
            key = "failures" if failing is upstream.failures else "outliers"
            yield (key, "longest"), f'{key}: longest: {failing.longest} is less than "out" ({failing.out})'


_BY_HTTP = Health()


def _grpc_mistakes(upstream: Upstream, health: Health) -> Iterator[tuple[Path, str]]:
    if health.type != "grpc" and health.service:
        yield ("health", "service"), f'health: "service" is for type = "grpc", not for "{health.type}"'
    if health.type == "grpc" and upstream.http == 1 and health.port is None:
        yield ("health",), "health: gRPC needs HTTP/2 at the peers; add http = 2 to the upstream"
    if health.type == "grpc" and "/" in health.service:
        service = health.service.strip("/").partition("/")[0]
        yield ("health", "service"), f"health: service: expected a name without a slash; write {show(service)}"
    for key in ("path", "method", "status", "body") if health.type == "grpc" else ():
        if getattr(health, key) != getattr(_BY_HTTP, key):
            yield ("health", key), f'health: "{key}" is for type = "http", not for "grpc"'


def statuses(wanted: int | str | tuple[int | str, ...]) -> list[range]:
    """Status codes as ranges; raises :class:`ValueError`."""
    found = []
    for status in wanted if isinstance(wanted, tuple) else (wanted,):
        match = re.fullmatch(r"(\d{3})(?:-(\d{3}))?", str(status))
        if match is None or not 100 <= int(match[1]) <= int(match[2] or match[1]) <= 599:
            raise ValueError(f'expected a status such as 200 or "200-399", got {show(status)}')
        found.append(range(int(match[1]), int(match[2] or match[1]) + 1))
    return found
