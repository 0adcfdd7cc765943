"""Answers that rsp gives by itself: errors in one plain format or a configured page, redirects, fixed responses."""

import json
import re
from http import HTTPStatus
from typing import Final

from rsp.config.placeholders import IN_FIELDS, IN_PAGES, IN_REDIRECTS, Source, Template
from rsp.config.schema import Page, Redirect, Respond, Route
from rsp.http.framing import ends_with_head, reframe
from rsp.http.h1.write import PHRASES
from rsp.http.message import RequestHead, ResponseHead
from rsp.http.names import split

_SLASHES: Final = (b"/", b"\\")
_PATH: Final = re.compile(r"(?<!\{)\{path\}(?!\})")
_IN_LOCATION: Final = (*IN_REDIRECTS, "target")

NO_PEER: Final = 2  # in the place of the minor version that a peer speaks

Answer = tuple[int, bytes, bytes, bytes]  # status, Content-Type, more field lines with their CRLF, body


class Pages:
    """Error answers; ``pages`` replace the plain format for their statuses."""

    def __init__(self, pages: tuple[Page, ...]) -> None:
        self._pages: dict[int, tuple[bytes, Template]] = {}
        for page in pages:
            statuses = page.status if isinstance(page.status, tuple) else (page.status,)
            for status in statuses:
                self._pages[status] = (page.type.encode(), Template(page.body or "", IN_PAGES))

    def error(self, status: int, reason: str, request_id: bytes, head: RequestHead | None) -> Answer:
        """``reason``: a clause about the request, never about our inside; ``head``: of the request, if it was read."""
        more = b"X-Request-Id: %b\r\n" % request_id
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            more += b"Retry-After: 1\r\n"
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
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


def respond(answer: Answer, method: bytes, start: bytes) -> tuple[ResponseHead, bytes, list[bytes]]:
    """``answer`` as a response to a request of ``method``: its head, framed; its field lines, which begin with
    ``start``; its body."""
    status, kind, more, body = answer
    head = ResponseHead(status, PHRASES.get(status, b"Status"), NO_PEER)
    pieces = [body] if reframe(head, method, len(body)) else []
    content_type = b"" if ends_with_head(status) else b"Content-Type: %b\r\n" % kind
    return head, start + content_type + more, pieces


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


class Fixed:
    """The answer of a route with ``redirect`` or ``respond``."""

    def __init__(self, route: Route) -> None:
        redirect, respond = route.redirect, route.respond
        if isinstance(redirect, str):
            redirect = Redirect(to=redirect)
        if redirect is not None:
            respond = Respond(status=redirect.status, body=f"{PHRASES[redirect.status].decode()}\n")
        self._location = Location(redirect.to) if redirect is not None else None
        self._respond = respond or Respond()
        fields = {name: value for name, value in self._respond.headers.items() if name.lower() != "content-type"}
        types = [value for name, value in self._respond.headers.items() if name.lower() == "content-type"]
        self._type = Template((types or [self._respond.type])[-1], IN_FIELDS if types else ())
        self._more = Template(_lines(fields), IN_FIELDS)

    def answer(self, source: Source) -> Answer:
        more = self._more.fill(source)
        if self._location is not None:
            more += b"Location: %b\r\n" % self._location.fill(source)
        respond = self._respond
        return respond.status, self._type.fill(source), more, respond.body.encode()


def _lines(fields: dict[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items())


class Location:
    """Where a redirect leads.  The request's query is kept: behind ``{path}``, at the end, or where ``{query}`` stands;
    a target with a query of its own and without ``{path}`` is complete."""

    def __init__(self, to: str) -> None:
        before, mark, fragment = to.partition("#")
        path, question, query = before.partition("?")
        names = Template(to, IN_REDIRECTS).names
        own = Template(query, IN_REDIRECTS).names
        if "path" in own and "query" not in names:  # /login?next={path} says where the client wanted to go
            before = path + question + _PATH.sub("{target}", query)
        complete = "query" in names or (question and ("path" in own or "path" not in names))
        self._joint = b"" if complete else b"&" if question else b"?"
        self._before, self._after = Template(before, _IN_LOCATION), Template(mark + fragment, IN_REDIRECTS)

    def fill(self, source: Source) -> bytes:
        target = self._before.fill(source)
        query = source.placeholder("query") if self._joint else b""
        if query:
            target += self._joint + query
        # "//name" is another host, and browsers take a backslash for a slash: no client's path may become one.
        if target[:1] == b"/" and target[1:2] in _SLASHES and self._before.start[1:2] not in _SLASHES:
            target = b"/" + target.lstrip(b"/\\")
        return target + self._after.fill(source)
