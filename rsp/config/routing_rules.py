"""What can be wrong with the part of a route that says which requests it is for."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import quote

from rsp.config import slips
from rsp.config.errors import Path
from rsp.config.route_rule import hosts_of, is_conditional
from rsp.config.routes import Route
from rsp.config.routing_words import modifier, without_lookaround
from rsp.config.schema import Listener
from rsp.config.struct import TOKEN
from rsp.config.units import Listen, show
from rsp.http.paths import normalise_path
from rsp.http.regex import Pattern

_LABELS: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9\-_]|\.(?!\.))*"
_HOST: Final = re.compile(rf"\*|(?:\*\.)?{_LABELS}|{_LABELS}\.\*|\[[0-9A-Fa-f:.]+\]")
_PARAMETER: Final = re.compile(r"\{\*?[A-Za-z_][A-Za-z0-9_.\-]*\}")  # of a router elsewhere
_GLOB: Final = re.compile(r"\^?[A-Za-z0-9/_.\-]*/\*\$?")
_BEFORE: Final = "declare a route for the other paths before this one"

Mistakes = Iterator[tuple[Path, str]]


def mistakes(route: Route, _upstreams: Collection[str]) -> Mistakes:
    """Each mistake in ``route``: the path to it, and what is wrong."""
    for host in route.hosts:
        yield from _host_mistakes(host)
    yield from _combinations(route)
    yield from _path_mistakes("path", route.path)
    if route.exact is not None:
        yield from _path_mistakes("exact", route.exact)
    if route.regex is not None:
        yield from _regex_mistakes(route.regex)
    yield from _method_mistakes(route.methods or ())


def unheard(routes: Iterable[Route], listeners: Mapping[str, Listener]) -> Iterator[tuple[int, str]]:
    """The number of each route whose ``listener`` no request for it can arrive at, and the mistake."""
    for number, route in enumerate(routes):
        for name in route.listeners:
            try:
                listener = listeners.get(Listen.parse(name))
            except ValueError as error:
                yield number, f"listener: {error}"
                continue
            if listener is None:
                listed = ", ".join(map(show, listeners)) or "none"
                yield number, f"listener = {show(name)}: there is no such listen; declared: {listed}"
            elif listener.redirect is not None:
                yield number, f"listener = {show(name)}: that listener redirects all its requests"


def shadowed(routes: Iterable[Route]) -> Iterator[tuple[int, int, str]]:
    """The number of each route that no request can come to, that of a route before it that takes them, and the mistake;
    ``{other}`` in it is the place of the latter."""
    declared: dict[str, int] = {}
    taken: dict[tuple[str, str], int] = {}  # by a route without conditions
    listed = list(routes)
    for number, route in enumerate(listed):
        places = [(host, _path_of(route)) for host in hosts_of(route)]
        other = declared.setdefault(f"{sorted(places)} {_conditions_of(route)}", number)
        if other != number:
            yield number, other, f"this route is declared twice (first at {{other}}){_beside(listed[other], route)}"
        elif all(place in taken for place in places):
            way = "; declare this one before it" if is_conditional(route) else ""
            way = way or _beside(listed[taken[places[0]]], route)
            yield (
                number,
                taken[places[0]],
                (f"route: no request can match this route: the route at {{other}} matches all its requests{way}"),
            )
        elif not is_conditional(route):
            for place in places:
                taken.setdefault(place, number)


def _beside(first: Route, second: Route) -> str:
    """What to write instead of a second route for what the first has no file for."""
    if first.files is None or second.to is None or first.else_to is not None or first.fallback is not None:
        return ""
    return f"; for requests without a file write else_to = {show(second.to)} there, and no second route"


def _conditions_of(route: Route) -> str:
    named = sorted(route.headers.items()), sorted(route.cookies.items()), sorted(route.query.items())
    return f"{sorted(route.listeners)} {sorted(route.methods or ())} {named} {sorted(route.client or ())}"


def _path_of(route: Route) -> str:
    if route.regex is not None:
        return f"regex {route.regex}"
    return f"path {route.path}" if route.exact is None else f"exact {route.exact}"


def _combinations(route: Route) -> Mistakes:
    """Of keys that exclude each other."""
    kinds = [key for key in ("exact", "regex") if getattr(route, key) is not None]
    if len(kinds) == 2:
        yield ("regex",), '"exact" and "regex" cannot be used together'
    elif kinds:
        if route.path != "/":
            yield (kinds[0],), f'"{kinds[0]}" and "path" cannot be used together; leave one of them out'
        for key, what in (
            ("first", "takes precedence over regular expressions"),
            ("slash", "applies to everything below a path"),
        ):
            if getattr(route, key):
                yield (key,), f'"{key}" is for "path", which {what}, not for "{kinds[0]}"'
        if route.strip:
            yield ("strip",), f'"strip" removes "path", which does not exist with "{kinds[0]}"; write rewrite = "/..."'
    if route.slash is not None and route.path == "/" and not kinds:
        yield ("slash",), 'slash: the path "/" ends with a slash already; slash applies to a path such as "/docs"'


def _host_mistakes(host: str) -> Mistakes:
    """Why ``host`` can never be that of a request."""
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
        way = f"; write host = {show(plain)}" if _HOST.fullmatch(plain) else ""
        yield ("host",), f'host = {show(host)}: expected a name such as "example.com", without a scheme and a path{way}'
    elif len(several := re.split(r"[\s,;]+", host.strip(" ,;"))) > 1 and all(map(_HOST.fullmatch, several)):
        listed = ", ".join(map(show, several))
        yield ("host",), f"host = {show(host)}: write several names as a list: write host = {{ {listed} }}"
    elif host[:1] == "." and _HOST.fullmatch(host[1:]):
        yield ("host",), f'host = "{host}": expected a name; write "*{host}", and a route for "{host[1:]}" itself'
    elif colon and port.isdigit() and (":" not in name or name[:1] == "["):
        yield ("host",), f'host = "{host}": ports are not compared; write host = "{name}"'
    elif ":" in host and host[:1] != "[":
        yield ("host",), f'host = "{host}": an IPv6 address goes in brackets: "[{host}]"'
    elif host == "_":
        yield ("host",), 'host = "_": this is nginx syntax for every host; leave "host" out'
    elif host[:1] == "~":
        yield ("host",), f'host = {show(host)}: hosts are not regular expressions; use "*.example.com" or "app.*"'
    elif "*" in host.removeprefix("*.").removesuffix(".*") and host != "*":
        yield ("host",), f'host = "{host}": expected a name, "*.example.com" or "app.*"'
    elif _HOST.fullmatch(host) is None or len(host) > 255:
        yield ("host",), f'host = {show(host)}: expected a name such as "example.com", "*.example.com" or "app.*"'


def _path_mistakes(key: str, path: str) -> Mistakes:
    """Why ``path`` can never be that of a request, or is not what it looks like."""
    for mark in "?#":
        if mark in path:
            query = "; write query = { ... }" if mark == "?" else ""
            yield (key,), f'{key} = {show(path)}: the part from "{mark}" on is not part of the path{query}'
            return
    if "*" in path:
        prefix = path.rstrip("*")
        way = f"; write path = {show(prefix or '/')}" if "*" not in prefix else ""
        yield (key,), f'{key} = {show(path)}: "*" is not a wildcard here; a path matches everything below it{way}'
        return
    if _PARAMETER.search(path):
        pattern = show("^" + _PARAMETER.sub("([^/]+)", path) + ("$" if key == "exact" else ""))
        yield (key,), f"{key} = {show(path)}: placeholders are not supported in a path; write regex = {pattern}"
        return
    written = quote(normalise_path(path.encode("utf-8", "replace")), safe="/!\"$&'()+,;<=>@[]^`{|}~:")
    if path != written:
        yield (key,), f"{key} = {show(path)}: it matches no request; clients send {show(written)}"


def _regex_mistakes(regex: str) -> Mistakes:
    said = f"regex = {show(regex)}"
    if way := modifier(regex):
        yield ("regex",), f"{said}: {way}"
        return
    if _GLOB.fullmatch(regex):
        prefix = show(re.sub(r"^\^|/\*\$?$", "", regex) or "/")
        yield ("regex",), f'{said}: "/*" matches any number of slashes in a regular expression; write path = {prefix}'
        return
    try:
        pattern = Pattern(regex)
    except ValueError as error:
        yield ("regex",), f"{said}: {error}{without_lookaround(regex, _BEFORE)}"
        return
    if pattern.literal and pattern.literal[:1] != b"/":
        yield (
            ("regex",),
            f"{said}: it matches no path that begins with {show(pattern.literal.decode('utf-8', 'replace'))}; paths "
            'begin with "/"',
        )
    if r"\?" in regex:
        yield ("regex",), f"{said}: the query is not part of the path; write query = {{ ... }}"


def _method_mistakes(methods: Iterable[str]) -> Mistakes:
    for method in methods:
        several = re.split(r"[\s,;|]+", method.strip(" ,;|"))
        if len(several) > 1 and all(map(TOKEN.fullmatch, several)):
            yield (
                ("methods",),
                f"methods: {show(method)}: list each value separately: write {{ {_listed(several)} }}",
            )
        elif method.upper() in ("*", "ANY", "ALL"):
            yield ("methods",), f'methods: {show(method)}: for every method, leave "methods" out'
        elif not TOKEN.fullmatch(method):
            yield ("methods",), f'methods: {show(method)}: expected a method such as "GET"'
        elif method != method.upper():
            yield (
                ("methods",),
                f"methods: {show(method)}: methods are case-sensitive; write {show(method.upper())}",
            )
        elif method == "CONNECT":
            yield ("methods",), 'methods: routes never get "CONNECT": rsp answers it with 405'


def _listed(methods: list[str]) -> str:
    return ", ".join(show(method.upper()) for method in methods)
