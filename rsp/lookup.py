"""One look-up of a name: ``/etc/hosts``, then DNS (A; SRV; AAAA where there is no A: a host with both is one peer)."""

import asyncio
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from rsp import log
from rsp.config.schema import Dns
from rsp.config.units import Peer
from rsp.members import MOST_WEIGHT, Target

if TYPE_CHECKING:
    import dns.asyncresolver
    import dns.resolver

_HOSTS: Final = Path("/etc/hosts")
_MOST_TARGETS: Final = 1000  # of one name: it must not take the places of all upstreams (PLACES)


class Answer(NamedTuple):
    """``ttl`` in seconds, as the answer says."""

    targets: list[Target]
    ttl: float


class NoSuchName(Exception):
    """The resolver is sure that there is none."""


class LookupFailed(Exception):
    """Nobody knows; the message is a clause that says why."""


class Lookup:
    """One name's way through hosts file and resolver."""

    def __init__(self, settings: Dns) -> None:
        self._timeout = float(settings.timeout)
        self._hold = float(settings.max_ttl)
        self._servers = settings.servers

    async def find(self, name: Peer) -> Answer:
        """Raises :class:`NoSuchName` or :class:`LookupFailed`."""
        if name.is_srv:
            return _within_bounds(name, await self._services(name[4:]))
        addresses, ttl = await self.addresses(name.host)
        return _within_bounds(name, Answer([_target(address, name.port) for address in addresses], ttl))

    async def _services(self, name: str) -> Answer:
        records, ttl = await self._ask(name, "SRV")
        first = min((record.priority for record in records), default=0)
        targets: dict[Peer, Target] = {}
        for record in sorted(records, key=lambda one: (one.priority, -one.weight, str(one.target), one.port)):
            host = str(record.target).rstrip(".")
            if not host:  # RFC 2782: decidedly not available
                continue
            addresses, lasting = await self.addresses(host)
            ttl = min(ttl, lasting)
            for address in addresses:
                weight = min(max(record.weight, 1), MOST_WEIGHT)
                target = _target(address, record.port, weight, record.priority > first)
                targets.setdefault(target.address, target)
        return Answer(list(targets.values()), ttl)

    async def addresses(self, host: str) -> tuple[list[str], float]:
        """In a stable order."""
        listed = await asyncio.to_thread(_hosts_file, host)
        if listed:
            return listed, self._hold
        try:
            records, ttl = await self._ask(host, "A")
        except NoSuchName:
            records, ttl = await self._ask(host, "AAAA")
        return sorted(str(record.address) for record in records), ttl

    async def _ask(self, name: str, kind: str) -> "tuple[dns.resolver.Answer, float]":
        import dns.exception  # megabytes that an instance without names does not need
        import dns.resolver

        try:
            resolver = self._resolver()
            answer = await resolver.resolve(name, kind, search=True, lifetime=self._timeout)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            raise NoSuchName("host name does not resolve") from None
        except dns.resolver.NoResolverConfiguration:
            raise LookupFailed("host name cannot be looked up: /etc/resolv.conf names no server") from None
        except dns.exception.Timeout:
            raise LookupFailed("host name cannot be looked up: the name server does not answer") from None
        except (dns.exception.DNSException, OSError) as error:
            reason = str(error).partition("\n")[0][:200]
            raise LookupFailed(f"host name cannot be looked up: {reason}") from None
        ttl = answer.rrset.ttl if answer.rrset is not None else 0
        return answer, float(ttl)

    def _resolver(self) -> "dns.asyncresolver.Resolver":
        """Made anew each time: ``/etc/resolv.conf`` may have changed."""
        import dns.asyncresolver
        import dns.nameserver

        resolver = dns.asyncresolver.Resolver(configure=not self._servers)
        if self._servers:
            resolver.nameservers = [dns.nameserver.Do53Nameserver(one.host, one.port) for one in self._servers]
        return resolver


def _within_bounds(name: Peer, answer: Answer) -> Answer:
    if len(answer.targets) <= _MOST_TARGETS:
        return answer
    text = f"Peer {name}: stands for {len(answer.targets)} addresses, only the first {_MOST_TARGETS} are used"
    log.once_a_second(f"many {name}", text)
    return Answer(answer.targets[:_MOST_TARGETS], answer.ttl)


def _target(address: str, port: int, weight: int | None = None, backup: bool = False) -> Target:
    return Target(Peer(f"[{address}]:{port}" if ":" in address else f"{address}:{port}"), weight, backup)


def _hosts_file(host: str) -> list[str]:
    """The addresses that ``/etc/hosts`` gives: IPv4, or else IPv6."""
    found: list[str] = []
    try:
        lines = _HOSTS.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        address, *names = line.partition("#")[0].split() or [""]
        if host.lower().rstrip(".") in (name.lower() for name in names):
            try:
                found.append(str(ip_address(address)))
            except ValueError:
                continue
    if not found and host.lower() == "localhost":  # RFC 6761 section 6.3
        found = ["127.0.0.1"]
    return sorted(one for one in dict.fromkeys(found) if ":" not in one) or sorted(dict.fromkeys(found))
