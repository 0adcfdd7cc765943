"""An instance's shared memory without its processes, and what a scrape of it says."""

import asyncio
import time
from typing import Final

import msgspec
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_plain

from rsp.config.schema import Config, decode_hook
from rsp.control.discovery.standing import Standing
from rsp.control.metrics import Metrics
from rsp.control.state import State
from rsp.control.web import Request, Response
from rsp.ipc import peer_marks, worker_cells
from rsp.ipc.channel import Bundle, Outcome
from rsp.ipc.counting import Counting
from rsp.ipc.peer_registry import PeerRegistry
from rsp.ipc.scoreboard import CONTROL_ROW, RETIRED_ROW, Row, Scoreboard
from rsp.ipc.series_table import SeriesRegistry
from rsp.ipc.sheet import Sheet
from rsp.tls.material import Described, Keyring

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
OPENMETRICS: Final = {b"accept": b"application/openmetrics-text"}


def config_of(**declared: object) -> Config:
    given = {"settings": {}, "listeners": [{"address": "127.0.0.1:80"}], "upstreams": [], "routes": [], **declared}
    return msgspec.convert(given, Config, dec_hook=decode_hook)


def upstreams(number: int, peers: int = 1) -> list[dict]:
    return [
        {"name": f"u{index}", "peers": [{"address": f"10.0.{index}.{peer}:80"} for peer in range(peers)]}
        for index in range(number)
    ]


class Lab:
    """``workers`` of them run, in the first rows, and serve ``config``."""

    def __init__(self, config: Config, workers: int = 2) -> None:
        self.board = Scoreboard()
        self.sheet = Sheet(self.board)
        self.series = SeriesRegistry(self.sheet)
        self.peers = PeerRegistry(self.board)
        self.rows = [self.board.row(number) for number in range(workers)]
        retired = self.board.row(RETIRED_ROW)
        retired[worker_cells.ROWS], retired[worker_cells.STAGE] = workers, worker_cells.SERVING
        for number, row in enumerate(self.rows):
            self.runs(row, number)
        self.runs(self.board.row(CONTROL_ROW), 0)
        self.use(config)
        bundle = Bundle(7, "d" * 64, config)
        self.state = State(self.board, bundle, self.members, "")
        self.metrics = Metrics(self.state, lambda *families: self.sheet.blocks(self.contents, *families))

    @staticmethod
    def runs(row: Row, slot: int) -> None:
        row[worker_cells.PID], row[worker_cells.SLOT], row[worker_cells.VERSION] = 1000 + slot, slot, 7
        row[worker_cells.STARTED] = row[worker_cells.HEARTBEAT] = int(time.monotonic() * 1000)

    def use(self, config: Config) -> None:
        self.config = config
        self.contents = self.series.arrange(config)
        self.members = self.peers.arrange(config)[0].table()

    def worker(self, number: int) -> Counting:
        return Counting(self.sheet, number, self.contents)

    def place(self, upstream: str, peer: str) -> int:
        return next(place for name, address, place in self.peers.peers if (name, address) == (upstream, peer))

    async def text(self, *, openmetrics: bool = False) -> str:
        response = await self.metrics.scrape(Request("GET", "/metrics", fields=OPENMETRICS if openmetrics else {}))
        assert not isinstance(response.body, bytes)
        return b"".join([piece async for piece in response.body]).decode()

    def scrape(self, *, openmetrics: bool = False) -> Samples:
        """Every sample, by name and labels; each is there once."""
        text = asyncio.run(self.text(openmetrics=openmetrics))
        found: Samples = {}
        for family in (read_openmetrics if openmetrics else read_plain)(text):
            for sample in family.samples:
                key = sample.name, tuple(sorted(sample.labels.items()))
                assert key not in found, f"twice: {key}"
                found[key] = sample.value
        return found

    def ask(self, path: str) -> Response:
        return asyncio.run(self.metrics.handlers()[f"GET {path}"](Request("GET", path)))


def value(samples: Samples, name: str, /, **labels: str) -> float:
    """The sum of all samples ``name`` with these labels, and others."""
    wanted = labels.items()
    return sum(each for (known, given), each in samples.items() if known == name and wanted <= dict(given).items())


def everything() -> list[Metric]:
    """All that can be measured, as prometheus_client reads it."""
    settings = {"discover_routes": {"docker": "unix:/run/docker.sock", "hosts": ["*.test"]}}
    routes = [{"to": "u0", "path": "/a", "metrics": True}]
    lab = Lab(config_of(settings=settings, upstreams=upstreams(1), routes=routes))
    counting = lab.worker(0)
    counting.route("/a", "u0").answered(200, 1, 1)
    counting.route_times("/a").took(0.1, 0.1, 0.1, 1)
    lab.board.set_mark(lab.place("u0", "10.0.0.0:80"), peer_marks.HEALTH, peer_marks.HEALTH_UP)
    lab.state.last = Outcome([], "reload", False, "text", 8, "d", 1.0)
    one = Described("site.lua:3", "a.pem", ("a.example",), "CN=a", "CN=ca", "ecdsa", "ab" * 32, 0.0, 2e9)
    lab.state.certificates.use(lab.config, (one,), Keyring())
    lab.state.certificates.stapled[one.digest] = {"good_until": 1.9e9}
    source = Standing("u0", "etcd://10.0.0.5:2379/services/app/", "ok", 1.0, 2, 3, 4, [], "")
    lab.state.sources = lambda: [source]
    lab.state.site = lambda: {"node": "a", "running": "ab", "stable": "ab", "state": "serving", "reached": True}
    return list(read_plain(asyncio.run(lab.text())))
