"""Errors of files in words: which user may not do what, where.  What to do then, the caller knows."""

import errno
import os
import pwd
import resource
import stat
from pathlib import Path
from typing import Final

_DENIED: Final = (errno.EACCES, errno.EPERM)


def unread(name: str | os.PathLike[str], error: OSError) -> str:
    """Why the file cannot be read, as a clause."""
    if error.errno == errno.EISDIR:
        return "it is a directory; name a file"
    return denied(Path(name)) if error.errno in _DENIED else error.strerror or "it cannot be read"


def unwritten(name: str | os.PathLike[str], error: OSError) -> str:
    """Why a new file cannot be made there, as a clause."""
    path = Path(name).absolute()
    missing = [each for each in reversed(path.parents) if not each.exists()] if error.errno == errno.ENOENT else []
    if missing:
        return f"there is no directory {missing[0]}"
    return denied(path, writing=True) if error.errno in _DENIED else error.strerror or "it cannot be written"


def why(error: OSError) -> str:
    """The same of a file that a setting names: its ``filename`` may begin with the key."""
    if isinstance(error, PermissionError) and error.filename:
        return unwritten(str(error.filename).rpartition(": ")[2], error)
    if error.errno == errno.ENOMEM:
        return f"{error.strerror}{memory_limit()}"
    return error.strerror or str(error)


def memory_limit() -> str:
    """What may be the reason where there is too little memory, as a clause."""
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    return "" if most == resource.RLIM_INFINITY else f": ulimit -v allows {most >> 20} MB; raise it, or remove it"


def denied(path: Path, *, writing: bool = False) -> str:
    """Which right is missing where.  ``writing``: to make a file."""
    path = path.absolute()
    target = Path(os.path.realpath(path))
    user = user_name(os.geteuid())
    for folder in (*reversed(path.parents), *reversed(target.parents)):
        if not os.access(folder, os.X_OK, effective_ids=True):
            return f'user "{user}" may not enter {folder} ({rights(folder)})'
    if writing and not target.exists():
        return f'user "{user}" may not write to the directory {target.parent} ({rights(target.parent)})'
    return f'user "{user}" may not {"write" if writing else "read"} {target} ({rights(target)})'


def rights(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return "its permissions cannot be read"
    return f'mode {stat.S_IMODE(found.st_mode):04o}, owner "{user_name(found.st_uid)}"'


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
