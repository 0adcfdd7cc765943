"""A request's whole body before its peer is asked, so that a slow client does not hold a worker of the backend.

The body is taken in memory up to ``limits.buffer``, beyond that in a temporary file, and then sent with its length.
What streams is passed on as it comes: calls of gRPC, and requests that ask for an upgrade.
"""

from http import HTTPStatus
from typing import Any

from rsp.exchange.filter import DONE, HOLD, PASS, Filter, Notes
from rsp.exchange.forward.body import RequestBody
from rsp.exchange.passage import Passage
from rsp.exchange.spooled import SpooledBody
from rsp.http.message import RequestHead
from rsp.ipc.temp_files import NoRoomError, TempFile


class RequestBufferingFilter(Filter):
    """``unsized_only``: only bodies without a Content-Length are held, for peers that have to know it."""

    __slots__ = ("_unsized_only",)

    def __init__(self, *, unsized_only: bool = False) -> None:
        self._unsized_only = unsized_only

    def is_light(self) -> bool:
        return True

    def request(self, exchange: Any) -> int:
        head: RequestHead = exchange.head
        if head.framing == 0 or (self._unsized_only and head.framing > 0) or head.upgrade or head.grpc:
            return PASS
        body = exchange.body
        if body is not None and body.trailers is not None:  # it came with the head, or a hook has written it
            head.framing = body.size
            return PASS
        if head.framing > exchange.limits.temp and head.framing > exchange.limits.buffer:
            exchange.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is larger than limits.temp")
            return DONE
        notes = BodyNotes(exchange)
        passage: Passage = exchange.get_passage()
        passage.note(notes)
        passage.await_body(notes.arrived)
        exchange.tell_of_end(notes)
        if exchange.body.size > exchange.limits.buffer:  # so much came with the head
            notes.arrived()
        return HOLD


class BodyNotes(Notes):
    """The body of one exchange on its way into a file."""

    __slots__ = ("_exchange", "_file")

    def __init__(self, exchange: Any) -> None:
        super().__init__()
        self._exchange = exchange
        self._file: TempFile | None = None
        if exchange.body is None:
            exchange.body = RequestBody()

    def call_off(self, exchange: Any) -> None:
        exchange.passage.forget_body()

    def ended(self, exchange: Any, status: int) -> None:
        self.close()

    def close(self) -> None:
        """The exchange is over.  May be called again."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.body.source = None  # which holds the exchange
        if self._file is not None:
            self._file.close()

    def arrived(self) -> None:
        """More of it is there."""
        exchange = self._exchange
        if exchange.body.size > exchange.limits.buffer or (exchange.request_done and self._file is not None):
            try:
                self._spill(exchange)
            except NoRoomError:
                exchange.give_up(HTTPStatus.SERVICE_UNAVAILABLE, "there is no space left for the request's body")
                return
        if exchange.request_done:
            self._finish(exchange)
        else:
            exchange.source_ready()

    def _spill(self, exchange: Any) -> None:
        """Raises :class:`NoRoomError`."""
        if self._file is None:
            self._file = exchange.context.temp.make()
        pieces, exchange.body.waiting, exchange.body.size = exchange.body.waiting, [], 0
        self._file.append(b"".join(pieces), exchange.limits.temp)

    def _finish(self, exchange: Any) -> None:
        body, file, passage = exchange.body, self._file, exchange.passage
        passage.forget_body()
        if file is None:
            exchange.head.framing = body.size
        else:
            exchange.head.framing = file.size
            body.source = SpooledBody(exchange, file, body.trailers)
            body.trailers = None
        passage.go_on()
