"""One request and its response over FastCGI or uwsgi: what ``asking.py`` is for HTTP/1, for health checks.

Rules of this room: those of ``asking.py``.
"""

from dataclasses import dataclass
from typing import Final

from rsp.config.upstreams import Upstream
from rsp.control.asking import Where, ask, connected
from rsp.http.cgi.records import RecordReader, begin, params, stdin
from rsp.http.cgi.response import end_of_head, read_response
from rsp.http.cgi.scripts import Scripts
from rsp.http.cgi.uwsgi import packet
from rsp.http.cgi.variables import Told, Variables, variables
from rsp.http.errors import ProtocolError
from rsp.http.h1.codec import parse_request
from rsp.http.message import OutgoingHead, ResponseHead

_AT_ONCE: Final = 64 << 10
_HEAD_LIMIT: Final = 32 << 10
_FIELDS_LIMIT: Final = 1000
_TOLD: Final = Told(b"127.0.0.1", b"http", b"")


@dataclass(frozen=True)
class Manner:
    """How the peers of an upstream are asked."""

    protocol: str
    root: str
    split: str
    index: str

    @classmethod
    def of(cls, upstream: Upstream) -> "Manner | None":
        """``None``: by HTTP."""
        if upstream.protocol == "http":
            return None
        split = upstream.split if upstream.protocol == "fastcgi" else ""
        return cls(upstream.protocol, upstream.root or "", split, upstream.index)


async def ask_cgi(
    where: Where, manner: Manner, method: bytes, host: bytes, path: bytes, fields: bytes, body_limit: int
) -> tuple[ResponseHead, bytes]:
    """The response, and the beginning of its body.  ``fields``: lines with CRLF.

    Raises :class:`OSError`, :class:`ProtocolError`, and :class:`EOFError` for a response that breaks off, or a script
    that is not there.
    """
    request = parse_request(b"%b %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (method, path, host, fields))
    outgoing = OutgoingHead(request, request.target, host, request.fields, b"", b"")
    scripts = Scripts(manner.root, manner.split, manner.index)
    script = scripts.probe(request.path)
    if script is None:
        raise EOFError(f"there is no script for {path.decode('latin-1')} below {manner.root}")
    told = variables(outgoing, script, scripts.root, _TOLD)
    if manner.protocol == "uwsgi":
        return await ask(where, packet(told), method, body_limit=body_limit)
    return await _ask_fastcgi(where, told, method, body_limit)


async def _ask_fastcgi(
    where: Where, told: Variables, method: bytes, body_limit: int
) -> tuple[ResponseHead, bytes]:  # fmt: skip
    records, data, end = RecordReader(), b"", -1
    async with connected(where) as (reader, writer):
        writer.write(begin(False) + params(told) + stdin([], last=True))
        while not records.done and (end < 0 or len(data) - end < body_limit):
            more = b"" if records.more else await reader.read(_AT_ONCE)
            if not (more or records.more):
                raise _early(end)
            data += b"".join(records.feed(more))
            records.take_said()
            end = end_of_head(data, 0) if end < 0 else end
            if (end if end >= 0 else len(data)) > _HEAD_LIMIT:
                raise ProtocolError("the head is too large")
    if records.fault:
        raise ProtocolError(records.fault)
    if end < 0:
        raise ProtocolError("ended without the head of a response")
    return read_response(data[:end], method, _FIELDS_LIMIT, False), data[end : end + body_limit]


def _early(end: int) -> Exception:
    if end >= 0:
        return EOFError("the response broke off")
    return ProtocolError("closed the connection early")
