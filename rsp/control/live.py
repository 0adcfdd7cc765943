"""What the dashboard shows: rates of now, and tracks of what has been.

Counters are read about once a second, more seldom where there are so many that it would take more than a twentieth of
the process's time.  A view is plain data, made for one reader; what it shows of routes and peers is bounded.
"""

import asyncio
import heapq
import time
from collections.abc import Iterable, Mapping, Sequence
from math import isnan
from typing import Any, Final

from rsp.control.figures import COUNTERS, Figures, Reading
from rsp.control.history import SHORT, Track, Tracks, quantile
from rsp.ipc.series_cells import SECONDS
from rsp.logs import log

_EVERY: Final = 1.0  # seconds
_SHARE: Final = 20  # reading and tracking may take this fraction (1/20) of the time
_VIEWS: Final = 24  # that are kept until the next reading
_ROUTES: Final = 100  # rows of a view
_UPSTREAMS: Final = 100
_LISTENERS: Final = 100
_PEERS: Final = 300
_TRACKED: Final = 200  # routes, and as many upstreams, whose history is kept; it takes 60 KB each
_TRACKED_PEERS: Final = 500
_NOTHING: Final = (0,) * len(COUNTERS)
_BUCKETS: Final = (0,) * (len(SECONDS) + 1)

_OF_A_PEER: Final = (
    "upstream", "peer", "name", "tls", "state", "reason", "for", "weight", "backup", "in_flight", "failures", "retries",
    "latency_now_ms",
)  # fmt: skip

View = dict[str, Any]


class Live:
    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._before: Reading | None = None
        self._now: Reading | None = None
        self._total = Track(COUNTERS, SECONDS)
        self._routes = Tracks(_TRACKED, COUNTERS, SECONDS)
        self._upstreams = Tracks(_TRACKED, COUNTERS, SECONDS)
        self._peers = Tracks(_TRACKED_PEERS, ("requests", "errors"), resolutions=SHORT)
        self._views: dict[str, View] = {}  # of this reading, by what they are to find
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            begun, cost = time.monotonic(), 0.0
            try:
                cost = await self._read()
            except Exception as error:  # the dashboard waits; health checks do not
                log.once_a_second("dashboard", f"The dashboard: {type(error).__name__}: {error}"[:500], log.ERROR)
            await asyncio.sleep(max(_EVERY - (time.monotonic() - begun), cost * _SHARE, 0.1))

    async def _read(self) -> float:
        """What it has cost, in seconds of the process."""
        reading = await self._figures.read()
        begun = time.perf_counter()
        self._before, self._now = self._now or reading, reading
        self._views = {}
        self._track(reading, time.time())
        self._news.set()
        self._news = asyncio.Event()
        return reading.cost + time.perf_counter() - begun

    async def news(self) -> None:
        """Until the next reading."""
        await self._news.wait()

    def _track(self, reading: Reading, now: float) -> None:
        upstreams = reading.upstreams()
        self._total.add(now, [int(reading.totals[name]) for name in COUNTERS], reading.all_times())
        _add(self._routes, now, {"\0".join(key): counts for key, counts in reading.routes.items()}, reading.own_times)
        _add(self._upstreams, now, upstreams, reading.times)
        _add(self._peers, now, {"\0".join(key): counts for key, counts in reading.peers.items()}, {})

    # -- views

    def view(self, find: str = "") -> View | None:
        """What there is now; ``None``: nothing yet.  ``find``: only routes and peers with this in their name."""
        if self._before is None or self._now is None:
            return None
        find = find.lower()
        view = self._views.get(find)
        if view is None:
            view = self._made(self._before, self._now, find)
            if len(self._views) < _VIEWS:
                self._views[find] = view
        return view

    def _made(self, before: Reading, now: Reading, find: str) -> View:
        seconds = max(1e-3, now.at - before.at)
        return {
            "at": round(time.time(), 3),
            "status": now.status,
            "total": {
                **{name: _rate(before.totals.get(name, 0), count, seconds) for name, count in now.totals.items()},
                **_percentiles(before.all_times(), now.all_times()),
            },
            "routes": _route_rows(before, now, seconds, find),
            "upstreams": _upstream_rows(before, now, seconds),
            "peers": {**_peer_rows(before, now, seconds, find), "unknown": self._figures.state.unknown()[:50]},
            "listeners": _listener_rows(before, now, seconds),
        }

    def sparks(self, view: View) -> View:
        """Sparklines for the rows of ``view``, by kind and name: requests and errors, five seconds a point."""
        routes = (f"{one['name']}\0{one['upstream']}" for one in view["routes"]["rows"])
        peers = (f"{one['upstream']}\0{one['peer']}" for one in view["peers"]["rows"])
        return {
            "routes": _sparks(self._routes, routes, "status_5xx", 5),
            "upstreams": _sparks(self._upstreams, (one["name"] for one in view["upstreams"]), "status_5xx", 5),
            "peers": _sparks(self._peers, peers, "errors", 1),
        }

    def history(self, kind: str, name: str, seconds: float) -> View | None:
        """``kind``: total, route (``name``: its own, a NUL, the upstream's) or upstream; ``None``: none is kept."""
        tracks = {"route": self._routes, "upstream": self._upstreams}.get(kind)
        track = self._total if kind == "total" else tracks.get(name) if tracks is not None else None
        return track.points(seconds) if track is not None else None


def _add(tracks: Tracks, now: float, counted: Mapping[str, Sequence[int]], times: Mapping[str, Sequence[int]]) -> None:
    """``times``: by the first part of the name."""
    tracks.keep(counted.keys())
    for name, counts in counted.items():
        tracks.add(name, now, counts, times.get(name.partition("\0")[0], ()))


def _rate(old: float, new: float, seconds: float) -> float:
    return round(max(0, new - old) / seconds, 3)


def _rates(old: Sequence[int], new: Sequence[int], seconds: float) -> list[float]:
    return [_rate(before, after, seconds) for before, after in zip(old, new, strict=True)]


def _percentiles(old: Sequence[int], new: Sequence[int]) -> View:
    """Of the requests in between, in seconds."""
    between = [max(0, after - before) for before, after in zip(old or _BUCKETS, new or _BUCKETS, strict=True)]
    found = {f"p{share}": quantile(SECONDS, between, share / 100) for share in (50, 90, 99)}
    return {name: None if isnan(value) else round(value, 6) for name, value in found.items()}


def _row(counts: Sequence[int], rates: Sequence[float]) -> View:
    return {"counts": dict(zip(COUNTERS, counts, strict=True)), "rates": dict(zip(COUNTERS, rates, strict=True))}


def _route_rows(before: Reading, now: Reading, seconds: float, find: str) -> View:
    """The busiest come first."""
    found = [key for key in now.routes if not find or any(find in name.lower() for name in key)]

    def busy(key: tuple[str, str]) -> tuple[int, int]:
        requests = now.routes[key][0]
        return requests - before.routes.get(key, _NOTHING)[0], requests

    rows = []
    for key in heapq.nlargest(_ROUTES, found, busy):
        counts = now.routes[key]
        rates = _rates(before.routes.get(key, _NOTHING), counts, seconds)
        times = now.own_times.get(key[0])
        own = _percentiles(before.own_times.get(key[0], ()), times) if times is not None else {}
        rows.append({"name": key[0], "upstream": key[1], **_row(counts, rates), **own})
    return {"rows": rows, "found": len(found), "all": len(now.routes)}


def _upstream_rows(before: Reading, now: Reading, seconds: float) -> list[View]:
    old, peers = before.upstreams(), _by_upstream(now.rows)
    return [
        {
            "name": name,
            **_row(counts, _rates(old.get(name, _NOTHING), counts, seconds)),
            **_percentiles(before.times.get(name, ()), now.times[name]),
            "peers": len(peers.get(name, ())),
            "up": sum(one["state"] == "up" for one in peers.get(name, ())),
            "in_flight": sum(one["in_flight"] for one in peers.get(name, ())),
        }
        for name, counts in list(now.upstreams().items())[:_UPSTREAMS]
    ]


def _listener_rows(before: Reading, now: Reading, seconds: float) -> list[View]:
    rows = []
    for name, counts in list(now.listeners.items())[:_LISTENERS]:
        connections, requests = _rates(before.listeners.get(name, (0, 0)), counts, seconds)
        rows.append({"name": name, "connections": connections, "requests": requests, "total": counts[1]})
    return rows


def _by_upstream(rows: Iterable[View]) -> dict[str, list[View]]:
    found: dict[str, list[View]] = {}
    for one in rows:
        found.setdefault(one["upstream"], []).append(one)
    return found


def _peer_rows(before: Reading, now: Reading, seconds: float, find: str) -> View:
    """Those that are not up come first where not all can be shown."""
    found = [one for one in now.rows if not find or find in f"{one['upstream']}\0{one['peer']}\0{one['name']}".lower()]
    if len(found) > _PEERS:
        found.sort(key=lambda one: one["state"] == "up")
    old, rows = before.peers, []
    for one in found[:_PEERS]:
        counts = old.get((str(one["upstream"]), str(one["peer"])), (0, 0))
        requests, errors = _rates(counts, (one["requests"], one["errors"]), seconds)  # type: ignore[arg-type]
        rows.append({**{name: one[name] for name in _OF_A_PEER}, "rate": requests, "error_rate": errors})
    return {"rows": rows, "found": len(found), "all": len(now.rows)}


def _sparks(tracks: Tracks, names: Iterable[str], errors: str, step: int) -> View:
    found = {}
    for name in names:
        track = tracks.get(name)
        if track is not None:
            found[name] = [_summed(track.column("requests"), step), _summed(track.column(errors), step)]
    return found


def _summed(values: Sequence[float | None], step: int) -> list[float]:
    """Means of ``step`` values each, the last ones whole."""
    first = len(values) % step
    groups = (values[start : start + step] for start in range(first, len(values), step))
    return [round(sum(value or 0.0 for value in group) / step, 2) for group in groups]
