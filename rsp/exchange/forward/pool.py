"""The connections of a peer that wait for the next request, and how new ones are made.

A connection over HTTP/1.1 is here between two requests; those over HTTP/2 are ``shared.py``'s, where there are any.
"""

from math import inf
from typing import TYPE_CHECKING, Final

from rsp.config.tls import HttpVersion
from rsp.config.upstreams import Upstream as UpstreamConfig
from rsp.exchange.forward.attempt import Attempt, Dial, PoolOwner
from rsp.exchange.forward.idle import Idle
from rsp.exchange.forward.shared import Shared
from rsp.http.h1.client import ConnectionOwner, PeerConnection
from rsp.http.h2.client import H2PeerConnection
from rsp.http.h2.client_stream import H2PeerStream
from rsp.http.peer_stream import Failure, PeerRequest, PeerStream
from rsp.ipc.peer_cells import CONNECTING
from rsp.net.connector import Connector
from rsp.net.context import WorkerContext
from rsp.net.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Collection

_WARM_AT_ONCE: Final = 8  # connections that a tick makes ahead


class Pool(ConnectionOwner):
    """``idle``: open connections; the last one used is the first one taken again.  ``keepalive``: so many at most.

    ``shared``  connections over HTTP/2, where that may be spoken
    ``age``     seconds after which a connection is used no more
    ``name``    what the peer's certificate has to be for

    This pool speaks plainly; ``secure_pool.py`` has that for TLS.
    """

    # fmt: off
    __slots__ = (
        "age", "context", "http", "idle", "keepalive", "most_connecting", "name", "peer", "scheme", "shared", "where",
    )
    # fmt: on

    def __init__(self, context: WorkerContext, peer: PoolOwner, http: HttpVersion = 1) -> None:
        address = peer.address
        self.context = context
        self.peer = peer
        self.name = ""
        self.where: str | tuple[str, int] = address.path if address.is_unix else (address.host, address.port)
        self.idle = Idle()
        self.keepalive = 0
        self.retired = False
        self.strict = True
        self.age = inf
        self.most_connecting = 0
        self.scheme = b"http"
        self.http = http
        self.shared = Shared(self, http) if http != 1 else None

    def is_made_for(self, rules: object, name: str, config: UpstreamConfig) -> bool:
        """Whether its connections are right for a peer that is asked over TLS by ``rules``; ``None``: plainly."""
        same = config.http == self.http and config.protocol == "http" and config.send_proxy is None
        return rules is None and same

    def configure(self, config: UpstreamConfig) -> None:
        self.retired = False
        self.keepalive = config.idle_kept
        self.strict = config.strict
        self.age = config.keepalive_age or inf
        self.most_connecting = config.max_connecting
        if self.shared is not None:
            self.shared.retired = False

    def retire(self) -> None:
        """The peer has been removed, or is asked in another way: no connection waits here."""
        self.retired = True
        self.keepalive = 0
        self.forget_idle()
        if self.shared is not None:
            self.shared.retire()

    def let_go(self) -> None:
        """The peer has gone for good: it and this leave nothing that only the collector could free.  A request of a
        former configuration that comes nevertheless goes over HTTP/1.1."""
        self.shared = None

    # -- for requests

    def take(self, request: PeerRequest) -> PeerStream | None:
        """On a connection with room, or an idle one, that is open as far as is known; ``None``: there is none."""
        if self.shared is not None:
            stream = self.shared.take(request)
            if stream is not None:
                return stream
        while (connection := self.idle.take_newest()) is not None:
            stream = connection.open(request)
            if stream is not None:
                return stream
        return None

    def connect(self, request: PeerRequest) -> None:
        """Make a connection; then call ``request.connected(stream)`` or ``request.connect_failed(failure)``."""
        if self.shared is None:
            Attempt(self, request)
        else:
            self.shared.connect(request)

    def connect_single(self, request: PeerRequest) -> None:
        """The same, over HTTP/1.1."""
        Attempt(self, request)

    def check(self) -> None:
        """Say in the log if the peer cannot be reached."""
        if self.shared is None:
            Attempt(self, None)
        else:
            self.shared.make_one(None)

    def dial(self, attempt: Attempt, single: bool) -> Dial:
        """A connection on its way up; it calls ``attempt.end``.  ``single``: over HTTP/1.1."""
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

    def alpn(self, transport: Transport) -> bytes:
        """What the peer has chosen; without TLS it is known to speak HTTP/2."""
        return b"h2"

    def learn_session(self, transport: Transport, made: float) -> bool:
        """Without TLS there is nothing to resume."""
        return True

    # -- connections that wait

    def has_idle(self) -> bool:
        """Whether a request that comes now needs no connection of its own."""
        return self.idle.count > 0 or (self.shared is not None and self.shared.is_ready())

    def count_idle(self) -> int:
        """Connections on which nothing runs."""
        return self.idle.count + (len(self.shared.idle()) if self.shared is not None else 0)

    def keeps(self, connection: PeerConnection) -> bool:
        context, idle = self.context, self.idle
        if idle.count < self.keepalive and not context.draining and context.now - connection.made < self.age:
            idle.add(connection)
            return True
        return False

    def lost(self, connection: PeerConnection) -> None:
        self.idle.remove(connection)

    def warm_up(self, wanted: int) -> None:
        """Make some of the connections that are missing until ``wanted`` wait here."""
        if self.shared is not None and not self.shared.asks_http1():
            self.shared.warm_up()
            return
        missing = min(wanted, self.keepalive) - self.idle.count - self.peer.stats.own(CONNECTING)
        for _ in range(min(missing, _WARM_AT_ONCE)):
            Attempt(self, None, keep=True)

    def forget_idle(self) -> None:
        """Close what is idle: the peer has gone away, or left the configuration."""
        while (connection := self.idle.take_newest()) is not None:
            connection.close()
        if self.shared is not None:
            self.shared.forget_idle()

    def close_oldest(self) -> bool:
        """Close the connection that has waited for longest; whether there was one."""
        connection = self.idle.take_oldest()
        if connection is not None:
            connection.close()
            return True
        shared = self.shared.idle() if self.shared is not None else []
        if shared:
            shared[0].leave()
        return bool(shared)

    def end_tunnels(self) -> None:
        """The peer is leaving: what is no tunnel is finished."""
        for connection in connections(self.context):
            owner = connection.owner
            if isinstance(owner, Pool) and owner.peer is self.peer and connection.is_tunnel():
                connection.close()
        for tunnel in shared_tunnels(self.context, self.peer):
            tunnel.end_tunnel()


def connections(context: WorkerContext) -> list[PeerConnection]:
    """All connections to peers over HTTP/1.1."""
    return [each for each in context.peer_connections if isinstance(each, PeerConnection)]


def shared_tunnels(context: WorkerContext, peer: PoolOwner | None = None) -> list[H2PeerStream]:
    """Tunnels to ``peer``, or to all, over HTTP/2."""
    found = []
    for connection in context.peer_connections:
        owner = connection.owner if isinstance(connection, H2PeerConnection) else None
        if isinstance(owner, Shared) and isinstance(connection, H2PeerConnection) and peer in (None, owner.pool.peer):
            found += connection.tunnels()
    return found


def close_unused(context: WorkerContext, pools: "Collection[ConnectionOwner]") -> None:
    """Close what is idle of ``pools``, that which is kept for one client included."""
    for connection in connections(context):
        if connection.is_idle() and connection.owner in pools:
            connection.close()
