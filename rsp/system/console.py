"""What commands of rsp and rspctl owe a terminal: no traceback for Ctrl-C, `| head` or a full disk."""

import errno
import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

_INTERRUPTED: Final = 130  # as shells have it: 128 and SIGINT
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_SCARCE: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def guarded(run: Callable[[], int]) -> int:
    """The exit status of ``run()``."""
    if sys.stdout is None:  # it was closed when Python started
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    _buffer()
    try:
        try:
            return run()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _silence()
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    except OSError as error:
        if error.errno not in _FULL + _SCARCE:
            raise
        where = error.filename or ("standard output" if error.errno in _FULL else None)
        program = Path(sys.argv[0]).name
        with suppress(OSError):
            print(": ".join(filter(None, (program, where, error.strerror))), file=sys.stderr, flush=True)
        _silence()
        return 1


def _buffer() -> None:
    """Also with PYTHONUNBUFFERED: argparse ignores that help cannot be written, and only the flush at the end tells."""
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper) and isinstance(out.buffer, io.RawIOBase) and out.fileno() == 1:
        sys.stdout = open(1, "w", encoding=out.encoding, errors=out.errors, closefd=False)  # noqa: SIM115


def _silence() -> None:
    """What is left in the buffers goes nowhere, so that Python does not complain at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
