"""Outlets: descriptors for lines of logs, which never block the process that writes.

O_NONBLOCK belongs to the open file description, which other programs share: a shell, a supervisor, the rest of a
pipeline.  So it is never set on what was inherited.  By kind of file:

- a regular file does not block, and is written as it is;
- a pipe or a terminal is opened anew through /proc/self/fd, which makes a description of our own;
- a socket, which cannot be opened, is sent to with MSG_DONTWAIT;
- a pipe that may not be opened (another user made it, or there is no /proc) is filled by splice(2) out of a pipe of
  our own, because splice has a flag for not waiting;
- what is left, such as another user's terminal, is polled before each small piece.

Outlets are opened by the master, with its rights, and inherited.
"""

import errno
import os
import select
import signal
import socket
import stat
from collections.abc import Callable
from typing import Final

_PIPE_BUF: Final = 4096  # writes of at most this many bytes to a pipe are whole or not at all
_WIDEST: Final = 4000  # bytes of a line; longer ones are folded, so that each fits into one write
_SMALL: Final = 64  # bytes that a polled terminal has room for

Send = Callable[[bytes], int]


class Outlet:
    """``send`` writes, as ``write`` does, to ``descriptor``.  ``whole``: in pieces that end with a line, each of which
    is taken at once or not at all, because other processes write to the same file."""

    def __init__(self, descriptor: int, send: Send, *, whole: bool) -> None:
        self.descriptor = descriptor
        self._send = send
        self._whole = whole
        self.widest = _WIDEST if whole else 0  # bytes of a line that is not folded
        self._rest = b""  # of what has been taken: not written yet

    @classmethod
    def opened(cls, descriptor: int) -> "Outlet":
        """Of a file that rsp has opened itself, with O_NONBLOCK."""
        return cls(descriptor, _writing(descriptor), whole=not stat.S_ISREG(os.fstat(descriptor).st_mode))

    def put(self, data: bytes) -> bool:
        """Whether it takes ``data``, the end of which may be written later.  Raises :class:`OSError`."""
        if self._rest and not self.flush():
            return False
        if self._whole and len(data) > _PIPE_BUF:
            data = _folded(data)
        self._rest = data
        try:
            self.flush()
        except OSError:  # of a full disk, which may have taken some: then the rest follows when there is room
            if len(self._rest) == len(data):
                self._rest = b""
                raise
        taken = len(self._rest) < len(data) or not data
        if not taken:
            self._rest = b""
        return taken

    @property
    def waiting(self) -> int:
        """Lines that have been taken, and are not written yet, not whole at least."""
        return self._rest.count(b"\n")

    def flush(self) -> bool:
        """Whether all is written that has been taken.  Raises :class:`OSError`."""
        data, start = self._rest, 0
        try:
            while start < len(data):
                end = len(data)
                if self._whole and end - start > _PIPE_BUF:
                    end = data.rfind(b"\n", start, start + _PIPE_BUF) + 1 or start + _PIPE_BUF
                start += self._send(data[start:end])
        except BlockingIOError:
            pass
        finally:
            self._rest = data[start:]
        return not self._rest

    def close(self) -> None:
        if self.descriptor > 2:
            os.close(self.descriptor)


def _folded(data: bytes) -> bytes:
    lines = data.split(b"\n")
    if max(map(len, lines)) > _WIDEST:
        for index, line in enumerate(lines):
            if len(line) > _WIDEST:
                lines[index] = b"\n    ".join(line[at : at + _WIDEST] for at in range(0, len(line), _WIDEST))
        data = b"\n".join(lines)
    return data


_standard: dict[int, Outlet] = {}


def standard(descriptor: int) -> Outlet:
    """The outlet of standard output (1) or standard error (2).

    The first call opens it.  From then on it may have another descriptor, and what is written to 1 or 2 past it
    does not block either; see :func:`strays`.
    """
    if descriptor not in _standard:
        _standard[descriptor] = _open_standard(descriptor)
    return _standard[descriptor]


def _open_standard(descriptor: int) -> Outlet:
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISREG(kind) or stat.S_ISBLK(kind):
        return Outlet(descriptor, _writing(descriptor), whole=False)
    own = -1 if stat.S_ISSOCK(kind) else _anew(descriptor)
    if own >= 0:
        os.dup2(own, descriptor)
        os.close(own)
        return Outlet(descriptor, _writing(descriptor), whole=True)
    kept = os.dup(descriptor)
    send = _sending(kept) if stat.S_ISSOCK(kind) else _splicing(kept) if stat.S_ISFIFO(kind) else _polling(kept)
    _catch_strays(descriptor)
    return Outlet(kept, send, whole=True)


def _anew(descriptor: int) -> int:
    """Another description of the same file; -1 where that cannot be had."""
    names = [f"/proc/self/fd/{descriptor}"]
    try:
        os.tcgetpgrp(descriptor)
        names.append("/dev/tty")  # it is our terminal, which may be opened by this name whatever its owner
    except OSError:
        pass
    for name in names:
        try:
            return os.open(name, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            pass
    return -1


# -- ways to write


def _writing(descriptor: int) -> Send:
    if not os.isatty(descriptor):
        return lambda data: os.write(descriptor, data)

    def send(data: bytes) -> int:
        # With `stty tostop` a process in the background is stopped when it writes, unless the signal is blocked.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTTOU,))
        try:
            return os.write(descriptor, data)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTTOU,))

    return send


def _sending(descriptor: int) -> Send:
    sender = socket.socket(fileno=descriptor)
    return lambda data: sender.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def _splicing(descriptor: int) -> Send:
    """By way of a pipe that all processes of this instance share: what is in it goes on with whichever comes next."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    polling = _polling(descriptor)

    def pump() -> None:
        try:
            while os.splice(reading, descriptor, 1 << 16, flags=os.SPLICE_F_NONBLOCK):
                pass
        except BlockingIOError:
            pass

    def send(data: bytes) -> int:
        try:
            pump()
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.EINVAL, errno.EPERM):
                raise
            return polling(data)
        count = os.write(writing, data)
        pump()
        return count

    return send


def _polling(descriptor: int) -> Send:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    write = _writing(descriptor)

    def send(data: bytes) -> int:
        if not poll.poll(0):
            raise BlockingIOError
        return write(data[:_SMALL])

    return send


# -- what is written past the outlets

_strays: dict[int, int] = {}  # where to read it, by standard descriptor


def _catch_strays(descriptor: int) -> None:
    """Tracebacks, faulthandler and libraries write to ``descriptor`` itself: it becomes a pipe that never blocks."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    os.dup2(writing, descriptor)
    os.close(writing)
    _strays[descriptor] = reading


def catch_strays(descriptor: int) -> Outlet:
    """The outlet of a standard descriptor, past which nothing is written any more but by way of :func:`strays`."""
    outlet = standard(descriptor)
    if descriptor not in _strays:
        kept = os.dup(descriptor)
        whole = not stat.S_ISREG(os.fstat(kept).st_mode)
        outlet = _standard[descriptor] = Outlet(kept, _writing(kept), whole=whole)
        _catch_strays(descriptor)
    return outlet


def strays(form: Callable[[bytes], bytes]) -> None:
    """Pass on what was written to a standard descriptor past its outlet, in another form; called every tick."""
    for descriptor, reading in _strays.items():
        outlet = _standard[descriptor]
        try:
            while outlet.flush() and (data := os.read(reading, 1 << 16)):
                outlet.put(form(data))
        except OSError:
            pass
