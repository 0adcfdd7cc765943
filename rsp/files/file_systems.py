"""Kinds of file systems, by whether looking at a file may wait.  These are constants of several compiled modules."""

from typing import Final

from rsp.files import calls

LOCAL = 0
MEMORY = 1  # nothing waits
REMOTE = 2  # everything may
# Magic numbers of statfs(2).
_MEMORY: Final = frozenset((0x01021994, 0x858458F6))  # tmpfs, ramfs
_REMOTE: Final = frozenset((
    0x6969, 0xFF534D42, 0xFE534D42, 0x517B, 0x65735546, 0x65735543, 0x01021997, 0x00C36400, 0x5346414F, 0x0BD00BD0,
    0x73757245, 0x01161970, 0x7461636F, 0x47504653, 0x0187, 0x786F4256,
))  # fmt: skip
# nfs, cifs, smb2, smb, fuse, fusectl, 9p, ceph, afs, lustre, coda, gfs2, ocfs2, gpfs, autofs, vboxsf


def kind_of(descriptor: int) -> int:
    """Of its file system.  Waits."""
    magic = calls.file_system(descriptor)
    return MEMORY if magic in _MEMORY else REMOTE if magic in _REMOTE else LOCAL
