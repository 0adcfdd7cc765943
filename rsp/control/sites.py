"""What operators reach over the network: metrics and the dashboard, at the addresses that the master gives."""

import asyncio
import socket
from collections.abc import Mapping, Sequence

from rsp.config.dashboard_rules import dashboard_of
from rsp.config.metrics_rules import metrics_of
from rsp.config.schema import Settings
from rsp.control.hosts import Hosts
from rsp.control.web import Site
from rsp.control.web_server import Server
from rsp.logs import log
from rsp.system.descriptors import for_operators


class Sites:
    """``sites``: by the name of the setting that says where."""

    def __init__(self, sites: Mapping[str, Site]) -> None:
        self._sites = sites
        self._servers: dict[str, tuple[str, Server]] = {}  # with the address
        self._turn = asyncio.Lock()

    def use(self, settings: Settings) -> None:
        """These say which names the sites have."""
        for name, given in (("metrics", metrics_of(settings)), ("dashboard", dashboard_of(settings))):
            if given is not None and name in self._sites:
                self._sites[name].check = Hosts(given.address, given.hosts)

    async def serve(self, addresses: Mapping[str, str], listening: Sequence[socket.socket]) -> None:
        """At these addresses from now on, and at no others.  A site that stays where it is keeps its clients."""
        async with self._turn:
            for name, (address, server) in list(self._servers.items()):
                if addresses.get(name) != address:
                    del self._servers[name]
                    server.close()
            for (name, address), sock in zip(addresses.items(), listening, strict=True):
                if name in self._servers or name not in self._sites:
                    sock.close()
                    continue
                server = Server(self._sites[name], for_operators())
                try:
                    await server.serve(sock)
                    self._servers[name] = address, server
                except OSError as error:
                    log.line(f"{name}: cannot listen on {address}: {error.strerror}", log.ERROR)

    async def finish(self) -> None:
        """Accept no more, and finish the responses that are being sent."""
        await asyncio.gather(*(server.finish() for _, server in self._servers.values()))
