"""The scoreboard: one shared table of 64-bit cells, a row for each worker slot.

Every cell has one writer, so there are no locks; everyone reads all.  Nginx and HAProxy call such a table
shared statistics, Apache a scoreboard.  It lives in a memfd, so it survives every process but the master.
"""

import mmap
import os
from enum import IntEnum
from typing import Final

SLOTS: Final = 256  # the most workers that one instance may have
_ROW: Final = 32  # cells in a row


class Cell(IntEnum):
    """Cells of a worker's row.  The master writes CPU_MS and RSS, the worker all the others."""

    HEARTBEAT = 0  # CLOCK_MONOTONIC in milliseconds at the last tick
    CONNECTIONS = 1  # client connections open now
    ACCEPTED = 2  # client connections ever
    REQUESTS = 3  # exchanges finished
    STATUS_2XX = 4
    STATUS_3XX = 5
    STATUS_4XX = 6
    STATUS_5XX = 7
    BYTES_SENT = 8  # body bytes to clients
    RETRIES = 9
    IN_FLIGHT = 10  # exchanges running now
    CPU_MS = 16
    RSS = 17  # bytes


class Row:
    """One slot's cells, as a mutable sequence indexed by :class:`Cell`."""

    __slots__ = ("_cells", "_start")

    def __init__(self, cells: memoryview, slot: int) -> None:
        self._cells = cells
        self._start = slot * _ROW

    def __getitem__(self, cell: Cell) -> int:
        value: int = self._cells[self._start + cell]
        return value

    def __setitem__(self, cell: Cell, value: int) -> None:
        self._cells[self._start + cell] = value


class Scoreboard:
    """Create it before forking; children share the memory."""

    def __init__(self) -> None:
        size = SLOTS * _ROW * 8
        descriptor = os.memfd_create("rsp-scoreboard")
        os.ftruncate(descriptor, size)
        self._memory = mmap.mmap(descriptor, size)
        os.close(descriptor)
        self._cells = memoryview(self._memory).cast("Q")

    def row(self, slot: int) -> Row:
        return Row(self._cells, slot)
