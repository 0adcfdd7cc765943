"""What the types of the schema cannot say about TLS: within a declaration, and between declarations."""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from rsp.config.engine_files import TLS_KEYS, engines
from rsp.config.engines import Store
from rsp.config.errors import Path, suggest
from rsp.config.placeholders import IN_TLS, Template
from rsp.config.route_rule import hosts_of, is_conditional, is_over_tls
from rsp.config.routes import Route
from rsp.config.schema import Listener, Settings
from rsp.config.tls import Certificate, Hsts, Tls, UpstreamTls
from rsp.config.tls_words import CERTIFICATE, SECURE
from rsp.config.units import Duration, show
from rsp.config.upstreams import Upstream

PROFILES: Final = ("intermediate", "modern")
_NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9\-_.]{0,252}[A-Za-z0-9_])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]+")
_PRELOAD: Final = 365 * 86400  # seconds that browsers' lists ask for (hstspreload.org)
_ADDRESS: Final = re.compile(r"[0-9.]+|\[[0-9a-f:.]+\]")
_OF_CLIENTS: Final = ("client_ca", "client_crl", "client_verify")


class Declared(NamedTuple):
    """What a file declares, as far as TLS is about it."""

    settings: Settings
    listeners: Sequence[Listener]
    upstreams: Sequence[Upstream]
    routes: Sequence[Route]
    certificates: Sequence[Certificate]
    stores: Sequence[Store] = ()

    @property
    def is_secure(self) -> bool:
        """Whether clients can speak TLS to rsp at all."""
        return any(listener.tls for listener in self.listeners)


class Finding(NamedTuple):
    """``owner``: the declaration; ``path``: where in it.  ``{other}`` in the message is the place of ``other``."""

    owner: msgspec.Struct
    path: Path
    message: str
    other: msgspec.Struct | None = None


# -- single declarations


def setting_mistakes(settings: Settings) -> Iterator[tuple[Path, str]]:
    yield from _version_mistakes(settings.tls)
    yield from hsts_mistakes(settings.hsts)


def _version_mistakes(tls: Tls) -> Iterator[tuple[Path, str]]:
    if tls.ciphers == "modern" and tls.min == "1.2":
        yield (
            ("tls", "min"),
            'tls: ciphers = "modern" means TLS 1.3 only, which contradicts min = "1.2"; leave one of them out',
        )
    wrong = _cipher_mistake(tls.ciphers) if tls.ciphers not in PROFILES else None
    if wrong is not None:
        yield ("tls", "ciphers"), f"tls: ciphers: {wrong}"


def _cipher_mistake(ciphers: str) -> str | None:
    """Why a list that is in no profile cannot be used."""
    import ssl  # not for masters, which import this module

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.set_ciphers(ciphers)
    except ssl.SSLError:
        return (
            f'{show(ciphers)} has no cipher that OpenSSL knows; expected "intermediate", "modern", or a list as for '
            f"openssl ciphers{suggest(ciphers, PROFILES)}"
        )
    for cipher in context.get_ciphers():
        if cipher["auth"] == "auth-null" or cipher["strength_bits"] == 0:
            return f'{show(ciphers)} has {cipher["name"]}, which does not protect connections; append ":!aNULL:!eNULL"'
    return None


def hsts_mistakes(hsts: bool | str | Hsts | None) -> Iterator[tuple[Path, str]]:
    if isinstance(hsts, str):
        try:
            Duration.parse(hsts)
        except ValueError:
            yield ("hsts",), f'hsts: expected true, a duration such as "30d", or a table, got {show(hsts)}'
    elif isinstance(hsts, Hsts) and hsts.preload and not (hsts.subdomains and hsts.max_age >= _PRELOAD):
        yield (
            ("hsts", "preload"),
            'hsts: preload: the preload lists of browsers require subdomains = true and max_age = "365d" or more',
        )


def listener_mistakes(listener: Listener) -> Iterator[tuple[Path, str]]:
    if listener.tls and listener.redirect is not None:
        yield ("redirect",), 'redirect = "https" is for a listener without TLS, and this one has tls = true'
    if listener.tls and listener.http2 == "prior-knowledge":
        yield (
            ("http2",),
            ('http2 = "prior-knowledge" is for a listener without TLS; tls = true includes HTTP/2 already'),
        )
    if not listener.tls and listener.http2 is True:
        yield (
            ("http2",),
            "http2 = true is for a listener with tls = true; without TLS, for clients that begin with HTTP/2 at once, "
            'write http2 = "prior-knowledge"',
        )


def route_mistakes(route: Route, given: Collection[str]) -> Iterator[tuple[Path, str]]:
    """``given``: the keys that the file has, because "required" is a default as well."""
    yield from hsts_mistakes(route.hsts)
    if route.client_ca is None:
        for key in ("client_crl", "client_verify"):
            if key in given:
                yield (key,), f'"{key}" needs "client_ca", the file with the authorities of clients'


def upstream_mistakes(upstream: Upstream) -> Iterator[tuple[Path, str]]:
    secure = upstream.secure
    if secure is None:
        return
    yield from secure_mistakes(secure, "these peers")
    if secure.name is None:
        unix = next((peer.address for peer in upstream.peers if peer.address.is_unix), None)
        if unix is not None and secure.verify:
            yield (
                ("tls",),
                f'tls: "{unix}" has no host name to verify; add the name in its certificate: tls = {{ name = "..." }}',
            )


def secure_mistakes(secure: UpstreamTls, peers: str) -> Iterator[tuple[Path, str]]:
    """``peers``: what is asked over this TLS."""
    if secure.certificate is None:
        for key in ("key", "password"):
            if getattr(secure, key) is not None:
                yield ("tls", key), f'tls: "{key}" needs "certificate", rsp\'s own for {peers}'
    if secure.name is not None and _NAME.fullmatch(secure.name) is None:
        plain = re.split(r"[/?#]", secure.name.partition("://")[2] or secure.name)[0]
        plain = re.sub(r":\d+$", "", plain).strip("[]")
        way = f"; write {show(plain)}" if _NAME.fullmatch(plain) and plain != secure.name else ""
        yield ("tls", "name"), f"tls: name: expected a host name or an IP address, got {show(secure.name)}{way}"


# -- between declarations


def mistakes(declared: Declared) -> Iterator[Finding]:
    """What contradicts each other."""
    secure = next((listener for listener in declared.listeners if listener.tls), None)
    if secure is not None and not declared.certificates:
        yield Finding(secure, ("tls",), f"tls = true needs a certificate: add  {CERTIFICATE}")
    asking = [route for route in declared.routes if route.client_ca is not None]
    if asking and secure is None:
        yield Finding(asking[0], ("client_ca",), f'"client_ca" requires a listener with TLS: add  {SECURE}')
    first: dict[str, Route] = {}
    for route in _over_tls(declared):
        for host in hosts_of(route):
            if _rule(first.setdefault(host, route)) != _rule(route):
                yield _disagreement(host, first[host], route)
                break


def _over_tls(declared: Declared) -> list[Route]:
    """Those that a handshake may be for."""
    return [route for route in declared.routes if is_over_tls(route, declared.listeners)]


def _rule(route: Route) -> tuple[str | None, str | None, str] | None:
    """What the clients of a route have to show."""
    return (route.client_ca, route.client_crl, route.client_verify) if route.client_ca is not None else None


def _disagreement(name: str, first: Route, route: Route) -> Finding:
    """Between two routes of the host ``name``."""
    host = f"host {show(name)}" if name else "every host"
    key = next(key for key in _OF_CLIENTS if getattr(first, key) != getattr(route, key))
    blamed, other = (first, route) if getattr(first, key) is None else (route, first)
    said = getattr(blamed, key)
    return Finding(
        blamed,
        (key,),
        f"{'missing ' if said is None else ''}{key}{f' = {show(said)}' if said is not None else ''}: the route of "
        f"{host} at {{other}} has {key} = {show(getattr(other, key))}; all routes of a host must have the same value, "
        "because the TLS handshake depends on it",
        other,
    )


def warnings(declared: Declared) -> Iterator[Finding]:
    """What works, but hardly as it is meant."""
    tls = declared.settings.tls
    if not declared.is_secure:
        yield from _without_listener(declared)
    elif tls.min == "1.3" and tls.ciphers not in PROFILES:
        yield Finding(
            declared.settings, ("tls", "ciphers"), 'ciphers: a list is for TLS 1.2, which min = "1.3" excludes'
        )
    yield from _out_of_reach(_over_tls(declared))
    yield from _never_verified(_over_tls(declared))
    for upstream in declared.upstreams:
        health, secure = upstream.checks, upstream.secure
        if health is not None and health.tls and secure is None:
            yield Finding(
                upstream,
                ("health", "tls"),
                "health: tls = true where the upstream has no tls: certificates of peers are not verified",
            )
        if secure is not None and not secure.verify:
            for key in ("ca", "crl"):
                if getattr(secure, key) is not None:
                    yield Finding(upstream, ("tls", key), f'tls: "{key}" is not used with verify = false')


def _without_listener(declared: Declared) -> Iterator[Finding]:
    """What is for clients that speak TLS, where there are none."""
    settings = declared.settings
    lacks = f"but no listener has tls = true: add  {SECURE}"
    if declared.certificates:
        yield Finding(declared.certificates[0], (), f"a certificate is declared, {lacks}")
    if settings.tls != Tls():
        yield Finding(settings, ("tls",), f"TLS settings are given, {lacks}")
    if settings.hsts:
        yield Finding(settings, ("hsts",), f"it is sent over TLS only, {lacks}")
    for listener in declared.listeners:
        if listener.redirect is not None:
            yield Finding(listener, ("redirect",), f"requests are redirected to https://, {lacks}")


def _out_of_reach(routes: Sequence[Route]) -> Iterator[Finding]:
    """Routes that requests reach from a more specific host, whose handshake does not ask for what they require."""
    hosts: dict[str, list[Route]] = {}
    for route in routes:
        for host in hosts_of(route):
            hosts.setdefault(host, []).append(route)
    asking = [route for route in routes if route.client_ca is not None]
    for route, wider in ((one, host) for one in asking for host in hosts_of(one)):
        for host, own in hosts.items():
            if _is_inside(host, wider) and _rule(own[0]) != _rule(route) and not any(map(_covers_all, own)):
                yield Finding(
                    route,
                    ("client_ca",),
                    f"requests for {show(host)} that its own routes do not match reach this route and get 421, "
                    "because the handshake for that host does not require the certificate; give its routes the same "
                    "client_ca",
                )


def _is_inside(host: str, wider: str) -> bool:
    """Whether ``host`` is a more specific one than ``wider``, or a part of it."""
    if host == wider or not wider:
        return host != wider
    if wider[-2:] == ".*":
        return host.removesuffix("*").startswith(wider[:-1])
    return wider[:2] == "*." and host.removeprefix("*").endswith(wider[1:])


def _covers_all(route: Route) -> bool:
    """Whether it is for every request of its hosts."""
    return route.path == "/" and route.exact is None and route.regex is None and not is_conditional(route)


def _never_verified(routes: Sequence[Route]) -> Iterator[Finding]:
    """Routes whose clients show no certificate, though they require one, or tell peers of it."""
    everywhere = next((_rule(route) for route in routes if "" in hosts_of(route)), None)
    for route in routes:
        rule = _rule(route)
        address = next(filter(_ADDRESS.fullmatch, hosts_of(route)), None)
        if rule is not None and address is not None and rule != everywhere:
            yield Finding(
                route,
                ("client_ca",),
                f"clients send no server name for the address {show(address)}, so requests for it get 421; add a "
                "route without a host and with the same client_ca",
            )
        headers = route.request_headers
        for part in ("set", "add") if rule is None and headers is not None else ():
            for name, value in getattr(headers, part).items():
                if "client_cert" in "".join(Template(value, IN_TLS).names):
                    yield Finding(
                        route,
                        ("request_headers", part, name),
                        f"request_headers: {part}: {name}: it is never sent, because the route does not have client_ca",
                    )


# -- files


def files(declared: Declared) -> Iterator[Finding]:
    """Each file that routes and upstreams name, as ``message``."""
    for route in declared.routes:
        for key in ("client_ca", "client_crl"):
            if (name := getattr(route, key)) is not None:
                yield Finding(route, (key,), name)
    for upstream in declared.upstreams:
        if isinstance(upstream.tls, UpstreamTls):
            yield from _files_of(upstream, ("tls",), upstream.tls)
    for engine in engines(declared.settings, declared.upstreams, declared.stores):
        if engine.access.tls is not None:
            yield from _files_of(engine.owner, (*engine.path, "tls"), engine.access.tls)


def _files_of(owner: msgspec.Struct, path: Path, tls: UpstreamTls) -> Iterator[Finding]:
    for key in TLS_KEYS:
        if (name := getattr(tls, key)) is not None:
            yield Finding(owner, (*path, key), name)
