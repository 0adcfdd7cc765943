"""The system calls of files: both of the twins."""

import errno
import importlib.util
import os
from pathlib import Path

import pytest

from rsp.files import calls as in_use


def specification():
    """The module as its Python source says it, whatever is compiled."""
    path = Path(__file__).parents[2] / "rsp" / "files" / "calls.py"
    spec = importlib.util.spec_from_file_location("specification_of_calls", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["in use", "specification"])
def calls(request):
    return in_use if request.param == "in use" else specification()


@pytest.fixture
def root(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").write_bytes(b"0123456789" * 100)
    os.symlink("d", tmp_path / "link")
    os.symlink("/", tmp_path / "out")
    descriptor = os.open(tmp_path, os.O_PATH)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("wait", [False, True])
def test_opening_below_a_directory(calls, root, wait):
    before = calls.opened()

    def said(name, flags=os.O_RDONLY, resolve=calls.BENEATH):
        found = calls.open_below(root, name, flags, resolve, wait)
        if found < 0:
            return errno.errorcode[-found]
        assert calls.opened() == before + 1 and not os.get_inheritable(found)
        calls.close(found, wait)
        return "open"

    assert (
        said(b"d/a")
        == said(b"link/a")
        == said(b"d", os.O_PATH)
        == said(b"d/../d/a")
        == said(b"d/a", resolve=0)
        == "open"
    )
    assert said(b"d/b") == said(b"d/a\0b") == said(b"") == "ENOENT"
    assert said(b"../x") == said(b"out/etc") == said(b"/etc") == "EXDEV"
    assert said(b"link/a", resolve=calls.BENEATH | calls.NO_LINKS) == "ELOOP"
    assert said(b"d/a", os.O_RDONLY | os.O_DIRECTORY) == said(b"d/a/x") == "ENOTDIR"
    assert said(b"x" * 300) == said(b"x/" * 3000, resolve=0) == "ENAMETOOLONG"
    assert calls.opened() == before


@pytest.mark.parametrize("wait", [False, True])
def test_marks_say_whether_a_file_is_unchanged(calls, root, tmp_path, wait):
    descriptor = os.open(tmp_path / "d" / "a", os.O_RDONLY)
    try:
        mark, found = calls.Mark(descriptor, wait), os.fstat(descriptor)
        assert (mark.device, mark.number, mark.mode, mark.size, mark.modified, mark.changed) == (
            found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns,
        )  # fmt: skip
        assert mark.is_regular() and not mark.is_directory()
        assert mark.holds(root, b"d/a", wait) and mark.holds(root, b"link/a", wait) and mark.is_at(root, b"d/a")
        assert mark.equals(calls.Mark(descriptor, wait))
        assert not mark.holds(root, b"d/b", wait) and not mark.holds(root, b"d", wait) and not mark.is_at(root, b"d")
        os.utime(tmp_path / "d" / "a", ns=(-1, -5_000_000_001))
        other = calls.Mark(descriptor, wait)
        assert other.modified == -5_000_000_001
        assert not mark.holds(root, b"d/a", wait) and mark.is_at(root, b"d/a")
        assert other.is_file_of(mark) and not other.equals(mark)
    finally:
        os.close(descriptor)
    folder = calls.Mark(root, wait)
    assert folder.is_directory() and not folder.is_regular()
    assert folder.is_at(calls.AT_CWD, os.fsencode(tmp_path))
    with pytest.raises(OSError):
        calls.Mark(-1, wait)


@pytest.mark.parametrize(("start", "size"), [(0, 0), (0, 10), (995, 10), (1000, 10), (5000, 10), (0, 5000), (3, 1)])
def test_reading(calls, tmp_path, root, start, size):
    content = (tmp_path / "d" / "a").read_bytes()
    descriptor = os.open(tmp_path / "d" / "a", os.O_RDONLY)
    try:
        assert calls.read(descriptor, start, size) == content[start : start + size]
        assert calls.read_now(descriptor, start, size) in (content[start : start + size], None)
    finally:
        os.close(descriptor)
    for read in (calls.read, calls.read_now):
        with pytest.raises(OSError):
            read(root, 0, 1)  # it is a directory, and O_PATH


def test_kinds_of_file_systems(calls, root):
    assert calls.file_system(root) > 0
    descriptor = os.open("/proc", os.O_PATH)
    assert calls.file_system(descriptor) == 0x9FA0
    os.close(descriptor)
    assert calls.file_system(-1) == 0
