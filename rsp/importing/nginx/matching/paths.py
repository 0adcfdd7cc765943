"""Paths of locations, as clients send them."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from rsp.importing.nginx.values.variables import Unsayable

_AS_THEY_ARE: Final = "/!\"$&'()+,;<=>@[]^`|}~:"  # of a path, besides letters, digits and "-._"
_SKIPPED: Final = re.compile(r"/\.\.?/")
_WITHOUT_SLASH: Final = re.compile(r"(?!__)[a-z0-9_.^*(?~]|[^\x00-\x7f]")  # and what is no placeholder of a template


def as_sent(path: str) -> str:
    """nginx compares decoded paths, rsp those that clients send.  Raises :class:`Unsayable`."""
    if "*" in path or "{" in path:
        raise Unsayable("a path in rsp has no * and no {")
    return in_expression(path)


def in_expression(path: str) -> str:
    """The same for a part of a regular expression, which may have all characters."""
    return quote(path, safe=f"{_AS_THEY_ARE}*{{")


def never_sent(paths: Iterable[str], *, closes: bool) -> str:
    """Why no request is for a location with these prefixes around it; empty: there may be one.

    ``closes``: whether it keeps clients out.
    """
    for path in paths:
        if "\\" in path and not closes:
            return "no request is for this location: rsp takes a backslash in a path for a slash"
        if _SKIPPED.search(path):
            return "no request is for this location: . and .. in paths are resolved before one is looked for"
        if _WITHOUT_SLASH.match(path):
            return "no request is for this location: it has no slash at its beginning, as each path of a request has"
    return ""
