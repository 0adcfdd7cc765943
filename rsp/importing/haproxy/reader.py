"""Haproxy.cfg, read into a :class:`rsp.importing.site.Site`."""

from pathlib import Path

from rsp.importing.site import Site, Unreadable


def read(path: Path, text: str) -> Site:
    """Raises :class:`Unreadable`."""
    raise Unreadable(f"{path}: haproxy.cfg cannot be imported yet")
