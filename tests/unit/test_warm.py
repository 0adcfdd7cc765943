"""Which parts of a file are known to be in memory: what is not there is never said to be."""

import os
import time

import pytest

from rsp.files.calls import read_now
from rsp.files.warm import Warm, warm

MB = 1 << 20


def forget(descriptor):
    """Whether the kernel has dropped the file from memory.  Processors may hold on to some pages for a moment.

    The look itself makes the kernel read a page, so it is not where ``has`` takes its samples.
    """
    give_up = time.monotonic() + 5
    while time.monotonic() < give_up:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        if all(read_now(descriptor, at, 1) is None for at in range(64 << 10, 3 * MB, 128 << 10)):
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def cold(tmp_path):
    """A descriptor of a file of 3 MB that the kernel does not have in memory."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3 * MB)
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)  # nothing is read ahead
    if not forget(descriptor):
        pytest.skip("this file system keeps files in memory")
    yield descriptor
    os.close(descriptor)


def made():
    one = Warm.__new__(Warm)
    one.set_up()
    return one


def has_not(descriptor, start, size, warmed):
    """Whether what is not in memory is found missing, with ``warmed`` (a start and a size) in memory.

    A disk with a cache of its own may bring a page while it is looked for, so there are several attempts.
    """
    for _ in range(40):
        assert forget(descriptor)
        warm(descriptor, *warmed)
        if not made().has(descriptor, start, size, 1.0):
            return True
    return False


def test_what_is_read_is_there_and_nothing_else(cold):
    one = made()
    warm(cold, MB, MB)
    assert one.has(cold, MB, MB, 1.0) and one.has(cold, MB + 5, 1000, 1.0)
    assert has_not(cold, 0, MB, (MB, MB)) and has_not(cold, 2 * MB, 10, (MB, MB))
    assert forget(cold)
    assert one.has(cold, MB, MB, 1.0)  # it is believed for a second


def test_a_second_later_it_is_looked_at_again(cold):
    one = made()
    one.note(0, MB, 1.0)
    for moment in range(2, 40):
        assert forget(cold)
        if not one.has(cold, 0, MB, moment):
            return
    pytest.fail("what was in memory once is believed for ever")


def test_a_part_that_is_half_there(cold):
    warm(cold, 0, MB // 2)
    assert made().has(cold, 0, MB // 2, 1.0)
    assert has_not(cold, 0, MB, (0, MB // 2))


def test_what_a_thread_has_read_is_noted(cold):
    one = made()
    one.note(0, MB, 1.0)
    assert one.has(cold, 0, MB, 1.0) and one.has(cold, MB - 1, 1, 1.0)
    for number in range(5000):  # of a large file, in one second
        one.note(number * 2 * MB, MB, 3.0)
    assert one.has(cold, 4999 * 2 * MB, MB, 3.0)


def test_behind_the_end(cold):
    one = made()
    warm(cold, 2 * MB, MB)
    assert one.has(cold, 3 * MB - 10, 1000, 1.0)  # sendfile will see that it is shorter
