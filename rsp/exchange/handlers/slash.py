"""Routes with ``slash = "redirect"``: their path without its slash leads to the path with it."""

from http import HTTPStatus
from typing import Final

from rsp.exchange.exchange import Exchange
from rsp.exchange.handler import Handler
from rsp.http.values import PHRASES

_REPEATABLE: Final = (b"GET", b"HEAD")


class SlashRedirect(Handler):
    """``handler``: answers all other paths of the route."""

    __slots__ = ("_handler", "_path")

    def __init__(self, handler: Handler, path: str) -> None:
        self._handler = handler
        self._path = path.rstrip("/").encode()

    def start(self, exchange: Exchange) -> None:
        if exchange.head.path == self._path:
            add_slash(exchange)
        else:
            self._handler.start(exchange)


def add_slash(exchange: Exchange) -> None:
    """Redirect to the request's path with a slash, and with its query."""
    head = exchange.head
    path = b"/" + head.path.strip(b"/\\")  # what begins with // or /\ is another host to a browser
    # For 301 clients make a GET of every other method; for 308 they do not.
    status = HTTPStatus.MOVED_PERMANENTLY if head.method in _REPEATABLE else HTTPStatus.PERMANENT_REDIRECT
    _, mark, query = head.target.partition(b"?")
    location = b"Location: %b/%b%b\r\n" % (path, mark, query)
    exchange.answer((status, b"text/plain; charset=utf-8", location, PHRASES[status] + b"\n"))
