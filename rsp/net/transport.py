"""An open connection.

The lesson that rsp began with: what the other side cannot take is kept, in order, and its writer is told to
pause; nothing is dropped, nothing blocks.  The protocol learns of the end exactly once, and never from within a call
of its own.
"""

import errno
import socket
import struct
from typing import Final

from rsp.net.calls import close, receive, send, send_both, send_file, send_more
from rsp.net.poller import IN, OUT, Poller, Watched
from rsp.net.proxy_header import Address
from rsp.net.timing import timing, undelivered
from rsp.system.sockets import UNSENT, bound_unsent

_JOIN_BELOW: Final = 16 << 10  # small pieces that wait are kept as one: a piece costs 50 bytes and a system call
_NO_BOUND: Final = (1 << 31) - 1
_BROKEN_PIPE: Final = errno.EPIPE
# What sendfile says of the file, not of the socket; read(2) says it again.
_OF_FILES: Final = frozenset((errno.EINVAL, errno.EIO, errno.ENOSYS, errno.EOPNOTSUPP, errno.EOVERFLOW, errno.ESTALE))
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class Protocol:
    """The owner of a transport, and what the transport tells it.  The names are those of :class:`asyncio.Protocol`."""

    __slots__ = ("transport",)

    def __init__(self) -> None:
        self.transport: Transport

    def data_received(self, data: bytes) -> None:
        """Some bytes, never none."""
        raise NotImplementedError

    def go_on(self) -> None:
        """Another turn for what was left, see :meth:`Transport.later`."""
        raise NotImplementedError

    def flush(self) -> None:
        """The end of the turn, see :meth:`Transport.flush_later`."""

    def eof_received(self) -> bool:
        """The other side sends no more.  Whether to go on writing; the transport closes otherwise."""
        raise NotImplementedError

    def reads_on(self) -> bool:
        """Writing has failed: whether what the other side sent before that is of use."""
        return False

    def connection_lost(self, error: OSError | None) -> None:
        """The end.  ``error``: what the kernel said, if it was not a proper one."""
        raise NotImplementedError

    def pause_writing(self) -> None:
        """More than ``limit`` bytes wait."""
        raise NotImplementedError

    def resume_writing(self) -> None:
        """Few bytes wait."""
        raise NotImplementedError


class Transport(Watched):
    """Owns ``descriptor``, a connected non-blocking socket.  Acceptor and connector choose a connection's transport."""

    # fmt: off
    __slots__ = (
        "_backlog", "_ended", "_error", "_finishing", "_full", "_limit", "_offset", "_poller", "_protocol",
        "closing", "leaving", "left", "paused", "round_trip", "waiting",
    )
    # fmt: on

    def __init__(self, poller: Poller, descriptor: int) -> None:
        self.set_up(poller, descriptor)

    def set_up(self, poller: Poller, descriptor: int) -> None:
        """What the constructor does, for the acceptor, which makes many."""
        self.descriptor = descriptor
        self.events = 0
        self._poller = poller
        self._protocol: Protocol | None = None
        self._limit = 0
        self._backlog: list[bytes] | None = None
        self._offset = 0  # of the first piece of the backlog, what is sent already
        self._ended = False  # the other side sends no more
        self._error: OSError | None = None
        self._finishing = False  # close the sending side after the backlog
        self._full = False  # the protocol was told to pause
        self.paused = False  # the protocol does not want to read
        self.closing = False
        self.leaving = False  # what is written next is the last; over TLS it takes the end along
        self.left = False  # the protocol holds bytes that it will look at in the next turn
        self.round_trip = 0.0  # in seconds; known after a failure
        self.waiting = 0  # bytes of the backlog

    def begin(self, protocol: Protocol, limit: int) -> None:
        """Read, and tell ``protocol``, which is its owner from now on.  ``limit``: see ``pause_writing``."""
        self._protocol = protocol
        self._limit = limit
        self._poller.want(self, IN)

    # -- reading

    def ready(self, events: int) -> None:
        if (self.waiting or self._full) and events & ~IN:
            self._flush()
        if self.events & IN and events & ~OUT and not self.left:
            self._read()

    def _read(self) -> None:
        protocol = self._protocol
        if protocol is None:
            return
        try:
            data = receive(self.descriptor)
        except OSError as error:
            self._fail(error)
            return
        if data:
            protocol.data_received(data)
        elif data is not None:
            self._read_eof(protocol)

    def _read_eof(self, protocol: Protocol) -> None:
        if self._error is not None and self._error.errno != _BROKEN_PIPE:
            self._fail(self._error)  # a reset, of which writing has heard; after a proper end it is a broken pipe
            return
        self._ended = True
        if protocol.eof_received():
            self._want()
        else:
            self.close()

    def later(self) -> None:
        """The protocol has used its share of this turn, and holds more: it goes on in the next turn.  Nothing is
        read before that."""
        self.left = True
        self._poller.again(self)

    def turn(self) -> None:
        self.left = False
        if not self.closing and self._protocol is not None:
            self._protocol.go_on()

    def flush_later(self) -> None:
        """The protocol has collected something to write: it does so at the end of this turn."""
        self._poller.flush_later(self)

    def flush(self) -> None:
        if not self.closing and self._protocol is not None:
            self._protocol.flush()

    def pause_reading(self) -> None:
        self.paused = True
        self._want()

    def resume_reading(self) -> None:
        self.paused = False
        self._want()

    def _want(self) -> None:
        if self.descriptor >= 0:
            reading = not (self.paused or self._ended or self.closing)
            self._poller.want(self, (IN if reading else 0) | (OUT if self.waiting or self._full else 0))

    # -- writing

    def write(self, data: bytes) -> None:
        if self.closing or self._finishing:
            return
        sent = 0
        if not self.waiting:
            try:
                sent = send(self.descriptor, data, 0)
            except OSError as error:
                self._fail_writing(error)
                return
            if sent == len(data):
                return
        self._hold(data, sent)

    def write_both(self, first: bytes, second: bytes) -> None:
        """Two pieces in one system call."""
        if self.closing or self._finishing:
            return
        sent = 0
        if not self.waiting:
            try:
                sent = send_both(self.descriptor, first, second)
            except OSError as error:
                self._fail_writing(error)
                return
            if sent == len(first) + len(second):
                return
        if sent < len(first):
            self._hold(first, sent)
            sent = len(first)
        self._hold(second, sent - len(first))

    def _hold(self, data: bytes, sent: int) -> None:
        """Keep ``data`` but what is ``sent`` of it, which can only be when nothing waits."""
        backlog = self._backlog
        if backlog is None:
            backlog = self._backlog = []
        if not self.waiting:
            self._offset = sent
        if backlog and len(backlog[-1]) + len(data) < _JOIN_BELOW:
            backlog[-1] += data
        else:
            backlog.append(data)
        self.waiting += len(data) - sent
        self._want()
        if self.waiting > self._limit and not self._full and self._protocol is not None:
            self._full = True
            self._protocol.pause_writing()

    def takes_files(self) -> bool:
        """Whether :meth:`write_file` is of use: bytes go to the kernel as they are."""
        return True

    def write_file(self, first: bytes, file: int, start: int, size: int) -> int:
        """``first``, then what the kernel takes now of ``size`` bytes of the open ``file``; how many of these.

        Fewer: the protocol is told to pause, and to resume when there is room.  -1: the file ends before, or cannot be
        sent so.
        """
        if self.closing or self._finishing:
            return 0
        sent = 0
        try:
            if first:
                self._write_first(first)
            if not self.waiting:
                sent = send_file(self.descriptor, file, start, size)
        except OSError as error:
            if error.errno in _OF_FILES:
                return -1
            self._fail_writing(error)
            return 0
        if 0 <= sent < size and not self._full:
            self._fill()
        return sent

    def give_room(self, much: bool) -> None:
        """``much``: the kernel takes as much as its own limits allow; what it takes of a file it does not copy.  Else
        only what it can send soon: the rest waits here, where backpressure sees it."""
        if self.descriptor >= 0:
            bound_unsent(self.descriptor, _NO_BOUND if much else UNSENT)

    def _write_first(self, data: bytes) -> None:
        """Raises :class:`OSError`."""
        sent = 0 if self.waiting else send_more(self.descriptor, data)
        if sent < len(data):
            self._hold(data, sent)

    def _fill(self) -> None:
        """It takes no more for now."""
        self._full = True
        self._want()
        if self._protocol is not None:
            self._protocol.pause_writing()

    def _flush(self) -> None:
        backlog = self._backlog
        try:
            while backlog and self.waiting:
                size = len(backlog[0]) - self._offset
                sent = send(self.descriptor, backlog[0], self._offset)
                self.waiting -= sent
                if sent < size:
                    self._offset += sent
                    break
                self._offset = 0
                del backlog[0]
        except OSError as error:
            self._fail_writing(error)
            return
        if not self.waiting:
            self._backlog = None
        if self._full and self.waiting <= self._limit >> 2 and self._protocol is not None:
            self._full = False
            self._protocol.resume_writing()
        if not self.waiting and self.descriptor >= 0:
            if self.closing:
                self._end(None)
            else:
                if self._finishing:
                    self._shut_down()
                self._want()

    def untaken(self) -> int:
        """Bytes that the other side has not taken yet, those in the kernel included: a socket is writable only once
        there is much room, so what a slow client takes shows only there."""
        return self.waiting + undelivered(self.descriptor) if self.descriptor >= 0 else 0

    def write_eof(self) -> None:
        """Send no more, after what waits."""
        if not (self.closing or self._finishing):
            self._finishing = True
            if not self.waiting:
                self._shut_down()

    def _shut_down(self) -> None:
        sock = socket.socket(fileno=self.descriptor)
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # reset meanwhile; reading says so
        finally:
            sock.detach()

    # -- the end

    def close(self) -> None:
        """Read no more; end when what waits has been sent."""
        if not self.closing:
            self.closing = True
            if self.waiting:
                self._want()
            else:
                self._end(None)

    def abort(self) -> None:
        """End now, whatever waits."""
        if self.descriptor >= 0:
            self._end(None)

    def reset(self) -> None:
        """As :meth:`abort`, so that the other side knows that this is no proper end."""
        if self.descriptor >= 0:
            sock = socket.socket(fileno=self.descriptor)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            sock.detach()
            self._end(None)

    def broken(self) -> None:
        self.abort()

    def _fail(self, error: OSError) -> None:
        if self.descriptor >= 0:
            self.round_trip = timing(self.descriptor)[0]
            self._end(error)

    def _fail_writing(self, error: OSError) -> None:
        """The other side has closed.  What it sent before that, an early answer, is still in the kernel."""
        if self.closing or self._ended or self._protocol is None or not self._protocol.reads_on():
            self._fail(error)
            return
        self.round_trip = timing(self.descriptor)[0]
        self._error = error
        self._finishing = True
        self._full = False
        self.waiting = 0
        self._backlog = None
        self._want()

    def _end(self, error: OSError | None) -> None:
        self.closing = True
        self.waiting = 0
        self._backlog = None
        self._error = error or self._error
        self._poller.forget(self)
        close(self.descriptor)
        self.descriptor = -1
        self._poller.close_later(self)

    def closed(self) -> None:
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connection_lost(self._error)

    def own_address(self) -> tuple[str, int] | None:
        """The local host and port; ``None`` for a local socket."""
        sock = socket.socket(fileno=self.descriptor)
        try:
            name = sock.getsockname()
        finally:
            sock.detach()
        return (name[0], name[1]) if isinstance(name, tuple) else None

    def ends(self) -> tuple[Address, Address] | None:
        """The host and port of the other side, and the own ones; ``None``: a local socket, or it is closed."""
        if self.descriptor < 0:
            return None
        sock = socket.socket(fileno=self.descriptor)
        try:
            there, here = sock.getpeername(), sock.getsockname()
        except OSError:
            return None
        finally:
            sock.detach()
        return (there[:2], here[:2]) if isinstance(there, tuple) else None
