"""Routes with ``files``: which file a request is for, and what becomes of one for which there is none."""

import os
from http import HTTPStatus
from typing import Final

from rsp.config.routes import Route
from rsp.exchange.exchange import Exchange
from rsp.exchange.handler import Handler
from rsp.exchange.handlers.file_response import respond_with
from rsp.exchange.handlers.listing import Listing
from rsp.exchange.handlers.slash import add_slash
from rsp.exchange.handlers.waiting import Waiting
from rsp.files.entry import Entry, Folder
from rsp.files.outcomes import BROKEN, BUSY, DENIED, NOT_THERE, WouldBlock
from rsp.files.tree import Tree
from rsp.http.lines import get
from rsp.http.negotiation import choose
from rsp.http.paths import normalise_path

_ALLOW: Final = b"Allow: GET, HEAD\r\n"
_STATUS: Final = {
    DENIED: HTTPStatus.FORBIDDEN,
    BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    BROKEN: HTTPStatus.INTERNAL_SERVER_ERROR,
}
_ACCEPT: Final = b"accept-encoding"


class Files(Handler):
    """``tree``: the files; ``other``: answers what is for none of them, if anything does (``else_to``).

    A path that the client has sent loses the route's ``path``; one that ``rewrite`` or a hook has made is looked up as
    it is.
    """

    __slots__ = ("_fallback", "_has_index", "_normal_size", "_other", "_redirects", "_size", "_tree")

    def __init__(self, route: Route, tree: Tree, other: Handler | None) -> None:
        rules = route.file_rules
        whole = route.exact is not None or route.regex is not None
        path = b"" if whole else route.path.encode()
        self._size = len(path)
        self._normal_size = len(normalise_path(path)) if path else 0
        self._tree = tree
        self._other = other
        self._fallback = (route.fallback or "").encode().lstrip(b"/")
        self._redirects = route.exact is None
        self._has_index = bool(route.index_names) or (rules is not None and rules.list)

    def start(self, exchange: Exchange) -> None:
        asked: Exchange = exchange
        method = asked.head.method
        if method != b"GET" and method != b"HEAD":
            self._refuse_method(asked)
            return
        name = self._name(asked)
        if name is None:
            self._redirect(asked)
            return
        entry = self._tree.known(name)
        if entry is not None:
            self.respond(asked, entry)
        else:
            self.look(asked, name)

    def _name(self, exchange: Exchange) -> bytes | None:
        """Below the root; ``None``: it is the root without its slash."""
        head, size = exchange.head, self._size
        if exchange.target is not head.target:
            return normalise_path(exchange.target.partition(b"?")[0])[1:]
        path = head.path
        if not head.plain:
            path, size = normalise_path(path), self._normal_size
        if _is_chosen(exchange):
            size = 0
        elif len(path) == size and path[-1:] != b"/":
            return None
        name = path[size:]
        return name[1:] if name[:1] == b"/" else name

    def file_of(self, exchange: Exchange) -> str:
        """For a person: the file that has answered a GET, before codings; empty: none.  Waits."""
        name = self._name(exchange)
        found = self._tree.find(name, True) if name is not None else NOT_THERE
        if found == NOT_THERE and self._fallback:
            found = self._tree.find(self._fallback, True)
        return os.fsdecode(self._tree.root.path + b"/" + found.name) if isinstance(found, Entry) else ""

    def name_of(self, exchange: Exchange) -> bytes:
        """For a person: below the root, as it is looked up."""
        return self._name(exchange) or b""

    def _refuse_method(self, exchange: Exchange) -> None:
        if self._other is not None:
            self._other.start(exchange)
        else:
            exchange.refuse(HTTPStatus.METHOD_NOT_ALLOWED, "", _ALLOW)

    # -- a file

    def respond(self, exchange: Exchange, entry: Entry) -> None:
        """Answer with ``entry``, or with what stands for it in a coding that the client takes."""
        if entry.offered:
            coding = choose(get(exchange.head.fields, _ACCEPT), entry.offered)
            if coding:
                sibling = self._tree.sibling(entry, coding)
                respond_with(exchange, entry if sibling is None else sibling)
                return
        respond_with(exchange, entry)

    def look(self, exchange: Exchange, name: bytes) -> None:
        """Look for the file anew; in a thread, where that may wait for a disk."""
        try:
            found = self._tree.find(name)
        except WouldBlock:
            search = Search.__new__(Search)
            search.set_up(self, name)
            search.begin(self._tree, exchange)
        else:
            self.found(exchange, name, found)

    def found(self, exchange: Exchange, name: bytes, found: Entry | Folder | int) -> None:
        """What the tree has for ``name``."""
        if isinstance(found, Entry):
            self.respond(exchange, found)
        elif isinstance(found, Folder):
            self._respond_with_folder(exchange, name, found)
        elif found in _STATUS:
            exchange.refuse(_STATUS[found], "")
        else:
            self._miss(exchange, name)

    # -- no file

    def _respond_with_folder(self, exchange: Exchange, name: bytes, folder: Folder) -> None:
        if not folder.redirect:
            Listing(self._tree, folder).begin(exchange)
        elif self._redirects and not _is_chosen(exchange):
            self._redirect(exchange)
        else:  # with its slash the path would be another route's, or is not the client's
            self.look(exchange, name + b"/")

    def _redirect(self, exchange: Exchange) -> None:
        """To the path with its slash, without which relative links of an index do not mean what they say."""
        if not self._has_index:
            self._miss(exchange, b"")
            return
        add_slash(exchange)

    def _miss(self, exchange: Exchange, name: bytes) -> None:
        """There is nothing for ``name``."""
        if self._other is not None:
            self._other.start(exchange)
        elif not self._fallback or name == self._fallback:
            exchange.refuse(HTTPStatus.NOT_FOUND, "")
        else:
            entry = self._tree.known(self._fallback)
            if entry is not None:
                self.respond(exchange, entry)
            else:
                self.look(exchange, self._fallback)


def _is_chosen(exchange: Exchange) -> bool:
    """Whether a hook of the route has chosen the path."""
    passage = exchange.passage
    return passage is not None and passage.path_set


class Search(Waiting):
    """A thread looks for the file."""

    __slots__ = ("_files", "_searched")

    def set_up(self, files: Files, name: bytes) -> None:
        self._files = files
        self._searched = name

    def begin(self, tree: Tree, exchange: Exchange) -> None:
        self.hold(exchange)
        self.cancel = tree.ask(self._searched, self._found)

    def _found(self, found: Entry | Folder | int) -> None:
        if self.let_go():
            self._files.found(self.exchange, self._searched, found)
