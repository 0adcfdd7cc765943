"""Where files, hosts and addresses are named first, for what reads them later and has no declarations any more."""

from collections.abc import Callable

import msgspec

from rsp.config import lasting, route_checks, tls_rules
from rsp.config.engine_files import engines
from rsp.config.errors import Path, Position

Origin = Callable[[msgspec.Struct, Path], tuple[Position, str]]


def places(declared: tls_rules.Declared, origin: Origin) -> dict[str, str]:
    """Of each file that something reads, of each host, of each listener's address, behind its key; and of settings that
    last."""
    found: dict[str, str] = {}

    def note(owner: msgspec.Struct, path: Path, name: str) -> None:
        found.setdefault(f"{path[-1]} {name}", str(origin(owner, path)[0]))

    for setting in lasting.given(declared.settings):
        found[lasting.place(setting)] = str(origin(declared.settings, setting)[0])
    for listener in declared.listeners:
        note(listener, ("address",), listener.address)
    for route in declared.routes if declared.is_secure else ():
        for host in route.hosts:
            note(route, ("host",), host)
    for owner, path, name, _ in tls_rules.files(declared):
        note(owner, path, name)
    for engine in engines(declared.settings, declared.upstreams, declared.stores):
        for key, name in engine.secrets():
            note(engine.owner, (*engine.path, key), name)
    for route in declared.routes:
        for path, name in route_checks.files(route):
            note(route, path, name)
    return found
