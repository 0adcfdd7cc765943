"""How many connections each worker has, as its siblings see it, and where they reach it.

A cell for each slot, which only the slot's worker writes, and the master where there is none.  An inbox for each slot,
which outlives its workers: a datagram socket with a name of this instance's own in the abstract namespace (unix(7)), so
that a worker needs no descriptor for each sibling.  Every process of the machine can read that name.  So each inbox is
connected to the one socket that all workers send from, and the kernel refuses what comes from others: to drop it here
would be too late, because closing a descriptor of another process can take as long as that process wants (SO_LINGER).
"""

import mmap
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from rsp.config.units import MOST_WORKERS

AWAY: Final = 0  # no worker that takes connections
_FRESH: Final = 3  # seconds: a worker whose loop has not run for this time takes none
_AHEAD: Final = 5  # seconds by which its clock may be ahead of ours: each moves when its loop has its tick
_COUNT: Final = (1 << 24) - 1
_SECONDS: Final = (1 << 16) - 1
_VERSIONS: Final = (1 << 24) - 1


class Loads:
    """Create it before forking.  ``inboxes``: by slot, those that could be had.  ``outbox``: of all workers."""

    def __init__(self) -> None:
        self._cells = memoryview(mmap.mmap(-1, MOST_WORKERS * 8)).cast("Q")
        self.inboxes: dict[int, socket.socket] = {}
        self._name = f"\0rsp-{os.urandom(12).hex()}-"
        self.outbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.outbox.bind(f"{self._name}outbox")
        self.outbox.shutdown(socket.SHUT_RD)  # what is sent to it is refused

    def put(self, slot: int, version: int, now: float, count: int) -> None:
        """The slot's worker serves ``version`` of the configuration and has ``count`` connections."""
        self._cells[slot] = (version & _VERSIONS) << 40 | (int(now) & _SECONDS) << 24 | min(count, _COUNT)

    def leave(self, slot: int) -> None:
        """The slot has no worker that takes connections."""
        self._cells[slot] = AWAY

    def cell(self, slot: int) -> int:
        """What was put there; it changes when the worker's loop runs."""
        return self._cells[slot]

    def others(self, slot: int) -> Iterator[int]:
        """Slots that have a worker, without ``slot``."""
        return (other for other in range(MOST_WORKERS) if self._cells[other] and other != slot)

    def address(self, slot: int) -> str:
        """Of its inbox."""
        return f"{self._name}{slot}"

    def add(self, slot: int) -> None:
        """An inbox for a new slot."""
        with suppress(OSError):
            made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            made.connect(self.outbox.getsockname())
            made.bind(self.address(slot))
            self.inboxes[slot] = made


def count_of(cell: int, version: int, now: float) -> int | None:
    """Connections of the worker that wrote ``cell``; ``None``: it has another configuration, or its loop hangs."""
    age = (int(now) - (cell >> 24) + _AHEAD) & _SECONDS
    if cell >> 40 != version & _VERSIONS or age > _FRESH + _AHEAD:
        return None
    return cell & _COUNT
