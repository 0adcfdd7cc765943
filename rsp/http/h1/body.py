"""Message bodies (RFC 9112 sections 6 and 7): decoders that are fed what arrives and hand out payload.

A decoder is one object per message.  ``feed(data)`` returns the pieces of payload in ``data``, as few copies
as possible; when the message ends, ``done`` is true and ``rest`` holds what came after it.
"""

import re
from typing import Final

from rsp.http.errors import ProtocolError
from rsp.http.h1.faults import FIELD_LINE
from rsp.http.names import sound_trailers

# A chunk-size line, its extensions included, and all the trailers together may be this long.
SIZE_LINE_LIMIT: Final = 256
TRAILERS_LIMIT: Final = 8192
_TRAILERS: Final = 100  # fields
_FEW: Final = 16  # pieces; more of them are joined, as each is an object and its consumers walk over all of them

_DIGITS: Final = frozenset(bytes((digit,)) for digit in b"0123456789abcdefABCDEF") | {b""}
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*+"'
_EXTENSION = rb"[\t ]*+;[\t ]*+" + _TOKEN + rb"(?:[\t ]*+=[\t ]*+(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?+"
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15}+)(?:" + _EXTENSION + rb")*+\r\n")


class Decoder:
    """What all of them have: after the end, ``rest`` and the ``trailers``, which only a chunked body can have.

    ``more``: a share is used up, so some of what was fed is left; ``feed(b"")`` goes on with it.
    """

    __slots__ = ("done", "more", "rest", "trailers")

    def __init__(self) -> None:
        self.done = False
        self.more = False
        self.rest = b""
        self.trailers: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        raise NotImplementedError


class LengthDecoder(Decoder):
    """A body of ``length`` bytes, at least one (Content-Length)."""

    __slots__ = ("remaining",)

    def __init__(self, length: int) -> None:
        super().__init__()
        self.remaining = length

    def feed(self, data: bytes) -> list[bytes]:
        size = len(data)
        if size < self.remaining:
            self.remaining -= size
            return [data]
        self.done = True
        if size > self.remaining:
            self.rest = data[self.remaining :]
            data = data[: self.remaining]
        self.remaining = 0
        return [data]


class CloseDecoder(Decoder):
    """A response body that ends where the connection ends; ``done`` is for the owner of the connection to say."""

    __slots__ = ()

    def feed(self, data: bytes) -> list[bytes]:
        return [data]


class ChunkedDecoder(Decoder):
    """A chunked body (RFC 9112 section 7.1).  Extensions are checked and dropped; trailers end in ``trailers``.

    ``share``: chunks that one call takes, because a read can hold 40,000 of a byte each; 0: all.

    Raises :class:`ProtocolError` for sizes with signs, spaces or too many digits, a missing CRLF, and
    extensions or trailers that are malformed or too long.  However small the pieces are in which they arrive, each
    byte of the trailers is looked at once.
    """

    __slots__ = ("_held", "_in_trailers", "_lines", "_remaining", "_searched", "_share", "_trailers_size")

    def __init__(self, share: int = 0) -> None:
        super().__init__()
        self._share = share
        self._held = b""  # the beginning of a size line or of a trailer, or what is left
        self._searched = 0  # there is no end of a line in it before this
        self._lines: list[bytes] = []  # whole trailers
        self._trailers_size = 0
        self._remaining = 0  # of the current chunk, its final CRLF included
        self._in_trailers = False

    def feed(self, data: bytes) -> list[bytes]:
        pieces: list[bytes] = []
        if self._held:
            data = self._held + data
            self._held = b""
        position, size, chunks = 0, len(data), 0
        self.more = False
        while position < size:
            if self._remaining:
                position = self._payload(data, position, pieces)
                chunks += 1
                if chunks >= self._share > 0 and position < size:
                    self._held = data[position:]
                    self.more = True
                    break
            elif self._in_trailers:
                self._end(data, position)
                break
            else:
                line = _SIZE_LINE.match(data, position, position + SIZE_LINE_LIMIT)
                if line is None:
                    self._hold_size_line(data[position:])
                    break
                chunks += (line.end() - position) >> 6  # extensions are work, too
                position = line.end()
                length = int(line[1], 16)
                if length:
                    self._remaining = length + 2
                else:
                    self._in_trailers = True
        return [b"".join(pieces)] if len(pieces) > _FEW else pieces

    def _payload(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        """Take what ``data`` has of the current chunk; return the position behind it."""
        available = len(data) - position
        payload = min(self._remaining - 2, available)
        if payload > 0:
            whole = payload == len(data)
            pieces.append(data if whole else data[position : position + payload])
            position += payload
            available -= payload
            self._remaining -= payload
        if self._remaining <= 2 and available:
            ending = data[position : position + self._remaining]
            if not b"\r\n"[2 - self._remaining :].startswith(ending):
                raise ProtocolError("chunk longer than its size")
            self._remaining -= len(ending)
            position += len(ending)
        return position

    def _hold_size_line(self, held: bytes) -> None:
        """Keep an unfinished size line, unless it can never become a good one."""
        if len(held) >= SIZE_LINE_LIMIT or b"\n" in held or held[:1] not in _DIGITS:
            raise ProtocolError("malformed chunk size")
        self._held = held

    def _end(self, data: bytes, position: int) -> None:
        """Take whole trailers from ``position`` on, up to the empty line behind them; keep the beginning of one."""
        while True:
            end = data.find(b"\n", position + self._searched)
            size = (end + 1 if end >= 0 else len(data)) - position
            if self._trailers_size + size > TRAILERS_LIMIT:
                raise ProtocolError("trailers too long")
            if end < 0:
                self._held = data[position:]
                self._searched = size
                return
            line = data[position : end + 1]
            position = end + 1
            self._searched = 0
            self._trailers_size += size
            if line == b"\r\n":
                break
            if line[-2:] != b"\r\n" or FIELD_LINE.fullmatch(line, 0, size - 2) is None:
                raise ProtocolError("malformed trailers")
            if len(self._lines) == _TRAILERS:
                raise ProtocolError("too many trailers")
            self._lines.append(line[:-2])
        self.trailers = sound_trailers(self._lines)
        self.rest = data[position:]
        self.done = True


def encode_chunk(pieces: list[bytes]) -> list[bytes]:
    """One chunk made of ``pieces`` (not all empty), as a list of buffers to write."""
    return [b"%x\r\n" % sum(map(len, pieces)), *pieces, b"\r\n"]


def encode_last_chunk(trailers: list[bytes]) -> bytes:
    """The end of a chunked body, with trailer field lines (without CRLF) if there are any."""
    if not trailers:
        return b"0\r\n\r\n"
    return b"0\r\n" + b"\r\n".join(trailers) + b"\r\n\r\n"
