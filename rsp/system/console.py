"""What every command of rsp and rspctl owes a terminal: neither Ctrl-C nor `| head` ends in a traceback."""

import os
import sys
from collections.abc import Callable
from typing import Final

_INTERRUPTED: Final = 130  # as shells have it: 128 and SIGINT


def guarded(run: Callable[[], int]) -> int:
    """The exit status of ``run()``."""
    try:
        try:
            return run()
        finally:
            if sys.stdout is not None:  # it was closed when Python started
                sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffers goes nowhere, so that Python does not complain at its end.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
