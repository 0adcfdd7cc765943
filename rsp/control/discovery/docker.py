"""Containers that run, by their labels: of Docker or podman, at a local socket."""

from collections.abc import Iterator
from typing import Final

from rsp.config.units import show
from rsp.control.discovery.provider import Member, Provider, Tell, checked
from rsp.engines.container import Container
from rsp.engines.docker import Docker
from rsp.engines.web import Web

WEIGHT: Final = "rsp.weight"  # a container's label


class DockerContainers(Provider):
    """``docker:///var/run/docker.sock``, ``podman:///run/podman/podman.sock``, ``docker://docker-proxy:2375``."""

    async def follow(self, tell: Tell) -> None:
        url = self.discover.endpoint
        async with Web(self.discover, url, self.dns, self.keyring, path=None if url.hosts else url.path) as web:
            docker = Docker(web)
            async for containers in docker.follow(self.discover.labels):
                if docker.unread:
                    self.complain(f"{docker.unread} containers cannot be understood and are left out")
                tell(list(self._members(containers)))

    def _members(self, containers: list[Container]) -> Iterator[Member]:
        port = self.discover.port if isinstance(self.discover.port, int) else None
        for container in containers:
            if container.ready:
                try:
                    yield checked(container.address(self.discover.network, port), weight_of(container))
                except ValueError as error:
                    self.complain(f"container {show(container.name)} is ignored: {error}")


def weight_of(container: Container) -> int | None:
    """Raises :class:`ValueError`."""
    text = container.labels.get(WEIGHT)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"its label {WEIGHT} is {show(text)}; expected a number from 1")
    return int(text)
