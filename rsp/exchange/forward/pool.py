"""The connections of a peer that wait for the next request, and how new ones are made."""

from math import inf
from typing import TYPE_CHECKING, Final, Protocol

from rsp.config.units import Peer as Address
from rsp.config.upstreams import Upstream as UpstreamConfig
from rsp.http.h1.client import ConnectionOwner, PeerConnection
from rsp.http.peer_stream import Failure, PeerRequest, PeerStream
from rsp.ipc.peer_cells import CONNECTING, CONNECTS
from rsp.ipc.peer_stats import PeerStats
from rsp.logs import log
from rsp.net.connector import Connector
from rsp.net.context import WorkerContext
from rsp.net.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Collection

_WARM_AT_ONCE: Final = 8  # connections that a tick makes ahead


class PoolOwner(Protocol):
    """The peer, as its pool knows it."""

    address: Address
    stats: PeerStats


class Attempt:
    """A connection on its way up, for a request or (``None``) for the pool, if ``keep``.

    Without either it is a check, and closed at once: an idle connection keeps a peer busy that serves only one at a
    time, until that gives up waiting for a request.  So it is when its request has ended meanwhile.
    """

    __slots__ = ("_dial", "_keep", "_limits", "_over", "_pool", "_request", "_timed_out", "deadline")

    def __init__(self, pool: "Pool", request: PeerRequest | None, keep: bool = False) -> None:
        self._keep = keep
        self._over = False
        self._pool = pool
        self._request = request
        self._timed_out = False
        context = pool.context
        self._limits = request.limits if request is not None else context.limits
        self.deadline = context.now + self._limits.connect_time + 0.5
        context.attempts.add(self)
        pool.peer.stats.add(CONNECTING, 1)
        self._dial = pool.dial(self)

    def begin_handshake(self) -> None:
        """The peer has accepted the connection; a handshake comes before anything else."""
        self.deadline = self._pool.context.now + self._limits.handshake_time + 0.5

    def is_due(self, now: float) -> bool:
        return self.deadline < now

    def expire(self) -> None:
        self._timed_out = True
        self._dial.cancel("timed out while connecting")

    def end(self, transport: Transport | None, reason: str) -> None:
        """Hand the connection over, or say why there is none."""
        if self._over:
            return
        self._over = True
        pool, request = self._pool, self._request
        pool.context.attempts.discard(self)
        pool.peer.stats.add(CONNECTING, -1)
        if transport is not None:
            pool.peer.stats.add(CONNECTS, 1)
        if request is not None and not request.waits:
            request = None
        if transport is not None:
            if request is not None or self._keep:
                pool.connected(transport, request)
            else:
                transport.abort()
        elif request is not None:
            request.connect_failed(Failure(reason, timed_out=self._timed_out))
        else:
            address = pool.peer.address
            log.once_a_second(f"connect {address}", f"Peer {address} cannot be reached: {reason}")


class Dial(Protocol):
    def cancel(self, reason: str) -> None:
        """Give up, unless it is done."""


class Pool(ConnectionOwner):
    """``idle``: open connections; the last one used is the first one taken again.  ``keepalive``: so many at most.

    ``name``: what the peer's certificate has to be for.  This pool speaks plainly; ``secure_pool.py`` has that for TLS.
    """

    __slots__ = ("_age", "context", "idle", "keepalive", "name", "peer", "where")

    def __init__(self, context: WorkerContext, peer: PoolOwner) -> None:
        address = peer.address
        self.context = context
        self.peer = peer
        self.name = ""
        self.where: str | tuple[str, int] = address.path if address.is_unix else (address.host, address.port)
        self.idle: list[PeerConnection] = []
        self.keepalive = 0
        self.retired = False
        self.strict = True
        self._age = inf

    def is_made_for(self, rules: object, name: str) -> bool:
        """Whether its connections are right for a peer that is asked over TLS by ``rules``; ``None``: plainly."""
        return rules is None

    def configure(self, config: UpstreamConfig) -> None:
        self.retired = False
        self.keepalive = config.keepalive
        self.strict = config.strict
        self._age = config.keepalive_age or inf

    def retire(self) -> None:
        """The peer is none any more, or asked in another way: no connection waits here."""
        self.retired = True
        self.keepalive = 0
        self.forget_idle()

    # -- for requests

    def take(self, request: PeerRequest) -> PeerStream | None:
        """On an idle connection that is open as far as is known; ``None``: there is none."""
        idle = self.idle
        while idle:
            connection = idle.pop()
            stream = connection.open(request)
            if stream is not None:
                return stream
        return None

    def connect(self, request: PeerRequest) -> None:
        """Make a connection; then call ``request.connected(stream)`` or ``request.connect_failed(failure)``."""
        Attempt(self, request)

    def check(self) -> None:
        """Say in the log if the peer cannot be reached."""
        Attempt(self, None)

    def dial(self, attempt: Attempt) -> Dial:
        """A connection on its way up; it calls ``attempt.end``."""
        return Connector(self.context.poller, self.where, attempt.end)

    def make(self, transport: Transport) -> PeerConnection:
        return PeerConnection(self.context, self, transport)

    def connected(self, transport: Transport, request: PeerRequest | None) -> None:
        """For ``request``, or to wait for one."""
        connection = self.make(transport)
        if request is None:
            connection.release(None)
            return
        stream = connection.open(request)
        if stream is not None:
            request.connected(stream)
        else:
            request.connect_failed(Failure("closed the connection early"))

    # -- connections that wait

    def keeps(self, connection: PeerConnection) -> bool:
        context, idle = self.context, self.idle
        if len(idle) < self.keepalive and not context.draining and context.now - connection.made < self._age:
            idle.append(connection)
            return True
        return False

    def lost(self, connection: PeerConnection) -> None:
        if connection in self.idle:
            self.idle.remove(connection)

    def warm_up(self, wanted: int) -> None:
        """Make some of the connections that are missing until ``wanted`` wait here."""
        missing = min(wanted, self.keepalive) - len(self.idle) - self.peer.stats.own(CONNECTING)
        for _ in range(min(missing, _WARM_AT_ONCE)):
            Attempt(self, None, keep=True)

    def forget_idle(self) -> None:
        """Close what is idle: the peer has gone away, or left the configuration."""
        while self.idle:
            self.idle.pop().close()

    def close_oldest(self) -> bool:
        """Close the connection that has waited for longest; whether there was one."""
        if not self.idle:
            return False
        self.idle.pop(0).close()
        return True

    def end_tunnels(self) -> None:
        """The peer is leaving: what is no tunnel is finished."""
        for connection in connections(self.context):
            owner = connection.owner
            if isinstance(owner, Pool) and owner.peer is self.peer and connection.is_tunnel():
                connection.close()


def connections(context: WorkerContext) -> list[PeerConnection]:
    """All connections to peers."""
    return [each for each in context.peer_connections if isinstance(each, PeerConnection)]


def close_unused(context: WorkerContext, pools: "Collection[ConnectionOwner]") -> None:
    """Close what is idle of ``pools``, that which is kept for one client included."""
    for connection in connections(context):
        if connection.is_idle() and connection.owner in pools:
            connection.close()
