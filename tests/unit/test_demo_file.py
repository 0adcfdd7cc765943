"""The file that ``rsp demo`` takes by itself, and whether its page may change it."""

import os
from pathlib import Path

import pytest

from rsp.commands.demo.command import usual_file
from rsp.commands.demo.site import CHANGES, Site


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


def test_the_file_of_a_checkout_has_all_changes(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    site = Site.of_file("rsp.lua")
    try:
        assert set(site.changes) == set(CHANGES)
    finally:
        site.close()


def test_hooks_and_warnings_do_not_depend_on_the_folder(tmp_path):
    text = """listen "127.0.0.1:8000"
      function on_log(req, res) nosuch.count = 1 end
      route { respond = {}, on_request = function(req) return nosuch(req) end }"""
    (tmp_path / "rsp.lua").write_text(text)
    site = Site.of_file(str(tmp_path / "rsp.lua"))
    try:
        assert site.config.warnings and set(site.changes) == set(CHANGES)
    finally:
        site.close()


def test_a_file_that_depends_on_its_folder_has_no_changes(tmp_path):
    (tmp_path / "rsp.lua").write_text('listen "127.0.0.1:8000" route { files = "static" }')
    (tmp_path / "static").mkdir()
    site = Site.of_file(str(tmp_path / "rsp.lua"))
    try:
        assert set(site.changes) == {"original"}
    finally:
        site.close()
