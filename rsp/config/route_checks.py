"""All that can be wrong with a route beside what ``rules.py`` says, feature by feature."""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path as File
from typing import Final

from rsp.config import (
    access_files,
    access_rules,
    auth_rules,
    compress_rules,
    condition_rules,
    discovery_rules,
    files_rules,
    files_warnings,
    limit_rules,
    own_listeners,
    response_rules,
    routing_rules,
    slips,
    tls_rules,
    traffic_rules,
    value_rules,
)
from rsp.config.engine_files import engines
from rsp.config.errors import Path
from rsp.config.routes import Route
from rsp.http.regex import Pattern, TooCostly

Check = Callable[[Route, Collection[str]], Iterator[tuple[Path, str]]]  # with the names of upstreams

CHECKS: Final[tuple[Check, ...]] = (
    access_rules.mistakes,
    auth_rules.mistakes,
    compress_rules.mistakes,
    condition_rules.mistakes,
    files_rules.mistakes,
    limit_rules.mistakes,
    response_rules.mistakes,
    routing_rules.mistakes,
    traffic_rules.mistakes,
    value_rules.mistakes,
)


def mistakes(route: Route, upstreams: Collection[str]) -> Iterator[tuple[Path, str]]:
    """Each mistake in ``route``: the path to it, and what is wrong."""
    for check in CHECKS:
        yield from check(route, upstreams)


def warnings(declared: tls_rules.Declared, folder: File, sources: Collection[str]) -> Iterator[tls_rules.Finding]:
    """What is allowed, and probably not meant, of TLS as well.

    ``folder``: that of the configuration; ``sources``: its files.
    """
    yield from tls_rules.warnings(declared)
    yield from own_listeners.warnings(declared)
    for upstream in declared.upstreams:
        for path, message in discovery_rules.warnings(upstream):
            yield tls_rules.Finding(upstream, path, message)
    for path, message in compress_rules.warnings(declared.settings.compress):
        yield tls_rules.Finding(declared.settings, path, message)
    secrets = [*(str(File(name).absolute()) for name in sources), *(str(folder / name) for name in _secrets(declared))]
    running = {upstream.name for upstream in declared.upstreams if upstream.protocol != "http"}
    looks = files_warnings.Looks()
    for route in declared.routes:
        runs = not running.isdisjoint(route.beside_files)
        served = looks.warnings(route, secrets, runs, _elsewhere(route, declared.routes))
        compressed = ((path, f"compress: {said}") for path, said in compress_rules.warnings(route.compress))
        for path, message in (
            *auth_rules.warnings(route),
            *slips.warnings(route),
            *condition_rules.warnings(route),
            *served,
            *compressed,
        ):
            yield tls_rules.Finding(route, path, message)


def _elsewhere(route: Route, routes: Sequence[Route]) -> Callable[[str], bool]:
    """Whether an expression of a route without files has the path of a file in the root of ``route``."""

    def is_taken(name: str) -> bool:
        path = f"{route.path.rstrip('/')}/{name}".encode()
        try:
            return any(Pattern(other.regex).finds(path) for other in routes if other.regex and _is_before(other, route))
        except TooCostly:
            return False

    is_plain = route.exact is None and route.regex is None and not route.first
    return is_taken if is_plain else lambda _name: False


def _is_before(other: Route, route: Route) -> bool:
    """Whether ``other``, which has an expression, gets all requests of ``route`` that this matches, and no file."""
    asks = other.methods or other.headers or other.cookies or other.query or other.client
    is_same = other.host in (None, route.host) and other.listener in (None, route.listener)
    return other.files is None and is_same and not asks


def _secrets(declared: tls_rules.Declared) -> Iterator[str]:
    """Files with keys and passwords."""
    for certificate in declared.certificates:
        yield from filter(None, (certificate.file, certificate.key, certificate.password))
    for finding in tls_rules.files(declared):
        if finding.path[-1] in ("key", "password"):
            yield finding.message
    for engine in engines(declared.settings, declared.upstreams, declared.stores):
        for _, name in engine.secrets():
            yield name
    for route in declared.routes:
        for _, name in auth_rules.named(route):
            yield name


def files(route: Route) -> Iterator[tuple[Path, str]]:
    """Each file that it names, those of TLS aside: the path to it, and its name."""
    for key, name in access_files.named(route):
        yield (key,), name
    yield from auth_rules.named(route)
