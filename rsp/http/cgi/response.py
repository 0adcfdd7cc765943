"""The head of a response as a script writes it (RFC 3875 section 6): fields without a status line.

It is written anew as a server of HTTP/1.1 would have written it, and read by the reader of those, which has the last
word.
"""

import re
from typing import Final

from rsp.http.errors import ProtocolError
from rsp.http.h1.head import parse_response
from rsp.http.h1.lenient import read_head
from rsp.http.lines import get
from rsp.http.message import CHUNKED, UNTIL_CLOSE, ResponseHead
from rsp.http.values import PHRASES

_END: Final = re.compile(rb"\n\r?\n")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[0-9][\t ]++(.*)", re.DOTALL)
_STATUS: Final = re.compile(rb"[\t ]*+([2-5][0-9][0-9])(?:[\t ]++(.*?))?[\t ]*", re.DOTALL)


def end_of_head(data: bytes | bytearray, start: int) -> int:
    """The position behind the first empty line in ``data``, looked for from ``start`` on; -1 when there is none."""
    found = _END.search(data, start)
    return found.end() if found is not None else -1


def read_response(block: bytes, method: bytes, limit: int, strict: bool, date: bytes = b"") -> ResponseHead:
    """``block``: a whole head, its empty line included.  Its body ends where the peer says so, if it has no length.

    ``date``: a response has it that says none itself: of one by a script, rsp is the origin server (RFC 9110 section
    6.6.1).  Raises :class:`ProtocolError`.
    """
    if block.count(b"\n") - 1 > limit:
        raise ProtocolError("too many fields")
    written = _as_http(block)
    try:
        head = parse_response(written, method, limit)
    except ProtocolError:
        if strict:
            raise
        found, _ = read_head(written, 0, method, limit, False)
        if found is None:
            raise
        head = found
    if head.framing == UNTIL_CLOSE:
        head.framing = CHUNKED
    head.keep_alive = True
    head.connection_bound = False  # all clients share the connection
    head.upgrade = b""
    if date and get(head.fields, b"date") is None:
        head.fields += b"Date: %b\r\n" % date
    return head


def _as_http(block: bytes) -> bytes:
    """With a status line in the place of Status."""
    lines = [line[:-1] if line[-1:] == b"\r" else line for line in block.split(b"\n")[:-2]]
    names = [line.partition(b":")[0].rstrip(b"\t ").lower() for line in lines]
    if b"transfer-encoding" in names:
        raise ProtocolError("a Transfer-Encoding, which a script must not send")
    if names.count(b"status") > 1:
        raise ProtocolError("more than one Status")
    first = _STATUS_LINE.fullmatch(lines[0]) if lines else None
    kept = [line for line, name in zip(lines, names, strict=True) if name != b"status"]
    if first is not None:
        said, kept = first[1], kept[1:]
    elif b"status" in names:
        said = lines[names.index(b"status")].partition(b":")[2]
    else:
        said = b"302 Found" if b"location" in names else b"200 OK"  # RFC 3875 section 6.2
    status = _STATUS.fullmatch(said)
    if status is None:
        raise ProtocolError("malformed Status")
    reason = status[2] or PHRASES.get(int(status[1]), b"")
    return b"\r\n".join([b"HTTP/1.1 %b %b" % (status[1], reason), *kept, b"", b""])
