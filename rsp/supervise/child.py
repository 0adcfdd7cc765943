"""A child process as the master sees it, and the slot that it fills."""

import gc
import os
import signal
import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Final, Protocol

import psutil

from rsp.ipc import channel, worker_cells
from rsp.ipc.channel import Channel, Message, Role
from rsp.ipc.packets import Broken, Stuck
from rsp.ipc.scoreboard import Row
from rsp.logs import log

# A worker that ends sooner than this after its start has failed at once; each time it waits longer.
_SHORT_LIFE: Final = 1.0
_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 30.0
# Packets that a child may send at once, and in a second on average; a thousand names that change are a thousand.
_BURST: Final = 5000.0
_RATE: Final = 500.0
_MOST_STRANGERS: Final = 1000  # in one round


def restart_delay(failures: int) -> float:
    """Seconds to wait before a worker is started again that has failed at once ``failures`` times in a row."""
    if failures == 0:
        return 0.0
    return min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** (failures - 1))


def cut_text(requests: int, tunnels: int) -> str:
    """``2 requests and 1 tunnel were``; empty for none."""
    parts = [
        f"{number} {what}{'s' * (number > 1)}"
        for number, what in ((requests, "request"), (tunnels, "tunnel"))
        if number
    ]
    return f"{' and '.join(parts)} {'was' if requests + tunnels == 1 else 'were'}" if parts else ""


def ending(status: int) -> str:
    """How a child has ended, by its wait status."""
    if os.WIFSIGNALED(status):
        return f"was killed by signal {os.WTERMSIG(status)}"
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0
    return f"has ended with status {code}" if code else "has ended"


class Process:
    """One forked child.  ``version`` is of the configuration that it last said to be ready with; 0 before.

    ``asked``: versions that it was told to serve, and has not said yet to be ready with.
    """

    def __init__(self, what: str, pid: int, end: socket.socket, role: Role, row: Row, row_number: int) -> None:
        self.name = f"{what} (pid {pid})"
        self.pid = pid
        self.end = end
        self.asked: list[int] = []
        self._channel = Channel(end, role)
        self._credit = _BURST
        self._heard_at = 0.0
        self.row = row
        self.row_number = row_number
        self.version = 0
        self.started = time.monotonic()
        self.draining = False
        self.kill_at: float | None = None  # it was told to end
        self._usage: psutil.Process | None = None
        row[worker_cells.HEARTBEAT] = row[worker_cells.STARTED] = int(self.started * 1000)
        row[worker_cells.PID] = pid

    @property
    def silent_for(self) -> float:
        """Seconds since its loop last ran."""
        return time.monotonic() - self.row[worker_cells.HEARTBEAT] / 1000

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """A child that is gone hears nothing; its death is dealt with elsewhere."""
        if isinstance(message, channel.Configure | channel.Settle):
            self.asked.append(message.version)
        try:
            self._channel.send(message, descriptors)
        except Stuck:
            self.expel("does not read its messages")

    def flush(self) -> bool:
        """Send what could not be sent before; false: some of it still waits."""
        return self._channel.flush()

    def heard(self, most: int) -> Iterator[Message]:
        """What it says, in ``most`` packets at most, so that no child keeps the master for itself.

        Raises :class:`EOFError` when it has closed its end, and :class:`Broken`.
        """
        now = time.monotonic()
        self._credit = min(_BURST, self._credit + (now - self._heard_at) * _RATE)
        self._heard_at = now
        for _ in range(most):
            try:
                received = self._channel.receive()
            except BlockingIOError:
                return
            self._credit -= 1
            if self._credit < 0:
                raise Broken("too many messages")
            if received is not None:
                yield received[0]

    def became_ready(self, version: int) -> None:
        """Raises :class:`Broken` when it was not told to serve ``version``."""
        if version not in self.asked:
            raise Broken(f"that it runs version {version} of the configuration, which it was not given")
        del self.asked[: self.asked.index(version) + 1]
        self.version = version

    def serves(self, version: int) -> bool:
        """Whether it serves ``version``, and has done all that it was told to do for that."""
        return self.version == version and not self.asked

    def expel(self, why: str) -> None:
        """Kill it, for what it did; its death brings the next one."""
        log.line(f"{self.name} {why}; it is killed and replaced", log.ERROR)
        self.signal(signal.SIGKILL)
        self._channel.clear()

    def close(self) -> None:
        """The master's end, after its death."""
        self._channel.clear()
        self.end.close()

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
            self.row[worker_cells.CPU_MS] = int((times.user + times.system) * 1000)
            self.row[worker_cells.RSS] = self._usage.memory_info().rss
        except psutil.Error:
            pass

    def usage(self) -> str:
        return f"{self.row[worker_cells.CPU_MS] / 1000:.1f} s CPU, {self.row[worker_cells.RSS] / 2**20:.0f} MB"

    def tell_cut(self) -> None:
        """What it had to leave unfinished."""
        cut = cut_text(self.row[worker_cells.CUT], self.row[worker_cells.CUT_TUNNELS])
        if cut:
            log.line(f"{self.name}: timeouts.shutdown has passed; {cut} cut", log.WARNING)

    def reap(self) -> int | None:
        """The wait status, once, when it has ended."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return 0
        return status if pid else None


class Closable(Protocol):
    """What the master has open."""

    def close(self) -> None: ...


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


def reap_strangers(ours: Collection[int]) -> None:
    """Reap children that the master did not start: as process 1 of a container, it inherits orphans.

    ``ours``: pids whose end is dealt with elsewhere.  While one of them is first in the kernel's list, the rest waits.
    """
    for _ in range(_MOST_STRANGERS):
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None or found.si_pid in ours:
                return
            os.waitpid(found.si_pid, os.WNOHANG)
        except ChildProcessError:
            return


def spawn(
    what: str,
    role: Role,
    run: Callable[[socket.socket], int],
    row: Row,
    row_number: int,
    close: Iterable[Closable],
) -> Process:
    """Fork a child that does ``run(end)``, with its end of the channel, and exits with what that returns.

    ``what`` names it in the log; ``role`` says what it may send.  ``close``: the master's own descriptors, which the
    child must not have.
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
            gc.freeze()  # a collection would write to, and so copy, what the master shares with its children
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            for other in (ours, *close):
                other.close()
            status = run(theirs)
        except KeyboardInterrupt:
            status = 0
        except BaseException as error:
            log.line(f"{what} (pid {os.getpid()}) cannot continue: {type(error).__name__}: {error}", log.ERROR)
        finally:
            os._exit(status)
    theirs.close()
    return Process(what, pid, ours, role, row, row_number)
