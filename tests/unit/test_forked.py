"""Work in a process of its own, and what is said when it fails."""

import pytest

from rsp.system.forked import Failed, Forked


def done(work):
    forked = Forked(work, 10)
    forked.wait()
    return forked.result()


def test_what_it_gives():
    assert done(lambda: b"x" * 3_000_000) == b"x" * 3_000_000


def test_a_defect_is_named_in_one_line(capfd):
    with pytest.raises(Failed, match="was ended by status 1"):
        done(lambda: b"%d" % int("nine\n"))
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("a defect of rsp, please report it: ValueError: ") and line.endswith("(test_forked.py:20)")


def test_memory_that_is_not_there_is_no_defect(capfd):
    with pytest.raises(Failed):
        done(lambda: bytes(8 << 30))
    assert capfd.readouterr().err == ""
