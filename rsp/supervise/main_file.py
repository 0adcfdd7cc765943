"""Which file the master loads.  Here: one, for good; ``site_file.py`` is that of a node, which has versions."""

from collections.abc import Callable
from typing import Final

from rsp.nodes.node import Node

VERSIONS: Final = ("version", "version-now")  # orders for another version


class MainFile:
    """``path``: of what is in force."""

    def __init__(self, path: str) -> None:
        self.path = path

    @property
    def node(self) -> Node | None:
        """With the version in force."""
        return None

    def want(self, version: str, packed: bytes) -> None:
        """What the next of the orders :data:`VERSIONS` is about.  ``packed``: empty if it is stored here."""

    def attempt(self, what: str) -> tuple[str, Callable[[], None] | None]:
        """The file for the order ``what``, and what a loader does before it reads it."""
        del what
        return self.path, None

    def commit(self, what: str, path: str) -> None:
        """``path``, which ``attempt(what)`` gave, is in force."""

    def settle(self, version: str) -> None:
        """Start with it from now on."""
