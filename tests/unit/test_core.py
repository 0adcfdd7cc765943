"""Processes with private keys leave no core dump."""

import os
import resource
import signal
from pathlib import Path

import pytest

from rsp.system import core

PATTERN = Path("/proc/sys/kernel/core_pattern")


def dumped(directory: Path, *, forbidden: bool) -> bool:
    """Whether the kernel says that a process has left a core."""
    pid = os.fork()
    if pid == 0:
        try:
            os.chdir(directory)
            _, hard = resource.getrlimit(resource.RLIMIT_CORE)
            resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
            if forbidden:
                core.forbid()
                assert resource.getrlimit(resource.RLIMIT_CORE) == (min(1, hard) if hard >= 0 else 1, hard)
            signal.signal(signal.SIGABRT, signal.SIG_DFL)
            os.abort()
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)
    return os.WCOREDUMP(status)


def test_no_core_is_left(tmp_path):
    assert not dumped(tmp_path, forbidden=True)
    assert not any(tmp_path.iterdir())


@pytest.mark.soak
@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_CORE)[1] == 0 or "/" in PATTERN.read_text(), reason="no core dumps here anyway"
)
def test_the_check_can_fail(tmp_path):
    assert dumped(tmp_path, forbidden=False)
