"""The access log: whole lines, written in batches.

Nothing here may block a worker: a pipe or terminal that takes no more keeps the lines for later, within bounds, and
what is lost beyond them is counted in a line of the log itself.
"""

import errno
import os
import time
from typing import Final

from rsp.logs import log
from rsp.logs.outlet import Outlet, standard

_BATCH: Final = 64 << 10  # bytes that are written without waiting for the tick
_HELD: Final = 4 << 20  # bytes that may wait for a pipe that is full


def open_file(target: str) -> int:
    """The descriptor of a log that is a file; -1 for others.  Raises :class:`OSError`.

    The master opens it, with its rights; workers are given it.
    """
    if target in ("stdout", "off"):
        return -1
    return os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o640)


class AccessLog:
    """``target``: ``stdout``, ``off`` or a path; the file's descriptor is ours to close.  ``stamp`` is the time of the
    lines, set once a tick."""

    def __init__(self, target: str, descriptor: int = -1) -> None:
        self.enabled = target != "off"
        self.stamp = b""
        self.target = target
        self._lines: list[bytes] = []
        self._size = 0
        self._lost = 0
        self._outlet: Outlet | None = None
        self._stuck = False  # it took no more: wait for the tick
        self.set_time(time.time())
        if target == "stdout":
            self._outlet = standard(1)
        elif descriptor >= 0:
            self._outlet = Outlet.opened(descriptor)

    def set_time(self, now: float) -> None:
        self.stamp = time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(now)).encode()

    def add(self, line: bytes) -> None:
        """``line`` ends in a line feed."""
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _BATCH:
            if not self._stuck:
                self.flush()
            elif self._size > _HELD:
                self._lose()

    def flush(self) -> None:
        """Write what is waiting; called every tick."""
        outlet = self._outlet
        if outlet is None:
            return
        try:
            self._stuck = not outlet.flush()
            if self._stuck:
                return
            if self._lost and not self._lines:
                self._lines.append(b"rsp: %d lines of the access log were lost: its reader is too slow\n" % self._lost)
                self._lost = 0
            if self._lines:
                self._stuck = not outlet.put(b"".join(self._lines))
        except OSError as error:
            self._stuck = False
            if error.errno != errno.EPIPE:  # without a reader there is nothing to repair here
                log.once_a_second("access_log", f"Cannot write the access log {self.target}: {error.strerror}")
        if not self._stuck:
            self._lines.clear()
            self._size = 0

    def replace(self, descriptor: int) -> None:
        """After a log rotation: this is the file from now on."""
        self.close()
        self._outlet = Outlet.opened(descriptor)

    def close(self) -> None:
        self.flush()
        if self._outlet is not None and self.target != "stdout":
            self._outlet.close()
        self._outlet = None

    def __del__(self) -> None:
        self.close()

    def _lose(self) -> None:
        self._lost += len(self._lines)
        self._lines.clear()
        self._size = 0
