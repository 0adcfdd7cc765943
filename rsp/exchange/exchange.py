"""One request and its response.

Its duties: route; pass heads, bodies and ends on; when one side cannot take more, pause the other side's reading; end
in exactly one response, one count, one log line.  It knows no protocol and no peer: it *has* a client stream, the
filters of its route, and what produces its response (``responder``), which the route's handler has chosen.
"""

from typing import Any

from rsp.exchange.answers import Answer
from rsp.exchange.forward.body import RequestBody
from rsp.exchange.forward.conversations import keep_for_client
from rsp.exchange.grpc import answer_call, bound_call, broken_off
from rsp.exchange.inert import NO_RESPONDER, NO_STREAM
from rsp.exchange.passage import Passage
from rsp.exchange.record import record
from rsp.exchange.running_config import RouteTarget, RunningConfig
from rsp.exchange.told import told
from rsp.exchange.tunnel import Tunnel
from rsp.http.grpc import DEADLINE_EXCEEDED, NO_STATUS, UNAVAILABLE, status_of
from rsp.http.message import OutgoingHead, RequestHead, ResponseHead
from rsp.http.names import lines_without, without
from rsp.http.peer_stream import BoundConnection
from rsp.http.routing import AmbiguousPath, match
from rsp.http.stream import ClientStream
from rsp.ipc.worker_cells import IN_FLIGHT
from rsp.net.context import WorkerContext


class Exchange(Tunnel):
    """What filters and handlers may ask, beside what a :class:`Subject` says.

    ``extra``       field lines of rsp's own for the request
    ``body``        what has arrived of the request's body and waits; ``dropped``: the client's own is not wanted
    ``passage``     its way through the filters, where there are some
    """

    __slots__ = ("body", "dropped", "extra", "limits", "passage", "request_done")

    def set_up(self, context: WorkerContext, config: RunningConfig, stream: ClientStream, head: RequestHead) -> None:
        session = stream.session
        self.context = context
        self.config = config
        self.session = session
        self.stream = stream
        self.head = head
        self.limits = session.limits
        self.client = session.client
        self.request_id = head.request_id
        self.request_done = head.framing == 0
        self.body: RequestBody | None = None
        self.route = config.nowhere
        self.upstream = None
        self.response_head = None
        self.logged = None
        self.responder = NO_RESPONDER
        self.target = head.target
        self.extra = b""
        self.status = 0
        self.sent = self.received = 0
        self.started = context.clock()
        self.response_started = self.over = False
        self.open_ends = 2  # of a tunnel
        self.grpc_status = NO_STATUS
        self.passage: Passage | None = None
        self.dropped = self.own = False
        self.journal = None if context.watch is None else context.watch.begin(head)
        context.stats.add(IN_FLIGHT, 1)

    # -- the request's way

    def start(self) -> None:
        config = self.config
        if config.request_id == "make" or not (self.request_id or config.request_id == "off"):
            self.request_id = self.context.new_id()
        if config.tracer is not None:
            config.tracer.begin(self)
        if config.filters:
            config.learn_host(self.session, self.head.host, self.stream)
            self.tell()
            self._get_passage().begin(config.filters)
        else:
            self.find_route()

    def _get_passage(self) -> Passage:
        """Made for the first of its filters."""
        if self.passage is None:
            passage = self.passage = Passage.__new__(Passage)
            passage.set_up(self)
        return self.passage

    def find_route(self) -> None:
        head = self.head
        self.config.learn_host(self.session, head.host, self.stream)
        try:
            route = match(self.session.entries, head.path, head.plain)
        except AmbiguousPath:
            self.refuse(400, "ambiguous path")
            return
        if route is None:
            self.refuse(404, "")
        else:
            self.take(route)

    def take(self, route: RouteTarget) -> None:
        """The request is for ``route``: its limits hold from here on."""
        head = self.head
        self.route = route
        limits = route.limits.get(self.session.listener, self.config.limits)
        if head.grpc and route.upstream is not None and route.upstream.shares:
            limits = limits.for_calls()
        self.limits = limits
        self.stream.use(limits)
        if limits.body_limit:
            kept = self.body.size if self.body is not None else 0
            if max(head.framing, kept, self.received) > limits.body_limit:
                self.refuse(413, "")
                return
        if limits.request_time:
            self.stream.set_deadline(self.context.now + limits.request_time)
        if head.grpc:
            bound_call(self.stream, head, self.started, limits.request_time)
        if route.filters:
            self._get_passage().begin(route.filters)
        else:
            self.handle(route)

    def handle(self, route: RouteTarget) -> None:
        """Its filters have let it pass: answer."""
        head, passage = self.head, self.passage
        if passage is None or not passage.path_set:
            self.target = head.target
            if route.rewrite is not None and head.target != b"*":
                self.target = route.rewritten(head.target, route.rewrite)
        if passage is not None and passage.sent_to is not None:
            route = self.config.direct(passage.sent_to)
        route.handler.start(self)

    def tell(self) -> None:
        """Prepare the lines that tell a peer of the client, and learn the client's real address.

        Gives a request without a host (HTTP/1.0) the address that the client connected to.
        """
        head, session, forwarded = self.head, self.session, self.config.forwarded
        if not head.host:
            head.host = self.stream.local_name()
        if head.forwarded:
            self.extra, self.client = forwarded.tell(session, head)
        else:
            self.extra = session.forwarded

    def outgoing_head(self) -> OutgoingHead:
        extra, request_id, via = self.extra, self.request_id, self.config.via
        if via is not None:
            extra += via[self.head.version]
        passage = self.passage
        if passage is not None and passage.overridden:
            extra = without(extra, passage.overridden)
            request_id = b"" if b"x-request-id" in passage.overridden else request_id
        outgoing = self.route.outgoing_head(self.head, self.target, extra, request_id, self)
        if self.journal is not None and self.journal.trace is not None:
            self.journal.trace.name_try(outgoing, self.journal.sending)
        return outgoing

    def outgoing_trailers(self, trailers: list[bytes]) -> list[bytes]:
        return self.route.trailers_for_peer(self.head, trailers) if trailers else trailers

    def placeholder(self, name: str) -> bytes:
        """What ``{name}`` stands for."""
        return told(self, name)

    # -- the request's body

    def request_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        if trailers is not None:
            self.request_done = True
        for piece in pieces:
            self.received += len(piece)
        if self.dropped:
            return
        limit = self.limits.body_limit
        if limit and self.received > limit and self.route is not self.config.nowhere:
            self.head.keep_alive = False
            self._give_up(413, "")
            return
        if self.responder is not NO_RESPONDER:
            self.responder.request_body(pieces, trailers)
        elif not self.response_started:
            body = self.body = self.body or RequestBody()
            body.add(pieces)
            body.trailers = trailers
            if body.size > self.limits.buffer:
                self.stream.pause()
        if self.passage is not None:
            self.passage.body_arrived()

    def source_full(self) -> None:
        self.stream.pause()

    def source_ready(self) -> None:
        self.stream.resume()

    # -- from the client

    def client_gone(self) -> None:
        self.abort_responder()
        self._end(self.status or 499)

    def client_left(self) -> None:
        self.status = 499
        self.client_gone()

    def request_failed(self, status: int, reason: str) -> tuple[ResponseHead, list[bytes]] | None:
        if self.response_started:
            self.client_gone()
            return None
        head, pieces = self._own_response(self._error(status, reason))
        self.status = status
        if self.head.grpc:
            pieces = answer_call(head, pieces, self.grpc_status)
        self.sent = sum(map(len, pieces))
        self.response_head = head
        self.response_started = True
        self.client_gone()
        return head, pieces

    def client_full(self) -> None:
        self.responder.pause()

    def client_ready(self) -> None:
        if self.passage is None or not self.passage.holds:
            self.responder.resume()

    def is_moot(self) -> bool:
        """What filters wait for may cost others something, so they do not wait for a client that may have left."""
        return self.passage is not None and self.passage.waits()

    # -- the response

    def interim(self, head: ResponseHead) -> None:
        self.stream.send_interim(head)

    def response(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        if self.over:
            return
        self.route.rule_response(head, self.config.via, self.responder.last_lines, self)
        self._respond(head, pieces, trailers)

    def _respond(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        filters = self.route.response_filters
        if not filters:
            self.send(head, pieces, trailers)
            return
        self._get_passage().hold(filters, head, pieces, trailers, self.responder)

    def withdraw(self) -> None:
        if self.passage is not None:
            self.passage.withdraw()

    def send(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """The response, as filters have left it, to the client."""
        if self.over:
            return
        self.response_started = True
        self.response_head = head
        self.status = head.status
        if head.own and self.head.grpc:
            pieces = answer_call(head, pieces, self.grpc_status)
        for piece in pieces:
            self.sent += len(piece)
        if trailers:
            trailers = self._for_client(lines_without(trailers, head.barred or ()))
        self.stream.send_response(head, pieces, trailers)
        if trailers is not None:
            self._finish(self.status, True)

    def response_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        if self.over:
            return
        if self.passage is not None:
            filtered = self.passage.pass_body(pieces, trailers)
            if filtered is None:
                return
            pieces = filtered
        if trailers:
            trailers = self._for_client(trailers)
        for piece in pieces:
            self.sent += len(piece)
        self.stream.send_body(pieces, trailers)
        if trailers is not None:
            self._finish(self.status, True)

    def _for_client(self, trailers: list[bytes]) -> list[bytes]:
        """The trailers that it may have."""
        if self.head.grpc:
            self.grpc_status = status_of(trailers)
        return self.route.trailers_for_client(trailers)

    def tunnel_lost(self) -> None:
        self._finish(101, False)

    def keep_for_client(self, peer: Any, connection: BoundConnection) -> None:
        if self.over or self.head.version == b"2.0" or self.config.forwarded.trusts(self.session.client):
            connection.close()  # the client is gone, or asks several things at once, or is a proxy with many users
        else:
            keep_for_client(self.session, peer, connection)

    # -- answers of rsp's own

    def refuse(self, status: int, reason: str) -> None:
        """Answer with an error, unless a filter has another answer."""
        if status == 413:
            self.dropped = True
        filters = self.route.response_filters
        if filters and not self.over and self._get_passage().fail(filters, status, reason):
            return
        self.refuse_plainly(status, reason)

    def refuse_plainly(self, status: int, reason: str) -> None:
        """Answer with the error page."""
        self.answer(self._error(status, reason))

    def _error(self, status: int, reason: str) -> Answer:
        self.request_id = self.request_id or self.context.new_id()
        return self.config.pages.error(status, reason, self.request_id, self.head)

    def answer(self, answer: Answer) -> None:
        """Like a peer's, by the rules of the route, or of all where none is known yet."""
        if self.over:
            return
        self.own = True
        self.abort_responder()
        head, pieces = self._own_response(answer)
        self._respond(head, pieces, [])

    def _own_response(self, answer: Answer) -> tuple[ResponseHead, list[bytes]]:
        return self.route.own_response(answer, self.head.method, self.context.own_lines, self)

    # -- the end, once

    def _give_up(self, status: int, reason: str) -> None:
        """The client gets ``status``, or a cut where a response has begun."""
        self.abort_responder()
        if self.response_started:
            self.cut_off()
        else:
            self.refuse(status, reason)

    def timed_out(self) -> None:
        self.grpc_status = DEADLINE_EXCEEDED
        self._give_up(504, "")

    def abort_responder(self) -> None:
        """What it produces is of no more use."""
        self.responder.abort("the exchange needs it no more")

    def cut_off(self) -> None:
        if self.journal is not None:
            self.journal.cut = True
        if self.head.grpc:
            self.grpc_status = UNAVAILABLE if self.grpc_status < 0 else self.grpc_status
            self.stream.send_body([], broken_off(self.grpc_status))
            self._finish(self.status, True)
        else:
            self._end(self.status).reset("the response broke off")

    def _finish(self, status: int, keep_alive: bool) -> None:
        self._end(status).finish(keep_alive)

    def _end(self, status: int) -> ClientStream:
        """Count, log, and let go of the client's stream, which is returned."""
        stream, self.stream = self.stream, NO_STREAM
        if self.over:
            return NO_STREAM
        self.over = True
        filters, responder = self.route.response_filters, self.responder
        if filters or self.passage is not None:
            self._get_passage().stop()
        responder.abort("the exchange is over")
        self.status = status
        if self.passage is not None:  # first: hooks may have something for the log
            self.passage.end(filters, status)
        record(self)
        if self.journal is not None and self.journal.trace is not None:
            self.journal.trace.end(self)
        self.passage = None
        self.responder = NO_RESPONDER
        return stream
