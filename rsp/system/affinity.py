"""Which CPUs the threads of a worker run on."""

import os
from contextlib import suppress
from pathlib import Path

from rsp.config.cpus import CpuSet, written
from rsp.logs import log


class Affinity:
    """Of worker ``slot``.  Its master is never pinned, so it knows which CPUs the machine or the container allows."""

    def __init__(self, slot: int) -> None:
        self._slot = slot
        self._pinned: set[int] | None = None  # not by us

    def use(self, configured: str | tuple[CpuSet, ...] | None) -> None:
        """Pin this process as ``cpu_affinity`` says, or no longer."""
        if not configured and self._pinned is None:
            return
        allowed = os.sched_getaffinity(os.getppid())
        wanted = _of_slot(self._slot, configured, allowed) if configured else allowed
        try:
            for thread in Path("/proc/self/task").iterdir():  # those that start later inherit it
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(int(thread.name), wanted)
        except OSError as error:  # the cpuset has changed since the configuration was checked
            log.line(
                f"Worker {self._slot} (pid {os.getpid()}) cannot be pinned to CPU {written(wanted)}: {error.strerror}; "
                "it runs on the CPUs that the system allows",
                log.WARNING,
            )
            return
        self._pinned = wanted if configured else None


def _of_slot(slot: int, configured: str | tuple[CpuSet, ...], allowed: set[int]) -> set[int]:
    """The entries of a list, or the allowed CPUs, in turn."""
    if isinstance(configured, tuple):
        return configured[slot % len(configured)].numbers
    return {sorted(allowed)[slot % len(allowed)]}
