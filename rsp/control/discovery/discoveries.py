"""All sources of the configuration in force, and of one that is being tried: followed, and no others."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Final

from rsp.config.engines import Discover
from rsp.config.instance import Dns
from rsp.config.schema import Config
from rsp.config.units import Peer
from rsp.config.upstreams import Upstream
from rsp.control.discovery.damping import Members
from rsp.control.discovery.provider import Member, Provider
from rsp.control.discovery.source import Found, Source
from rsp.control.discovery.standing import Standing
from rsp.engines import credentials
from rsp.ipc.peer_table import PeerTable
from rsp.tls.material import Keyring

# By scheme: module of this package, and class.
_PROVIDERS: Final = {
    "etcd": ("etcd", "EtcdPrefix"), "etcds": ("etcd", "EtcdPrefix"),
    "consul": ("consul", "ConsulService"), "consuls": ("consul", "ConsulService"),
    "kubernetes": ("kubernetes", "KubernetesSlices"),
    "docker": ("docker", "DockerContainers"), "podman": ("docker", "DockerContainers"),
    "file": ("file", "MembersFile"),
    "http": ("http", "MembersUrl"), "https": ("http", "MembersUrl"),
}  # fmt: skip

Make = Callable[[Discover], Provider]


class Discoveries:
    """``found(source, targets)`` is called when the members of a source are others; with ``None`` when they cannot be
    found out and never could.

    ``factories``: of kinds of sources that no file can name, by scheme.
    """

    def __init__(self, found: Found, factories: Mapping[str, Make] = {}) -> None:
        self._found = found
        self._factories = factories
        self._dns = Dns()
        self._keyring = Keyring()
        self._sources: dict[Peer, Source] = {}
        self._secrets: dict[Peer, tuple[object, ...]] = {}
        self._in_force: tuple[Peer, ...] = ()

    def arrange(self, config: Config, tried: Config | None, members: PeerTable, keyring: Keyring) -> None:
        """``members``: those in force, which a source may know already."""
        wanted: dict[Peer, tuple[Upstream, Discover]] = {}
        for each in (tried, config) if tried is not None else (config,):
            for upstream in each.upstreams:
                if (source := upstream.source) is not None and (discover := upstream.discovery) is not None:
                    wanted[source] = upstream, discover
        self._in_force = tuple(source for upstream in config.upstreams if (source := upstream.source) is not None)
        if config.settings.dns != self._dns:
            self._stop(set(self._sources))
        self._dns, self._keyring = config.settings.dns, keyring
        self._stop(self._sources.keys() - wanted.keys())
        for source, (upstream, discover) in wanted.items():
            self._attend(source, upstream, discover, members)

    def stop(self) -> None:
        self._stop(set(self._sources))

    def standings(self) -> list[Standing]:
        """Of the sources of the configuration in force."""
        return [self._sources[source].standing for source in self._in_force if source in self._sources]

    def _attend(self, source: Peer, upstream: Upstream, discover: Discover, members: PeerTable) -> None:
        keyring, dns = self._keyring, self._dns
        secrets = credentials.all_of(discover, keyring)
        known = self._sources.get(source)
        if known is None:
            before = _in_force(source, upstream, members) if source in self._in_force else None
            make = lambda: self._make(discover, dns, keyring)  # noqa: E731
            self._sources[source] = Source(source, upstream.name, discover, dns, make, self._found, before)
        elif secrets != self._secrets[source]:
            known.restart(lambda: self._make(discover, dns, keyring))
        self._secrets[source] = secrets

    def _make(self, discover: Discover, dns: Dns, keyring: Keyring) -> Provider:
        scheme = scheme_of(discover)
        if scheme in self._factories:
            return self._factories[scheme](discover)
        return _class(scheme)(discover, dns, keyring)

    def _stop(self, sources: set[Peer]) -> None:
        for source in sources:
            self._sources.pop(source).stop()
            del self._secrets[source]


def scheme_of(discover: Discover) -> str:
    return discover.url.partition(":")[0].lower()


def load(config: Config) -> None:
    """Import what ``config`` needs, while it can be read.  What cannot be read is told of where it is used."""
    for upstream in config.upstreams:
        if (discover := upstream.discovery) is not None and scheme_of(discover) in _PROVIDERS:
            with suppress(ImportError):
                _class(scheme_of(discover))


def _class(scheme: str) -> type[Provider]:
    module, name = _PROVIDERS[scheme]
    found: type[Provider] = getattr(import_module(f"{__package__}.{module}"), name)
    return found


def _in_force(source: Peer, upstream: Upstream, members: PeerTable) -> Members | None:
    """What the master knows of ``source``; ``None``: nothing."""
    if source in members.unknown or upstream.name not in members.upstreams:
        return None
    given = len(upstream.peers)  # behind those of the file, there is what stands for the source
    found = [entry for entry in members.upstreams[upstream.name] if entry.given == given]
    if not found:
        return None
    return {str(entry.address): Member(str(entry.address), entry.weight, entry.backup) for entry in found}
