"""The system calls of files.  ``calls.pyx`` is this module's compiled twin.

``wait``: the call may wait for a disk, so it is made in a thread, and gives the others the interpreter meanwhile.
Without it the interpreter is kept: taking it back costs more than a call that does not wait.
"""

import ctypes
import errno
import os
import stat
from contextlib import suppress
from typing import Final

AT_CWD: Final = -100
# Flags of openat2(2), Linux 5.6 and 5.12.
NO_MAGIC_LINKS: Final = 0x02
NO_LINKS: Final = 0x04
BENEATH: Final = 0x08
CACHED: Final = 0x20

_OPENAT2: Final = 437  # on every architecture that Python runs on
_libc: Final = ctypes.CDLL(None, use_errno=True)


class _How(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


class _Opened:
    count = 0


def open_below(directory: int, name: bytes, flags: int, resolve: int, wait: bool) -> int:
    """openat2(2): a descriptor, or an error number below zero.  ``resolve`` 0: openat(2), which is older."""
    if b"\0" in name:
        return -errno.ENOENT
    found = _openat2(directory, name, flags, resolve) if resolve else _openat(directory, name, flags)
    _Opened.count += found >= 0
    return found


def _openat(directory: int, name: bytes, flags: int) -> int:
    try:
        return os.open(name, flags | os.O_CLOEXEC, dir_fd=None if directory == AT_CWD else directory)
    except OSError as error:
        return -(error.errno or errno.EIO)


def _openat2(directory: int, name: bytes, flags: int, resolve: int) -> int:
    how = _How(flags | os.O_CLOEXEC, 0, resolve)
    found: int = _libc.syscall(_OPENAT2, directory, ctypes.c_char_p(name), ctypes.byref(how), ctypes.sizeof(how))
    return found if found >= 0 else -ctypes.get_errno()


def close(descriptor: int, wait: bool = False) -> None:
    """What :func:`open_below` has opened.  It is closed then, whatever happens."""
    _Opened.count -= 1
    with suppress(OSError):
        os.close(descriptor)


def opened() -> int:
    """How many descriptors :func:`open_below` has opened that are not closed yet."""
    return _Opened.count


class Mark:
    """What a file system says of a file.  Where all of it is the same, so is the content.

    ``device``, ``number``  which file it is; ``mode``: its kind and rights
    ``modified``, ``changed``  nanoseconds: when its content was written, and when anything of it was
    """

    __slots__ = ("changed", "device", "mode", "modified", "number", "size")

    def __init__(self, descriptor: int, wait: bool) -> None:
        """Raises :class:`OSError`."""
        self._take(os.fstat(descriptor))

    def _take(self, found: os.stat_result) -> None:
        self.device, self.number, self.mode, self.size = found.st_dev, found.st_ino, found.st_mode, found.st_size
        self.modified, self.changed = found.st_mtime_ns, found.st_ctime_ns

    def holds(self, directory: int, name: bytes, wait: bool) -> bool:
        """Whether ``name`` below ``directory`` still is that file, unchanged."""
        try:
            found = os.stat(name, dir_fd=directory)
        except OSError:
            return False
        return (
            found.st_ino == self.number
            and found.st_size == self.size
            and found.st_mtime_ns == self.modified
            and found.st_ctime_ns == self.changed
            and found.st_dev == self.device
        )

    def is_at(self, directory: int, name: bytes) -> bool:
        """Whether ``name`` below ``directory`` still is that file, changed or not."""
        try:
            found = os.stat(name, dir_fd=None if directory == AT_CWD else directory)
        except OSError:
            return False
        return found.st_ino == self.number and found.st_dev == self.device

    def equals(self, other: "Mark") -> bool:
        return (
            self.is_file_of(other)
            and self.size == other.size
            and self.modified == other.modified
            and self.changed == other.changed
        )

    def is_file_of(self, other: "Mark") -> bool:
        """Whether both are of one file, changed or not."""
        return self.number == other.number and self.device == other.device

    def is_regular(self) -> bool:
        return stat.S_ISREG(self.mode)

    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)


def read_now(descriptor: int, start: int, size: int) -> bytes | None:
    """What the page cache has from ``start`` on, at most ``size`` bytes; ``None``: nothing, or it cannot be told.

    Empty at the end of the file.  Raises :class:`OSError`.
    """
    room = bytearray(size)
    try:
        count = os.preadv(descriptor, (room,), start, os.RWF_NOWAIT)
    except (BlockingIOError, NotImplementedError):
        return None
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:  # overlayfs, tmpfs and some network file systems
            return None
        raise
    return bytes(room[:count])


def read(descriptor: int, start: int, size: int) -> bytes:
    """``size`` bytes from ``start`` on, fewer only where the file ends.  Waits; raises :class:`OSError`."""
    pieces, left = [], size
    while left:
        piece = os.pread(descriptor, left, start)
        if not piece:
            break
        pieces.append(piece)
        start, left = start + len(piece), left - len(piece)
    return b"".join(pieces)


def file_system(descriptor: int) -> int:
    """Its magic number (statfs(2)), 0 where it cannot be told.  Waits."""
    room = (ctypes.c_long * 64)()
    return int(room[0]) & 0xFFFFFFFF if _libc.fstatfs(descriptor, room) == 0 else 0
