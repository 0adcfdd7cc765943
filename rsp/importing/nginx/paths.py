"""Paths of locations, as clients send them."""

from typing import Final
from urllib.parse import quote

from rsp.importing.nginx.variables import Unsayable

_AS_THEY_ARE: Final = "/!\"$&'()+,;<=>@[]^`|}~:"  # of a path, besides letters, digits and "-._"


def as_sent(path: str) -> str:
    """nginx compares decoded paths, rsp those that clients send.  Raises :class:`Unsayable`."""
    if "*" in path or "{" in path:
        raise Unsayable("a path in rsp has no * and no {")
    return in_expression(path)


def in_expression(path: str) -> str:
    """The same for a part of a regular expression, which may have all characters."""
    return quote(path, safe=f"{_AS_THEY_ARE}*{{")
