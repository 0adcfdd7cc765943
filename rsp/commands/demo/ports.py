"""Ports of the loopback address: the usual ones where they are free, others where they are not."""

import socket
from collections.abc import Iterable
from typing import Final

LOOPBACK: Final = "127.0.0.1"


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


def free(preferred: Iterable[int]) -> list[int]:
    """A port for each of ``preferred``: itself where it is free, else one that the kernel chooses."""
    sockets = []
    ports = []
    for port in preferred:
        sock = socket.socket()  # kept until all are chosen, so that no port is chosen twice
        sockets.append(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((LOOPBACK, port))
        except OSError:
            sock.bind((LOOPBACK, 0))
        ports.append(int(sock.getsockname()[1]))
    for sock in sockets:
        sock.close()
    return ports
