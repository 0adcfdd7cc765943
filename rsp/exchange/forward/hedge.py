"""The second of two requests for one response.

Only requests without a body that change nothing are hedged, so all that matters of a response is its head, and to be
first.  What is counted and logged is the original's to count and log.
"""

from typing import TYPE_CHECKING, Protocol

from rsp.exchange.forward.hold import Holder
from rsp.exchange.forward.journal import Journal
from rsp.http.limits import Limits
from rsp.http.message import RequestHead, ResponseHead
from rsp.http.peer_stream import UNTRIED, BoundConnection, Failure, PeerStream, ResponseReceiver
from rsp.net.context import WorkerContext

if TYPE_CHECKING:
    from rsp.exchange.forward.peer import Peer


class Original(Protocol):
    """The first request, as its hedge knows it."""

    peers_tried: bytes
    client: bytes
    context: WorkerContext
    head: RequestHead
    journal: Journal | None
    limits: Limits
    user: ResponseReceiver

    def hedge_answers(
        self, hedge: "Hedge", head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None
    ) -> None:
        """``hedge`` has the first response."""

    def hedge_fails(self, hedge: "Hedge", status: int) -> None:
        """``hedge`` will have none; ``status`` says why."""


class Hedge(Holder):
    """``original``: the request whose response is late; ``peer``: is asked as well."""

    __slots__ = ("_original",)

    def __init__(self, original: Original, peer: "Peer") -> None:
        self._original: Original | None = original
        self.context = original.context
        self.head = original.head
        self.limits = original.limits
        self.client = original.client
        self.request_done = True
        self.tried = UNTRIED
        self.rest = None
        self.bound = False
        self.only = None
        self.peer = peer
        self.stream = None
        self.holds = self.connecting = False
        self.journal = original.journal
        self.noted = None
        self.forget()

    def begin(self) -> None:
        peer = self.peer
        if not self.hold(peer):
            self._give_in(503)
            return
        if self.noted is not None:
            self.noted.hedge = True
        stream = peer.pool.take(self)
        if stream is None:
            self.connect()
        else:
            self.connected(stream)

    def is_repeatable(self) -> bool:
        return True

    @property
    def waits(self) -> bool:
        return self._original is not None and self.stream is None

    def connected(self, stream: PeerStream) -> None:
        original = self._original
        self.note_connected()
        if original is None:
            stream.put_back()
        else:
            self.stream = stream
            if self.journal is not None:
                self.journal.sends(self.noted, self.context.clock())
            first, original.peers_tried = original.peers_tried, self.peer.name  # {peer}, in rules for its head
            head = original.user.outgoing_head()
            original.peers_tried = first
            stream.send_request(head, [], None)

    def connect_failed(self, failure: Failure) -> None:
        self.note_connected()
        self.let_go()
        self.note_failed(failure.reason)
        self.peer.blame(failure)
        self._give_in(504 if failure.timed_out else 502)

    def peer_failed(self, stream: PeerStream, failure: Failure) -> None:
        self.peer_done()
        self.note_failed(failure.reason)
        if not stream.went_stale(self.ended - self.started):
            self.peer.blame(failure)
        self._give_in(504 if failure.timed_out else 502)

    def announced(self) -> object:
        return self._original.user.announced() if self._original is not None else None

    def placeholder(self, name: str) -> bytes:
        return self._original.user.placeholder(name) if self._original is not None else b""

    def local_name(self) -> bytes:
        return self._original.user.local_name() if self._original is not None else b""

    def keep_for_client(self, connection: BoundConnection) -> None:
        connection.close()

    def response(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        original, self._original = self._original, None
        if original is not None:
            original.hedge_answers(self, head, pieces, trailers)

    def switch_protocols(self, head: ResponseHead, data: bytes) -> None:
        self.abandon("switched protocols without being asked")
        self._give_in(502)

    def cancel(self) -> None:
        """The original was first, or its user needs no response any more."""
        self._original = None
        self.abandon("the other peer was faster")

    def _give_in(self, status: int) -> None:
        original, self._original = self._original, None
        if original is not None:
            original.hedge_fails(self, status)
