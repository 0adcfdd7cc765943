"""The content of a response of rsp's own: bytes and parts of files, sent as the client takes them.

A turn of the loop sends a share of what is left, which is smaller where many are sent at the same time.  Where nothing
has to see the bytes (:meth:`Exchange.takes_files`), the kernel sends them from the file; else they are read in pieces.
What the kernel does not have in memory is read in a thread before it is sent.

The file's size was known before its content is sent.  Where it turns out to be shorter the connection is cut: a
response never looks whole that is not.
"""

import asyncio
from typing import Any, Final

from rsp.exchange.exchange import Exchange
from rsp.files.calls import read, read_now
from rsp.files.entry import OpenFile
from rsp.files.threads import Busy, submit
from rsp.files.warm import Warm, warm
from rsp.http.message import ResponseHead
from rsp.http.peer_stream import Responder
from rsp.logs import log

_PIECE: Final = 64 << 10  # bytes that are read at once
_WAITED_FOR: Final = 256 << 10  # where a thread reads them
_PART: Final = 2 << 20  # bytes that the kernel is told to send at once; as warm.py has it
_COPIED: Final = 32 << 10  # up to here reading costs less than sendfile
_SHARE: Final = 8 << 20  # bytes a turn of the loop, of all that is sent: less than a millisecond
_LEAST: Final = 128 << 10  # of one body
_TOLD: Final = 200  # bytes of a path
_NOTHING: Final[list[bytes]] = []  # never changed


def send_content(exchange: Exchange, head: ResponseHead, file: OpenFile | None, segments: list[object]) -> None:
    """Answer with ``head``, which frames a body of these ``segments``: bytes, and parts of ``file``, each a pair of
    start and size."""
    if file is None:
        exchange.respond(head, [segment for segment in segments if isinstance(segment, bytes)], _NOTHING)
        return
    content = Content.__new__(Content)  # in the compiled build this is no call of Python
    content.set_up(exchange, head, file, segments)
    exchange.responder = content
    content.begin()


class Content(Responder):
    """``_head``: as long as it has not been sent; ``_segments``: what follows the part of the file that is being
    sent."""

    __slots__ = (
        "_at", "_awaited", "_busy", "_data", "_exchange", "_file", "_head", "_left", "_next", "_over", "_paused",
        "_reads", "_segments", "_sure", "_waits",
    )  # fmt: skip

    def set_up(self, exchange: Exchange, head: ResponseHead, file: OpenFile, segments: list[object]) -> None:
        self.forget()
        self._exchange = exchange
        self._head: ResponseHead | None = head
        self._file = file
        self._segments = segments
        self._next = 0  # of the segments
        self._at = self._left = 0  # of the file
        self._sure = 0  # bytes of it that a thread has brought into memory
        self._data = b""  # that has been read, or is no part of a file
        self._paused = self._over = self._busy = False
        self._waits = False  # for its turn, or for a thread
        self._awaited: asyncio.Future[Any] | None = None  # what the thread does
        self._reads = False  # sendfile does not work with this file

    def begin(self) -> None:
        self._exchange.context.senders += 1
        self._take_turn()

    # -- as the exchange has it

    def request_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """A body of a GET means nothing (RFC 9110 section 9.3.1)."""

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        if self._busy or self._waits or self._over:
            return
        if self._head is None and self._exchange.passage is None:
            self._take_turn()
        else:
            self._go_on()  # the caller may be about to pass on something

    def abort(self, reason: str) -> None:
        if not self._over:
            self._over = True
            self._exchange.context.senders -= 1
            if self._awaited is not None:  # clients that leave again and again fill no queue of a slow disk
                self._awaited.cancel()

    def enough(self) -> None:
        self.abort("")

    # -- turns

    def _go_on(self) -> None:
        """In the next turn."""
        self._waits = True
        asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._waits = False
        if not self._over:
            self._take_turn()

    def _take_turn(self) -> None:
        """Send this turn's share."""
        share = max(_LEAST, _SHARE // self._exchange.context.senders)
        most = min(share, _PART)
        self._busy = True
        while not (self._over or self._paused or self._waits):
            if share <= 0:
                self._go_on()
            else:
                share -= self._send_some(most)
        self._busy = False

    def _send_some(self, most: int) -> int:
        """Send the next bytes, or see to it that they are there; how many were sent."""
        if not (self._left or self._data):
            self._advance()
        if not self._data and self._left > _COPIED and not self._reads and self._exchange.takes_files():
            return self._send_file(min(most, self._left))
        return self._send_read()

    def _advance(self) -> None:
        """On to the next segment that is not empty."""
        while self._next < len(self._segments) and not (self._left or self._data):
            segment = self._segments[self._next]
            self._next += 1
            if isinstance(segment, bytes):
                self._data = segment
            elif isinstance(segment, tuple):
                self._at, self._left = segment

    def _is_last(self) -> bool:
        return not (self._left or self._data) and self._next == len(self._segments)

    # -- by the kernel

    def _send_file(self, size: int) -> int:
        exchange, file, start = self._exchange, self._file, self._at
        size = min(size, _PART - start % _PART)  # so that all that send it ask for the same parts
        if file.warm is None:
            file.warm = Warm.__new__(Warm)
            file.warm.set_up()
        if self._sure:
            size = min(size, self._sure)
        elif not file.warm.has(file.descriptor, start, size, exchange.context.now):
            self._wait(min(_WAITED_FOR, size), False)
            return 0
        head, self._head = self._head, None
        sent = exchange.send_file(head, file.descriptor, start, size)
        if sent < 0:
            self._reads = True
            return 0
        self._at += sent
        self._left -= sent
        self._sure = max(0, self._sure - sent)
        if self._is_last():
            exchange.response_body(_NOTHING, _NOTHING)
        elif sent < size:
            self._paused = True  # until there is room
        return sent

    # -- by reading

    def _send_read(self) -> int:
        """Bytes that are there, or are read without waiting."""
        pieces: list[bytes] = []
        size = 0
        while size < _PIECE:
            if self._data:
                pieces.append(self._data)
                size += len(self._data)
                self._data = b""
            elif self._left:
                data = self._read(_PIECE - size)
                if data is None:
                    break
                pieces.append(data)
                size += len(data)
            else:
                self._advance()
                if not (self._data or self._left):
                    break
        if not self._over and (pieces or self._is_last()):
            self._deliver(pieces)
        return size

    def _read(self, most: int) -> bytes | None:
        """Some bytes of the file; ``None``: they have to be waited for, or there are none."""
        if self._waits:
            return None
        try:
            data = read_now(self._file.descriptor, self._at, min(most, self._left))
        except OSError as error:
            self._fail(error)
            return None
        if data is None:
            self._wait(min(_WAITED_FOR, self._left), True)
        elif not data:
            self._end_early()
            return None
        else:
            self._at += len(data)
            self._left -= len(data)
        return data

    def _deliver(self, pieces: list[bytes]) -> None:
        trailers = _NOTHING if self._is_last() else None
        if self._head is None:
            self._exchange.response_body(pieces, trailers)
        else:
            head, self._head = self._head, None
            self._exchange.respond(head, pieces, trailers)

    # -- by a thread

    def _wait(self, size: int, wanted: bool) -> None:
        """Until these bytes are in memory; ``wanted``: here, not only in the kernel's."""
        function = _read_waiting if wanted else _warm_waiting
        try:
            future = asyncio.wrap_future(submit(self._file.owner, function, self._file, self._at, size))
        except Busy:
            self._exchange.give_up(503, "")
            return
        self._waits = True
        self._awaited = future
        future.add_done_callback(self._was_read if wanted else self._was_warmed)

    def _was_read(self, future: "asyncio.Future[Any]") -> None:
        self._waits = False
        if self._has_failed(future):
            return
        data = future.result()
        if not data:
            self._end_early()
            return
        self._at += len(data)
        self._left -= len(data)
        self._data = data
        self._take_turn()

    def _was_warmed(self, future: "asyncio.Future[Any]") -> None:
        self._waits = False
        if self._has_failed(future):
            return
        self._sure = future.result()
        if self._file.warm is not None:
            self._file.warm.note(self._at, self._sure, self._exchange.context.now)
        self._take_turn()

    # -- what goes wrong

    def _has_failed(self, future: "asyncio.Future[Any]") -> bool:
        """Whether what a thread did is of no use."""
        self._awaited = None
        if self._over or future.cancelled():
            return True
        error = future.exception()
        if error is not None:
            self._fail(error)
        return error is not None

    def _end_early(self) -> None:
        self._tell("the file shrank while it was sent, so the response was cut")
        self._exchange.give_up(500, "")

    def _fail(self, error: BaseException) -> None:
        self._tell(f"the file cannot be read: {getattr(error, 'strerror', None) or type(error).__name__}")
        self._exchange.give_up(500, "")

    def _tell(self, what: str) -> None:
        path = self._exchange.head.path[:_TOLD].decode("ascii", "backslashreplace")
        log.once_a_second("file", f"Request for {path}: {what}", log.ERROR)


def _read_waiting(file: OpenFile, start: int, size: int) -> bytes:
    """In a thread.  The file stays open as long as this has it."""
    return read(file.descriptor, start, size)


def _warm_waiting(file: OpenFile, start: int, size: int) -> int:
    warm(file.descriptor, start, size)
    return size
