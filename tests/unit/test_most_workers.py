"""One limit for workers, whichever way they are asked for."""

import argparse
import signal
from types import SimpleNamespace

import pytest

from rsp.cli import _worker_count
from rsp.config.errors import ConfigError
from rsp.config.units import MOST_WORKERS
from rsp.ipc.scoreboard import CONTROL_ROW
from rsp.logs import log
from rsp.lua.evaluate import evaluate
from rsp.master import Master


def test_files_and_the_command_line_have_one_limit(tmp_path):
    site = tmp_path / "site.lua"
    rest = 'listen "127.0.0.1:8000" upstream "app" { "127.0.0.1:1" } route { to = "app" }'
    site.write_text(f"workers = {MOST_WORKERS} {rest}")
    assert evaluate(str(site))[0].settings.workers == _worker_count(str(MOST_WORKERS)) == MOST_WORKERS
    site.write_text(f"workers = {MOST_WORKERS + 1} {rest}")
    with pytest.raises(ConfigError, match=f"at most {MOST_WORKERS}, got {MOST_WORKERS + 1}"):
        evaluate(str(site))
    with pytest.raises(argparse.ArgumentTypeError, match=f"from 1 to {MOST_WORKERS}"):
        _worker_count(str(MOST_WORKERS + 1))


def test_every_worker_has_a_row():
    assert MOST_WORKERS < CONTROL_ROW


@pytest.mark.parametrize("workers", [MOST_WORKERS - 1, MOST_WORKERS])
def test_one_worker_too_many_is_refused_in_the_log(monkeypatch, workers):
    lines, scaled = [], []
    monkeypatch.setattr(log, "line", lines.append)
    master = Master.__new__(Master)
    master._fleet = SimpleNamespace(wanted_slots=lambda: workers, scale=scaled.append, stopping=False)
    master._on_signal(signal.SIGTTIN)
    assert scaled == ([MOST_WORKERS] if workers < MOST_WORKERS else [])
    assert len(lines) == (workers == MOST_WORKERS)
    assert all(str(MOST_WORKERS) in line for line in lines)
