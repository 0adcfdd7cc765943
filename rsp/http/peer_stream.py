"""The floor of the data plane, towards peers: the stream that a protocol offers, and what it tells the request on it.

The rules are those of ``stream.py``.  What produces a response is a :class:`Responder`; one that asks peers for it is a
:class:`PeerRequest`.
"""

from typing import TYPE_CHECKING, Final, Protocol

from rsp.http.limits import Limits
from rsp.http.message import OutgoingHead, RequestHead, ResponseHead

if TYPE_CHECKING:
    from typing import Any

UNTRIED: "Final[set[Any]]" = set()  # of peers; where it is empty: not to be changed


class Failure:
    """Why a peer gave no response, or half of one.

    ``reason``: a clause for the log.  ``untouched``: the peer cannot have processed the request, so it may be sent
    again whatever its method.  ``counts``: it is a failure of the peer's; not so where the peer cannot be blamed, or
    another request on the same connection has told of it.
    """

    __slots__ = ("counts", "reason", "timed_out", "untouched")

    def __init__(self, reason: str, *, timed_out: bool = False, untouched: bool = False, counts: bool = True) -> None:
        self.reason = reason
        self.timed_out = timed_out
        self.untouched = untouched
        self.counts = counts


class PeerStream:
    """One request to a peer and the way back.  It is free or gone before ``peer_done`` or ``peer_failed`` is called."""

    __slots__ = ()

    def is_full(self) -> bool:
        """Whether the peer takes no more for now."""
        raise NotImplementedError

    def is_bound(self) -> bool:
        """Whether the connection is authenticated, or about to be: its user's requests only (RFC 4559 section 6)."""
        raise NotImplementedError

    def is_doubtful(self) -> bool:
        """Before ``send_request``: whether a peer that is wrong might still send something of the response before."""
        raise NotImplementedError

    def send_request(self, head: OutgoingHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """The head, with what there is of the body; the connection is still open.

        ``trailers`` is ``None`` for a request without a body, too.
        """
        raise NotImplementedError

    def send_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        raise NotImplementedError

    def pause(self) -> None:
        """Take no more of the response from the peer for now."""
        raise NotImplementedError

    def resume(self) -> None:
        raise NotImplementedError

    def put_back(self) -> None:
        """It was not used after all."""
        raise NotImplementedError

    def hand_over(self, request: "PeerRequest") -> None:
        """``request`` is told what comes from here on."""
        raise NotImplementedError

    def abort(self, reason: str) -> None:
        """The response is of no more use.  Nothing more is heard of it."""
        raise NotImplementedError

    def close(self) -> None:
        """The end, after what is written has been sent: of a tunnel, or before ``send_request``.  Nothing more is heard
        of it."""
        raise NotImplementedError

    def open_tunnel(self) -> None:
        """After ``switch_protocols``: bytes go both ways from here on."""
        raise NotImplementedError

    def send_raw(self, data: bytes) -> None:
        raise NotImplementedError

    def send_eof(self) -> None:
        raise NotImplementedError

    def is_stale(self) -> bool:
        """Before ``send_request``: whether there is something to read already, the connection's end above all."""
        raise NotImplementedError

    def went_stale(self, seconds: float) -> bool:
        """After a failure: whether the peer had closed the idle connection before the request came, as far as is known.

        ``seconds``: since the request was sent, as this worker saw it.
        """
        raise NotImplementedError

    def may_have_gone_stale(self, seconds: float) -> bool:
        """Whether it ended so soon that it is worth a retry at the same peer, where there is no other one."""
        raise NotImplementedError


class BoundConnection(Protocol):
    """A connection to a peer that is authenticated: it is idle, and for the requests of one client only."""

    def open(self, request: "PeerRequest") -> PeerStream | None:
        """For the client's next request; ``None``: the connection is about to end."""

    def hold(self) -> None:
        """Wait for that, however long it takes."""

    def is_idle(self) -> bool: ...

    def is_usable(self) -> bool:
        """Whether the next request may take it: it is open, and nothing is there to read."""

    def close(self) -> None: ...


class ResponseReceiver:
    """What takes a response, from whatever produces it: an exchange, or a request of a hook's own."""

    __slots__ = ("response_started",)

    response_started: bool  # some of it is on its way: nothing can be tried again

    def announced(self) -> object:
        """The client's connection that PROXY headers are to name; ``None``: rsp asks for itself."""
        return None

    def outgoing_head(self) -> OutgoingHead:
        """The request's head for a peer, made anew for every try."""
        raise NotImplementedError

    def placeholder(self, name: str) -> bytes:
        """What ``{name}`` stands for in the configuration; empty where there is no client."""
        return b""

    def local_name(self) -> bytes:
        """The address that the client connected to; empty where there is no client."""
        return b""

    def outgoing_trailers(self, trailers: list[bytes]) -> list[bytes]:
        """The request's trailers for a peer: those that may pass."""
        return []

    def interim(self, head: ResponseHead) -> None:
        """A response before the final one."""

    def response(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """The final head, with what there is of the body."""
        raise NotImplementedError

    def response_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        raise NotImplementedError

    def withdraw(self) -> None:
        """The response of which the head was given has failed before any of it was sent; another one is looked for."""

    def refuse(self, status: int, reason: str) -> None:
        """There will be no response: answer ``status`` (``reason``: a clause about the request, or empty)."""
        raise NotImplementedError

    def cut_off(self) -> None:
        """The response ends before it is whole."""
        raise NotImplementedError

    def source_full(self) -> None:
        """No more of the request's body can be taken for now."""

    def source_ready(self) -> None:
        """More of the request's body is wanted."""

    def switched(self, head: ResponseHead, data: bytes) -> None:
        """101 Switching Protocols, which the request asked for, and what came behind it: a tunnel from here on."""

    def keep_for_client(self, peer: object, connection: BoundConnection) -> None:
        """``connection`` to ``peer``, which is idle now, has been authenticated: it is for the same client only."""
        connection.close()

    def tunnel_down(self, data: bytes) -> None:
        """Bytes of a tunnel, towards the client."""

    def tunnel_down_eof(self) -> None:
        """The peer sends no more."""

    def tunnel_lost(self) -> None:
        """The peer's side of a tunnel has ended, in both directions."""


class Responder:
    """What produces an exchange's response: a forwarded request, later a file or a cache.

    ``last_lines``: response fields that go behind all others.  For logs, metrics and traces, where moments are by the
    clock of the worker's context, and 0.0 means that it has not happened:

    ``begun``            when a peer was first wanted; from there to the first ``started`` the request waits for one
    ``started``          when the last peer was asked
    ``first_byte``       when the head of the response came
    ``ended``            when the last response was complete
    ``connect_seconds``  how long connections took that were made for it, all of them; 0.0: there were some already
    ``seconds``          how long peers took, all of them
    ``peers_tried``      their names, ``tries`` their number: one that was asked again counts again
    """

    # fmt: off
    __slots__ = (
        "begun", "connect_seconds", "ended", "first_byte", "last_lines", "peers_tried", "seconds", "started", "tries",
    )
    # fmt: on

    last_lines: bytes
    peers_tried: bytes
    tries: int
    begun: float
    started: float
    first_byte: float
    ended: float
    connect_seconds: float
    seconds: float

    def forget(self) -> None:
        """Nothing has happened yet."""
        self.last_lines = self.peers_tried = b""
        self.tries = 0
        self.begun = self.started = self.first_byte = self.ended = self.connect_seconds = self.seconds = 0.0

    def request_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        raise NotImplementedError

    def pause(self) -> None:
        """The client takes no more of the response for now."""
        raise NotImplementedError

    def resume(self) -> None:
        raise NotImplementedError

    def abort(self, reason: str) -> None:
        """The response is of no more use.  Nothing more is heard of it.  May be called when all is over, too."""
        raise NotImplementedError

    def enough(self) -> None:
        """What has come of the response will do."""
        raise NotImplementedError

    def tunnel_up(self, data: bytes) -> None:
        raise NotImplementedError

    def tunnel_up_eof(self) -> None:
        raise NotImplementedError

    def close_tunnel(self) -> None:
        """Both sides have sent their end."""
        raise NotImplementedError


class PeerRequest(Responder):
    """A request that is looking for a response from a peer, as connections and pools of peers see it.

    ``request_done``  all of the request's body is there
    ``tried``         peers that have failed it; ``UNTRIED`` while there is none
    ``rest``          the peers that are left, once several have failed (``forward/rest.py``)
    ``bound``         the client's cookie names a peer that is there
    ``only``          the peer at which the client has a connection of its own
    """

    __slots__ = ("bound", "client", "head", "limits", "only", "request_done", "rest", "tried")

    head: RequestHead
    limits: Limits
    client: bytes
    request_done: bool
    tried: "set[Any]"
    rest: object
    bound: bool
    only: object

    def is_repeatable(self) -> bool:
        """Whether it may be sent once more."""
        raise NotImplementedError

    @property
    def waits(self) -> bool:
        """Whether it still wants the connection that is being made for it."""
        raise NotImplementedError

    def connected(self, stream: PeerStream) -> None:
        """A connection is there: send the head and what there is of the body."""
        raise NotImplementedError

    def connect_failed(self, failure: Failure) -> None:
        """There is no connection; nothing was sent."""
        raise NotImplementedError

    def peer_failed(self, stream: PeerStream, failure: Failure) -> None:
        """The stream is gone before the response was complete."""
        raise NotImplementedError

    def peer_done(self) -> None:
        """The response is complete, and the stream is no longer its own; the response, or its last part, comes next."""
        raise NotImplementedError

    def announced(self) -> object:
        """The client's connection that PROXY headers are to name; ``None``: there is none."""
        return None

    def placeholder(self, name: str) -> bytes:
        """As :meth:`ResponseReceiver.placeholder`, of what the response is for."""
        return b""

    def local_name(self) -> bytes:
        """As :meth:`ResponseReceiver.local_name`."""
        return b""

    def peer_said(self, text: bytes) -> None:
        """The peer has something for the log (STDERR of FastCGI); any bytes."""

    def keep_for_client(self, connection: BoundConnection) -> None:
        """The exchange on this connection, which is idle now, has authenticated it: it is for the same client only."""
        raise NotImplementedError

    def peer_full(self) -> None:
        """The peer takes no more of the request for now."""

    def peer_ready(self) -> None:
        """It does again."""

    def interim(self, head: ResponseHead) -> None:
        """A response before the final one."""

    def response(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        raise NotImplementedError

    def response_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        raise NotImplementedError

    def switch_protocols(self, head: ResponseHead, data: bytes) -> None:
        """101, with what came behind it."""
        raise NotImplementedError

    def tunnel_down(self, data: bytes) -> None:
        raise NotImplementedError

    def tunnel_down_eof(self) -> None:
        raise NotImplementedError

    def tunnel_lost(self) -> None:
        raise NotImplementedError
