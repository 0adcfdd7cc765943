"""Finding a peer for a request, and the next one while that is right.

Rules of this room: what may be sent again, and to which peer, is decided here.  What happens to the response is the
user's business: an exchange, or a request of a hook's own.
"""

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from rsp.exchange.forward.body import RequestBody
from rsp.exchange.forward.hedge import Hedge
from rsp.exchange.forward.relay import GONE, Relay
from rsp.exchange.forward.retry import MOST_NAMES, is_safe, with_name
from rsp.http.limits import Limits
from rsp.http.message import RequestHead, ResponseHead
from rsp.http.peer_stream import UNTRIED, Failure, PeerStream, ResponseReceiver
from rsp.ipc.peer_cells import ERRORS
from rsp.ipc.peer_cells import RETRIES as PEER_RETRIES
from rsp.ipc.worker_cells import HEDGES, RETRIES
from rsp.net.context import WorkerContext

if TYPE_CHECKING:
    from rsp.exchange.forward.conversations import Conversation
    from rsp.exchange.forward.peer import Peer
    from rsp.exchange.forward.upstream import Upstream

_AT_ONCE: Final = 16  # peers that refuse within one call


class Chooser(Protocol):
    def choose(self, forward: "Forward", status: int) -> bool:
        """Whether it chooses: it calls ``forward.try_peer(peer)`` or ``forward.go_on(status)``, now or later."""


class Forward(Relay):
    """One request for the peers of ``upstream``; ``answered``: a response's head has come.

    Before ``begin`` may be set:

    ``chooser``  what may choose in the place of the upstream's policy
    ``pinned``   the peer that is asked first, if it can be asked
    ``own``      a connection that the client has authenticated, at the peer ``only``
    ``hedges``   whether a second peer is asked where the response is late
    """

    # fmt: off
    __slots__ = (
        "_hedge", "_stale_at", "answered", "chooser", "hedges", "own", "pinned", "queue_deadline", "queue_limit",
    )
    # fmt: on

    def set_up(
        self, context: WorkerContext, user: ResponseReceiver, upstream: "Upstream", head: RequestHead, limits: Limits,
        client: bytes, body: RequestBody | None, request_done: bool,
    ) -> None:  # fmt: skip
        self.context = context
        self.user = user
        self.upstream = upstream
        self.head = head
        self.limits = limits
        self.client = client
        self.body = body
        self.request_done = request_done
        self.tried = UNTRIED
        self.only = self.rest = None
        self.forget()
        self.bound = self.connecting = self.holds = self.over = self.spent = self.answered = False
        self.stream = None
        self.journal = self.noted = None
        self.chooser: Chooser | None = None
        self.pinned: Peer | None = None
        self.own: Conversation | None = None
        # Two peers may process it.
        self.hedges = upstream.hedges and head.framing == 0 and not head.upgrade and is_safe(head.method)
        self.queue_deadline = self.queue_limit = 0.0
        self._hedge: Hedge | None = None
        self._stale_at: Peer | None = None  # it was sent on a connection that this peer had closed

    def begin(self) -> None:
        self.next_peer(503)

    # -- the choice

    def next_peer(self, status: int) -> None:
        """The next peer's turn; ``status`` answers when none is left."""
        if self.over:
            return
        pinned, self.pinned = self.pinned, None
        if pinned is not None and pinned.can_be_asked():
            self.try_peer(pinned)
        elif self.chooser is None or not self.chooser.choose(self, status):
            self.go_on(status)

    def go_on(self, status: int) -> None:
        """As the upstream chooses."""
        if self.over:
            return
        upstream = self.upstream
        if self.tried and self._tried_all():
            self._refuse(status, "")
            return
        if upstream.bounded and upstream.queue.others_wait():  # no request overtakes those that wait
            if self._wait(bool(self.tried)):
                upstream.queue.wake()
            return
        peer = upstream.pick(self, True)
        if peer is not None:
            self.try_peer(peer)
        elif upstream.full:
            self._wait(False)
        else:
            self._refuse(status, "")

    def _wait(self, first: bool) -> bool:
        """Until a peer has room; whether it may.  ``first``: it had its turn."""
        if self.begun == 0.0:
            self.begun = self.context.clock()
        if self.upstream.queue.wait(self, first):
            return True
        self._refuse(503, "too many requests in the queue")
        return False

    def resume_at(self, peer: "Peer | None") -> None:
        """It has waited; ``None``: in vain."""
        if peer is None:
            self._refuse(502 if self.tried else 503, "")
        else:
            self.try_peer(peer)

    def waited_too_long(self) -> None:
        self._refuse(503, "no peer was available in time")

    def try_peer(self, peer: "Peer") -> None:
        """Ask ``peer``."""
        if self.over:
            return
        before = self.peer if self.tries else None
        if not self.hold(peer):
            self._wait(True)
            return
        if before is not None and before is not peer:
            before.stats.add(PEER_RETRIES, 1)
            self.context.stats.add(RETRIES, 1)
        self._name(peer)
        stream = peer.pool.take(self) if self.own is None else self._take_own(peer)
        once = (not is_safe(self.head.method) or self.head.connection_bound) and not self.is_repeatable()
        # What cannot be sent twice needs one look whether the peer has hung up meanwhile; and what a peer has sent
        # since a response without a body must not be taken for an answer.
        while stream is not None and (once or stream.is_doubtful()) and stream.is_stale():
            stream.close()
            stream = peer.pool.take(self)
        if stream is None:
            self.connect()
        else:
            self.connected(stream)

    def _take_own(self, peer: "Peer") -> PeerStream | None:
        """On the connection that its client has authenticated, if that still is there; else on any."""
        own, only, self.own, self.only = self.own, self.only, None, None
        stream = own.open(self) if own is not None and only is peer else None
        return peer.pool.take(self) if stream is None else stream

    @property
    def waits(self) -> bool:
        return self.holds and self.stream is None and not (self.over or self.user.response_started)

    # -- to the peer

    def connected(self, stream: PeerStream) -> None:
        self.note_connected()
        if self.over:
            stream.put_back()
            return
        self.send(stream)
        if self.hedges:
            self.upstream.watch(self)

    # -- when that comes to nothing

    def connect_failed(self, failure: Failure) -> None:
        """Nothing was sent, so whatever the method, the next peer may have it."""
        self.note_connected()
        self.let_go()
        self.note_failed(failure.reason)
        if len(self.tried) < MOST_NAMES:  # hundreds of lines say no more than some
            self.peer.tell(failure.reason)
        self.peer.blame(failure)
        self.note_tried(self.peer)
        status = 504 if failure.timed_out else 502
        if len(self.tried) % _AT_ONCE:
            self.next_peer(status)
        else:  # many have refused at once, each within the call of the one before
            asyncio.get_running_loop().call_soon(self.next_peer, status)

    def peer_failed(self, stream: PeerStream, failure: Failure) -> None:
        self.peer_done()
        self.note_failed(failure.reason)
        if self.over:
            return
        peer, reason = self.peer, failure.reason
        if self.user.response_started:
            peer.tell(f"{reason}, in the middle of a response")
            peer.blame(failure)
            self.over = True
            self.user.cut_off()
            return
        repeatable = self.is_repeatable() or (failure.untouched and self.is_whole())
        seconds = self.ended - self.started
        once_more = repeatable and self._stale_at is not peer and not failure.timed_out
        if once_more and stream.went_stale(seconds):
            # The peer closed an idle connection just as it was used again: no fault of its own, and the
            # others that it has closed would only repeat it.  Once for a peer, and it is no try.
            self._ask_again(peer)
            return
        peer.tell(reason)
        peer.blame(failure)
        status = 504 if failure.timed_out else 502
        if once_more and stream.may_have_gone_stale(seconds) and self.upstream.may_ask_again(peer):
            self.context.stats.add(RETRIES, 1)
            peer.stats.add(PEER_RETRIES, 1)
            self._ask_again(peer)
        elif self._hedge is not None:
            self.note_tried(peer)  # the other request may still be answered
        elif repeatable and self.upstream.may_retry():
            self._start_over()
            self.note_tried(peer)
            self.next_peer(status)
        else:
            self._refuse(status, "")

    def _ask_again(self, peer: "Peer") -> None:
        self._stale_at = peer
        self._start_over()
        peer.pool.forget_idle()
        self.try_peer(peer)

    def _start_over(self) -> None:
        if self.answered:  # the user still looks at the head
            self.answered = False
            self.first_byte = 0.0
            self.user.withdraw()
        self.take_back()

    def _tried_all(self) -> bool:
        return 0 < self.upstream.tries <= len(self.tried)

    def _name(self, peer: "Peer") -> None:
        self.peers_tried = with_name(self.peers_tried, self.tries, peer.name) if self.tries else peer.name
        self.tries += 1

    def _tries_another(self, status: int, reason: str) -> bool:
        """A response that another peer may do better than: whether one is asked instead."""
        peer = self.peer
        other: Peer | None = None
        self.note_tried(peer)
        if self._tried_all():
            return False
        if self._hedge is None:
            other = self._another()
            if other is None:
                return False
        self.abandon("another peer is asked")
        peer.stats.count_status(status)
        peer.stats.add(ERRORS, 1)
        peer.failed(reason)
        self.take_back()
        if other is not None:
            self.try_peer(other)
        return True

    def _another(self) -> "Peer | None":
        """One that is open and has not been tried, if the budget allows a retry."""
        peer = self.upstream.pick(self, False)
        if peer is None or self.upstream.may_retry():
            return peer
        if peer.probe is self:
            peer.spare()
        return None

    # -- a second request for the same response: ``hedge.py``

    def late_in(self, after: float) -> float:
        """Seconds until its response is late, if that takes ``after``; below 0 if that is so, or does not matter."""
        return self.started + after - self.context.clock() if self.stream is not None and not self.answered else -1.0

    def hedge(self) -> None:
        """The response is late: ask another peer as well."""
        if self.stream is None or self.answered or self._hedge is not None or self.spent:
            return
        self.note_tried(self.peer)
        if self._tried_all():
            return
        peer = self._another()
        if peer is not None:
            self.context.stats.add(HEDGES, 1)
            self._hedge = Hedge(self, peer)
            if peer.probe is self:
                peer.probe = self._hedge
            self._hedge.begin()

    def hedge_answers(
        self, hedge: Hedge, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None
    ) -> None:
        """The second request has the first response: it is this request's from here on."""
        self._hedge = None
        self.abandon("another peer was faster")
        self._name(hedge.peer)
        self.take_over(hedge)
        self.response(head, pieces, trailers)

    def hedge_fails(self, hedge: Hedge, status: int) -> None:
        """The second request will not be answered."""
        self._hedge = None
        self._name(hedge.peer)
        self.note_tried(hedge.peer)
        if not self.holds and (hedge.ended == 0.0 or self.upstream.may_retry()):  # one that was not sent was no try
            self.next_peer(status)
        elif not self.holds:
            self._refuse(status, "")

    def _call_off(self) -> None:
        """The second request is of no more use."""
        if self._hedge is not None:
            self._hedge.cancel()
            self._hedge = None

    # -- from the peer

    def response(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        if self.over:
            return
        upstream, peer = self.upstream, self.peer
        now = self.ended or self.context.clock()
        self.note_answered(head.status, now)
        if upstream.retry_on is not None:
            is_call = self.head.grpc and trailers is not None and self.is_whole()
            reason = upstream.retry_on.reason(head, self.is_repeatable(), is_call)
            if reason and self._tries_another(head.status, reason):
                return
        if upstream.latencies is not None:
            upstream.latencies.add(now - self.started)
        peer.answered(now, now - self.started, head.status)
        self.first_byte = now
        self.answered = True
        self._call_off()
        if upstream.binding is not None and not self.bound:
            self.last_lines += upstream.binding.line(peer)  # behind those of a split
        if trailers is not None:
            self.over = True
            peer.succeeded(self.ended)
        self.user.response(head, pieces, trailers)

    def response_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        if self.over:
            return
        if trailers is not None:
            self.over = True
            self.peer.succeeded(self.ended)
        self.user.response_body(pieces, trailers)

    def switch_protocols(self, head: ResponseHead, data: bytes) -> None:
        stream = self.stream
        if stream is None:
            return
        if not self.head.upgrade:
            stream.abort("it switched protocols without being asked")
            self.peer_failed(stream, Failure("switched protocols without being asked"))
            return
        now = self.first_byte = self.context.clock()
        self.note_answered(101, now)
        self.answered = True
        self.peer.answered(now, now - self.started, 101)
        stream.open_tunnel()
        if self.upstream.binding is not None and not self.bound:
            self.last_lines += self.upstream.binding.line(self.peer)
        self.user.switched(head, data)

    # -- the end

    def _refuse(self, status: int, reason: str) -> None:
        """There will be no response."""
        if not self.over:
            self.over = True
            self._call_off()
            self.user.refuse(status, reason)

    def enough(self) -> None:
        if self.stream is not None:
            self.over = True
            self.abandon("the rest of the response is of no use")
            self.peer.succeeded(self.ended)

    def abort(self, reason: str) -> None:
        self.over = True
        self.user = GONE  # else each would keep the other alive
        self.chooser = None
        if self.queue_deadline:
            self.upstream.queue.forget(self)
        self._call_off()
        self.abandon(reason)
