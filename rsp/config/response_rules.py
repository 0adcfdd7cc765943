"""What the types of the schema cannot say about CORS, fields for browsers, buffering and the path of ``ready``."""

import re
from collections.abc import Collection, Iterator
from typing import Final

from rsp.config.errors import Path, suggest
from rsp.config.filters import Cors, SecurityHeaders
from rsp.config.routes import Route
from rsp.config.schema import Settings
from rsp.config.struct import TOKEN
from rsp.config.tls_rules import Declared, Finding, hsts_mistakes
from rsp.config.units import Size, show, spoken

_METHOD: Final = re.compile(r"[A-Z][A-Z\-]*")
_ORIGIN: Final = re.compile(
    r"([a-z][a-z0-9+.\-]*)://((?:\*\.)?[a-z0-9_\-]+(?:\.[a-z0-9_\-]+)*|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?"
)
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_FOR_PEERS: Final = ("request_buffering", "response_buffering")
_READY: Final = re.compile(r"/[!\"$-.0-9:;<=>@-~]+(?:/[!\"$-.0-9:;<=>@-~]+)*/?")
_FRAMES: Final = ("DENY", "SAMEORIGIN")
_REFERRERS: Final = (
    "no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin", "origin-when-cross-origin",
    "strict-origin-when-cross-origin", "unsafe-url",
)  # fmt: skip


def mistakes(route: Route, upstreams: Collection[str]) -> Iterator[tuple[Path, str]]:
    """Each mistake in ``route``: the path to it, and what is wrong."""
    if route.cors is not None:
        yield from _cors_mistakes(route.cors)
        if route.response_headers is not None:
            yield from _written_twice({**route.response_headers.set, **route.response_headers.add})
    yield from _security_mistakes(route.security_headers)
    held = route.response_buffering
    try:
        Size.parse(int(held) if isinstance(held, bool) else held)
    except ValueError as error:
        yield ("response_buffering",), f"response_buffering: {error}{spoken(held)}"
    answers = next((key for key in ("redirect", "respond") if getattr(route, key) is not None), None)
    if answers is not None and route.on_request is None:  # a hook could still send it to a peer
        for key in _FOR_PEERS:
            if getattr(route, key):
                yield (key,), f'"{key}" is for requests that go to a peer; "{answers}" answers them here'


def setting_mistakes(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Each mistake in ``settings``: the path to it, and what is wrong."""
    yield from _security_mistakes(settings.security_headers)
    path = settings.ready
    if path is not None and (_READY.fullmatch(path) is None or "/./" in f"{path}/" or "/../" in f"{path}/"):
        yield ("ready",), f'ready: expected a path such as "/readyz", as clients send it, got {show(path)}'


def hidden(declared: Declared) -> Iterator[Finding]:
    """Routes that the setting ``ready`` answers for."""
    ready = declared.settings.ready
    for route in declared.routes:
        if ready is not None and route.exact == ready:
            said = (
                f"exact: no request can match this route: the setting ready = {show(ready)} answers this path on "
                "every listener"
            )
            yield Finding(route, ("exact",), f"{said}; choose another path for one of them")


# -- cors


def _cors_mistakes(cors: Cors) -> Iterator[tuple[Path, str]]:
    for number, origin in enumerate(cors.origins):
        said = _why_no_origin(origin)
        if cors.credentials and origin in ("*", "null"):
            said = "with credentials, every site could act on behalf of its visitors; list the origins"
        if said:
            yield ("cors", "origins", number), f"cors: origins: {show(origin)}: {said}"
    for number, method in enumerate(cors.methods):
        if method != "*" and _METHOD.fullmatch(method) is None:
            way = f"; write {show(method.upper())}" if _METHOD.fullmatch(method.upper()) else ""
            yield ("cors", "methods", number), f"cors: methods: {show(method)} is not a valid method name{way}"
    for key in ("headers", "expose"):
        for number, name in enumerate(getattr(cors, key)):
            if TOKEN.fullmatch(name) is None:
                yield ("cors", key, number), f"cors: {key}: {show(name)} is not a valid field name"
    if cors.credentials and "*" in cors.expose:
        number = cors.expose.index("*")
        yield (
            ("cors", "expose", number),
            'cors: expose: with credentials, browsers treat "*" as the name of a field; list the fields',
        )


def _why_no_origin(origin: str) -> str:
    """Why no browser sends an Origin that ``origin`` means; empty: browsers may."""
    if origin in ("*", "null"):
        return ""
    if re.search(r"[\s,]", origin.strip()):
        return "expected one origin; write a list of them"
    if not origin.isascii():
        return "browsers send host names in ASCII: " + _in_ascii(origin)
    lower = origin.lower()
    match = _ORIGIN.fullmatch(lower)
    if match is not None:
        if match[3] is not None and _DEFAULT_PORTS.get(match[1]) == match[3]:
            return f"browsers omit the default port; write {show(lower.rpartition(':')[0])}"
        return ""
    if "://" not in origin:
        return f"expected a scheme as well; write {show(f'https://{lower}')}"
    scheme, _, rest = lower.partition("://")
    host = re.split(r"[/?#]", rest)[0]
    if host != rest and _ORIGIN.fullmatch(f"{scheme}://{host}"):
        return f"an origin takes no path; write {show(f'{scheme}://{host}')}"
    if host.endswith(":*"):
        return "patterns are not supported for ports; list each port"
    if "*" in host:
        return 'expected a pattern such as "https://*.example.com"'
    return 'expected an origin such as "https://app.example.com"'


def _in_ascii(origin: str) -> str:
    scheme, mark, host = origin.partition("://")
    try:
        return show(f"{scheme}{mark}{host.encode('idna').decode()}")
    except UnicodeError:
        return 'expected an origin such as "https://app.example.com"'


def _written_twice(fields: Collection[str]) -> Iterator[tuple[Path, str]]:
    for name in fields:
        if name.lower().startswith("access-control-"):
            yield ("response_headers",), f'response_headers: "cors" sets {name}; leave it out here'


# -- security_headers


def _security_mistakes(given: bool | SecurityHeaders | None) -> Iterator[tuple[Path, str]]:
    if not isinstance(given, SecurityHeaders):
        return
    where = "security_headers"
    if given.content_type_options not in ("nosniff", ""):
        got = show(given.content_type_options)
        yield (where, "content_type_options"), f'{where}: content_type_options: expected "nosniff" or "", got {got}'
    frames = given.frame_options
    if frames and frames.upper() not in _FRAMES:
        way = '; browsers ignore this value; write content_security_policy = "frame-ancestors https://app.example.com"'
        got = show(frames) + (way if "ALLOW" in frames.upper() else "")
        yield (where, "frame_options"), f'{where}: frame_options: expected "DENY", "SAMEORIGIN" or "", got {got}'
    for policy in filter(None, re.split(r"\s*,\s*", given.referrer_policy.strip().lower())):
        if policy not in _REFERRERS:
            near = suggest(policy, _REFERRERS) if policy not in ("none", "off") else '; write "no-referrer"'
            said = f'{where}: referrer_policy: browsers do not know {show(policy)}{near}; "same-origin" is one'
            yield (where, "referrer_policy"), said
    for path, message in hsts_mistakes(given.hsts):
        yield (where, *path), f"{where}: {message}"
