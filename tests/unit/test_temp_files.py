"""Temporary files for bodies: unlinked, bounded over all workers, and what happens when there is no room."""

import errno
import os
import resource

import pytest

from rsp.ipc import temp_files
from rsp.ipc.scoreboard import RETIRED_ROW, Scoreboard
from rsp.ipc.temp_files import NoRoomError, TempFiles
from rsp.ipc.worker_cells import PID, ROWS, TEMP
from rsp.ipc.worker_stats import WorkerStats


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.setattr(temp_files.tempfile, "tempdir", str(tmp_path))
    return tmp_path


def workers(count):
    """On one scoreboard, each with a process."""
    board = Scoreboard()
    board.row(RETIRED_ROW)[ROWS] = count
    for number in range(count):
        board.row(number)[PID] = 1000 + number
    return board, [TempFiles(board, number, WorkerStats(board, number)) for number in range(count)]


def test_a_file_has_no_name_and_is_gone_when_it_is_closed(directory):
    board, (files,) = workers(1)
    before = len(os.listdir("/proc/self/fd"))
    file = files.make()
    file.append(b"hello ", 100)
    file.append(b"world", 100)
    assert list(directory.iterdir()) == []
    assert file.read(0, 100) == b"hello world"
    assert file.read(6, 3) == b"wor"
    assert (file.size, files.used, board.row(0)[TEMP]) == (11, 11, 11)
    file.empty()
    assert (file.size, files.used) == (0, 0)
    file.append(b"again", 100)
    assert file.read(0, 100) == b"again"
    file.close()
    file.close()
    assert (files.used, board.row(0)[TEMP]) == (0, 0)
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_bound_is_for_all_workers_together():
    board, (one, two, three) = workers(3)
    first, second, third = one.make(), two.make(), three.make()
    first.append(bytes(40), 100)
    second.append(bytes(40), 100)
    with pytest.raises(NoRoomError):
        third.append(bytes(21), 100)
    third.append(bytes(20), 100)
    assert third.size == 20
    with pytest.raises(NoRoomError):
        first.append(b"x", 100)
    board.row(1)[PID] = 0  # the kernel has taken what a worker had that was killed
    first.append(bytes(40), 100)
    assert one.used_by_all() == 100
    for file in (first, second, third):
        file.close()
    assert one.used_by_all() == 0


def test_what_could_not_be_written_is_not_there(directory, capfd):
    _, (files,) = workers(1)
    file = files.make()
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    file.append(b"before", 10**9)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, usual[1]))
    try:
        with pytest.raises(NoRoomError):
            file.append(bytes(2000), 10**9)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert f"A temporary file in {directory}: File too large; " in capfd.readouterr().err
    assert (file.size, files.used) == (6, 6)
    file.append(b" after", 10**9)
    assert file.read(0, 100) == b"before after"
    file.close()


def test_a_directory_that_is_gone_is_named(directory, monkeypatch, capfd):
    _, (files,) = workers(1)
    temp_files.log._last.clear()
    with monkeypatch.context() as patch, pytest.raises(NoRoomError):  # pytest itself needs the directory
        patch.setattr(temp_files.tempfile, "tempdir", str(directory / "gone"))
        files.make()
    assert f"A temporary file in {directory}/gone: {os.strerror(errno.ENOENT)}" in capfd.readouterr().err
    assert files.used == 0


def test_files_leave_descriptors_for_connections(monkeypatch, capfd):
    _, (files,) = workers(1)
    monkeypatch.setattr(temp_files, "limit", lambda: 80)
    temp_files.log._last.clear()
    opened = [files.make() for _ in range(10)]
    with pytest.raises(NoRoomError):
        files.make()
    assert ": 10 are open, and connections need descriptors, too" in capfd.readouterr().err
    opened.pop().close()
    opened.append(files.make())
    for file in opened:
        file.close()
        file.close()
    assert files.open == 0


def test_reading_behind_the_end_is_an_error_not_an_endless_loop():
    _, (files,) = workers(1)
    file = files.make()
    with pytest.raises(NoRoomError):
        file.read(0, 10)
    file.close()
