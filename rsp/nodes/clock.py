"""The clock of deadlines: it never jumps, is the same for all processes of a machine, and goes on while that sleeps."""

import time


def boot_time() -> float:
    """Seconds since the machine was started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
