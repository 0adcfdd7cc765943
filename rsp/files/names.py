"""Which names below a root may be answered with, whatever is there."""

from typing import Final

from rsp.config.content import Files
from rsp.files.patterns import Patterns

_LONGEST: Final = 4096  # PATH_MAX
_WELL_KNOWN: Final = b".well-known"  # RFC 8615; at the top alone
_NOWHERE: Final = (b"", b".", b"..")


class Names:
    """``reserved``: how the names of scripts end, which a peer runs; no client gets their sources."""

    __slots__ = ("_hide", "_hides", "_reserved", "_shows_hidden")

    def __init__(self, config: Files, reserved: tuple[str, ...]) -> None:
        self._shows_hidden = config.hidden
        self._hides = bool(config.hide)
        self._hide = Patterns(config.hide)
        self._reserved = tuple(each.lower().encode() for each in reserved)

    def allow(self, name: bytes) -> bool:
        """``name``: without a slash at its front; with one at its end it is a directory's."""
        if len(name) > _LONGEST or b"\0" in name:
            return False
        if not name:
            return True
        way = b""
        for segment in (name[:-1] if name.endswith(b"/") else name).split(b"/"):
            if segment in _NOWHERE or (segment[:1] == b"." and not self._shows(way, segment)):
                return False
            if self._reserved and segment.lower().endswith(self._reserved):
                return False
            way = segment
        return not self.hides(name)

    def hides(self, name: bytes) -> bool:
        """Whether `hide` is about ``name``."""
        return self._hides and self._hide.fit(name)

    def _shows(self, way: bytes, segment: bytes) -> bool:
        """Whether a hidden segment may be on the way, behind the segment ``way``."""
        return self._shows_hidden or (segment == _WELL_KNOWN and not way)
