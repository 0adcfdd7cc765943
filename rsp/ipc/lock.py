"""A lock between processes that does not outlive its owner: the kernel frees it when that process dies.

The compiled twin (lock.pyx) is a robust mutex in the shared memory itself, which costs no system call when it is
free; this one is a lock on a byte of the descriptor behind that memory.
"""

import fcntl
import mmap

SIZE = 64  # bytes of the shared memory that a lock needs


class Lock:
    """At ``offset`` of ``memory``, which ``descriptor`` is mapped to.  ``fresh``: it is to be initialised."""

    __slots__ = ("_descriptor", "_offset")

    def __init__(self, memory: mmap.mmap, descriptor: int, offset: int, fresh: bool) -> None:
        self._descriptor = descriptor
        self._offset = offset

    def acquire(self) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX, 1, self._offset)

    def release(self) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, self._offset)
