"""One look-up of a name: ``/etc/hosts``, then DNS (A or AAAA, see ``families.py``; SRV)."""

import asyncio
import contextlib
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from rsp.config.instance import Dns
from rsp.config.units import Peer
from rsp.ipc.peer_table import MOST_WEIGHT, Target
from rsp.logs import log
from rsp.net.families import Families, one_accepts

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
    """No answer; the message is a clause that says why."""


class Lookup:
    """One name's way through hosts file and resolver.

    ``families``: the results for hosts with both; without it, a host's IPv6 addresses only count if it has no others.
    ``undecided``: after a look-up, whether a host has both and accepts a connection at neither.
    """

    def __init__(self, settings: Dns, families: Families | None = None) -> None:
        self._families = families
        self._known: dict[tuple[str, str], tuple[list[str], float]] = {}  # by host and kind, until it is asked again
        self._accepting: dict[tuple[str, int], list[str]] = {}  # addresses that have shown that they do
        self._alone: dict[str, float] = {}  # hosts without addresses of the other family, and until when that holds
        self.undecided = False
        self._least = float(settings.min_ttl)
        self._timeout = float(settings.timeout)
        self._hold = float(settings.max_ttl)
        self._servers = settings.servers

    async def find(self, name: Peer) -> Answer:
        """Raises :class:`NoSuchName` or :class:`LookupFailed`."""
        self.undecided = False
        if name.is_srv:
            return _within_bounds(name, await self._services(name[4:]))
        addresses, ttl = await self.addresses(name.host, name.port)
        return _within_bounds(name, Answer(list(_targets(addresses, name.port)), ttl))

    async def _services(self, name: str) -> Answer:
        records, ttl = await self._ask(name, "SRV")
        first = min((record.priority for record in records), default=0)
        targets: dict[Peer, Target] = {}
        for record in sorted(
            records, key=lambda record: (record.priority, -record.weight, str(record.target), record.port)
        ):
            host = str(record.target).rstrip(".")
            if not host or not record.port:  # RFC 2782: decidedly not available; or not reachable
                continue
            addresses, lasting = await self.addresses(host, record.port)
            ttl = min(ttl, lasting)
            weight = min(max(record.weight, 1), MOST_WEIGHT)
            for target in _targets(addresses, record.port, weight, record.priority > first):
                targets.setdefault(target.address, target)
        return Answer(list(targets.values()), ttl)

    async def addresses(self, host: str, port: int = 0) -> tuple[list[str], float]:
        """In a stable order, all of one family: which one depends on ``port`` where families are remembered."""
        families = self._families
        if families is None:
            first, second = "A", "AAAA"
        else:
            first, second = families.order(host, port)
        found, ttl = await self._of(host, first)
        if not found:
            found, ttl = await self._of(host, second)
            if not found:
                raise NoSuchName("host name does not resolve")
            if families is not None:
                families.use(host, port, second)
        elif families is not None and self._accepting.get((host, port)) != found:
            others, lasting = await self._others_instead(families, host, port, found, second)
            if others:
                return others, min(ttl, lasting)
        return found, ttl

    async def _others_instead(
        self, families: Families, host: str, port: int, found: list[str], second: str
    ) -> tuple[list[str], float]:
        """The addresses of the other family, if one of them accepts a connection and none of ``found`` does."""
        now = asyncio.get_running_loop().time()
        self._accepting.pop((host, port), None)
        if self._alone.get(host, 0.0) > now:
            return [], 0.0
        if await one_accepts(found, port):
            self._accepting[host, port] = found
            return [], 0.0
        try:
            others, ttl = await self._of(host, second)
        except LookupFailed:
            others, ttl = [], 0.0
        if not others:
            self._alone[host] = now + self._hold
            return [], 0.0
        if await one_accepts(others, port):
            self._accepting[host, port] = others
            families.use(host, port, second)
            kind = {"A": "IPv4", "AAAA": "IPv6"}[second]
            log.line(f"Peer {host}:{port}: accepts connections at its {kind} addresses only, so these are used")
            return others, ttl
        self.undecided = True
        return [], 0.0

    def doubt(self) -> None:
        """Find out anew which family accepts connections."""
        self._accepting.clear()

    async def _of(self, host: str, kind: str) -> tuple[list[str], float]:
        """The addresses of one family, perhaps none."""
        listed = await asyncio.to_thread(_hosts_file, host)
        if listed:
            return [address for address in listed if (":" in address) == (kind == "AAAA")], self._hold
        now = asyncio.get_running_loop().time()
        known, until = self._known.get((host, kind), ([], 0.0))
        if until > now:
            return known, until - now
        try:
            records, ttl = await self._ask(host, kind)
        except NoSuchName:
            return [], 0.0
        known = sorted(str(record.address) for record in records)
        self._known[host, kind] = known, now + min(max(ttl, self._least), self._hold)
        return known, ttl

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
            resolver.nameservers = [dns.nameserver.Do53Nameserver(server.host, server.port) for server in self._servers]
        return resolver


def _within_bounds(name: Peer, answer: Answer) -> Answer:
    if len(answer.targets) <= _MOST_TARGETS:
        return answer
    text = f"Peer {name}: stands for {len(answer.targets)} addresses, only the first {_MOST_TARGETS} are used"
    log.once_a_second(f"many {name}", text)
    return Answer(answer.targets[:_MOST_TARGETS], answer.ttl)


def _targets(addresses: list[str], port: int, weight: int | None = None, backup: bool = False) -> Iterator[Target]:
    """Those that a peer can have: not port 0, which a record may say."""
    for address in addresses:
        with contextlib.suppress(ValueError):
            yield Target(Peer.parse(f"[{address}]:{port}" if ":" in address else f"{address}:{port}"), weight, backup)


def _hosts_file(host: str) -> list[str]:
    """The addresses that ``/etc/hosts`` gives, in a stable order."""
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
    if (
        host.lower().rstrip(".") == "localhost"
    ):  # RFC 6761 section 6.3: always the loopback addresses, whatever is listed
        for loopback in ("127.0.0.1", "::1"):
            if not any((":" in address) == (":" in loopback) for address in found):
                found.append(loopback)
    return sorted(dict.fromkeys(found))
