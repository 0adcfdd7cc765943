"""Answers that rsp gives by itself: errors, in one plain format or as a configured page; and answers as responses."""

import json
from http import HTTPStatus

from rsp.config.placeholders import IN_PAGES, Template
from rsp.config.schema import Page
from rsp.http.framing import ends_with_head, reframe
from rsp.http.message import RequestHead, ResponseHead
from rsp.http.names import split
from rsp.http.values import PHRASES

Answer = tuple[int, bytes, bytes, bytes]  # status, Content-Type, more field lines with their CRLF, body


class Pages:
    """Error answers; ``pages`` replace the plain format for their statuses."""

    def __init__(self, pages: tuple[Page, ...]) -> None:
        self._pages: dict[int, tuple[bytes, Template]] = {}
        for page in pages:
            statuses = page.status if isinstance(page.status, tuple) else (page.status,)
            for status in statuses:
                self._pages[status] = (page.type.encode(), Template(page.body or "", IN_PAGES))

    def error(
        self, status: int, reason: str, request_id: bytes, head: RequestHead | None, fields: bytes = b""
    ) -> Answer:
        """``reason``: a clause about the request, never about our inside; ``head``: of the request, if it was read.

        ``fields``: more lines of the answer.
        """
        more = b"X-Request-Id: %b\r\n%b" % (request_id, fields)
        if status == HTTPStatus.SERVICE_UNAVAILABLE and b"Retry-After:" not in fields:
            more += b"Retry-After: 1\r\n"
        if status == HTTPStatus.METHOD_NOT_ALLOWED and b"Allow:" not in fields:
            more += b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
        page = self._pages.get(status)
        if page is not None:
            return status, page[0], more, page[1].fill(_Error(status, request_id))
        phrase = PHRASES.get(status, b"Error").decode()
        if head is not None and _prefers_json(head):
            data = {"status": status, "error": phrase, "reason": reason, "request_id": request_id.decode()}
            return status, b"application/json", more, json.dumps(data).encode() + b"\n"
        text = f"{status} {phrase}{': ' + reason if reason else ''}\nrequest id: {request_id.decode()}\n"
        return status, b"text/plain; charset=utf-8", more, text.encode()


def respond(answer: Answer, method: bytes, start: bytes) -> tuple[ResponseHead, list[bytes]]:
    """``answer`` as a response to a request of ``method``: its head, framed, with field lines that begin with
    ``start``; and its body."""
    status, kind, more, body = answer
    head = ResponseHead(status, PHRASES.get(status, b"Status"), 1)
    head.own = True
    pieces = [body] if reframe(head, method, len(body)) else []
    content_type = b"" if ends_with_head(status) else b"Content-Type: %b\r\n" % kind
    head.fields = start + content_type + more
    return head, pieces


class _Error:
    """What an error page may tell."""

    def __init__(self, status: int, request_id: bytes) -> None:
        self._values = {"status": b"%d" % status, "request_id": request_id}

    def placeholder(self, name: str) -> bytes:
        return self._values[name]


def _prefers_json(head: RequestHead) -> bool:
    for line in split(head.fields):
        name, _, value = line.partition(b":")
        if name.lower() == b"accept":
            value = value.lower()
            return b"json" in value and b"text/html" not in value
    return False
