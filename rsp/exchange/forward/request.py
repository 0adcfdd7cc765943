"""Whoever wants an answer from a peer: an exchange, or its second request (``hedge.py``).

This is all that a connection to a peer, a peer and a group know of the one they work for.
"""

from typing import TYPE_CHECKING, Final

from rsp.http.message import RequestHead, ResponseHead

if TYPE_CHECKING:
    from rsp.exchange.forward.peer import Peer
    from rsp.exchange.forward.rest import Rest
    from rsp.exchange.limits import Terms
    from rsp.http.h1.client import Upstream

NONE: "Final[set[Peer]]" = set()


class Asker:
    __slots__ = ("bound", "client", "head", "only", "request_done", "rest", "terms", "tried")

    head: RequestHead
    terms: "Terms"
    client: bytes  # its address
    request_done: bool  # all of the body is there
    tried: "set[Peer]"  # NONE where it is empty: not to be changed
    rest: "Rest | None"  # of those that are not, once there are several
    bound: bool  # the client's cookie names a peer that is there
    only: "Peer | None"  # where it has a connection of its own

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent once more."""
        raise NotImplementedError

    @property
    def waits(self) -> bool:
        """Whether it still wants the connection that is being made for it."""
        raise NotImplementedError

    def connected(self, upstream: "Upstream") -> None:
        """A connection is there: send the head and what there is of the body."""
        raise NotImplementedError

    def connect_failed(self, reason: str, *, timed_out: bool) -> None:
        """There is none; nothing was sent."""
        raise NotImplementedError

    def upstream_failed(self, upstream: "Upstream", reason: str, *, timed_out: bool = False) -> None:
        """The connection is gone or useless before the response was complete."""
        raise NotImplementedError

    def upstream_done(self) -> None:
        """The connection is no longer its own."""
        raise NotImplementedError

    def conversation(self, upstream: "Upstream") -> None:
        """The exchange on this connection, which is idle now, has authenticated it: it is for the same client only."""
        upstream.close()

    def upstream_full(self) -> None:
        """The peer takes no more for now."""

    def upstream_ready(self) -> None:
        """It does again."""

    def interim(self, head: ResponseHead) -> None:
        """A response before the final one."""

    def response(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """The final head, with what there is of the body; ``trailers``: not ``None`` when that is all."""
        raise NotImplementedError

    def response_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        """More of it; ``trailers``: not ``None`` when that was all."""
        raise NotImplementedError

    def switch_protocols(self, head: ResponseHead, data: bytes) -> None:
        """101, with what came behind it."""
        raise NotImplementedError

    def tunnel_down(self, data: bytes) -> None:
        raise NotImplementedError

    def tunnel_down_eof(self) -> None:
        raise NotImplementedError

    def tunnel_lost(self) -> None:
        raise NotImplementedError
