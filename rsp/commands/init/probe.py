"""Asks a server on this machine one question: does it speak HTTP?"""

import socket
from typing import Final

_PATIENCE: Final = 0.5  # seconds for each step
_REQUEST: Final = b"HEAD / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: rsp-init\r\nConnection: close\r\n\r\n"
_BEGINNING: Final = b"HTTP/1."


def speaks_http(address: str) -> bool:
    """``address``: as a peer's, ``"127.0.0.1:8000"``, ``"[::1]:8000"`` or ``"unix:/run/app.sock"``."""
    try:
        with _connected(address) as sock:
            sock.settimeout(_PATIENCE)
            sock.sendall(_REQUEST)
            received = b""
            while len(received) < len(_BEGINNING) and (data := sock.recv(64)):
                received += data
    except OSError:
        return False
    return received.startswith(_BEGINNING)


def _connected(address: str) -> socket.socket:
    """Raises :class:`OSError`."""
    if not address.startswith("unix:"):
        host, _, port = address.rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)), _PATIENCE)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(_PATIENCE)
        sock.connect(address[5:])
    except OSError:
        sock.close()
        raise
    return sock
