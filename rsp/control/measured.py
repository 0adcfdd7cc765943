"""What is measured, as families for Prometheus.  Each comes from a table of cells, so a line there is a metric here.

Names begin with ``rsp_`` and have base units.  Values of labels come from the configuration and from name servers,
never from what clients send.  What belongs to a process that has ended, or to something that a reload has removed, is
part of a total that stays; a gauge is what is there now.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import psutil

from rsp import __version__
from rsp.control.certificates import Certificates
from rsp.control.exposition import Family, Number, labels
from rsp.control.state import State, silence
from rsp.ipc import peer_cells, peer_marks, worker_cells
from rsp.ipc.families import Family as SeriesFamily
from rsp.ipc.families import Measure
from rsp.ipc.metrics import Metric, Scope, Table
from rsp.ipc.peer_table import PeerEntry
from rsp.ipc.scoreboard import CONTROL_ROW, Row, Scoreboard
from rsp.ipc.sheet import OTHER, REMOVED
from rsp.tls.material import Described

# Names where the table's own, for rspctl, say too little; "": families of routes and listeners have it.
_WORKER: Final = {
    "requests": "", "status_2xx": "", "status_3xx": "", "status_4xx": "", "status_5xx": "", "bytes_sent": "",
    "accepted": "", "handshakes": "", "resumed": "", "handshake_failures": "",
    "cut": "requests_cut", "cut_tunnels": "tunnels_cut", "in_flight": "requests_in_flight",
    "queued": "requests_queued",
}  # fmt: skip
_PEER: Final = {
    "requests": "", "errors": "", "status_1xx": "", "status_2xx": "", "status_3xx": "", "status_4xx": "",
    "status_5xx": "", "latency": "", "ejections": "", "in_flight": "requests_in_flight",
    "connecting": "connections_opening", "idle": "connections_idle", "connects": "connections_opened",
    "ejected": "ejections",
}  # fmt: skip
_CLASSES: Final = {
    "1xx": peer_cells.STATUS_1XX, "2xx": peer_cells.STATUS_2XX, "3xx": peer_cells.STATUS_3XX,
    "4xx": peer_cells.STATUS_4XX, "5xx": peer_cells.STATUS_5XX,
}  # fmt: skip
_REASON: Final = 200  # characters
_MANY: Final = 1000  # routes


def _named(prefix: str, metric: Metric, names: Mapping[str, str]) -> Family | None:
    name = names.get(metric.name, metric.name)
    if not name:
        return None
    unit = f"_{metric.unit}" if metric.unit and not name.endswith(metric.unit) else ""
    return Family(f"{prefix}{name}{unit}", metric.kind, metric.help, metric.unit)


def _derived(
    prefix: str, table: Table, names: Mapping[str, str], kind: str, *scopes: Scope
) -> Iterator[tuple[Metric, Family]]:
    """A family for each line of the table that is of ``kind`` and ``scopes``."""
    for metric in table.metrics:
        if metric.kind == kind and metric.scope in scopes:
            family = _named(prefix, metric, names)
            if family is not None:
                yield metric, family


# -- the instance and its processes


def instance(state: State) -> Iterator[Family]:
    """What there is once."""
    board = state.scoreboard
    about = labels(("version", __version__))
    yield Family("rsp_build_info", "gauge", "The version of rsp; always 1.", series=[(about, 1)])
    for metric, family in _derived("rsp_", worker_cells.TABLE, _WORKER, "counter", "worker", "instance"):
        family.series = [("", metric.value(board.worker_total(metric.cell)))]
        yield family
    cpu = board.worker_total(worker_cells.CPU_MS) / 1000
    yield Family(
        "rsp_cpu_seconds",
        "counter",
        "Processor time of workers and control processes, including those that have ended.",
        "seconds",
        [("", cpu)],
    )
    yield _gauge(
        "rsp_configuration_version",
        "Version of the configuration in force; each reload increments it.",
        state.bundle.version,
    )
    yield _gauge("rsp_names_unknown", "Names of peers without an address.", len(state.unknown()))
    yield from _last_reload(state)


def _gauge(name: str, about: str, value: Number, unit: str = "") -> Family:
    return Family(name, "gauge", about, unit, [("", value)])


def _last_reload(state: State) -> Iterator[Family]:
    last = state.last
    good = last is None or last.good
    yield _gauge(
        "rsp_last_reload_successful", "Whether the last reload or upgrade succeeded; 1 if there was none.", int(good)
    )
    if last is not None:
        yield _gauge("rsp_last_reload_timestamp_seconds", "When the last reload or upgrade ended.", last.at, "seconds")
    if last is not None and not last.good:
        reason = " ".join(last.text.split())[:_REASON]
        why = Family("rsp_last_reload_error", "gauge", "Why the last reload or upgrade failed; always 1.")
        why.series.append((labels(("what", last.what), ("reason", reason)), 1))
        yield why


def processes(state: State) -> Iterator[Family]:
    """Gauges of each process that runs."""
    rows = state.workers()
    for metric, family in _derived("rsp_worker_", worker_cells.TABLE, _WORKER, "gauge", "worker"):
        family.series = _by_worker(rows, partial(_value, metric), metric.unit)
        yield family
    silent = Family(
        "rsp_worker_silent_seconds", "gauge", "Time since the loop last ran its tick, each second.", "seconds"
    )
    silent.series = _by_worker(rows, silence, "seconds")
    yield silent
    version = Family(
        "rsp_worker_configuration_version", "gauge", "The version of the configuration that the worker runs."
    )
    version.series = _by_worker(rows, lambda row: row[worker_cells.VERSION], "version")
    yield version
    yield from _usage(rows, state.scoreboard)


def _value(metric: Metric, row: Row) -> Number:
    return metric.value(row[metric.cell])


def _by_worker(rows: Iterable[Row], read: Callable[[Row], Number], unit: str) -> list[tuple[str, Number]]:
    """A worker that is being replaced and the next one have one number: their sum, of what has a unit the highest."""
    found: dict[int, Number] = {}
    for row in rows:
        slot, value = row[worker_cells.SLOT], read(row)
        found[slot] = value if slot not in found else max(found[slot], value) if unit else found[slot] + value
    return [(labels(("worker", str(slot))), value) for slot, value in found.items()]


def _usage(rows: Sequence[Row], board: Scoreboard) -> Iterator[Family]:
    """Memory and processor time by process."""
    memory = Family("rsp_process_memory_bytes", "gauge", "Resident memory.", "bytes")
    cpu = Family("rsp_process_cpu_seconds", "gauge", "Processor time of the process that runs now.", "seconds")
    used = {f"worker {row[worker_cells.SLOT]}": row for row in rows} | {"control": board.row(CONTROL_ROW)}
    for name, row in used.items():
        memory.series.append((labels(("process", name)), row[worker_cells.RSS]))
        cpu.series.append((labels(("process", name)), row[worker_cells.CPU_MS] / 1000))
    try:
        master = psutil.Process(os.getppid())
        with master.oneshot():
            times = master.cpu_times()
            memory.series.append((labels(("process", "master")), master.memory_info().rss))
            cpu.series.append((labels(("process", "master")), round(times.user + times.system, 3)))
    except psutil.Error:  # it is about to end, or another user's
        pass
    yield from (memory, cpu)


# -- peers


class Peers:
    """Families of all peers; :meth:`add` takes them one by one, so that others have turns between."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._board = state.scoreboard
        self._counters = list(_derived("rsp_peer_", peer_cells.TABLE, _PEER, "counter", "peer"))
        self._gauges = list(_derived("rsp_peer_", peer_cells.TABLE, _PEER, "gauge", "peer"))
        self._responses = Family("rsp_peer_responses", "counter", "Response heads received.")
        self._time = Family(
            "rsp_peer_first_byte_seconds", "summary", "Time from a request to the head of its response.", "seconds"
        )
        self._states = {
            "up": Family("rsp_peer_up", "gauge", "Whether the peer gets new requests."),
            "ejected": Family("rsp_peer_ejected", "gauge", "Whether the peer is ejected."),
            "drained": Family("rsp_peer_drained", "gauge", "Whether an operator has drained the peer."),
            "healthy": Family(
                "rsp_peer_healthy",
                "gauge",
                "Whether the peer passes its health checks; only for upstreams with health checks.",
            ),
        }
        self._weight = Family("rsp_peer_weight", "gauge", "The current weight of the peer.")
        self._waiting = Family(
            "rsp_upstream_requests_waiting", "gauge", "Requests that wait in the queue of the upstream."
        )
        self._seen: set[int] = set()  # places
        self._upstreams: set[str] = set()

    def add(self, upstream: str, member: PeerEntry) -> None:
        board, place = self._board, member.place
        pairs = (("upstream", upstream), ("peer", str(member.address)))
        if place in self._seen:
            return
        self._seen.add(place)
        if upstream not in self._upstreams:  # counted at its first peer
            self._upstreams.add(upstream)
            self._waiting.series.append((labels(pairs[0]), board.total(place, peer_cells.WAITING)))
        about = labels(*pairs)
        counts = board.all_totals(place)
        self._count(pairs, counts.__getitem__)
        for metric, family in self._gauges:
            family.series.append((about, metric.value(counts[metric.cell])))
        state, health = self._state.standing(member), board.mark(place, peer_marks.HEALTH)
        self._states["up"].series.append((about, int(state in ("up", "doubtful"))))
        self._states["ejected"].series.append((about, int(state in ("ejected", "probing"))))
        self._states["drained"].series.append((about, int(state in ("draining", "drained"))))
        if health != peer_marks.HEALTH_UNKNOWN:
            self._states["healthy"].series.append((about, int(health == peer_marks.HEALTH_UP)))
        self._weight.series.append((about, self._state.weight(member)))

    def _count(self, pairs: Sequence[tuple[str, str]], read: Callable[[int], int]) -> None:
        about = labels(*pairs)
        for metric, family in self._counters:
            family.series.append((about, metric.value(read(metric.cell))))
        for status, cell in _CLASSES.items():
            self._responses.series.append((labels(*pairs, ("status_class", status)), read(cell)))
        self._time.summaries.append((about, read(peer_cells.REQUESTS), read(peer_cells.LATENCY_SUM) / 1e6))

    def families(self) -> Iterator[Family]:
        """When all have been added."""
        if self._board.removed(peer_cells.REQUESTS) or self._board.removed(peer_cells.FAILURES):
            self._count((("upstream", REMOVED), ("peer", REMOVED)), self._board.removed)
        yield from (family for _, family in (*self._counters, *self._gauges))
        yield from (self._responses, self._time, *self._states.values(), self._weight, self._waiting)


# -- routes, upstreams, listeners


class Series:
    """Families of what is counted in blocks.

    What is removed, and what a hook sends past all routes, is there once it has counted something.  A route is there
    from the start, so that its first error is a rise; but of very many, those that are used are enough.
    """

    def __init__(self) -> None:
        self._blocks: dict[SeriesFamily, dict[str, Sequence[int]]] = {}  # by labels
        self._unused: dict[SeriesFamily, dict[str, Sequence[int]]] = {}  # of routes

    def add(self, family: SeriesFamily, names: Sequence[str], counts: Sequence[int]) -> None:
        """Labels that name two things get their sum."""
        used = any(counts)
        if not used and (names[0] in (REMOVED, OTHER) or (names[0] == "" and names[-1] != "")):
            return
        routes = family.name.startswith("route")
        blocks = (self._blocks if used or not routes else self._unused).setdefault(family, {})
        about = labels(*zip(family.labels, names, strict=True))
        known = blocks.get(about)
        blocks[about] = counts if known is None else [one + other for one, other in zip(known, counts, strict=True)]

    def families(self) -> Iterator[Family]:
        for family, unused in self._unused.items():
            blocks = self._blocks.setdefault(family, {})
            if len(blocks) + len(unused) <= _MANY:
                blocks.update((about, counts) for about, counts in unused.items() if about not in blocks)
        for family, blocks in self._blocks.items():
            for measure in family.measures:
                yield _family(measure, blocks)


def _family(measure: Measure, blocks: Mapping[str, Sequence[int]]) -> Family:
    family = Family(measure.name, measure.kind, measure.help, measure.unit)
    start, end = measure.cell, measure.cell + measure.width
    if measure.kind == "histogram":
        family.histograms = (
            (about, measure.bounds, counts[start : end - 1], counts[end - 1] / measure.scale)
            for about, counts in blocks.items()
        )
    elif measure.values:
        more = [f",{labels((measure.label, value))}" for value in measure.values]
        family.many = (
            (about + label, count)
            for about, counts in blocks.items()
            for label, count in zip(more, counts[start:end], strict=True)
        )
    else:
        family.many = (
            (about, counts[start] / measure.scale if measure.scale != 1 else counts[start])
            for about, counts in blocks.items()
        )
    return family


# -- certificates


def certificates(known: Certificates) -> Iterator[Family]:
    expiry = Family(
        "rsp_certificate_expiry_timestamp_seconds", "gauge", "When the certificate expires, since the epoch.", "seconds"
    )
    ocsp = Family(
        "rsp_ocsp_response_expiry_timestamp_seconds",
        "gauge",
        "When the stapled OCSP response expires, since the epoch.",
        "seconds",
    )
    for one in {one.digest: one for one in known.each()}.values():
        about = _about(one)
        expiry.series.append((about, float(one.not_after)))
        until = known.stapled.get(one.digest, {}).get("good_until")
        if isinstance(until, int | float):
            ocsp.series.append((about, float(until)))
    yield from (expiry, ocsp)


def _about(one: Described) -> str:
    name = next(iter(one.names), one.subject)
    return labels(("name", name), ("kind", one.kind), ("file", one.file), ("fingerprint", one.digest[:16]))
