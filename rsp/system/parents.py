"""Processes that end when the process that started them ends, however that happens (``kill -9`` too)."""

import ctypes
import os
import signal
from collections.abc import Callable
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # <sys/prctl.h>


def ends_with_parent(number: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """For ``preexec_fn``: the kernel sends the child the signal ``number`` when its parent has ended."""
    prctl = ctypes.CDLL(None).prctl  # loaded before the fork
    parent = os.getpid()

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


def end_with(parent: int) -> None:
    """In a fork: the kernel kills this process when ``parent``, which forked it, has ended."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
