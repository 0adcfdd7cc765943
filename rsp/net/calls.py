"""The system calls of the hot path.  ``None`` or 0 say that the call would block; errors raise :class:`OSError`.

``calls.pyx`` is this module's compiled twin.
"""

import os
import select
import socket
from time import monotonic as monotonic
from typing import Final

READ_SIZE: Final = 256 << 10


def receive(descriptor: int) -> bytes | None:
    """What has arrived, at most ``READ_SIZE`` bytes; empty when the other side sends no more."""
    try:
        return os.read(descriptor, READ_SIZE)
    except BlockingIOError:
        return None


def send(descriptor: int, data: bytes, offset: int) -> int:
    """Write ``data`` from ``offset`` on; how many bytes were taken."""
    try:
        return os.write(descriptor, memoryview(data)[offset:] if offset else data)
    except BlockingIOError:
        return 0


def send_both(descriptor: int, first: bytes, second: bytes) -> int:
    """Write one behind the other; how many bytes of both were taken."""
    try:
        return os.writev(descriptor, (first, second))
    except BlockingIOError:
        return 0


def send_more(descriptor: int, data: bytes) -> int:
    """As :func:`send`, where more follows at once: the kernel waits for it."""
    sock = socket.socket(fileno=descriptor)
    try:
        return sock.send(data, socket.MSG_MORE)
    except BlockingIOError:
        return 0
    finally:
        sock.detach()


def send_file(descriptor: int, file: int, start: int, size: int) -> int:
    """Write ``size`` bytes of the open ``file`` from ``start`` on; how many were taken, -1: the file ends before."""
    try:
        return os.sendfile(descriptor, file, start, size) or -1
    except BlockingIOError:
        return 0


def accept(descriptor: int) -> tuple[int, bytes] | None:
    """A new connection at a listening socket: its descriptor, non-blocking, and the client's address without port,
    ``unix:`` for a local one.  An IPv4 client of a socket for both families has its IPv4 address."""
    listening = socket.socket(fileno=descriptor)
    try:
        sock, peer = listening.accept()
    except BlockingIOError:
        return None
    finally:
        listening.detach()
    sock.setblocking(False)
    if not isinstance(peer, tuple):
        return sock.detach(), b"unix:"
    host = peer[0].removeprefix("::ffff:") if "." in peer[0] else peer[0]
    return sock.detach(), host.encode()


def has_news(descriptor: int) -> bool:
    """Whether a connection has ended, or has something to read."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLRDHUP)
    return bool(poll.poll(0))


def acknowledge(descriptor: int) -> None:
    """Tell the sender of a TCP connection at once that its data have come (``TCP_QUICKACK``); others need none.

    A sender that writes a head and then a body waits for that with the body (RFC 1122 section 4.2.3.4, Nagle's
    algorithm), 40 ms where this side's kernel delays acknowledgements.
    """
    if descriptor < 0:  # closed meanwhile
        return
    sock = socket.socket(fileno=descriptor)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    except OSError:  # not TCP
        pass
    finally:
        sock.detach()


def close(descriptor: int) -> None:
    """Of a connection."""
    os.close(descriptor)


class Epoll:
    """An epoll set (epoll(7)).  ``IN`` and ``OUT`` of :mod:`select` are its events.

    ``spin``: nanoseconds for which :meth:`look`, compiled, asks again and again before it sleeps.
    """

    __slots__ = ("_found", "_set", "spin")

    def __init__(self) -> None:
        self.spin = 0
        self._set = select.epoll()
        self._found: list[tuple[int, int]] = []

    def fileno(self) -> int:
        return self._set.fileno()

    def add(self, descriptor: int, events: int) -> None:
        self._set.register(descriptor, events)

    def change(self, descriptor: int, events: int) -> None:
        self._set.modify(descriptor, events)

    def remove(self, descriptor: int) -> None:
        self._set.unregister(descriptor)

    def look(self, most: int, wait: int) -> int:
        """How many descriptors are ready, ``most`` at most, after ``wait`` milliseconds at most, -1: however long it
        takes; which they are is asked until the next look."""
        self._found = self._set.poll(wait / 1000 if wait > 0 else wait, most)
        return len(self._found)

    def descriptor(self, number: int) -> int:
        """Of those that the last look has found."""
        return self._found[number][0]

    def events(self, number: int) -> int:
        return self._found[number][1]

    def close(self) -> None:
        self._set.close()
