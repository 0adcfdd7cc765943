"""One limit for workers, whichever way they are asked for."""

import argparse
import os
from types import SimpleNamespace

import pytest

from rsp.commands.arguments import worker_count
from rsp.config.errors import ConfigError
from rsp.config.units import MOST_WORKERS
from rsp.ipc.scoreboard import CONTROL_ROW, Scoreboard
from rsp.logs import log
from rsp.lua.evaluate import evaluate
from rsp.supervise.child import Slot
from rsp.supervise.fleet import Fleet
from rsp.supervise.rows import Rows
from rsp.system import quota


def test_files_and_the_command_line_have_one_limit(tmp_path):
    site = tmp_path / "site.lua"
    rest = 'listen "127.0.0.1:8000" upstream "app" { "127.0.0.1:1" } route { to = "app" }'
    site.write_text(f"workers = {MOST_WORKERS} {rest}")
    assert evaluate(str(site))[0].settings.workers == worker_count(str(MOST_WORKERS)) == MOST_WORKERS
    site.write_text(f"workers = {MOST_WORKERS + 1} {rest}")
    with pytest.raises(ConfigError, match=f"at most {MOST_WORKERS}, got {MOST_WORKERS + 1}"):
        evaluate(str(site))


def test_every_worker_has_a_row():
    assert MOST_WORKERS < CONTROL_ROW


@pytest.mark.parametrize("text", ["0", str(MOST_WORKERS + 1), "256", "-1", "many", "1.5", ""])
def test_a_number_out_of_range_is_refused_with_the_limit(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"from 1 to {MOST_WORKERS}"):
        worker_count(text)


def test_auto_keeps_to_the_limit(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(1000)))
    monkeypatch.setattr(quota, "_cpu_limits", lambda _: iter(()))
    assert quota.workers() == worker_count("auto") == MOST_WORKERS


@pytest.mark.parametrize(("running", "wanted"), [(MOST_WORKERS, MOST_WORKERS + 1), (1, 0)])
def test_one_worker_too_many_or_too_few_is_refused_in_the_log(monkeypatch, running, wanted):
    lines = []
    monkeypatch.setattr(log, "line", lines.append)
    fleet = Fleet.__new__(Fleet)
    fleet.stopping = False
    fleet.slots = [SimpleNamespace(wanted=True)] * running
    fleet.scale(wanted)
    assert lines == [f"The number of workers remains {running}: it must be from 1 to {MOST_WORKERS}."]


def test_a_worker_without_a_row_waits_and_says_so(monkeypatch):
    lines = []
    monkeypatch.setattr(log, "once_a_second", lambda _key, text: lines.append(text))
    fleet = Fleet.__new__(Fleet)
    fleet.rows = Rows(Scoreboard())
    while fleet.rows.take() is not None:
        pass
    slot = Slot(5)
    fleet.start(slot)
    assert slot.restart_at is not None and slot.process is None
    assert lines and str(CONTROL_ROW) in lines[0]
