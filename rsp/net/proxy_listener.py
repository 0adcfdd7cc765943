"""Connections that begin with a PROXY header, until it is there: before TLS, before HTTP.

Only the header is taken off the socket, and what follows it stays in the kernel.  So the connection is handed on as one
that has just been accepted, whatever begins on it.
"""

import socket
from collections.abc import Callable, Iterable
from math import inf
from typing import Final

from rsp.http.limits import Limits
from rsp.http.networks import Networks
from rsp.ipc.worker_cells import PROXY_FAILURES
from rsp.logs import log
from rsp.net.context import WorkerContext
from rsp.net.poller import IN, Watched
from rsp.net.proxy_header import ProxyError, ProxyHeader, read_header
from rsp.net.transport import Transport

# A connection, the client at the other end, its listener, and its header; without one: it is served as plain.
Then = Callable[..., None]

_AT_ONCE: Final = 1024  # bytes; a longer header comes in pieces


class ProxyListener:
    """One listener.  ``proxies``: whose connections begin with a header; ``then``: what begins with a connection.

    ``limits``: of the listener.
    """

    __slots__ = ("_proxies", "_then", "context", "limits")

    def __init__(self, context: WorkerContext, proxies: Iterable[str], limits: Limits, then: Then) -> None:
        self._proxies = Networks(proxies)
        self._then = then
        self.context = context
        self.limits = limits

    def accept(self, transport: Transport, client: bytes, listener: str) -> None:
        """A new connection."""
        if self._proxies.covers(client):
            Introduction(self, transport, client, listener)
        else:
            self._then(transport, client, listener)

    def go_on(self, transport: Transport, client: bytes, listener: str, header: ProxyHeader) -> None:
        self._then(transport, client, listener, header)


class Introduction(Watched):
    """A proxy's connection until its header is there.  ``deadline``: as for a request's head."""

    __slots__ = ("_client", "_listener", "_owner", "_received", "_sock", "_transport", "deadline")

    def __init__(self, owner: ProxyListener, transport: Transport, client: bytes, listener: str) -> None:
        super().__init__(transport.descriptor)
        self._owner = owner
        self._transport = transport
        self._client = client
        self._listener = listener
        self._received = b""
        self._sock: socket.socket | None = socket.socket(fileno=transport.descriptor)
        context, limits = owner.context, owner.limits
        self.deadline = context.now + limits.head_time
        context.connections.add(self)
        if len(context.connections) > limits.connections + limits.lingering:
            context.stats.answered(503, 0)
            self.close()
            return
        self.ready(IN)  # the header has come, nearly always
        if self._sock is not None:
            context.poller.want(self, IN)

    @property
    def is_idle(self) -> bool:
        """The proxy has sent nothing."""
        return not self._received

    def ready(self, events: int) -> None:
        sock = self._sock
        if sock is None:
            return
        try:
            data = sock.recv(_AT_ONCE, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._look(sock, data)
        elif self._received:
            self._refuse("closed the connection within its PROXY header")
        else:
            self.close()  # a balancer looks whether the port is open

    def _look(self, sock: socket.socket, data: bytes) -> None:
        """``data`` is there, and has not been taken."""
        received = self._received + data
        try:
            found = read_header(received)
        except ProxyError as error:
            self._refuse(str(error))
            return
        if found is None:
            self._received = received
            sock.recv(len(data))
            return
        header, size = found
        sock.recv(size - len(self._received))
        self._leave()
        self._owner.go_on(self._transport, self._client, self._listener, header)

    def _refuse(self, reason: str) -> None:
        """Count it, and log one a second for a listener."""
        self._owner.context.stats.add(PROXY_FAILURES, 1)
        proxy = f"{self._client.decode()}, from which proxy_protocol expects a PROXY header,"
        log.once_a_second(f"proxy {self._listener}", f'listen "{self._listener}": {proxy} {reason}')
        self.close()

    def _leave(self) -> None:
        """The connection has another owner, or ends."""
        sock, self._sock = self._sock, None
        self.deadline = inf
        if sock is not None:
            self._owner.context.poller.want(self, 0)
            self._owner.context.connections.discard(self)
            sock.detach()

    def close(self) -> None:
        self._leave()
        self._transport.abort()

    def broken(self) -> None:
        self.close()

    # -- the clock's side

    def is_due(self, now: float) -> bool:
        return self.deadline < now

    def expire(self) -> None:
        head_time = f"{self._owner.limits.head_time:g} s"
        if self._received:
            self._refuse(f"did not send the whole of its PROXY header within {head_time}")
        else:
            self._refuse(f"sent no PROXY header within {head_time}")
