"""The access log: whole lines, written in batches.

Nothing here may block a worker: a pipe or terminal that takes no more keeps the lines for later, within bounds, and
what is lost beyond them is counted in a line of the log itself.
"""

import errno
import os
import socket
import stat
import time
from typing import Final

from rsp import log

_BATCH: Final = 64 << 10  # bytes that are written without waiting for the tick
_HELD: Final = 4 << 20  # bytes that may wait for a pipe that is full
_PIPE_BUF: Final = 4096  # writes of at most this many bytes to a pipe are whole or not at all


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
        self._descriptor = descriptor
        self._pipe = False
        self._stuck = False  # the pipe was full: wait for the tick
        self.set_time(time.time())
        if target == "stdout":
            self._descriptor = self._open_stdout()
        self._look()

    def set_time(self, now: float) -> None:
        self.stamp = time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(now)).encode()

    def add(self, line: bytes) -> None:
        """``line`` ends in a line feed."""
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _BATCH and not self._stuck:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting; called every tick."""
        self._stuck = False
        if not self._lines:
            return
        if self._pipe:
            self._flush_pipe()
            return
        data = b"".join(self._lines)
        self._lines.clear()
        self._size = 0
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            log.once_a_second("access_log", f"Cannot write the access log {self.target}: {error.strerror}")

    def replace(self, descriptor: int) -> None:
        """After a log rotation: this is the file from now on."""
        self.close()
        self._descriptor = descriptor
        self._look()

    def close(self) -> None:
        self.flush()
        if self._descriptor > 2:
            os.close(self._descriptor)
        self._descriptor = -1

    def _look(self) -> None:
        if self._descriptor >= 0:
            self._pipe = not stat.S_ISREG(os.fstat(self._descriptor).st_mode)

    def _open_stdout(self) -> int:
        """Standard output; a pipe or terminal is opened anew, so that non-blocking is ours alone."""
        try:
            mode = os.fstat(1).st_mode
            if stat.S_ISREG(mode) or stat.S_ISSOCK(mode):
                return 1
            return os.open("/proc/self/fd/1", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return 1

    def _flush_pipe(self) -> None:
        """Whole lines in pieces that a pipe takes at once or not at all."""
        lines = self._lines
        start = 0
        while start < len(lines):
            end, size = start, 0
            while end < len(lines) and (size + len(lines[end]) <= _PIPE_BUF or end == start):
                size += len(lines[end])
                end += 1
            try:
                data = b"".join(lines[start:end])
                self._write_pipe(data if size <= _PIPE_BUF else data[: _PIPE_BUF - 1] + b"\n")
            except BlockingIOError:
                self._stuck = True
                break
            except OSError as error:
                if error.errno != errno.EPIPE:  # else the reader is gone: nobody to tell
                    log.once_a_second("access_log", f"Cannot write the access log {self.target}: {error.strerror}")
            start = end
        del lines[:start]
        self._size = sum(map(len, lines))
        if self._size > _HELD:
            self._lost += len(lines)
            lines.clear()
            self._size = 0
        elif self._lost and not lines:
            lines.append(b"rsp: %d lines of the access log were lost: its reader is too slow\n" % self._lost)
            self._lost = 0

    def _write_pipe(self, data: bytes) -> None:
        if stat.S_ISSOCK(os.fstat(self._descriptor).st_mode):
            sender = socket.socket(fileno=self._descriptor)
            try:
                sender.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            finally:
                sender.detach()
        else:
            os.write(self._descriptor, data)
