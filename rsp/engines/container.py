"""A container that runs, as Docker or podman tells of it, and the address at which rsp reaches it."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final, NamedTuple

HOST: Final = "host"


class Unfit(ValueError):
    """Why a container has no address: a clause that says what to do."""


class Published(NamedTuple):
    """A port of a container that is reached at a port of the host.  ``ip``: where the host listens."""

    private: int
    public: int
    ip: str


class Container(NamedTuple):
    """``networks``: its address in each, empty where it has none.  ``ports``: those of TCP that it declares.

    ``ready``: it is not about to stop, and no health check starts or fails.  ``created``: seconds since 1970.
    """

    id: str
    name: str
    created: float
    labels: dict[str, str]
    ready: bool
    networks: dict[str, str]
    ports: tuple[int, ...]
    published: tuple[Published, ...]

    def address(self, network: str | None, port: int | None) -> str:
        """``network``: one of its own, or "host": where the host has it, which is never guessed: a container could
        name a port of another service there.  Raises :class:`Unfit`."""
        number = port or self._only_port()
        if network == HOST:
            return self._at_host(number)
        return f"{_bracketed(self._at(network))}:{number}"

    def _only_port(self) -> int:
        if len(self.ports) == 1:
            return self.ports[0]
        if not self.ports:
            raise Unfit("it declares no port (EXPOSE); set it: port = 8000")
        raise Unfit(f"it has several ports ({_listed(self.ports)}); choose one: port = {self.ports[0]}")

    def _at(self, network: str | None) -> str:
        known = sorted(name for name, address in self.networks.items() if address)
        if network is None and not known:
            raise Unfit('it has no address of its own; write network = "host" to use what it has at the host')
        if network is None and len(known) > 1:
            raise Unfit(f'it is in several networks ({_listed(known)}); choose one: network = "{known[0]}"')
        name = network if network is not None else known[0]
        address = self.networks.get(name)
        if not address:
            raise Unfit(f'it has no address in the network "{name}"; it is in {_listed(known) or "none"}')
        try:
            return str(ip_address(address))
        except ValueError:
            raise Unfit(f'its address in the network "{name}" is not an IP address') from None

    def _at_host(self, port: int) -> str:
        """Where the host publishes the port; containers without a network of their own listen at the host itself."""
        for published in self.published:
            if published.private == port:
                return f"{_bracketed(_listening(published.ip))}:{published.public}"
        if any(self.networks.values()):
            raise Unfit(f"the host does not publish its port {port}; start it with -p {port}")
        return f"127.0.0.1:{port}"


def _listening(ip: str) -> str:
    """Where to connect to what listens at ``ip``."""
    try:
        address = ip_address(ip or "0.0.0.0")
    except ValueError:
        raise Unfit("the host publishes its port at something that is not an IP address") from None
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "::1"
    return str(address)


def _bracketed(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip


def _listed(names: Sequence[object]) -> str:
    return ", ".join(str(name)[:60] for name in names[:8])
