"""Answers that rsp gives by itself: errors in one plain format or a configured page, redirects, fixed responses."""

import json
from http import HTTPStatus

from rsp.config.schema import Page, Redirect, Respond, Route
from rsp.http1.head import RequestHead
from rsp.http1.names import split
from rsp.http1.write import PHRASES

Answer = tuple[int, bytes, bytes, bytes]  # status, Content-Type, more field lines with their CRLF, body


class Pages:
    """Error answers; ``pages`` replace the plain format for their statuses."""

    def __init__(self, pages: tuple[Page, ...]) -> None:
        self._pages: dict[int, tuple[bytes, bytes]] = {}
        for page in pages:
            statuses = page.status if isinstance(page.status, tuple) else (page.status,)
            for status in statuses:
                self._pages[status] = (page.type.encode(), (page.body or "").encode())

    def error(self, status: int, reason: str, request_id: bytes, head: RequestHead | None) -> Answer:
        """``reason``: a clause about the request, never about our inside; ``head``: of the request, if it was read."""
        more = b"X-Request-Id: %b\r\n" % request_id
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            more += b"Retry-After: 1\r\n"
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            more += b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
        page = self._pages.get(status)
        if page is not None:
            body = page[1].replace(b"{status}", b"%d" % status).replace(b"{request_id}", request_id)
            return status, page[0], more, body
        phrase = PHRASES.get(status, b"Error").decode()
        if head is not None and _prefers_json(head):
            data = {"status": status, "error": phrase, "reason": reason, "request_id": request_id.decode()}
            return status, b"application/json", more, json.dumps(data).encode() + b"\n"
        text = f"{status} {phrase}{': ' + reason if reason else ''}\nrequest id: {request_id.decode()}\n"
        return status, b"text/plain; charset=utf-8", more, text.encode()


def _prefers_json(head: RequestHead) -> bool:
    for line in split(head.fields):
        name, _, value = line.partition(b":")
        if name.lower() == b"accept":
            value = value.lower()
            return b"json" in value and b"text/html" not in value
    return False


class Fixed:
    """The answer of a route with ``redirect`` or ``respond``."""

    def __init__(self, route: Route) -> None:
        redirect, respond = route.redirect, route.respond
        if isinstance(redirect, str):
            redirect = Redirect(to=redirect)
        if redirect is not None:
            respond = Respond(status=redirect.status, body=f"{PHRASES[redirect.status].decode()}\n")
        self._location = redirect.to.encode() if redirect is not None else b""
        self._respond = respond or Respond()
        self._more = "".join(f"{name}: {value}\r\n" for name, value in self._respond.headers.items()).encode()

    def answer(self, head: RequestHead) -> Answer:
        more = self._more
        if self._location:
            target = self._location.replace(b"{host}", head.host).replace(b"{path}", head.target)
            more += b"Location: %b\r\n" % target
        respond = self._respond
        return respond.status, respond.type.encode(), more, respond.body.encode()
