"""What was found: servers that could be peers, a directory with files, and remarks."""

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

_LARGEST = 1 << 20  # bytes of a file
_NAME = re.compile(r"[a-z0-9]+(?:[_-][a-z0-9]+)*")


class Backend(NamedTuple):
    """``said``: what it is, for a comment.  ``is_here``: whether it belongs to the current directory.

    ``root``: of scripts, where ``protocol`` is fastcgi.
    """

    name: str
    addresses: tuple[str, ...]
    said: str
    is_here: bool = True
    protocol: str = "http"
    root: str = ""


class Files(NamedTuple):
    """A directory with an index.html.

    ``is_application``: paths without a file belong to its script.  ``is_project``: other files lie there, too.
    """

    root: str
    is_application: bool = False
    is_project: bool = False


class Found(NamedTuple):
    """``main``: for all requests.  ``others``: which requests are for them, only the user knows.

    ``user``: of the workers, which have to be allowed to connect.
    """

    main: Backend | None = None
    files: Files | None = None
    others: tuple[Backend, ...] = ()
    user: str = ""
    notes: tuple[str, ...] = ()


def name_of(folder: str, otherwise: str = "app") -> str:
    """A name for what lives in ``folder``."""
    words = _NAME.findall(Path(folder).name.lower())
    return "-".join(words)[:40] if words and folder != os.path.expanduser("~") else otherwise  # noqa: PTH111


def content(path: Path) -> bytes:
    """The beginning of a regular file; empty where there is none, and nothing is waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return os.read(descriptor, _LARGEST) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
        finally:
            os.close(descriptor)
    except OSError:
        return b""
