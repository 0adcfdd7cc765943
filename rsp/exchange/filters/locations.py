"""`rewrite_location`: what a peer says of its own paths and hosts, as the client knows them.

It maps Location and Content-Location, the URL of Refresh, and Path and Domain of cookies.  Another site's URL stays
as it is, and so does a path that has the route's prefix already: applications that read X-Forwarded-Prefix write that.
Answers of a service that authenticates clients stay as well: their paths are the client's.
"""

import re
from typing import Any, Final

from rsp.config.placeholders import IN_HOST, Template
from rsp.config.routes import Route
from rsp.exchange.filter import FieldRule
from rsp.exchange.filters.forwarded import name_of
from rsp.exchange.rewrite import one_slash
from rsp.http.lines import which
from rsp.http.message import ResponseHead
from rsp.http.names import split

_NAMES: Final = (b"location", b"content-location", b"refresh", b"set-cookie")
# RFC 3986 section 3, as far as it is needed: scheme, authority, and the rest.
_URL: Final = re.compile(rb"((?:https?:)?)//([^/?#\\]*)(.*)", re.IGNORECASE | re.DOTALL)
# Possessive: a peer's run of blanks may not take the square of its length.
_REFRESH: Final = re.compile(rb"([0-9. \t]*+[;,][ \t]*+(?:url[ \t]*+=[ \t]*+)?)(['\"]?)(.*)", re.IGNORECASE | re.DOTALL)
_ATTRIBUTE: Final = re.compile(rb"([ \t]*+)(path|domain)([ \t]*+=[ \t]*+)(.*)", re.IGNORECASE | re.DOTALL)
_DEFAULT_PORT: Final = re.compile(rb":(?:80|443)?\Z")


class LocationRule(FieldRule):
    """``outer``: the prefix that clients see, ``inner``: what peers see in its place; both without a final slash.

    ``host``: what the route sends as Host, if that is not the client's.
    """

    __slots__ = ("_host", "_inner", "_outer")

    def __init__(self, route: Route) -> None:
        rules = route.request_headers
        given = [value for name, value in (rules.set if rules else {}).items() if name.lower() == "host"]
        host = given[0] if given else route.send_host
        self._host = Template(host, IN_HOST) if host else None
        self._outer = route.path.rstrip("/").encode()
        self._inner = (route.rewrite or "/").rstrip("/").encode()

    def apply(self, exchange: Any, head: ResponseHead) -> None:
        if which(head.fields, _NAMES) == 0:
            return
        passage = exchange.passage
        if passage is None or not passage.by_service:
            self._rewrite(exchange, head)

    def _rewrite(self, exchange: Any, head: ResponseHead) -> None:
        lines = split(head.fields)
        for index, line in enumerate(lines):
            name, _, value = line.partition(b":")
            folded = name.lower()
            if folded in _NAMES:
                lines[index] = name + b": " + self._mapped(exchange, folded, value.strip(b" \t"))
        head.fields = b"\r\n".join([*lines, b""])

    def _mapped(self, exchange: Any, name: bytes, value: bytes) -> bytes:
        if name == b"set-cookie":
            return self._cookie(exchange, value)
        if name != b"refresh":
            return self._url(exchange, value)
        found = _REFRESH.fullmatch(value)
        if found is None:
            return value
        url, quote, behind = found[3].partition(found[2]) if found[2] else (found[3], b"", b"")
        return found[1] + found[2] + self._url(exchange, url) + quote + behind

    def _url(self, exchange: Any, url: bytes) -> bytes:
        """Absolute where it was; a relative one means the same to the client."""
        found = _URL.fullmatch(url)
        if found is None:
            return self.path(url) if url[:1] == b"/" else url
        scheme, authority, path = found.groups()
        public: bytes = exchange.placeholder("authority")
        if _bare(authority) == _bare(public):
            return scheme + b"//" + authority + self._absolute(path)
        if _bare(authority) not in self._own_authorities(exchange):
            return url
        if scheme:
            scheme = exchange.placeholder("scheme") + b":"
        return scheme + b"//" + public + self._absolute(path)

    def _absolute(self, path: bytes) -> bytes:
        return self.path(path) if path[:1] == b"/" else self.path(b"/" + path) if self._outer else path

    def path(self, path: bytes) -> bytes:
        """``path``, perhaps with a query, as the client knows it."""
        outer, inner = self._outer, self._inner
        if (outer and _is_below(path, outer)) or not _is_below(path, inner):
            return path
        return one_slash(outer + path[len(inner) :], b"")

    def _cookie(self, exchange: Any, value: bytes) -> bytes:
        pair, *attributes = value.split(b";")
        if pair.lstrip()[:7].lower() == b"__host-":  # its path has to be "/", and it has no domain
            return value
        return b";".join([pair, *(self._attribute(exchange, attribute) for attribute in attributes)])

    def _attribute(self, exchange: Any, attribute: bytes) -> bytes:
        found = _ATTRIBUTE.fullmatch(attribute)
        if found is None:
            return attribute
        before, name, equals, value = found.groups()
        value = value.rstrip(b" \t")
        if name.lower() == b"path":
            value = self._cookie_path(value)
        elif self._is_own(exchange, value):
            value = exchange.placeholder("host")
        return before + name + equals + value

    def _cookie_path(self, path: bytes) -> bytes:
        """``/docs`` for ``/``: a path with a final slash would not be for ``/docs`` itself (RFC 6265 section 5.1.4)."""
        if path == b"/" and not self._inner:
            return self._outer or path
        return self.path(path)

    def _own_authorities(self, exchange: Any) -> tuple[bytes, ...]:
        """What a peer may take for its own: the Host that it was sent, and its address."""
        sent = self._host.fill(exchange) if self._host is not None else b""
        return _bare(sent), _bare(exchange.placeholder("peer"))

    def _is_own(self, exchange: Any, domain: bytes) -> bool:
        """Whether a cookie's domain is that of a peer, and not the client's."""
        domain = domain.lower().removeprefix(b".")
        if _matches(exchange.placeholder("host").lower(), domain):
            return False
        return any(_matches(name_of(own), domain) for own in self._own_authorities(exchange))


def _bare(authority: bytes) -> bytes:
    """As it is compared."""
    return _DEFAULT_PORT.sub(b"", authority.lower())


def _is_below(path: bytes, prefix: bytes) -> bool:
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"", b"/", b"?", b"#")


def _matches(host: bytes, domain: bytes) -> bool:
    """RFC 6265 section 5.1.3."""
    return host == domain or (domain != b"" and host.endswith(b"." + domain))
