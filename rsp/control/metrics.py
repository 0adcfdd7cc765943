"""``/metrics`` for Prometheus, ``/live`` and ``/ready``.

A scrape reads shared memory and asks no other process.  It is made in pieces, with turns for everything else in this
process between them; not too many at a time, because each holds what it has read until its client has it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Final

from rsp.control.exposition import OPENMETRICS, PLAIN, Family, pieces, wants_openmetrics
from rsp.control.measured import Peers, Series, certificates, instance, processes
from rsp.control.state import State, silence
from rsp.control.web import Handler, Request, Response
from rsp.ipc import worker_cells
from rsp.ipc.scoreboard import RETIRED_ROW, Row
from rsp.ipc.sheet import ReadBlocks

_SERIES: Final = 50  # in one turn: less than a millisecond
_PEERS: Final = 10
_SCRAPES: Final = 16  # at a time; each holds some megabytes where there are 10,000 routes
_PATIENCE: Final = 15.0  # seconds for one; Prometheus waits 10
_SILENT: Final = 3.0  # seconds: a worker whose loop has not run for so long does not accept
_STAGES: Final = {worker_cells.STARTING: "rsp starts", worker_cells.STOPPING: "rsp stops"}


class Metrics:
    """``blocks``: what has been counted for routes, upstreams and listeners."""

    def __init__(self, state: State, blocks: ReadBlocks) -> None:
        self._state = state
        self._blocks = blocks
        self._places = asyncio.Semaphore(_SCRAPES)

    def handlers(self) -> dict[str, Handler]:
        return {"GET /metrics": self.scrape, "GET /live": self._live, "GET /ready": self._ready}

    async def scrape(self, request: Request) -> Response:
        openmetrics = wants_openmetrics(request.fields.get(b"accept", b"").decode("latin-1"))
        return Response(200, OPENMETRICS if openmetrics else PLAIN, self._text(openmetrics=openmetrics))

    async def _text(self, *, openmetrics: bool) -> AsyncGenerator[bytes, None]:
        """Raises :class:`TimeoutError` for a client that reads too slowly."""
        async with self._places:
            give_up = time.monotonic() + _PATIENCE
            for piece in pieces(await self._families(), openmetrics=openmetrics):
                yield piece
                await asyncio.sleep(0)
                if time.monotonic() > give_up:
                    raise TimeoutError

    async def _families(self) -> list[Family]:
        """All that is measured, at one time as far as pieces allow."""
        state = self._state
        series, peers = Series(), Peers(state)
        for number, (family, names, counts) in enumerate(self._blocks(), 1):
            series.add(family, names, counts)
            await _turn(number, _SERIES)
        for number, (upstream, member) in enumerate(state.each_member(), 1):
            peers.add(upstream.name, member)
            await _turn(number, _PEERS)
        once = [*instance(state), *processes(state), *certificates(state.certificates)]
        return [*series.families(), *once, *peers.families()]

    # -- for what decides whether this instance gets requests, or is started anew

    async def _live(self, _request: Request) -> Response:
        """The control process answers, so the master runs: they end together."""
        return Response(200, body=b"live\n")

    async def _ready(self, _request: Request) -> Response:
        """Whether new connections are accepted."""
        why = self.not_ready()
        return Response(200, body=b"ready\n") if why is None else Response(503, body=f"not ready: {why}\n".encode())

    def not_ready(self) -> str | None:
        """The reason, as a clause."""
        board = self._state.scoreboard
        stage = board.row(RETIRED_ROW)[worker_cells.STAGE]
        if stage == worker_cells.HANDED_OVER:  # for those that have asked us nevertheless
            return None
        if stage in _STAGES:
            return _STAGES[stage]
        workers = self._state.workers()
        if any(map(_accepts, workers)):
            return None
        return f"no worker accepts connections ({len(workers)} run)"


def _accepts(worker: Row) -> bool:
    """Not yet at its start, not any more while it finishes, and not where its loop hangs."""
    started, leaving = worker[worker_cells.VERSION], worker[worker_cells.LEAVING]
    return bool(started) and not leaving and silence(worker) < _SILENT


async def _turn(number: int, most: int) -> None:
    """After each ``most``, a turn for everything else."""
    if number % most == 0:
        await asyncio.sleep(0)
