"""Compressed heads (RFC 7541): a block of a connection's bytes to fields, and fields to such a block.

Rules of this room: what is decoded is checked here as far as RFC 9113 sections 8.2 and 8.3 say it of any message;
``heads`` knows requests and responses.  A block that cannot be decoded ends the connection, because its tables are not
the same on both sides any more; a field that is not valid is a fault of one message, and decoding goes on.

Field lines are HTTP/1's, ``name: value`` and CRLF, so a head goes through rsp as one block of bytes, whatever protocol
brought it.  The compiled twin is hpack.pyx.
"""

import re
from collections import deque
from typing import Final

from rsp.http.h2 import field_rules as rules
from rsp.http.h2 import huffman, indexing
from rsp.http.h2.errors import Http2Error
from rsp.http.h2.frames import COMPRESSION_ERROR
from rsp.http.h2.static_table import NUMBERS, STATIC

TABLE: Final = 4096  # bytes of a dynamic table, unless the decoder's side says otherwise
OVERHEAD: Final = 32  # of a field, in sizes of tables and of heads
_LONGEST_INTEGER: Final = 4  # bytes behind its first: 28 bits
_MOST_RESIZES: Final = 2  # the smallest size since the last block, and the last one

_PSEUDO: Final = {
    rules.METHOD: "method",
    rules.SCHEME: "scheme",
    rules.AUTHORITY: "authority",
    rules.PATH: "path",
    rules.PROTOCOL: "protocol",
    rules.STATUS: "status",
}


_URGENCY: Final = re.compile(rb"u=[0-7]")


class Fields:
    """One decoded section: a head or trailers."""

    def __init__(self) -> None:
        self.method: bytes | None = None
        self.scheme: bytes | None = None
        self.authority: bytes | None = None
        self.path: bytes | None = None
        self.protocol: bytes | None = None
        self.status: bytes | None = None
        self.host: bytes | None = None  # not in ``lines``
        self.lines = (
            b""  # of regular fields; those of Cookie are one, in the place of the first (RFC 9113 section 8.2.3)
        )
        self.count = 0
        self.size = 0  # bytes, as RFC 9113 section 6.5.2 counts them
        self.length = -1  # Content-Length; -1: there is none
        self.urgency = -1  # of Priority (RFC 9218 section 4.1), 0 to 7; -1: it is not said
        self.fault = ""  # why the message is malformed; ``lines`` ends before it
        self.too_large = False  # ``lines`` ends before what was too much


class Decoder:
    """What the other side's encoder says.  ``capacity``: of the dynamic table, as announced in SETTINGS."""

    def __init__(self, capacity: int = TABLE) -> None:
        self._capacity = capacity
        self._most = min(capacity, TABLE)  # the other side may not have seen SETTINGS
        self._size = 0
        self._table: deque[tuple[bytes, bytes]] = deque()  # the newest first

    def decode(self, block: bytes, limit: int, trailers: bool) -> Fields:
        """A whole field block.  Of fields above ``limit`` bytes nothing is kept, but that there were too many.

        Raises :class:`Http2Error` with COMPRESSION_ERROR for a block that is not valid.
        """
        section = _Section(limit, trailers)
        at = resizes = 0
        while at < len(block):
            first = block[at]
            if first & 0x80:
                index, at = _integer(block, at, 7)
                name, value = self._entry(index)
            elif first & 0x40:
                name, value, at = self._literal(block, at, 6)
                self._insert(name, value)
            elif first & 0x20:
                size, at = _integer(block, at, 5)
                resizes += 1
                if section.fields.count or resizes > _MOST_RESIZES:
                    raise _error("a table size update in the wrong place")
                self._resize(size)
                continue
            else:
                name, value, at = self._literal(block, at, 4)
            section.add(name, value)
        return section.end()

    def _literal(self, block: bytes, at: int, bits: int) -> tuple[bytes, bytes, int]:
        index, at = _integer(block, at, bits)
        if index:
            name = self._entry(index)[0]
        else:
            name, at = _string(block, at)
        value, at = _string(block, at)
        return name, value, at

    def _entry(self, index: int) -> tuple[bytes, bytes]:
        if 0 < index <= len(STATIC):
            return STATIC[index - 1]
        index -= len(STATIC) + 1
        if not 0 <= index < len(self._table):
            raise _error("an index that is not in the table")
        return self._table[index]

    def _insert(self, name: bytes, value: bytes) -> None:
        size = len(name) + len(value) + OVERHEAD
        self._evict(self._most - size)
        if size <= self._most:
            self._table.appendleft((name, value))
            self._size += size

    def _resize(self, size: int) -> None:
        if size > self._capacity:
            raise _error("a table size above what SETTINGS allow")
        self._most = size
        self._evict(size)

    def _evict(self, size: int) -> None:
        """Entries until the table has at most ``size`` bytes, or none."""
        while self._table and self._size > size:
            name, value = self._table.pop()
            self._size -= len(name) + len(value) + OVERHEAD


class _Section:
    """Fields as they come."""

    def __init__(self, limit: int, trailers: bool) -> None:
        self.fields = Fields()
        self._limit = limit
        self._trailers = trailers
        self._lines: list[bytes] = []
        self._cookies: list[bytes] = []
        self._place = 0  # of Cookie in the lines
        self._regular = False

    def add(self, name: bytes, value: bytes) -> None:
        fields = self.fields
        fields.count += 1
        fields.size += len(name) + len(value) + OVERHEAD
        if fields.size > self._limit:
            fields.too_large = True
        if not fields.too_large and not fields.fault:
            fields.fault = self._take(name, value)

    def _take(self, name: bytes, value: bytes) -> str:
        """Returns what is wrong with the field, or an empty text."""
        kind = rules.kind_of(name)
        if kind == rules.INVALID:
            return rules.BAD_NAME
        if kind == rules.UNKNOWN:
            return rules.UNKNOWN_PSEUDO
        if kind == rules.CONNECTION:
            return rules.CONNECTION_SPECIFIC
        if not rules.is_value(value):
            return rules.BAD_VALUE
        if rules.METHOD <= kind <= rules.STATUS:
            return self._pseudo(_PSEUDO[kind], value)
        self._regular = True
        if kind == rules.HOST:
            return self._host(value)
        if kind == rules.COOKIE:
            if not self._cookies:
                self._place = len(self._lines)
            self._cookies.append(value)
            return ""
        if kind == rules.LENGTH and (fault := self._length(value)):
            return fault
        if kind == rules.PRIORITY and self.fields.urgency < 0 and _URGENCY.match(value):
            self.fields.urgency = value[2] - 48
        if kind == rules.TE and value.lower() != b"trailers":
            return rules.BAD_TE
        self._lines.append(b"%b: %b\r\n" % (name, value))
        return ""

    def _pseudo(self, attribute: str, value: bytes) -> str:
        if self._trailers:
            return rules.PSEUDO_IN_TRAILERS
        if self._regular:
            return rules.PSEUDO_LATE
        if getattr(self.fields, attribute) is not None:
            return rules.PSEUDO_TWICE
        setattr(self.fields, attribute, value)
        return ""

    def _host(self, value: bytes) -> str:
        if self.fields.host is not None:
            return rules.SECOND_HOST
        self.fields.host = value
        return ""

    def _length(self, value: bytes) -> str:
        if self.fields.length >= 0:
            return rules.SECOND_LENGTH
        if not value.isdigit() or len(value) > rules.LONGEST_LENGTH:
            return rules.BAD_LENGTH
        self.fields.length = int(value)
        return ""

    def end(self) -> Fields:
        if self._cookies:
            self._lines.insert(self._place, b"cookie: %b\r\n" % b"; ".join(filter(None, self._cookies)))
        self.fields.lines = b"".join(self._lines)
        return self.fields


def _error(reason: str) -> Http2Error:
    return Http2Error(COMPRESSION_ERROR, reason)


def _byte(block: bytes, at: int) -> int:
    if at >= len(block):
        raise _error("a field block that ends too early")
    return block[at]


def _integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """RFC 7541 section 5.1: the number, and the position behind it."""
    most = (1 << bits) - 1
    number = _byte(block, at) & most
    at += 1
    if number < most:
        return number, at
    for shift in range(0, 7 * _LONGEST_INTEGER, 7):
        byte = _byte(block, at)
        at += 1
        number += (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise _error("an integer that is too large")


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    """RFC 7541 section 5.2."""
    coded = _byte(block, at) & 0x80
    size, at = _integer(block, at, 7)
    end = at + size
    if end > len(block):
        raise _error("a field block that ends too early")
    text = block[at:end]
    return huffman.decode(text) if coded else text, end


class Encoder:
    """What the other side's decoder is told.

    Lines are known again by their bytes, so a field whose name is written in two ways is in the table twice.
    """

    def __init__(self) -> None:
        self._capacity = TABLE
        self._resizes: list[int] = []  # to be told with the next block
        self._size = 0
        self._added = 0
        self._numbers: dict[bytes, int] = {}  # the oldest first; counted from the first one ever
        self._sizes: deque[int] = deque()
        self._recent: deque[bytes] = deque(maxlen=indexing.RECENT)

    def resize(self, capacity: int) -> None:
        """The other side's SETTINGS_HEADER_TABLE_SIZE, of which 4,096 bytes are used at most."""
        capacity = min(capacity, TABLE)
        if capacity == self._capacity:
            return
        lowest = min([*self._resizes, capacity])
        self._resizes = [capacity] if capacity == lowest else [lowest, capacity]
        self._capacity = capacity
        self._evict(capacity)

    def response(self, status: int, fields: bytes, length: int) -> bytes:
        """``fields``: lines with CRLF, names in any case; ``length``: Content-Length; -1: none."""
        out = self._begin()
        self._pseudo(out, b":status", b"%d" % status)
        self._lines(out, fields.split(b"\r\n"))
        if length >= 0:
            _put_literal(out, 0, NUMBERS[b"content-length"], b"", b"%d" % length)
        return bytes(out)

    def request(
        self, method: bytes, scheme: bytes, authority: bytes, path: bytes, protocol: bytes, fields: bytes, extra: bytes
    ) -> bytes:
        """``fields``, ``extra``: as of :meth:`response`; ``authority`` and ``protocol`` may be empty."""
        out = self._begin()
        self._pseudo(out, b":method", method)
        self._pseudo(out, b":scheme", scheme)
        if authority:
            self._pseudo(out, b":authority", authority)
        self._pseudo(out, b":path", path)
        if protocol:
            _put_literal(out, 0, 0, b":protocol", protocol)
        self._lines(out, fields.split(b"\r\n"))
        self._lines(out, extra.split(b"\r\n"))
        return bytes(out)

    def trailers(self, lines: list[bytes]) -> bytes:
        """``lines``: without CRLF."""
        out = self._begin()
        self._lines(out, lines)
        return bytes(out)

    def _begin(self) -> bytearray:
        out = bytearray()
        for size in self._resizes:
            _put_integer(out, 0x20, 5, size)
        self._resizes = []
        return out

    def _pseudo(self, out: bytearray, name: bytes, value: bytes) -> None:
        known = _STATIC_NUMBERS.get((name, value))
        if known is not None:
            out.append(0x80 | known)
            return
        number = NUMBERS[name]
        self._put(out, bytes((number,)) + value, number, name, value)

    def _lines(self, out: bytearray, lines: list[bytes]) -> None:
        for line in lines:
            self._line(out, line)

    def _line(self, out: bytearray, line: bytes) -> None:
        if self._known(out, line):
            return
        name, colon, value = line.partition(b":")
        if not colon:
            return
        name = name.lower()
        value = value.strip(b" \t")
        number = NUMBERS.get(name, 0)
        if name in indexing.SECRET or (name == b"cookie" and len(value) < indexing.SHORT_COOKIE):
            _put_literal(out, 0x10, number, name, value)
        elif name in indexing.PASSING:
            _put_literal(out, 0, number, name, value)
        elif rules.KINDS.get(name) != rules.CONNECTION and (name != b"te" or value.lower() == b"trailers"):
            self._put(out, line, number, name, value)

    def _known(self, out: bytearray, key: bytes) -> bool:
        added = self._numbers.get(key)
        if added is None:
            return False
        _put_integer(out, 0x80, 7, len(STATIC) + self._added - added)
        return True

    def _put(self, out: bytearray, key: bytes, number: int, name: bytes, value: bytes) -> None:
        """A field that may go into the table: ``key`` tells it from others."""
        if self._known(out, key):
            return
        if (len(key) + OVERHEAD) * indexing.SHARE > self._capacity:
            _put_literal(out, 0, number, name, value)
        elif key in self._recent:
            size = len(name) + len(value) + OVERHEAD
            _put_literal(out, 0x40, number, name, value)
            self._evict(self._capacity - size)
            self._numbers[key] = self._added
            self._sizes.append(size)
            self._size += size
            self._added += 1
        else:
            self._recent.append(key)
            _put_literal(out, 0, number, name, value)

    def _evict(self, size: int) -> None:
        while self._size > size:
            del self._numbers[next(iter(self._numbers))]
            self._size -= self._sizes.popleft()


_STATIC_NUMBERS: Final = {field: number for number, field in enumerate(STATIC, 1) if field[0][:1] == b":" and field[1]}


def _put_integer(out: bytearray, first: int, bits: int, number: int) -> None:
    """Behind the flags in ``first``."""
    most = (1 << bits) - 1
    if number < most:
        out.append(first | number)
        return
    out.append(first | most)
    number -= most
    while number > 0x7F:
        out.append(0x80 | number & 0x7F)
        number >>= 7
    out.append(number)


def _put_literal(out: bytearray, first: int, number: int, name: bytes, value: bytes) -> None:
    """``number``: of the name in the static table, or 0."""
    _put_integer(out, first, 6 if first == 0x40 else 4, number)
    if not number:
        _put_integer(out, 0, 7, len(name))
        out += name
    _put_integer(out, 0, 7, len(value))
    out += value
