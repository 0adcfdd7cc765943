"""The list of what is in a directory, as a page that a thread makes."""

import asyncio
from http import HTTPStatus
from typing import Final

from rsp.exchange.exchange import Exchange
from rsp.exchange.handlers.waiting import Waiting
from rsp.files.entry import Folder
from rsp.files.listing import page
from rsp.files.threads import Busy, submit
from rsp.files.tree import Tree
from rsp.http.message import ResponseHead
from rsp.http.paths import normalise_path
from rsp.http.preconditions import status as precondition
from rsp.logs import log

_TOLD: Final = 200  # bytes of a path in the log
_TYPE: Final = b"Content-Type: text/html; charset=utf-8\r\n"


class Listing(Waiting):
    """``folder``: open."""

    __slots__ = ("_folder", "_tree")

    def __init__(self, tree: Tree, folder: Folder) -> None:
        self._tree = tree
        self._folder = folder

    def begin(self, exchange: Exchange) -> None:
        self.hold(exchange)
        try:
            future = submit(page, self._page, normalise_path(exchange.head.path))
        except Busy:
            exchange.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "")
            return
        waiting = asyncio.wrap_future(future)
        self.cancel = waiting.cancel
        waiting.add_done_callback(self._made)

    def _page(self, path: bytes) -> bytes:
        """In a thread."""
        tree, folder = self._tree, self._folder
        if folder.file is None:
            return b""
        return page(
            folder.file.descriptor,
            path,
            lambda name: tree.shows(folder, name),
            lambda name: tree.follow(folder, name),
            folder.name == b"",
        )

    def _made(self, future: "asyncio.Future[bytes]") -> None:
        if future.cancelled() or not self.let_go():
            return
        error = future.exception()
        if error is None:
            _respond(self.exchange, future.result())
            return
        path = self.exchange.head.path[:_TOLD].decode("ascii", "backslashreplace")
        log.once_a_second("listing", f"Request for {path}: the directory cannot be read: {error}", log.ERROR)
        self.exchange.refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "")


def _respond(exchange: Exchange, made: bytes) -> None:
    found = precondition(exchange.head.fields, b"", None)
    if found == HTTPStatus.PRECONDITION_FAILED:
        exchange.refuse(found, "")
        return
    response = ResponseHead(found or 200, b"Not Modified" if found else b"OK", 1)
    response.fields = exchange.context.own_lines
    pieces: list[bytes] = []
    if not found:
        response.fields += _TYPE
        if exchange.head.method == b"HEAD":
            response.length_line = b"Content-Length: %d\r\n" % len(made)
        else:
            response.framing = len(made)
            pieces = [made]
    exchange.respond(response, pieces, [])
