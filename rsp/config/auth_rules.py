"""What can be wrong with `auth` of a route beside what `forward` takes, its warnings, and the files and URLs that it
names."""

import re
from collections.abc import Collection, Iterator
from typing import Final

from rsp.config.errors import Path
from rsp.config.filters import Jwt
from rsp.config.http_url import HttpUrl
from rsp.config.routes import Route
from rsp.config.schema import Config
from rsp.config.units import show

USERS: Final = "htpasswd"  # kinds of files, as they travel
KEYS: Final = "jwks"
FILE: Final = "file:"
_LEAST_REFRESH: Final = 10.0
_MOST_LEEWAY: Final = 3600.0
_EXAMPLE: Final = '"https://id.example.com/jwks.json" or "file:keys.json"'
_HASH: Final = re.compile(r"[^:/]+:(?:\$|\{)")


def key_url(jwks: str) -> HttpUrl:
    """Where keys are fetched.  Raises :class:`ValueError` saying what was expected, without credentials."""
    url = HttpUrl.parse(jwks, _EXAMPLE, "the URL contains credentials; keys are public, so remove them")
    if url.target.rstrip("/").endswith("/.well-known/openid-configuration"):
        raise ValueError('that document contains the URL of the keys as "jwks_uri"; write that URL')
    return url


def mistakes(route: Route, _upstreams: Collection[str]) -> Iterator[tuple[Path, str]]:
    """Each mistake: the path to it, and what is wrong."""
    auth = route.auth
    if auth is None:
        return
    ways = [name for name in ("basic", "forward", "jwt") if getattr(auth, name) is not None]
    if not ways:
        yield ("auth",), 'auth: expected "basic" (a file), "jwt" (a table) or "forward" (an upstream)'
    elif len(ways) > 1:
        yield ("auth", ways[1]), f'auth: "{ways[0]}" and "{ways[1]}" cannot be used together'
    if auth.basic is not None and (wrong := _file_mistake(auth.basic)):
        yield ("auth", "basic"), f"auth: basic: {wrong}"
    if auth.jwt is not None:
        for key, wrong in _jwt_mistakes(auth.jwt):
            yield ("auth", "jwt", key), f"auth: jwt: {key}: {wrong}"


def _file_mistake(name: str) -> str:
    """``basic`` is the name of a file; it is not shown where it may be a password."""
    if _HASH.match(name):
        return 'expected the name of a file that has such lines: basic = "htpasswd"'
    return f'write basic = {show(name.removeprefix(FILE))}, without "file:"' if name.startswith(FILE) else ""


def _jwt_mistakes(jwt: Jwt) -> Iterator[tuple[str, str]]:
    if jwt.jwks.startswith(FILE):
        if jwt.jwks == FILE:
            yield "jwks", f"expected {_EXAMPLE}"
        if jwt.ca is not None:
            yield "ca", "it applies to keys that are fetched by https, not to keys in a file"
    else:
        yield from _url_mistakes(jwt)
    if not jwt.refresh >= _LEAST_REFRESH:
        yield "refresh", f"expected {_LEAST_REFRESH:g} seconds or more"
    if jwt.leeway > _MOST_LEEWAY:
        yield "leeway", "expected an hour or less"
    if jwt.audience == ():
        yield "audience", "the list is empty, so no token can match"
    for name, wanted in jwt.claims.items():
        if name in ("iss", "aud", "exp", "nbf", "iat"):
            own = {"iss": "; write issuer = ...", "aud": "; write audience = ..."}.get(name, "")
            yield "claims", f'"{name}" is always checked{own}'
        elif wanted == ():
            yield "claims", f"{show(name)}: the list is empty, so no token can match"


def _url_mistakes(jwt: Jwt) -> Iterator[tuple[str, str]]:
    try:
        url = key_url(jwt.jwks)
    except ValueError as error:
        yield "jwks", str(error)
        return
    if jwt.ca is not None and not url.is_secure:
        yield "ca", "it applies to https, but the keys are fetched by http"


def warnings(route: Route) -> Iterator[tuple[Path, str]]:
    """What is allowed, and probably not meant."""
    jwt = route.auth.jwt if route.auth is not None else None
    if jwt is None:
        return
    if jwt.audience is None and not jwt.claims:
        yield (
            ("auth", "jwt"),
            "auth: jwt: without audience, tokens that the issuer made for other services are accepted; add audience "
            '= "..."',
        )
    if jwt.jwks[:7].lower() == "http://" and not _is_local(key_url(jwt.jwks).address.host):
        yield (
            ("auth", "jwt", "jwks"),
            "auth: jwt: jwks: keys that are fetched without TLS can be replaced in transit; use https",
        )


def _is_local(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


# -- what is read and fetched


def named(route: Route) -> Iterator[tuple[Path, str]]:
    """Each file that ``auth`` names: the path to it, and its name."""
    auth = route.auth
    if auth is None:
        return
    if auth.basic is not None:
        yield ("auth", "basic"), auth.basic
    if auth.jwt is not None and auth.jwt.jwks.startswith(FILE):
        yield ("auth", "jwt", "jwks"), auth.jwt.jwks.removeprefix(FILE)
    if auth.jwt is not None and auth.jwt.ca is not None:
        yield ("auth", "jwt", "ca"), auth.jwt.ca


def issuer_authority(route: Route) -> str | None:
    """The file with the authorities of the server that has the keys, if one is named."""
    return route.auth.jwt.ca if route.auth is not None and route.auth.jwt is not None else None


def fetched(config: Config) -> dict[str, Jwt]:
    """Each set of keys that is fetched, by its :attr:`Jwt.source`: one of the declarations that name it."""
    found: dict[str, Jwt] = {}
    for route in config.routes:
        jwt = route.auth.jwt if route.auth is not None else None
        if jwt is None or jwt.jwks.startswith(FILE):
            continue
        known = found.get(jwt.source)
        if known is None or jwt.refresh < known.refresh:
            found[jwt.source] = jwt
    return found
