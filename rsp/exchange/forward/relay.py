"""What passes between a user and a peer as it is: bodies, pauses, interim responses, the bytes of a tunnel.

Rules of this room: nothing is decided here.  Which peer that is, and what its failures mean, is for ``forward.py`` to
say.  What has passed is remembered as far as it is needed to pass it once more.
"""

from typing import TYPE_CHECKING, Final

from rsp.exchange.forward.body import RequestBody
from rsp.exchange.forward.hold import Holder
from rsp.exchange.forward.retry import is_idempotent
from rsp.http.message import ResponseHead
from rsp.http.peer_stream import BoundConnection, PeerStream, ResponseReceiver

if TYPE_CHECKING:
    from rsp.exchange.forward.upstream import Upstream

_NOTHING: Final[list[bytes]] = []  # never changed


class _Gone(ResponseReceiver):
    """In the place of a user that needs nothing any more."""

    __slots__ = ()

    def __init__(self) -> None:
        self.response_started = True  # so nothing is tried any more


GONE: Final = _Gone()


class Relay(Holder):
    """``user``: what takes the response; ``body``: what there is of the request's body.

    ``over``: the user has been told the end, or needs none; ``spent``: it cannot be sent on another connection.
    """

    __slots__ = ("body", "over", "spent", "upstream", "user")

    user: ResponseReceiver
    upstream: "Upstream"
    body: RequestBody | None
    over: bool
    spent: bool

    # -- the request

    def is_repeatable(self) -> bool:
        """Whether it may be sent once more: it is idempotent, all of its body that was sent is still here, and it means
        the same on another connection."""
        return is_idempotent(self.head.method) and self.is_whole()

    def is_whole(self) -> bool:
        """Whether nothing of it is lost for another connection."""
        return not (self.spent or self.head.connection_bound or (self.body is not None and self.body.spent))

    def take_back(self) -> None:
        """All of the body is to be sent again."""
        if self.body is not None:
            self.body.take_back()
            self.request_done = self.body.trailers is not None

    def send(self, stream: PeerStream) -> None:
        """The head, and what there is of the body."""
        self.stream = stream
        if self.journal is not None:
            self.journal.sends(self.noted, self.context.clock())
        body, pieces, trailers = self.body, _NOTHING, None
        if body is not None and body.waiting:
            pieces = body.take(self._most_kept())
        if self.request_done and self.head.framing != 0:
            trailers = self._sound(body.trailers) if body is not None else _NOTHING
        stream.send_request(self.user.outgoing_head(), pieces, trailers)
        if stream.is_bound():
            self.spent = True  # another connection has no user, or another one
        if not self.request_done and not stream.is_full():
            self.user.source_ready()

    def request_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        stream, body = self.stream, self.body
        if trailers is not None:
            self.request_done = True
        if stream is None and self.user.response_started:
            return
        if body is None:
            body = self.body = RequestBody()
        if trailers is not None:
            body.trailers = trailers
        if stream is None:
            body.add(pieces)
            if body.size > self.limits.buffer:
                self.user.source_full()
        elif pieces or trailers is not None:
            body.keep(pieces, self._most_kept())
            stream.send_body(pieces, trailers if trailers is None else self._sound(trailers))

    def _most_kept(self) -> int:
        """Bytes of the body that are kept for another try, while there may be one: with HTTP/2 whatever the method,
        because a peer may say that it has not touched the request."""
        upstream = self.upstream
        if self.user.response_started or not (upstream.shares or is_idempotent(self.head.method)):
            return 0
        return upstream.replay_limit

    def _sound(self, trailers: list[bytes] | None) -> list[bytes]:
        """Those that a peer may have."""
        return self.user.outgoing_trailers(trailers) if trailers else _NOTHING

    def placeholder(self, name: str) -> bytes:
        return self.user.placeholder(name)

    def local_name(self) -> bytes:
        return self.user.local_name()

    def peer_full(self) -> None:
        self.user.source_full()

    def peer_ready(self) -> None:
        self.user.source_ready()

    def announced(self) -> object:
        return self.user.announced()

    # -- the response

    def interim(self, head: ResponseHead) -> None:
        self.user.interim(head)

    def pause(self) -> None:
        if self.stream is not None:
            self.stream.pause()

    def resume(self) -> None:
        if self.stream is not None:
            self.stream.resume()

    def keep_for_client(self, connection: BoundConnection) -> None:
        self.user.keep_for_client(self.peer, connection)

    # -- after 101 Switching Protocols: bytes both ways

    def tunnel_up(self, data: bytes) -> None:
        if self.stream is not None:
            self.stream.send_raw(data)

    def tunnel_up_eof(self) -> None:
        if self.stream is not None:
            self.stream.send_eof()

    def tunnel_down(self, data: bytes) -> None:
        self.user.tunnel_down(data)

    def tunnel_down_eof(self) -> None:
        self.user.tunnel_down_eof()

    def tunnel_lost(self) -> None:
        self.peer_done()
        self.over = True
        self.user.tunnel_lost()

    def close_tunnel(self) -> None:
        stream = self.stream
        if stream is not None:
            self.peer_done()
            self.over = True
            stream.close()
