"""Logs that are sent, a message for each line: syslog (RFC 5424) over a unix socket or UDP, and systemd's journal.

Sending never blocks.  The socket is not connected, so a daemon that is started again is found again; while there is
none, and while it takes no more, lines wait.
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
_AWAY: Final = (errno.ENOENT, errno.ECONNREFUSED, errno.ENOBUFS, errno.EACCES, errno.ENETUNREACH, errno.EHOSTUNREACH)

Address = str | tuple[str, int]


class Datagrams:
    """``start``: what each message of a moment begins with; ``end``: with what it ends.  ``name``: for messages."""

    def __init__(
        self, name: str, sock: socket.socket, address: Address, start: Callable[[], bytes], end: bytes
    ) -> None:
        sock.setblocking(False)
        self._name = name
        self._sock = sock
        self._address = address
        self._start = start
        self._end = end
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
        rest, send, address = self._rest, self._sock.sendto, self._address
        while rest:
            try:
                send(rest[-1], address)
            except BlockingIOError:
                return False
            except OSError as error:
                if error.errno not in _AWAY:
                    rest.clear()
                    raise
                log.once_a_second(f"datagrams {self._name}", f"{self._name} takes no lines: {error.strerror}")
                return False
            rest.pop()
        return True

    def close(self) -> None:
        self._sock.close()


def syslog(name: str, address: Address) -> Datagrams:
    """``address``: of a unix socket, or of a UDP port."""
    own = _printable(socket.gethostname())
    behind = f" {own} rsp {os.getpid()} access - ".encode()

    def start() -> bytes:
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        return f"<{_PRIORITY}>1 {stamp}.{int(now * 1000) % 1000:03d}Z".encode() + behind

    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    return Datagrams(name, socket.socket(family, socket.SOCK_DGRAM), address, start, b"")


def journal(name: str, path: str) -> Datagrams:
    """Its native protocol: fields, a line for each."""
    start = b"PRIORITY=6\nSYSLOG_FACILITY=23\nSYSLOG_IDENTIFIER=rsp\nMESSAGE="
    return Datagrams(name, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), path, lambda: start, b"\n")


def _printable(name: str) -> str:
    """A host name as RFC 5424 section 6 has it."""
    return "".join(letter for letter in name if "!" <= letter <= "~")[:255] or "-"
