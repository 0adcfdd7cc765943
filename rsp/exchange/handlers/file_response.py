"""A file as the response to a GET or HEAD: all of it, parts of it, or that it has not changed.

Rules of this room: conditions come first, then ranges (RFC 9110 section 13.2.2), and only GET has ranges (section
14.2): a HEAD says what a GET without Range would.
"""

import os
import time
from typing import Final

from rsp.exchange.content import send_content
from rsp.exchange.exchange import Exchange
from rsp.files.entry import Entry
from rsp.http.lines import get, which
from rsp.http.message import ResponseHead
from rsp.http.preconditions import decide, range_holds
from rsp.http.ranges import content_range, delimiters, ranges, unsatisfied

# In the order of `preconditions.decide`, and behind them what only this room asks for.
_NAMES: Final = (b"if-match", b"if-unmodified-since", b"if-none-match", b"if-modified-since", b"range")
_RANGE: Final = 16
_UNCHANGED: Final = 304
_NOTHING: Final[list[bytes]] = []  # never changed


def respond_with(exchange: Exchange, entry: Entry) -> None:
    """Answer with ``entry``, as far as the request's conditions let it be."""
    head, context = exchange.head, exchange.context
    if entry.modified > context.dated:  # no Last-Modified is later than Date (RFC 9110 section 8.8.2.1)
        context.tell_time(time.time())
    asked = which(head.fields, _NAMES)
    if asked & ~_RANGE:
        found = decide(asked, head.fields, entry.etag, entry.modified)
        if found == _UNCHANGED:
            _send_unchanged(exchange, entry)
            return
        if found:
            exchange.refuse(found, "")
            return
    if asked & _RANGE and head.method == b"GET" and range_holds(head.fields, entry.etag, entry.modified, time.time()):
        _send_parts(exchange, entry)
    else:
        _send_all(exchange, entry)


def _send_unchanged(exchange: Exchange, entry: Entry) -> None:
    response = ResponseHead(_UNCHANGED, b"Not Modified", 1)
    response.fields = exchange.context.own_lines + entry.unchanged
    compression = exchange.route.compression
    if compression is not None and not entry.coding:
        compression.unchanged(exchange.head, response, entry.fields, entry.size)
    exchange.respond(response, _NOTHING, _NOTHING)


def _send_all(exchange: Exchange, entry: Entry) -> None:
    response = ResponseHead(200, b"OK", 1)
    response.fields = exchange.context.own_lines + entry.fields
    if exchange.head.method == b"HEAD":
        response.length_line = b"Content-Length: %d\r\n" % entry.size
        exchange.respond(response, _NOTHING, _NOTHING)
        return
    response.framing = entry.size
    response.has_length = True
    content = entry.content
    if content is None:
        send_content(exchange, response, entry.file, [(0, entry.size)])
    else:
        exchange.respond(response, [content] if content else _NOTHING, _NOTHING)


def _send_parts(exchange: Exchange, entry: Entry) -> None:
    """The parts that Range asks for; all of it where that is to be ignored."""
    parts = ranges(get(exchange.head.fields, b"range") or b"", entry.size)
    # A client decodes what it gets as a whole, which several parts of something compressed are not.
    if parts is None or (len(parts) > 1 and entry.coding):
        _send_all(exchange, entry)
    elif not parts:
        exchange.refuse(416, "", unsatisfied(entry.size))
    elif len(parts) == 1:
        fields = entry.fields + content_range(parts[0], entry.size)
        _send_segments(exchange, entry, fields, parts[0][1], [parts[0]])
    else:
        _send_several(exchange, entry, parts)


def _send_several(exchange: Exchange, entry: Entry, parts: list[tuple[int, int]]) -> None:
    boundary = os.urandom(12).hex().encode()  # found in no file but by chance
    before = delimiters(parts, entry.size, entry.type, boundary)
    segments: list[object] = []
    for line, part in zip(before, parts, strict=False):
        segments += (line, part)
    segments.append(before[-1])
    size = sum(map(len, before)) + sum([part[1] for part in parts])
    fields = b"Content-Type: multipart/byteranges; boundary=%b\r\n%b" % (boundary, entry.rest)
    _send_segments(exchange, entry, fields, size, segments)


def _send_segments(exchange: Exchange, entry: Entry, fields: bytes, size: int, segments: list[object]) -> None:
    """A 206 of bytes and parts of the file, ``size`` bytes in all."""
    response = ResponseHead(206, b"Partial Content", 1)
    response.fields = exchange.context.own_lines + fields
    response.framing = size
    content = entry.content
    if content is None:
        send_content(exchange, response, entry.file, segments)
        return
    pieces: list[bytes] = []
    for segment in segments:
        if isinstance(segment, bytes):
            pieces.append(segment)
        elif isinstance(segment, tuple):
            pieces.append(content[segment[0] : segment[0] + segment[1]])
    exchange.respond(response, pieces, _NOTHING)
