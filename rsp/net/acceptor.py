"""New connections at a listening socket."""

import errno
import socket
from collections.abc import Callable
from typing import Any, Final

from rsp.logs import log
from rsp.net.calls import accept
from rsp.net.neighbours import Neighbours
from rsp.net.poller import IN, SCARCE, Poller, Watched
from rsp.net.transport import Transport

# A connection, its client and its listener.  What begins with it may want a kind of transport of its own.
Accepted = Callable[[Any, bytes, str], None]

_AT_ONCE: Final = 64
_MOST_QUEUED: Final = 1 << 16  # more than wait in any queue
_MOST_PATIENCE: Final = 16
# The connection is gone already, or the network behind it: nothing to tell (accept(2)).
_HARMLESS: Final = frozenset((
    errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.ENOPROTOOPT, errno.EHOSTDOWN, errno.ENONET,
    errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH,
))  # fmt: skip


class Acceptor(Watched):
    """Calls ``accepted(transport, client, listener)`` for each connection; ``kind``: which transport carries them.

    ``sock`` stays its owner's.  ``neighbours``: siblings that may take a connection, if any may.  Where a new
    connection cannot be had for want of descriptors or memory, it waits until :meth:`retry`.
    """

    __slots__ = (
        "_exhausted", "_expected", "_full", "_listener", "_patience", "_poller", "_sock", "accepted", "kind",
        "neighbours",
    )  # fmt: skip

    def __init__(
        self,
        poller: Poller,
        sock: socket.socket,
        accepted: Accepted,
        listener: str,
        kind: type[Transport] = Transport,
        neighbours: Neighbours | None = None,
    ) -> None:
        super().__init__(sock.fileno())
        self._poller = poller
        self._sock = sock
        self._listener = listener
        self.accepted = accepted
        self.kind = kind
        self.neighbours = neighbours
        self._exhausted = False
        self._expected = 1
        self._full = 0  # so many times in a row there were as many as expected
        self._patience = 1  # so many times, and more are expected
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is accepted inherits it
        poller.want(self, IN)

    def ready(self, events: int) -> None:
        """As many as last time, and now and then twice as many: a call that finds none costs as much as one that does.
        What is left is ready in the next turn."""
        count = self.take(self._expected)
        if count < self._expected:
            self._expected = max(count, 1)
            self._full = 0
            self._patience = min(4 * self._patience, _MOST_PATIENCE)
            return
        self._full += 1
        if self._full >= self._patience:
            self._expected = min(2 * count, _AT_ONCE)
            self._full = 0
            self._patience = max(self._patience // 2, 1)

    def take(self, most: int) -> int:
        """Accept what is queued, at most ``most``; how many there were."""
        kind = self.kind
        for count in range(most):
            try:
                found = accept(self.descriptor)
            except OSError as error:
                if error.errno in _HARMLESS:
                    continue
                if error.errno in SCARCE and self._poller.relieve():
                    continue
                log.once_a_second("accept", f"Cannot accept connections for now: {error.strerror}")
                self._exhausted = True
                self._poller.want(self, 0)
                return count
            if found is None:
                return count
            if self.neighbours is not None and self.neighbours.takes(found[0], found[1], self._listener):
                continue
            transport = kind.__new__(kind)  # in the compiled build this is no call of Python
            transport.set_up(self._poller, found[0])
            self.accepted(transport, found[1], self._listener)
        return most

    def change(self, kind: type[Transport], accepted: Accepted) -> None:
        """From now on, connections begin so; those that are queued have been made before."""
        if kind is not self.kind or accepted != self.accepted:
            self.take(_MOST_QUEUED)
            self.kind, self.accepted = kind, accepted

    def retry(self) -> None:
        """Called every tick."""
        if self._exhausted:
            self._exhausted = False
            self._poller.want(self, IN)

    def broken(self) -> None:
        pass  # one connection was lost; the others are still welcome

    def stop(self) -> None:
        """Accept no more; the socket is left as it is."""
        self._poller.want(self, 0)

    def finish(self) -> None:
        """Accept what is queued, and no more."""
        self.stop()
        self.take(_MOST_QUEUED)
