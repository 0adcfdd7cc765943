"""A connection to a peer, as the requests on it know it (``client_stream.py``); ``client.py`` has the rest."""

from rsp.http.h2.connection import Connection
from rsp.http.h2.stream import Stream


class PeerLink(Connection):
    """``reused``     it has been idle: it may have gone stale
    ``heard``      something has come since it was idle last; ``heard_at``: when something came, by the coarse clock
    ``end_delay``  seconds from the last request to the peer's end of file, as the kernel saw it
    ``reason``     why it has ended, as a clause for the log; ``told_of_end``: a request has been told of that
    ``scheme``     of its requests
    """

    __slots__ = ("end_delay", "heard", "heard_at", "reason", "reused", "scheme", "told_of_end")

    reused: bool
    heard: bool
    heard_at: float
    end_delay: float
    reason: str
    scheme: bytes
    told_of_end: bool

    def begin_lane(self, lane: Stream) -> None:
        """Its number is the next one."""
        raise NotImplementedError

    def leave(self) -> None:
        """Take no more requests; the end comes with the last one."""
        raise NotImplementedError

    def wants_http1(self) -> None:
        """The peer has said so."""
        raise NotImplementedError

    def is_stale(self) -> bool:
        """Whether the peer has ended it already."""
        raise NotImplementedError

    def stream_unused(self) -> None:
        """A request was to begin, and does not."""
        raise NotImplementedError
