"""Temporary files for bodies that are held: without a name, so that nothing is left behind however a worker ends.

The bytes in all workers' files are bounded together (``limits.temp``): each worker says in its row of the scoreboard
how many it has, and adds up all rows before it writes.  Two workers that write in the same moment may go beyond the
bound by what they write at once, 64 KB or a little more each.
"""

import errno
import os
import tempfile
from typing import Final

from rsp.config.units import Size
from rsp.ipc.scoreboard import Scoreboard
from rsp.ipc.worker_cells import PID, ROW, TEMP
from rsp.ipc.worker_stats import WorkerStats
from rsp.logs import log
from rsp.system.descriptors import limit

_SHARE: Final = 8  # of the descriptors that a worker may have: a client of HTTP/2 may send many bodies at once


class NoRoomError(Exception):
    """What should be kept cannot be; the log says why."""


class TempFiles:
    """Of one worker, whose row has ``number``.  ``used``: the bytes in its own; ``open``: how many it has."""

    __slots__ = ("_number", "_scoreboard", "_stats", "open", "used")

    def __init__(self, scoreboard: Scoreboard, number: int, stats: WorkerStats) -> None:
        self._scoreboard = scoreboard
        self._number = number
        self._stats = stats
        self.used = self.open = 0

    def make(self) -> "TempFile":
        """An empty one.  Raises :class:`NoRoomError`."""
        if self.open >= limit() // _SHARE:
            raise _complain(OSError(errno.EMFILE, f"{self.open} are open, and connections need descriptors, too"))
        try:
            file = TempFile(self)
        except OSError as error:
            raise _complain(error) from None
        self.open += 1
        return file

    def take(self, size: int, most: int) -> bool:
        """Whether ``size`` more bytes are within ``most``; they count from here on."""
        if self.used_by_all() + size > most:
            said = f"limits.temp: the temporary files of all workers have no room left ({Size(most)})"
            log.once_a_second("limits.temp", f"{said}; bodies that do not fit are not held")
            return False
        self._count(size)
        return True

    def give_back(self, size: int) -> None:
        self._count(-size)

    def _count(self, size: int) -> None:
        self.used += size
        self._stats.put(TEMP, self.used)

    def used_by_all(self) -> int:
        """Without those of workers that are gone, whose rows have no process: the kernel has taken their files."""
        cells = self._scoreboard.cells
        starts = (number * ROW for number in range(self._scoreboard.rows) if number != self._number)
        others: int = sum(cells[start + TEMP] for start in starts if cells[start + PID])
        return others + self.used


class TempFile:
    """Bytes that are added at the end and read from anywhere.  ``size``: how many there are."""

    __slots__ = ("_file", "_files", "size")

    def __init__(self, files: TempFiles) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - it is open as long as its body is wanted
        self._files = files
        self.size = 0

    def append(self, data: bytes, most: int) -> None:
        """``most``: bytes in all workers' files.  Raises :class:`NoRoomError`."""
        if not self._files.take(len(data), most):
            raise NoRoomError
        view, end = memoryview(data), self.size
        try:
            while view:
                written = os.pwrite(self._file.fileno(), view, end)
                view, end = view[written:], end + written
        except OSError as error:
            self._files.give_back(len(data))
            raise _complain(error) from None
        self.size = end

    def read(self, start: int, size: int) -> bytes:
        """Some of what there is, never nothing.  Raises :class:`NoRoomError`."""
        try:
            data = os.pread(self._file.fileno(), min(size, self.size - start), start)
            if not data:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return data
        except OSError as error:
            raise _complain(error) from None

    def empty(self) -> None:
        """For other bytes.  Raises :class:`NoRoomError`."""
        try:
            self._file.truncate(0)
        except OSError as error:
            raise _complain(error) from None
        self._files.give_back(self.size)
        self.size = 0

    def close(self) -> None:
        """May be called again."""
        if not self._file.closed:
            self._file.close()
            self._files.open -= 1
            self._files.give_back(self.size)
            self.size = 0


_MEANT: Final = "bodies that are buffered have no other place (TMPDIR chooses the directory)"


def _complain(error: OSError) -> NoRoomError:
    try:
        where = tempfile.gettempdir()
    except OSError:
        where = "the directory for temporary files"
    log.once_a_second("temporary files", f"A temporary file in {where}: {error.strerror}; {_MEANT}", log.ERROR)
    return NoRoomError()
