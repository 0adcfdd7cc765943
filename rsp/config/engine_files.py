"""The engines that a configuration names, and the files that rsp needs to get into them.

Credentials of stores are for workers, those of sources for the control process.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from rsp.config.engines import SECRETS, Access, Store
from rsp.config.errors import Path
from rsp.config.schema import Config, Settings
from rsp.config.tls import UpstreamTls
from rsp.config.upstreams import Upstream

SECRET_KEYS: Final = ("password_file", "token_file")
TLS_KEYS: Final = ("ca", "crl", "certificate", "key", "password")


class Engine(NamedTuple):
    """``owner``: the declaration; ``path``: where in it the keys of ``access`` are; ``label``: as messages have it."""

    owner: msgspec.Struct
    path: Path
    label: str
    access: Access

    @property
    def is_for_workers(self) -> bool:
        return isinstance(self.owner, Store)

    def secrets(self) -> Iterator[tuple[str, str]]:
        """Key and name of each file with a password or a token."""
        for key in SECRET_KEYS:
            if (name := getattr(self.access, key)) is not None:
                yield key, name


def engines(settings: Settings, upstreams: Sequence[Upstream], stores: Sequence[Store]) -> Iterator[Engine]:
    for upstream in upstreams:
        if (discover := upstream.discovery) is not None:
            yield Engine(upstream, ("discover",), f'upstream "{upstream.name}": discover', discover)
    for store in stores:
        yield Engine(store, (), f'store "{store.name}"', store)
    if settings.discover_routes is not None:
        yield Engine(settings, ("discover_routes",), "discover_routes", settings.discover_routes.filled)


def engines_of(config: Config) -> Iterator[Engine]:
    return engines(config.settings, config.upstreams, config.stores)


def secured(config: Config) -> Iterator[tuple[str, UpstreamTls]]:
    """All that rsp asks over TLS, with what it is called: upstreams, and engines."""
    for upstream in config.upstreams:
        if upstream.secure is not None:
            yield f'upstream "{upstream.name}"', upstream.secure
    for engine in engines_of(config):
        if engine.access.tls is not None:
            yield engine.label, engine.access.tls


def secrets_for(config: Config, *, workers: bool) -> set[str]:
    """The files with passwords and tokens that workers, or the control process, need; by their key in a keyring."""
    return {
        f"{SECRETS} {name}"
        for engine in engines_of(config)
        if engine.is_for_workers == workers
        for _, name in engine.secrets()
    }
