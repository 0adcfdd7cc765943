"""One request on a connection to a peer, and its response: writes the one, decodes the other.

What outlives the request belongs to the connection, see ``client.py``.
"""

from math import inf
from typing import Final

from rsp.http.errors import ProtocolError
from rsp.http.h1.body import ChunkedDecoder, CloseDecoder, Decoder, LengthDecoder
from rsp.http.h1.codec import end_of_head, request_head, response_in
from rsp.http.h1.faults import find_stray
from rsp.http.h1.lenient import read_head
from rsp.http.h1.writing import write_message
from rsp.http.message import CHUNKED, OutgoingHead, ResponseHead
from rsp.http.names import lines_without
from rsp.http.peer_stream import Failure, PeerRequest
from rsp.http.pieces import part
from rsp.http.single_stream import Connection, SingleStream
from rsp.net.calls import acknowledge
from rsp.net.secure import TlsLost

_NEVER: Final = inf
_NOTHING: Final[list[bytes]] = []  # never changed
_CHUNKS: Final = 512  # in a turn; a read can hold 40,000 of a byte each
_SMALL: Final = 64 << 10  # bytes, which may be less than a full segment: the peer may wait for its acknowledgement
_INTERIM: Final = 100  # responses before the final one; 102 (Processing) may come every few seconds


class H1PeerStream(SingleStream):
    # fmt: off
    __slots__ = (
        "_buffer", "_chunked", "_decoder", "_head", "_interim", "_interim_size", "_left", "_start", "_tunnel",
    )
    # fmt: on

    def set_up(self, connection: Connection, request: PeerRequest) -> None:
        SingleStream.set_up(self, connection, request)  # compiled, there is no super() here
        self._chunked = False
        self._left = -1  # bytes that the body still has, where its length is known and its end has not been said
        self._start = b""  # the request's head, until this turn's end: the body may come before that
        self._buffer = b""
        self._head: ResponseHead | None = None
        self._interim = 0  # responses before the final one, and their bytes
        self._interim_size = 0
        self._decoder: Decoder | None = None
        self._tunnel = False

    # -- the request's side

    def send_request(self, head: OutgoingHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        connection, request = self._connection, head.head
        connection.stream = self
        if request.connection_bound:
            connection.bound = True
        self._chunked = request.framing == CHUNKED
        self._sent_after = connection.context.poller.looks
        start = self._written(head)
        if trailers is None and request.framing > 0:
            self._left = request.framing
            self._count(pieces)
        if request.framing and not pieces and trailers is None:
            self._start = start
            connection.transport.flush_later()
        else:
            self._send(start, pieces, trailers)

    def _written(self, head: OutgoingHead) -> bytes:
        """The request's head as the peer is to read it."""
        return request_head(head.head, head.target, head.host, head.fields, head.extra, head.request_id)

    def send_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        if not self._connection.transport.closing:
            start, self._start = self._start, b""
            if self._left > 0:
                self._count(pieces)
            self._send(start, pieces, trailers)

    def _count(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._left -= len(piece)

    def flush(self) -> None:
        """The end of the turn in which the head was to be sent."""
        if self._start:
            self.send_body(_NOTHING, None)

    def _send(self, start: bytes, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        connection = self._connection
        connection.deadline = _NEVER if self._tunnel else connection.context.now + self._limits.response_time
        write_message(connection.transport, start, pieces, self._chunked, trailers)

    def resume(self) -> None:
        connection = self._connection
        connection.deadline = _NEVER if self._tunnel else connection.context.now + self._limits.read_time
        connection.transport.resume_reading()
        if self._decoder is not None and self._decoder.more:
            connection.transport.later()

    def open_tunnel(self) -> None:
        self._tunnel = True
        self._connection.deadline = _NEVER

    def is_tunnel(self) -> bool:
        return self._tunnel

    def send_raw(self, data: bytes) -> None:
        if not self._connection.transport.closing:
            self._connection.transport.write(data)

    def send_eof(self) -> None:
        if not self._connection.transport.closing:
            self._connection.transport.write_eof()

    # -- the connection's side

    def data_received(self, data: bytes) -> None:
        request = self._request
        if request is None:
            return
        if self._tunnel:
            request.tunnel_down(data)
            return
        try:
            if not self._heard:
                self._hear()
            if self._decoder is not None:
                self._connection.deadline = self._connection.context.now + self._limits.read_time
                self._body(request, self._decoder, data)
            else:
                self._heads(request, self._buffer + data if self._buffer else data)
            if self._request is not None and 0 < len(data) < _SMALL:
                acknowledge(self._connection.transport.descriptor)
        except ProtocolError as error:
            self._fail(Failure(f"sent a bad response: {error}"))

    def _has_head(self) -> bool:
        return self._head is not None

    def go_on(self) -> None:
        if self._decoder is not None and not self._connection.transport.paused:
            self.data_received(b"")

    def eof_received(self) -> bool:
        request, connection = self._request, self._connection
        if request is None:
            return False
        if self._tunnel:
            request.tunnel_down_eof()
            return True
        if isinstance(self._decoder, CloseDecoder):
            self._finish(request, None, _NOTHING, _NOTHING, False)
        elif connection.reused and not self._heard:
            self._note_early_end(request)
        return False

    def connection_lost(self, error: OSError | None) -> None:
        request = self._let_go()
        if request is None:
            return
        if self._tunnel:
            request.tunnel_lost()
            return
        if isinstance(error, TlsLost):
            self._note_end(request, error.delay)
        request.peer_failed(self, self._failure(error))

    def _failure(self, error: OSError | None) -> Failure:
        if isinstance(error, TlsLost):
            # With TLS 1.3 a peer's refusal of this side's certificate comes only after the request has been sent.
            refused = error.refused and not (self._heard or self._connection.reused)
            return Failure(error.reason, untouched=refused)
        return Failure("reset the connection" if error else "closed the connection early")

    # -- the response

    def _heads(self, request: PeerRequest, data: bytes) -> None:
        """Interim responses, within bounds, then the final head, with what follows it."""
        limits, method = self._limits, request.head.method
        start = 0  # of the head
        searched = max(0, len(self._buffer) - 3)  # there is no end of a head before this
        while True:
            end = end_of_head(data, max(start, searched))
            head = None
            if 0 <= end - start <= limits.head_limit:
                try:
                    head = response_in(data, start, end, method, limits.fields)
                except ProtocolError:
                    if self._connection.is_strict():
                        raise
            if head is None:
                data, searched, start = data[start:], max(0, searched - start), 0
                head, end = self._not_plain(data, searched, method)
                if (end if head is not None else len(data)) > limits.head_limit:
                    raise ProtocolError("the head is too large")
                if head is None:
                    self._buffer = data
                    return
            self._connection.silent = False
            if head.status >= 200 or head.status == 101:
                break
            self._interim += 1
            self._interim_size += end - start
            if self._interim > _INTERIM or self._interim_size > limits.head_limit:
                raise ProtocolError("too many interim responses")
            request.interim(head)
            if self._request is None:  # that was enough
                return
            if end == len(data):
                self._buffer = b""
                return
            start = end
        self._buffer = b""
        data = part(data, end, len(data))
        if head.status == 101:
            request.switch_protocols(head, data)
        else:
            self._begin(request, head, data)

    def _not_plain(self, data: bytes, searched: int, method: bytes) -> tuple[ResponseHead | None, int]:
        """A head that has not arrived whole, or not as a strict reader wants it; ``None`` and -1 for the former."""
        if not self._connection.is_strict():
            return read_head(data, searched, method, self._limits.fields, self._connection.silent)
        if find_stray(data, max(0, searched - 1)):
            raise ProtocolError("bare CR, bare LF or NUL in the head")
        return None, -1

    def _begin(self, request: PeerRequest, head: ResponseHead, data: bytes) -> None:
        connection, framing = self._connection, head.framing
        self._head = head
        if head.connection_bound:
            connection.bound = True
        connection.deadline = connection.context.now + self._limits.read_time
        if framing == 0:
            connection.doubtful = head.status == 304 or request.head.method == b"HEAD"
        if framing == 0 or framing == len(data):
            self._finish(request, head, [data] if framing else _NOTHING, _NOTHING, framing > 0 or not data)
            return
        if framing > 0:
            self._decoder = LengthDecoder(framing)
        else:
            self._decoder = ChunkedDecoder(_CHUNKS) if framing == CHUNKED else CloseDecoder()
        pieces = self._decoder.feed(data) if data else []
        if self._decoder.done:
            self._finish(request, head, pieces, self._decoder.trailers, not self._decoder.rest)
        else:
            if self._decoder.more:
                connection.transport.later()
            request.response(head, pieces, None)

    def _body(self, request: PeerRequest, decoder: Decoder, data: bytes) -> None:
        pieces = decoder.feed(data)
        if decoder.done:
            self._finish(request, None, pieces, decoder.trailers, not decoder.rest)
            return
        if decoder.more:
            self._connection.transport.later()
        if pieces:
            request.response_body(pieces, None)

    def _finish(
        self,
        request: PeerRequest,
        head: ResponseHead | None,
        pieces: list[bytes],
        trailers: list[bytes],
        reusable: bool,
    ) -> None:
        """The response is complete; ``head``: if it has not been passed on yet.

        The connection is free before the client's next request can ask for one.  With HTTP/2, a client may say the end
        of its request later than the peer, which has counted, answers it.
        """
        asked = request.request_done or self._left == 0
        if trailers and self._head is not None and self._head.barred is not None:
            trailers = lines_without(trailers, self._head.barred)
        request.peer_done()
        self._let_go()
        if reusable and self._head is not None and self._head.keep_alive and asked:
            self._connection.release(request)
        elif asked:
            self._connection.transport.close()
        else:
            self._connection.transport.abort()  # it answers early, and need not read the rest of the request
        if head is not None:
            request.response(head, pieces, trailers)
        else:
            request.response_body(pieces, trailers)
