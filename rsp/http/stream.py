"""The floor of the data plane, towards clients: the stream that a protocol offers, and what it tells an exchange.

Rules of this room and of ``peer_stream.py``, its other half: interfaces only, and nothing but message types and limits
is imported.  An exchange knows no protocol: it is given a :class:`ClientStream`.  A protocol knows no exchange: it
tells a :class:`ClientEvents` what has arrived.

Bodies are lists of pieces, none of them empty.  ``trailers`` is ``None`` as long as more may follow; with the last
pieces it is the list of trailer lines, without CRLF, usually empty.  ``pause`` and ``resume`` may be called again and
again.  The end of a stream is not reported from within a call of its user, but a stream that a call finishes may tell
of the next event at once.
"""

from typing import Protocol

from rsp.http.limits import Limits
from rsp.http.message import RequestHead, ResponseHead
from rsp.http.peer_stream import ResponseReceiver
from rsp.http.routing import Level
from rsp.net.proxy_header import CLIENT_SSL, Address, ProxyHeader
from rsp.net.session import SecureService, Session
from rsp.tls.facts import Facts

# -- the client's side


class Closable(Protocol):
    def close(self) -> None: ...


class ClientSession(Session):
    """What all requests of one client connection share.

    ``client``    the address at the other end, ``unix:`` for a local socket
    ``listener``  where it came in, as configured
    ``accepted``  when it was accepted, by the worker's clock
    ``scheme``    ``http``, or ``https`` over TLS
    ``tls``       the data of its TLS connection, or ``None``
    ``counted``   whether ``limits.per_client`` counts it
    ``config``    the configuration for its next request, ``limits`` the limits of its listener there
    ``series``    what is counted for its listener there, if that is counted
    ``own``       what only this connection's requests may use, and what ends with it, by its kind: connections to peers
                  (``forward/conversations.py``, ``forward/announced.py``); ``None``: nothing
    ``weight``    what its next request counts in the share of a turn of the loop that a connection has; 1: the least

    ``known_host``, ``levels``, ``forwarded``: a client asks for one host again and again, so what that means is kept:
    the host, its routes, and the field lines that tell a peer of the client.
    """

    # fmt: off
    __slots__ = (
        "accepted", "config", "forwarded", "known_host", "levels", "own", "scheme", "tls", "weight",
    )
    # fmt: on

    def __init__(self, client: bytes, listener: str, scheme: bytes) -> None:
        self.set_up(client, listener, scheme)

    def set_up(self, client: bytes, listener: str, scheme: bytes) -> None:
        """What the constructor does."""
        self.client = client
        self.listener = listener
        self.scheme = scheme
        self.accepted = 0.0
        self.tls: Facts | None = None
        self.counted = False
        self.config: object = None
        self.own: dict[type, Closable] | None = None
        self.weight = 1
        self.series = None
        self.known_host: bytes | None = None
        self.levels: list[Level] = []
        self.forwarded = b""

    def secure(self, tls: Facts) -> None:
        """The connection is one over TLS."""
        self.tls = tls
        self.scheme = b"https"

    def end(self) -> None:
        """The client's connection has ended."""
        if self.own is not None:
            for each in self.own.values():
                each.close()

    def successor(self) -> "ClientSession":
        """Of the same connection, for the requests that follow, while some run by an earlier configuration."""
        session = ClientSession(self.client, self.listener, self.scheme)
        self.hand_on(session)
        return session

    def hand_on(self, session: "ClientSession") -> None:
        """The data of the connection."""
        session.accepted, session.tls, session.counted = self.accepted, self.tls, self.counted
        if self.own is None:
            self.own = {}
        session.own = self.own


class ProxiedSession(ClientSession):
    """Of a connection that began with a PROXY header.

    ``header``  what it says; ``proxy``: the address at the other end of the socket
    """

    __slots__ = ("header", "proxy")

    def introduce(self, header: ProxyHeader) -> None:
        """Right after it was set up.  Where the header names no address, the socket's holds."""
        self.header = header
        self.proxy = self.client
        if header.source is not None:
            self.client = header.source[0].encode()
        if header.client_ssl & CLIENT_SSL:
            self.scheme = b"https"

    def successor(self) -> "ProxiedSession":
        session = ProxiedSession(self.client, self.listener, self.scheme)
        session.header, session.proxy = self.header, self.proxy
        self.hand_on(session)
        return session


class ClientStream:
    """One request of a client and the way back.  It ends with ``finish`` or ``reset``."""

    __slots__ = ("session",)

    session: ClientSession

    def send_interim(self, head: ResponseHead) -> None:
        """A response before the final one (RFC 9110 section 15.2), if the client understands them."""
        raise NotImplementedError

    def send_response(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """The final head, ``head.fields`` as they are to be sent, with what there is of the body."""
        raise NotImplementedError

    def send_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        raise NotImplementedError

    def takes_files(self) -> bool:
        """Whether :meth:`send_file` is of use: a body goes out as its bytes are."""
        return False

    def send_file(self, head: ResponseHead | None, file: int, start: int, size: int) -> int:
        """``head``: the final one, if it has not been sent; behind it, of a body with a length, what the client takes
        now of ``size`` bytes of the open ``file``; how many.

        Fewer: ``client_full`` comes, and ``client_ready`` when there is room.  -1: the file ends before, or it has to
        be read.
        """
        raise NotImplementedError

    def pause(self) -> None:
        """Take no more of the request's body from the client for now."""
        raise NotImplementedError

    def resume(self) -> None:
        raise NotImplementedError

    def use(self, limits: Limits) -> None:
        """These hold for the rest of this request."""
        raise NotImplementedError

    def set_deadline(self, moment: float) -> None:
        """Call ``timed_out`` when the clock passes ``moment`` (monotonic), unless it is a tunnel by then."""
        raise NotImplementedError

    def open_tunnel(self, head: ResponseHead) -> None:
        """Send ``head``, a 101; what the client sends behind its request's body goes to ``tunnel_up``."""
        raise NotImplementedError

    def send_raw(self, data: bytes) -> None:
        """Bytes of a tunnel."""
        raise NotImplementedError

    def send_eof(self) -> None:
        """A tunnel's peer sends no more."""
        raise NotImplementedError

    def finish(self, keep_alive: bool) -> None:
        """The exchange is over; ``keep_alive``: its response is whole, so the connection may serve the next request."""
        raise NotImplementedError

    def reset(self, reason: str) -> None:
        """The exchange is over in the middle of its response: let the client see that it is not whole."""
        raise NotImplementedError

    def local_name(self) -> bytes:
        """The address that the client connected to: the host of a request that names none."""
        raise NotImplementedError

    def ends(self) -> tuple[Address, Address] | None:
        """The client's address and its own, of the socket; ``None``: it has none, or is closed."""
        raise NotImplementedError


class ClientEvents(ResponseReceiver):
    """What a client stream tells the exchange that it belongs to."""

    __slots__ = ()

    def start(self) -> None:
        """What had arrived of the body has been passed on: route, and answer.  May end the exchange at once."""
        raise NotImplementedError

    def request_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        raise NotImplementedError

    def client_gone(self) -> None:
        """The client's connection is lost.  The stream is of no more use."""
        raise NotImplementedError

    def client_left(self) -> None:
        """The client could be sent nothing for too long after its end of file: it counts as gone."""
        raise NotImplementedError

    def request_failed(self, status: int, reason: str) -> tuple[ResponseHead, list[bytes]] | None:
        """The request broke off, or its rest cannot be understood: the exchange ends here.

        Returns what the stream is to send before it closes, or ``None`` if a response has begun.
        """
        raise NotImplementedError

    def client_full(self) -> None:
        """The client takes no more of the response for now."""
        raise NotImplementedError

    def client_ready(self) -> None:
        raise NotImplementedError

    def tunnel_up(self, data: bytes) -> None:
        """Bytes of a tunnel, from the client."""
        raise NotImplementedError

    def tunnel_up_eof(self) -> None:
        raise NotImplementedError

    def timed_out(self) -> None:
        """The deadline of the stream has passed."""
        raise NotImplementedError

    def is_moot(self) -> bool:
        """Whether a client that sends no more is to be taken at once for one that has left."""
        return False


class Service(SecureService):
    """What serves the requests of client connections."""

    __slots__ = ()

    def session(self, client: bytes, listener: str, proxied: ProxyHeader | None = None) -> ClientSession:
        """For a new connection.  ``proxied``: it began with this."""
        raise NotImplementedError

    def renew(self, session: ClientSession) -> None:
        """Let the session's next request use the configuration that is in force."""
        raise NotImplementedError

    def begin(self, stream: ClientStream, head: RequestHead) -> ClientEvents:
        """A new exchange; the stream calls its ``start``."""
        raise NotImplementedError

    def refuse(
        self, session: ClientSession, status: int, reason: str, is_call: bool = False
    ) -> tuple[ResponseHead, list[bytes]]:
        """What to send when no request could be read, to a client of gRPC where ``is_call``; it is counted and logged
        here."""
        raise NotImplementedError
