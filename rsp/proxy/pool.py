"""A peer: its idle connections, and how new ones are made.

One pool for each address and worker.  A host name's addresses are looked up by the event loop's resolver threads
and kept when a later look-up fails; a worker never waits for them while it serves others.
"""

import asyncio
import socket
from typing import TYPE_CHECKING, cast

from rsp import log
from rsp.config.units import Peer

if TYPE_CHECKING:
    from rsp.proxy.exchange import Exchange
    from rsp.proxy.plane import Plane
    from rsp.proxy.upstream import Upstream


class Attempt:
    """A connection on its way up, for an exchange or (``None``) for the pool."""

    __slots__ = ("deadline", "exchange", "task", "timed_out")

    def __init__(self, exchange: "Exchange | None", deadline: float) -> None:
        self.exchange = exchange
        self.deadline = deadline
        self.timed_out = False
        self.task: asyncio.Task[None]

    def is_due(self, now: float) -> bool:
        return self.deadline < now and not self.timed_out

    def expire(self) -> None:
        self.timed_out = True
        self.task.cancel()


class Pool:
    """``keepalive``: how many idle connections to keep.  The last one used is the first one taken again."""

    def __init__(self, address: Peer) -> None:
        self.address = address
        self.label = address.encode()
        self.keepalive = 0
        self.idle: list[Upstream] = []
        host = address.host
        self._is_name = not address.is_unix and ":" not in host and not host.replace(".", "").isdigit()
        self._hosts: list[str] = [] if self._is_name or address.is_unix else [host]
        self._turn = 0
        self._unresolved = False
        self._lookup: asyncio.Task[None] | None = None

    def take(self) -> "Upstream | None":
        """An idle connection that is open as far as anyone knows."""
        idle = self.idle
        while idle:
            upstream = idle.pop()
            if not upstream.transport.is_closing():
                return upstream
        return None

    def connect(self, plane: "Plane", exchange: "Exchange | None") -> None:
        """Make a connection; then call ``exchange.connected(upstream)`` or ``exchange.connect_failed(...)``."""
        attempt = Attempt(
            exchange, plane.now + (exchange.terms if exchange is not None else plane.site.terms).connect_time + 0.5
        )
        plane.attempts.add(attempt)
        attempt.task = asyncio.get_running_loop().create_task(self._connect(plane, attempt))

    def forget_idle(self) -> None:
        """Close what is idle: the peer has gone away, or left the configuration."""
        while self.idle:
            self.idle.pop().close()

    def refresh(self) -> None:
        """Look a host name up again, in the background."""
        if self._is_name and (self._lookup is None or self._lookup.done()):
            self._lookup = asyncio.get_running_loop().create_task(self._resolve())

    async def _connect(self, plane: "Plane", attempt: Attempt) -> None:
        from rsp.proxy.upstream import Upstream

        reason = ""
        upstream = Upstream(plane, self)
        protocol = cast(asyncio.Protocol, upstream)
        loop = asyncio.get_running_loop()
        try:
            if self.address.is_unix:
                await loop.create_unix_connection(lambda: protocol, self.address.path)
            else:
                await loop.create_connection(lambda: protocol, await self._next_host(), self.address.port)
        except OSError as error:
            # uvloop's message for a refusal names the call; the reason is enough.
            reason = error.strerror or str(error)
        except asyncio.CancelledError:
            reason = "timed out while connecting"
        finally:
            plane.attempts.discard(attempt)
        if reason and upstream.was_connected:  # connected, but too late
            upstream.transport.abort()
        exchange = attempt.exchange
        if exchange is not None and exchange.waits:
            if reason:
                exchange.connect_failed(reason, timed_out=attempt.timed_out)
            else:
                exchange.connected(upstream)
        elif reason:
            log.once_a_second(f"connect {self.address}", f"Peer {self.address} cannot be reached: {reason}")
        else:
            upstream.release()

    async def _next_host(self) -> str:
        """Addresses of a name take turns.  Raises :class:`OSError` when it has none."""
        if not self._hosts:
            self.refresh()
            if self._lookup is not None:
                await asyncio.shield(self._lookup)
        if not self._hosts:
            raise OSError(0, "host name does not resolve")
        self._turn += 1
        return self._hosts[self._turn % len(self._hosts)]

    async def _resolve(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self.address.host, self.address.port, type=socket.SOCK_STREAM)
        except OSError as error:
            if not self._unresolved:
                log.line(f"Peer {self.address}: host name does not resolve ({error.strerror or error})")
            self._unresolved = True
            return
        self._unresolved = False
        hosts = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if self._hosts and set(hosts) != set(self._hosts):
            log.line(f"Peer {self.address}: now at {', '.join(hosts)}")
        self._hosts = hosts
