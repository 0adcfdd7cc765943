"""What a route may ask of a request beside its host and path.  A route whose conditions do not hold is skipped.

Rules of this room: a condition is made once for a configuration, and looks at the head that a client has sent, after
hooks for all routes.  ``source`` knows the client's address (``placeholder("client")``) and its connection
(``session``).
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from rsp.http.apart import forwarded_fields, request_field
from rsp.http.fields import cookies
from rsp.http.lines import each, get
from rsp.http.matching import MOST_SEARCHED, Matcher, TooMany
from rsp.http.message import RequestHead
from rsp.http.names import ANY_CASE, APART, FORWARDED, learn
from rsp.http.networks import Networks
from rsp.http.regex import TooCostly

# ``text``: the value; true: whatever it is; false: there is none.
Wanted = str | bool | Matcher


class Unroutable(Exception):
    """A request whose route cannot be told.  ``status``, ``reason``: of the answer."""

    status: int
    reason: str


class CostlyValue(Unroutable):
    """Regular expressions would take too long for it.  ``many``: because there are so many values."""

    def __init__(self, status: int, what: str, *, many: bool = False) -> None:
        super().__init__(what)
        self.status = status
        wrong = f"has more than {MOST_SEARCHED} values, too many" if many else "is too long"
        self.reason = f"{what} {wrong} for the regular expression of a route"


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


class ValueCondition(Condition):
    """What the values of one name have to be.  Of several, one is enough; of a matcher's ``unless``, none may match."""

    __slots__ = ("_name", "_wanted")

    def __init__(self, key: str, name: str, wanted: Wanted) -> None:
        self.said = _said(key, name, wanted)
        self._name = name.encode()
        self._wanted = wanted.encode() if isinstance(wanted, str) else wanted

    def values(self, head: RequestHead, source: Any) -> list[bytes]:
        raise NotImplementedError

    def holds(self, head: RequestHead, source: Any) -> bool:
        """Raises :class:`CostlyValue`."""
        values = self.values(head, source)
        wanted = self._wanted
        if isinstance(wanted, bytes):
            return wanted in values
        if isinstance(wanted, bool):
            return bool(values) == wanted
        try:
            return wanted.holds(values)
        except TooCostly as error:
            raise CostlyValue(self.status(), self.what(), many=isinstance(error, TooMany)) from None

    def what(self) -> str:
        raise NotImplementedError

    def status(self) -> int:
        """Of the answer where the values are too long, or too many."""
        return 431

    def found(self, head: RequestHead, source: Any) -> str:
        values = self.values(head, source)
        listed = " and ".join(f'"{value.decode("utf-8", "replace")}"' for value in values[:3])
        return f"{self.what()} is {listed}" if values else f"{self.what()} is missing"


class FieldCondition(ValueCondition):
    """A field of the request.

    What a proxy says of its client is believed if that proxy is trusted, as everywhere.  ``preflights``: of the fields
    of a page's own request, a browser's preflight only tells the names, so these are enough.
    """

    __slots__ = ("_apart", "_folded", "_preflights", "_told")

    def __init__(self, name: str, wanted: Wanted, *, preflights: bool = False) -> None:
        folded = name.lower().encode()
        self._folded = folded in ANY_CASE
        super().__init__("headers", name, wanted)
        if self._folded and isinstance(wanted, str):
            self._wanted = wanted.lower().encode()
        self._name = folded
        self._preflights = preflights
        self._apart = folded in APART
        self._told = learn(folded) == FORWARDED

    def holds(self, head: RequestHead, source: Any) -> bool:
        if self._preflights and head.method == b"OPTIONS" and self._wanted is not False:
            names = _preflight(head, b"access-control-request-headers").lower().replace(b" ", b"")
            if self._name in names.split(b","):
                return True
        return ValueCondition.holds(self, head, source)

    def values(self, head: RequestHead, source: Any) -> list[bytes]:
        if self._told:
            source.placeholder("client")  # which sorts out what is not to be believed
        if not self._apart:
            return each(head.fields, self._name)
        if self._told:
            return forwarded_fields(head, self._name)
        value = request_field(head, self._name)
        if value is None:
            return []
        return [value.lower() if self._folded else value]

    def what(self) -> str:
        return f"the field {self._name.decode()}"


class CookieCondition(ValueCondition):
    """A cookie of the request.  ``preflights``: a browser's preflight has no cookies, so it is taken."""

    __slots__ = ("_preflights",)

    def __init__(self, name: str, wanted: Wanted, *, preflights: bool = False) -> None:
        super().__init__("cookies", name, wanted)
        self._preflights = preflights

    def holds(self, head: RequestHead, source: Any) -> bool:
        if self._preflights and _preflight(head, b"access-control-request-method"):
            return True
        return ValueCondition.holds(self, head, source)

    def values(self, head: RequestHead, source: Any) -> list[bytes]:
        return cookies(head.fields, self._name)

    def what(self) -> str:
        return f"the cookie {self._name.decode()}"


class QueryCondition(ValueCondition):
    """A parameter of the query, decoded."""

    __slots__ = ()

    def __init__(self, name: str, wanted: Wanted) -> None:
        super().__init__("query", name, wanted)

    def values(self, head: RequestHead, source: Any) -> list[bytes]:
        return parameters(head.target).get(self._name, [])

    def what(self) -> str:
        return f"the parameter {self._name.decode()}"

    def status(self) -> int:
        return 414


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
    if isinstance(wanted, Matcher):
        value = wanted.said
    else:
        value = f'"{wanted}"' if isinstance(wanted, str) else str(wanted).lower()
    written = name if name.isidentifier() else f'["{name}"]'
    return f"{key} = {{ {written} = {value} }}"
