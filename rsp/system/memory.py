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


@contextmanager
def sealed(data: bytes) -> Iterator[int]:
    """A descriptor to send, open within the block; no process can change ``data`` any more."""
    descriptor = os.memfd_create("rsp-data", _FLAGS)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SIZE | fcntl.F_SEAL_WRITE)
        yield descriptor
    finally:
        os.close(descriptor)


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
