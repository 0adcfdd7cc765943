"""Haproxy.cfg, read into a :class:`rsp.importing.site.Site`."""

from rsp.importing.site import Site, Unreadable


def read_haproxy(path: str) -> Site:
    """Raises :class:`Unreadable`."""
    raise Unreadable(f"{path}: haproxy.cfg cannot be imported yet")
