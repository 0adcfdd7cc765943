"""Field sections (RFC 9113 section 8) become heads: the same block as in HTTP/1, read by the same strict reader.

So names, lengths, what is forwarded and what is refused are the same for both.  What is wrong in itself, HPACK's reader
has noted already (``Fields.fault``); here is what requests and responses must have.
"""

from typing import Final

from rsp.http.errors import ProtocolError
from rsp.http.grpc import is_call
from rsp.http.h1.codec import parse_request, parse_response
from rsp.http.h2.hpack import Fields
from rsp.http.h2.websocket import made_up_key
from rsp.http.h2.wire import request_block
from rsp.http.message import CHUNKED, UNTIL_CLOSE, RequestHead, ResponseHead
from rsp.http.names import split
from rsp.http.values import PHRASES

VERSION: Final = b"2.0"
_SCHEMES: Final = (b"http", b"https")
_UPGRADE: Final = b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: "


def request_of(fields: Fields, whole: bool, line_limit: int, count_limit: int) -> RequestHead:
    """``whole``: no body follows.  Raises :class:`ProtocolError`."""
    if fields.too_large:
        raise ProtocolError("the head is too large", 431)
    if fields.fault:
        raise ProtocolError(fields.fault)
    method, path, extra = fields.method, fields.path, b""
    if method is None or fields.status is not None:
        raise ProtocolError("no :method" if method is None else "a :status in a request")
    if method == b"CONNECT" or fields.protocol is not None:
        method, extra = _extended(fields, whole), _UPGRADE + made_up_key() + b"\r\n"
    if path is None or fields.scheme not in _SCHEMES:
        raise ProtocolError("no :path" if path is None else "no :scheme that is http or https")
    if path[:1] != b"/" and not (path == b"*" and method == b"OPTIONS"):
        raise ProtocolError("invalid :path")
    if len(method) + len(path) + 11 > line_limit:
        raise ProtocolError("the request line is too long", 414)
    block = request_block(method, path, _authority(fields), extra, fields.lines)
    head = parse_request(block, count_limit + (4 if extra else 1))
    head.version = VERSION
    if head.te_trailers and method == b"POST":
        head.grpc = is_call(head.fields)
    if not extra and fields.length < 0 and not whole:
        head.framing = CHUNKED
    elif whole and head.framing:
        raise ProtocolError("no body, but a Content-Length")
    return head


def _authority(fields: Fields) -> bytes:
    """Two that differ are refused: which of them a peer believes would be in doubt (RFC 9113 section 8.3.1)."""
    authority, host = fields.authority, fields.host
    if authority is None:
        authority = host
    elif host is not None and host.lower() != authority.lower():
        raise ProtocolError("Host and :authority differ")
    if not authority:
        raise ProtocolError("no :authority")
    return authority


def _extended(fields: Fields, whole: bool) -> bytes:
    """The method in HTTP/1 of a CONNECT with :protocol (RFC 8441 section 4)."""
    if fields.protocol is None:
        raise ProtocolError("CONNECT is not for a reverse proxy", 405)
    if fields.method != b"CONNECT":
        raise ProtocolError("a :protocol without CONNECT")
    if fields.protocol.lower() != b"websocket":
        raise ProtocolError("a :protocol that is not websocket", 501)
    if whole or fields.length >= 0:
        raise ProtocolError("a tunnel that ends at once")
    return b"GET"


def response_of(fields: Fields, whole: bool, method: bytes, count_limit: int) -> ResponseHead:
    """``whole``: no body follows.  Raises :class:`ProtocolError`."""
    status = fields.status
    if fields.too_large:
        raise ProtocolError("the head is too large")
    if fields.fault:
        raise ProtocolError(fields.fault)
    if status is None or len(status) != 3 or not status.isdigit() or fields.method is not None:
        raise ProtocolError("no :status of three digits" if fields.method is None else "a :method in a response")
    phrase = PHRASES.get(int(status), b"")
    block = (b"HTTP/1.1 ", status, b" ", phrase, b"\r\n", fields.lines, b"\r\n")
    head = parse_response(b"".join(block), method, count_limit)
    head.version = VERSION
    head.keep_alive = True
    if head.framing == UNTIL_CLOSE:
        head.framing = 0 if whole else CHUNKED
        head.has_length = whole  # a client of HTTP/1.1 has no END_STREAM to tell it that there is no body
    elif whole and head.framing:
        raise ProtocolError("no body, but a Content-Length")
    return head


def trailers_of(fields: Fields) -> list[bytes]:
    """Lines without CRLF.  Raises :class:`ProtocolError`."""
    if fields.too_large or fields.fault:
        raise ProtocolError(fields.fault or "the trailers are too large")
    return split(fields.lines)
