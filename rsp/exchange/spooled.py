"""A request's body that has arrived and waits in a temporary file, from which peers get it piece by piece.

It stands in the place of the client's stream: ``pause`` and ``resume`` come from the peer that is slower or faster.
"""

import asyncio
from typing import Final, Protocol

from rsp.exchange.forward.body import BodySource
from rsp.http.peer_stream import Responder
from rsp.ipc.temp_files import NoRoomError, TempFile

_PIECE: Final = 64 << 10  # bytes that a peer is given in one turn of the loop


class SpoolOwner(Protocol):
    """The exchange, as the source of its body knows it."""

    over: bool
    responder: Responder
    response_started: bool

    def refuse(self, status: int, reason: str) -> None: ...

    def abort_responder(self) -> None: ...

    def cut_off(self) -> None: ...


class SpooledBody(BodySource):
    """``file``: all of the body; ``trailers``: what follows it."""

    __slots__ = ("_exchange", "_file", "_is_due", "_passed_on", "_trailers", "_wanted")

    def __init__(self, exchange: SpoolOwner, file: TempFile, trailers: list[bytes]) -> None:
        self._exchange = exchange
        self._file = file
        self._trailers = trailers
        self._passed_on = 0
        self._wanted = False
        self._is_due = False

    def pause(self) -> None:
        self._wanted = False

    def resume(self) -> None:
        self._wanted = True
        if not self._is_due and self._passed_on < self._file.size:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._pass_on)

    def rewind(self) -> None:
        self._wanted = False
        self._passed_on = 0

    def whole(self) -> bytes | None:
        try:
            return self._file.read(0, self._file.size)
        except NoRoomError:
            return None

    def _pass_on(self) -> None:
        """The next piece; a turn of the loop for each, so that the others have theirs."""
        self._is_due = False
        exchange = self._exchange
        if exchange.over or not self._wanted:
            return
        try:
            piece = self._file.read(self._passed_on, _PIECE)
        except NoRoomError:
            self._fail()
            return
        self._passed_on += len(piece)
        is_last = self._passed_on == self._file.size
        exchange.responder.request_body([piece], self._trailers if is_last else None)
        if self._wanted:
            self.resume()

    def _fail(self) -> None:
        exchange = self._exchange
        exchange.abort_responder()
        if exchange.response_started:
            exchange.cut_off()
        else:
            exchange.refuse(500, "")
