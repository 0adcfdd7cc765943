"""Connections to peers that belong to one client's connection.

NTLM and Negotiate authenticate a connection, not a request (RFC 4559 section 6): whatever comes on it afterwards is
served as that user's.  Such a connection is never given to another client.  It waits here for its own client's next
request, and is closed with the client's connection.
"""

from math import inf
from typing import TYPE_CHECKING, Final

from rsp.ipc.scoreboard import Mark

if TYPE_CHECKING:
    from rsp.http.h1.client import Upstream

_MOST: Final = 8  # upstreams that one client's connection can be authenticated at


class Conversations:
    """Of one client's connection; one of them at most for each upstream."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: list[Upstream] = []

    def keep(self, upstream: "Upstream") -> None:
        """``upstream``, which is idle, waits for the client's next request, however long that takes."""
        upstream.deadline = inf
        if upstream in self._open:
            return
        self._forget(upstream.peer.group.name)
        self._open.append(upstream)
        if len(self._open) > _MOST:
            self._open.pop(0).close()

    def find(self, group: str, now: float) -> "Upstream | None":
        """The one at the upstream ``group``, if it can go on."""
        for upstream in self._open:
            if upstream.peer.group.name == group:
                if _goes_on(upstream, now):
                    return upstream
                self._forget(group)
                break
        return None

    def _forget(self, group: str) -> None:
        kept: list[Upstream] = []
        for upstream in self._open:
            if upstream.peer.group.name != group:
                kept.append(upstream)
            elif upstream.exchange is None:
                upstream.close()
        self._open = kept

    def close(self) -> None:
        """The client has left."""
        for upstream in self._open:
            upstream.close()
        self._open = []


def _goes_on(upstream: "Upstream", now: float) -> bool:
    """Whether the next request may take it: as long as it is open, and its peer is one and not drained.

    Whether the peer is ejected or down does not matter: the first failure ends the connection, too.
    """
    peer = upstream.peer
    if upstream.transport.closing or peer.leaving_at < inf or upstream.is_stale():
        return False
    drain = peer.place.mark(Mark.DRAIN)
    return not drain or drain > now * 1000
