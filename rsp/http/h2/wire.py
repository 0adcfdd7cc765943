"""Frames as bytes (RFC 9113 section 4.1), and heads as HTTP/1 has them.  The compiled twin is wire.pyx."""

import struct
from typing import Final

from rsp.http.h2.frames import DATA, END_HEADERS, END_STREAM, FRAME_HEAD, HEADERS

_HEAD: Final = struct.Struct(">HBBBI")
_NUMBER: Final = (1 << 31) - 1


class FrameHead:
    """``size`` of the payload in bytes, ``kind``, ``flags``, ``number`` of the stream."""

    __slots__ = ("flags", "kind", "number", "size")

    def __init__(self) -> None:
        self.size = self.kind = self.flags = self.number = 0

    def read(self, data: bytes, at: int) -> None:
        """There are nine bytes from ``at`` on."""
        high, low, self.kind, self.flags, number = _HEAD.unpack_from(data, at)
        self.size = high << 8 | low
        self.number = number & _NUMBER


def frame_head(size: int, kind: int, flags: int, number: int) -> bytes:
    return _HEAD.pack(size >> 8, size & 255, kind, flags, number)


def data_frames(queue: list[bytes], offset: int, size: int, number: int, most: int, last: bool) -> bytes:
    """DATA frames of at most ``most`` bytes each, with ``size`` bytes from the front of ``queue``, of whose first
    piece ``offset`` bytes are gone; ``last``: the stream ends with them.  ``size`` may be 0 then: one empty frame."""
    if size < 0 or most <= 0:
        raise ValueError("no size of frames")
    body = b"".join(queue) if len(queue) > 1 else queue[0] if queue else b""
    frames: list[bytes] = []
    for at in range(offset, offset + size, most) or (offset,):
        end = min(at + most, offset + size)
        frames += (frame_head(end - at, DATA, END_STREAM if last and end == offset + size else 0, number), body[at:end])
    return b"".join(frames)


def whole_message(block: bytes, body: bytes, number: int) -> bytes:
    """HEADERS and DATA, each one frame, which end the stream."""
    head = frame_head(len(block), HEADERS, END_HEADERS, number)
    return b"".join((head, block, frame_head(len(body), DATA, END_STREAM, number), body))


def request_block(method: bytes, path: bytes, host: bytes, extra: bytes, lines: bytes) -> bytes:
    """A request's head in HTTP/1's form; ``extra`` and ``lines``: with CRLF behind each."""
    return b"".join((method, b" ", path, b" HTTP/1.1\r\nHost: ", host, b"\r\n", extra, lines, b"\r\n"))


def advance(queue: list[bytes], offset: int, size: int) -> int:
    """Take ``size`` bytes from the front of ``queue``; returns the offset in what is its first piece then."""
    size += offset
    gone = 0
    while gone < len(queue) and size >= len(queue[gone]):
        size -= len(queue[gone])
        gone += 1
    del queue[:gone]
    return size


def number_at(data: bytes, at: int) -> int:
    """Of four bytes."""
    return int.from_bytes(data[at : at + 4], "big")


__all__ = [
    "FRAME_HEAD",
    "FrameHead",
    "advance",
    "data_frames",
    "frame_head",
    "number_at",
    "request_block",
    "whole_message",
]
