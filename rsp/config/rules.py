"""What the types of the schema cannot say about settings, a route or an upstream."""

import re
from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from rsp.config import cpus, discovery_rules, fastcgi_rules, label_rules, proxy_protocol_rules, tls_rules
from rsp.config.errors import Path
from rsp.config.failure import Health
from rsp.config.limits import ROUTE_LIMITS, ROUTE_TIMEOUTS
from rsp.config.placeholders import IN_KEYS, unknown
from rsp.config.routes import Route
from rsp.config.schema import Listener, Settings
from rsp.config.struct import TOKEN
from rsp.config.units import Duration, Size, show
from rsp.config.upstream_names import no_such
from rsp.config.upstreams import Upstream
from rsp.config.value_rules import field_rule_mistakes
from rsp.http.names import FORWARDED, OWN, fold, learn

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_VISIBLE = re.compile(r"[!-~]+")
_NOT_TEXT = "this is not UTF-8 text"
# Texts that never reach a head, so that they may have lines; each of ``params`` has rules of its own.
_FREE = frozenset(("body",))
_FREE_IN = frozenset(("params",))
LEAST_LUA_MEMORY = 8 << 20
_LONGEST_POLL: Final = Duration(0.001)
_KEYS = ("client", "uri", "path", "host", "header", "cookie")
_HOST = re.compile(r"[A-Za-z0-9.\-_:\[\]]+")
_REMOVED = "removed"  # the label of metrics


def unsendable(value: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Each text in ``value`` that no head and no log line may have: with control characters, or not UTF-8.

    Every declaration passes here, so that a new key cannot be forgotten (RFC 9110 section 5.5).
    """
    if isinstance(value, str):
        free = not _FREE.isdisjoint(path[-1:]) or not _FREE_IN.isdisjoint(path[-2:-1])
        try:
            value.encode()
        except UnicodeEncodeError:
            yield path, _NOT_TEXT
            return
        if not free and _CONTROL.search(value) is not None:
            yield path, "the value contains a control character or a line break"
    elif isinstance(value, msgspec.Struct):
        for name, key in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
            yield from unsendable(getattr(value, name), (*path, key))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from unsendable(name, path)
            yield from unsendable(item, (*path, name))
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from unsendable(item, (*path, number))


def unreadable(value: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Each text of a declaration that is not UTF-8: msgspec can say nothing about it."""
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        yield path, _NOT_TEXT
    elif isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from unreadable(item, (*path, key))


def setting_mistakes(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Each mistake in ``settings``: the path to it, and what is wrong."""
    if settings.lua.memory < LEAST_LUA_MEMORY:
        yield ("lua", "memory"), f"lua: memory: expected {Size(LEAST_LUA_MEMORY)} or more"
    for number, name in enumerate(settings.keep_forwarded):
        folded = fold(name.encode())
        if folded in OWN or learn(name.encode()) != FORWARDED:
            written = "rsp sets it itself" if folded in OWN else "it is not a forwarded field that rsp drops"
            yield ("keep_forwarded", number), f"keep_forwarded: {show(name)}: {written}"
    if settings.via is not None and re.fullmatch(r"[!-+\--~]+", settings.via) is None:
        yield ("via",), f'via: expected a name such as "edge", got {show(settings.via)}'
    if settings.busy_poll > _LONGEST_POLL:
        yield ("busy_poll",), f'busy_poll: expected at most "{_LONGEST_POLL}", got "{settings.busy_poll}"'
    yield from cpus.mistakes(settings.cpu_affinity)
    yield from label_rules.mistakes(settings)

    if settings.response_headers is not None:
        yield from field_rule_mistakes("response_headers", settings.response_headers)


def _name_mistakes(name: str | None) -> Iterator[tuple[Path, str]]:
    if name == _REMOVED:
        yield ("name",), f'name: metrics count routes that a reload has removed as "{name}"; choose another name'


def _idle_keys(route: Route, answer: str) -> Iterator[tuple[Path, str]]:
    of_paths = () if answer == "files" else ("strip", "rewrite")  # they say which file as well
    for name in (*of_paths, "rewrite_location", "send_host", "request_headers", "on_upstream"):
        if getattr(route, name):
            yield (name,), f'"{name}" is for requests that go to a peer; "{answer}" answers them here'


def _url_path(key: str, path: str) -> Iterator[tuple[Path, str]]:
    if _VISIBLE.fullmatch(path) is None or "#" in path:
        yield (key,), f'{key}: {show(path)} is not allowed in a request; percent-encode it, as in "/caf%C3%A9"'


def _directory(to: str) -> str:
    return f"no such upstream; a directory is served by files = {show(to)}" if re.match(r"\.{0,2}/", to) else ""


def route_mistakes(route: Route, upstreams: Collection[str]) -> Iterator[tuple[Path, str]]:
    """Each mistake in ``route``: the path to it, and what is wrong."""
    answers = [name for name in ("to", "redirect", "respond", "split", "files") if getattr(route, name) is not None]
    if not answers:
        yield (), 'missing "to" (or "files", "redirect", "respond", "split")'
    elif len(answers) > 1:
        beside = f'; write else_to = "{route.to}" for requests without a file' if answers == ["to", "files"] else ""
        yield (answers[1],), f'"{answers[0]}" and "{answers[1]}" cannot be used together{beside}'
    if route.to is not None and route.to not in upstreams:
        yield ("to",), f'to = "{route.to}": {_directory(route.to) or no_such(route.to, upstreams, "to")}'
    yield from _name_mistakes(route.name)
    if route.send_host is not None and not _HOST.fullmatch(route.send_host):
        yield ("send_host",), f'send_host = "{route.send_host}": expected a host name, with or without a port'
    if answers and not route.upstreams and route.on_request is None:  # a hook could still send it to a peer
        yield from _idle_keys(route, answers[0])
    if route.strip and route.rewrite is not None:
        yield ("rewrite",), '"strip" and "rewrite" cannot be used together'
    for key, allowed in (("timeouts", ROUTE_TIMEOUTS), ("limits", ROUTE_LIMITS)):
        given = getattr(route, key)
        for name in given.__struct_fields__ if given is not None else ():
            if getattr(given, name) is not None and name not in allowed:
                yield (key, name), f'{key}: "{name}" cannot be set for a route, only for a listener or for all'


def listener_mistakes(listener: Listener) -> Iterator[tuple[Path, str]]:
    """Each mistake in ``listener``: the path to it, and what is wrong."""
    yield from tls_rules.listener_mistakes(listener)
    yield from proxy_protocol_rules.listener_mistakes(listener)


def upstream_mistakes(upstream: Upstream) -> Iterator[tuple[Path, str]]:
    """Each mistake in ``upstream``: the path to it, and what is wrong."""
    yield from proxy_protocol_rules.upstream_mistakes(upstream)
    yield from _peer_mistakes(upstream)
    if not upstream.given:
        yield (
            (),
            'no peers: add addresses such as "127.0.0.1:8000", or  discover = "etcd://127.0.0.1:2379/services/app/"',
        )
    elif all(peer.backup for peer in upstream.given):
        yield (), "every peer is a backup; at least one peer must not be"
    for message in _key_mistakes(upstream):
        yield ("key",), message
    if upstream.http == "auto" and upstream.secure is None and upstream.protocol == "http":
        yield (
            ("http",),
            'http = "auto" needs tls: without TLS there is no handshake in which a peer could select the version; '
            "add tls = true, or write http = 1 or http = 2",
        )
    yield from fastcgi_rules.mistakes(upstream)
    yield from discovery_rules.mistakes(upstream)
    health = upstream.checks
    if isinstance(upstream.health, str) and upstream.health not in ("tcp", "grpc") and upstream.health[:1] != "/":
        said = f'; write "/{upstream.health}"' if re.fullmatch(r"[\w./-]+", upstream.health) else ""
        yield ("health",), f'health: expected a path, "tcp", "grpc" or a table, got {show(upstream.health)}{said}'
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
    if upstream.retry.on_grpc and upstream.http == 1 and upstream.protocol == "http":
        yield ("retry", "on_grpc"), "retry: on_grpc: gRPC needs HTTP/2 at the peers; add http = 2 to the upstream"
    sticky = upstream.stickiness
    if sticky is not None and not TOKEN.fullmatch(sticky.cookie):
        yield ("sticky", "cookie"), f"sticky: {show(sticky.cookie)} is not a valid cookie name"
    if sticky is not None and not re.fullmatch(r"[!-+\--:<-~]+", sticky.path):
        yield ("sticky", "path"), f"sticky: path: {show(sticky.path)} is not allowed in a cookie"
    for failing in (upstream.failures, upstream.outlier_rules):
        if failing is not None and failing.longest < failing.out:
            key = "failures" if failing is upstream.failures else "outliers"
            yield (key, "longest"), f'{key}: longest: {failing.longest} is less than "out" ({failing.out})'


def _peer_mistakes(upstream: Upstream) -> Iterator[tuple[Path, str]]:
    seen: set[str] = set()
    for number, peer in enumerate(upstream.peers, 1):
        if peer.address.is_discovered:
            yield (number,), f'peer "{peer.address}": expected "host:port", "[v6]:port" or "unix:/path"'
        if peer.address in seen:
            yield (number,), f'peer "{peer.address}" is listed twice (for a larger share, use "weight")'
        seen.add(peer.address)


def _key_mistakes(upstream: Upstream) -> Iterator[str]:
    if upstream.policy != "hash" and upstream.key != "client":
        yield f'"key" is for policy "hash", not for "{upstream.policy}"'
    kind, colon, name = upstream.key.partition(":")
    if "{" in upstream.key:
        for wrong in unknown(upstream.key, IN_KEYS):
            yield f"key: {wrong}"
    elif kind not in _KEYS or bool(colon) != (kind in ("header", "cookie")) or (colon and not TOKEN.fullmatch(name)):
        listed = f"{' or '.join(_KEYS)}, the last two with a :NAME, got {show(upstream.key)}"
        yield f'key: expected {listed}; or a text with placeholders, such as "{{client}} {{host}}"'


_BY_HTTP = Health()


def _grpc_mistakes(upstream: Upstream, health: Health) -> Iterator[tuple[Path, str]]:
    if health.type != "grpc" and health.service:
        yield ("health", "service"), f'health: "service" is for type = "grpc", not for "{health.type}"'
    if health.type == "grpc" and upstream.http == 1 and health.port is None and upstream.protocol == "http":
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
