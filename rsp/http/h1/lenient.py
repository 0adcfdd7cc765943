"""Response heads that are not quite right, but leave no doubt (RFC 9112 sections 2.2, 4, 5 and 6.3).

Rules of this room: the strict reader has refused what comes here.  It is written anew as a strict peer would have
written it, and read once more by the strict reader, which has the last word; so nothing of it reaches a client as it
was, and what leaves a doubt about where the response ends stays refused.  Requests never come here.
"""

import re
from typing import Final

from rsp.http.errors import ProtocolError
from rsp.http.h1.faults import STRAY_BUT_LF
from rsp.http.h1.head import parse_response
from rsp.http.message import ResponseHead
from rsp.http.names import FRAMING

_END: Final = re.compile(rb"\n\r?\n")
# Type, flags and stream of the frame that a server of HTTP/2 begins with (RFC 9113 section 3.4).
_SETTINGS: Final = b"\x04\0\0\0\0\0"
_EMPTY: Final = re.compile(rb"\r?\n")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([0-9])[\t ]++([1-9][0-9][0-9])(?:[\t ]++(.*))?", re.DOTALL)


def read_head(data: bytes, start: int, method: bytes, limit: int, first: bool) -> tuple[ResponseHead | None, int]:
    """The head at the beginning of ``data``, and where it ends; ``None`` and -1 when it is not whole yet.

    ``start``: its end was not found before this; ``first``: nothing has been read from this connection before, so
    that an empty line cannot be a leftover.  Raises :class:`ProtocolError`.
    """
    begin = 0
    if first:
        if data == b"\r":
            return None, -1
        empty = _EMPTY.match(data)
        begin = empty.end() if empty is not None else 0
    if not data.startswith((b"HTTP/", b"HTTP/"[: len(data) - begin]), begin):
        if data[begin + 3 : begin + 9] == _SETTINGS:
            raise ProtocolError("HTTP/2 instead of HTTP/1.1; add http = 2 to the upstream")
        raise ProtocolError("malformed status line")
    end = _END.search(data, max(begin, start))
    if end is None:
        if STRAY_BUT_LF.search(data, start) is not None:
            raise ProtocolError("bare CR or NUL in the head")
        return None, -1
    if data.count(b"\n", begin, end.end()) - 2 > limit:
        raise ProtocolError("too many fields")
    return parse_response(_rewritten(data[begin : end.end()], method), method, limit), end.end()


def _rewritten(block: bytes, method: bytes) -> bytes:
    lines = [line[:-1] if line[-1:] == b"\r" else line for line in block.split(b"\n")[:-2]]
    match = _STATUS_LINE.fullmatch(lines[0])
    if match is None:
        raise ProtocolError("malformed status line")
    minor, status, reason = match.groups()
    fields = _once([_without_space(field) for field in _unfolded(lines[1:])])
    if method == b"HEAD" or status[:1] == b"1" or status in (b"204", b"304"):
        fields = _without_body(fields, status)
    return b"\r\n".join(
        [b"HTTP/1.%d %b %b" % (minor != b"0", status, (reason or b"").rstrip(b"\t ")), *fields, b"", b""]
    )


def _name(field: bytes) -> bytes:
    return field.partition(b":")[0].strip(b"\t ").lower()


def _unfolded(lines: list[bytes]) -> list[bytes]:
    """Each field on one line (RFC 9112 section 5.2)."""
    fields: list[list[bytes]] = []
    for line in lines:
        if line[:1] not in (b" ", b"\t"):
            fields.append([line.rstrip(b"\t ")])
        elif not fields or _name(fields[-1][0]) in FRAMING:
            raise ProtocolError("obsolete line folding in a place that leaves a doubt")
        else:
            fields[-1].append(line.strip(b"\t "))
    return [b" ".join([part for part in field if part]) for field in fields]


def _without_space(field: bytes) -> bytes:
    """No white space before the colon (RFC 9112 section 5.1)."""
    name, colon, value = field.partition(b":")
    bare = name.rstrip(b"\t ")
    if bare != name and bare.lower() in FRAMING:
        raise ProtocolError("white space before the colon of a field that frames")
    return bare + colon + value


def _once(fields: list[bytes]) -> list[bytes]:
    """The same Content-Length several times is one (RFC 9112 section 6.3)."""
    values = [field.partition(b":")[2] for field in fields if _name(field) == b"content-length"]
    members = {member.strip(b"\t ") for value in values for member in value.split(b",")}
    if len(members) != 1:
        return fields
    kept = [field for field in fields if _name(field) != b"content-length"]
    return [*kept, b"Content-Length: " + members.pop()]


def _without_body(fields: list[bytes], status: bytes) -> list[bytes]:
    """It ends at its empty line, whatever its fields say.  A peer that says more may send more, so it is the last one.

    What a HEAD request's answer, or 304, says of another answer is kept where it is clear.
    """
    framing = [field for field in fields if _name(field) in FRAMING]
    clear = len(framing) == 1 and status[:1] != b"1" and status != b"204"
    if not framing or clear:
        return fields
    kept = [field for field in fields if _name(field) not in FRAMING]
    return kept if status[:1] == b"1" else [*kept, b"Connection: close"]
