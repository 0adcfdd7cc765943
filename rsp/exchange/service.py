"""What serves the requests of client connections: the configuration in force, and those that exchanges are still on."""

from collections.abc import Iterator
from typing import Any, Final
from weakref import WeakSet

from rsp.config.units import Peer as Address
from rsp.exchange.exchange import Exchange
from rsp.exchange.forward.directory import PeerDirectory
from rsp.exchange.grpc import answer_call
from rsp.exchange.record import record
from rsp.exchange.running_config import RunningConfig
from rsp.exchange.unread import unread
from rsp.http.errors import ProtocolError
from rsp.http.grpc import NO_STATUS
from rsp.http.h1.codec import end_of_head, parse_request
from rsp.http.h1.server import ServerConnection
from rsp.http.h2.server import H2ServerConnection
from rsp.http.limits import Limits
from rsp.http.message import RequestHead, ResponseHead
from rsp.http.preface import Preface
from rsp.http.routing import Level
from rsp.http.stream import ClientEvents, ClientSession, ClientStream, ProxiedSession, Service
from rsp.ipc.peer_table import Changes, PeerTable
from rsp.ipc.scoreboard import RETIRED_ROW
from rsp.ipc.worker_cells import IN_FLIGHT, STAGE, STOPPING
from rsp.net.calls import has_news
from rsp.net.context import WorkerContext
from rsp.net.handshake import ServerHandshake
from rsp.net.proxy_header import ProxyHeader
from rsp.net.proxy_listener import Introduction
from rsp.net.rounds import Rounds
from rsp.net.transport import Protocol, Transport
from rsp.tls.facts import Facts
from rsp.tls.material import Keyring

_FIELDS: Final = 100  # of a head that is read for its URL alone
_HTTP2: Final = b"h2"  # in ALPN
_NOWHERE: Final[list[Level]] = []
_OF_CLIENTS: Final = (ServerConnection, H2ServerConnection, ServerHandshake, Preface, Introduction)


class HttpService(Service):
    """``config``: in force; ``former``: those that were, as long as an exchange needs them."""

    __slots__ = ("_context", "_rounds", "config", "directory", "former")

    def __init__(self, context: WorkerContext, directory: PeerDirectory | None = None) -> None:
        self._context = context
        self.config: RunningConfig | None = None
        self.directory = directory or PeerDirectory(context)
        self.former: WeakSet[RunningConfig] = WeakSet()
        context.tickers.append(self)
        self._rounds = Rounds()

    def accept(
        self, transport: Transport, client: bytes, listener: str, proxied: ProxyHeader | None = None
    ) -> None:  # fmt: skip
        """Serve a new connection; ``proxied``: it began with this."""
        self._connect(transport, self.session(client, listener, proxied), False)

    def accept_either(
        self, transport: Transport, client: bytes, listener: str, proxied: ProxyHeader | None = None
    ) -> None:  # fmt: skip
        """Serve a new connection that may begin with HTTP/1 or with HTTP/2."""
        Preface(self._context, transport, self.session(client, listener, proxied), self)

    def speak(self, transport: Transport, session: ClientSession, admitted: bool, http2: bool) -> Protocol:
        """Such a connection, as it is known now what it speaks."""
        self.renew(session)  # there may be another configuration since
        if http2:
            return self._connect_http2(transport, session, admitted)
        return self._connect(transport, session, admitted)

    def refuse_slow(self, transport: Transport, session: ClientSession) -> None:
        """Such a connection, whose first bytes take too long."""
        self.renew(session)
        self._connect(transport, session, True).stop(408, "the head took too long")

    def accept_secure(self, transport: Transport, session: Any, tls: Facts, admitted: bool) -> None:
        """Serve a connection after its handshake; ``admitted``: it was counted then, and was not too many."""
        known: ClientSession = session
        known.secure(tls)
        self.renew(known)  # there may be another configuration since
        if tls.alpn == _HTTP2:
            self._connect_http2(transport, known, admitted)
        else:
            self._connect(transport, known, admitted)

    def _connect(self, transport: Transport, session: ClientSession, admitted: bool) -> ServerConnection:
        connection = ServerConnection.__new__(ServerConnection)  # in the compiled build this is no call of Python
        connection.set_up(self._context, self, transport, session, admitted)
        return connection

    def _connect_http2(self, transport: Transport, session: ClientSession, admitted: bool) -> H2ServerConnection:
        connection = H2ServerConnection.__new__(H2ServerConnection)
        if session.series is not None:
            session.series.spoke_http2()
        connection.set_up(self._context, self, transport, session, admitted)
        return connection

    def refuse_plain(self, transport: Transport, session: Any, data: bytes) -> None:
        """A client that sends ``data`` where it should speak TLS."""
        connection = self._connect(transport, session, False)
        if connection.is_idle:  # else there are too many already
            connection.stop(400, f"this port speaks TLS; use {_https_url(transport, data)}")

    def drain(self) -> None:
        """Tell clients, as far as their protocol has a word for it, to send no more requests on their connections."""
        for connection in list(self._context.connections):
            if isinstance(connection, H2ServerConnection):
                connection.drain()

    def close_idle(self) -> None:
        """Close the connections of clients that have no request under way, nor one that waits to be read."""
        for connection in list(self._context.connections):
            if isinstance(connection, _OF_CLIENTS) and connection.is_idle:
                socket = connection if isinstance(connection, Introduction) else connection.transport
                if not has_news(socket.descriptor):
                    connection.close()

    # -- configurations

    def use(self, config: RunningConfig, peers: PeerTable) -> RunningConfig | None:
        """Serve new requests by ``config``; returns the one before, which lives as long as its exchanges."""
        before = self.config
        self.config = config
        self._context.limits = config.limits
        known = before.upstreams if before is not None else {}
        for name, upstream in config.upstreams.items():
            if name in known:
                upstream.follow(known[name])
        self.arrange(peers)
        if before is not None:
            config.follow(before)
            if before.hooks is not None:
                before.hooks.stop()
            self.former.add(before)
            for connection in self._context.connections:
                if isinstance(connection, (ServerConnection, H2ServerConnection)):
                    connection.renew()
        return before

    def use_keyring(self, keyring: Keyring) -> None:
        """Certificates or authorities have changed: what routes require of clients changes for those of before as well.

        Raises :class:`ConfigError`.
        """
        if self.config is not None:
            self.directory.renew(keyring, self.config.upstreams.values())
        for config in (self.config, *self.former):
            if config is not None:
                config.use_keyring(keyring)

    def arrange(self, peers: PeerTable) -> None:
        """These are the peers from now on."""
        config = self.config
        if config is None:
            return
        unknown = set(peers.unknown)
        for name, upstream in config.upstreams.items():
            upstream.arrange(peers.upstreams.get(name, []), unknown)
        places = {peer.stats.number for upstream in config.upstreams.values() for peer in upstream.peers}
        self.directory.retire_all_but(places)

    def change(self, changes: dict[str, Changes], unknown: list[Address]) -> None:
        """Of the peers, these have come and gone.  A message has few of them, so that this takes no more than a
        moment."""
        config = self.config
        if config is None:
            return
        for name, each in changes.items():
            upstream = config.upstreams.get(name)
            if upstream is not None:
                upstream.change(each)
                self.directory.retire(each.gone)
        for upstream in config.upstreams.values():
            upstream.wait_for(unknown)

    def tick(self, now: float, _wall: float) -> None:
        self._rounds.begin(self._look_around(now))
        self.directory.tick(now)
        context = self._context
        if not context.leaving and context.scoreboard.row(RETIRED_ROW)[STAGE] == STOPPING:  # ``drain_delay`` has begun
            context.leaving = True
            self.drain()

    def _look_around(self, now: float) -> Iterator[int]:
        """What the configurations do once a second, in steps."""
        if self.config is not None:
            yield from self.config.look_around(now, former=False)
        for config in list(self.former):
            yield from config.look_around(now, former=True)

    # -- what connections ask

    def session(self, client: bytes, listener: str, proxied: ProxyHeader | None = None) -> ClientSession:
        if proxied is None:
            session = ClientSession.__new__(ClientSession)  # in the compiled build this is no call of Python
            session.set_up(client, listener, b"http")
        else:
            session = _introduced(client, listener, proxied)
        session.accepted = self._context.clock()
        self.renew(session)
        config = self.config
        if config is not None and session.limits.per_client and session.client != b"unix:":
            session.counted = not config.forwarded.trusts(session.client)
        return session

    def limits_of(self, listener: str) -> Limits:
        """What holds for new connections there."""
        config = self.config
        return self._context.limits if config is None else config.listeners.get(listener, config.limits)

    def renew(self, session: ClientSession) -> None:
        config = self.config
        if session.config is config or config is None:
            return
        config = config.at(session.listener)
        if session.config is config:
            return
        session.config = config
        session.limits = config.listeners.get(session.listener, config.limits)
        session.series = config.series.get(session.listener)
        session.weight = config.weight
        session.known_host = None
        session.levels = _NOWHERE  # those of before would keep their configuration alive

    def begin(self, stream: ClientStream, head: RequestHead) -> ClientEvents:
        config = stream.session.config
        if not isinstance(config, RunningConfig):
            raise TypeError("a session without a configuration")
        exchange = Exchange.__new__(Exchange)  # in the compiled build this is no call of Python
        exchange.set_up(self._context, config, stream, head)
        return exchange

    def refuse(
        self, session: ClientSession, status: int, reason: str, is_call: bool = False
    ) -> tuple[ResponseHead, list[bytes]]:
        context, config = self._context, session.config
        if not isinstance(config, RunningConfig):
            raise TypeError("a session without a configuration")
        request_id = context.new_id()
        answer = config.pages.error(status, reason, request_id, None)
        head, pieces = config.nowhere.own_response(answer, b"", context.own_lines, None, session.scheme)
        if is_call:
            pieces = answer_call(head, pieces, NO_STATUS)
        context.stats.add(IN_FLIGHT, 1)
        record(unread(context, config, session, request_id, status, sum(map(len, pieces))))
        return head, pieces


def _introduced(client: bytes, listener: str, header: ProxyHeader) -> ClientSession:
    session = ProxiedSession(client, listener, b"http")
    session.introduce(header)
    return session


def _https_url(transport: Transport, data: bytes) -> str:
    """What the client should have asked for: by its own head, if that is whole and valid; else by its connection."""
    try:
        head = parse_request(data[: max(0, end_of_head(data, 0))], _FIELDS)
    except ProtocolError:
        name = transport.own_address() or ("localhost", 443)
        return f"https://{f'[{name[0]}]' if ':' in name[0] else name[0]}:{name[1]}/"
    return f"https://{(head.host or b'localhost').decode()}{head.target.decode() if head.target[:1] == b'/' else '/'}"
