"""The peers that are left for a request that several have failed already.

A policy looks at all peers for each choice, which is right for the first ones.  When hundreds fail, that would be
hundreds of looks for each of them; so then those that are left are drawn at random, and each is looked at when its
turn comes: work is in proportion to the peers that are asked.
"""

from random import random
from typing import TYPE_CHECKING, Final

from rsp.ipc.standing import DOUBTFUL, FULL, HALF_OPEN, OPEN, OUT

if TYPE_CHECKING:
    from rsp.exchange.forward.peer import Peer
    from rsp.http.peer_stream import PeerRequest

_LAST_RESORT: Final = (OUT, HALF_OPEN, DOUBTFUL)  # the last one first


class Rest:
    """Of ``peers``, which are all of the upstream's, those that are not in ``tried``."""

    def __init__(self, peers: "list[Peer]", tried: "set[Peer]") -> None:
        self.peers = peers
        self.full = False  # there was no peer to be had, but it is worth waiting
        left = [peer for peer in peers if peer not in tried]
        backups = [peer for peer in left if peer.backup]
        self._backups = len(backups)
        self._next = [*backups, *(peer for peer in left if not peer.backup)] if backups else left
        self._drawn = False  # the last one of those that are next
        self._not_open: list[Peer] = []  # when it was their turn
        self._last_resort: list[Peer] = []

    def choose(self, request: "PeerRequest", now: int, panic: bool, desperate: bool) -> "Peer | None":
        """The next peer; the same again as long as it is not tried.

        ``desperate``: rather one that is out than none.
        """
        self.full = False
        peer = self._open(request, now, panic)
        if peer is not None:
            return peer
        if self._not_open and not self._last_resort:
            standings = {peer: peer.standing(now) for peer in self._not_open}
            self.full = FULL in standings.values()
            if self.full or OPEN in standings.values():
                self._next, self._not_open = self._not_open, []
                self._backups, self._drawn = 0, False
                return self._open(request, now, panic)
            if not desperate:
                return None
            self._last_resort = [
                peer for wanted in _LAST_RESORT for peer, standing in standings.items() if standing == wanted
            ]
            self._not_open = []
        last = self._last_resort
        while last and desperate:
            peer = last[-1]
            if peer not in request.tried:
                if peer.has_room():
                    return peer
                self._not_open.append(peer)
            last.pop()
        self.full = bool(self._not_open)
        return None

    def _open(self, request: "PeerRequest", now: int, panic: bool) -> "Peer | None":
        left = self._next
        while left:
            if not self._drawn:
                self._draw()
            peer = left[-1]
            if peer not in request.tried:
                standing = peer.standing(now)
                if standing == OPEN or (standing == DOUBTFUL and panic and not peer.backup):
                    return peer
                if standing == HALF_OPEN and not peer.backup and peer.claim(request):
                    return peer
                self._not_open.append(peer)
            left.pop()
            self._drawn = False
        return None

    def _draw(self) -> None:
        """One of those that are left comes last; backups once there is nothing else."""
        left = self._next
        first = self._backups if len(left) > self._backups else 0
        index = first + int(random() * (len(left) - first))  # noqa: S311 - no secret
        left[index], left[-1] = left[-1], left[index]
        self._drawn = True
