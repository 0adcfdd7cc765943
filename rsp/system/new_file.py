"""Files that commands write for a user: never over a file that is there, and whole or not at all."""

import os
from contextlib import suppress

from rsp.system.memory import write_all


def write_new(path: str | os.PathLike[str], data: bytes, mode: int = 0o666) -> None:
    """Raises :class:`OSError`, which has the name; then there is no such file, unless it was there before."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        write_all(descriptor, data)
    except OSError as error:
        with suppress(OSError):
            os.unlink(path)  # noqa: PTH108 - as given
        error.filename = os.fspath(path)
        raise
    finally:
        os.close(descriptor)
