"""One connection to a Redis server: commands go out at once, replies come in their order.

Rules of this room: it does not know where the server is, and makes no second connection.  Each call is answered, with
a reply or with :class:`Unavailable`, within the time limit.
"""

import asyncio
import os
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

from rsp.engines.failures import Unreachable
from rsp.engines.resp import NOTHING, ErrorReply, Given, Malformed, Parser, encode

_MOST_CALLS: Final = 10_000  # under way
_MOST_UNSENT: Final = 4 << 20
_SHARE: Final = 500  # elements of replies in a turn of the loop: 0.5 ms
_REPLIES: Final = 32  # in a turn: each may let a hook go on
CLOSED: Final = ("the server has closed the connection", "the connection is lost")
_KEEPALIVE: Final = (10, 3, 3)  # seconds of silence before the first probe, between probes, probes

Done = Callable[[Any], object]


class Unavailable(Unreachable):
    """No reply."""


class Link(asyncio.Protocol):
    """``done`` of each call gets its reply, an :class:`ErrorReply` or :class:`Unavailable`; exactly once.

    ``over``: it can be used no more.
    ``lost``: called once, with a clause that says why, when the connection is no more; not after :meth:`close`.
    """

    def __init__(self, timeout: float, limit: int, lost: Callable[[str], None]) -> None:
        self._timeout = timeout
        self._lost: Callable[[str], None] | None = lost
        self._loop = asyncio.get_running_loop()
        self._parser = Parser(limit)
        self._calls: deque[tuple[Done, float]] = deque()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._working = False
        self.over = False

    # -- calls

    def send(self, command: bytes, done: Done) -> None:
        transport = self._transport
        if self.over or transport is None:
            done(Unavailable("the connection is closed"))
        elif len(self._calls) >= _MOST_CALLS or transport.get_write_buffer_size() > _MOST_UNSENT:
            done(Unavailable("too many calls wait for its replies"))
        else:
            now = self._loop.time()
            self._calls.append((done, now))
            if self._timer is None:
                self._timer = self._loop.call_at(now + self._timeout, self._look)
            transport.write(command)

    async def call(self, *given: Given) -> Any:
        """Raises :class:`ErrorReply` or :class:`Unavailable`."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self.send(encode(given), lambda reply: settle(future, reply))
        return await future

    def close(self) -> None:
        self._end("the connection is closed", tell=False)

    # -- what happens to it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        known = transport.get_extra_info("socket")
        if known is not None and known.family != socket.AF_UNIX:
            _keep_alive(known)

    def data_received(self, data: bytes) -> None:
        self._parser.feed(data)
        if not self._working:
            self._work()

    def eof_received(self) -> None:
        self._end(CLOSED[0])

    def connection_lost(self, error: Exception | None) -> None:
        self._end(CLOSED[1])

    def _work(self) -> None:
        """Replies, as many as one turn of the loop allows."""
        self._working = False
        parser = self._parser
        parser.share = _SHARE
        try:
            for _ in range(_REPLIES):
                if self.over or (reply := parser.next()) is NOTHING:
                    break
                if not self._calls:
                    raise Malformed("it sends an unexpected reply")
                self._calls.popleft()[0](reply)
            else:
                parser.share = 0
        except Malformed as error:
            self._end(str(error))
        if parser.share <= 0 and not self.over:
            self._pause()

    def _pause(self) -> None:
        """The rest in the next turn."""
        if self._transport is not None:
            self._transport.pause_reading()
        self._working = True
        self._loop.call_soon(self._resume)

    def _resume(self) -> None:
        if not self.over and self._transport is not None:
            self._transport.resume_reading()
            self._work()

    def _look(self) -> None:
        """Whether the oldest call has waited too long."""
        self._timer = None
        if self._calls:
            due = self._calls[0][1] + self._timeout
            if due <= self._loop.time():
                self._end(f"it does not respond within {self._timeout:g} s")
            else:
                self._timer = self._loop.call_at(due, self._look)

    def _end(self, why: str, tell: bool = True) -> None:
        if self.over:
            return
        self.over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        lost, self._lost = self._lost, None
        if tell and lost is not None:
            lost(why)
        calls, self._calls = self._calls, deque()
        for done, _ in calls:
            done(Unavailable(why))


def settle(future: "asyncio.Future[Any]", reply: Any) -> None:
    if future.done():
        return
    if isinstance(reply, (ErrorReply, Unavailable)):
        future.set_exception(reply)
    else:
        future.set_result(reply)


def reason(error: BaseException) -> str:
    """What went wrong, as a clause."""
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, OSError) and error.errno and not isinstance(error, (ssl.SSLError, socket.gaierror)):
        return os.strerror(error.errno)
    return (str(error) or type(error).__name__).partition("\n")[0][:200]


def _keep_alive(of: socket.socket) -> None:
    """A peer that vanishes is noticed without a call that waits for it."""
    idle, interval, probes = _KEEPALIVE
    of.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    of.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle)
    of.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, interval)
    of.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, probes)
    of.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
