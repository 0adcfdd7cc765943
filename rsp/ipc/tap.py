"""The tap: what processes show the control process of single requests and messages, while it wants to see them.

One datagram socket pair for all.  Every process may write; only the control process reads.  Writing never waits: what
the socket does not take is dropped, and the writer counts it.  While there is no control process, what fits into
the socket stays for the next one, and the rest is dropped.

The reader trusts no writer: a datagram is bounded, and one that is malformed is skipped.
"""

import contextlib
import os
import socket
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from rsp.ipc.spans import MOST_SPANS, Span

LARGEST: Final = 64 << 10  # bytes of a datagram
_LONGEST: Final = 4000  # characters of a message
_BUFFER: Final = 4 << 20  # bytes that wait for the reader; without the right to it, what the system allows
_SO_SNDBUFFORCE: Final = 32

Count = Annotated[int, Meta(ge=0, le=1 << 53)]


class Seen(Struct, frozen=True, tag="r"):
    """Requests that a watch matches.  ``data``: a line of JSON for each.  ``dropped``: how many this worker could not
    show for this watch since its last message."""

    watch: Count
    data: bytes
    dropped: Count = 0


class Logged(Struct, frozen=True, tag="l"):
    """A line of the log.  ``level`` as in syslog(3), ``at`` in seconds since the epoch."""

    level: Annotated[int, Meta(ge=0, le=7)]
    at: float
    pid: Count
    text: str


class Spans(Struct, frozen=True, tag="s"):
    """Spans of one request."""

    spans: Annotated[list[Span], Meta(max_length=MOST_SPANS)]


Message = Seen | Logged | Spans

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Message)


class Tap:
    """Create it before forking.  ``reading`` is for the control process, ``writing`` for all."""

    def __init__(self) -> None:
        self.reading, self.writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self.reading, self.writing):
            end.setblocking(False)
        try:
            self.writing.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _BUFFER)
        except OSError:
            self.writing.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)

    def put(self, message: Message) -> bool:
        """Whether there was room for it."""
        data = _encoder.encode(message)
        if len(data) > LARGEST:
            return False
        try:
            self.writing.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:
            return False
        return True

    def log(self, level: int, at: float, text: str) -> None:
        """For :func:`rsp.logs.log.show`; what is dropped is in the log all the same."""
        self.put(Logged(level, at, os.getpid(), text[:_LONGEST].encode("utf-8", "replace").decode()))

    def take(self, most: int) -> list[Message]:
        """Of what has been written, ``most`` datagrams."""
        messages = []
        with contextlib.suppress(OSError):
            for _ in range(most):
                data = self.reading.recv(LARGEST + 1)
                with contextlib.suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
                    messages.append(_decoder.decode(data))
        return messages

    def close(self) -> None:
        self.reading.close()
        self.writing.close()
