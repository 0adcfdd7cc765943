"""One request and its response: the only place that knows both sides.

Its duties: find a peer and try the next one while that is safe; pass heads, bodies and ends on; when one side
cannot take more, pause the other side's reading; end in exactly one response, one count, one log line.

It holds a peer from the choice until the peer's part is over: ``_hold`` and ``_let_go`` come in pairs, and the peer's
count of exchanges depends on that.
"""

from time import monotonic
from typing import TYPE_CHECKING, Final

from rsp.combined import combined
from rsp.http1.codec import request_head
from rsp.http1.head import RequestHead, ResponseHead
from rsp.route import AmbiguousPath, match
from rsp.scoreboard import Tally

if TYPE_CHECKING:
    from rsp.proxy.answers import Answer
    from rsp.proxy.downstream import Downstream
    from rsp.proxy.group import Group
    from rsp.proxy.hedge import Rival
    from rsp.proxy.peer import Peer
    from rsp.proxy.plane import Plane
    from rsp.proxy.site import Destination
    from rsp.proxy.upstream import Upstream

# RFC 9110 section 9.2.1: what changes nothing, and 9.2.2: what may be sent twice without asking anyone.
_SAFE: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))
_IDEMPOTENT: Final = _SAFE | {b"PUT", b"DELETE"}
_REQUESTS: Final = int(Tally.REQUESTS)
_ERRORS: Final = int(Tally.ERRORS)
_RETRIES: Final = int(Tally.RETRIES)


class Exchange:
    # fmt: off
    __slots__ = (
        "_destination", "_ended", "_extra", "_holds", "_kept", "_kept_size", "_names", "_open_ends", "_peer",
        "_pending", "_pending_size", "_plane", "_received", "_rival", "_spent", "_stale_retries", "_started", "_target",
        "_trailers", "_upstream_started", "_upstream_time", "bound", "client", "downstream", "group", "head",
        "queue_deadline", "request_done", "request_id", "response_started", "sent", "site", "status", "terms", "tried",
        "upstream",
    )
    # fmt: on

    def __init__(self, plane: "Plane", downstream: "Downstream", head: RequestHead) -> None:
        self._plane = plane
        self.site = plane.site  # an exchange ends on the configuration that it began with
        self.terms = downstream.terms
        self.downstream: Downstream | None = downstream
        self.head = head
        self.upstream: Upstream | None = None
        self.client = downstream.client
        self.request_id = head.request_id
        self.request_done = head.framing == 0
        self.response_started = False
        self.status = 0
        self.sent = 0  # body bytes to the client
        self.tried: tuple[Peer, ...] = ()
        self.bound = False  # the client's cookie names a peer that is there
        self.queue_deadline = 0.0
        self._destination: Destination | None = None
        self._extra = b""  # field lines that we add to the request
        self.group: Group | None = None
        self._holds = False  # it counts as running at ``_peer``
        self._kept: list[bytes] | None = None  # body that was sent, for another try
        self._kept_size = 0
        self._spent = False  # it was too much to keep
        self._names = b""  # the peers tried, for the log
        self._open_ends = 2  # of a tunnel
        self._peer: Peer
        self._pending: list[bytes] = []  # body that was not sent yet
        self._pending_size = 0
        self._received = 0
        self._rival: Rival | None = None  # a second request for the same answer
        self._stale_retries = 0
        self._target = head.target  # as the peer sees it
        self._trailers: list[bytes] = []
        self._started = self._upstream_started = monotonic()
        self._ended = 0.0  # when a peer was done, if that is now
        self._upstream_time = 0.0
        plane.in_flight += 1

    # -- towards a peer

    def start(self) -> None:
        """Route, choose a peer, send.  May end the exchange at once."""
        head, site, downstream = self.head, self.site, self.downstream
        if downstream is None:
            return
        if site.request_id == "make" or not (self.request_id or site.request_id == "off"):
            self.request_id = self._plane.new_id()
        try:
            destination = match(downstream.entries(head.host), head.path, head.plain)
        except AmbiguousPath:
            self._refuse(400, "ambiguous path")
            return
        if destination is None:
            self._refuse(404, "")
            return
        self._destination = destination
        terms = self.terms = destination.terms.get(downstream.listener, site.terms)
        self._received = self._pending_size
        if terms.body_limit and max(head.framing, self._received) > terms.body_limit:
            self._refuse(413, "")
            return
        if terms.request_time:
            downstream.request_deadline = self._plane.now + terms.request_time
        if destination.group is None:
            self._answer(destination)
            return
        if destination.rewrite is not None and head.target != b"*":
            self._target = destination.rewritten(head.target, destination.rewrite)
        group = self.group = destination.group
        self._extra = downstream.forwarded(self)
        if site.via:
            self._extra += b"Via: 1.%d %b\r\n" % (head.minor, site.via)
        group.requests += 1
        self._next_peer(503)

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent once more: it is idempotent, and all of its body that was sent is still here."""
        return not self._spent and self.head.method in _IDEMPOTENT

    def _next_peer(self, status: int) -> None:
        """The next peer's turn; ``status`` answers when none is left."""
        group = self.group
        if group is None or (group.tries and len(self.tried) >= group.tries):
            self._refuse(status, "")
            return
        peer = group.pick(self, self.tried, True)
        if peer is not None:
            self._try_peer(peer)
        elif not group.full:
            self._refuse(status, "")
        elif not group.wait(self):
            self._refuse(503, "too many requests wait")

    def resume_at(self, peer: "Peer | None") -> None:
        """It has waited; ``None``: for nothing."""
        if peer is None:
            self._refuse(502 if self.tried else 503, "")
        else:
            self._try_peer(peer)

    def waited_too_long(self) -> None:
        self._refuse(503, "no peer was free in time")

    def _try_peer(self, peer: "Peer") -> None:
        if not peer.begin():
            if peer.probe is self:
                peer.spare()
            group = self.group
            if group is None or not group.wait(self):
                self._refuse(503, "too many requests wait")
            return
        self._peer = peer
        self._holds = True
        if self._names:
            self._names = self._names + b"," + peer.name
            self._upstream_started = monotonic()
            self._ended = 0.0
        else:
            self._names = peer.name
        upstream = peer.take()
        if upstream is not None and self.head.method not in _SAFE and not self.repeatable:
            # It cannot be sent twice, so one look whether the peer has hung up meanwhile.
            while upstream is not None and upstream.is_stale():
                upstream.close()
                upstream = peer.take()
        if upstream is None:
            peer.connect(self)
        else:
            self.connected(upstream)

    def _let_go(self) -> None:
        """The peer has no more part in this."""
        if self._holds:
            self._holds = False
            self._peer.end(self)

    @property
    def waits(self) -> bool:
        """Whether this exchange still wants a connection; the peer keeps it otherwise."""
        return self.downstream is not None and self.upstream is None and not self.response_started and self._holds

    def connected(self, upstream: "Upstream") -> None:
        """A connection is there: send the head and what there is of the body."""
        head = self.head
        downstream = self.downstream
        if downstream is None:
            upstream.release()
            return
        if upstream.transport.closing:
            self.connect_failed("closed the connection early", timed_out=False)
            return
        self.upstream = upstream
        pieces = self._pending
        if pieces:
            self._pending, self._pending_size = [], 0
            self._keep(pieces)
        trailers = self._trailers if self.request_done and head.framing != 0 else None
        upstream.send_request(self, self._head_for_peer(), head.framing, pieces, trailers)
        if not self.request_done and not upstream.writing_paused:
            downstream.resume()
        group = self.group
        if group is not None and group.hedges and head.framing == 0 and not head.upgrade and head.method in _SAFE:
            group.watch(self)

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

    def _head_for_peer(self) -> bytes:
        head, destination = self.head, self._destination
        fields, host = head.fields, head.host
        if destination is not None:
            if destination.request_rules is not None:
                fields = destination.request_rules.apply(fields)
            host = destination.send_host or host
        return request_head(head, self._target, host, fields, self._extra, self.request_id)

    def connect_failed(self, reason: str, *, timed_out: bool) -> None:
        """Nothing was sent, so whatever the method, the next peer may have it."""
        self._let_go()
        self._tell(reason)
        self._peer.failed(reason)
        self._move_on()
        self._next_peer(504 if timed_out else 502)

    def upstream_failed(self, upstream: "Upstream", reason: str, *, timed_out: bool = False) -> None:
        """The connection is gone or useless before the response was complete."""
        self.upstream_done()
        if self.downstream is None:
            return
        peer = self._peer
        if self.response_started:
            self._tell(f"{reason}, in the middle of a response")
            peer.failed(reason)
            self._abort()
            return
        repeatable = self.repeatable
        if upstream.reused and not timed_out and self._stale_retries < 2 and repeatable:
            # The peer closed an idle connection just as it was used again: no fault of its own, and the
            # others that it has closed would only repeat it.
            self._stale_retries += 1
            self._take_back()
            peer.forget_idle()
            self._try_peer(peer)
            return
        self._tell(reason)
        peer.failed(reason)
        if self._rival is not None:
            self._move_on()  # the other request may still be answered
        else:
            self._try_again(504 if timed_out else 502, repeatable)

    def _try_again(self, status: int, repeatable: bool) -> None:
        """It has been sent, and will not be answered: once more elsewhere, or ``status``."""
        group = self.group
        if group is None or not repeatable or not group.may_retry():
            self._refuse(status, "")
            return
        self._take_back()
        self._move_on()
        self._next_peer(status)

    def _move_on(self) -> None:
        self.tried += (self._peer,)
        self._peer.place.add(_RETRIES, 1)
        self._plane.retries += 1

    def _take_back(self) -> None:
        """All of the body is to be sent again."""
        if self._kept:
            self._pending = self._kept + self._pending
            self._pending_size += self._kept_size
            self._kept, self._kept_size = None, 0

    # -- a second request for the same answer: ``proxy/hedge.py``

    def late_in(self, after: float) -> float:
        """Seconds until its answer is late, if that takes ``after``; below 0 if that is so, or does not matter."""
        if self.upstream is None or self.response_started:
            return -1.0
        return self._upstream_started + after - monotonic()

    def hedge(self) -> None:
        """The answer is late: ask another peer as well."""
        group = self.group
        if group is None or self.upstream is None or self.response_started or self._rival is not None:
            return
        peer = group.pick(self, (*self.tried, self._peer), False)
        if peer is None or not group.may_retry():
            if peer is not None and peer.probe is self:
                peer.spare()
            return
        self._plane.hedges += 1
        from rsp.proxy.hedge import Rival

        self._rival = Rival(self, self._plane, peer)
        self._rival.begin()

    def rival_answers(
        self, rival: "Rival", head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None
    ) -> None:
        """The second request has the first answer: it is ours from here on."""
        self._rival = None
        self._abandon()
        self._names = self._names + b"," + rival.peer.name
        self._peer = rival.peer
        self._upstream_started, self._ended = rival.started, rival.ended
        self._holds, self.upstream = rival.hand_over(self)
        if self.upstream is None:
            self._upstream_time += rival.ended - rival.started
        self.response(head, pieces, trailers)

    def rival_fails(self, rival: "Rival", status: int) -> None:
        """The second request will not be answered."""
        self._rival = None
        self._names = self._names + b"," + rival.peer.name
        self.tried += (rival.peer,)
        if not self._holds:
            self._next_peer(status)

    def upstream_full(self) -> None:
        if self.downstream is not None:
            self.downstream.pause()

    def upstream_ready(self) -> None:
        if self.downstream is not None:
            self.downstream.resume()

    # -- from the client

    def request_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """``trailers``: not ``None`` with the last pieces."""
        if self._destination is not None and self.terms.body_limit:
            self._received += sum(map(len, pieces))
            if self._received > self.terms.body_limit:
                self._give_up(413, "")
                return
        if trailers is not None:
            self.request_done = True
            self._trailers = trailers
        upstream = self.upstream
        if upstream is not None:
            if pieces or trailers is not None:
                self._keep(pieces)
                upstream.send_body(pieces, trailers)
        elif not self.response_started:
            self._pending += pieces
            self._pending_size += sum(map(len, pieces))
            if self._pending_size > self.terms.buffer and self.downstream is not None:
                self.downstream.pause()

    def client_gone(self) -> None:
        """The client's connection is lost: nobody wants the rest."""
        self._abandon()
        self._end(self.status or 499)

    def client_failed(self, status: int, sent: int) -> None:
        """The client broke its request off, or it cannot be understood any further; it was answered ``status``."""
        self.sent = sent
        self.status = status
        self.response_started = True
        self.client_gone()

    def client_full(self) -> None:
        if self.upstream is not None:
            self.upstream.pause()

    def client_ready(self) -> None:
        if self.upstream is not None:
            self.upstream.resume()

    # -- from the peer

    def upstream_done(self) -> None:
        """The connection to the peer is no longer ours."""
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

    def interim(self, head: ResponseHead) -> None:
        if self.downstream is not None and self.head.minor == 1:
            self.downstream.send_interim(head)

    def response(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """The final head, with what there is of the body; ``trailers``: not ``None`` when that is all."""
        downstream = self.downstream
        if downstream is None:
            return
        group, peer = self.group, self._peer
        now = self._ended or monotonic()
        if group is not None:
            if group.retry_on is not None and head.status in group.retry_on and self._tries_another(group, head.status):
                return
            if group.latencies is not None:
                group.latencies.add(now - self._upstream_started)
        peer.answered(now, now - self._upstream_started, head.status)
        if self._rival is not None:
            self._rival.cancel()
            self._rival = None
        self.response_started = True
        self.status = head.status
        fields = head.fields
        if peer.cookie and not self.bound:
            fields += peer.cookie
        destination = self._destination
        if destination is not None and destination.response_rules is not None:
            fields = destination.response_rules.apply(fields)
        if self.site.via:
            fields += b"Via: 1.%d %b\r\n" % (head.minor, self.site.via)
        downstream.send_response(self, head, fields, pieces, trailers)
        if trailers is not None:
            peer.succeeded(now)
            self._complete()

    def _tries_another(self, group: "Group", status: int) -> bool:
        """A status that another peer may do better than: whether one is asked instead."""
        peer = self._peer
        other: Peer | None = None
        if not self.repeatable:
            return False
        if self._rival is None:
            other = group.pick(self, (*self.tried, peer), False)
            if other is None or not group.may_retry():
                if other is not None and other.probe is self:
                    other.spare()
                return False
        self._abandon()
        peer.place.add(_REQUESTS, 1)
        peer.place.add(_ERRORS, 1)
        peer.failed(f"answered {status}")
        self._take_back()
        self._move_on()
        if other is not None:
            self._try_peer(other)
        return True

    def response_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        downstream = self.downstream
        if downstream is None:
            return
        downstream.send_body(self, pieces, trailers)
        if trailers is not None:
            self._peer.succeeded(self._ended)
            self._complete()

    # -- after 101 Switching Protocols: bytes both ways

    def switch_protocols(self, head: ResponseHead, data: bytes) -> None:
        upstream, downstream = self.upstream, self.downstream
        if upstream is None or downstream is None:
            return
        if not self.head.upgrade:
            upstream.abandon()
            self.upstream_failed(upstream, "switched protocols unasked")
            return
        self.response_started = True
        self.status = 101
        now = monotonic()
        self._peer.answered(now, now - self._upstream_started, 101)
        upstream.start_tunnel()
        downstream.start_tunnel(head)
        if data:
            self.tunnel_down(data)

    def tunnel_up(self, data: bytes) -> None:
        if self.upstream is not None:
            self.upstream.send_raw(data)

    def tunnel_up_eof(self) -> None:
        if self.upstream is not None:
            self.upstream.send_eof()
        self._tunnel_half_closed()

    def tunnel_down(self, data: bytes) -> None:
        if self.downstream is not None:
            self.sent += len(data)
            self.downstream.send_raw(data)

    def tunnel_down_eof(self) -> None:
        if self.downstream is not None:
            self.downstream.send_eof()
        self._tunnel_half_closed()

    def _tunnel_half_closed(self) -> None:
        """One side sends no more; when both have said so, that is the end."""
        self._open_ends -= 1
        if self._open_ends == 0 and self.upstream is not None:
            self.upstream.exchange = None
            self.upstream.close()
            self.tunnel_lost()

    def tunnel_lost(self) -> None:
        """The peer's connection has ended, in both directions."""
        self.upstream_done()
        downstream = self._end(101)
        if downstream is not None:
            downstream.finish(False)

    # -- the end, once

    def _complete(self) -> None:
        downstream = self._end(self.status)
        if downstream is not None:
            downstream.finish(True)

    def _refuse(self, status: int, reason: str) -> None:
        """Answer with an error."""
        self.request_id = self.request_id or self._plane.new_id()
        self._own_answer(self.site.pages.error(status, reason, self.request_id, self.head))

    def _answer(self, destination: "Destination") -> None:
        """Answer as the route says."""
        if destination.fixed is not None:
            status, kind, more, body = destination.fixed.answer(self.head)
            if destination.response_rules is not None:
                more = destination.response_rules.apply(more)
            self._own_answer((status, kind, more, body))

    def _own_answer(self, answer: "Answer") -> None:
        self.response_started = True
        if self.downstream is not None:
            self.sent = self.downstream.send_own(answer, keep_alive=self.request_done)
        downstream = self._end(answer[0])
        if downstream is not None:
            downstream.finish(self.request_done)

    def _give_up(self, status: int, reason: str) -> None:
        """The peer is not to go on; the client gets ``status``, or a cut where a response has begun."""
        self._abandon()
        if self.response_started:
            self._abort()
        else:
            self._refuse(status, reason)

    def timed_out(self) -> None:
        """The whole exchange takes too long."""
        self._give_up(504, "")

    def _abort(self) -> None:
        """Half of a response is out: cutting the connection is the only way to say that it is not whole."""
        downstream = self._end(self.status)
        if downstream is not None:
            downstream.cut()

    def _end(self, status: int) -> "Downstream | None":
        """Count, log, and let go of the client's connection, which is returned."""
        downstream, self.downstream = self.downstream, None
        self._let_go()
        if self.queue_deadline and self.group is not None:
            self.group.forget(self)
        if self._rival is not None:
            self._rival.cancel()
            self._rival = None
        plane = self._plane
        plane.in_flight -= 1
        plane.count(status, self.sent)
        access_log = plane.access_log
        if access_log.enabled and downstream is not None:
            head = self.head
            access_log.add(
                combined(
                    self.client,
                    access_log.stamp,
                    head.method,
                    head.target,
                    head.minor,
                    status,
                    self.sent,
                    head.referer,
                    head.user_agent,
                    self._names,
                    (self._ended or monotonic()) - self._started,
                    self._upstream_time,
                    self.request_id,
                )
            )
        return downstream

    def _tell(self, reason: str) -> None:
        self._peer.tell(reason)
