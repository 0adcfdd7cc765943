"""A path or URL with placeholders: their values are encoded for the place where they are put.

The text before a placeholder says which place that is.  A client chooses neither the host, unless the text leaves
that to it, nor where the path, the query and the fragment begin.
"""

import re
from collections.abc import Callable
from typing import Final

from rsp.config.placeholders import CAPTURE, Names, Source, Template
from rsp.http import percent

Encoder = Callable[[bytes], bytes]

# A placeholder that was read before stands as NUL, or as a slash if it has begun the path.
_AUTHORITY: Final = re.compile(rb"(?:[A-Za-z0-9+.\-\0]+:)?//([^/?#]*)")
_GOES_ON: Final = re.compile(rb"[A-Za-z0-9.:\-]")  # a host that is not complete yet


class UrlTemplate:
    """``text``, compiled; ``start``: what it begins with; ``names``: those of its placeholders.

    ``decodes``: in a query, paths are arguments without their own escapes, so that an application gets them as text.
    """

    __slots__ = ("_parts", "names", "start")

    def __init__(self, text: str, known: Names, *, decodes: bool = False) -> None:
        template = Template(text, known)
        self.names = template.names
        self.start = template.start
        self._parts: list[bytes | tuple[str, Encoder]] = []
        before = b""
        parts = template.parts
        for part, following in zip(parts, (*parts[1:], b""), strict=False):
            if isinstance(part, bytes):
                self._parts.append(part)
                before += part
            else:
                is_group = part.startswith(CAPTURE)
                encode = _encoder(part, is_group, before, following)
                if decodes and encode is percent.argument and (part == "path" or is_group):
                    encode = percent.decoded_argument
                self._parts.append((part, encode))
                before += b"/" if encode in _PATHS else b"\0"

    def fill(self, source: Source) -> bytes:
        return b"".join(
            [part if isinstance(part, bytes) else part[1](source.placeholder(part[0])) for part in self._parts]
        )


def _encoder(name: str, is_group: bool, before: bytes, following: str | bytes) -> Encoder:
    """For the placeholder ``name`` between those texts; ``is_group``: of the route's regular expression, so it is some
    of a path."""
    if b"#" in before:
        return percent.argument
    if b"?" in before:
        return percent.query if name == "query" and before[-1:] in (b"?", b"&") else percent.argument
    authority = _AUTHORITY.fullmatch(before)
    if authority is not None:
        return _in_authority(name, is_group, authority[1], following)
    if name == "scheme" and not before:
        return _as_it_is
    if name == "uri":
        return percent.query
    return percent.path if name == "path" or is_group else percent.segment


def _in_authority(name: str, is_group: bool, before: bytes, following: str | bytes) -> Encoder:
    """``before``: what there is of the host.  Behind it comes a path, never more of the host."""
    if name in ("host", "authority"):
        return _as_it_is
    if name in ("path", "uri"):
        return percent.query if name == "uri" else percent.path
    ends = not isinstance(following, bytes) or _GOES_ON.match(following) is None
    return _absolute if is_group and before and ends else percent.label


def _absolute(value: bytes) -> bytes:
    value = percent.path(value)
    return value if value[:1] == b"/" else b"/" + value


def _as_it_is(value: bytes) -> bytes:
    """Of a host or scheme, which is valid."""
    return value.translate(None, b"\r\n\0")


_PATHS: Final = (percent.path, percent.query, _absolute)
