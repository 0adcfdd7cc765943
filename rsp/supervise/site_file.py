"""The file that the master of a node loads: of the version that is wanted.

Rules of this room: nothing is read or written here but the mark of the version to start with; a loader's process
unpacks and stores versions, as what they hold comes from the network.
"""

from collections.abc import Callable

from rsp.config.errors import ConfigError
from rsp.logs import log
from rsp.nodes.bundle import unpack
from rsp.nodes.local import Local
from rsp.nodes.node import Node
from rsp.supervise.main_file import VERSIONS, MainFile


class SiteFile(MainFile):
    """``node``: as it starts."""

    def __init__(self, node: Node) -> None:
        self._local = Local(node.folder)
        super().__init__(self._local.main(node.running))
        self._node = node
        self._wanted: tuple[str, bytes] = (node.running, b"")
        self._tried = node.running

    @property
    def node(self) -> Node:
        return self._node

    def want(self, version: str, packed: bytes) -> None:
        self._wanted = version, packed

    def attempt(self, what: str) -> tuple[str, Callable[[], None] | None]:
        if what not in VERSIONS:
            return self.path, None
        self._tried, packed = self._wanted
        local, version = self._local, self._tried
        return local.main(version), lambda: _store(local, version, packed)

    def commit(self, what: str, path: str) -> None:
        if what in VERSIONS:
            self.path = path
            self._node = self._node._replace(running=self._tried)

    def settle(self, version: str) -> None:
        self._node = self._node._replace(stable=version)
        try:
            self._local.settle(version)
        except OSError as error:
            log.once_a_second("settle", f"Cannot record the version to start with: {error.strerror}", log.ERROR)


def _store(local: Local, version: str, packed: bytes) -> None:
    """Raises :class:`ConfigError`."""
    try:
        if packed:
            local.store(version, unpack(version, packed))
        elif not local.has(version):
            raise ConfigError(f"version {version[:12]} is not stored on this node")
    except ValueError as error:
        raise ConfigError(str(error)) from None
    except OSError as error:
        raise ConfigError(f"{error.filename or local.folder}: {error.strerror}") from None
