"""What a handshake needs to know of a client, and of what serves clients afterwards; ``http/stream.py`` derives both.

They are classes, not interfaces, so that the compiled build reads their attributes and calls their methods in C: a
handshake would spend 3 us on looking them up by name.
"""

from typing import Any

from rsp.http.limits import Limits
from rsp.ipc.series import ListenerSeries
from rsp.net.proxy_header import ProxyHeader
from rsp.net.transport import Transport
from rsp.tls.facts import Facts


class Session:
    """A client.  ``limits``: of its ``listener``; ``counted``: whether ``limits.per_client`` counts it; ``series``:
    what is counted for its listener."""

    __slots__ = ("client", "counted", "limits", "listener", "series")

    client: bytes
    listener: str
    limits: Limits
    counted: bool
    series: ListenerSeries | None


class SecureService:
    """What serves connections once their handshake is complete."""

    __slots__ = ()

    def session(self, client: bytes, listener: str, proxied: ProxyHeader | None = None) -> Session:
        """For a new connection.  ``proxied``: it began with this."""
        raise NotImplementedError

    def accept_secure(self, transport: Transport, session: Any, tls: Facts, admitted: bool) -> None:
        """``session``: its own; ``admitted``: when it came it was not too many."""
        raise NotImplementedError

    def refuse_plain(self, transport: Transport, session: Any, data: bytes) -> None:
        """``data``: the beginning of a request without TLS."""
        raise NotImplementedError
