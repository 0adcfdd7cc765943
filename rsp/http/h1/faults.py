"""What is wrong with a head: too long, not beginning as one, or refused by the strict expression."""

import re
from typing import Final

from rsp.http.errors import ProtocolError

_STRAY: Final = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|\x00")
STRAY_BUT_LF: Final = re.compile(rb"\r(?!\n|\Z)|\x00")
_PREFACE: Final = b"PRI * HTTP/2.0"  # what a client of HTTP/2 begins with
_VERSION: Final = re.compile(rb"HTTP/[0-9]\.[0-9]")
FIELD_LINE: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t -~\x80-\xff]*+")


def check_size(data: bytes, line_limit: int, head_limit: int) -> None:
    """Raises :class:`ProtocolError` with 414 or 431 for a head, or the beginning of one, that is too long."""
    line = data.find(b"\r\n")
    if (line if line >= 0 else len(data)) > line_limit:
        raise ProtocolError("the request line is too long", 414)
    if len(data) > head_limit:
        raise ProtocolError("the head is too large", 431)


def find_stray(data: bytes | bytearray, start: int) -> bool:
    """Whether ``data`` from ``start`` on, an unfinished head, holds a bare CR, a bare LF or a NUL already."""
    return _STRAY.search(data, start) is not None


def explain(block: bytes, *, request: bool) -> ProtocolError:
    """Say what is wrong with a head that the strict expression refused."""
    if find_stray(block, 0):
        return ProtocolError("bare CR, bare LF or NUL in the head")
    start, _, fields = block.partition(b"\r\n")
    for line in fields.split(b"\r\n")[:-2]:
        if line[:1] in (b" ", b"\t"):
            return ProtocolError("obsolete line folding")
        if FIELD_LINE.fullmatch(line) is None:
            return ProtocolError("malformed field line")
    if request:
        if start == _PREFACE:
            return ProtocolError("this port does not speak HTTP/2", 505)
        version = start.rpartition(b" ")[2]
        if _VERSION.fullmatch(version) and version[:7] != b"HTTP/0.":
            known = version in (b"HTTP/1.0", b"HTTP/1.1")
            return ProtocolError("malformed request line", 400) if known else ProtocolError("HTTP version", 505)
        return ProtocolError("malformed request line")
    return ProtocolError("malformed status line")
