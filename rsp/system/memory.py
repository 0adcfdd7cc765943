"""Memory that several processes share, in memfds.  Seals keep a process that was taken over from changing what others
have read, and from cutting off what they have mapped: access behind the end would be SIGBUS."""

import fcntl
import mmap
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_FLAGS: Final = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
_SIZE: Final = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW


def shared(name: str, size: int) -> tuple[int, mmap.mmap]:
    """For children to read and write: the descriptor, which is open as long as there is the mapping; and that."""
    descriptor = os.memfd_create(name, _FLAGS)
    os.ftruncate(descriptor, size)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SIZE)
    mapping = mmap.mmap(descriptor, size)
    weakref.finalize(mapping, os.close, descriptor).atexit = False
    return descriptor, mapping


class Memory:
    """What a child fills and its siblings read, and the process that forks them does not: its own memory never has it,
    so neither have other children."""

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("rsp-secrets", _FLAGS)

    def fill(self, data: bytes) -> None:
        """In the child, once."""
        write_all(self._descriptor, data)

    def seal(self) -> None:
        """After the child's end."""
        fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, _SIZE | fcntl.F_SEAL_WRITE)

    def content(self) -> bytes:
        return content(os.dup(self._descriptor))

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


@contextmanager
def sealed(data: bytes) -> Iterator[int]:
    """A descriptor to send, open within the block; no process can change ``data`` any more."""
    descriptor = os.memfd_create("rsp-data", _FLAGS)
    try:
        write_all(descriptor, data)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SIZE | fcntl.F_SEAL_WRITE)
        yield descriptor
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def content(descriptor: int) -> bytes:
    """Reads and closes ``descriptor``."""
    data = bytearray()
    try:  # by position: others read through the same description at the same time
        size = os.fstat(descriptor).st_size
        while part := os.pread(descriptor, size - len(data), len(data)):
            data += part
        return bytes(data)
    finally:
        os.close(descriptor)
