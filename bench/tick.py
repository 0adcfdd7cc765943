"""What the once-a-second tick costs the unlucky request: ``python -m bench.tick``.

A request that arrives during the tick waits until the loop is free again.  The tick of a worker with many connections,
peers and routes does its work in several turns of the loop.  Each turn is measured by itself, as processor time, so that
other processes on the machine make no difference.  Connections, peers and routes are real, but connections have no
sockets.
"""

import argparse
import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from bench.sections import replace_named
from rsp.exchange.assemble import assemble
from rsp.exchange.service import HttpService
from rsp.http.h1.server import ServerConnection
from rsp.ipc.peer_registry import PeerRegistry
from rsp.ipc.scoreboard import RETIRED_ROW, Scoreboard
from rsp.ipc.worker_cells import ROWS
from rsp.logs.access_logs import AccessLogs
from rsp.net.context import WorkerContext
from rsp.net.poller import Poller
from rsp.net.transport import Protocol, Transport
from tests.unit.fakes import configuration

TICKS = 100
SITE = """
access_log = "off"
local peers = {{}}
for number = 1, {peers} do peers[number] = ("127.1.%d.%d:80"):format(math.floor(number / 250), number % 250 + 1) end
upstream("app")(peers)
for number = 1, {routes} do route("/part/" .. number) {{ to = "app" }} end
"""
SIZES = (  # connections, peers, routes
    (0, 1, 1),
    (1_000, 100, 100),
    (10_000, 100, 100),
    (50_000, 100, 100),
    (0, 1_000, 1),
    (0, 10_000, 1),
    (0, 1, 1_000),
    (50_000, 10_000, 1_000),
)


class Turns(asyncio.SelectorEventLoop):
    """A loop that notes what each of its callbacks took, in ms of processor time."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[float] = []

    def call_soon(self, callback: Callable[..., object], *args, context=None) -> asyncio.Handle:
        return super().call_soon(self.measure, callback, *args, context=context)

    def call_later(self, delay: float, callback: Callable[..., object], *args, context=None) -> asyncio.TimerHandle:
        return super().call_later(delay, self.measure, callback, *args, context=context)

    def measure(self, callback: Callable[..., object], *args: object) -> None:
        began = time.thread_time()
        callback(*args)
        self.taken.append((time.thread_time() - began) * 1000)

    def turn(self) -> None:
        """Everything that is ready, in one turn."""
        self._run_once()  # type: ignore[attr-defined]


class Still(Transport):
    """Nothing arrives; so it needs no socket of its own."""

    def begin(self, protocol: Protocol, limit: int) -> None:
        pass


class Busy:
    """A worker with these connections, peers and routes."""

    def __init__(self, loop: Turns, connections: int, peers: int, routes: int) -> None:
        scoreboard = Scoreboard()
        scoreboard.row(RETIRED_ROW)[ROWS] = 1
        context = self.context = WorkerContext(scoreboard, 0, b"secret", Poller(loop))
        config = configuration(SITE.format(peers=peers, routes=routes))
        service = HttpService(context)
        members = PeerRegistry(scoreboard).arrange(config)[0].table()
        service.use(assemble(config, context, service.directory, AccessLogs()), members)
        for _ in range(connections):
            session = service.session(b"192.0.2.1", "127.0.0.1:1")
            session.limits.connections = connections  # more than there are descriptors
            connection = ServerConnection.__new__(ServerConnection)
            connection.set_up(context, service, Still(context.poller, -1), session, False)
        assert len(context.connections) == connections

    def close(self) -> None:
        self.context.poller.close()


def measured(connections: int, peers: int, routes: int, ticks: int) -> tuple[list[float], float]:
    """What each turn took, and a whole tick on average; in ms."""
    loop = Turns()
    asyncio._set_running_loop(loop)
    try:
        busy = Busy(loop, connections, peers, routes)
        for _ in range(3):
            _tick(loop, busy)
        loop.taken.clear()
        for _ in range(ticks):
            _tick(loop, busy)
        busy.close()
    finally:
        asyncio._set_running_loop(None)
        loop.close()
    return sorted(loop.taken), sum(loop.taken) / ticks


def _tick(loop: Turns, busy: Busy) -> None:
    """With all turns that it brings about."""
    loop.measure(busy.context.tick)
    while loop._ready or loop._scheduled:
        loop.turn()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.tick", description=__doc__)
    parser.add_argument("--ticks", type=int, default=TICKS)
    parser.add_argument("--document", type=Path, help="a file whose table is to be replaced")
    options = parser.parse_args()
    rows = []
    for connections, peers, routes in SIZES:
        turns, whole = measured(connections, peers, routes, options.ticks)
        at = [turns[min(int(len(turns) * share), len(turns) - 1)] for share in (0.5, 0.99, 1)]
        figures = " | ".join(f"{figure:.2f}" for figure in at)
        rows.append(
            f"| {connections:,} | {peers:,} | {routes:,} | {len(turns) / options.ticks:.0f} | {figures} | {whole:.2f} |"
        )
    text = (
        "| connections | peers | routes | turns | a turn, median ms | p99 | longest | the whole tick |\n"
        "|---|---|---|---|---|---|---|---|\n" + "\n".join(rows)
    )
    print(text)
    if options.document:
        replace_named(options.document, "tick", f"\n{text}\n")


if __name__ == "__main__":
    main()
