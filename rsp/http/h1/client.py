"""A connection to a peer: writes requests, decodes responses, tells its exchange.

It belongs to one exchange at a time, or to its peer.  It knows nothing of clients.
"""

import select
from math import inf
from typing import TYPE_CHECKING, Final

from rsp.http.errors import ProtocolError
from rsp.http.h1.body import ChunkedDecoder, CloseDecoder, Decoder, LengthDecoder
from rsp.http.h1.codec import end_of_head, parse_response
from rsp.http.h1.faults import find_stray
from rsp.http.h1.lenient import read_head
from rsp.http.h1.writing import write_message
from rsp.http.message import CHUNKED, ResponseHead
from rsp.http.names import lines_without
from rsp.net.timing import timing
from rsp.net.transport import Protocol, Transport

if TYPE_CHECKING:
    from rsp.exchange.context import Plane
    from rsp.exchange.forward.peer import Peer
    from rsp.exchange.forward.request import Asker


_NEVER: Final = inf
_LEAST_PATIENCE: Final = 0.005  # seconds in which a connection that had been closed says so, at least
_LATE: Final = 0.1  # in which a busy peer does, perhaps
_CHUNKED: Final = CHUNKED
_NOTHING: Final[list[bytes]] = []  # never changed
_CHUNKS: Final = 512  # in a turn; a read can hold 40,000 of a byte each
_INTERIM: Final = 100  # responses before the final one; 102 (Processing) may come every few seconds


class Upstream(Protocol):
    """``descriptor``: the connected socket."""

    # fmt: off
    __slots__ = (
        "_buffer", "_chunked", "_decoder", "_end_delay", "_head", "_heard", "_interim", "_interim_size", "_plane",
        "_sent_after", "_silent", "_terms", "_tunnel", "connection_bound", "deadline", "doubtful", "exchange", "made",
        "peer", "reused", "writing_paused",
    )
    # fmt: on

    def __init__(self, plane: "Plane", peer: "Peer", descriptor: int) -> None:
        self._plane = plane
        self.peer = peer
        self.made = plane.now
        self.exchange: Asker | None = None
        self.deadline = _NEVER
        self.connection_bound = False  # it is authenticated, or about to be: ``proxy/conversations.py``
        self._terms = plane.site.terms
        self._silent = True  # nothing has been read yet
        self.doubtful = False  # its last response had no body, but a peer that is wrong might send it all the same
        self.reused = False  # it has been idle: it may have gone stale
        self._heard = False  # something of a response has come
        self._sent_after = 0  # the request: after so many looks for events
        self._end_delay = _NEVER  # how long after the request the peer's end of file came, as the kernel saw it
        self._buffer = b""
        self._head: ResponseHead | None = None
        self._interim = 0  # responses before the final one, and their bytes
        self._interim_size = 0
        self._decoder: Decoder | None = None
        self._chunked = False
        self._tunnel = False
        self.writing_paused = False
        self.transport = Transport(plane.poller, descriptor, self, plane.site.terms.buffer)
        plane.upstreams.add(self)

    # -- the exchange's side

    def send_request(
        self, exchange: "Asker", head: bytes, framing: int, pieces: list[bytes], trailers: list[bytes] | None
    ) -> None:
        """Begin an exchange on this connection, which must be open; ``pieces``: what there is of the body."""
        self.exchange = exchange
        self._terms = exchange.terms
        if exchange.head.connection_bound:
            self.connection_bound = True
        self._chunked = framing == _CHUNKED
        self._heard = False
        self._sent_after = self._plane.poller.looks
        self._interim = 0
        self._interim_size = 0
        self._send(head, pieces, trailers)

    def send_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """``trailers``: not ``None`` with the last pieces of the body."""
        if not self.transport.closing:
            self._send(b"", pieces, trailers)

    def _send(self, start: bytes, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        self.deadline = _NEVER if self._tunnel else self._plane.now + self._terms.response_time
        write_message(self.transport, start, pieces, self._chunked, trailers)

    def pause(self) -> None:
        """The client takes no more for now."""
        self.transport.pause_reading()
        self.deadline = _NEVER

    def resume(self) -> None:
        self.deadline = _NEVER if self._tunnel else self._plane.now + self._terms.read_time
        self.transport.resume_reading()
        if self._decoder is not None and self._decoder.more:
            self.transport.later()

    def start_tunnel(self) -> None:
        self._tunnel = True
        self.deadline = _NEVER

    def is_tunnel(self) -> bool:
        return self._tunnel

    def end_tunnel(self) -> None:
        """The peer leaves: what is no tunnel is finished."""
        if self._tunnel:
            self.transport.close()

    def send_raw(self, data: bytes) -> None:
        if not self.transport.closing:
            self.transport.write(data)

    def send_eof(self) -> None:
        if not self.transport.closing:
            self.transport.write_eof()

    def is_stale(self) -> bool:
        """Whether something is there to read on an idle connection: its end, or what nobody asked for."""
        poll = select.poll()
        poll.register(self.transport.descriptor, select.POLLIN | select.POLLRDHUP)
        return bool(poll.poll(0))

    def went_stale(self, seconds: float) -> bool:
        """Whether the peer closed it before the request came, and not because of it, as far as can be known:
        it had been idle, and it ended without a byte of a response, within two round trips of the request.

        ``seconds``: since the request was sent, as this worker saw it, which may have been busy.
        """
        if not self.reused or self._heard:
            return False
        return min(seconds, self._end_delay) <= max(_LEAST_PATIENCE, 2 * self.transport.round_trip)

    def may_have_gone_stale(self, seconds: float) -> bool:
        """Whether it ended so soon that it is worth a retry at the same peer, where there is no other one."""
        return self.reused and not self._heard and seconds <= _LATE

    def release(self) -> None:
        """Back to the peer, which keeps it or not; a connection that is authenticated belongs to ``exchange``."""
        exchange, self.exchange = self.exchange, None
        self._head = None
        self._decoder = None
        self.reused = True
        if self.connection_bound:
            if exchange is not None:
                exchange.conversation(self)
            return
        peer = self.peer
        if not self.transport.closing and peer.keeps(self):
            self.deadline = self._plane.now + self._plane.site.terms.keepalive_time
            peer.idle.append(self)
        else:
            self.transport.close()

    def put_back(self) -> None:
        """The exchange that it was taken or made for has left before using it."""
        if self.reused:
            self.release()
        else:
            self.transport.close()  # only what is asked for waits at a peer, which may serve one connection at a time

    def abandon(self) -> None:
        """The exchange has no more use for this connection, which is in the middle of something."""
        self.exchange = None
        self.transport.abort()

    def close(self) -> None:
        self.transport.close()

    def is_due(self, now: float) -> bool:
        return self.deadline < now

    def expire(self) -> None:
        """The deadline has passed."""
        exchange, self.exchange = self.exchange, None
        self.transport.abort()
        if exchange is not None:
            exchange.upstream_failed(self, "timed out", timed_out=True)

    # -- the transport's side

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:  # nobody asked
            self.transport.abort()
            return
        if self._tunnel:
            exchange.tunnel_down(data)
            return
        try:
            if not self._heard:
                self._hear()
            if self._decoder is not None:
                self.deadline = self._plane.now + self._terms.read_time
                self._body(exchange, self._decoder, data)
            else:
                self._heads(exchange, self._buffer + data if self._buffer else data)
        except ProtocolError as error:
            self.exchange = None
            self.transport.abort()
            exchange.upstream_failed(self, f"sent a bad response: {error}")

    def go_on(self) -> None:
        if self._decoder is not None and not self.transport.paused:
            self.data_received(b"")

    def eof_received(self) -> bool:
        exchange = self.exchange
        if exchange is None:
            return False
        if self._tunnel:
            exchange.tunnel_down_eof()
            return True
        if isinstance(self._decoder, CloseDecoder):
            self._finish(exchange, None, _NOTHING, _NOTHING, False)
        elif self.reused and not self._heard:
            self.transport.round_trip, delay = timing(self.transport.descriptor)
            if exchange.head.framing == 0:  # else data may have been sent long after the head
                self._end_delay = delay
        return False

    def reads_on(self) -> bool:
        return self.exchange is not None

    def connection_lost(self, error: OSError | None) -> None:
        self._plane.upstreams.discard(self)
        exchange, self.exchange = self.exchange, None
        if exchange is None:
            if self in self.peer.idle:
                self.peer.idle.remove(self)
        elif self._tunnel:
            exchange.tunnel_lost()
        else:
            exchange.upstream_failed(self, "reset the connection" if error else "closed the connection early")

    def pause_writing(self) -> None:
        self.writing_paused = True
        if self.exchange is not None:
            self.exchange.upstream_full()

    def resume_writing(self) -> None:
        self.writing_paused = False
        if self.exchange is not None:
            self.exchange.upstream_ready()

    # -- responses

    def _hear(self) -> None:
        """The first bytes since the request.  What was there at the look for events that brought the request is behind
        the response before it."""
        if self.reused and self._sent_after == self._plane.poller.looks:
            self._end_delay = 0.0
            raise ProtocolError("bytes behind a complete response")
        self._heard = True

    def _heads(self, exchange: "Asker", data: bytes) -> None:
        """Interim responses, within bounds, then the final head, with what follows it."""
        terms = self._terms
        start = 0  # of the head
        searched = max(0, len(self._buffer) - 3)  # there is no end of a head before this
        while True:
            end = end_of_head(data, max(start, searched))
            head = None
            if 0 <= end - start <= terms.head_limit:
                try:
                    head = parse_response(data[start:end], exchange.head.method, terms.fields)
                except ProtocolError:
                    if self.peer.group.config.strict:
                        raise
            if head is None:
                data, searched, start = data[start:], max(0, searched - start), 0
                head, end = self._not_plain(data, searched, exchange.head.method)
                if (end if head is not None else len(data)) > terms.head_limit:
                    raise ProtocolError("the head is too large")
                if head is None:
                    self._buffer = data
                    return
            self._silent = False
            if head.status >= 200 or head.status == 101:
                break
            self._interim += 1
            self._interim_size += end - start
            if self._interim > _INTERIM or self._interim_size > terms.head_limit:
                raise ProtocolError("too many interim responses")
            exchange.interim(head)
            if end == len(data):
                self._buffer = b""
                return
            start = end
        self._buffer = b""
        data = data[end:]
        if head.status == 101:
            exchange.switch_protocols(head, data)
        else:
            self._begin(exchange, head, data)

    def _not_plain(self, data: bytes, searched: int, method: bytes) -> tuple[ResponseHead | None, int]:
        """A head that has not arrived whole, or not as a strict reader wants it; ``None`` and -1 for the former."""
        if not self.peer.group.config.strict:
            return read_head(data, searched, method, self._terms.fields, self._silent)
        if find_stray(data, max(0, searched - 1)):
            raise ProtocolError("bare CR, bare LF or NUL in the head")
        return None, -1

    def _begin(self, exchange: "Asker", head: ResponseHead, data: bytes) -> None:
        framing = head.framing
        self._head = head
        if head.connection_bound:
            self.connection_bound = True
        self.deadline = self._plane.now + self._terms.read_time
        if framing == 0:
            self.doubtful = head.status == 304 or exchange.head.method == b"HEAD"
        if framing == 0 or framing == len(data):
            self._finish(exchange, head, [data] if framing else _NOTHING, _NOTHING, framing > 0 or not data)
            return
        if framing > 0:
            self._decoder = LengthDecoder(framing)
        else:
            self._decoder = ChunkedDecoder(_CHUNKS) if framing == _CHUNKED else CloseDecoder()
        pieces = self._decoder.feed(data) if data else []
        if self._decoder.done:
            self._finish(exchange, head, pieces, self._decoder.trailers, not self._decoder.rest)
        else:
            if self._decoder.more:
                self.transport.later()
            exchange.response(head, pieces, None)

    def _body(self, exchange: "Asker", decoder: Decoder, data: bytes) -> None:
        pieces = decoder.feed(data)
        if decoder.done:
            self._finish(exchange, None, pieces, decoder.trailers, not decoder.rest)
            return
        if decoder.more:
            self.transport.later()
        if pieces:
            exchange.response_body(pieces, None)

    def _finish(
        self,
        exchange: "Asker",
        head: ResponseHead | None,
        pieces: list[bytes],
        trailers: list[bytes],
        reusable: bool,
    ) -> None:
        """The response is complete; ``head``: if it has not been passed on yet.

        The connection is free before the client's next request can ask for one.
        """
        if trailers and self._head is not None and self._head.barred is not None:
            trailers = lines_without(trailers, self._head.barred)
        exchange.upstream_done()
        if reusable and self._head is not None and self._head.keep_alive and exchange.request_done:
            self.release()
        else:
            self.exchange = None
            if exchange.request_done:
                self.transport.close()
            else:
                self.transport.abort()  # it answers early, and need not read the rest of the request
        if head is not None:
            exchange.response(head, pieces, trailers)
        else:
            exchange.response_body(pieces, trailers)
