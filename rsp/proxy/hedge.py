"""The second of two requests for one answer.

To a connection it looks like an exchange; everything that matters it hands to the real one.  Only requests without a
body that change nothing are hedged, so what an answer needs is a head, and being first.
"""

from time import monotonic
from typing import TYPE_CHECKING

from rsp.http1.head import ResponseHead
from rsp.proxy.exchange import Exchange

if TYPE_CHECKING:
    from rsp.proxy.peer import Peer
    from rsp.proxy.plane import Plane
    from rsp.proxy.upstream import Upstream


class Rival(Exchange):
    """``original``: whose answer is late; ``peer``: who is asked as well."""

    __slots__ = ("ended", "original", "peer", "started")

    def __init__(self, original: Exchange, plane: "Plane", peer: "Peer") -> None:
        # What an exchange counts and logs is the original's to count and log.
        self._plane = plane
        self.original: Exchange | None = original
        self.peer = peer
        self.head = original.head
        self.terms = original.terms
        self.request_done = True
        self.response_started = False
        self.downstream = None
        self.upstream = None
        self._holds = False
        self.started = monotonic()
        self.ended = 0.0
        if peer.probe is original:
            peer.probe = self

    def begin(self) -> None:
        if not self.peer.begin():
            self._give_in(503)
            return
        self._peer = self.peer
        self._holds = True
        upstream = self.peer.take()
        if upstream is None:
            self.peer.connect(self)
        else:
            self.connected(upstream)

    @property
    def waits(self) -> bool:
        return self.original is not None and self.upstream is None

    def connected(self, upstream: "Upstream") -> None:
        original = self.original
        if original is None:
            upstream.release()
        elif upstream.transport.closing:
            self.connect_failed("closed the connection early", timed_out=False)
        else:
            self.upstream = upstream
            upstream.send_request(self, original._head_for_peer(), 0, [], None)

    def connect_failed(self, reason: str, *, timed_out: bool) -> None:
        self._let_go()
        self.peer.failed(reason)
        self._give_in(504 if timed_out else 502)

    def upstream_failed(self, upstream: "Upstream", reason: str, *, timed_out: bool = False) -> None:
        self.upstream_done()
        if not upstream.reused:  # else it may just have been stale
            self.peer.failed(reason)
        self._give_in(504 if timed_out else 502)

    def upstream_done(self) -> None:
        self._let_go()
        self.upstream = None
        self.ended = monotonic()

    def interim(self, head: ResponseHead) -> None:
        pass

    def response(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        original, self.original = self.original, None
        if original is not None:
            original.rival_answers(self, head, pieces, trailers)

    def switch_protocols(self, head: ResponseHead, data: bytes) -> None:
        upstream = self.upstream
        if upstream is not None:
            self.upstream_done()
            upstream.abandon()
        self._give_in(502)

    def hand_over(self, to: Exchange) -> "tuple[bool, Upstream | None]":
        """Whether the peer counts this as running, and the connection; both are ``to``'s now."""
        holds, upstream = self._holds, self.upstream
        self._holds, self.upstream = False, None
        if upstream is not None:
            upstream.exchange = to
        if self.peer.probe is self:
            self.peer.probe = to
        return holds, upstream

    def cancel(self) -> None:
        """The other one was first, or nobody wants an answer any more."""
        self.original = None
        upstream = self.upstream
        if upstream is not None:
            self.upstream_done()
            upstream.abandon()
        else:
            self._let_go()

    def _give_in(self, status: int) -> None:
        original, self.original = self.original, None
        if original is not None:
            original.rival_fails(self, status)
