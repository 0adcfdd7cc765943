"""Opening what is below a root, so that no name leads out of it.

openat2(2) resolves a name beneath a directory: neither ``..`` nor a link gets out, whatever is renamed meanwhile.  An
absolute link that stays inside is not for it; what such a name stands for is opened, and then the kernel says where
that is (/proc/self/fd).  Kernels without openat2 have the second way alone.
"""

import errno
import os
from typing import Final

from rsp.files import calls
from rsp.files.outcomes import BROKEN, BUSY, DENIED, NOT_THERE, WouldBlock

FIND: Final = os.O_PATH  # to look at: opens no pipe and no device
READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
LIST: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK
_TRIES: Final = 8  # while other processes rename directories
_LACKING: Final = (errno.ENOSYS, errno.EINVAL, errno.EPERM)  # openat2, its flags; a container's rules forbid it

_NOT_THERE: Final = (
    errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EXDEV, errno.EISDIR, errno.ENXIO, errno.ENODEV,
    errno.EINVAL,
)  # fmt: skip
_BUSY: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOBUFS)


def outcome(error: int) -> int:
    """What an error number means for a request."""
    if error in _NOT_THERE:
        return NOT_THERE
    if error in (errno.EACCES, errno.EPERM):
        return DENIED
    return BUSY if error in _BUSY else BROKEN


class _Kernel:
    """What it has: openat2, and the flag for not waiting."""

    openat2 = True
    cached = True


class Opener:
    """``links``: as `symlinks` says, ``inside``, ``all`` or ``none``."""

    __slots__ = ("_flags", "_links")

    def __init__(self, links: str) -> None:
        self._links = links
        self._flags = calls.NO_MAGIC_LINKS
        if links != "all":
            self._flags |= calls.BENEATH
        if links == "none":
            self._flags |= calls.NO_LINKS

    def open(self, root: int, name: bytes, flags: int, wait: bool) -> int:
        """A descriptor, or an error number below zero.  Raises :class:`WouldBlock`, unless it may ``wait``."""
        if not _Kernel.openat2:
            return self._open_and_look(root, name, flags, wait)
        found = _open(root, name, flags, self._flags, wait)
        if found == -errno.EXDEV and self._links == "inside":
            return self._open_and_look(root, name, flags, wait)
        if -found in _LACKING and _lacks(root):
            _Kernel.openat2 = False
            return self._open_and_look(root, name, flags, wait)
        return found

    def _open_and_look(self, root: int, name: bytes, flags: int, wait: bool) -> int:
        resolve = calls.NO_MAGIC_LINKS if _Kernel.openat2 else 0
        found = _open(root, name, flags, resolve, wait)
        if found < 0 or self._links == "all" or self._is_inside(root, name, found):
            return found
        calls.close(found)
        return -errno.EXDEV

    def _is_inside(self, root: int, name: bytes, found: int) -> bool:
        try:
            top, place = _place(root), _place(found)
        except OSError:  # no /proc
            return False
        below = top.rstrip(b"/") + b"/"
        if self._links == "none":
            return place == (top if name == b"." else below + name.rstrip(b"/"))
        return place == top or place.startswith(below)


def _open(root: int, name: bytes, flags: int, resolve: int, wait: bool) -> int:
    if not wait:
        return _open_now(root, name, flags, resolve)
    found = -errno.EAGAIN
    for _ in range(_TRIES):
        found = calls.open_below(root, name, flags, resolve, True)
        if found != -errno.EAGAIN:
            break
    return found


def _open_now(root: int, name: bytes, flags: int, resolve: int) -> int:
    if not resolve or not _Kernel.cached:
        raise WouldBlock
    found = calls.open_below(root, name, flags, resolve | calls.CACHED, False)
    if found == -errno.EINVAL:  # since 5.12
        _Kernel.cached = False
    if found in (-errno.EAGAIN, -errno.EINVAL):
        raise WouldBlock
    return found


def _lacks(root: int) -> bool:
    """Whether it is openat2 that is missing: what the directory itself cannot be opened with."""
    found = calls.open_below(root, b".", FIND, calls.BENEATH, True)
    if found >= 0:
        calls.close(found)
    return -found in _LACKING


def _place(descriptor: int) -> bytes:
    """Where a file is, as the kernel says."""
    return os.fsencode(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115 - bytes
