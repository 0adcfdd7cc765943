"""What can be wrong with a route's conditions on fields, cookies and parameters, and what is probably not meant."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final
from urllib.parse import unquote_plus

from rsp.config.errors import Path
from rsp.config.routes import Route
from rsp.config.routing_words import modifier, without_lookaround
from rsp.config.struct import TOKEN
from rsp.config.units import show
from rsp.config.value_match import ValueMatch, ValuePattern, Wanted, literals_of, regexes_of, texts_of
from rsp.http.names import ANY_CASE, CONNECTION, DROPPED, HOP_BY_HOP, TE, learn
from rsp.http.regex import Pattern

_UNSEEN: Final = (CONNECTION, DROPPED, HOP_BY_HOP, TE)
_EXPRESSION: Final = re.compile(r"\^|.*(?:\.[*+]|\\[.wdsb]|\$$)", re.DOTALL)
_WILDCARD: Final = re.compile(r"(\*?)([^*]*)(\*?)")
_PLACEHOLDER: Final = re.compile(r"\{[a-z_]+(?:\.[\w\-]+)?\}|\$[a-z_]{3,}|%\[")
_RANGES: Final = re.compile(r"accept|if-", re.IGNORECASE)  # fields in which "*" is a value, or part of it
_OF_RESPONSES: Final = re.compile(
    r"access-control-(?:allow|expose)-.*|content-security-policy|etag|location|permissions-policy|referrer-policy|server"
    r"|set-cookie|strict-transport-security|vary|www-authenticate|x-content-type-options|x-frame-options|x-powered-by"
    r"|x-xss-protection",
    re.IGNORECASE,
)  # that clients do not send
_CONDITION: Final = "this is a condition on requests"

Mistakes = Iterator[tuple[Path, str]]


def mistakes(route: Route, _upstreams: Collection[str]) -> Mistakes:
    """Each mistake in the conditions of ``route``: the path to it, and what is wrong."""
    checks: tuple[tuple[str, Mapping[str, Wanted], Callable[[str, Wanted], Iterator[str]]], ...] = (
        ("headers", route.headers, _field_mistakes),
        ("cookies", route.cookies, _cookie_mistakes),
        ("query", route.query, _query_mistakes),
    )
    for key, wanteds, check in checks:
        for name, wanted in wanteds.items():
            said = list(check(name, wanted))
            for message in said[:1] or _pattern_mistakes(key, name, wanted):
                yield (key, name), f"{key}: {message}"


def warnings(route: Route) -> Mistakes:
    """What is allowed, and probably not meant."""
    for name, wanted in route.headers.items():
        texts = [wanted] if isinstance(wanted, str) else []
        if texts and _OF_RESPONSES.fullmatch(name):
            way = f'response_headers = {{ set = {{ ["{name}"] = {show(wanted)} }} }}'
            yield ("headers", name), f"headers: {_CONDITION}; clients do not send {name}; to set it, write {way}"
        elif any(map(_PLACEHOLDER.search, texts)):
            way = f'request_headers = {{ set = {{ ["{name}"] = {show(wanted)} }} }}'
            yield ("headers", name), f"headers: {_CONDITION}, without placeholders; to set the field, write {way}"
    for key, wanteds in (("headers", route.headers), ("cookies", route.cookies), ("query", route.query)):
        for name, wanted in wanteds.items():
            if isinstance(wanted, str) and (way := _elsewhere(name, wanted)):
                yield (key, name), f"{key}: {name}: {show(wanted)} is compared with the whole value; {way}"


def _elsewhere(name: str, text: str) -> str:
    """What to write for what other programs take for a pattern."""
    wild = _WILDCARD.fullmatch(text)
    if wild is not None and text[-2:] != ".*" and (wild[1] or wild[3]) and not _RANGES.match(name) and "/" not in text:
        if not wild[2]:
            return "for any value write true"
        key = "contains" if wild[1] and wild[3] else "suffix" if wild[1] else "prefix"
        return f"write {{ {key} = {show(wild[2])} }}"
    return f"write {{ regex = {show(text)} }}" if _EXPRESSION.match(text) else ""


def _field_mistakes(name: str, wanted: Wanted) -> Iterator[str]:
    if not TOKEN.fullmatch(name):
        yield f"{show(name)} is not a valid field name"
    elif name.lower() == "host" and not any(regexes_of(wanted)):
        yield f"{show(name)}: write host = {show(wanted) if isinstance(wanted, str) else '...'}"
    elif learn(name.encode()) in _UNSEEN:
        yield f"{show(name)}: rsp removes this field before a route is chosen"
    elif any(text != text.strip(" \t") for text in _edges(wanted)):
        yield f"{name}: a value cannot begin or end with a space"


def _edges(wanted: Wanted) -> Iterator[str]:
    """Texts with which a value begins or ends, without what is not at its edges."""
    if isinstance(wanted, ValueMatch):
        yield from (text[:1] for text in texts_of(wanted.prefix))
        yield from (text[-1:] for text in texts_of(wanted.suffix))
        if wanted.except_ is not None and not isinstance(wanted.except_, ValuePattern):
            yield from texts_of(wanted.except_)
    elif not isinstance(wanted, bool):
        yield from texts_of(wanted)


def _cookie_mistakes(name: str, wanted: Wanted) -> Iterator[str]:
    if not TOKEN.fullmatch(name):
        yield f"{show(name)} is not a valid cookie name"
    elif any(";" in text for text in literals_of(wanted)):
        yield f'{name}: ";" ends a cookie, so no value contains it'


def _query_mistakes(name: str, wanted: Wanted) -> Iterator[str]:
    if not name or any(mark in name for mark in "?&=#"):
        yield f'{show(name)}: expected the name of a parameter, as in {{ v = "2" }}'
        return
    for text in (name, *literals_of(wanted)):
        if "%" in text and unquote_plus(text) != text:
            yield f"{show(text)}: parameters are compared decoded; write {show(unquote_plus(text))}"


def _pattern_mistakes(key: str, name: str, wanted: Wanted) -> Iterator[str]:
    if isinstance(wanted, str) and wanted.startswith("~") and (way := modifier(wanted)):
        yield f"{name}: {way.replace('write regex = ', 'write { regex = ')} }}"
    folded = key == "headers" and name.lower().encode() in ANY_CASE
    for regex in regexes_of(wanted):
        said = f"{name}: regex = {show(regex)}"
        if way := modifier(regex):
            yield f"{said}: {way}"
            continue
        try:
            Pattern(f"(?i){regex}" if folded else regex)
        except ValueError as error:
            yield f"{said}: {error}{without_lookaround(regex, 'use except = { regex = ... }')}"
