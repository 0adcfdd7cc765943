"""A peer: its idle connections, and how new ones are made.

One pool for each address and worker.  A host name's addresses are looked up by the event loop's resolver threads
and kept when a later look-up fails; a worker never waits for them while it serves others.
"""

import asyncio
import socket
from typing import TYPE_CHECKING

from rsp import log
from rsp.config.units import Peer
from rsp.net.connector import Connector

if TYPE_CHECKING:
    from rsp.proxy.exchange import Exchange
    from rsp.proxy.plane import Plane
    from rsp.proxy.upstream import Upstream


class Attempt:
    """A connection on its way up, for an exchange or (``None``) for the pool."""

    __slots__ = ("_connector", "_over", "_plane", "_pool", "_timed_out", "deadline", "exchange")

    def __init__(self, plane: "Plane", pool: "Pool", exchange: "Exchange | None") -> None:
        self._plane = plane
        self._pool = pool
        self._connector: Connector | None = None
        self._over = False
        self._timed_out = False
        self.exchange = exchange
        terms = exchange.terms if exchange is not None else plane.site.terms
        self.deadline = plane.now + terms.connect_time + 0.5
        plane.attempts.add(self)

    def begin(self, address: tuple[str, int] | str) -> None:
        """Connect to ``address``, as for :class:`Connector`."""
        if not self._over:
            self._connector = Connector(self._plane.poller, address, self.end)

    def is_due(self, now: float) -> bool:
        return self.deadline < now

    def expire(self) -> None:
        self._timed_out = True
        reason = "timed out while connecting"
        if self._connector is not None:
            self._connector.cancel(reason)
        else:
            self.end(-1, reason)

    def end(self, descriptor: int, reason: str) -> None:
        """Hand the connection over, or say why there is none."""
        if self._over:
            return
        self._over = True
        plane, exchange = self._plane, self.exchange
        plane.attempts.discard(self)
        if exchange is not None and not exchange.waits:
            exchange = None
        if descriptor >= 0:
            self._pool.connected(plane, descriptor, exchange)
        elif exchange is not None:
            exchange.connect_failed(reason, timed_out=self._timed_out)
        else:
            address = self._pool.address
            log.once_a_second(f"connect {address}", f"Peer {address} cannot be reached: {reason}")


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
        self._unaddressed: list[Attempt] = []  # they wait for the first look-up

    def take(self) -> "Upstream | None":
        """An idle connection that is open as far as anyone knows."""
        idle = self.idle
        while idle:
            upstream = idle.pop()
            if not upstream.transport.closing:
                return upstream
        return None

    def connect(self, plane: "Plane", exchange: "Exchange | None") -> None:
        """Make a connection; then call ``exchange.connected(upstream)`` or ``exchange.connect_failed(...)``."""
        attempt = Attempt(plane, self, exchange)
        if self.address.is_unix:
            attempt.begin(self.address.path)
        elif self._hosts:
            attempt.begin(self._next_address())
        else:
            self._unaddressed.append(attempt)
            self.refresh()

    def connected(self, plane: "Plane", descriptor: int, exchange: "Exchange | None") -> None:
        """For ``exchange``, or for whoever asks next."""
        from rsp.proxy.upstream import Upstream

        upstream = Upstream(plane, self, descriptor)
        if exchange is not None:
            exchange.connected(upstream)
        else:
            upstream.release()

    def forget_idle(self) -> None:
        """Close what is idle: the peer has gone away, or left the configuration."""
        while self.idle:
            self.idle.pop().close()

    def refresh(self) -> None:
        """Look a host name up again, in the background."""
        if self._is_name and (self._lookup is None or self._lookup.done()):
            self._lookup = asyncio.get_running_loop().create_task(self._resolve())

    def _next_address(self) -> tuple[str, int]:
        """Addresses of a name take turns."""
        self._turn += 1
        return self._hosts[self._turn % len(self._hosts)], self.address.port

    async def _resolve(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self.address.host, self.address.port, type=socket.SOCK_STREAM)
        except OSError as error:
            if not self._unresolved:
                log.line(f"Peer {self.address}: host name does not resolve ({error.strerror or error})")
            self._unresolved = True
        else:
            self._unresolved = False
            hosts = list(dict.fromkeys(str(entry[4][0]) for entry in found))
            if self._hosts and set(hosts) != set(self._hosts):
                log.line(f"Peer {self.address}: now at {', '.join(hosts)}")
            self._hosts = hosts
        waiting, self._unaddressed = self._unaddressed, []
        for attempt in waiting:
            if self._hosts:
                attempt.begin(self._next_address())
            else:
                attempt.end(-1, "host name does not resolve")
