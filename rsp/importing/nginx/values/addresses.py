"""Networks: as rsp writes them, ranges of addresses, and ``allow`` and ``deny`` in nginx's order."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network, summarize_address_range

from rsp.importing.nginx.values.variables import Unsayable

Network = IPv4Network | IPv6Network
_ORDER = "the order of these allow and deny cannot be kept"
_MOST = 100  # networks that a list is worth


def masked(text: str) -> str:
    """Without the bits of a host, which nginx leaves out: ``10.1.1.0/16`` is ``10.1.0.0/16``."""
    found = _network(text) if re.fullmatch(r"[\da-fA-F.:]+/\d+", text) else None
    if found is None:
        return text
    address = text.partition("/")[0]
    return text if ip_address(address) == found.network_address else str(found)


def of_range(text: str) -> list[str]:
    """``10.0.0.0-10.0.1.255``.  Raises :class:`Unsayable`."""
    first, _, last = text.partition("-")
    try:
        found = [*summarize_address_range(ip_address(first), ip_address(last))]
    except (ValueError, TypeError):
        raise Unsayable(f"{text} is no range of addresses") from None
    return [str(each) if each.num_addresses > 1 else str(each.network_address) for each in found]


def overlap(networks: Iterable[str]) -> bool:
    """Whether an address is in several of them."""
    known = [each for text in networks if (each := _network(text)) is not None]
    collapsed = sum(each.num_addresses for part in _by_version(known) for each in part)
    return collapsed != sum(each.num_addresses for each in known)


def in_order(rules: Sequence[tuple[bool, str]], *, closed: bool) -> list[str]:
    """What ``allow`` (true) and ``deny`` come to, where the first that has an address counts.

    ``closed``: all other addresses are refused, so these are allowed; else these are refused.
    Raises :class:`Unsayable`.
    """
    taken: list[Network] = []
    found: list[Network] = []
    for allows, text in rules:
        network = _network(text)
        if network is None:
            raise Unsayable(_ORDER)
        left = [network]
        for other in taken:
            left = [part for each in left for part in _without(each, other)]
        if allows == closed:
            found += left
        else:
            taken.append(network)
        if len(found) > _MOST:
            raise Unsayable(_ORDER)
    collapsed = [each for part in _by_version(found) for each in part]
    return [str(each) if each.num_addresses > 1 else str(each.network_address) for each in collapsed]


def _network(text: str) -> Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _by_version(networks: Iterable[Network]) -> list[list[Network]]:
    four = [each for each in networks if isinstance(each, IPv4Network)]
    six = [each for each in networks if isinstance(each, IPv6Network)]
    return [[*collapse_addresses(four)], [*collapse_addresses(six)]]


def _without(network: Network, other: Network) -> list[Network]:
    if isinstance(network, IPv4Network) and isinstance(other, IPv4Network):
        if network.subnet_of(other):
            return []
        return [*network.address_exclude(other)] if other.subnet_of(network) else [network]
    if isinstance(network, IPv6Network) and isinstance(other, IPv6Network):
        if network.subnet_of(other):
            return []
        return [*network.address_exclude(other)] if other.subnet_of(network) else [network]
    return [network]
