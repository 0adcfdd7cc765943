"""Addresses that a listener could have on this machine, now."""

import os
import socket
from collections.abc import Collection
from typing import Final

_TRIED: Final = 100  # ports in a row


def free_address(privileged: int, other: int, taken: Collection[int] = ()) -> str:
    """``"0.0.0.0:80"`` for root, if nothing listens there; else an address on loopback, from the port ``other`` on.

    ``taken``: ports that are not free, although nothing may listen on them yet.
    """
    if os.geteuid() == 0 and privileged not in taken and _is_free(privileged):
        return f"0.0.0.0:{privileged}"
    ports = range(other, other + _TRIED)
    return f"127.0.0.1:{next((port for port in ports if port not in taken and _is_free(port)), other)}"


def _is_free(port: int) -> bool:
    """On all addresses, so that the listener may be opened to other machines."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that have ended do not count
        try:
            probe.bind(("0.0.0.0", port))
            probe.listen(1)
        except OSError:
            return False
    return True
