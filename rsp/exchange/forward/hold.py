"""A request at a peer, which it *holds* from the choice until the peer's part is over.

A peer's count of running requests is those holds, so every way out lets go.
"""

from typing import TYPE_CHECKING

from rsp.exchange.forward.journal import Journal, Try
from rsp.http.peer_stream import PeerRequest, PeerStream
from rsp.net.context import WorkerContext

if TYPE_CHECKING:
    from rsp.exchange.forward.peer import Peer


class Holder(PeerRequest):
    """``peer``: the one that has the request now, or had it last.

    ``stream``: to it, once there is a connection; ``holds``: the request counts as running there.
    ``connecting``: a connection is made for it.

    ``journal``: where to note what happens, or ``None``; ``noted``: its entry for that peer
    """

    __slots__ = ("connecting", "context", "holds", "journal", "noted", "peer", "stream")

    context: WorkerContext
    peer: "Peer"
    stream: PeerStream | None
    holds: bool
    connecting: bool
    journal: Journal | None
    noted: Try | None

    def peer_said(self, text: bytes) -> None:
        self.peer.said(text)

    def hold(self, peer: "Peer") -> bool:
        """Ask ``peer`` from here on; false where other workers were faster to fill it up."""
        if not peer.begin():
            if peer.probe is self:
                peer.spare()
            return False
        self.peer = peer
        self.holds = True
        self.ended = 0.0
        self.started = self.context.clock()
        if self.begun == 0.0:
            self.begun = self.started
        if self.journal is not None:
            self.noted = self.journal.begin_try(peer.name, self.started)
        return True

    def connect(self) -> None:
        """A connection is made for it: ``connected`` or ``connect_failed`` follows."""
        self.connecting = True
        self.peer.pool.connect(self)

    def note_connected(self) -> None:
        """It has taken its time, or has come to nothing."""
        if self.connecting:
            self.connecting = False
            now = self.context.clock()
            self.connect_seconds += now - self.started
            if self.noted is not None:
                self.noted.connected = now

    def note_answered(self, status: int, now: float) -> None:
        """The head of a response is there."""
        if self.noted is not None:
            self.noted.status = status
            self.noted.first_byte = now

    def note_failed(self, reason: str) -> None:
        """The peer that was asked has come to nothing."""
        if self.noted is not None:
            self.noted.failure = reason

    def note_tried(self, peer: "Peer") -> None:
        """It has failed this request, or is about to."""
        if self.tried:
            self.tried.add(peer)
        else:
            self.tried = {peer}

    def let_go(self) -> None:
        """The peer has no more part in this."""
        if self.holds:
            self.holds = False
            if self.noted is not None:
                self.noted.ended = self.context.clock()
            self.peer.end(self)

    def peer_done(self) -> None:
        self.let_go()
        self.stream = None
        self.ended = self.context.clock()
        self.seconds += self.ended - self.started

    def abandon(self, reason: str) -> None:
        """The peer is not to go on."""
        stream = self.stream
        if self.noted is not None and self.holds:
            self.noted.left = reason
        if stream is not None:
            self.peer_done()
            stream.abort(reason)
        else:
            self.let_go()

    def take_over(self, other: "Holder") -> None:
        """What ``other`` holds is this request's from here on."""
        peer, stream = self.peer, self.stream = other.peer, other.stream
        self.holds, self.started, self.ended = other.holds, other.started, other.ended
        self.seconds += other.seconds
        self.connect_seconds += other.connect_seconds
        self.noted = other.noted
        other.holds, other.stream = False, None
        if stream is not None:
            stream.hand_over(self)
        if peer.probe is other:
            peer.probe = self
