"""All that is counted and known of an instance: readings that rates are computed from, and a snapshot of everything."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from rsp.control.recent import Recent
from rsp.control.state import Data, State
from rsp.ipc.series_cells import (
    LISTENER,
    LISTENER_ACCEPTED,
    LISTENER_STATUS,
    ROUTE,
    ROUTE_SENT,
    ROUTE_STATUS,
    ROUTE_TIMES,
    SECONDS,
    TIMES_DURATION,
    UPSTREAM,
)  # fmt: skip
from rsp.ipc.sheet import OTHER, REMOVED, ReadBlocks

_PIECE: Final = 100  # series that are read in one turn of the loop
_BUCKETS: Final = len(SECONDS) + 1
_CLASSES: Final = 5

# What is followed over time: of all traffic, of a route, of an upstream.
COUNTERS: Final = ("requests", "status_4xx", "status_5xx", "bytes_sent")

Key = tuple[str, str]


class Reading(NamedTuple):
    """Counters at one moment, ``at`` by the monotonic clock; ``cost``: seconds that reading has taken of the process.

    ``routes``     :data:`COUNTERS` by route and upstream
    ``times``      histograms of the whole time of requests, by upstream
    ``own_times``  the same by route, of those with ``metrics = true``
    ``listeners``  connections and requests, by address
    ``peers``      requests and errors, by upstream and address
    """

    at: float
    cost: float
    status: Data
    rows: list[Data]  # of peers
    routes: Mapping[Key, Sequence[int]]
    times: Mapping[str, Sequence[int]]
    own_times: Mapping[str, Sequence[int]]
    listeners: Mapping[str, Sequence[int]]

    @property
    def totals(self) -> Mapping[str, int]:
        return self.status["totals"]  # type: ignore[return-value]

    @property
    def peers(self) -> dict[Key, Sequence[int]]:
        return {(str(one["upstream"]), str(one["peer"])): (one["requests"], one["errors"]) for one in self.rows}  # type: ignore[misc]

    def all_times(self) -> list[int]:
        """Of all upstreams together."""
        return [sum(counts) for counts in zip(*self.times.values(), strict=True)]

    def upstreams(self) -> dict[str, Sequence[int]]:
        """:data:`COUNTERS` of all routes to each."""
        found: dict[str, Sequence[int]] = {name: [0] * len(COUNTERS) for name in self.times}
        for (_, upstream), counts in self.routes.items():
            if upstream in found:
                found[upstream] = [one + other for one, other in zip(found[upstream], counts, strict=True)]
        return found


class Figures:
    """``blocks(*families)``: what has been counted for routes, upstreams and listeners."""

    def __init__(self, state: State, recent: Recent, blocks: ReadBlocks) -> None:
        self.state = state
        self.recent = recent
        self._blocks = blocks

    async def read(self) -> Reading:
        """In pieces, so that nothing else in the process waits for long."""
        cost = 0.0
        routes: dict[Key, Sequence[int]] = {}
        times: dict[str, Sequence[int]] = {}
        own_times: dict[str, Sequence[int]] = {}
        listeners: dict[str, Sequence[int]] = {}
        begun = time.perf_counter()
        families = (ROUTE.name, ROUTE_TIMES.name, UPSTREAM.name, LISTENER.name)
        for number, (family, labels, values) in enumerate(self._blocks(*families), 1):
            if labels[0] in ("", REMOVED, OTHER) and not any(values):
                pass
            elif family is ROUTE:
                routes[labels[0], labels[1]] = _counters(values)
            elif family is ROUTE_TIMES:  # its cells are those of an upstream
                own_times[labels[0]] = values[TIMES_DURATION : TIMES_DURATION + _BUCKETS]
            elif family is UPSTREAM:
                times[labels[0]] = values[TIMES_DURATION : TIMES_DURATION + _BUCKETS]
            else:
                listeners[labels[0]] = (values[LISTENER_ACCEPTED], _requests(values, LISTENER_STATUS))
            if number % _PIECE == 0:
                cost += time.perf_counter() - begun
                await asyncio.sleep(0)
                begun = time.perf_counter()
        status = self.state.status()
        cost += time.perf_counter() - begun
        peers: list[Data] = []
        begun = time.perf_counter()
        for piece in self.state.peers_in_pieces():
            peers += piece
            cost += time.perf_counter() - begun
            await asyncio.sleep(0)
            begun = time.perf_counter()
        return Reading(time.monotonic(), cost, status, peers, routes, times, own_times, listeners)

    async def snapshot(self) -> Data:
        """Everything, as plain data."""
        reading = await self.read()
        recent, state = self.recent, self.state
        return {
            "at": reading.at,
            "time": time.time(),
            "status": reading.status,
            "routes": [
                {"route": route, "upstream": upstream, **dict(zip(COUNTERS, counts, strict=True))}
                for (route, upstream), counts in reading.routes.items()
            ],
            "bounds": SECONDS,
            "upstreams": [
                {"upstream": name, **dict(zip(COUNTERS, counts, strict=True)), "times": reading.times[name]}
                for name, counts in reading.upstreams().items()
            ],
            "listeners": [
                {"listener": name, "connections": counts[0], "requests": counts[1]}
                for name, counts in reading.listeners.items()
            ],
            "peers": reading.rows,
            "unknown": state.unknown(),
            "certificates": state.certificates.report(),
            "reloads": list(recent.reloads),
            "errors": list(recent.errors),
            "slow": recent.slow.slowest(),
        }


def _requests(values: Sequence[int], first: int) -> int:
    return sum(values[first : first + _CLASSES])


def _counters(values: Sequence[int]) -> Sequence[int]:
    """As :data:`COUNTERS`."""
    status = ROUTE_STATUS
    return _requests(values, status), values[status + 3], values[status + 4], values[ROUTE_SENT]
