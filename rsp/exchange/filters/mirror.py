"""``mirror``: copies of requests for another upstream; what is answered to them is thrown away.

Rules of this room: no request waits for its copy, and none fails by it.  A copy is sent once its request is on its way,
as the request's own peer sees it, and with the whole of its body.  Copies are bounded in number and bytes, for each
route and worker, and in time; where a bound is reached there is no copy, and the log says how many are missing.
"""

import asyncio
from typing import Any, Final

from rsp.balance.portions import Portion
from rsp.config.filters import Mirror as MirrorConfig
from rsp.exchange.exchange import Exchange
from rsp.exchange.filter import PASS, Filter, Notes
from rsp.exchange.forward.body import RequestBody
from rsp.exchange.forward.upstream import Upstream
from rsp.exchange.handler import Handler
from rsp.exchange.subrequest import SubRequest, head_for
from rsp.http.limits import Limits
from rsp.http.message import OutgoingHead
from rsp.logs import log

_MOST: Final = 100  # copies on their way at a time
_MOST_BYTES: Final = 16 << 20  # of their bodies, and of those that are still arriving
_LONGEST: Final = 60.0  # seconds
_TOLD_EVERY: Final = 60.0  # seconds


class MirrorFilter(Filter):
    """Chooses the requests that are copied, and keeps account of their copies."""

    __slots__ = ("_copies", "_left_out", "_limit", "_portion", "_size", "_told_at", "_upstream")

    def __init__(self, config: MirrorConfig, upstream: Upstream) -> None:
        self._portion = Portion(config.share)
        self._limit = int(config.body)
        self._upstream = upstream
        self._size = 0  # bytes of bodies
        self._copies: dict[Copy, float] = {}  # the moment at which each has had its time, in that order
        self._left_out = 0
        self._told_at = 0.0

    def request(self, exchange: Exchange) -> int:
        asked: Exchange = exchange
        passage, head = asked.passage, asked.head
        if passage is None or head.upgrade or head.framing > self._limit or not self._portion.take():
            return PASS
        notes = MirrorNotes.__new__(MirrorNotes)
        notes.set_up(self, asked)
        passage.note(notes)
        if not notes.is_whole:
            passage.tapping = [*(passage.tapping or ()), notes]
        return PASS

    def held(self) -> int:
        """Bytes of bodies."""
        return self._size

    # -- bodies, as they arrive

    def reserve(self, more: int, size: int) -> bool:
        """Room for ``more`` bytes of a body that has ``size`` then; false: there is none."""
        if size > self._limit:
            return False  # as the configuration has it
        if self._size + more > _MOST_BYTES:
            self._left_out += 1
            return False
        self._size += more
        return True

    def release(self, size: int) -> None:
        self._size -= size

    # -- copies

    def begin(self, copy: "Copy", exchange: Exchange, limits: Limits, body: RequestBody | None) -> None:
        """In the next turn of the loop, when the request itself has been sent."""
        if len(self._copies) >= _MOST:
            self._left_out += 1
            self.release(copy.size)
            return
        self._copies[copy] = exchange.context.now + _LONGEST
        asyncio.get_running_loop().call_soon(copy.ask, exchange, self._upstream, limits, body)

    def over(self, copy: "Copy") -> None:
        if self._copies.pop(copy, None) is not None:
            self.release(copy.size)

    def tick(self, now: float) -> None:
        """Once a second."""
        for copy in [copy for copy, until in self._copies.items() if until < now]:
            copy.cancel("a copy has had its time")
            self.over(copy)
        if self._left_out and now >= self._told_at + _TOLD_EVERY:
            name, left_out = self._upstream.name, self._left_out
            self._left_out, self._told_at = 0, now
            log.line(
                f'mirror to "{name}": {left_out} requests were not copied, because too many copies are in progress: '
                f"{len(self._copies)} copies, with {self._size} bytes",
                log.WARNING,
            )


class MirrorNotes(Notes):
    """A request that will be copied: what there is of its body.  ``is_whole``: all of it."""

    __slots__ = ("_body", "_filter", "_size", "_trailers", "_wanted", "is_whole")

    def set_up(self, of: MirrorFilter, exchange: Exchange) -> None:
        self.waits = False
        self._filter: MirrorFilter | None = of
        self._body = bytearray()  # in one: pieces of a byte each would take 40 times what is counted
        self._size = 0
        self._wanted: Exchange | None = None  # it has been sent, and its body is still arriving
        self.is_whole = exchange.request_done or exchange.dropped
        body = exchange.body
        if body is not None and body.waiting:
            self._take(body.waiting)

    def _take(self, pieces: list[bytes]) -> None:
        size = sum(map(len, pieces))
        if self._filter is None:
            return
        if self._filter.reserve(size, self._size + size):
            self._size += size
            for piece in pieces:
                self._body += piece
        else:
            self._forget()

    def _forget(self) -> None:
        """There is no copy."""
        of, self._filter, self._wanted = self._filter, None, None
        if of is not None:
            of.release(self._size)
        self._body, self._size = bytearray(), 0

    def request_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        self._take(pieces)
        if trailers is not None:
            self.is_whole = True
            if self._wanted is not None:
                self.sent(self._wanted)

    def sent(self, exchange: Exchange) -> None:
        """The request is on its way: as soon as all of its body is here, the copy follows."""
        if not self.is_whole:
            self._wanted = exchange
            return
        of = self._filter
        if of is None or exchange.upstream is None:
            self._forget()
            return
        body: RequestBody | None = None
        if exchange.head.framing != 0:
            body = RequestBody()
            body.add([bytes(self._body)])
            body.trailers = []
        copy = Copy(of, _copied(exchange, exchange.outgoing_head(), self._size), self._size)
        self._filter, self._wanted, self._body = None, None, bytearray()
        of.begin(copy, exchange, exchange.limits, body)

    def call_off(self, exchange: Any) -> None:
        """The exchange is over: a copy that has not been sent will not be."""
        self._forget()


def _copied(exchange: Exchange, outgoing: OutgoingHead, size: int) -> OutgoingHead:
    """The head as the request's peer sees it; a length that was not known is known now."""
    head = exchange.head
    framing = size if head.framing != 0 else 0
    like = head_for(head, head.method, outgoing.target, outgoing.fields, framing)
    like.te_trailers, like.grpc = head.te_trailers, head.grpc
    return OutgoingHead(like, outgoing.target, outgoing.host, outgoing.fields, outgoing.extra, outgoing.request_id)


class Copy(SubRequest):
    """``size``: bytes of its body."""

    __slots__ = ("_filter", "size")

    def __init__(self, of: MirrorFilter, outgoing: OutgoingHead, size: int) -> None:
        super().__init__(outgoing)
        self._filter = of
        self.size = size

    def ended(self) -> None:
        self._filter.over(self)


class Mirrored(Handler):
    """Around the handler of a route with ``mirror``."""

    __slots__ = ("_handler",)

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def start(self, exchange: Exchange) -> None:
        asked: Exchange = exchange
        passage = asked.passage
        found: MirrorNotes | None = None
        for notes in passage.notes if passage is not None else ():
            if isinstance(notes, MirrorNotes):
                found = notes
        self._handler.start(asked)
        if found is not None:
            found.sent(asked)
