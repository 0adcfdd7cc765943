"""What a peer is asked for in the place of the target that the client has sent: ``strip`` and ``rewrite`` of a route.

Rules of this room: a target that leads out of what the route's own text names, by segments ``..``, is not made.
"""

import re
from typing import Final

from rsp.config.placeholders import IN_KEYS, Source
from rsp.config.routes import Route
from rsp.config.url_template import UrlTemplate
from rsp.http import percent
from rsp.http.lines import drop, get
from rsp.http.message import RequestHead
from rsp.http.pieces import joined, part

_PREFIX: Final = b"x-forwarded-prefix"
_SLASHES: Final = re.compile(rb"(?:[/\\]|%5[Cc])*")


class Rewrite:
    """``stripped``: the part of the path that peers do not see; empty: they see all of it, or another one."""

    __slots__ = ("stripped",)

    def __init__(self) -> None:
        self.stripped = b""

    def target(self, head: RequestHead, source: Source) -> bytes:
        """Empty: it would lead out of what is to be asked for.  ``source`` knows what placeholders stand for."""
        raise NotImplementedError

    def with_prefix(self, fields: bytes) -> bytes:
        """``fields`` of a request, and X-Forwarded-Prefix if something was stripped: after the prefix that a proxy
        before rsp has stripped, which only a trusted proxy may send."""
        if not self.stripped:
            return fields
        outer = get(fields, _PREFIX)
        if outer is None:
            return fields + b"X-Forwarded-Prefix: %b\r\n" % self.stripped
        return drop(fields, _PREFIX) + b"X-Forwarded-Prefix: %b%b\r\n" % (outer.rstrip(b"/"), self.stripped)


class PrefixRewrite(Rewrite):
    """``by`` in the place of the route's ``path``, byte for byte."""

    __slots__ = ("_by", "_size")

    def __init__(self, path: str, by: str) -> None:
        super().__init__()
        self._size = len(path.encode())
        self._by = by.encode()

    def target(self, head: RequestHead, source: Source) -> bytes:
        if not head.plain and percent.climbs(head.path[self._size :]):
            return b""
        changed = joined(self._by, part(head.target, self._size, len(head.target)))
        return changed if changed.startswith(b"/") else b"/" + changed


class TemplateRewrite(Rewrite):
    """``text``: a path, perhaps with a query; ``path``: what it stands in the place of, ``None``: the whole path;
    ``decodes``: as in a :class:`UrlTemplate`.

    The request's query is kept, unless the text has a ``?``, or says by ``{query}`` or ``{uri}`` where it goes.
    """

    __slots__ = ("_keeps_query", "_path", "_query", "_size")

    def __init__(self, route: Route, text: str, path: str | None, decodes: bool = False) -> None:
        super().__init__()
        known = IN_KEYS.of(route)
        before, mark, _ = text.partition("?")
        self._path = UrlTemplate(before, known)
        # The whole text, because what stands before a placeholder says how its value is encoded.
        self._query = UrlTemplate(text[len(before) :], known, decodes=decodes) if mark else None
        self._keeps_query = not mark and self._path.names.isdisjoint(("query", "uri"))
        self._size = len(path.encode()) if path is not None and self._path.names.isdisjoint(("path", "uri")) else None

    def target(self, head: RequestHead, source: Source) -> bytes:
        made = self._path.fill(source)
        if self._size is not None:
            made += percent.path(head.path[self._size :])
        made = one_slash(made, self._path.start)
        if percent.has_dots(made.partition(b"?")[0]):
            return b""
        if self._query is not None:
            return (made + self._query.fill(source)).rstrip(b"?&")
        return made + head.target[len(head.path) :] if self._keeps_query else made


def one_slash(target: bytes, start: bytes) -> bytes:
    """``target`` with one slash at its beginning, unless ``start``, the configuration's own text, has more."""
    if start[1:2] in (b"/", b"\\"):
        return target
    slashes = _SLASHES.match(target)
    return b"/" + target[slashes.end() :] if slashes is not None else target


def rewrite_of(route: Route) -> Rewrite | None:
    """What the route does to targets, if it does anything."""
    if route.strip:
        made = PrefixRewrite(route.path, "/" if route.path.endswith("/") else "")
        made.stripped = route.path.rstrip("/").encode()
        return made
    if route.rewrite is None:
        return None
    whole = route.exact is not None or route.regex is not None
    if whole or "?" in route.rewrite or "{" in route.rewrite:
        return TemplateRewrite(route, route.rewrite, None if whole else route.path)
    return PrefixRewrite(route.path, route.rewrite)
