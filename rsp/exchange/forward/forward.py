"""Finding a peer for a request, and the next one while that is right.

What may be sent again, and to whom, is decided here.  A request *holds* a peer from the choice until the peer's part
is over; the peer's count of running exchanges is those holds, so every way out lets go.
"""

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Final

from rsp.exchange.forward.request import NONE, Asker
from rsp.http.message import RequestHead, ResponseHead
from rsp.ipc.scoreboard import Tally

if TYPE_CHECKING:
    from rsp.exchange.context import Plane
    from rsp.exchange.forward.hedge import Rival
    from rsp.exchange.forward.peer import Peer
    from rsp.exchange.forward.upstream import Group
    from rsp.exchange.limits import Terms
    from rsp.http.h1.client import Upstream

# RFC 9110 section 9.2.1: what changes nothing, and 9.2.2: what may be sent twice without asking anyone.
_SAFE: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))
_IDEMPOTENT: Final = _SAFE | {b"PUT", b"DELETE"}
_REQUESTS: Final = int(Tally.REQUESTS)
_ERRORS: Final = int(Tally.ERRORS)
_RETRIES: Final = int(Tally.RETRIES)
_NAMES: Final = 8  # peers that the logs name for one request; access logs also name the last one
_AT_ONCE: Final = 16  # peers that refuse within one call


class Search(Asker):
    """The part of an exchange that looks for an answer.  The other part sends what it finds, and ends it all."""

    # fmt: off
    __slots__ = (
        "_ended", "_first_names", "_holds", "_kept", "_kept_size", "_more_names", "_names", "_own", "_peer",
        "_pending", "_pending_size", "_plane", "_rival", "_spent", "_tried_stale", "_upstream_started",
        "_upstream_time", "group", "over", "queue_deadline", "queue_limit", "response_started", "upstream",
    )
    # fmt: on

    def __init__(self, plane: "Plane", head: RequestHead, client: bytes, terms: "Terms") -> None:
        self.head = head
        self.terms = terms
        self.client = client
        self.request_done = head.framing == 0
        self.tried = NONE
        self.rest = None
        self.bound = False
        self.only = None
        self._plane = plane
        self.group: Group | None = None
        self.upstream: Upstream | None = None
        self.response_started = False
        self.over = False  # nobody waits for an answer
        self.queue_deadline = 0.0  # not 0 while it waits
        self.queue_limit = 0.0  # what that is, once it has waited
        self._own: Upstream | None = None  # a connection that its client has authenticated
        self._peer: Peer
        self._holds = False  # it counts as running at ``_peer``
        self._names = b""  # the peers tried, for the log
        self._first_names = b""
        self._more_names = 0  # than one
        self._pending: list[bytes] = []  # body that was not sent yet
        self._pending_size = 0
        self._kept: list[bytes] | None = None  # body that was sent, for another try
        self._kept_size = 0
        self._spent = False  # that was too much to keep, or cannot be repeated elsewhere
        self._rival: Rival | None = None  # a second request for the same answer
        self._tried_stale = False  # it was sent on a connection that the peer had closed
        self._upstream_started = monotonic()
        self._upstream_time = 0.0
        self._ended = 0.0  # when a peer was done, if that is now

    # -- what the other part does

    def head_for_peer(self) -> bytes:
        """The request's head as a peer is to see it."""
        raise NotImplementedError

    def refuse(self, status: int, reason: str) -> None:
        """Answer with an error."""
        raise NotImplementedError

    def cut_off(self) -> None:
        """Half of a response is out: cutting the connection is the only way to say that it is not whole."""
        raise NotImplementedError

    # -- to a peer

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent once more: it is idempotent, all of its body that was sent is still here, and it means
        the same on another connection."""
        return not (self._spent or self.head.connection_bound) and self.head.method in _IDEMPOTENT

    def _next_peer(self, status: int) -> None:
        """The next peer's turn; ``status`` answers when none is left."""
        if self.over:
            return
        group = self.group
        if group is None or (group.tries and len(self.tried) >= group.tries):
            self.refuse(status, "")
            return
        if group.bounded and group.others_wait():  # nobody goes past those who wait
            if group.wait(self, first=bool(self.tried)):
                group.wake()
            else:
                self.refuse(503, "too many requests wait")
            return
        peer = group.pick(self, True)
        if peer is not None:
            self._try_peer(peer)
        elif not group.full:
            self.refuse(status, "")
        elif not group.wait(self):
            self.refuse(503, "too many requests wait")

    def resume_at(self, peer: "Peer | None") -> None:
        """It has waited; ``None``: for nothing."""
        if peer is None:
            self.refuse(502 if self.tried else 503, "")
        else:
            self._upstream_started = monotonic()
            self._try_peer(peer)

    def waited_too_long(self) -> None:
        self.refuse(503, "no peer was free in time")

    def _try_peer(self, peer: "Peer") -> None:
        if not peer.begin():
            if peer.probe is self:
                peer.spare()
            group = self.group
            if group is None or not group.wait(self, first=True):
                self.refuse(503, "too many requests wait")
            return
        if self._names:
            if peer is not self._peer:
                self._peer.place.add(_RETRIES, 1)
                self._plane.retries += 1
            self._log_name(peer.name)
            self._upstream_started = monotonic()
            self._ended = 0.0
        else:
            self._names = peer.name
        self._peer = peer
        self._holds = True
        upstream = peer.take() if self._own is None else self._take_own(peer)
        once = (self.head.method not in _SAFE or self.head.connection_bound) and not self.repeatable
        # What cannot be sent twice needs one look whether the peer has hung up meanwhile; and what a peer has sent
        # since a response without a body must not be taken for an answer.
        while upstream is not None and (once or upstream.doubtful) and upstream.is_stale():
            upstream.close()
            upstream = peer.take()
        if upstream is None:
            peer.connect(self)
        else:
            self.connected(upstream)

    def _take_own(self, peer: "Peer") -> "Upstream | None":
        """The connection that its client has authenticated, if that still is there; else any."""
        own, self._own, self.only = self._own, None, None
        if own is None or own.peer is not peer or own.transport.closing:
            return peer.take()
        return own

    def _let_go(self) -> None:
        """The peer has no more part in this."""
        if self._holds:
            self._holds = False
            self._peer.end(self)

    @property
    def waits(self) -> bool:
        return self._holds and self.upstream is None and not (self.over or self.response_started)

    def _keep(self, pieces: list[bytes]) -> None:
        """Body that is being sent: keep it for another try, within bounds."""
        group = self.group
        if not self._spent:
            self._kept_size += sum(map(len, pieces))
            if group is None or self._kept_size > group.replay_limit or self.head.method not in _IDEMPOTENT:
                self._spent = True
                self._kept = None
            elif self._kept is None:
                self._kept = list(pieces)
            else:
                self._kept += pieces

    # -- when that comes to nothing

    def connect_failed(self, reason: str, *, timed_out: bool) -> None:
        """Nothing was sent, so whatever the method, the next peer may have it."""
        self._let_go()
        if len(self.tried) < _NAMES:  # hundreds of lines say no more than some
            self._peer.tell(reason)
        self._peer.failed(reason)
        self._note_tried(self._peer)
        status = 504 if timed_out else 502
        if len(self.tried) % _AT_ONCE:
            self._next_peer(status)
        else:
            asyncio.get_running_loop().call_soon(self.go_on, status)

    def go_on(self, status: int) -> None:
        """After many peers that refused at once, each within the call of the one before."""
        self._next_peer(status)

    def upstream_failed(self, upstream: "Upstream", reason: str, *, timed_out: bool = False) -> None:
        self.upstream_done()
        if self.over:
            return
        peer = self._peer
        if self.response_started:
            self._peer.tell(f"{reason}, in the middle of a response")
            peer.failed(reason)
            self.cut_off()
            return
        repeatable = self.repeatable
        seconds = self._ended - self._upstream_started
        once_more = repeatable and not (self._tried_stale or timed_out)
        if once_more and upstream.went_stale(seconds):
            # The peer closed an idle connection just as it was used again: no fault of its own, and the
            # others that it has closed would only repeat it.  Once for a request, and it is no try.
            self._ask_again(peer)
            return
        self._peer.tell(reason)
        peer.failed(reason)
        if once_more and upstream.may_have_gone_stale(seconds) and self._is_alone(peer):
            self._plane.retries += 1
            peer.place.add(_RETRIES, 1)
            self._ask_again(peer)
            return
        if self._rival is not None:
            self._note_tried(peer)  # the other request may still be answered
        else:
            self._try_again(504 if timed_out else 502, repeatable)

    def _ask_again(self, peer: "Peer") -> None:
        self._tried_stale = True
        self._take_back()
        peer.forget_idle()
        self._try_peer(peer)

    def _is_alone(self, peer: "Peer") -> bool:
        """Whether a retry, which ``tries`` and the budget allow, can go nowhere else than to ``peer``."""
        group = self.group
        return group is not None and group.peers == [peer] and group.tries != 1 and group.may_retry()

    def _try_again(self, status: int, repeatable: bool) -> None:
        """It has been sent, and will not be answered: once more elsewhere, or ``status``."""
        group = self.group
        if group is None or not repeatable or not group.may_retry():
            self.refuse(status, "")
            return
        self._take_back()
        self._note_tried(self._peer)
        self._next_peer(status)

    def _note_tried(self, peer: "Peer") -> None:
        if self.tried:
            self.tried.add(peer)
        else:
            self.tried = {peer}

    def _log_name(self, name: bytes) -> None:
        """One more peer is asked.  A log line names the first ones and the last one."""
        self._more_names += 1
        if self._more_names < _NAMES:
            self._names = self._first_names = self._names + b"," + name
        else:
            left_out = self._more_names - _NAMES
            self._names = b"%b%b,%b" % (self._first_names, b",+%d" % left_out if left_out else b"", name)

    def _take_back(self) -> None:
        """All of the body is to be sent again."""
        if self._kept:
            self._pending = self._kept + self._pending
            self._pending_size += self._kept_size
            self._kept, self._kept_size = None, 0

    def _tries_another(self, group: "Group", status: int) -> bool:
        """A status that another peer may do better than: whether one is asked instead."""
        peer = self._peer
        other: Peer | None = None
        self._note_tried(peer)
        if not self.repeatable or (group.tries and len(self.tried) >= group.tries):
            return False
        if self._rival is None:
            other = group.pick(self, False)
            if other is None or not group.may_retry():
                if other is not None and other.probe is self:
                    other.spare()
                return False
        self._abandon()
        peer.place.add(_REQUESTS, 1)
        peer.place.add(_ERRORS, 1)
        peer.failed(f"answered {status}")
        self._take_back()
        if other is not None:
            self._try_peer(other)
        return True

    # -- a second request for the same answer: ``proxy/hedge.py``

    def late_in(self, after: float) -> float:
        """Seconds until its answer is late, if that takes ``after``; below 0 if that is so, or does not matter."""
        if self.upstream is None or self.response_started:
            return -1.0
        return self._upstream_started + after - monotonic()

    def hedge(self) -> None:
        """The answer is late: ask another peer as well."""
        group = self.group
        if group is None or self.upstream is None or self.response_started or self._rival is not None or self._spent:
            return
        self._note_tried(self._peer)
        if group.tries and len(self.tried) >= group.tries:
            return
        peer = group.pick(self, False)
        if peer is None or not group.may_retry():
            if peer is not None and peer.probe is self:
                peer.spare()
            return
        self._plane.hedges += 1
        from rsp.exchange.forward.hedge import Rival

        self._rival = Rival(self, peer)
        self._rival.begin()

    def rival_answers(
        self, rival: "Rival", head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None
    ) -> None:
        """The second request has the first answer: it is ours from here on."""
        self._rival = None
        self._abandon()
        self._log_name(rival.peer.name)
        self._peer = rival.peer
        self._upstream_started, self._ended = rival.started, rival.ended
        self._holds, self.upstream = rival.hand_over(self)
        if self.upstream is None:
            self._upstream_time += rival.ended - rival.started
        self.response(head, pieces, trailers)

    def rival_fails(self, rival: "Rival", status: int) -> None:
        """The second request will not be answered."""
        self._rival = None
        self._log_name(rival.peer.name)
        self._note_tried(rival.peer)
        if not self._holds:
            self._next_peer(status)

    def _call_off(self) -> None:
        """Nobody needs the second request any more."""
        if self._rival is not None:
            self._rival.cancel()
            self._rival = None

    # -- the end of a peer's part

    def upstream_done(self) -> None:
        self._let_go()
        self.upstream = None
        self._ended = monotonic()
        self._upstream_time += self._ended - self._upstream_started

    def _abandon(self) -> None:
        """The peer is not to go on."""
        upstream = self.upstream
        if upstream is not None:
            self.upstream_done()
            upstream.abandon()
        else:
            self._let_go()
