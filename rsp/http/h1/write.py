"""Heads as bytes to send: written from what was understood, never copied blindly."""

from rsp.http.message import CHUNKED, UNTIL_CLOSE, RequestHead, ResponseHead
from rsp.http.values import PHRASES


def request_head(
    head: RequestHead, target: bytes, host: bytes, fields: bytes, extra: bytes, request_id: bytes
) -> bytes:
    """The head for an HTTP/1.1 backend.  ``fields``, ``extra``: all lines but Host, framing and hop-by-hop ones, each
    with its CRLF; ``request_id``: empty for none."""
    parts = [head.method, b" ", target, b" HTTP/1.1\r\nHost: ", host, b"\r\n", fields, extra]
    if request_id:
        parts += (b"X-Request-Id: ", request_id, b"\r\n")
    framing = head.framing
    if framing == CHUNKED:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    elif framing > 0 or head.method in (b"POST", b"PUT", b"PATCH"):
        parts.append(b"Content-Length: %d\r\n" % framing)
    if head.expect_continue:
        parts.append(b"Expect: 100-continue\r\n")
    if head.te_trailers:
        parts.append(b"TE: trailers\r\n")
        parts.append(b"Connection: TE, upgrade\r\n" if head.upgrade else b"Connection: TE\r\n")
    elif head.upgrade:
        parts.append(b"Connection: upgrade\r\n")
    if head.upgrade:
        parts.append(b"Upgrade: %b\r\n" % head.upgrade)
    parts.append(b"\r\n")
    return b"".join(parts)


def response_head(head: ResponseHead, fields: bytes, framing: int, connection: bytes) -> bytes:
    """``fields``: the lines to send, each with its CRLF, but framing and connection; ``framing``: how the
    body goes to this client, a length, ``CHUNKED`` or ``UNTIL_CLOSE``; ``connection``: its value, or empty."""
    parts = [b"HTTP/1.1 %d %b\r\n" % (head.status, head.reason), fields]
    if head.length_line:
        parts.append(head.length_line)
    elif head.framing == CHUNKED or head.framing == UNTIL_CLOSE:
        if framing == CHUNKED:
            parts.append(b"Transfer-Encoding: chunked\r\n")
    elif framing > 0 or head.has_length:
        parts.append(b"Content-Length: %d\r\n" % framing)
    if connection:
        parts.append(b"Connection: %b\r\n" % connection)
    if head.upgrade:
        parts.append(b"Upgrade: %b\r\n" % head.upgrade)
    parts.append(b"\r\n")
    return b"".join(parts)


def interim_head(head: ResponseHead) -> bytes:
    """A 1xx response (RFC 9110 section 15.2)."""
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (head.status, head.reason, head.fields)


def own_response(status: int, kind: bytes, body: bytes, date: bytes) -> bytes:
    """A whole response of rsp's own, the last one on its connection.  ``kind``: Content-Type."""
    return (
        b"HTTP/1.1 %d %b\r\nServer: rsp\r\nDate: %b\r\n" % (status, PHRASES.get(status, b"Status"), date)
        + b"Content-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (kind, len(body))
        + body
    )
