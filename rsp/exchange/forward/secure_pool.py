"""Connections of a peer that is asked over TLS.

Rules of this room: a pool is made for the rules under which its connections are made, and ends with them; so nothing
here asks whether a connection is still right.
"""

from rsp.config.tls import HttpVersion
from rsp.config.upstreams import Upstream as UpstreamConfig
from rsp.exchange.forward.attempt import Attempt, PoolOwner
from rsp.exchange.forward.pool import Pool
from rsp.http.h1.client import PeerConnection
from rsp.http.peer_stream import PeerRequest
from rsp.net.connector import Connector
from rsp.net.context import WorkerContext
from rsp.net.peer_handshake import ClientHandshake
from rsp.net.secure import TlsTransport
from rsp.net.transport import Transport
from rsp.tls.client_rules import ClientRules
from rsp.tls.engine import Engine, TlsError


class SecurePool(Pool):
    """``rules``: how the peer is asked; ``name``: what its certificate has to be for.

    The newest session is kept, and new connections resume it.  It is gone with the pool.
    """

    __slots__ = ("_session", "_session_made", "rules")

    def __init__(
        self, context: WorkerContext, peer: PoolOwner, rules: ClientRules, name: str, http: HttpVersion = 1
    ) -> None:
        super().__init__(context, peer, http)
        self.rules = rules
        self.name = name
        self.scheme = b"https"
        self._session: object = None
        self._session_made = 0.0  # its connection

    def is_made_for(self, rules: object, name: str, config: UpstreamConfig) -> bool:
        same = config.http == self.http and config.send_proxy is None
        return rules is self.rules and name == self.name and same

    def dial(self, attempt: Attempt, single: bool) -> "SecureDial":
        return SecureDial(self, attempt, single)

    def engine(self, single: bool) -> Engine:
        """For a new connection; ``single``: over HTTP/1.1."""
        rules = self.rules
        if single and rules.single is not rules.context:
            return rules.single.client(self.name, None)
        return rules.context.client(self.name, self._session)

    def greeting(self, attempt: Attempt) -> bytes:
        """What a connection begins with, before TLS."""
        return b""

    def make(self, transport: Transport) -> PeerConnection:
        return SecureConnection(self.context, self, transport)

    def alpn(self, transport: Transport) -> bytes:
        engine = transport.engine if isinstance(transport, TlsTransport) else None
        return engine.facts().alpn if engine is not None else b""

    def learn_session(self, transport: Transport, made: float) -> bool:
        """Once a connection has had a response, its peer has sent its tickets, if it has any."""
        if not isinstance(transport, TlsTransport) or transport.engine is None or self._session_made > made:
            return False
        session = transport.engine.session()
        if session is not None:
            self._session, self._session_made = session, made
        return session is not None

    def lost(self, connection: PeerConnection) -> None:
        self.learn_from(connection)
        Pool.lost(self, connection)

    def learn_from(self, connection: PeerConnection) -> None:
        if self.shared is None:  # else the session is one of HTTP/2
            self.learn_session(connection.transport, connection.made)


class SecureConnection(PeerConnection):
    __slots__ = ()

    def release(self, request: PeerRequest | None) -> None:
        if not self.reused and isinstance(self.owner, SecurePool):
            self.owner.learn_from(self)
        PeerConnection.release(self, request)  # compiled, there is no super() here


class SecureDial:
    """A connection, then the handshake on it, each with its own time."""

    __slots__ = ("_attempt", "_connector", "_handshake", "_pool", "_single")

    def __init__(self, pool: SecurePool, attempt: Attempt, single: bool) -> None:
        self._pool = pool
        self._single = single
        self._attempt = attempt
        self._handshake: ClientHandshake | None = None
        self._connector = Connector(pool.context.poller, pool.where, self._connected, TlsTransport)

    def _connected(self, transport: Transport | None, reason: str) -> None:
        if not isinstance(transport, TlsTransport):
            self._attempt.end(None, reason)
            return
        greeting = self._pool.greeting(self._attempt)
        if greeting:
            transport.write(greeting)
        self._attempt.begin_handshake()
        try:
            engine = self._pool.engine(self._single)
        except (TlsError, ValueError):  # of hooks' peers, names are not checked before
            transport.abort()
            self._attempt.end(None, f'"{self._pool.name}" is not a valid name in a certificate')
            return
        self._handshake = ClientHandshake(transport, engine, self._pool.name, self._attempt.end)

    def cancel(self, reason: str) -> None:
        """Give up, unless it is done."""
        if self._handshake is not None:
            self._handshake.cancel("timed out in the TLS handshake")
        else:
            self._connector.cancel(reason)
