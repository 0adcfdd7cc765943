"""The records of FastCGI (version 1): what a request is written in, and what a response is read from.

A connection carries one request at a time, whose number is 1.  Without sockets: bytes in, bytes out.
"""

import struct
from typing import Final

from rsp.http.errors import ProtocolError

_HEAD: Final = struct.Struct(">BBHHBx")  # version, type, number of the request, content, padding
_VERSION: Final = 1
_NUMBER: Final = 1
BEGIN: Final = 1
END: Final = 3
PARAMS: Final = 4
STDIN: Final = 5
STDOUT: Final = 6
STDERR: Final = 7
_KEEP_CONN: Final = 1
_RESPONDER: Final = 1
_END_SIZE: Final = 8
_MOST: Final = 65535  # bytes of content
_LONG: Final = 128  # a length from here on takes four bytes
_RECORDS: Final = 512  # in a turn; a read can hold thousands of a byte each
_SAID: Final = 4096  # bytes of STDERR that are kept of what is fed at once

COMPLETE: Final = 0
_STATUSES: Final = {
    1: "is asked for one request at a time, and says that it cannot take several (FCGI_CANT_MPX_CONN)",
    2: "is overloaded (FCGI_OVERLOADED)",
    3: "is no responder (FCGI_UNKNOWN_ROLE)",
}


def begin(keep: bool) -> bytes:
    """The first record; ``keep``: the connection is for other requests, too."""
    return _record(BEGIN, struct.pack(">HB5x", _RESPONDER, _KEEP_CONN if keep else 0))


def params(pairs: list[tuple[bytes, bytes]]) -> bytes:
    """The variables and their end.  PHP reads no variable that begins in one record and ends in the next one, so each
    is whole.

    Raises :class:`ValueError` for one that is larger than a record.
    """
    made: list[bytes] = []
    filling: list[bytes] = []
    size = 0
    for name, value in pairs:
        of_name, of_value = len(name), len(value)
        if of_name < _LONG and of_value < _LONG:
            pair = b"%c%c%b%b" % (of_name, of_value, name, value)
        else:
            pair = _length(of_name) + _length(of_value) + name + value
        if len(pair) > _MOST:
            raise ValueError(f"{name.decode('latin-1')} is too large for FastCGI")
        if size + len(pair) > _MOST:
            made.append(_record(PARAMS, b"".join(filling)))
            filling, size = [], 0
        filling.append(pair)
        size += len(pair)
    if filling:
        made.append(_record(PARAMS, b"".join(filling)))
    return b"".join([*made, _record(PARAMS, b"")])


def stdin(pieces: list[bytes], last: bool) -> bytes:
    """Some of the request's body; ``last``: its end, too."""
    made = [_record(STDIN, piece[at : at + _MOST]) for piece in pieces for at in range(0, len(piece), _MOST)]
    if last:
        made.append(_record(STDIN, b""))
    return b"".join(made)


def _record(kind: int, content: bytes) -> bytes:
    return _HEAD.pack(_VERSION, kind, _NUMBER, len(content), 0) + content


def _length(size: int) -> bytes:
    return bytes((size,)) if size < _LONG else struct.pack(">I", size | 1 << 31)


class RecordReader:
    """What a peer answers with.

    ``done``    the response's last record has been read
    ``fault``   why the peer has not served the request, if it says so; a clause
    ``more``    a share is used up, so some of what was fed is left; ``feed(b"")`` goes on with it
    ``rest``    something came behind the last record
    ``said``    what it has written to STDERR, the beginning
    """

    __slots__ = ("_closed", "_held", "_kind", "_left", "_padding", "done", "fault", "more", "rest", "said")

    def __init__(self) -> None:
        self.done = False
        self.fault = ""
        self.more = False
        self.rest = False
        self.said = b""
        self._held = b""  # the beginning of a record's head, or what is left
        self._kind = 0
        self._left = 0  # of the record's content
        self._padding = 0
        self._closed = False  # STDOUT

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces of STDOUT in ``data``, none of them empty.  Raises :class:`ProtocolError`."""
        if self._held:
            data, self._held = self._held + data, b""
        pieces: list[bytes] = []
        position, size, records = 0, len(data), 0
        self.more = False
        while position < size and not self.done:
            if self._left:
                if self._kind == END and self._left > size - position:
                    break  # it is read as a whole
                position = self._content(data, position, pieces)
            elif self._padding:
                skipped = min(self._padding, size - position)
                self._padding -= skipped
                position += skipped
            elif size - position < _HEAD.size:
                break
            elif records == _RECORDS:
                self.more = True
                break
            else:
                self._begin(data, position)
                position += _HEAD.size
                records += 1
        if not self.done:
            self._held = data[position:]
        else:
            self.rest = size - position != self._padding
        return pieces

    def _begin(self, data: bytes, position: int) -> None:
        version, kind, number, self._left, self._padding = _HEAD.unpack_from(data, position)
        if version != _VERSION:
            http = data.startswith(b"HTTP/", position)
            raise ProtocolError("speaks HTTP, not FastCGI" if http else "not a record of FastCGI 1")
        if kind not in (STDOUT, STDERR, END):
            raise ProtocolError(f"a record of type {kind}")
        if number != _NUMBER:
            raise ProtocolError(f"a record for request {number}, which was not sent")
        if kind == END and self._left != _END_SIZE:
            raise ProtocolError("a malformed end")
        if kind == STDOUT:
            if self._closed and self._left:
                raise ProtocolError("more of STDOUT behind its end")
            self._closed = not self._left
        self._kind = kind

    def _content(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        """Take what ``data`` has of the record's content; return the position behind it."""
        taken = min(self._left, len(data) - position)
        content = data[position : position + taken]
        self._left -= taken
        if self._kind == STDOUT:
            pieces.append(content)
        elif self._kind == STDERR:
            self.said = (self.said + content)[:_SAID] if len(self.said) < _SAID else self.said
        else:
            self.done = True
            self.fault = "" if content[4] == COMPLETE else _STATUSES.get(content[4], f"protocol status {content[4]}")
        return position + taken

    def take_said(self) -> bytes:
        said, self.said = self.said, b""
        return said
