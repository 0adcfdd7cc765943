"""What Lua code asks of rsp without waiting, about the request that it works for; see objects.lua and fields.lua."""

import os
from collections.abc import Callable
from typing import Any

from rsp.config.errors import suggest
from rsp.config.units import Address
from rsp.exchange.hooks.fields import bar
from rsp.exchange.hooks.notes import REQUEST, HookNotes
from rsp.http.fields import flat
from rsp.http.lines import drop, get
from rsp.http.message import RequestHead
from rsp.http.names import SPECIAL_SIZES
from rsp.ipc.shared_memory import Full, Shared
from rsp.lua.services import AT_LOAD
from rsp.net.context import WorkerContext


class Host:
    """Lua holds this, so it must not hold Lua: nothing would ever free the two.

    ``current``: the data of the exchange whose hook runs, and ``head``: its request's head.
    ``serving``: the configuration has been loaded.
    """

    __slots__ = ("context", "current", "head", "serving", "store", "table")

    def __init__(self, context: WorkerContext, store: Shared) -> None:
        self.context = context
        self.store = store
        self.current: HookNotes | None = None
        self.head: RequestHead | None = None
        self.serving = False
        self.table: Callable[[Any], Any] = dict

    def offered(self) -> dict[str, Callable[..., Any]]:
        names = (
            "describe", "about", "get_field", "set_field", "all_fields", "add_field", "each_field", "hold",
            "get_logged", "set_logged", "shared_incr", "shared_rate", "wrong_peer", "wrong_upstream",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}

    def wrong_upstream(self, name: bytes) -> Any:
        """What is wrong with it; nil: nothing, as far as rsp can say."""
        current = self.current
        known = list(current.exchange.config.upstreams) if current is not None else []
        wanted = name.decode("utf-8", "replace")
        return f'no upstream "{wanted}"{suggest(wanted, known)}'.encode() if known and wanted not in known else None

    def wrong_peer(self, peer: bytes) -> Any:
        """What is wrong with its form; nil: nothing."""
        try:
            Address.parse(peer.decode("utf-8", "replace"))
        except ValueError as error:
            return str(error).encode()
        return None

    def describe(self) -> Any:
        current = self.current
        return current.described() if current is not None else (b"", b"/", b"", b"")

    def about(self, key: bytes) -> Any:
        current = self.current
        found = current.about(key) if current is not None else None
        return self.table(found) if isinstance(found, tuple) else found

    # ``which``: the request's fields, or the response's.

    def get_field(self, which: bytes, name: object) -> Any:
        head, current = self.head, self.current
        if head is not None and isinstance(name, bytes) and which == REQUEST:  # without a detour
            found = get(head.fields, name)
            if found is not None or len(name) not in SPECIAL_SIZES:
                return found
        return current.get_field(which, name) if current is not None else None

    def set_field(self, which: bytes, name: bytes, lines: bytes) -> None:
        head, current = self.head, self.current
        if head is not None and len(name) not in SPECIAL_SIZES and which == REQUEST:
            head.fields = drop(head.fields, name) + lines
            bar(head, name)
        elif current is not None:
            current.set_field(which, name, lines, False)

    def add_field(self, which: bytes, name: bytes, lines: bytes) -> None:
        current = self.current
        if current is not None:
            current.set_field(which, name, lines, True)

    def all_fields(self, which: bytes, name: bytes) -> Any:
        current = self.current
        return self.table(current.all_fields(which, name) if current is not None else [])

    def each_field(self, which: bytes) -> Any:
        current = self.current
        return self.table(flat(current.block(which)) if current is not None else [])

    def get_logged(self, name: object) -> object:
        """What `req.log` has there."""
        current = self.current
        return current.logged(name) if current is not None else None

    def set_logged(self, name: bytes, value: bytes | float | None) -> bytes | None:
        """What is wrong with it; nil: nothing."""
        current = self.current
        return current.set_logged(name, value) if current is not None else None

    # -- state that all workers share

    def shared_incr(self, key: bytes, by: float, first: float, ttl: float) -> Any:
        """Compiled, as services.py is not."""
        if not self.serving:
            return None, AT_LOAD
        try:
            total = self.store.incr(key, by, first, ttl)
        except (Full, ValueError) as error:
            return None, str(error).encode()
        return total if total is not None else (None, b"shared: incr: the value of this key is not a number")

    def shared_rate(self, key: bytes, interval: float, burst: float, cost: float) -> Any:
        try:
            return self.store.rate(key, interval, burst, cost) if self.serving else (None, AT_LOAD)
        except (Full, ValueError) as error:
            return None, str(error).encode()

    def hold(self, key: bytes, most: float) -> Any:
        """For limit.conn; given back when the exchange ends."""
        current = self.current
        if current is None:
            return None, b"limit.conn: there is no request here"
        me = os.getpid()
        try:
            if not self.store.hold(key, me, int(most)):
                freed = self.store.void(key, self.alive() | {me})
                if not freed or not self.store.hold(key, me, int(most)):
                    return False
        except (Full, ValueError) as error:
            return None, str(error).encode()
        current.holds = [*(current.holds or ()), key]
        return True

    def alive(self) -> set[int]:
        """The process ids of all workers."""
        return self.context.scoreboard.pids()
