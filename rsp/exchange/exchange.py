"""One request and its response: the only place that knows both sides.

Its duties: route; pass heads, bodies and ends on; when one side cannot take more, pause the other side's reading; end
in exactly one response, one count, one log line.  Which peer answers is the business of ``proxy/search.py``.
"""

from time import monotonic
from typing import TYPE_CHECKING

from rsp.exchange.answers import respond
from rsp.exchange.forward.conversations import Conversations
from rsp.exchange.forward.forward import Search
from rsp.exchange.told import told
from rsp.http.message import RequestHead, ResponseHead
from rsp.http.names import lines_without
from rsp.http.routing import AmbiguousPath, match
from rsp.logs.combined import combined

if TYPE_CHECKING:
    from rsp.exchange.answers import Answer
    from rsp.exchange.context import Plane
    from rsp.exchange.forward.upstream import Group
    from rsp.exchange.running_config import Destination
    from rsp.http.h1.client import Upstream
    from rsp.http.h1.server import Downstream


class Exchange(Search):
    # fmt: off
    __slots__ = (
        "_destination", "_extra", "_open_ends", "_received", "_started", "_target", "_trailers", "downstream",
        "request_id", "sent", "site", "status",
    )
    # fmt: on

    def __init__(self, plane: "Plane", downstream: "Downstream", head: RequestHead) -> None:
        super().__init__(plane, head, downstream.client, downstream.terms)
        self.downstream: Downstream | None = downstream
        self.site = downstream.site  # an exchange ends on the configuration that it began with
        self.request_id = head.request_id
        self.status = 0
        self.sent = 0  # body bytes to the client
        self._destination: Destination | None = None
        self._extra = b""  # field lines that we add to the request
        self._open_ends = 2  # of a tunnel
        self._received = 0
        self._target = head.target  # as the peer sees it
        self._trailers: list[bytes] = []
        self._started = self._upstream_started
        plane.in_flight += 1

    # -- towards a peer

    def start(self) -> None:
        """Route, choose a peer, send.  May end the exchange at once."""
        self._identify()
        self._route()

    def _identify(self) -> None:
        site = self.site
        if site.request_id == "make" or not (self.request_id or site.request_id == "off"):
            self.request_id = self._plane.new_id()

    def _route(self) -> None:
        head, downstream = self.head, self.downstream
        if downstream is None:
            return
        try:
            destination = match(downstream.entries(head.host), head.path, head.plain)
        except AmbiguousPath:
            self.refuse(400, "ambiguous path")
            return
        if destination is None:
            self.refuse(404, "")
            return
        self._take(destination, downstream)

    def _take(self, destination: "Destination", downstream: "Downstream") -> None:
        """The request is for ``destination``: its terms hold from here on."""
        self._destination = destination
        terms = self.terms = destination.terms.get(downstream.listener, self.site.terms)
        self._received = self._pending_size
        if terms.body_limit and max(self.head.framing, self._received) > terms.body_limit:
            self.refuse(413, "")
            return
        if terms.request_time:
            downstream.request_deadline = self._plane.now + terms.request_time
        self._proceed(destination)

    def _proceed(self, destination: "Destination") -> None:
        if destination.group is None:
            self._answer(destination)
            return
        if destination.rewrite is not None and self.head.target != b"*":
            self._target = destination.rewritten(self.head.target, destination.rewrite)
        self._forward(destination.group)

    def _forward(self, group: "Group") -> None:
        """To one of the peers of ``group``."""
        site, downstream = self.site, self.downstream
        if downstream is None:
            return
        self.group = group
        self._extra = downstream.forwarded(self)
        if site.via:
            self._extra += b"Via: 1.%d %b\r\n" % (self.head.minor, site.via)
        group.requests += 1
        conversations = downstream.conversations
        if conversations is not None:
            self._own = conversations.find(group.name, self._plane.now)
            self.only = self._own.peer if self._own is not None else None
        self._next_peer(503)

    def conversation(self, upstream: "Upstream") -> None:
        downstream = self.downstream
        if downstream is None or self.site.trusts(downstream.client):  # a proxy's connection has many users
            upstream.close()
            return
        if downstream.conversations is None:
            downstream.conversations = Conversations()
        downstream.conversations.keep(upstream)

    def connected(self, upstream: "Upstream") -> None:
        head = self.head
        downstream = self.downstream
        if downstream is None:
            upstream.put_back()
            return
        if upstream.transport.closing:
            self.connect_failed("closed the connection early", timed_out=False)
            return
        self.upstream = upstream
        pieces = self._pending
        if pieces:
            self._pending, self._pending_size = [], 0
            self._keep(pieces)
        trailers = self._sound_trailers() if self.request_done and head.framing != 0 else None
        upstream.send_request(self, self.head_for_peer(), head.framing, pieces, trailers)
        if upstream.connection_bound:
            self._spent = True  # another connection has no user, or another one
        if not self.request_done and not upstream.writing_paused:
            downstream.resume()
        group = self.group
        if group is not None and group.hedges and head.framing == 0 and not head.upgrade:
            group.watch(self)

    def head_for_peer(self) -> bytes:
        return self._written(self._extra, self.request_id)

    def _written(self, extra: bytes, request_id: bytes) -> bytes:
        """The head with these lines of ours."""
        route = self._destination
        return route.head_for_peer(self.head, self._target, extra, request_id, self) if route is not None else b""

    def placeholder(self, name: str) -> bytes:
        """What ``{name}`` stands for."""
        return told(self, name)

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
                upstream.send_body(pieces, self._sound_trailers() if trailers else trailers)
        elif not self.response_started:
            self._pending += pieces
            self._pending_size += sum(map(len, pieces))
            if self._pending_size > self.terms.buffer and self.downstream is not None:
                self.downstream.pause()

    def is_moot(self) -> bool:
        """Whether a client that sends no more is to be taken at once for one that has left."""
        return False

    def client_gone(self) -> None:
        """The client's connection is lost: nobody wants the rest."""
        self._abandon()
        self._end(self.status or 499)

    def client_left(self) -> None:
        """The client sends no more, and has not been heard of since."""
        self.status = 499
        self.client_gone()

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

    def interim(self, head: ResponseHead) -> None:
        if self.downstream is not None and self.head.minor == 1:
            self.downstream.send_interim(head)

    def response(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
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
        self._call_off()
        binding = group.binding if group is not None else None
        fields = head.fields
        if self.site.via:
            fields += b"Via: 1.%d %b\r\n" % (head.minor, self.site.via)
        destination = self._destination
        if destination is not None and destination.response_rules is not None:
            fields = destination.response_rules.apply(fields, self)
        if binding is not None and not self.bound:
            fields += binding.line(peer)
        if trailers is not None:
            peer.succeeded(self._ended)
        self._respond(head, fields, pieces, trailers)

    def _respond(self, head: ResponseHead, fields: bytes, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """``fields``: the lines for the client."""
        downstream = self.downstream
        if downstream is None:
            return
        self.response_started = True
        self.status = head.status
        if trailers:
            trailers = self._for_client(lines_without(trailers, head.barred or ()))
        downstream.send_response(self, head, fields, pieces, trailers)
        if trailers is not None:
            self._complete()

    def response_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        downstream = self.downstream
        if downstream is None:
            return
        if trailers:
            trailers = self._for_client(trailers)
        downstream.send_body(self, pieces, trailers)
        if trailers is not None:
            self._peer.succeeded(self._ended)
            self._complete()

    def _sound_trailers(self) -> list[bytes]:
        """Those of the request, for a peer."""
        trailers, destination = self._trailers, self._destination
        return destination.trailers_for_peer(self.head, trailers) if trailers and destination is not None else []

    def _for_client(self, trailers: list[bytes]) -> list[bytes]:
        destination = self._destination
        return destination.trailers_for_client(trailers) if destination is not None else []

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

    def refuse(self, status: int, reason: str) -> None:
        self.request_id = self.request_id or self._plane.new_id()
        self._own_answer(self.site.pages.error(status, reason, self.request_id, self.head))

    def _answer(self, destination: "Destination") -> None:
        """Answer as the route says."""
        if destination.fixed is not None:
            self._own_answer(destination.fixed.answer(self))

    def _own_answer(self, answer: "Answer") -> None:
        """Like a peer's, by the rules of the route, or of all where none is known yet."""
        head, fields, pieces = respond(answer, self.head.method, self._plane.own_lines)
        self._respond(head, self.ruled(fields), pieces, [])

    def ruled(self, fields: bytes) -> bytes:
        """The fields of an answer of rsp's own, after the rules for it."""
        destination = self._destination
        rules = self.site.own_rules if destination is None else destination.own_rules
        return fields if rules is None else rules.apply(fields, self)

    def _give_up(self, status: int, reason: str) -> None:
        """The peer is not to go on; the client gets ``status``, or a cut where a response has begun."""
        self._abandon()
        if self.response_started:
            self.cut_off()
        else:
            self.refuse(status, reason)

    def timed_out(self) -> None:
        """The whole exchange takes too long."""
        self._give_up(504, "")

    def cut_off(self) -> None:
        downstream = self._end(self.status)
        if downstream is not None:
            downstream.cut()

    def _end(self, status: int) -> "Downstream | None":
        """Count, log, and let go of the client's connection, which is returned."""
        downstream, self.downstream = self.downstream, None
        self.over = True
        self._let_go()
        if self.queue_deadline and self.group is not None:
            self.group.forget(self)
        self._call_off()
        plane = self._plane
        plane.in_flight -= 1
        plane.count(status, self.sent)
        access_log = self.site.access_log
        if access_log.enabled and downstream is not None:
            head = self.head
            access_log.add(combined(
                self.client, access_log.stamp, head.method, head.target, head.minor, status, self.sent, head.referer,
                head.user_agent, self._names, (self._ended or monotonic()) - self._started,
                self._upstream_time, self.request_id,
            ))  # fmt: skip
        return downstream
