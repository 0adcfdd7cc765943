"""nginx.conf, read into a :class:`rsp.importing.site.Site`."""

from rsp.importing.site import Site, Unreadable


def read_nginx(path: str, prefix: str | None = None) -> Site:
    """Raises :class:`Unreadable`."""
    raise Unreadable(f"{path}: nginx.conf cannot be imported yet")
