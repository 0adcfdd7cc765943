"""Work that a process of its own does: a short-lived fork with limits on time and memory, and a pipe for what it finds.

A crash, a hang or an error in it leaves the process that forked it alone.
"""

import errno
import os
import resource
import select
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rsp.system import core
from rsp.system.file_errors import memory_limit
from rsp.system.memory import write_all

_LARGEST: Final = 256 << 20  # bytes that an answer has
_MEMORY: Final = 2 << 30  # bytes of its own that it may have
_NO_MEMORY: Final = 12  # exit status


class Failed(Exception):
    """The work gave nothing; the message is a clause that says how it ended: ``was ended by signal 9``."""


class Forked:
    """``work`` under way.  ``descriptor`` becomes readable, and then gives end of file.  ``deadline``: until a killing.

    What ``work`` raises ends it with status 1.  Raises :class:`OSError` when the fork fails.
    """

    def __init__(self, work: Callable[[], bytes], seconds: float) -> None:
        reading, writing = os.pipe2(os.O_CLOEXEC)
        self.descriptor = reading
        self.deadline = time.monotonic() + seconds
        self._seconds = seconds
        self._data = bytearray()
        parent = os.getpid()
        try:
            self.pid = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        if self.pid == 0:
            os.close(reading)
            _child(work, writing, int(seconds), parent)
        os.close(writing)

    def read(self) -> bool:
        """Take what there is; true at the end."""
        data = os.read(self.descriptor, 1 << 20)
        self._data += data
        return not data or len(self._data) > _LARGEST

    def wait(self) -> None:
        """Until the end, or the deadline."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        while poll.poll(max(0.0, self.deadline - time.monotonic()) * 1000):
            if self.read():
                return
        self.kill()

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def abandon(self) -> None:
        """Before the end.  Nothing waits for it: the files that it reads may hang."""
        self.kill()
        os.close(self.descriptor)

    def result(self) -> bytes:
        """After the end, once.  Raises :class:`Failed`."""
        os.close(self.descriptor)
        self.kill()  # where it has closed its end and does not exit; one that exits keeps its status
        _, status = os.waitpid(self.pid, 0)
        if len(self._data) > _LARGEST:
            raise Failed(f"gives more than {_LARGEST >> 20} MB")
        if status == 0:
            return bytes(self._data)
        if time.monotonic() >= self.deadline:
            raise Failed(f"takes longer than {self._seconds:g} s")
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == _NO_MEMORY:
            raise Failed(f"has too little memory{memory_limit()}")
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"
        raise Failed(f"was ended by {how}")


def _confess(error: BaseException) -> None:
    """To standard error, in one line: work that fails says so in what it gives, so this is a defect."""
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    where = f"{Path(frame.f_code.co_filename).name}:{line}"
    text = f"a defect of rsp, please report it: {type(error).__name__}: {error} ({where})\n"
    os.write(2, text.encode(errors="backslashreplace"))


def _child(work: Callable[[], bytes], writing: int, seconds: int, parent: int) -> None:
    """In the fork: never returns."""
    status = 0
    try:
        from rsp.system.parents import end_with  # ctypes is imported here, while the parent goes on

        end_with(parent)
        for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        core.forbid()
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
        write_all(writing, work())
    except BaseException as error:
        status = 1
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            status = _NO_MEMORY
        elif isinstance(error, Exception) and not isinstance(error, OSError):
            _confess(error)
    finally:
        os._exit(status)
