"""A response that waits for filters to look at it: its head, and what has come of its body."""

from collections.abc import Callable

from rsp.exchange.filter import Filter
from rsp.http.message import ResponseHead
from rsp.http.peer_stream import Responder


class HeldResponse:
    """``trailers``: ``None`` while more of the body may come.  ``changed``: status or body is not the responder's.

    ``length``: of the body that replaces it.  ``body_filters``: those that its body has to pass.
    """

    # fmt: off
    __slots__ = (
        "_limit", "_responder", "_wanted", "body_filters", "changed", "head", "length", "pieces", "trailers",
    )
    # fmt: on

    def set_up(
        self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None, responder: Responder
    ) -> None:
        self.head = head
        self.pieces = pieces
        self.trailers = trailers
        self.changed = False
        self.length: int | None = None
        self.body_filters: list[Filter] = []
        self._responder = responder
        self._wanted: Callable[[bytes | None], None] | None = None
        self._limit = 0

    def add(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """More of the body has come."""
        self.pieces = [*self.pieces, *pieces]
        self.trailers = trailers
        wanted = self._wanted
        if wanted is None or (trailers is None and sum(map(len, self.pieces)) <= self._limit):
            return
        self._wanted = None
        if trailers is None:
            self._responder.pause()
        wanted(self._body())

    def want_body(self, limit: int, wanted: Callable[[bytes | None], None]) -> bool:
        """Call ``wanted`` with the body, ``None`` if it is larger than ``limit``; whether that is still to come."""
        self._limit = limit
        if self.trailers is not None:
            wanted(self._body())
            return False
        if self.head.framing > limit:
            wanted(None)
            return False
        self._wanted = wanted
        self._responder.resume()
        return True

    def forget_body(self) -> None:
        """It is not wanted any more."""
        self._wanted = None

    def _body(self) -> bytes | None:
        body = b"".join(self.pieces)
        return None if len(body) > self._limit else body

    def replace_body(self, body: bytes) -> None:
        self._responder.enough()
        self.changed = True
        self.length = len(body)
        self.pieces = [body] if body else []
        self.trailers = []
        self.head.framing, self.head.length_line = len(body), b""

    def filter_body(self, by: Filter) -> None:
        """Let the body pass ``by``: :meth:`Filter.body`."""
        if by not in self.body_filters:
            self.body_filters.append(by)
