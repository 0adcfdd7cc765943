"""Files as the reader opens them: bounded, never a device or a pipe, and with words for what is in the way."""

import errno
import glob
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rsp.system.file_errors import denied

MOST_FILES: Final = 2048  # of one pattern
_NO_FILE: Final = "expected a file, but it is a pipe, a socket or a device"


class Unusable(Exception):
    """Why a file, or what is in it, cannot be used: a clause, with what to do about it.  No content of the file."""


class Vanished(Unusable):
    """There is no such file."""


@contextmanager
def readable() -> Iterator[None]:
    """Whatever a library makes of a damaged file, only that file cannot be used.

    ``cryptography`` raises ValueError, InvalidVersion, KeyError and others, at the first look at a field.
    """
    try:
        yield
    except Unusable:
        raise
    except Exception as error:
        raise Unusable(f"it is damaged, or of a kind that is not known ({type(error).__name__})") from None


def content(path: Path, largest: int, *, empty: bool = False) -> bytes:
    """All of the file, at most ``largest`` bytes; ``empty``: it may be so.  Raises :class:`Unusable`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        raise _unreadable(path, error) from None
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise Unusable(
                "it is a directory; write the name of a file in it, or a pattern for certificates with "
                'their keys: "*.pem"'
            )
        if not stat.S_ISREG(mode):
            raise Unusable(_NO_FILE)
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise _unreadable(path, error) from None
    finally:
        os.close(descriptor)
    if len(data) > largest:
        raise Unusable(f"it is larger than {largest >> 10} KB")
    if not data and not empty:
        raise Unusable("it is empty")
    return data


def matching(folder: Path, name: str) -> list[str]:
    """Names of the files that ``name`` stands for, sorted; relative ones are relative to ``folder``.

    A name that is no pattern stands for itself, whether it exists or not.  Raises :class:`Unusable`.
    """
    if not is_pattern(folder, name):
        return [name]
    matches = glob.iglob(name, root_dir=folder)  # noqa: PTH207 - absolute ones, too
    found = sorted(match for match in matches if not os.path.isdir(folder / match))  # noqa: PTH112 - it never raises
    if len(found) > MOST_FILES:
        raise Unusable(f"it matches {len(found)} files; at most {MOST_FILES} are read")
    if not found:
        _look_into(next(parent for parent in (folder / name).parents if not glob.has_magic(str(parent))))
    return found


def is_pattern(folder: Path, name: str) -> bool:
    """A file may have a name with brackets."""
    return glob.has_magic(name) and not os.path.lexists(folder / name)


def shown(name: str) -> str:
    """A file's name for a message, whatever is in it."""
    return name if name.isprintable() else ascii(name)[1:-1]  # surrogates, for what is not UTF-8, are not printable


def _look_into(folder: Path) -> None:
    """Raises :class:`Unusable` where rights are missing, which patterns take for an empty folder."""
    try:
        os.scandir(folder).close()
    except PermissionError as error:
        raise _unreadable(folder, error) from None
    except OSError:
        pass  # it may come


def _unreadable(path: Path, error: OSError) -> Unusable:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Vanished(f"there is no such file ({path.absolute()})")
    if error.errno in (errno.EACCES, errno.EPERM):
        return Unusable(_denied(path.absolute()))
    if error.errno == errno.ENXIO:  # a socket
        return Unusable(_NO_FILE)
    return Unusable(error.strerror or "it cannot be read")


def _denied(path: Path) -> str:
    """Which right is missing where, and how to give it."""
    said = denied(path)
    as_root = "" if os.geteuid() == 0 else "start rsp as root (workers drop root's rights after the keys are read), or "
    if " may not enter " in said:
        return f"{said}; {as_root}let that user enter it (chmod +x)"
    return f"{said}; {as_root}let a group of that user read it (chgrp GROUP, chmod g+r)"
