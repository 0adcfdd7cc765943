"""A request on its way in: to its route, through the filters, to the handler; and its body.

The response, and the end, are ``exchange.py``'s.
"""

from rsp.exchange.filter import HOLD, PASS, Notes
from rsp.exchange.forward.body import RequestBody
from rsp.exchange.grpc import bound_call
from rsp.exchange.inert import NO_RESPONDER
from rsp.exchange.passage import Passage
from rsp.exchange.running_config import RouteTarget
from rsp.exchange.told import told
from rsp.exchange.tunnel import Tunnel
from rsp.http.claims import drop_claims
from rsp.http.conditions import Unroutable
from rsp.http.limits import Limits
from rsp.http.lines import without
from rsp.http.message import OutgoingHead
from rsp.http.paths import check_dots
from rsp.http.routing import match


class Incoming(Tunnel):
    """``extra``       field lines of rsp's own for the request
    ``body``        what has arrived of the request's body and waits; ``dropped``: the client's own is not wanted
    ``passage``     its way through the filters, where there are some that need one
    ``admitted``    its client is served, whatever ``auth`` says (``any = true``)
    ``rate_items``  what RateLimit says of the request; empty: no limit has counted it
    ``leaving``     notes that are told of the end, each with those that follow it; see :meth:`tell_of_end`
    """

    # fmt: off
    __slots__ = (
        "admitted", "body", "dropped", "extra", "leaving", "limits", "passage", "rate_items", "request_done",
    )
    # fmt: on

    admitted: bool
    body: RequestBody | None
    dropped: bool
    extra: bytes
    leaving: Notes | None
    limits: Limits
    passage: Passage | None
    rate_items: bytes
    request_done: bool

    # -- what happens to it

    def refuse(self, status: int, reason: str, fields: bytes = b"") -> None:
        """Answer with an error, unless a filter has another answer.  ``fields``: more lines of its head."""
        raise NotImplementedError

    def get_passage(self) -> Passage:
        """Made for the first of its filters that needs one."""
        raise NotImplementedError

    def tell_of_end(self, notes: Notes) -> None:
        """Their ``ended`` is called when the exchange is over."""
        notes.following, self.leaving = self.leaving, notes

    def give_up(self, status: int, reason: str) -> None:
        """The client gets ``status``, or a cut where a response has begun."""
        raise NotImplementedError

    # -- the request's way

    def start(self) -> None:
        config = self.config
        if config.makes_ids or (config.needs_ids and not self.request_id):
            self.request_id = self.context.new_id()
        if config.ready is not None and self.head.path == config.ready_path:
            self.take(config.ready)
            return
        if config.tracer is not None:
            config.tracer.begin(self)
        if config.filters:
            config.learn_host(self.session, self.head.host, self.stream)
            self.tell()
            if self.get_passage().begin(config.filters):
                self.enter()
        else:
            self.find_route()

    def enter(self) -> None:
        """It has passed the filters for all routes: to the upstream that one of them has chosen, or to its route."""
        passage = self.passage
        if passage is None or passage.sent_to is None:
            self.find_route()
            return
        if not self.head.plain:
            try:
                check_dots(self.head.path)
            except Unroutable as error:
                self.refuse(error.status, error.reason)
                return
        self.take(self.config.direct(passage.sent_to))

    def find_route(self) -> None:
        head = self.head
        self.config.learn_host(self.session, head.host, self.stream)
        try:
            route: RouteTarget | None = match(self.session.levels, head, self)
        except Unroutable as error:
            self.refuse(error.status, error.reason)
            return
        if route is None:
            self.refuse(404, "")
            return
        if route.pattern is not None:
            self.captures = route.pattern.captures(head.path)
        self.take(route)

    def take(self, route: RouteTarget) -> None:
        """The request is for ``route``: its limits hold from here on."""
        head = self.head
        self.route = route
        if route.claims is not None:
            drop_claims(head, route.claims)
        limits = route.limits.get(self.session.listener, self.config.limits)
        if head.grpc and route.shares:
            limits = limits.for_calls()
        self.limits = limits
        self.stream.use(limits)
        if limits.body_limit:
            kept = self.body.size if self.body is not None else 0
            if max(head.framing, kept, self.received) > limits.body_limit:
                self.refuse(413, "")
                return
        if limits.request_time:
            self.stream.set_deadline(self.started + limits.request_time)
        if head.grpc:
            bound_call(self.stream, head, self.started, limits.request_time)
        if not route.filters or self._pass_filters(route):
            self.handle(route)

    def _pass_filters(self, route: RouteTarget) -> bool:
        """Whether the request has passed them already; else as :meth:`Passage.begin`."""
        if not route.is_light:
            return self.get_passage().begin(route.filters)
        for following, current in enumerate(route.filters, 1):
            outcome = current.request(self)
            if outcome != PASS:
                if outcome == HOLD and not self.over:
                    self.get_passage().wait(route.filters, following)
                return False
        return True

    def handle(self, route: RouteTarget) -> None:
        """Its filters have let it pass: answer."""
        head, passage = self.head, self.passage
        if passage is None or not passage.path_set:
            self.target = head.target
            if route.rewrite is not None and head.target != b"*":
                target = route.rewrite.target(head, self)
                if not target:
                    self.refuse(400, "the path leads above its root")
                    return
                self.target = target
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
        up = None if self.passage is None else self.passage.up
        if trailers is not None and (up is None or self.dropped):
            self.request_done = True
        for piece in pieces:
            self.received += len(piece)
        if self.dropped:
            return
        limit = self.limits.body_limit
        if limit and self.received > limit and self.route is not self.config.nowhere:
            self.head.keep_alive = False
            self.give_up(413, "")
            return
        if up is not None:
            up.take(pieces, trailers)
        else:
            self.take_body(pieces, trailers)

    def take_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """The next part of the request's body, which is not too large."""
        if trailers is not None:
            self.request_done = True
        if self.dropped or self.over:
            return
        if self.responder is not NO_RESPONDER:
            self.responder.request_body(pieces, trailers)
        elif not self.response_started:
            body = self.body
            if body is None:
                body = self.body = RequestBody.__new__(RequestBody)  # in the compiled build this is no call of Python
                body.set_up()
            body.add(pieces)
            body.trailers = trailers
            if trailers is None and body.size > self.limits.buffer:
                self._client_pause()
        if self.passage is not None:
            self.passage.body_arrived(pieces, trailers)

    def source_full(self) -> None:
        if self.body is not None and self.body.source is not None:
            self.body.source.pause()
        else:
            self._client_pause()

    def source_ready(self) -> None:
        if self.body is not None and self.body.source is not None:
            self.body.source.resume()
        elif self.passage is not None and self.passage.up is not None:
            self.passage.up.unblocked()
        else:
            self.stream.resume()

    def _client_pause(self) -> None:
        if self.passage is not None and self.passage.up is not None:
            self.passage.up.blocked()
        else:
            self.stream.pause()
