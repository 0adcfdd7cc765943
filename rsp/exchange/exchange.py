"""One request and its response.

Its duties: route; pass heads, bodies and ends on; when one side cannot take more, pause the other side's reading; end
in exactly one response, one count, one log line.  It knows no protocol and no peer: it *has* a client stream, the
filters of its route, and what produces its response (``responder``), which the route's handler has chosen.
"""

from typing import Any

from rsp.config.units import Duration
from rsp.exchange.answers import Answer
from rsp.exchange.coder import start
from rsp.exchange.compression import Compression
from rsp.exchange.filter import Notes
from rsp.exchange.forward.announced import announced
from rsp.exchange.forward.body import RequestBody
from rsp.exchange.forward.conversations import keep_for_client
from rsp.exchange.grpc import answer_call, broken_off
from rsp.exchange.incoming import Incoming
from rsp.exchange.inert import NO_RESPONDER, NO_STREAM
from rsp.exchange.passage import Passage
from rsp.exchange.record import record
from rsp.exchange.running_config import RunningConfig
from rsp.http.grpc import DEADLINE_EXCEEDED, NO_STATUS, UNAVAILABLE, status_of
from rsp.http.message import RequestHead, ResponseHead
from rsp.http.names import lines_without
from rsp.http.peer_stream import BoundConnection
from rsp.http.stream import ClientStream
from rsp.ipc.worker_cells import IN_FLIGHT
from rsp.logs import log
from rsp.net.context import WorkerContext


class Exchange(Incoming):
    """What filters and handlers may ask.  ``incoming.py`` has the request's way, :class:`Subject` what is known."""

    __slots__ = ()

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
        self.captures = None
        self.response_head = None
        self.logged = None
        self.responder = NO_RESPONDER
        self.target = head.target
        self.user = self.rate_items = b""
        self.leaving: Notes | None = None
        self.extra = b""
        self.status = 0
        self.sent = self.received = 0
        self.started = context.clock()
        self.response_started = self.over = False
        self.open_ends = 2  # of a tunnel
        self.grpc_status = NO_STATUS
        self.passage: Passage | None = None
        self.admitted = self.dropped = self.own = False
        self.journal = None if context.watch is None else context.watch.begin(head)
        context.stats.add(IN_FLIGHT, 1)

    def get_passage(self) -> Passage:
        """Made for the first of its filters that needs one."""
        if self.passage is None:
            passage = self.passage = Passage.__new__(Passage)
            passage.set_up(self)
        return self.passage

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
        if self.passage is not None and self.passage.down is not None:
            self.passage.down.blocked()
        else:
            self.response_full()

    def client_ready(self) -> None:
        if self.passage is not None and self.passage.down is not None:
            self.passage.down.unblocked()
        else:
            self.response_ready()

    def response_full(self) -> None:
        """What comes of the response is more than can be passed on for now."""
        if not self.route.response_buffer or self.upstream is None or not self.get_passage().hold_back():
            self.pause_response()

    def response_ready(self) -> None:
        passage = self.passage
        if passage is None:
            self.responder.resume()
        elif passage.backlog is not None:
            passage.backlog.client_ready()
        elif not passage.holds:
            self.resume_response()

    def pause_response(self) -> None:
        """Let no more come of it: from the responder, or from what compresses it, which sees to the responder."""
        if self.passage is not None and self.passage.coder is not None:
            self.passage.coder.pause()
        else:
            self.responder.pause()

    def resume_response(self) -> None:
        if self.passage is not None and self.passage.coder is not None:
            self.passage.coder.resume()
        else:
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

    def respond(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """Content of rsp's own: by the rules for what peers send, but without Via: no other server had it."""
        if self.over:
            return
        self.route.rule_content(head, self)
        self._respond(head, pieces, trailers)

    def _respond(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        filters = self.route.response_filters
        if not filters:
            self.send(head, pieces, trailers)
            return
        self.get_passage().hold(filters, head, pieces, trailers, self.responder)

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
        if self.route.compression is not None:
            pieces, trailers = self._compress(self.route.compression, head, pieces, trailers)
        if self.passage is not None and self.passage.down is not None:
            pieces, trailers = self.passage.down.begin(pieces, trailers)
        for piece in pieces:
            self.sent += len(piece)
        if trailers:
            trailers = self._for_client(lines_without(trailers, head.barred or ()))
        self.stream.send_response(head, pieces, trailers)
        if trailers is not None:
            self._finish(self.status, True)

    def _compress(
        self, compression: Compression, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None
    ) -> tuple[list[bytes], list[bytes] | None]:
        """What goes with the head, if it is to be compressed or not; the rest follows."""
        whole = trailers is not None and not trailers  # a body with a length has no trailers in HTTP/1.1
        pieces, coding = compression.begin(self.head, head, pieces, whole)
        coder = start(self, compression, coding, head) if coding is not None else None
        if coder is None:
            return pieces, trailers
        passage = self.get_passage()
        passage.coder = coder
        passage.note(coder)
        return coder.begin(pieces, trailers)

    def response_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        if self.over:
            return
        if self.passage is not None:
            filtered = self.passage.pass_body(pieces, trailers)
            if filtered is None:
                return
            pieces = filtered
        self.pass_on(pieces, trailers)

    def pass_coded(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """The next part of the response's body, compressed."""
        backlog = self.passage.backlog if self.passage is not None else None
        if backlog is None or not backlog.keep(pieces, trailers):
            self.pass_on(pieces, trailers)

    def pass_on(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """The next part of the response's body, as filters have left it, to the client."""
        if self.passage is not None and self.passage.down is not None:
            self.passage.down.take(pieces, trailers)
        else:
            self.deliver(pieces, trailers)

    def deliver(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """The same, at its time."""
        if trailers:
            trailers = self._for_client(trailers)
        for piece in pieces:
            self.sent += len(piece)
        self.stream.send_body(pieces, trailers)
        if trailers is not None:
            self._finish(self.status, True)

    def takes_files(self) -> bool:
        """Whether nothing has to see the bytes of the response's body, which has a length: :meth:`send_file`."""
        passage = self.passage
        if self.over or (not self.response_started and (self.route.response_filters or self.route.compression)):
            return False
        if passage is not None and (
            passage.holds or passage.body_filters or passage.coder or passage.down or passage.backlog
        ):
            return False
        return self.stream.takes_files()

    def send_file(self, head: ResponseHead | None, file: int, start: int, size: int) -> int:
        """Behind ``head``, if it has not been sent, what the client takes now of a part of the open ``file``.

        As :meth:`ClientStream.send_file`; :meth:`takes_files` was true just now.
        """
        if head is not None:
            self.route.rule_content(head, self)
            self.response_started = True
            self.response_head = head
            self.status = head.status
        sent = self.stream.send_file(head, file, start, size)
        if sent > 0:
            self.sent += sent
        return sent

    def _for_client(self, trailers: list[bytes]) -> list[bytes]:
        """The trailers that it may have."""
        if self.head.grpc:
            self.grpc_status = status_of(trailers)
        return self.route.trailers_for_client(trailers)

    def tunnel_lost(self) -> None:
        self._finish(101, False)

    def announced(self) -> object:
        return announced(self.session, self.stream)

    def keep_for_client(self, peer: Any, connection: BoundConnection) -> None:
        if self.over or self.head.version == b"2.0" or self.config.forwarded.trusts(self.session.client):
            connection.close()  # the client is gone, or asks several things at once, or is a proxy with many users
        else:
            keep_for_client(self.session, peer, connection)

    # -- answers of rsp's own

    def refuse(self, status: int, reason: str, fields: bytes = b"") -> None:
        """Answer with an error, unless a filter has another answer.  ``fields``: more lines of its head."""
        if status == 413:
            self.dropped = True
        filters = self.route.response_filters
        if filters and not self.over and self.get_passage().fail(filters, status, reason, fields):
            return
        self.refuse_plainly(status, reason, fields)

    def refuse_plainly(self, status: int, reason: str, fields: bytes = b"") -> None:
        """Answer with the error page."""
        self.answer(self._error(status, reason, fields))

    def _error(self, status: int, reason: str, fields: bytes = b"") -> Answer:
        self.request_id = self.request_id or self.context.new_id()
        return self.config.pages.error(status, reason, self.request_id, self.head, fields)

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

    def give_up(self, status: int, reason: str) -> None:
        """The client gets ``status``, or a cut where a response has begun."""
        self.abort_responder()
        if self.passage is not None:
            self.passage.stop()  # else what a filter waits for could be answered once more, while this is on its way
        if self.response_started:
            self.cut_off()
        else:
            self.refuse(status, reason)

    def timed_out(self) -> None:
        if not self.head.grpc:  # a call's client says itself how long it may take
            limit = Duration(self.limits.request_time)
            said = f'route "{self.route.name}": a request took longer than {limit} (timeouts.request)'
            log.once_a_second(said, said)
        self.grpc_status = DEADLINE_EXCEEDED
        self.give_up(504, "")

    def abort_responder(self) -> None:
        """What it produces is of no more use."""
        self.responder.abort("the request no longer needs it")

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
            self.get_passage().stop()
        responder.abort("the exchange is over")
        self.status = status
        if self.passage is not None:  # first: hooks may have something for the log
            self.passage.end(filters, status)
        while self.leaving is not None:
            notes, self.leaving = self.leaving, self.leaving.following
            notes.ended(self, status)
        record(self)
        if self.journal is not None and self.journal.trace is not None:
            self.journal.trace.end(self)
        self.passage = None
        self.responder = NO_RESPONDER
        return stream
