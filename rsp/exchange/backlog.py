"""What a slow client has not taken yet of a response, so that its peer is done with it (``response_buffering``).

Nothing is delayed: as long as the client takes what comes, nothing is held.  Once it does not, what comes is kept in
memory up to ``limits.buffer``, beyond that in a temporary file.  When that is full, or there is no room for it, the
peer is paused, as it is without a backlog; it goes on when the client has taken everything.
"""

import asyncio
from typing import Final, Protocol

from rsp.http.grpc import TYPE
from rsp.http.limits import Limits
from rsp.http.lines import get
from rsp.http.message import ResponseHead
from rsp.ipc.temp_files import NoRoomError, TempFile
from rsp.net.context import WorkerContext

_PIECE: Final = 64 << 10  # bytes that a client is given in one turn of the loop
_STREAMS: Final = (b"text/event-stream", b"multipart/x-mixed-replace", TYPE)


def streams(head: ResponseHead) -> bool:
    """Whether what is late in its body is of little use, or the peer says that it is not to be held."""
    if head.status == 101:
        return True
    kind = (get(head.fields, b"content-type") or b"").lower()
    return kind.startswith(_STREAMS) or (get(head.fields, b"x-accel-buffering") or b"").lower() == b"no"


class BacklogOwner(Protocol):
    """The exchange, as its backlog knows it."""

    context: WorkerContext
    limits: Limits
    over: bool

    def pause_response(self) -> None: ...

    def resume_response(self) -> None: ...

    def pass_on(self, pieces: list[bytes], trailers: list[bytes] | None) -> None: ...

    def abort_responder(self) -> None: ...

    def cut_off(self) -> None: ...


class Backlog:
    """``most``: bytes that are held."""

    # fmt: off
    __slots__ = (
        "_exchange", "_file", "_full", "_is_due", "_memory", "_memory_size", "_most", "_paused", "_taken", "_trailers",
    )
    # fmt: on

    def __init__(self, exchange: BacklogOwner, most: int) -> None:
        self._exchange = exchange
        self._most = most
        self._file: TempFile | None = None
        self._taken = 0  # bytes of the file that the client has been given
        self._memory: list[bytes] = []  # what comes behind the file
        self._memory_size = 0
        self._trailers: list[bytes] | None = None
        self._full = False  # the client takes no more for now
        self._paused = False  # so does this
        self._is_due = False

    def client_full(self) -> None:
        self._full = True

    def client_ready(self) -> None:
        self._full = False
        self._go_on()

    def close(self) -> None:
        """The exchange is over."""
        if self._file is not None:
            self._file.close()

    # -- from the peer

    def keep(self, pieces: list[bytes], trailers: list[bytes] | None) -> bool:
        """Whether these are held; otherwise they are to be sent now."""
        if not (self._full or self._is_due):  # one of the two is true while something is held
            return False
        self._memory += pieces
        self._memory_size += sum(map(len, pieces))
        self._trailers = trailers
        has_room = self._memory_size <= self._exchange.limits.buffer or self._spill()
        if trailers is None and not self._paused and not (has_room and self._held() < self._most):
            self._paused = True
            self._exchange.pause_response()
        return True

    def _holds(self) -> bool:
        return self._memory_size > 0 or (self._file is not None and self._taken < self._file.size)

    def _held(self) -> int:
        """Bytes in memory and in the file, which does not shrink before it is empty."""
        return self._memory_size + (self._file.size if self._file is not None else 0)

    def _spill(self) -> bool:
        """Whether what is in memory is in the file now."""
        exchange = self._exchange
        try:
            if self._file is None:
                self._file = exchange.context.temp.make()
            self._file.append(b"".join(self._memory), exchange.limits.temp)
        except NoRoomError:
            return False
        self._memory, self._memory_size = [], 0
        return True

    # -- to the client

    def _go_on(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._pass_on)

    def _pass_on(self) -> None:
        """The next piece; a turn of the loop for each, so that the others have theirs."""
        self._is_due = False
        exchange = self._exchange
        if exchange.over or self._full:
            return
        try:
            pieces = self._next()
        except NoRoomError:
            exchange.abort_responder()
            exchange.cut_off()
            return
        is_last = not self._holds()
        if is_last and self._paused:
            self._paused = False
            exchange.resume_response()
        if pieces or self._trailers is not None:
            exchange.pass_on(pieces, self._trailers if is_last else None)
        if not is_last and not self._full:
            self._go_on()

    def _next(self) -> list[bytes]:
        """Raises :class:`NoRoomError`."""
        file = self._file
        if file is not None and self._taken < file.size:
            piece = file.read(self._taken, _PIECE)
            self._taken += len(piece)
            if self._taken == file.size:
                file.empty()
                self._taken = 0
            return [piece]
        pieces, self._memory, self._memory_size = self._memory, [], 0
        return pieces
