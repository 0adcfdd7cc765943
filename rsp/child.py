"""A child process as the master sees it, and the slot that it fills."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterable
from typing import Final

import psutil

from rsp import channel, log
from rsp.channel import Message
from rsp.scoreboard import Cell, Row

# A worker that ends sooner than this after its start has failed at once; each time it waits longer.
_SHORT_LIFE: Final = 1.0
_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 30.0


def restart_delay(failures: int) -> float:
    """Seconds to wait before a worker is started again that has failed at once ``failures`` times in a row."""
    if failures == 0:
        return 0.0
    return min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** (failures - 1))


class Process:
    """One forked child.  ``version`` is of the configuration that it last said to be ready with; 0 before."""

    def __init__(self, pid: int, end: socket.socket, row: Row, row_number: int) -> None:
        self.pid = pid
        self.end = end
        self.row = row
        self.row_number = row_number
        self.version = 0
        self.started = time.monotonic()
        self.draining = False
        self.kill_at: float | None = None  # it was told to end
        self._usage: psutil.Process | None = None
        row[Cell.HEARTBEAT] = row[Cell.STARTED] = int(self.started * 1000)
        row[Cell.PID] = pid

    @property
    def silent_for(self) -> float:
        """Seconds since its loop last ran."""
        return time.monotonic() - self.row[Cell.HEARTBEAT] / 1000

    def send(self, message: Message, descriptors: list[int] | None = None) -> None:
        """A worker that is gone or stuck is dealt with elsewhere: by its death, by its silence."""
        try:
            channel.send(self.end, message, descriptors)
        except OSError:
            pass

    def drain(self, seconds: float) -> None:
        self.draining = True
        self.kill_at = time.monotonic() + seconds + 2.0
        self.send(channel.Drain(seconds))

    def signal(self, number: int) -> None:
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def measure(self) -> None:
        """Note processor time and memory in the scoreboard."""
        try:
            if self._usage is None:
                self._usage = psutil.Process(self.pid)
            times = self._usage.cpu_times()
            self.row[Cell.CPU_MS] = int((times.user + times.system) * 1000)
            self.row[Cell.RSS] = self._usage.memory_info().rss
        except psutil.Error:
            pass

    def usage(self) -> str:
        return f"{self.row[Cell.CPU_MS] / 1000:.1f} s CPU, {self.row[Cell.RSS] / 2**20:.0f} MB"

    def reap(self) -> int | None:
        """The wait status, once, when it has ended."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return 0
        return status if pid else None


class Slot:
    """What one child after the other fills: a worker, with its own listening sockets, which stay when it goes, or the
    control process."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.sockets: dict[str, socket.socket] = {}
        self.process: Process | None = None
        self.leaving: list[Process] = []  # drained, not yet gone
        self.replacing: Process | None = None  # to be drained when ``process`` is ready
        self.failures = 0
        self.restart_at: float | None = None
        self.adopter: Process | None = None  # a sibling's, which accepts from our sockets meanwhile
        self.wanted = True

    @property
    def processes(self) -> list[Process]:
        """All that run for this slot."""
        own = [process for process in (self.process, self.replacing) if process is not None]
        return own + self.leaving

    def ended(self, process: Process) -> float:
        """Note that the current worker ended by itself; seconds to wait before the next one starts."""
        quick = process.version == 0 or time.monotonic() - process.started < _SHORT_LIFE
        self.failures = self.failures + 1 if quick else 0
        delay = restart_delay(self.failures)
        self.restart_at = time.monotonic() + delay
        return delay


def spawn(
    what: str, run: Callable[[socket.socket], int], row: Row, row_number: int, close: Iterable[socket.socket]
) -> Process:
    """Fork a child that does ``run(end)``, with its end of the channel, and exits with what that returns.

    ``what`` names it in the log.  ``close``: the master's own descriptors, which are none of the child's business.
    Raises :class:`OSError` when the fork fails.
    """
    ours, theirs = channel.pair()
    try:
        pid = os.fork()
    except OSError:
        ours.close()
        theirs.close()
        raise
    if pid == 0:
        status = 70
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            for other in (ours, *close):
                other.close()
            status = run(theirs)
        except KeyboardInterrupt:
            status = 0
        except BaseException as error:
            log.line(f"{what} (pid {os.getpid()}) cannot go on: {type(error).__name__}: {error}")
        finally:
            os._exit(status)
    theirs.close()
    ours.setblocking(False)
    return Process(pid, ours, row, row_number)
