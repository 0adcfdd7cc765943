"""Connections to a peer on their way up: for one request, or for all that wait (``shared.py``)."""

from typing import Final, Protocol

from rsp.config.units import Peer as Address
from rsp.http.limits import Limits
from rsp.http.peer_stream import Failure, PeerRequest
from rsp.ipc.peer_cells import CONNECTING, CONNECTS
from rsp.ipc.peer_stats import PeerStats
from rsp.logs import log
from rsp.net.context import WorkerContext
from rsp.net.transport import Transport

GRACE: Final = 1.0  # the clock moves once a second, and what connects has its whole time


class PoolOwner:
    """The peer, as its pools know it.  Nothing here leads back to the peer, so that one that has gone is freed at once:
    the collector comes too seldom where a thousand go each second."""

    __slots__ = ("address", "stats")

    def __init__(self, address: Address, stats: PeerStats) -> None:
        self.address = address
        self.stats = stats


class Dial(Protocol):
    def cancel(self, reason: str) -> None:
        """Give up, unless it is done."""


class Dialler(Protocol):
    """The pool, as connections that are being made for it know it."""

    context: WorkerContext
    peer: PoolOwner

    def dial(self, attempt: "Attempt", single: bool) -> Dial: ...

    def connected(self, transport: Transport, request: PeerRequest | None) -> None: ...


class Attempt:
    """A connection on its way up, for a request or (``None``) for the pool, if ``keep``.

    Without either it is a check, and closed at once: an idle connection keeps a peer busy that serves only one at a
    time, until that gives up waiting for a request.  So it is when its request has ended meanwhile.

    ``single``: it is to carry one request at a time, whatever the peer offers.
    """

    __slots__ = ("_dial", "_keep", "_limits", "deadline", "over", "pool", "request", "timed_out")

    def __init__(
        self, pool: Dialler, request: PeerRequest | None, keep: bool = False, limits: Limits | None = None,
        single: bool = True,
    ) -> None:  # fmt: skip
        self._keep = keep
        self.request = request
        self.over = False
        self.pool = pool
        self.timed_out = False
        context = pool.context
        self._limits = request.limits if request is not None else limits or context.limits
        self.deadline = context.now + self._limits.connect_time + GRACE
        context.attempts.add(self)
        pool.peer.stats.add(CONNECTING, 1)
        self._dial = pool.dial(self, single)

    def begin_handshake(self) -> None:
        """The peer has accepted the connection; a handshake comes before anything else."""
        self.deadline = self.pool.context.now + self._limits.handshake_time + GRACE

    def is_due(self, now: float) -> bool:
        return self.deadline < now

    def expire(self) -> None:
        self.timed_out = True
        self._dial.cancel("timed out while connecting")

    def finish(self, connected: bool) -> None:
        """It is over."""
        self.over = True
        self.pool.context.attempts.discard(self)
        self.pool.peer.stats.add(CONNECTING, -1)
        if connected:
            self.pool.peer.stats.add(CONNECTS, 1)

    def end(self, transport: Transport | None, reason: str) -> None:
        """Hand the connection over, or say why there is none."""
        if self.over:
            return
        self.finish(transport is not None)
        request = self.request
        if request is not None and not request.waits:
            request = None
        if transport is not None:
            if request is not None or self._keep:
                self.pool.connected(transport, request)
            else:
                transport.abort()
        elif request is not None:
            request.connect_failed(Failure(reason, timed_out=self.timed_out))
        else:
            complain(self.pool.peer, reason)


def complain(peer: PoolOwner, reason: str) -> None:
    """No request waits for the connection that has failed."""
    log.once_a_second(f"connect {peer.address}", f"Peer {peer.address} cannot be reached: {reason}")
