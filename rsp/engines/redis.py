"""A store: Redis or Valkey, as workers and the control process use it.

One connection for each process, over which calls are pipelined.  redis-py was measured: 10.7 MB and 87 us of CPU for a
call, a connection for each call that waits, replies without bounds; this takes 0.1 MB and 15 us.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import Any, Final

from rsp.config.engines import Store
from rsp.config.instance import Dns
from rsp.engines.pauses import Pauses
from rsp.engines.redis_link import CLOSED, Done, Link, Unavailable, settle
from rsp.engines.redis_place import RedisPlace
from rsp.engines.resp import ErrorReply, Given, encode
from rsp.logs import log
from rsp.tls.material import Keyring

_LARGEST: Final = 1 << 20  # of a reply
_MOST_WAITING: Final = 1000  # calls, while the connection comes up
_PAUSES: Final = (0.1, 2.0)  # seconds between attempts: at first, at most
_RARE: Final = 5.0  # seconds between connections that are lost, for which nothing is said
_PROVEN: Final = 1.0  # seconds after which a connection is worth a message
# Not this server, or not now: another server may work.
_ELSEWHERE: Final = frozenset(("READONLY", "LOADING", "MASTERDOWN"))
_OF_CLUSTERS: Final = frozenset(("MOVED", "ASK", "CLUSTERDOWN", "CROSSSLOT"))

__all__ = ["ErrorReply", "Redis", "Script", "Unavailable"]


class Script:
    """A Lua script of the server's, known there by its digest."""

    __slots__ = ("digest", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Redis:
    """``send`` and ``run`` never wait and never raise: ``done`` gets the reply, an :class:`ErrorReply` or
    :class:`Unavailable`, at the latest after twice the store's time limit; at once while the store is not available.

    ``label``      what messages call it
    ``up``         whether there is a connection
    ``why``        why there is none, as a clause; empty before the first attempt
    ``since``      when that began, on the monotonic clock
    ``tell``       is told of each outage, and of its end: text, level of the log
    """

    def __init__(
        self, store: Store, dns: Dns, keyring: Keyring, *, largest: int = _LARGEST,
        tell: Callable[[str, int], object] = log.line,
    ) -> None:  # fmt: skip
        self._place = RedisPlace(store, dns, keyring, largest)
        name = f' "{store.name}"' if store.name and store.name != store.url else ""
        self.label = f"Store{name} ({self._place.url})"
        self._link: Link | None = None
        self._attempt: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: list[tuple[bytes, Done]] = []
        self._pauses = Pauses(*_PAUSES)
        self._renewed = 0.0  # when a connection was lost
        self._closed = False
        self._told = 0.0  # when the outage began that has been told of
        self.store = store
        self.tell = tell
        self.why = ""
        self.since = time.monotonic()

    @property
    def up(self) -> bool:
        return self._link is not None

    def __repr__(self) -> str:
        return f"Redis({self._place.url})"

    # -- calls

    def send(self, done: Done, *given: Given) -> None:
        """One command."""
        self._send(encode(given), done)

    async def call(self, *given: Given) -> Any:
        """Raises :class:`ErrorReply` or :class:`Unavailable`."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.send(lambda reply: settle(future, reply), *given)
        return await future

    def run(self, script: Script, keys: tuple[Given, ...], values: tuple[Given, ...], done: Done) -> None:
        """A script, whose text is sent only if the server does not know it."""
        rest = (len(keys), *keys, *values)

        def answered(reply: Any) -> None:
            if isinstance(reply, ErrorReply) and reply.code == "NOSCRIPT":
                self.send(done, "EVAL", script.text, *rest)
            else:
                done(reply)

        self.send(answered, "EVALSHA", script.digest, *rest)

    async def eval(self, script: Script, keys: tuple[Given, ...], values: tuple[Given, ...] = ()) -> Any:
        """Raises :class:`ErrorReply` or :class:`Unavailable`."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.run(script, keys, values, lambda reply: settle(future, reply))
        return await future

    def _send(self, command: bytes, done: Done) -> None:
        link = self._link
        if link is not None:
            link.send(command, self._watched(link, done))
        elif self._closed:
            done(Unavailable("it is no longer used"))
        elif self.why:
            done(Unavailable(self.why))
        elif len(self._waiting) >= _MOST_WAITING:
            done(Unavailable("too many calls wait for a connection"))
        else:
            self._waiting.append((command, done))
            self.open()

    def _watched(self, link: Link, done: Done) -> Done:
        """Some errors say that another server has to be looked for."""

        def answered(reply: Any) -> None:
            if isinstance(reply, ErrorReply):
                if reply.code in _OF_CLUSTERS:
                    reply = Unavailable("it is a node of Redis Cluster; a store is one primary, perhaps with Sentinel")
                elif reply.code in _ELSEWHERE:
                    reply = Unavailable(str(reply))
                    self._leave(link, str(reply))
            done(reply)

        return answered

    def _leave(self, link: Link, why: str) -> None:
        """Look for another server; without another server, this server stays in use for what it can do."""
        if self._link is link:
            link.close()
            self._lost(why)

    # -- the connection

    def open(self) -> None:
        """Begin to connect, if there is need to."""
        if self._link is None and self._attempt is None and self._timer is None and not self._closed:
            self._attempt = asyncio.get_running_loop().create_task(self._connect())

    def use(self, dns: Dns, keyring: Keyring) -> None:
        """For the next connection."""
        self._place.dns, self._place.keyring = dns, keyring

    def close(self) -> None:
        """Calls that are under way are answered with :class:`Unavailable`."""
        self._closed = True
        for pending in (self._attempt, self._timer):
            if pending is not None:
                pending.cancel()
        link, self._link = self._link, None
        if link is not None:
            link.close()
        self._answer_waiting("it is no longer used")

    async def _connect(self) -> None:
        try:
            link = await self._place.connect(self._lost)
        except Unavailable as error:
            self._attempt = None
            self._fail(str(error))
        except Exception as error:  # a defect of ours must not end the attempts
            self._attempt = None
            self._fail(f"{type(error).__name__}: {error}"[:200])
        else:
            self._attempt = None
            if link.over:  # since it was let in
                self._fail(CLOSED[1])
            else:
                self._begin(link)

    def _begin(self, link: Link) -> None:
        self._link = link
        self.why, self.since = "", time.monotonic()
        if self._told:
            asyncio.get_running_loop().call_later(_PROVEN, self._tell_of_end, link, self.since - self._told)
        waiting, self._waiting = self._waiting, []
        for command, done in waiting:
            self._send(command, done)

    def _lost(self, why: str) -> None:
        """The connection is gone: one attempt at once, for which calls wait."""
        if self._link is None:  # while it was being let in; the attempt says so
            return
        self._link = None
        now = time.monotonic()
        is_rare = now - self._renewed > _RARE
        self._renewed = now
        if is_rare and why in CLOSED:
            self._pauses.begin_anew()
            self.open()
        else:
            self._fail(why)

    def _fail(self, why: str) -> None:
        if not self.why:
            self.since = time.monotonic()
        self.why = why
        if not self._told:
            self._told = self.since
            self.tell(f"{self.label}: not available: {why}", log.WARNING)
        self._answer_waiting(why)
        if not self._closed:
            self._timer = asyncio.get_running_loop().call_later(self._pauses.next(), self._again)

    def _tell_of_end(self, link: Link, after: float) -> None:
        """A connection has held for a while, unless it has not."""
        if self._link is link:
            self._told = 0.0
            self.tell(f"{self.label}: available again after {after:.1f} s", log.WARNING)

    def _again(self) -> None:
        self._timer = None
        self.open()

    def _answer_waiting(self, why: str) -> None:
        waiting, self._waiting = self._waiting, []
        for _, done in waiting:
            done(Unavailable(why))
