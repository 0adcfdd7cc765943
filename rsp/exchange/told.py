"""What placeholders of the configuration stand for: what rsp knows of a request.

Rules of this room: a reader for each name, found by that name; those of fields, cookies and groups are made when their
name is first asked for.  All names come from configurations, so there are few.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

from rsp.config.placeholders import IN_PROXY, IN_TLS
from rsp.exchange.filters.forwarded import name_of, scheme_told
from rsp.exchange.proxied import proxy_told
from rsp.exchange.subject import Subject
from rsp.exchange.tls import tls_told
from rsp.http.apart import request_field
from rsp.http.lines import each, get
from rsp.http.names import APART
from rsp.logs.json_line import moment

_TAB: Final = 0x09
_SPACE: Final = 0x20
_SEMICOLON: Final = 0x3B
_EQUALS: Final = 0x3D


class _Reader:
    """Knows what one placeholder stands for."""

    __slots__ = ()

    def read(self, exchange: Subject) -> bytes:
        raise NotImplementedError


class _Single(_Reader):
    __slots__ = ("_read",)

    def __init__(self, read: Callable[[Subject], bytes]) -> None:
        self._read = read

    def read(self, exchange: Subject) -> bytes:
        return self._read(exchange)


def told(exchange: Subject, name: str) -> bytes:
    """What the placeholder ``name`` stands for; empty: nothing."""
    reader = _READERS.get(name)
    if reader is None:
        reader = _READERS[name] = _reader(name)
    return reader.read(exchange)


def scheme_of(exchange: Subject) -> bytes:
    """How the client reached rsp, or the trusted proxy that says so."""
    session = exchange.session
    scheme = session.scheme
    if exchange.head.forwarded and exchange.config.forwarded.trusts(session.client):
        return scheme_told(exchange.head, scheme)
    return scheme


def _sort_out(exchange: Subject) -> None:
    """What a client may not say of itself is gone before anything is read, if nothing was sent to a peer yet."""
    if exchange.head.forwarded and not exchange.over:
        exchange.tell()


def _client(exchange: Subject) -> bytes:
    _sort_out(exchange)
    return exchange.client


def _authority(exchange: Subject) -> bytes:
    return exchange.head.host or exchange.stream.local_name()


def _host(exchange: Subject) -> bytes:
    return name_of(_authority(exchange))


def _path(exchange: Subject) -> bytes:
    return exchange.head.path


def _query(exchange: Subject) -> bytes:
    return exchange.head.target.partition(b"?")[2]


def _uri(exchange: Subject) -> bytes:
    target = exchange.head.target
    return target if target != b"*" else b"/"


def _request_id(exchange: Subject) -> bytes:
    return exchange.request_id


def _upstream(exchange: Subject) -> bytes:
    return exchange.upstream.name.encode() if exchange.upstream is not None else b""


def _peer(exchange: Subject) -> bytes:
    """The last one that was asked, also the one that is about to be."""
    return exchange.responder.peers_tried.rpartition(b",")[2]


def user_of(exchange: Subject) -> bytes:
    """Of authentication."""
    return exchange.user


def _time(_exchange: Subject) -> bytes:
    return moment(time.time())


def _reader(name: str) -> _Reader:
    if name in IN_PROXY:
        return _Single(partial(_proxied, name))
    family, dot, rest = name.partition(".")
    if dot and family in _FAMILIES:
        return _FAMILIES[family](rest)
    return _Single(partial(_of_tls, name)) if name in IN_TLS else _Group(name)


def _of_tls(name: str, exchange: Subject) -> bytes:
    return tls_told(exchange, name)


def _proxied(name: str, exchange: Subject) -> bytes:
    return proxy_told(exchange, name)


class _Field(_Reader):
    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name.encode()

    def read(self, exchange: Subject) -> bytes:
        _sort_out(exchange)
        found = get(exchange.head.fields, self._name)
        if found is None and self._name in APART:
            found = request_field(exchange.head, self._name)
        return found or b""


class _Cookie(_Reader):
    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name.encode()

    def read(self, exchange: Subject) -> bytes:
        for line in each(exchange.head.fields, b"cookie"):
            value = _in_cookies(line, self._name)
            if value is not None:
                return value
        return b""


def _in_cookies(line: bytes, name: bytes) -> bytes | None:
    """The first of that name in a line of ``Cookie`` (RFC 6265, 4.2.1)."""
    at = line.find(name)
    while at >= 0:
        begin, end = at, at + len(name)
        while begin > 0 and line[begin - 1] in (_SPACE, _TAB):
            begin -= 1
        while end < len(line) and line[end] in (_SPACE, _TAB):
            end += 1
        if end < len(line) and line[end] == _EQUALS and (begin == 0 or line[begin - 1] == _SEMICOLON):
            return line[end + 1 :].partition(b";")[0].strip(b' \t"')
        at = line.find(name, end)
    return None


class _Group(_Reader):
    """Of the route's ``regex``."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def read(self, exchange: Subject) -> bytes:
        captures = exchange.captures
        return captures.get(self._name, b"") if captures is not None else b""


_FAMILIES: Final[dict[str, type[_Field | _Cookie | _Group]]] = {"header": _Field, "cookie": _Cookie, "capture": _Group}
_SINGLE: Final[dict[str, Callable[[Subject], bytes]]] = {
    "client": _client,
    "user": user_of,
    "host": _host,
    "authority": _authority,
    "scheme": scheme_of,
    "path": _path,
    "query": _query,
    "uri": _uri,
    "request_id": _request_id,
    "upstream": _upstream,
    "peer": _peer,
    "time": _time,
}
_READERS: Final[dict[str, _Reader]] = {name: _Single(read) for name, read in _SINGLE.items()}
