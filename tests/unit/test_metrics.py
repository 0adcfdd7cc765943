"""The tables of metrics: one line adds one, everything else follows."""

import subprocess
import sys

import pytest

from rsp.config.schema import Config, Settings
from rsp.config.units import Peer
from rsp.config.upstreams import Upstream, UpstreamPeer
from rsp.control.state import State
from rsp.ipc import peer_cells, peer_marks, worker_cells
from rsp.ipc.channel import Bundle
from rsp.ipc.metrics import Table
from rsp.ipc.peer_registry import PeerRegistry
from rsp.ipc.peer_stats import PeerStats
from rsp.ipc.scoreboard import RETIRED_ROW, Scoreboard
from rsp.ipc.worker_stats import WorkerStats
from tests.paths import ROOT

TABLES = [worker_cells.TABLE, peer_cells.TABLE, peer_marks.TABLE]
EDGES = [2**31 - 3, 2**32 - 3, 2**53 - 3, 2**63 - 3]
CONFIG = Config(
    settings=Settings(admin="off"),
    listeners=(),
    upstreams=(Upstream(name="app", peers=(UpstreamPeer(address=Peer("10.0.0.1:80")),)),),
    routes=(),
)


@pytest.fixture
def new_lines(monkeypatch):
    """Lines that a test adds are gone after it."""
    for table in TABLES:
        for name in ("size", "metrics", "counters"):
            monkeypatch.setattr(table, name, getattr(table, name))


@pytest.fixture
def board():
    board = Scoreboard()
    board.row(RETIRED_ROW)[worker_cells.ROWS] = 2
    for row in range(2):
        board.row(row)[worker_cells.PID] = 100 + row
    return board


@pytest.fixture
def state(board):
    members = PeerRegistry(board).arrange(CONFIG)[0].table()
    return State(board, Bundle(1, "", CONFIG), members, "")


def test_one_line_adds_a_counter_of_workers(new_lines, board, state):
    teapots = worker_cells.TABLE.counter("teapots", "Requests for coffee.")
    boiling = worker_cells.TABLE.gauge("boiling", "Seconds.", unit="seconds", scale=1000)
    for row in range(2):
        board.row(row)[teapots] = 3 + row
        board.row(row)[boiling] = 1500
    status = state.status()
    assert status["totals"]["teapots"] == 7
    assert status["now"]["boiling"] == 3.0
    assert [worker["teapots"] for worker in status["workers"]] == [3, 4]
    assert status["workers"][0]["boiling"] == 1.5
    board.retire(1, 1)
    board.row(1)[worker_cells.PID] = 0
    status = state.status()
    assert status["totals"]["teapots"] == 7
    assert status["now"]["boiling"] == 1.5


def test_one_line_adds_a_counter_of_peers(new_lines, board, state):
    spilled = peer_cells.TABLE.counter("spilled", "Responses with tea.")
    full = peer_cells.TABLE.gauge("full", "Cups.")
    PeerStats(board, 0, 1).add(spilled, 5)
    PeerStats(board, 0, 1).add(full, 2)
    (peer,) = state.peers()
    assert (peer["spilled"], peer["full"]) == (5, 2)
    board.retire(1, 1)
    (peer,) = state.peers()
    assert (peer["spilled"], peer["full"]) == (5, 0)


def test_the_admin_api_keeps_its_names(state):
    status = state.status()
    assert list(status["totals"]) == [
        "requests", "accepted", "status_2xx", "status_3xx", "status_4xx", "status_5xx", "bytes_sent", "retries",
        "hedges", "handshakes", "resumed", "handshake_failures", "cut", "cut_tunnels",
    ]  # fmt: skip
    assert list(status["now"]) == ["connections", "in_flight", "queued", "stores_missed"]
    process = {"pid", "version", "uptime", "silent", "cpu", "memory"}
    assert status["control"].keys() == process
    assert status["workers"][0].keys() == process | {"slot", "cpus"} | status["totals"].keys() | status["now"].keys()
    (peer,) = state.peers()
    assert set(peer) == {
        "upstream", "peer", "name", "state", "reason", "for", "weight", "backup", "in_flight", "connecting", "idle",
        "max_conns", "requests", "errors", "failures", "retries", "latency_ms", "latency_now_ms", "ejections",
        "health", "tls",
    }  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
def test_lines_are_complete(table):
    names = [metric.name for metric in table.metrics]
    assert len(set(names)) == len(names)
    cells = [metric.cell for metric in table.metrics]
    assert cells == sorted(set(cells))
    assert all(cell < table.size for cell in cells)
    for metric in table.metrics:
        assert metric.help[0].isupper()
        assert metric.help.endswith(".")
        assert metric.scale == 1 or metric.unit


@pytest.mark.parametrize("table", TABLES)
def test_the_documentation_has_every_metric_that_is_shown(table):
    text = (ROOT / "docs/operations.md").read_text()
    for metric in table.metrics:
        kind = f"{metric.kind}, {metric.unit}" if metric.unit else metric.kind
        assert (f"| `{metric.name}` | {kind} | {metric.help} |\n" in text) == metric.listed


def test_a_table_that_is_full_says_so():
    table = Table("worker", 1)
    table.counter("a", "A.")
    with pytest.raises(OverflowError, match="room for 1 cell"):
        table.cell()


def test_answers_are_counted_by_their_status(board):
    stats = WorkerStats(board, 0)
    for status in (101, 200, 299, 304, 404, 499, 500, 599):
        stats.answered(status, 10)
    row = board.row(0)
    assert [row[worker_cells.STATUS_2XX + at] for at in range(4)] == [2, 1, 2, 2]
    assert row[worker_cells.REQUESTS] == 8
    assert row[worker_cells.BYTES_SENT] == 80


@pytest.mark.parametrize("edge", EDGES)
def test_what_a_worker_counts_is_there_at_once_and_exactly(board, edge):
    stats = WorkerStats(board, 0)
    row = board.row(0)
    other = [board.row(1)[cell] for cell in range(worker_cells.ROW)]
    for cell in range(worker_cells.VERSION):
        stats.put(cell, edge + cell)
    for _ in range(6):
        stats.answered(200, edge)
    stats.add(worker_cells.HEDGES, 3)
    stats.add(worker_cells.IN_FLIGHT, -5)
    expected = {cell: edge + cell for cell in range(worker_cells.VERSION)}
    expected[worker_cells.REQUESTS] += 6
    expected[worker_cells.STATUS_2XX] += 6
    expected[worker_cells.BYTES_SENT] += 6 * edge
    expected[worker_cells.HEDGES] += 3
    expected[worker_cells.IN_FLIGHT] -= 5
    for cell, value in expected.items():
        assert row[cell] == stats.get(cell) == value % 2**64
    assert row[worker_cells.PID] == 100
    assert [board.row(1)[cell] for cell in range(worker_cells.ROW)] == other


def test_a_line_in_the_table_is_counted():
    """The same with a line in the source, where the layout is made."""
    script = """
import importlib.util, pathlib, sys
spec = importlib.util.find_spec("rsp.ipc.worker_cells")
source = pathlib.Path(spec.origin).read_text()
line = 'TEAPOTS: Final = TABLE.counter("teapots", "Requests for coffee.")'
source = source.replace("VERSION: Final", line + "\\nVERSION: Final")
import rsp.ipc
module = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = rsp.ipc.worker_cells = module
exec(compile(source, spec.origin, "exec"), module.__dict__)
from rsp.ipc.scoreboard import RETIRED_ROW, Scoreboard
from rsp.ipc.worker_stats import WorkerStats
board = Scoreboard()
WorkerStats(board, 0).add(module.TEAPOTS, 7)
board.retire(0, 0)
assert module.TABLE.values(board.row(RETIRED_ROW).__getitem__, "worker")["teapots"] == 7
"""
    subprocess.run([sys.executable, "-c", script], check=True)
