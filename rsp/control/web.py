"""Small sites of the control process: metrics, the dashboard, the admin interface.  Requests in, responses out.

What a site is belongs here; connections and bytes are ``web_server.py``'s.  A handler gets a request whose head and
body are whole and bounded, and returns a response; whatever else it does ends in one, too.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from rsp.http.errors import ProtocolError
from rsp.logs import log

TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """``fields``: by name in lower case, those of one name as a list; Host is the authority that the request is for,
    and empty only in HTTP/1.0."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """``body``: in pieces, where it is long or made as it is sent: an asynchronous generator.  ``live``: it has
    no end of its own, so it ends with the connection, and the connection with it.  ``fields``: more of them, such as a
    Content-Security-Policy."""

    status: int
    type: str = TEXT
    body: bytes | AsyncGenerator[bytes, None] = b""
    fields: Mapping[str, str] = field(default_factory=dict)
    live: bool = False


Handler = Callable[[Request], Awaitable[Response]]
Check = Callable[[Request], Response | None]  # a response in place of the handler's


class Refused(Exception):
    """A handler raises it: ``status``, and why, as one clause."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def refusal(status: int, why: str) -> Response:
    """An error as plain text."""
    return Response(status, TEXT, f"{why}\n".encode("utf-8", "replace"))


class Site:
    """``handlers``: by method and path, ``"GET /metrics"``; HEAD goes where GET goes.

    ``check`` is asked first; it may be replaced while connections are open.  ``refuse`` makes the response to a request
    that no handler takes, or that one refuses.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        check: Check | None = None,
        refuse: Callable[[int, str], Response] = refusal,
    ) -> None:
        self.handlers = handlers
        self.check = check
        self.refuse = refuse

    async def answer(self, request: Request) -> Response:
        """Raises nothing but :class:`asyncio.CancelledError`."""
        try:
            checked = self.check(request) if self.check is not None else None
            return checked or await self._handled(request)
        except (Refused, ProtocolError) as error:
            return self.refuse(error.status, str(error))
        except Exception as error:
            what = f"{type(error).__name__}: {error}"[:500]
            log.once_a_second(f"web {request.path}"[:50], f"{request.method} {request.path[:100]!r}: {what}", log.ERROR)
            return self.refuse(500, "internal error; see the log")

    async def _handled(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        handler = self.handlers.get(f"{method} {request.path}")
        if handler is not None:
            return await handler(request)
        allowed = [key.partition(" ")[0] for key in self.handlers if key.partition(" ")[2] == request.path]
        if not allowed:
            known = dict.fromkeys(key.partition(" ")[2] for key in self.handlers)
            raise Refused(404, f"not found; known paths: {', '.join(known)}")
        response = self.refuse(405, f"expected {' or '.join(allowed)} {request.path}")
        names = ", ".join([*allowed, "HEAD"] if "GET" in allowed else allowed)
        return Response(405, response.type, response.body, {**response.fields, "Allow": names})
