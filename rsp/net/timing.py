"""What the kernel knows of a TCP connection.  Asked only when one ends."""

import fcntl
import socket
import struct
import termios
from math import inf
from typing import Final

# struct tcp_info of linux/tcp.h, up to tcpi_rtt: eight bytes, then 32-bit numbers.
_INFO: Final = struct.Struct("8x16I")
_LAST_DATA_SENT: Final = 9  # milliseconds ago
_LAST_ACK_RECEIVED: Final = 12
_ROUND_TRIP: Final = 15  # microseconds
_SIZE: Final = struct.Struct("i")


def timing(descriptor: int) -> tuple[float, float]:
    """The round trip, and how long after our last data the last packet came that acknowledged something, in seconds.

    The second one is below 0 if that packet came first.  ``(0.0, inf)`` for local sockets.
    """
    sock = socket.socket(fileno=descriptor)
    try:
        found = _INFO.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size))
    except (OSError, struct.error):
        return 0.0, inf
    finally:
        sock.detach()
    return found[_ROUND_TRIP] / 1e6, (found[_LAST_DATA_SENT] - found[_LAST_ACK_RECEIVED]) / 1e3


def undelivered(descriptor: int) -> int:
    """Bytes that the kernel still holds for the other side, or that it has not acknowledged."""
    try:
        found: bytes = fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(_SIZE.size))
    except OSError:
        return 0
    return int(_SIZE.unpack(found)[0])
