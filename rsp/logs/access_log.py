"""Where lines of access logs go, in batches of whole lines.

Nothing here may block a worker: a pipe or a daemon that takes no more keeps the lines for later, within bounds, and
what is lost beyond them is counted, and told in a line of the log itself.
"""

import errno
import json
import os
import time
from collections.abc import Callable
from typing import Final, Protocol

from rsp.config.log_settings import STDOUT
from rsp.logs import log

_BATCH: Final = 64 << 10  # bytes that are written without waiting for the tick
_HELD: Final = 4 << 20  # bytes that may wait for what takes no more
# After this number of further bytes it is asked again: a daemon's queue may have room for ten messages, and be empty
# long before the next tick.
_AGAIN: Final = 2 << 10


class Taker(Protocol):
    """An :class:`Outlet`, or one that sends.  ``widest``: bytes that a line may have; 0: any number.  ``waiting``:
    lines that it has taken, and has not written yet."""

    widest: int

    @property
    def waiting(self) -> int: ...

    def put(self, data: bytes) -> bool:
        """Whether it takes ``data``, the end of which may be written later.  Raises :class:`OSError`."""

    def flush(self) -> bool:
        """Whether all is written that has been taken.  Raises :class:`OSError`."""

    def close(self) -> None: ...


def open_file(path: str) -> int:
    """The descriptor of a log that is a file.  Raises :class:`OSError`.

    The master opens it, with its rights; workers are given it.
    """
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o640)


def unheard(_count: int) -> None:
    """Nothing counts the lines that are lost."""


class AccessLog:
    """``path``: as the configuration has it.  ``lost(count)`` is told how many lines were lost.

    ``stamp``   the time of the lines, set once a tick; ``offset``: from the monotonic clock to the time of day
    ``widest``  bytes that a line may have; 0: any number
    ``json``    its lines are JSON
    ``taker``   what they go to now
    """

    def __init__(self, path: str, taker: Taker | None = None, lost: Callable[[int], None] = unheard) -> None:
        self.path = path
        self.stamp = b""
        self.offset = 0.0
        self.json = False
        self.widest = taker.widest if taker is not None else 0
        self.taker = taker
        self._tell_lost = lost
        self._lines: list[bytes] = []
        self._size = 0
        self._lost = 0  # since the last line that told of it
        self._stuck = False  # it took no more
        self._flush_at = _BATCH  # bytes that wait
        self.set_time(time.time())

    def set_time(self, now: float) -> None:
        self.stamp = time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(now)).encode()
        self.offset = now - time.monotonic()

    def add(self, line: bytes) -> None:
        """``line`` ends in a line feed."""
        self._lines.append(line)
        self._size += len(line)
        if self._size >= self._flush_at:
            self.flush()
            if self._size > _HELD:
                self._lose()

    def flush(self) -> None:
        """Write what is waiting; called every tick."""
        self._write()
        held = self._stuck or (self.taker is not None and self.taker.waiting)
        self._flush_at = min(self._size + _AGAIN, _HELD + 1) if held else _BATCH

    def is_done(self) -> bool:
        """Whether all is written."""
        self.flush()
        return not self._lines and (self.taker is None or not self.taker.waiting)

    def _write(self) -> None:
        taker = self.taker
        if taker is None:
            self._lines.clear()
            self._size = 0
            return
        try:
            self._stuck = not taker.flush() or not self._pass_on(taker)
        except OSError as error:
            self._stuck = False
            if error.errno != errno.EPIPE:  # without a reader there is nothing to repair here
                log.once_a_second("access_log", f"Cannot write the access log {self.path}: {error.strerror}")
            self._tell_lost(len(self._lines))
        if not self._stuck:
            self._lines.clear()
            self._size = 0

    def _pass_on(self, taker: Taker) -> bool:
        """Whether ``taker`` takes what is waiting, behind a line that tells how many were lost before."""
        lines = [self._lost_line(), *self._lines] if self._lost else self._lines
        if lines and not taker.put(b"".join(lines)):
            return False
        self._lost = 0
        return True

    def replace(self, taker: Taker) -> None:
        """After a rotation of log files: this is the file from now on."""
        self.flush()
        self._release()
        self.taker = taker
        self.widest = taker.widest

    def close(self) -> None:
        """What cannot be written now is lost."""
        self.flush()
        if self._lines:
            self._lose()
        self._release()

    def _release(self) -> None:
        taker, self.taker = self.taker, None
        if taker is not None:
            if taker.waiting:
                self._tell_lost(taker.waiting)
            if self.path != STDOUT:
                taker.close()

    def __del__(self) -> None:
        self.close()

    def _lose(self) -> None:
        self._lost += len(self._lines)
        self._tell_lost(len(self._lines))
        self._lines.clear()
        self._size = 0
        self._flush_at = _AGAIN

    def _lost_line(self) -> bytes:
        text = f"{self._lost} lines of the access log were lost: its reader is too slow"
        if not self.json:
            return b"rsp: %b\n" % text.encode()
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return json.dumps({"time": now, "lost": self._lost, "message": text}, separators=(",", ":")).encode() + b"\n"
