"""Messages of any size, with any number of descriptors, over a SOCK_SEQPACKET pair; no side ever waits for the other.

A packet is one byte that says whether its message goes on, a part of the message, and some of its descriptors.  What
the socket does not take waits in the outbox.  What arrives is put together within the bytes that the receiver allows.
"""

import errno
import os
import socket
from collections import deque
from collections.abc import Sequence
from typing import Final

RETRY: Final = 0.01  # seconds until a socket that took nothing is tried again
PART: Final = 32 << 10  # far below the smallest usual send buffer
DESCRIPTORS: Final = 200  # in one packet; the kernel takes 253 (SCM_MAX_FD)
_GOES_ON: Final = b"+"
_ENDS: Final = b"."
_MOST_WAITING: Final = 1000  # packets; then the other side is stuck
# ETOOMANYREFS: as many descriptors are on their way as this user may have open.
_LATER: Final = {errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS, errno.EINTR}


class Broken(Exception):
    """The other side sent what it may not send; the message is a clause that says what."""


class Stuck(OSError):
    """The other side does not take what it is sent."""


class Outbox:
    """What is sent at ``end``, a socket that does not block.  What is sent to a side that is gone is dropped."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._waiting: deque[tuple[bytes, list[int]]] = deque()

    def post(self, message: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send a message.  Raises :class:`Stuck`; then the channel is of no more use."""
        if len(self._waiting) > _MOST_WAITING:
            raise Stuck(errno.EAGAIN, os.strerror(errno.EAGAIN))
        parts = max(1, -(-len(message) // PART), -(-len(descriptors) // DESCRIPTORS))
        for index in range(parts):
            head = _ENDS if index == parts - 1 else _GOES_ON
            part = message[index * PART : (index + 1) * PART]
            self.put(head + part, descriptors[index * DESCRIPTORS : (index + 1) * DESCRIPTORS])

    def put(self, packet: bytes, descriptors: Sequence[int]) -> None:
        """Send one packet as it is.  Raises :class:`Stuck`, as :meth:`post` does."""
        if self._waiting or not self._take(packet, descriptors):
            self._waiting.append((packet, _copies(descriptors)))  # the caller may close its own

    def flush(self) -> bool:
        """Send what waits; false: some of it still waits."""
        while self._waiting:
            packet, descriptors = self._waiting[0]
            if not self._take(packet, descriptors):
                return False
            close_all(descriptors)
            self._waiting.popleft()
        return True

    def clear(self) -> None:
        """At the end of the channel."""
        while self._waiting:
            close_all(self._waiting.popleft()[1])

    def _take(self, packet: bytes, descriptors: Sequence[int]) -> bool:
        try:
            socket.send_fds(self._end, [packet], list(descriptors))
        except OSError as error:
            return error.errno not in _LATER
        return True


class Inbox:
    """What arrives at ``end``.  A message is at most ``limit`` bytes; ``trusting``: it may carry descriptors.

    A side that is not trusted sends none, not even to be closed: closing what another process made can take as long as
    that process wants (SO_LINGER, FUSE).
    """

    def __init__(self, end: socket.socket, limit: int, *, trusting: bool) -> None:
        self._end = end
        self._limit = limit
        self._room = socket.CMSG_SPACE(DESCRIPTORS * 4) if trusting else 0
        self._parts: list[bytes] = []
        self._size = 0
        self._descriptors: list[int] = []
        self._cut = False

    def read(self) -> tuple[bytes, list[int]] | None:
        """Take one packet; the message that it completes, if it does.

        Raises :class:`BlockingIOError` (nothing is there), :class:`EOFError` and :class:`Broken`.
        """
        try:
            packet, extra, flags, _ = self._end.recvmsg(PART + 2, self._room, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            raise
        except OSError:
            raise EOFError from None
        for level, kind, data in extra:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                usable = memoryview(data)[: len(data) // 4 * 4]
                self._descriptors += usable.cast("i")
        if not packet:
            raise EOFError
        self._cut |= bool(flags & socket.MSG_CTRUNC)
        self._size += len(packet) - 1
        head = packet[:1]
        if head not in (_GOES_ON, _ENDS) or flags & socket.MSG_TRUNC or (self._cut and not self._room):
            self._drop()
            raise Broken("a malformed packet")
        if self._size > self._limit:
            self._drop()
            raise Broken(f"a message of more than {self._limit} bytes")
        self._parts.append(packet[1:])
        if head == _GOES_ON:
            return None
        if self._cut:
            self._drop()
            raise Broken("more descriptors than this process may open (ulimit -n)")
        message, descriptors = b"".join(self._parts), self._descriptors
        self._parts, self._size, self._descriptors = [], 0, []
        return message, descriptors

    def _drop(self) -> None:
        close_all(self._descriptors)
        self._parts, self._size, self._descriptors, self._cut = [], 0, [], False


def refuse_descriptors(end: socket.socket) -> None:
    """Have the kernel refuse descriptors that are sent to ``end``, where it can (SO_PASSRIGHTS, Linux 6.16)."""
    try:
        end.setsockopt(socket.SOL_SOCKET, 83, 0)
    except OSError:
        pass


def close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _copies(descriptors: Sequence[int]) -> list[int]:
    made: list[int] = []
    try:
        for descriptor in descriptors:
            made.append(os.dup(descriptor))  # noqa: PERF401 - those before a failure are closed
    except OSError as error:
        close_all(made)
        raise Stuck(error.errno, error.strerror) from None
    return made
