"""The file that ``rsp demo`` takes by itself."""

import os

import pytest

from rsp.commands.demo.command import usual_file


def test_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert usual_file() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize(("owner", "file"), [(0, "rsp.lua"), (65534, None)])
def test_whose_file(tmp_path, monkeypatch, capsys, owner, file):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rsp.lua").touch()
    os.chown(tmp_path / "rsp.lua", owner, owner)
    assert usual_file() == file
    assert ("belongs to another user" in capsys.readouterr().err) == (file is None)
