"""What the types of the schema cannot say about values: rules for fields, redirects, responses, rewritten paths."""

import re
from collections.abc import Collection, Iterator
from typing import Final

from rsp.config import slips
from rsp.config.answers import HeaderRules, Redirect
from rsp.config.errors import Path
from rsp.config.placeholders import IN_FIELDS, IN_HOST, IN_KEYS, Names, canonical, unknown
from rsp.config.routes import Route
from rsp.config.struct import TOKEN
from rsp.config.units import show
from rsp.http.names import RESERVED, fold
from rsp.http.percent import has_dots

_VISIBLE: Final = re.compile(r"[!-~]+")
_HOST: Final = re.compile(r"[A-Za-z0-9.\-_:\[\]]+")
_HOST_VALUE: Final = re.compile(r"\{(?:host|authority)\}")
_RESERVED: Final = RESERVED | {b"host"}  # Host has a rule of its own, in requests
_DOLLAR: Final = re.compile(r"\$\{?([1-9][0-9]?)\}?")  # nginx's and Traefik's groups
_IN_DOLLARS: Final = re.compile(r"\$\{([A-Za-z0-9_.\-]+)\}")
_URI_AND_QUERY: Final = re.compile(r"(?<!\{)\{uri\}(?!\})[^#?]*\?([^#]*)")


def mistakes(route: Route, upstreams: Collection[str]) -> Iterator[tuple[Path, str]]:
    """Each mistake in ``route``: the path to it, and what is wrong."""
    try:
        in_fields, known = IN_FIELDS.of(route), IN_KEYS.of(route)
    except ValueError:  # which has been said already
        return
    if route.respond is not None:
        yield from _fields("respond", "headers", route.respond.headers)
        yield from _values("respond", "headers", route.respond.headers, known)
        for wrong in unknown(route.respond.body, known):
            yield ("respond", "body"), f"respond: body: {wrong}"
    if route.redirect is not None:
        target = route.redirect.to if isinstance(route.redirect, Redirect) else route.redirect
        for wrong in _redirect(target, known):
            yield ("redirect",), f"redirect: {wrong}"
    if route.rewrite is not None:
        for wrong in _rewrite(route.rewrite, known):
            yield ("rewrite",), f"rewrite: {wrong}"
    if route.else_rewrite is not None:
        for wrong in _rewrite(route.else_rewrite, known):
            yield ("else_rewrite",), f"else_rewrite: {wrong}"
    if route.rewrite_location:
        yield from _rewrite_location(route)
    if route.request_headers is not None:
        yield from field_rule_mistakes("request_headers", route.request_headers, in_fields)
    if route.response_headers is not None:
        yield from field_rule_mistakes("response_headers", route.response_headers, in_fields)


def field_rule_mistakes(key: str, rules: HeaderRules, known: Names = IN_FIELDS) -> Iterator[tuple[Path, str]]:
    """Of `request_headers` and `response_headers`; ``known``: what placeholders may be there."""
    hosts = {name: value for name, value in rules.set.items() if name.lower() == "host" and key == "request_headers"}
    for name, value in hosts.items():
        yield from _values(key, "set", {name: value}, IN_HOST)
        if not _HOST.fullmatch(_HOST_VALUE.sub("h", value)):
            yield (key, "set", name), f"{key}: set: {name}: expected a host name, with or without a port"
    others = {name: value for name, value in rules.set.items() if name not in hosts}
    yield from _fields(key, "remove", dict.fromkeys(rules.remove, ""))
    for part, fields in (("set", others), ("add", rules.add)):
        yield from _fields(key, part, fields)
        yield from _values(key, part, fields, known)


def _fields(key: str, part: str, fields: dict[str, str]) -> Iterator[tuple[Path, str]]:
    yield from slips.field_names(key, part, fields)
    for name in fields:
        if not TOKEN.fullmatch(name):
            yield (key, part, name), f"{key}: {part}: {show(name)} is not a valid field name"
        elif name.lower() == "host" and key == "request_headers":
            yield (key, part, name), f'{key}: {part}: a request has one Host; it can be "set"'
        elif fold(name.encode()) in _RESERVED:
            yield (key, part, name), f'{key}: {part}: "{name}" is set by rsp itself'


def _values(key: str, part: str, fields: dict[str, str], known: Names) -> Iterator[tuple[Path, str]]:
    for name, value in fields.items():
        for wrong in (*unknown(value, known), *_foreign(value, known)):
            yield (key, part, name), f"{key}: {part}: {name}: {wrong}"


def _foreign(value: str, known: Names) -> Iterator[str]:
    """Other programs' variables, and other programs' groups where there are some."""
    if slip := slips.variable(value):
        yield slip
    elif known.groups and (found := _DOLLAR.search(value)) is not None:
        yield f"{show(found[0])} is sent literally; write {{{found[1]}}}"


def _dollars(target: str, known: Names) -> Iterator[str]:
    """What looks like a variable in a path or URL, where nothing else has said so."""
    for found in _IN_DOLLARS.finditer(target):
        if canonical(found[1]) in known:
            yield f'{show(found[0])} has a "$" before the value; write {{{found[1]}}}'
    if not known.groups and (group := _DOLLAR.search(target)) is not None:
        needs = f'a group is {{{group[1]}}}, and needs "regex" in the place of "path"'
        yield f"{show(group[0])} is sent literally; {needs}"


def _redirect(target: str, known: Names) -> Iterator[str]:
    if not _VISIBLE.fullmatch(target):
        yield f"expected a URL without spaces, got {show(target)}"
        return
    wrong = list(unknown(target, known))
    yield from wrong
    if not wrong and (slip := slips.target_mistake(target)):
        yield slip
    else:
        yield from _foreign(target, known)
    yield from _dollars(target, known)
    yield from _two_queries(target, known)


def _rewrite(path: str, known: Names) -> Iterator[str]:
    if not _VISIBLE.fullmatch(path) or "#" in path:
        yield f'{show(path)} is not allowed in a request; percent-encode it, as in "/caf%C3%A9"'
        return
    wrong = list(unknown(path, known))
    yield from wrong
    begins = ("/", *(f"{{{name}}}" for name in ("path", "uri", *known.groups)))
    if not wrong and not path.startswith(begins):
        yield f'expected a path, which begins with "/", got {show(path)}'
    if has_dots(path.partition("?")[0].encode()):
        yield f'{show(path)} has a segment ".."; write the path that it leads to'
    yield from _foreign(path, known)
    yield from _dollars(path, known)
    yield from _two_queries(path, known)


def _two_queries(target: str, known: Names) -> Iterator[str]:
    if "uri" not in known.groups and (found := _URI_AND_QUERY.search(target)) is not None:
        own = found[1] if found[1] else "name=value"
        yield f"{{uri}} has the query of the request already; write {{path}}?{own}&{{query}}"


def _rewrite_location(route: Route) -> Iterator[tuple[Path, str]]:
    if not route.strip and route.rewrite is None:
        said = '"rewrite_location" maps back what "strip" or "rewrite" has changed, and the route has neither'
        yield ("rewrite_location",), said
    elif not route.strip and (route.exact or route.regex or re.search(r"[?{]", route.rewrite or "")):
        yield (
            ("rewrite_location",),
            '"rewrite_location" is for "strip", and for a "rewrite" of "path" without placeholders and query: '
            "nothing else can be mapped back",
        )
