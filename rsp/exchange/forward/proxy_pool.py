"""Connections of a peer that begin with a PROXY header, each for one client's connection (``announced.py``).

Nothing is made ahead, because nothing is known of the client then.  What rsp asks for itself begins with LOCAL.  The
two pools differ in what their connections are made of; what they do is in the functions below them.
"""

from rsp.config.upstreams import Upstream as UpstreamConfig
from rsp.exchange.forward.announced import Announced, Local
from rsp.exchange.forward.attempt import Attempt, PoolOwner
from rsp.exchange.forward.pool import Pool
from rsp.exchange.forward.secure_pool import SecurePool
from rsp.http.h1.client import PeerConnection
from rsp.http.peer_stream import Failure, PeerRequest, PeerStream
from rsp.net.connector import Connector
from rsp.net.context import WorkerContext
from rsp.net.transport import Transport
from rsp.tls.client_rules import ClientRules


def proxy_pool(
    context: WorkerContext, peer: PoolOwner, rules: ClientRules | None, name: str, config: UpstreamConfig
) -> "ProxyPool | SecureProxyPool":
    """For a peer that is asked over TLS by ``rules``; ``None``: plainly."""
    if rules is None:
        return ProxyPool(context, peer, config)
    return SecureProxyPool(context, peer, rules, name, config)


class ProxyPool(Pool):
    """``version``: of the header; ``local``: for requests that no client stands behind."""

    __slots__ = ("local", "version")

    def __init__(self, context: WorkerContext, peer: PoolOwner, config: UpstreamConfig) -> None:
        Pool.__init__(self, context, peer)
        self.version = config.send_proxy or "v2"
        self.local = Local()

    def is_made_for(self, rules: object, name: str, config: UpstreamConfig) -> bool:
        return rules is None and config.send_proxy == self.version

    def dial(self, attempt: Attempt, single: bool) -> "ProxyDial":
        return ProxyDial(self, attempt)

    def greeting(self, attempt: Attempt) -> bytes:
        return _announced(attempt.request, self.local).header(self.version)

    def take(self, request: PeerRequest) -> PeerStream | None:
        return _take(self, _announced(request, self.local), request)

    def connected(self, transport: Transport, request: PeerRequest | None) -> None:
        _begin(self.make(transport), _announced(request, self.local), request)

    def has_idle(self) -> bool:
        return False  # they may be another client's

    def keeps(self, connection: PeerConnection) -> bool:
        return _keep(self, connection)

    def lost(self, connection: PeerConnection) -> None:
        _forget(self, connection)

    def warm_up(self, wanted: int) -> None:
        pass


class SecureProxyPool(SecurePool):
    """The header comes before the handshake."""

    __slots__ = ("local", "version")

    def __init__(
        self, context: WorkerContext, peer: PoolOwner, rules: ClientRules, name: str, config: UpstreamConfig
    ) -> None:
        SecurePool.__init__(self, context, peer, rules, name)
        self.version = config.send_proxy or "v2"
        self.local = Local()

    def is_made_for(self, rules: object, name: str, config: UpstreamConfig) -> bool:
        return rules is self.rules and name == self.name and config.send_proxy == self.version

    def greeting(self, attempt: Attempt) -> bytes:
        return _announced(attempt.request, self.local).header(self.version)

    def take(self, request: PeerRequest) -> PeerStream | None:
        return _take(self, _announced(request, self.local), request)

    def connected(self, transport: Transport, request: PeerRequest | None) -> None:
        _begin(self.make(transport), _announced(request, self.local), request)

    def has_idle(self) -> bool:
        return False

    def keeps(self, connection: PeerConnection) -> bool:
        return _keep(self, connection)

    def lost(self, connection: PeerConnection) -> None:
        self.learn_from(connection)
        _forget(self, connection)

    def warm_up(self, wanted: int) -> None:
        pass


def _announced(request: PeerRequest | None, local: Announced) -> Announced:
    """Whose header and connections ``request`` uses; ``local``: rsp's own."""
    found = request.announced() if request is not None else None
    return found if isinstance(found, Announced) else local


def _take(pool: Pool, announced: Announced, request: PeerRequest) -> PeerStream | None:
    """On a connection that waits for this client, the last one used first."""
    at = len(announced.idle)
    while at > 0:
        at -= 1
        connection = announced.idle[at]
        if connection.owner is pool:
            del announced.idle[at]
            pool.idle.remove(connection)
            stream = connection.open(request)
            if stream is not None:
                return stream
    return None


def _begin(connection: PeerConnection, announced: Announced, request: PeerRequest | None) -> None:
    """A new connection; its header has been sent."""
    connection.announced = announced
    stream = connection.open(request) if request is not None else None
    if request is None:
        connection.close()
    elif stream is not None:
        request.connected(stream)
    else:
        request.connect_failed(Failure("closed the connection early"))


def _keep(pool: Pool, connection: PeerConnection) -> bool:
    """In the place of the one that has waited for longest, where there are too many."""
    context, announced = pool.context, connection.announced
    old = context.draining or context.now - connection.made >= pool.age
    if not isinstance(announced, Announced) or announced.closed or old or not pool.keepalive:
        return False
    if pool.idle.count >= pool.keepalive:
        pool.close_oldest()
    pool.idle.add(connection)
    announced.idle.append(connection)
    return True


def _forget(pool: Pool, connection: PeerConnection) -> None:
    announced = connection.announced
    pool.idle.remove(connection)
    if isinstance(announced, Announced) and connection in announced.idle:
        announced.idle.remove(connection)


class ProxyDial:
    """A connection without TLS that begins with the header."""

    __slots__ = ("_attempt", "_connector", "_pool")

    def __init__(self, pool: ProxyPool, attempt: Attempt) -> None:
        self._pool = pool
        self._attempt = attempt
        self._connector = Connector(pool.context.poller, pool.where, self._connected)

    def _connected(self, transport: Transport | None, reason: str) -> None:
        if transport is not None:
            transport.write(self._pool.greeting(self._attempt))
            if transport.closing:
                transport, reason = None, "closed the connection early"
        self._attempt.end(transport, reason)

    def cancel(self, reason: str) -> None:
        """Give up, unless it is done."""
        self._connector.cancel(reason)
