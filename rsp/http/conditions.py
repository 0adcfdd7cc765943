"""What a route may ask of a request beside its host and path.  A route whose conditions do not hold is skipped.

Rules of this room: a condition is made once for a configuration, and looks at the head that a client has sent, after
hooks for all routes.  ``source`` knows the client's address (``placeholder("client")``) and its connection
(``session``).
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from rsp.http.apart import request_field
from rsp.http.lines import each, get
from rsp.http.message import RequestHead
from rsp.http.names import APART, FORWARDED, learn
from rsp.http.networks import Networks

# ``text``: the value; true: whatever it is; false: there is none.
Wanted = str | bool

_FOLDED: Final = frozenset((b"upgrade",))  # of values that are compared in any case (RFC 9110 section 7.8)


class Condition:
    """``said``: as the configuration has it."""

    __slots__ = ("said",)

    said: str

    def holds(self, head: RequestHead, source: Any) -> bool:
        raise NotImplementedError

    def found(self, head: RequestHead, source: Any) -> str:
        """What the request has instead, in words."""
        raise NotImplementedError


def _preflight(head: RequestHead, name: bytes) -> bytes:
    """What a browser's question before a request (CORS) has in the field ``name``; empty: this is no preflight."""
    if head.method != b"OPTIONS" or get(head.fields, b"origin") is None:
        return b""
    return get(head.fields, name) or b""


class MethodCondition(Condition):
    """GET includes HEAD.  ``preflights``: the route has ``cors``, so it takes the preflights for its methods, too."""

    __slots__ = ("_methods", "_preflights")

    def __init__(self, methods: Iterable[str], *, preflights: bool = False) -> None:
        given = list(methods)
        self._preflights = preflights
        self.said = f"methods = {', '.join(given)}"
        self._methods = frozenset(name.encode() for name in (*given, *(["HEAD"] if "GET" in given else [])))

    def holds(self, head: RequestHead, source: Any) -> bool:
        if head.method in self._methods:
            return True
        return self._preflights and _preflight(head, b"access-control-request-method") in self._methods

    def found(self, head: RequestHead, source: Any) -> str:
        return f"the method is {head.method.decode()}"


class FieldCondition(Condition):
    """A field of the request; of several with one name, one is enough.

    What a proxy says of its client is believed if that proxy is trusted, as everywhere.  ``preflights``: of the fields
    of a page's own request, a browser's preflight only tells the names, so these are enough.
    """

    __slots__ = ("_apart", "_folded", "_name", "_preflights", "_told", "_value", "_wanted")

    def __init__(self, name: str, wanted: Wanted, *, preflights: bool = False) -> None:
        self._preflights = preflights
        self.said = _said("headers", name, wanted)
        self._name = name.lower().encode()
        self._apart = self._name in APART
        self._told = learn(self._name) == FORWARDED
        self._folded = self._name in _FOLDED
        self._wanted = wanted
        value = wanted.encode() if isinstance(wanted, str) else b""
        self._value = value.lower() if self._folded else value

    def holds(self, head: RequestHead, source: Any) -> bool:
        if self._preflights and head.method == b"OPTIONS" and self._wanted is not False:
            names = _preflight(head, b"access-control-request-headers").lower().replace(b" ", b"")
            if self._name in names.split(b","):
                return True
        values = self._values(head, source)
        if isinstance(self._wanted, bool):
            return bool(values) == self._wanted
        return self._value in ([value.lower() for value in values] if self._folded else values)

    def _values(self, head: RequestHead, source: Any) -> list[bytes]:
        if self._told:
            source.placeholder("client")  # which sorts out what is not to be believed
        if not self._apart:
            return each(head.fields, self._name)
        value = request_field(head, self._name)
        return [value] if value is not None else []

    def found(self, head: RequestHead, source: Any) -> str:
        return _has(f"the field {self._name.decode()}", self._values(head, source))


class QueryCondition(Condition):
    """A parameter of the query, decoded; of several with one name, one is enough."""

    __slots__ = ("_name", "_value", "_wanted")

    def __init__(self, name: str, wanted: Wanted) -> None:
        self.said = _said("query", name, wanted)
        self._name = name.encode()
        self._wanted = wanted
        self._value = wanted.encode() if isinstance(wanted, str) else b""

    def holds(self, head: RequestHead, source: Any) -> bool:
        values = parameters(head.target).get(self._name, ())
        return bool(values) == self._wanted if isinstance(self._wanted, bool) else self._value in values

    def found(self, head: RequestHead, source: Any) -> str:
        return _has(f"the parameter {self._name.decode()}", parameters(head.target).get(self._name, []))


class ClientCondition(Condition):
    """The client's address, behind trusted proxies too."""

    __slots__ = ("_networks",)

    def __init__(self, networks: Iterable[str]) -> None:
        given = list(networks)
        self.said = f"client = {', '.join(given)}"
        self._networks = Networks(given)

    def holds(self, head: RequestHead, source: Any) -> bool:
        return self._networks.covers(source.placeholder("client"))

    def found(self, head: RequestHead, source: Any) -> str:
        return f"the client is {source.placeholder('client').decode('latin-1')}"


class ListenerCondition(Condition):
    """Where the request has come in.  ``listeners``: addresses, as in ``listen``."""

    __slots__ = ("_listeners",)

    def __init__(self, listeners: Iterable[str]) -> None:
        given = list(listeners)
        self.said = f"listener = {', '.join(given)}"
        self._listeners = frozenset(given)

    def holds(self, head: RequestHead, source: Any) -> bool:
        return source.session.listener in self._listeners

    def found(self, head: RequestHead, source: Any) -> str:
        return f"the listener is {source.session.listener}"


@lru_cache(maxsize=8)  # of one request, for all routes that ask
def parameters(target: bytes) -> dict[bytes, list[bytes]]:
    """Those of the query of ``target``, as forms write them."""
    found: dict[bytes, list[bytes]] = {}
    for pair in target.partition(b"?")[2].split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            found.setdefault(_decoded(name), []).append(_decoded(value))
    return found


def _decoded(text: bytes) -> bytes:
    text = text.replace(b"+", b" ")
    return unquote_to_bytes(text) if b"%" in text else text


def _said(key: str, name: str, wanted: Wanted) -> str:
    value = f'"{wanted}"' if isinstance(wanted, str) else str(wanted).lower()
    written = name if name.isidentifier() else f'["{name}"]'
    return f"{key} = {{ {written} = {value} }}"


def _has(what: str, values: list[bytes]) -> str:
    listed = " and ".join(f'"{value.decode("latin-1")}"' for value in values[:3])
    return f"{what} is {listed}" if values else f"{what} is missing"
