"""Logs that are sent, a message for each line: syslog (RFC 5424) over a unix socket or UDP, and systemd's journal.

Sending never blocks.  While there is no daemon, and while it takes no more, lines wait.  A unix socket is connected by
the master, with its rights; once that daemon is gone, each message looks for another one at the same path.
"""

import errno
import os
import socket
import time
from collections.abc import Callable
from typing import Final

from rsp.logs import log

_PRIORITY: Final = 23 * 8 + 6  # local7.info
_WIDEST_SYSLOG: Final = 8000  # bytes of a line; RFC 5424 section 6.1 lets receivers cut long messages off
_WIDEST_JOURNAL: Final = 48_000
_ENDED: Final = (errno.ECONNREFUSED, errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE, errno.EDESTADDRREQ)
_AWAY: Final = (*_ENDED, errno.ENOENT, errno.ENOBUFS, errno.EACCES, errno.ENETUNREACH, errno.EHOSTUNREACH)

Address = str | tuple[str, int]


class Datagrams:
    """``start``: what each message of a moment begins with; ``end``: with what it ends.  ``name``: for messages.

    ``connected``: a socket that is, for as long as its daemon lives.  ``is_full``: its queue had no more room.
    """

    def __init__(
        self, name: str, address: Address, start: Callable[[], bytes], end: bytes, connected: socket.socket | None
    ) -> None:
        self._name = name
        self._address = address
        self._sock = socket.socket(_family(address), socket.SOCK_DGRAM)
        self._connected = connected
        self._start = start
        self._end = end
        self.is_full = False
        self._rest: list[bytes] = []  # messages that have been taken, the next one at the end
        self.widest = _WIDEST_JOURNAL if end else _WIDEST_SYSLOG

    def put(self, data: bytes) -> bool:
        """Whether it takes the lines in ``data``, some of which may be sent later.  Raises :class:`OSError`."""
        if self._rest and not self.flush():
            return False
        start, end, widest = self._start(), self._end, self.widest
        self._rest = [start + line[:widest] + end for line in reversed(data.split(b"\n")[:-1])]
        self.flush()
        return True

    def flush(self) -> bool:
        """Whether all is sent that has been taken.  Raises :class:`OSError`."""
        rest = self._rest
        self.is_full = False
        while rest:
            try:
                self._send(rest[-1])
            except BlockingIOError:
                self.is_full = True
                return False
            except OSError as error:
                if error.errno not in _AWAY:
                    rest.clear()
                    raise
                log.once_a_second(f"datagrams {self._name}", f"{self._name} takes no lines: {error.strerror}")
                return False
            rest.pop()
        return True

    @property
    def waiting(self) -> int:
        """Lines that have been taken, and are not sent yet."""
        return len(self._rest)

    def close(self) -> None:
        self._sock.close()
        self._disconnect()

    def use(self, connected: socket.socket) -> None:
        """There is a daemon again, or another one."""
        self._disconnect()
        self._connected = connected

    def _send(self, message: bytes) -> None:
        if self._connected is not None:
            try:
                self._connected.send(message, socket.MSG_DONTWAIT)
                return
            except OSError as error:
                if error.errno not in _ENDED:
                    raise
                self._disconnect()
        self._sock.sendto(message, socket.MSG_DONTWAIT, self._address)

    def _disconnect(self) -> None:
        if self._connected is not None:
            self._connected.close()
            self._connected = None


def syslog(name: str, address: Address, connected: socket.socket | None = None) -> Datagrams:
    """``address``: of a unix socket, or of a UDP port."""
    behind = f" {_printable(socket.gethostname())} rsp {os.getpid()} access - ".encode()

    def start() -> bytes:
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        return f"<{_PRIORITY}>1 {stamp}.{int(now * 1000) % 1000:03d}Z".encode() + behind

    return Datagrams(name, address, start, b"", connected)


def journal(name: str, path: str, connected: socket.socket | None = None) -> Datagrams:
    """Its native protocol: fields, a line for each."""
    start = b"PRIORITY=6\nSYSLOG_FACILITY=23\nSYSLOG_IDENTIFIER=rsp\nMESSAGE="
    return Datagrams(name, path, lambda: start, b"\n", connected)


def connect(path: str) -> int:
    """The descriptor of a socket to the daemon at ``path``.  Raises :class:`OSError`."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.connect(path)
        return sock.detach()
    finally:
        sock.close()


def _family(address: Address) -> socket.AddressFamily:
    if isinstance(address, str):
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


def _printable(name: str) -> str:
    """A host name as RFC 5424 section 6 has it."""
    return "".join(letter for letter in name if "!" <= letter <= "~")[:255] or "-"
