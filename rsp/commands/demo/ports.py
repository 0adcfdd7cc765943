"""Ports of the loopback address: the usual ones where they are free, others where they are not."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from errno import EADDRINUSE
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"


class Turn:
    """Of a demo that starts: while it lasts, no other one looks for ports, as those that are chosen are not bound yet.

    It is a lock of the folder that this file is in.
    """

    def __init__(self) -> None:
        self._folder = os.open(Path(__file__).parent, os.O_RDONLY)
        fcntl.flock(self._folder, fcntl.LOCK_EX)

    def end(self) -> None:
        if self._folder >= 0:
            fcntl.flock(self._folder, fcntl.LOCK_UN)  # closing it is not enough: processes may have been forked
            os.close(self._folder)
            self._folder = -1


def listening(port: int) -> socket.socket:
    """Without SO_REUSEPORT, so that another rsp at the port is in the way.  Raises :class:`OSError`."""
    sock = socket.socket()
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of an earlier demo may linger
        sock.bind((LOOPBACK, port))
        sock.listen()
    except OSError:
        sock.close()
        raise
    return sock


def candidates(preferred: int) -> Iterator[int]:
    """``preferred``, and those to take instead: none that the kernel gives to outgoing connections meanwhile."""
    return iter(range(preferred, preferred + 1000, 10))


def listening_near(preferred: int) -> socket.socket:
    """At the first of its candidates that is free.  Raises :class:`OSError` where there is none."""
    for port in candidates(preferred):
        with suppress(OSError):
            return listening(port)
    raise OSError(EADDRINUSE, f"no port from {preferred} on is free")


def free(preferred: int) -> int:
    """The same, for another program."""
    with listening_near(preferred) as sock:
        return port_of(sock)


def port_of(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])
