"""A Caddyfile, read into a :class:`rsp.importing.site.Site`."""

from rsp.importing.site import Site, Unreadable


def read_caddyfile(path: str) -> Site:
    """Raises :class:`Unreadable`."""
    raise Unreadable(f"{path}: a Caddyfile cannot be imported yet")
