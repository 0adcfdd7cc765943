"""Connections to peers that belong to one client's connection.

NTLM and Negotiate authenticate a connection, not a request (RFC 4559 section 6): whatever comes on it afterwards is
served as that user's.  Such a connection is never given to another client.  It waits here for its own client's next
request, and is closed with the client's connection.
"""

from math import inf
from typing import TYPE_CHECKING, Final

from rsp.http.stream import ClientSession
from rsp.ipc.peer_marks import DRAIN

if TYPE_CHECKING:
    from rsp.exchange.forward.peer import Peer
    from rsp.http.peer_stream import BoundConnection, PeerRequest, PeerStream

_MOST: Final = 8  # upstreams that one client's connection can be authenticated at


class Conversation:
    """``connection``, which its client has authenticated, to ``peer``."""

    __slots__ = ("connection", "peer")

    def __init__(self, peer: "Peer", connection: "BoundConnection") -> None:
        self.peer = peer
        self.connection = connection

    def open(self, request: "PeerRequest") -> "PeerStream | None":
        """For the client's next request; ``None``: the connection is about to end."""
        return self.connection.open(request)

    def goes_on(self, now: float) -> bool:
        """Whether the next request may take it: as long as it is open, and its peer is one and not drained.

        Whether the peer is ejected or down does not matter: the first failure ends the connection, too.
        """
        if self.peer.leaving_at < inf or not self.connection.is_usable():
            return False
        drain = self.peer.stats.mark(DRAIN)
        return not drain or drain > now * 1000


class Conversations:
    """Of one client's connection; there is one at most for each upstream."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: list[Conversation] = []

    def keep(self, peer: "Peer", connection: "BoundConnection") -> None:
        """``connection`` to ``peer``, which is idle, waits for the client's next request, however long that takes."""
        connection.hold()
        if any(each.connection is connection for each in self._open):
            return
        self._forget(peer.owner.name)
        self._open.append(Conversation(peer, connection))
        if len(self._open) > _MOST:
            self._open.pop(0).connection.close()

    def find(self, upstream: str, now: float) -> Conversation | None:
        """The one at ``upstream``, if it can go on."""
        for conversation in self._open:
            if conversation.peer.owner.name == upstream:
                if conversation.goes_on(now):
                    return conversation
                self._forget(upstream)
                break
        return None

    def _forget(self, upstream: str) -> None:
        kept: list[Conversation] = []
        for conversation in self._open:
            if conversation.peer.owner.name != upstream:
                kept.append(conversation)
            elif conversation.connection.is_idle():
                conversation.connection.close()
        self._open = kept

    def close(self) -> None:
        """The client has left."""
        for conversation in self._open:
            conversation.connection.close()
        self._open = []


def keep_for_client(session: ClientSession, peer: "Peer", connection: "BoundConnection") -> None:
    """Let only the requests of ``session`` use ``connection`` to ``peer``."""
    if session.own is None:
        session.own = {}
    conversations = session.own.get(Conversations)
    if not isinstance(conversations, Conversations):
        conversations = session.own[Conversations] = Conversations()
    conversations.keep(peer, connection)
