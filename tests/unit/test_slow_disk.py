"""A disk or a network that does not respond holds up what is on it, and nothing else."""

import asyncio
import os
import time

import pytest

from rsp.config.content import Files
from rsp.files import calls
from rsp.files.entry import Entry, Folder
from rsp.files.file_systems import REMOTE
from rsp.files.outcomes import NOT_THERE, WouldBlock
from rsp.files.shelf import shelf
from rsp.files.tree import Tree
from tests.slow_disk import SlowDisk, is_possible

FILES = {"small": b"small", "large": b"l" * 100_000, "other": b"other", "index.html": b"index"}

mounted = pytest.mark.skipif(not is_possible(), reason="needs root and FUSE")


@pytest.fixture
def disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    with SlowDisk(place, FILES) as disk:
        yield disk
    shelf().empty_files()


def tree_of(place, **keys) -> Tree:
    return Tree(Files(root=str(place), **keys), ("index.html",))


def ask(tree: Tree, name: bytes) -> asyncio.Future:
    future = asyncio.get_running_loop().create_future()
    tree.ask(name, lambda found: future.cancelled() or future.set_result(found))
    return future


@mounted
def test_what_is_on_it_is_found_by_threads_alone(disk):
    tree = tree_of(disk.place)
    assert tree.find(b"small", True).content == b"small" and tree.root.kind == REMOTE
    with pytest.raises(WouldBlock):
        tree.find(b"other")
    assert tree.find(b"missing", True) == NOT_THERE
    assert tree.find(b"", True).content == b"index"


@mounted
def test_the_loop_runs_while_it_does_not_respond(disk, tmp_path):
    (tmp_path / "fast").mkdir()
    (tmp_path / "fast" / "a").write_bytes(b"fast")
    slow, fast = tree_of(disk.place), tree_of(tmp_path / "fast")

    async def run():
        assert (await ask(slow, b"small")).content == b"small"
        disk.responds.clear()
        waiting = [ask(slow, name) for name in (b"other", b"large", b"index.html", b"small", b"missing", b"more")]
        while not disk.asked.is_set():
            await asyncio.sleep(0.001)
        for number in range(20):  # ticks look whether roots are where they were
            slow.tick(number)
            fast.tick(number)
            assert (await ask(fast, b"a")).content == b"fast"
            with pytest.raises(WouldBlock):
                slow.find(b"other")
        assert not any(each.done() for each in waiting)
        disk.responds.set()
        found = await asyncio.gather(*waiting)
        assert [each.content if isinstance(each, Entry) else each for each in found] == [
            b"other", None, b"index", b"small", NOT_THERE, NOT_THERE,
        ]  # fmt: skip

    asyncio.run(asyncio.wait_for(run(), 60))


@mounted
def test_what_was_found_a_moment_ago_is_believed(disk):
    tree = tree_of(disk.place)
    small = tree.find(b"small", True)
    large = tree.find(b"large", True)
    assert large.is_remote and large.file.is_remote
    disk.responds.clear()
    assert tree.known(b"small") is small
    assert tree.known(b"large") is large
    tree.tick(tree.now + 1)
    assert tree.known(b"small") is None
    disk.responds.set()


@mounted
def test_a_file_that_is_closed_does_not_hold_up_the_loop(disk):
    """Closing a file of FUSE waits for its daemon."""
    large = tree_of(disk.place).look(b"large", True)
    before = calls.opened()
    disk.responds.clear()
    started = time.monotonic()
    del large
    assert time.monotonic() - started < 1
    disk.responds.set()
    while calls.opened() >= before:
        time.sleep(0.001)


@mounted
def test_a_directory_of_another_file_system_below_the_root(tmp_path):
    place = tmp_path / "root" / "remote"
    place.mkdir(parents=True)
    (tmp_path / "root" / "local").write_bytes(b"local")
    with SlowDisk(place, FILES) as disk:
        tree = tree_of(tmp_path / "root", list=True)
        assert tree.find(b"remote/small", True).is_remote
        assert not tree.find(b"local", True).is_remote
        assert isinstance(tree.find(b"remote", True), Folder)
        disk.responds.clear()
        with pytest.raises(WouldBlock):
            tree.find(b"remote/other")
        assert tree.find(b"local").content == b"local"
        disk.responds.set()


# -- disks that respond slowly


def test_what_is_not_in_memory_is_read_by_a_thread(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x" * 50_000)
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if calls.read_now(file.fileno(), 0, 50_000) is not None:
            pytest.skip("the file system keeps all in memory")
    tree = tree_of(tmp_path)
    tree.find(b"missing", True)
    with pytest.raises(WouldBlock):
        tree.find(b"a")
    assert tree.look(b"a").content == b"x" * 50_000
    assert tree.find(b"a").content == b"x" * 50_000  # it is, now
