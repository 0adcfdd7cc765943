"""``/metrics`` for Prometheus, ``/live`` and ``/ready``.

A scrape reads shared memory and asks no other process.  It is made in pieces, with turns for everything else in this
process between them; not too many at a time, because each holds what it has read until its client has it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Final

from rsp.control import routes
from rsp.control.discovery.measured import discovery
from rsp.control.exposition import OPENMETRICS, PLAIN, Family, pieces, wants_openmetrics
from rsp.control.fleet_measured import site
from rsp.control.measured import Peers, Series, certificates, instance, processes
from rsp.control.state import State
from rsp.control.web import Handler, Request, Response
from rsp.ipc.sheet import ReadBlocks

_SERIES: Final = 50  # in one turn: less than a millisecond
_PEERS: Final = 50
_SCRAPES: Final = 16  # at a time; each holds some megabytes where there are 10,000 routes
_PATIENCE: Final = 15.0  # seconds for one; Prometheus waits 10


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
        once = [
            *instance(state), *processes(state), *certificates(state.certificates), *discovery(state.sources()),
            *routes.families(state.bundle.config, state.labels_problem()), *site(state.site()),
        ]  # fmt: skip
        return [*series.families(), *once, *peers.families()]

    # -- for what decides whether this instance gets requests, or is started anew

    async def _live(self, _request: Request) -> Response:
        """The control process answers, so the master runs: they end together."""
        return Response(200, body=b"live\n")

    async def _ready(self, _request: Request) -> Response:
        """Whether new connections are accepted."""
        why = self._state.not_ready()
        return Response(200, body=b"ready\n") if why is None else Response(503, body=f"not ready: {why}\n".encode())


async def _turn(number: int, most: int) -> None:
    """After each ``most``, a turn for everything else."""
    if number % most == 0:
        await asyncio.sleep(0)
