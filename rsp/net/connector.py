"""A connection on its way up."""

import os
import socket
from collections.abc import Callable

from rsp.net.poller import OUT, SCARCE, Poller, Watched
from rsp.net.transport import Transport

Done = Callable[[Transport | None, str], None]


class Connector(Watched):
    """Connects to ``address``, a host's IP and port or the path of a local socket; then calls ``done`` once.

    ``kind``: of the transport.

    ``done(transport, "")`` hands the connection over; ``done(None, reason)`` says why there is none.
    It may be called before the constructor returns.
    """

    __slots__ = ("_done", "_kind", "_poller")

    def __init__(
        self, poller: Poller, address: tuple[str, int] | str, done: Done, kind: type[Transport] = Transport
    ) -> None:
        if isinstance(address, str):
            family = socket.AF_UNIX
        else:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(-1)
        self._poller = poller
        self._kind = kind
        self._done: Done = _told
        try:
            sock = _socket(family, poller)
        except OSError as error:
            done(None, error.strerror or str(error))
            return
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            sock.connect(address)
        except BlockingIOError as error:
            if family == socket.AF_UNIX:  # its queue is full, and waiting is not offered
                sock.close()
                done(None, error.strerror or str(error))
                return
            self.descriptor = sock.detach()
            self._done = done
            poller.want(self, OUT)
        except OSError as error:
            sock.close()
            done(None, error.strerror or str(error))
        else:
            done(kind(poller, sock.detach()), "")

    def ready(self, events: int) -> None:
        descriptor, done = self._let_go()
        sock = socket.socket(fileno=descriptor)
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            sock.close()
            done(None, os.strerror(error))
        else:
            done(self._kind(self._poller, sock.detach()), "")

    def cancel(self, reason: str) -> None:
        """Give up, unless it is done."""
        if self.descriptor >= 0:
            descriptor, done = self._let_go()
            os.close(descriptor)
            done(None, reason)

    def _let_go(self) -> tuple[int, Done]:
        """Wait no more: the descriptor's next owner wants its own events.  ``done`` may hold what holds this."""
        self._poller.want(self, 0)
        descriptor, self.descriptor = self.descriptor, -1
        done, self._done = self._done, _told
        return descriptor, done

    def broken(self) -> None:
        self.cancel("internal error")


def _told(transport: Transport | None, reason: str) -> None:
    """In the place of what has been told."""


def _socket(family: int, poller: Poller) -> socket.socket:
    """Raises :class:`OSError`."""
    kind = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
    try:
        return socket.socket(family, kind)
    except OSError as error:
        if error.errno in SCARCE and poller.relieve():
            return socket.socket(family, kind)
        raise
