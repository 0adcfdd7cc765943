"""Heads as bytes to send: written from what was understood, never copied blindly."""

from http import HTTPStatus
from typing import Final

from rsp.http1.head import CHUNKED, UNTIL_CLOSE, RequestHead, ResponseHead

PHRASES: Final = {int(status): status.phrase.encode() for status in HTTPStatus}


def request_head(head: RequestHead, target: bytes, host: bytes, lines: list[bytes]) -> bytes:
    """The head for an HTTP/1.1 backend.  ``lines``: all fields but Host, framing and hop-by-hop ones."""
    parts = [head.method + b" " + target + b" HTTP/1.1", b"Host: " + host, *lines]
    framing = head.framing
    if framing == CHUNKED:
        parts.append(b"Transfer-Encoding: chunked")
    elif framing > 0 or head.method in (b"POST", b"PUT", b"PATCH"):
        parts.append(b"Content-Length: %d" % framing)
    if head.expect_continue:
        parts.append(b"Expect: 100-continue")
    if head.te_trailers:
        parts.append(b"TE: trailers")
        parts.append(b"Connection: TE, upgrade" if head.upgrade else b"Connection: TE")
    elif head.upgrade:
        parts.append(b"Connection: upgrade")
    if head.upgrade:
        parts.append(b"Upgrade: " + head.upgrade)
    parts.append(b"\r\n")
    return b"\r\n".join(parts)


def response_framing(head: ResponseHead, minor: int) -> int:
    """How the body goes to a client of HTTP/1.``minor``: a length, ``CHUNKED`` or ``UNTIL_CLOSE``."""
    if head.framing >= 0:
        return head.framing
    return CHUNKED if minor == 1 else UNTIL_CLOSE


def response_head(head: ResponseHead, lines: list[bytes], framing: int, connection: bytes) -> bytes:
    """``lines``: the fields to send but framing and connection; ``framing``: from :func:`response_framing`;
    ``connection``: the Connection value, empty for none."""
    parts = [b"HTTP/1.1 %d %b" % (head.status, head.reason), *lines]
    if head.length_line:
        parts.append(head.length_line)
    elif head.framing == CHUNKED or head.framing == UNTIL_CLOSE:
        if framing == CHUNKED:
            parts.append(b"Transfer-Encoding: chunked")
    elif framing > 0 or head.has_length:
        parts.append(b"Content-Length: %d" % framing)
    if connection:
        parts.append(b"Connection: " + connection)
    if head.upgrade:
        parts.append(b"Upgrade: " + head.upgrade)
    parts.append(b"\r\n")
    return b"\r\n".join(parts)


def interim_head(head: ResponseHead) -> bytes:
    """A 1xx response (RFC 9110 section 15.2)."""
    return b"\r\n".join([b"HTTP/1.1 %d %b" % (head.status, head.reason), *head.lines, b"\r\n"])


def own_response(
    status: int, kind: bytes, more: list[bytes], body: bytes, date: bytes, *, with_body: bool, keep_alive: bool
) -> bytes:
    """A whole response of rsp's own.  ``kind``: Content-Type; ``more``: field lines."""
    empty = status in (204, 304)
    return b"\r\n".join((
        b"HTTP/1.1 %d %b" % (status, PHRASES.get(status, b"Status")),
        b"Server: rsp",
        b"Date: " + date,
        *(() if empty else (b"Content-Type: " + kind, b"Content-Length: %d" % len(body))),
        *more,
        b"Connection: keep-alive" if keep_alive else b"Connection: close",
        b"",
        body if with_body and not empty else b"",
    ))  # fmt: skip
