"""The second of two requests for one answer.

Only requests without a body that change nothing are hedged, so all that matters of an answer is its head, and to be
first.  What an exchange counts and logs is the original's to count and log.
"""

from time import monotonic
from typing import TYPE_CHECKING

from rsp.exchange.forward.request import NONE, Asker
from rsp.http.message import ResponseHead

if TYPE_CHECKING:
    from rsp.exchange.forward.forward import Search
    from rsp.exchange.forward.peer import Peer
    from rsp.http.h1.client import Upstream


class Rival(Asker):
    """``original``: whose answer is late; ``peer``: who is asked as well."""

    __slots__ = ("_holds", "_original", "_upstream", "ended", "peer", "started")

    def __init__(self, original: "Search", peer: "Peer") -> None:
        self._original: Search | None = original
        self._upstream: Upstream | None = None
        self._holds = False
        self.peer = peer
        self.head = original.head
        self.terms = original.terms
        self.client = original.client
        self.tried = NONE
        self.rest = None
        self.bound = False
        self.only = None
        self.request_done = True
        self.started = monotonic()
        self.ended = 0.0
        if peer.probe is original:
            peer.probe = self

    def begin(self) -> None:
        if not self.peer.begin():
            self._give_in(503)
            return
        self._holds = True
        upstream = self.peer.take()
        if upstream is None:
            self.peer.connect(self)
        else:
            self.connected(upstream)

    @property
    def repeatable(self) -> bool:
        return True

    @property
    def waits(self) -> bool:
        return self._original is not None and self._upstream is None

    def connected(self, upstream: "Upstream") -> None:
        original = self._original
        if original is None:
            upstream.put_back()
        elif upstream.transport.closing:
            self.connect_failed("closed the connection early", timed_out=False)
        else:
            self._upstream = upstream
            upstream.send_request(self, original.head_for_peer(), 0, [], None)

    def connect_failed(self, reason: str, *, timed_out: bool) -> None:
        self._let_go()
        self.peer.failed(reason)
        self._give_in(504 if timed_out else 502)

    def upstream_failed(self, upstream: "Upstream", reason: str, *, timed_out: bool = False) -> None:
        self.upstream_done()
        if not upstream.went_stale(self.ended - self.started):
            self.peer.failed(reason)
        self._give_in(504 if timed_out else 502)

    def upstream_done(self) -> None:
        self._let_go()
        self._upstream = None
        self.ended = monotonic()

    def response(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        original, self._original = self._original, None
        if original is not None:
            original.rival_answers(self, head, pieces, trailers)

    def switch_protocols(self, head: ResponseHead, data: bytes) -> None:
        self._drop()
        self._give_in(502)

    def hand_over(self, to: Asker) -> "tuple[bool, Upstream | None]":
        """Whether the peer counts this as running, and the connection; both are ``to``'s now."""
        holds, upstream = self._holds, self._upstream
        self._holds, self._upstream = False, None
        if upstream is not None:
            upstream.exchange = to
        if self.peer.probe is self:
            self.peer.probe = to
        return holds, upstream

    def cancel(self) -> None:
        """The other one was first, or nobody wants an answer any more."""
        self._original = None
        self._drop()

    def _drop(self) -> None:
        upstream = self._upstream
        if upstream is not None:
            self.upstream_done()
            upstream.abandon()
        else:
            self._let_go()

    def _let_go(self) -> None:
        if self._holds:
            self._holds = False
            self.peer.end(self)

    def _give_in(self, status: int) -> None:
        original, self._original = self._original, None
        if original is not None:
            original.rival_fails(self, status)
