"""A connection to a peer that speaks FastCGI, and a request on it.

A request is written in records and its response read from them (``records.py``); where a response ends is known from
them alone, so a connection that breaks off is never taken for an end.
"""

from typing import Final

from rsp.http.cgi.records import RecordReader, begin, params, stdin
from rsp.http.cgi.response import end_of_head, read_response
from rsp.http.cgi.scripts import Scripts
from rsp.http.cgi.variables import Own, Told, no_variables, variables
from rsp.http.errors import ProtocolError
from rsp.http.h1.client import ConnectionOwner, PeerConnection
from rsp.http.message import CHUNKED, OutgoingHead, ResponseHead
from rsp.http.peer_stream import Failure, PeerRequest, PeerStream
from rsp.http.single_stream import SingleStream
from rsp.net.context import WorkerContext
from rsp.net.transport import Transport

_NOTHING: Final[list[bytes]] = []  # never changed


class FastCgiConnection(PeerConnection):
    """``scripts``: what its requests are for; ``keep``: it may serve several of them; ``own``: further variables."""

    __slots__ = ("keep", "own", "scripts")

    def __init__(
        self, context: WorkerContext, owner: ConnectionOwner, transport: Transport, scripts: Scripts, keep: bool,
        own: Own = no_variables,
    ) -> None:  # fmt: skip
        self.own = own
        self.scripts = scripts
        self.keep = keep
        PeerConnection.__init__(self, context, owner, transport)

    def open(self, request: PeerRequest) -> PeerStream | None:
        if self.transport.closing:
            return None
        stream = FastCgiStream()
        stream.begin(self, request)
        return stream


class FastCgiStream(SingleStream):
    # fmt: off
    __slots__ = (
        "_answer", "_buffer", "_continues", "_fastcgi", "_head", "_left", "_reader", "_searched", "_start",
    )
    # fmt: on

    def begin(self, connection: FastCgiConnection, request: PeerRequest) -> None:
        self.set_up(connection, request)
        self._fastcgi = connection
        self._reader = RecordReader()
        self._start = b""  # the request's first records, until this turn's end: the body may come before that
        self._continues = False  # the client waits for 100 (Continue)
        self._answer = 0  # the status of rsp's own answer; the peer is not asked
        self._buffer = bytearray()  # the beginning of the response's head
        self._searched = 0  # there is no end of it before this
        self._head: ResponseHead | None = None
        self._left = 0  # of a body with a length; below 0: it has none

    # -- the request's side

    def send_request(self, head: OutgoingHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        connection, request = self._connection, head.head
        connection.stream = self
        self._sent_after = connection.context.poller.looks
        last = request.framing == 0 or trailers is not None
        self._start = self._written(head)
        if request.expect_continue and not last:
            request.expect_continue, self._continues = False, True
        if self._answer or not (pieces or last):
            connection.transport.flush_later()
        else:
            self._send(pieces, last)

    def _written(self, head: OutgoingHead) -> bytes:
        """The request but its body; empty, with ``_answer`` set, where the peer cannot be asked."""
        request, connection = self._request, self._fastcgi
        script = connection.scripts.find(head.target.partition(b"?")[0])
        if request is None or script is None:
            self._answer = 404
        elif head.head.framing == CHUNKED:
            self._answer = 411
        else:
            try:
                told = variables(head, script, connection.scripts.root, Told.of(request), own=connection.own(request))
                return begin(connection.keep) + params(told)
            except ValueError:
                self._answer = 431
        return b""

    def send_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        if not (self._connection.transport.closing or self._answer):
            self._send(pieces, trailers is not None)

    def flush(self) -> None:
        if self._answer:
            self.answer_for_peer(self._answer)
        elif self._start:
            self._send(_NOTHING, False)

    def _send(self, pieces: list[bytes], last: bool) -> None:
        connection = self._connection
        start, self._start = self._start, b""
        connection.deadline = connection.context.now + self._limits.response_time
        connection.transport.write(start + stdin(pieces, last))
        if self._continues and self._request is not None:
            self._continues = False
            if not (pieces or last):
                self._request.interim(ResponseHead(100, b"Continue", 1))

    def resume(self) -> None:
        connection = self._connection
        connection.deadline = connection.context.now + self._limits.read_time
        connection.transport.resume_reading()
        if self._reader.more:
            connection.transport.later()

    # -- the connection's side

    def data_received(self, data: bytes) -> None:
        request = self._request
        if request is None:
            return
        try:
            if not self._heard:
                self._hear()
            self._connection.silent = False
            self._take(request, data)
        except ProtocolError as error:
            self._fail(Failure(f"sent a bad response: {error}"))

    def _has_head(self) -> bool:
        return self._head is not None

    def go_on(self) -> None:
        if not self._connection.transport.paused:
            self.data_received(b"")

    # -- the response

    def _take(self, request: PeerRequest, data: bytes) -> None:
        reader = self._reader
        pieces = reader.feed(data)
        if reader.said:
            request.peer_said(reader.take_said())
        if reader.more:
            self._connection.transport.later()
        head = None
        if self._head is None:
            head, pieces = self._read_head(request, pieces)
        elif pieces:
            self._connection.deadline = self._connection.context.now + self._limits.read_time
        if self._head is not None:
            pieces = self._body(pieces)
        if reader.done:
            self._end(request, head, pieces)
        elif head is not None:
            request.response(head, pieces, None)
        elif pieces:
            request.response_body(pieces, None)

    def _read_head(self, request: PeerRequest, pieces: list[bytes]) -> tuple[ResponseHead | None, list[bytes]]:
        """The head, once it is whole, and what is there of the body."""
        buffer, limits = self._buffer, self._limits
        for piece in pieces:
            buffer += piece
        if buffer[:1] == b"\n" or buffer[:2] == b"\r\n":
            raise ProtocolError("a head without fields")
        end = end_of_head(buffer, self._searched)
        if (end if end >= 0 else len(buffer)) > limits.head_limit:
            raise ProtocolError("the head is too large")
        if end < 0:
            self._searched = max(0, len(buffer) - 2)
            return None, _NOTHING
        method, strict = request.head.method, self._connection.is_strict()
        head = self._head = read_response(
            bytes(buffer[:end]), method, limits.fields, strict, self._connection.context.date
        )
        rest, self._buffer = bytes(buffer[end:]), bytearray()
        self._left = head.framing
        self._connection.deadline = self._connection.context.now + limits.read_time
        return head, [rest] if rest else []

    def _body(self, pieces: list[bytes]) -> list[bytes]:
        """What the client may have of it: a script may write more than it has said, or a body that there cannot be."""
        if self._left < 0 or not pieces:
            return pieces
        kept = []
        for piece in pieces:
            if self._left:
                kept.append(piece[: self._left])
                self._left -= len(kept[-1])
        return kept

    def _end(self, request: PeerRequest, head: ResponseHead | None, pieces: list[bytes]) -> None:
        """The peer has said that it is done.  ``head``: if it has not been passed on yet."""
        fault, whole = self._reader.fault, self._head is not None and self._left <= 0
        if fault:
            self._fail(Failure(fault, untouched=self._head is None and not self._buffer))
        elif not whole:
            said = "ended the response early" if self._head is not None else "ended without the head of a response"
            self._fail(Failure(said))
        else:
            self._finish(request, head, pieces, not self._reader.rest)

    def _finish(
        self, request: PeerRequest, head: ResponseHead | None, pieces: list[bytes], reusable: bool
    ) -> None:  # fmt: skip
        """The response is complete.  The connection is free before the client's next request can ask for one."""
        request.peer_done()
        self._let_go()
        if not request.request_done or self._connection.transport.waiting:
            self._connection.transport.abort()  # it answers early, and need not read the rest of the request
        elif reusable and self._fastcgi.keep:
            self._connection.release(request)
        else:
            self._connection.transport.close()
        if head is None:
            request.response_body(pieces, _NOTHING)
            return
        if head.framing == CHUNKED:
            head.framing, head.has_length = sum(map(len, pieces)), True
        request.response(head, pieces, _NOTHING)
