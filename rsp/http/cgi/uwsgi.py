"""A connection to a peer that speaks uwsgi: a packet of variables, then the body; what comes back is HTTP.

A connection is for one request: the protocol has no other end of it.
"""

import struct
from typing import Final

from rsp.http.cgi.scripts import Script
from rsp.http.cgi.variables import Own, Told, no_variables, variables
from rsp.http.h1.client import ConnectionOwner, PeerConnection
from rsp.http.h1.client_stream import H1PeerStream
from rsp.http.message import CHUNKED, OutgoingHead
from rsp.http.paths import normalise_path
from rsp.http.peer_stream import PeerRequest, PeerStream
from rsp.net.context import WorkerContext
from rsp.net.transport import Transport

_MOST: Final = 65535  # bytes of a packet


class UwsgiConnection(PeerConnection):
    """``own``: further variables."""

    __slots__ = ("own",)

    def __init__(
        self, context: WorkerContext, owner: ConnectionOwner, transport: Transport, own: Own = no_variables
    ) -> None:
        self.own = own
        PeerConnection.__init__(self, context, owner, transport)

    def open(self, request: PeerRequest) -> PeerStream | None:
        if self.transport.closing:
            return None
        stream = UwsgiStream()
        stream.own = self.own
        stream.set_up(self, request)
        return stream

    def release(self, request: PeerRequest | None) -> None:
        self.transport.close()


class UwsgiStream(H1PeerStream):
    """``_refused``: the status of rsp's own answer; the peer is not asked.  ``own``: as of the connection."""

    __slots__ = ("_refused", "own")

    own: Own

    def send_request(self, head: OutgoingHead, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        self._refused = 0
        if head.head.framing == CHUNKED:
            self._refuse_with(411)
            return
        try:
            H1PeerStream.send_request(self, head, pieces, trailers)
        except ValueError:
            self._refuse_with(431)

    def _refuse_with(self, status: int) -> None:
        self._connection.stream = self
        self._refused = status
        self._connection.transport.flush_later()

    def _written(self, head: OutgoingHead) -> bytes:
        request = self._request
        if request is None:
            return b""
        script = Script(b"", normalise_path(head.target.partition(b"?")[0]))
        # uWSGI begins its response with what SERVER_PROTOCOL says.
        return packet(variables(head, script, b"", Told.of(request), b"1.1", self.own(request)))

    def send_body(self, pieces: list[bytes], trailers: list[bytes] | None) -> None:
        if not self._refused:
            H1PeerStream.send_body(self, pieces, trailers)

    def flush(self) -> None:
        if self._refused:
            self.answer_for_peer(self._refused)
        else:
            H1PeerStream.flush(self)


def packet(pairs: list[tuple[bytes, bytes]]) -> bytes:
    """The variables of a request for a WSGI application (modifiers 0 and 0).

    Raises :class:`ValueError` where they are more than a packet holds.
    """
    if sum(4 + len(name) + len(value) for name, value in pairs) > _MOST:
        raise ValueError("the variables are too large for uwsgi")
    content = b"".join(
        struct.pack("<H", len(name)) + name + struct.pack("<H", len(value)) + value for name, value in pairs
    )
    return struct.pack("<BHB", 0, len(content), 0) + content
