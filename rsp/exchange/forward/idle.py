"""Connections that wait for the next request, in the order in which they began to.

They are a chain instead of a list, which would take and give memory with each request while few of them wait.
"""

from rsp.http.h1.client import PeerConnection


class Idle:
    """``count``: so many connections wait here.  A connection waits in one place at a time, and says so by
    ``waits``."""

    __slots__ = ("_newest", "_oldest", "count")

    def __init__(self) -> None:
        self.count = 0
        self._newest: PeerConnection | None = None
        self._oldest: PeerConnection | None = None

    def __len__(self) -> int:
        return self.count

    def add(self, connection: PeerConnection) -> None:
        newest = self._newest
        if newest is None:
            self._oldest = connection
        else:
            newest.newer = connection
            connection.older = newest
        self._newest = connection
        connection.waits = True
        self.count += 1

    def remove(self, connection: PeerConnection) -> None:
        """Nothing happens if it does not wait."""
        if not connection.waits:
            return
        older, newer = connection.older, connection.newer
        if older is None:
            self._oldest = newer
        else:
            older.newer = newer
            connection.older = None
        if newer is None:
            self._newest = older
        else:
            newer.older = older
            connection.newer = None
        connection.waits = False
        self.count -= 1

    def take_newest(self) -> PeerConnection | None:
        newest = self._newest
        if newest is not None:
            self.remove(newest)
        return newest

    def take_oldest(self) -> PeerConnection | None:
        oldest = self._oldest
        if oldest is not None:
            self.remove(oldest)
        return oldest
