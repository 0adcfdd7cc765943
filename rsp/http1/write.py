"""Heads as bytes to send: written from what was understood, never copied blindly."""

from http import HTTPStatus
from typing import Final

from rsp.http1.head import CHUNKED, UNTIL_CLOSE, RequestHead, ResponseHead

_PHRASES: Final = {int(status): status.phrase.encode() for status in HTTPStatus}


def request_head(head: RequestHead, forwarded: bytes) -> bytes:
    """The head for an HTTP/1.1 backend.  ``forwarded``: X-Forwarded-* lines, joined by CRLF, or empty."""
    parts = [head.method + b" " + head.target + b" HTTP/1.1", b"Host: " + head.host]
    parts += head.lines
    if forwarded:
        parts.append(forwarded)
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


def response_head(head: ResponseHead, framing: int, connection: bytes) -> bytes:
    """``framing`` as from :func:`response_framing`; ``connection``: the Connection value, empty for none."""
    parts = [b"HTTP/1.1 %d %b" % (head.status, head.reason)]
    parts += head.lines
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


def error_response(status: int, reason: str, date: bytes, *, with_body: bool, keep_alive: bool) -> bytes:
    """rsp's own small answer: plain text, one line, nothing about the inside."""
    phrase = _PHRASES.get(status, b"Error")
    body = b"%d %b%b\n" % (status, phrase, b": " + reason.encode("ascii", "replace") if reason else b"")
    return b"\r\n".join((
        b"HTTP/1.1 %d %b" % (status, phrase),
        b"Server: rsp",
        b"Date: " + date,
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Length: %d" % len(body),
        *((b"Retry-After: 1",) if status == 503 else ()),
        b"Connection: keep-alive" if keep_alive else b"Connection: close",
        b"",
        body if with_body else b"",
    ))  # fmt: skip
