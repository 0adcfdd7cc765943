"""A node of a site: where the site is, how rsp gets into its engine, and where the node's local copies are.

Rules of this room: it imports nothing that a master without a site does not have.
"""

from pathlib import Path
from typing import NamedTuple

from rsp.config.engines import Access
from rsp.tls.material import Keyring


class SiteError(Exception):
    """A node cannot start; the message says why."""


class Place(NamedTuple):
    """``url``: has been checked, and has no credentials."""

    url: str
    access: Access
    keyring: Keyring

    def __repr__(self) -> str:
        return f"Place({self.url})"


class Node(NamedTuple):
    """``folder``: of its local copies.  ``stable``: the version that was confirmed last, as far as the node knows;
    ``running``: the one in force."""

    place: Place
    name: str
    folder: Path
    stable: str = ""
    running: str = ""
