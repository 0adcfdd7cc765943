"""Connections of a peer that is asked over TLS.

Rules of this room: a pool is made for the rules under which its connections are made, and ends with them; so nothing
here asks whether a connection is still right.
"""

from rsp.exchange.forward.pool import Attempt, Pool, PoolOwner
from rsp.http.h1.client import PeerConnection
from rsp.http.peer_stream import PeerRequest
from rsp.net.connector import Connector
from rsp.net.context import WorkerContext
from rsp.net.handshake import ClientHandshake
from rsp.net.secure import TlsTransport
from rsp.net.transport import Transport
from rsp.tls.client_rules import ClientRules
from rsp.tls.engine import Engine, TlsError


class SecurePool(Pool):
    """``rules``: how the peer is asked; ``name``: what its certificate has to be for.

    The newest session is kept, and new connections resume it.  It is gone with the pool.
    """

    __slots__ = ("_session", "_session_made", "rules")

    def __init__(self, context: WorkerContext, peer: PoolOwner, rules: ClientRules, name: str) -> None:
        super().__init__(context, peer)
        self.rules = rules
        self.name = name
        self._session: object = None
        self._session_made = 0.0  # its connection

    def is_made_for(self, rules: object, name: str) -> bool:
        return rules is self.rules and name == self.name

    def dial(self, attempt: Attempt) -> "SecureDial":
        return SecureDial(self, attempt)

    def engine(self) -> Engine:
        """For a new connection."""
        return self.rules.context.client(self.name, self._session)

    def make(self, transport: Transport) -> PeerConnection:
        return SecureConnection(self.context, self, transport)

    def learn_session(self, connection: PeerConnection) -> None:
        """Once ``connection`` has had a response, its peer has sent its tickets, if it has any."""
        transport = connection.transport
        if (
            isinstance(transport, TlsTransport)
            and transport.engine is not None
            and self._session_made <= connection.made
        ):
            session = transport.engine.session()
            if session is not None:
                self._session, self._session_made = session, connection.made

    def lost(self, connection: PeerConnection) -> None:
        self.learn_session(connection)
        Pool.lost(self, connection)


class SecureConnection(PeerConnection):
    __slots__ = ()

    def release(self, request: PeerRequest | None) -> None:
        if not self.reused and isinstance(self.owner, SecurePool):
            self.owner.learn_session(self)
        PeerConnection.release(self, request)  # compiled, there is no super() here


class SecureDial:
    """A connection, then the handshake on it, each with its own time."""

    __slots__ = ("_attempt", "_connector", "_handshake", "_pool")

    def __init__(self, pool: SecurePool, attempt: Attempt) -> None:
        self._pool = pool
        self._attempt = attempt
        self._handshake: ClientHandshake | None = None
        self._connector = Connector(pool.context.poller, pool.where, self._connected, TlsTransport)

    def _connected(self, transport: Transport | None, reason: str) -> None:
        if not isinstance(transport, TlsTransport):
            self._attempt.end(None, reason)
            return
        self._attempt.begin_handshake()
        try:
            engine = self._pool.engine()
        except (TlsError, ValueError):  # of hooks' peers, names are not checked before
            transport.abort()
            self._attempt.end(None, f'"{self._pool.name}" is not a name that a certificate can have')
            return
        self._handshake = ClientHandshake(transport, engine, self._pool.name, self._attempt.end)

    def cancel(self, reason: str) -> None:
        """Give up, unless it is done."""
        if self._handshake is not None:
            self._handshake.cancel("timed out in the TLS handshake")
        else:
            self._connector.cancel(reason)
