"""Message bodies (RFC 9112 sections 6 and 7): decoders that are fed what arrives and hand out payload.

A decoder is one object per message.  ``feed(data)`` returns the pieces of payload in ``data``, as few copies
as possible; when the message ends, ``done`` is true and ``rest`` holds what came after it.
"""

import re
from typing import Final

from rsp.http1.errors import ProtocolError
from rsp.http1.head import find_stray

# A chunk-size line, its extensions included, and all the trailers together may be this long.
SIZE_LINE_LIMIT: Final = 256
TRAILERS_LIMIT: Final = 8192

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})((?:[ \t]*;[\t -~\x80-\xff]*)?)\r\n")
_TRAILERS = re.compile(rb"((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t -~\x80-\xff]*+\r\n)*+)\r\n")
# Fields that frame, route or authenticate a message mean nothing behind it (RFC 9110 section 6.5.1).
_NOT_IN_TRAILERS: Final = frozenset((
    b"content-length", b"transfer-encoding", b"host", b"connection", b"keep-alive", b"te", b"trailer", b"upgrade",
    b"authorization", b"cookie", b"set-cookie", b"content-encoding", b"content-type", b"content-range", b"expect",
    b"proxy-connection", b"proxy-authorization", b"cache-control", b"max-forwards", b"range",
))  # fmt: skip


class Decoder:
    """What all of them have: after the end, ``rest`` and the ``trailers``, which only a chunked body can have."""

    __slots__ = ("done", "rest", "trailers")

    def __init__(self) -> None:
        self.done = False
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

    Raises :class:`ProtocolError` for sizes with signs, spaces or too many digits, a missing CRLF, and
    extensions or trailers that are malformed or too long.
    """

    __slots__ = ("_held", "_in_trailers", "_remaining")

    def __init__(self) -> None:
        super().__init__()
        self._held = b""  # the beginning of a size line or of the trailers
        self._remaining = 0  # of the current chunk, its final CRLF included
        self._in_trailers = False

    def feed(self, data: bytes) -> list[bytes]:
        pieces: list[bytes] = []
        if self._held:
            data = self._held + data
            self._held = b""
        position, size = 0, len(data)
        while position < size:
            if self._remaining:
                position = self._payload(data, position, pieces)
            elif self._in_trailers:
                self._end(data, position)
                break
            else:
                line = _SIZE_LINE.match(data, position, position + SIZE_LINE_LIMIT)
                if line is None:
                    self._hold_size_line(data[position:])
                    break
                position = line.end()
                length = int(line[1], 16)
                if length:
                    self._remaining = length + 2
                else:
                    self._in_trailers = True
        return pieces

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
        digits = held.lstrip(b"0123456789abcdefABCDEF")
        count = len(held) - len(digits)
        unfinished = (
            count <= 15
            and (count > 0 or not held)
            and (not digits or digits == b"\r" or re.fullmatch(rb"[ \t]*(?:;[\t -~\x80-\xff]*\r?)?", digits))
        )
        if not unfinished or len(held) >= SIZE_LINE_LIMIT:
            raise ProtocolError("malformed chunk size")
        self._held = held

    def _end(self, data: bytes, position: int) -> None:
        match = _TRAILERS.match(data, position)
        if match is None:
            self._hold_trailers(data[position:])
            return
        if match.end() - position > TRAILERS_LIMIT:
            raise ProtocolError("trailers too long")
        self.trailers = [
            line for line in match[1].split(b"\r\n")[:-1]
            if line.partition(b":")[0].lower() not in _NOT_IN_TRAILERS
        ]  # fmt: skip
        self.rest = data[match.end() :]
        self.done = True

    def _hold_trailers(self, held: bytes) -> None:
        whole, _, _ = held.rpartition(b"\r\n")
        if len(held) > TRAILERS_LIMIT:
            raise ProtocolError("trailers too long")
        if b"\r\n\r\n" in held or (whole and _TRAILERS.fullmatch(whole + b"\r\n\r\n") is None):
            raise ProtocolError("malformed trailers")
        if find_stray(held, 0) or held[:1] in (b" ", b"\t", b":"):
            raise ProtocolError("malformed trailers")
        self._held = held


def encode_chunk(pieces: list[bytes]) -> list[bytes]:
    """One chunk made of ``pieces`` (not all empty), as a list of buffers to write."""
    return [b"%x\r\n" % sum(map(len, pieces)), *pieces, b"\r\n"]


def encode_last_chunk(trailers: list[bytes]) -> bytes:
    """The end of a chunked body, with trailer field lines (without CRLF) if there are any."""
    if not trailers:
        return b"0\r\n\r\n"
    return b"0\r\n" + b"\r\n".join(trailers) + b"\r\n\r\n"
