"""RESP, the protocol of Redis and Valkey (version 2), without sockets: commands to bytes, bytes to replies.

Rules of this room: what arrives is hostile.  A reply is bounded in bytes, elements and depth before anything is kept of
it, and the caller says how many elements are read in one turn of its loop.
"""

from typing import Any, Final

from rsp.engines.failures import plain

MOST_ELEMENTS: Final = 20_000  # of one reply
_MOST_DEPTH: Final = 8
_LONGEST_LINE: Final = 4096
_MOST_DIGITS: Final = 20
_COMPACT: Final = 1 << 16

Given = bytes | str | int | float


class Malformed(Exception):
    """This is not RESP, or more than is allowed."""


class ErrorReply(Exception):
    """What the server answered instead: ``code`` as in ``WRONGTYPE``, and a text that may be shown."""

    def __init__(self, line: bytes) -> None:
        # Servers repeat the arguments of commands that they do not know: passwords and values.
        text = plain(line.decode("utf-8", "replace").partition(", with args")[0].partition("args beginning")[0], 200)
        super().__init__(text)
        self.code = text.partition(" ")[0]


class _Nothing:
    """There is no further reply yet."""


NOTHING: Final = _Nothing()


def encode(given: tuple[Given, ...]) -> bytes:
    """One command."""
    parts = [b"*%d\r\n" % len(given)]
    for item in given:
        data = item if isinstance(item, bytes) else str(item).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


class Parser:
    """``share``: how many elements may yet be read in this turn; when it is used up there may be more replies.

    Replies are ``bytes``, ``int``, ``None``, lists of those, and :class:`ErrorReply`.
    """

    __slots__ = ("_at", "_buffer", "_elements", "_end", "_levels", "_limit", "_room", "_size", "share")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._at = 0
        self._levels: list[tuple[list[Any], int]] = []  # lists that are not whole, and their lengths
        self._room = limit
        self._elements = MOST_ELEMENTS
        self._size = -1  # of the text whose head has been read
        self._end = 0  # no line ends before this
        self.share = 0

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> Any:
        """A reply, or ``NOTHING``.  Raises :class:`Malformed`."""
        levels = self._levels
        while self.share > 0:
            item = self._item()
            if item is NOTHING:
                return NOTHING
            self.share -= 1
            while levels and item is not levels:
                items, length = levels[-1]
                items.append(item)
                if len(items) < length:
                    break
                levels.pop()
                item = items
            if not levels:
                self._room, self._elements = self._limit, MOST_ELEMENTS
                return item
        return NOTHING

    def _item(self) -> Any:
        """One element, ``NOTHING``, or ``_levels`` itself if a list has begun."""
        if self._size >= 0:
            return self._text()
        line = self._line()
        if line is None:
            return NOTHING
        self._elements -= 1
        if self._elements < 0:
            raise Malformed("a reply has too many elements")
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            self._size = _number(rest)
            if self._size > self._room:
                raise Malformed("a reply is too large")
            return self._text() if self._size >= 0 else None
        if kind == b"*":
            return self._begin(_number(rest))
        if kind == b":":
            return _number(rest)
        if kind == b"+":
            return rest
        if kind == b"-":
            return ErrorReply(rest)
        raise Malformed("its data is not in the Redis protocol")

    def _begin(self, length: int) -> Any:
        """A list."""
        if length <= 0:
            return [] if length == 0 else None
        if length > self._elements or len(self._levels) >= _MOST_DEPTH:
            raise Malformed("a reply has too many elements")
        self._levels.append(([], length))
        return self._levels

    def _line(self) -> bytes | None:
        buffer, at = self._buffer, self._at
        end = buffer.find(b"\r\n", max(at, self._end - 1))
        if end < 0:
            self._end = len(buffer)
            if len(buffer) - at > _LONGEST_LINE:
                raise Malformed("its data is not in the Redis protocol")
            self._compact()
            return None
        line = bytes(buffer[at:end])
        self._take(end + 2 - at)
        return line

    def _text(self) -> Any:
        size, at, buffer = self._size, self._at, self._buffer
        if len(buffer) < at + size + 2:
            self._compact()
            return NOTHING
        if buffer[at + size : at + size + 2] != b"\r\n":
            raise Malformed("its data is not in the Redis protocol")
        text = bytes(buffer[at : at + size])
        self._size = -1
        self._take(size + 2)
        return text

    def _take(self, size: int) -> None:
        """So many bytes have been read."""
        self._at += size
        self._room -= size
        if self._room < -_LONGEST_LINE:
            raise Malformed("a reply is too large")
        if self._at == len(self._buffer) or self._at > _COMPACT:
            self._compact()

    def _compact(self) -> None:
        if self._at:
            del self._buffer[: self._at]
            self._end = max(self._end - self._at, 0)
            self._at = 0


def _number(text: bytes) -> int:
    """int() takes spaces and underscores, and long ones for long."""
    digits = text[1:] if text[:1] in (b"-", b"+") else text
    if not digits.isdigit() or len(digits) > _MOST_DIGITS:
        raise Malformed("its data is not in the Redis protocol")
    return int(text)
