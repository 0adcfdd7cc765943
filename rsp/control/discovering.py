"""Where peers, and routes by labels, are discovered: followed while a configuration says so.

What that takes is imported when it is first asked for, half a megabyte that an instance without it does not have.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rsp.config.schema import Config
from rsp.config.units import Peer
from rsp.control.discovery.standing import Standing
from rsp.ipc.peer_table import PeerTable, Target
from rsp.logs import log
from rsp.tls.material import Keyring

if TYPE_CHECKING:
    from rsp.control.discovery.discoveries import Discoveries
    from rsp.control.discovery.labelled import Labels


class Discovering:
    """``found``: as :class:`Discoveries` calls it; ``asked``: gets what asks for routes, packed."""

    def __init__(self, found: Callable[[Peer, list[Target] | None], None], asked: Callable[[bytes], None]) -> None:
        self._found = found
        self._asked = asked
        self._parts: tuple[Labels, Discoveries] | None = None

    def load(self, config: Config) -> None:
        """Import what ``config`` needs, while it can be read."""
        if _is_wanted(config):
            from rsp.control.discovery import discoveries, labelled

            discoveries.load(config)
            labelled.load(config)

    def arrange(self, config: Config, tried: Config | None, members: PeerTable, keyring: Keyring) -> None:
        """``members``: those in force."""
        if self._parts is None and (_is_wanted(config) or (tried is not None and _is_wanted(tried))):
            self._begin()
        if self._parts is not None:
            labels, discoveries = self._parts
            labels.arrange(config, keyring)
            discoveries.arrange(config, tried, members, keyring)

    def _begin(self) -> None:
        try:
            from rsp.config.label_routes import SCHEME
            from rsp.control.discovery.discoveries import Discoveries
            from rsp.control.discovery.labelled import Labels
        except ImportError as error:  # which the user that rsp runs as cannot read
            log.line(f"Service discovery is not available: {error}; restart rsp", log.ERROR)
            return
        labels = Labels(self._asked)
        self._parts = labels, Discoveries(self._found, {SCHEME: labels.provider})

    def stop(self) -> None:
        for part in self._parts or ():
            part.stop()

    def standings(self) -> list[Standing]:
        """Of the sources of the configuration in force."""
        return self._parts[1].standings() if self._parts is not None else []

    def labels_problem(self) -> str:
        """Why nothing is heard of what asks for routes by labels; empty: all is well, or nothing may ask."""
        return self._parts[0].problem if self._parts is not None else ""


def _is_wanted(config: Config) -> bool:
    return config.settings.discover_routes is not None or any(
        upstream.discover is not None for upstream in config.upstreams
    )
