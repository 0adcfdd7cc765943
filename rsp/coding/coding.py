"""What a content coding offers.

Each library has exceptions of its own, and all of them can be out of memory: callers catch :class:`Exception`.
"""

from typing import Any, Final

CHUNK: Final = 64 << 10  # bytes that are coded at once


class Stream:
    """One body on its way."""

    __slots__ = ()

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; what is ready of the result, often nothing."""
        raise NotImplementedError

    def flush(self) -> bytes:
        """As much of the result as a client needs to decode everything that was fed."""
        raise NotImplementedError

    def end(self) -> bytes:
        """The rest of the result.  Nothing is fed after it."""
        raise NotImplementedError


class ObjectStream(Stream):
    """By an object as Python's zlib has them; ``flush``, ``end``: what its ``flush`` takes."""

    __slots__ = ("_end", "_flush", "_made")

    def __init__(self, made: Any, flush: int, end: int) -> None:
        self._made = made
        self._flush = flush
        self._end = end

    def feed(self, data: bytes) -> bytes:
        return bytes(self._made.compress(data))

    def flush(self) -> bytes:
        return bytes(self._made.flush(self._flush))

    def end(self) -> bytes:
        return bytes(self._made.flush(self._end))


class Coding:
    """``name``: in Accept-Encoding; ``line``: the field that names it; ``memory``: the most that a stream takes."""

    __slots__ = ("line", "memory", "name")

    def __init__(self, name: bytes, memory: int) -> None:
        self.name = name
        self.line = b"Content-Encoding: %b\r\n" % name
        self.memory = memory

    def whole(self, data: bytes, level: int) -> bytes:
        """``data`` at once."""
        raise NotImplementedError

    def stream(self, level: int) -> Stream:
        raise NotImplementedError
