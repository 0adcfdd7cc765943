"""What can be wrong with `auth = { forward = ... }`, `split`, `failover` and `mirror` of a route."""

import re
from collections.abc import Collection, Iterator
from typing import Final

from rsp.config.errors import Path
from rsp.config.filters import Auth
from rsp.config.routes import Route
from rsp.config.struct import TOKEN
from rsp.config.units import show
from rsp.config.upstream_names import declaration, no_such
from rsp.http.names import OURS, RESERVED, fold

_VISIBLE: Final = re.compile(r"[!-~]+")
_OF_FORWARD: Final = {"path": "/", "copy": (), "style": "forward"}


def mistakes(route: Route, upstreams: Collection[str]) -> Iterator[tuple[Path, str]]:
    """Each mistake: the path to it, and what is wrong."""
    if route.auth is not None:
        yield from _auth_mistakes(route.auth, upstreams)
    yield from _split_mistakes(route, upstreams)
    yield from _other_mistakes(route, upstreams)


# -- auth


def _auth_mistakes(auth: Auth, upstreams: Collection[str]) -> Iterator[tuple[Path, str]]:
    if auth.forward is None:
        for key, default in _OF_FORWARD.items():
            if getattr(auth, key) != default:
                yield ("auth", key), f'auth: "{key}" is for forward = "...", the upstream that is asked'
        return
    if auth.realm != "restricted":
        yield ("auth", "realm"), 'auth: "realm" is for "basic" and "jwt"; a service names its own'
    if auth.forward not in upstreams:
        yield ("auth", "forward"), f"auth: forward = {show(auth.forward)}: {_url_or_name(auth.forward, upstreams)}"
    if _VISIBLE.fullmatch(auth.path) is None or "#" in auth.path:
        yield (
            ("auth", "path"),
            f'auth: path: {show(auth.path)} is not allowed in a request; percent-encode it, as in "/caf%C3%A9"',
        )
    seen: dict[bytes, str] = {}
    for number, name in enumerate(auth.copy):
        other = seen.setdefault(fold(name.encode()), name)
        said = f'backends treat "{other}" and "{name}" as the same name' if other != name else _uncopied(name)
        if said:
            yield ("auth", "copy", number + 1), f"auth: copy: {said}"


def _url_or_name(given: str, upstreams: Collection[str]) -> str:
    """Why ``given`` is no upstream; Traefik and Caddy have a URL there."""
    found = declaration(given, "auth")
    if found is None:
        return no_such(given, upstreams)
    return (
        f"expected the name of an upstream; write {found[0]} and "
        f'auth = {{ forward = "auth", path = "{found[1] or "/"}" }}'
    )


def _uncopied(name: str) -> str:
    """Why a field of that name cannot be copied to the request; or ``""``."""
    folded = fold(name.encode())
    if "*" in name:
        return f'{show(name)}: "*" is not a wildcard here; list each field'
    if TOKEN.fullmatch(name) is None:
        return f"{show(name)} is not a valid field name"
    if folded == b"set-cookie":
        return f"{show(name)} reaches the client always; it is no field of a request"
    if folded in OURS or folded in RESERVED or folded == b"host":
        return f"{show(name)} is set by rsp itself"
    return ""


# -- split, failover, mirror


def _split_mistakes(route: Route, upstreams: Collection[str]) -> Iterator[tuple[Path, str]]:
    split = route.split
    if split is None:
        return
    for name in split.to:
        if name not in upstreams:
            yield ("split", "to", name), f"split: to: {show(name)}: {no_such(name, upstreams)}"
    if not any(split.to.values()):
        yield ("split", "to"), "split: to: every weight is 0; at least one upstream must have requests"


def _other_mistakes(route: Route, upstreams: Collection[str]) -> Iterator[tuple[Path, str]]:
    named = (("failover", route.failover), ("mirror", route.mirror))
    for key, given in named:
        if given is None:
            continue
        if given.to not in upstreams:
            yield (key, "to"), f"{key}: to = {show(given.to)}: {no_such(given.to, upstreams, 'to')}"
        elif route.upstreams == (given.to,):
            yield (key, "to"), f"{key}: to = {show(given.to)}: that is the upstream of the route; name another one"
        if not route.upstreams:
            answer = next((name for name in ("redirect", "respond") if getattr(route, name) is not None), None)
            if answer is not None:
                yield (key,), f'"{key}" is for requests that go to a peer; "{answer}" answers them here'
