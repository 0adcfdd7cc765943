"""The settings of metrics: what they mean, and what their types cannot say about them."""

from collections.abc import Iterator
from typing import Final

from rsp.config.dashboard_rules import address_mistake, dashboard_of
from rsp.config.errors import Path
from rsp.config.observe import Metrics
from rsp.config.schema import Settings
from rsp.config.tls_rules import Declared, Finding
from rsp.config.units import Listen

_ANY: Final = ("0.0.0.0", "::")
_EXAMPLES: Final = {"metrics": "127.0.0.1:9145", "dashboard": "127.0.0.1:9146"}


def metrics_of(settings: Settings) -> Metrics | None:
    """Raises :class:`ValueError` for an invalid address."""
    given = settings.metrics
    return Metrics(Listen.parse(given)) if isinstance(given, str) else given


def operators_addresses(settings: Settings) -> dict[str, Listen]:
    """What the control process answers, by the setting's name: where."""
    found = {"metrics": metrics_of(settings), "dashboard": dashboard_of(settings)}
    return {name: given.address for name, given in found.items() if given is not None}


def mistakes(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Each mistake: the path to it, and what is wrong."""
    try:
        metrics_of(settings)
    except ValueError as error:
        yield ("metrics",), f"metrics: {address_mistake(str(settings.metrics), _EXAMPLES['metrics'], error)}"
        return
    try:
        addresses = operators_addresses(settings)
    except ValueError:  # the dashboard's rules say so
        return
    for name, address in addresses.items():
        if address.is_passed or (not address.is_unix and address.port == 0):
            path = (name,) if isinstance(getattr(settings, name), str) else (name, "address")
            yield path, f'{name}: "{address}": expected an address with a port, "{_EXAMPLES[name]}", or "unix:/path"'


def clashes(declared: Declared) -> Iterator[Finding]:
    """Addresses that two things want."""
    taken = {f'listen "{listener.address}"': listener.address for listener in declared.listeners}
    for name, address in operators_addresses(declared.settings).items():
        for other, there in taken.items():
            if _overlap(address, there):
                yield Finding(declared.settings, (name,), f'"{address}": this address is already used by {other}')
        taken[name] = address


def _overlap(one: Listen, other: Listen) -> bool:
    if one == other or one.is_unix or other.is_unix or one.is_passed or other.is_passed:
        return one == other
    hosts = {one.host, other.host}
    same_family = (":" in one.host) == (":" in other.host)
    return one.port == other.port != 0 and (len(hosts) == 1 or (same_family and not hosts.isdisjoint(_ANY)))
