"""Core dumps: processes that hold private keys leave none."""

import resource
from typing import Final

# A limit of 0 does not keep the kernel from piping a dump to the program in core_pattern; a limit of 1 does, and no
# file of one byte is written either (core(5)).  PR_SET_DUMPABLE would do it as well, but it takes /proc/PID/fd and
# the like from all users but root, so from operators' tools.
_NONE: Final = 1


def forbid() -> None:
    """No core dump of this process, nor of those that it forks from now on."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (_NONE if hard == resource.RLIM_INFINITY else min(_NONE, hard), hard))
