"""What the hooks of one exchange keep from phase to phase, and what they see and change of it at once.

What a hook assigns to ``req`` and ``res`` comes with its outcome; fields stay here, each is read and written in place.
"""

from collections.abc import Callable
from math import isfinite
from typing import Any, Final

from rsp.exchange.exchange import Exchange
from rsp.exchange.filter import Filter, Notes
from rsp.exchange.hooks.fields import bar
from rsp.exchange.hooks.secured import tls_seen
from rsp.exchange.proxied import proxy_seen
from rsp.exchange.told import scheme_of, user_of
from rsp.http.apart import request_field, response_field
from rsp.http.credentials import binds_connection
from rsp.http.lines import drop, each, get
from rsp.http.message import ResponseHead
from rsp.http.names import APART, AUTHORIZATION, OURS, SPECIAL_SIZES, fold
from rsp.http.stream import ProxiedSession
from rsp.http.values import SOUND_ID

REQUEST: Final = b"request"  # whose fields are meant, as fields.lua names them; else the response's


_LOGGED: Final = 20  # values of one request
_LOGGED_BYTES: Final = 1024  # of one value


class HookNotes(Notes):
    """``number``: under which Lua keeps its ``req`` for later phases; 0: it is forgotten after its hook.

    ``response``   the head of the last response, as it was sent, or will be
    ``asked``      the filters whose hooks have seen that response; ``asking``: the one whose hook sees it now
    ``done``       the filters whose hooks see no other response: their own error comes next, or their own answer
    ``in_error``   a hook was told of the error that is to be answered
    ``proxied``    a hook has chosen where the request goes
    ``filtering``  a hook has set a filter for this response; ``filter``: its number, once it is used; 0: not yet
    ``holds``      keys of limit.conn, given back at the end
    ``left``       the exchange is over, but for on_log
    """

    # fmt: off
    __slots__ = (
        "_call_off", "_peer", "asked", "asking", "done", "exchange", "filter", "filtering", "holds", "in_error", "left",
        "number", "proxied", "response",
    )
    # fmt: on

    def set_up(self, exchange: Exchange, number: int) -> None:
        self.waits = False
        self.exchange = exchange
        self.number = number
        self.response: ResponseHead | None = None
        self.asked: list[Filter] = []
        self.asking: Filter | None = None
        self.done: list[Filter] = []
        self.in_error = False
        self.proxied = False
        self.filtering = False
        self.filter = 0
        self.holds: list[bytes] | None = None
        self.left = False
        self._call_off: Callable[[], None] | None = None
        self._peer: bytes | None = None  # the last one that was asked, once the exchange is over

    # -- waiting

    def wait(self, call_off: Callable[[], None] | None) -> None:
        """A hook waits, which ``call_off`` ends; ``None``: it does so no longer."""
        self._call_off = call_off
        self.waits = call_off is not None

    def call_off(self, exchange: Any) -> None:
        """What a hook waits for is of no more use, and a response that one looks at will not be sent."""
        self.withdraw()
        if self.asking is not None:  # it has had its time
            self.done.append(self.asking)
            self.asking = None

    def withdraw(self) -> None:
        call_off = self._call_off
        if call_off is not None:
            self.wait(None)
            call_off()

    # -- what objects.lua asks

    def described(self) -> tuple[bytes, bytes, bytes, bytes]:
        exchange = self.exchange
        head = exchange.head
        return head.method, head.target, head.host, exchange.client

    def about(self, key: bytes) -> object:
        exchange = self.exchange
        if key == b"id":
            return exchange.request_id or None
        if key == b"scheme":
            return scheme_of(exchange)
        if key == b"listener":
            return exchange.session.listener.encode()
        if key == b"user":
            return user_of(exchange) or None
        if key == b"upstream":
            return self.upstream_name()
        if key == b"peer":
            return self.last_peer()
        if key == b"own":
            return bool(exchange.own)
        if key == b"sent":
            return exchange.sent
        if key == b"duration":
            return exchange.context.clock() - exchange.started
        if key == b"tls":
            return exchange.session.tls is not None
        if key == b"proxy":
            return isinstance(exchange.session, ProxiedSession)
        if key.startswith(b"proxy."):
            return proxy_seen(exchange, key[6:])
        return tls_seen(exchange, key.removeprefix(b"tls."))

    def upstream_name(self) -> bytes | None:
        upstream = self.exchange.upstream
        return upstream.name.encode() if upstream is not None else None

    def last_peer(self) -> bytes | None:
        return self.exchange.responder.peers_tried.rpartition(b",")[2] or self._peer

    # -- for the access log

    def logged(self, name: object) -> bytes | float | None:
        given = self.exchange.logged
        return given.get(name.decode("utf-8", "replace")) if given and isinstance(name, bytes) else None

    def set_logged(self, name: bytes, value: bytes | float | None) -> bytes | None:
        """What is wrong with it, or ``None``."""
        given = self.exchange.logged or {}
        key = name.decode("utf-8", "replace")
        if value is None or (isinstance(value, float) and not isfinite(value)):
            given.pop(key, None)
        elif key not in given and len(given) >= _LOGGED:
            return b"a request has at most %d of these" % _LOGGED
        else:
            given[key] = _for_log(value)
        self.exchange.logged = given
        return None

    def leave(self) -> None:
        """The exchange is over; hooks of on_log may still wait, and ask."""
        self.left = True
        self._peer = self.last_peer()

    def block(self, which: bytes) -> bytes:
        """The field lines."""
        if which == REQUEST:
            return self.exchange.head.fields
        return self.response.fields if self.response is not None else b""

    def get_field(self, which: bytes, name: object) -> bytes | None:
        if not isinstance(name, bytes):
            return None
        found = get(self.block(which), name)
        if found is None and len(name) in SPECIAL_SIZES:
            return self._apart(which, name.lower())
        return found

    def _apart(self, which: bytes, name: bytes) -> bytes | None:
        """A field that is kept apart from the others."""
        exchange, passage = self.exchange, self.exchange.passage
        if which == REQUEST:
            if name not in APART or (passage is not None and name in passage.overridden):
                return None
            return request_field(exchange.head, name)
        held = passage.held if passage is not None and passage.holds else None
        return response_field(held.head, name) if held is not None else None

    def all_fields(self, which: bytes, name: bytes) -> list[bytes]:
        found = each(self.block(which), name)
        apart = None if found else self.get_field(which, name)
        return found if apart is None else [apart]

    def set_field(self, which: bytes, name: bytes, lines: bytes, more: bool) -> None:
        """``lines`` in the place of what there is of ``name``, which is in lower case; ``more``: in addition."""
        if which == REQUEST:
            self._set_request_field(name, lines, more)
            return
        if self.response is None:  # on_log of a request that was answered past the hooks, or not at all
            self.response = ResponseHead(0, b"", 1)
        head = self.response
        head.fields = (head.fields if more else drop(head.fields, name)) + lines
        bar(head, name)

    def _set_request_field(self, name: bytes, lines: bytes, more: bool) -> None:
        exchange = self.exchange
        head = exchange.head
        head.fields = (head.fields if more else drop(head.fields, name)) + lines
        bar(head, name)
        if name in AUTHORIZATION and binds_connection(lines):
            head.connection_bound = True
        folded = fold(name)
        if folded in OURS and exchange.passage is not None:
            passage = exchange.passage
            passage.overridden = frozenset((folded, *passage.overridden))
            given = get(lines, name)
            if folded == b"x-request-id" and given is not None and SOUND_ID.fullmatch(given):
                exchange.request_id = given


def _for_log(value: bytes | float) -> bytes | float:
    """Within bounds."""
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    return value[:_LOGGED_BYTES] if isinstance(value, bytes) else value
