"""Ports for tests that run side by side: no other test, test run or outgoing connection takes one of them.

The kernel gives ports from its ephemeral range to any process, between the moment in which a test looks for a free port
and the moment in which it uses it.  So the ports here lie below that range, in blocks; a block belongs to the process
that is bound to its first port.
"""

import functools
import itertools
import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

FIRST, BLOCK = 10_240, 512
speaking_tls: set[int] = set()  # ports that a test's own clients speak TLS with (over_tls.py)


def _bound(port: int) -> socket.socket:
    """Without SO_REUSEADDR and on every address, so that anything else at the port is in the way."""
    sock = socket.socket()
    try:
        sock.bind(("0.0.0.0", port))
    except OSError:
        sock.close()
        raise
    return sock


@functools.cache
def _block() -> tuple[socket.socket, Iterator[int]]:
    """The socket that reserves the block of this process, and the block's ports in turn."""
    ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    starts = list(range(FIRST, ephemeral - BLOCK, BLOCK))
    random.shuffle(starts)
    for start in starts:
        with suppress(OSError):
            return _bound(start), itertools.cycle(range(start + 1, start + BLOCK))
    raise RuntimeError("too many test runs at once: every block of ports is taken")


def free_port() -> int:
    for port in itertools.islice(_block()[1], BLOCK):
        with suppress(OSError):
            _bound(port).close()
            speaking_tls.discard(port)
            return port
    raise RuntimeError("no free port")
