"""Frames as bytes (RFC 9113 section 4.1).  The compiled twin is wire.pyx."""

import struct
from typing import Final

from rsp.http.h2.frames import END_STREAM, FRAME_HEAD

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
        frames += (frame_head(end - at, 0, END_STREAM if last and end == offset + size else 0, number), body[at:end])
    return b"".join(frames)


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


__all__ = ["FRAME_HEAD", "FrameHead", "advance", "data_frames", "frame_head", "number_at"]
