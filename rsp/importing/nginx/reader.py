"""nginx.conf, read into a :class:`rsp.importing.site.Site`."""

from pathlib import Path

from rsp.importing.site import Site, Unreadable


def read(path: Path, text: str, prefix: str | None = None) -> Site:
    """Raises :class:`Unreadable`."""
    raise Unreadable(f"{path}: nginx.conf cannot be imported yet")
