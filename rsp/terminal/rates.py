"""What happened between two snapshots of an instance (``GET /figures``), as rates.  Plain data in, plain data out."""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any, Final, NamedTuple

from rsp.control.history import quantile

Snapshot = Mapping[str, Any]
_MEASURED: Final = 11.0  # seconds: two measurements at least
_COUNTED: Final = ("requests", "status_4xx", "status_5xx", "bytes_sent")


class Row(NamedTuple):
    """A route or an upstream: counters in each second, and requests since the start."""

    name: str
    upstream: str
    requests: float
    status_4xx: float
    status_5xx: float
    bytes_sent: float
    total: int
    median: float | None = None
    slow: float | None = None  # 99 % take less


class Rates:
    """From ``before`` to ``after``."""

    def __init__(self, before: Snapshot, after: Snapshot) -> None:
        self._before = before
        self.after = after
        # Another control process answers, or the clock of the machine was set: nothing is known then.
        self.seconds = max(1e-3, float(after["at"]) - float(before["at"]))

    def total(self, name: str) -> float:
        """Of a total of all workers."""
        return self._rate(self._before["status"]["totals"].get(name, 0), self.after["status"]["totals"].get(name, 0))

    def routes(self) -> list[Row]:
        """The busiest first."""
        before = {(one["route"], one["upstream"]): one for one in self._before["routes"]}
        rows = [
            self._row(one["route"], one["upstream"], before.get((one["route"], one["upstream"]), {}), one)
            for one in self.after["routes"]
        ]
        return sorted(rows, key=lambda row: (-row.requests, -row.total, row.name))

    def upstreams(self) -> list[Row]:
        """In the order of the configuration."""
        before = {one["upstream"]: one for one in self._before["upstreams"]}
        rows = []
        for one in self.after["upstreams"]:
            old = before.get(one["upstream"], {})
            times = self._times(old, one)
            row = self._row(one["upstream"], "", old, one)
            rows.append(row._replace(median=self._share(times, 0.5), slow=self._share(times, 0.99)))
        return rows

    def peers(self) -> list[tuple[Mapping[str, Any], float, float]]:
        """Each with its requests and errors in a second."""
        before = {(one["upstream"], one["peer"]): one for one in self._before["peers"]}
        rates = []
        for one in self.after["peers"]:
            old = before.get((one["upstream"], one["peer"]), {"requests": 0, "errors": 0})
            rates.append((one, self._rate(old["requests"], one["requests"]), self._rate(old["errors"], one["errors"])))
        return rates

    def percentile(self, share: float) -> float | None:
        """Of the requests to all upstreams."""
        before = {one["upstream"]: one for one in self._before["upstreams"]}
        each = [self._times(before.get(one["upstream"], {}), one) for one in self.after["upstreams"]]
        return self._share([sum(counts) for counts in zip(*each, strict=True)], share)

    @staticmethod
    def _times(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[int]:
        counts: Sequence[int] = new["times"]
        earlier: Sequence[int] = old.get("times") or [0] * len(counts)
        return [max(0, after - before) for before, after in zip(earlier, counts, strict=True)]

    def _share(self, counts: Sequence[int], share: float) -> float | None:
        value = quantile(self.after["bounds"], counts, share)
        return None if isnan(value) else value

    def _row(self, name: str, upstream: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Row:
        requests, wrong, failed, sent = (self._rate(old.get(key, 0), new[key]) for key in _COUNTED)
        return Row(name, upstream, requests, wrong, failed, sent, new["requests"])

    def _rate(self, old: float, new: float) -> float:
        return max(0.0, new - old) / self.seconds


class Loads:
    """Shares of a processor that processes use.  The master measures every few seconds, so a share is that between the
    last two measurements whose moments are known: those that were seen to change."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[float, float | None, float | None]] = {}  # processor time, since when, share

    def note(self, snapshot: Snapshot) -> None:
        status = snapshot["status"]
        before, self._known = self._known, {}
        for one in (*status["workers"], status["control"]):
            cpu, uptime = float(one["cpu"]), float(one["uptime"])
            known = before.get(one["pid"])
            if known is None:
                self._known[one["pid"]] = cpu, None, None
            elif cpu == known[0] or uptime == known[1]:
                idle = known[1] is not None and uptime - known[1] > _MEASURED
                self._known[one["pid"]] = (cpu, uptime - _MEASURED, 0.0) if idle else known
            else:
                share = (cpu - known[0]) / (uptime - known[1]) if known[1] is not None else None
                self._known[one["pid"]] = cpu, uptime, share

    def share(self, pid: int) -> float | None:
        """``None``: not known yet."""
        return self._known[pid][2] if pid in self._known else None
