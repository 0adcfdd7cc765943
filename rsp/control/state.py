"""An instance as its operators see it, and what they may change: plain data in, plain data out.

Everything is read from the scoreboard and the members, so no other process is asked or waited for.
"""

import os
import time
from collections.abc import Callable, Iterator
from typing import Final

from rsp import __version__
from rsp.config.cpus import written
from rsp.config.errors import suggest
from rsp.config.units import Peer
from rsp.config.upstreams import Upstream
from rsp.control.certificates import Certificates
from rsp.control.discovery.standing import Standing
from rsp.ipc import peer_cells, peer_marks, worker_cells
from rsp.ipc.channel import Bundle, Outcome
from rsp.ipc.peer_table import PeerEntry, PeerTable
from rsp.ipc.scoreboard import CONTROL_ROW, RETIRED_ROW, Row, Scoreboard

_FOREVER: Final = (1 << 63) - 1
_PIECE: Final = 100  # peers that are read in one turn of the loop
_MOST_LISTED: Final = 8  # peers in a message
_HEALTH: Final = ("unknown", "up", "doubtful", "dead")  # by the mark
_STAGES: Final = {worker_cells.STARTING: "rsp starts", worker_cells.STOPPING: "rsp stops"}
_SILENT: Final = 3.0  # seconds: a worker whose loop has not run for this time does not accept
_REASONS: Final[dict[int, str]] = {reason: reason.name.lower() for reason in peer_marks.Reason}

Data = dict[str, object]


class Mistake(Exception):
    """What an operator asked for cannot be; the message says why."""


class State:
    """``path``: of the admin socket.  ``file``: the configuration's.  ``told_until``: as in :class:`Certificates`."""

    def __init__(
        self,
        scoreboard: Scoreboard,
        bundle: Bundle,
        members: PeerTable,
        path: str,
        file: str = "",
        told_until: float = 0.0,
    ) -> None:
        self.scoreboard = scoreboard
        self.bundle = bundle
        self.members = members
        self._path = path
        self._file = file.encode("utf-8", "backslashreplace").decode()  # its name may be any bytes
        self.certificates = Certificates(bundle.config, told_until)
        self.sources: Callable[[], list[Standing]] = list  # of peers that are discovered
        self.labels_problem: Callable[[], str] = str  # why what asks for routes by labels is not followed, or empty
        self.last: Outcome | None = None  # of reloads and upgrades
        self.site: Callable[[], Data | None] = lambda: None  # of the site that this is a node of
        self.trial: tuple[int, str, float] | None = None  # version, digest, and when it will be over

    def serve_file(self, file: str) -> None:
        """The configuration's file is this one from now on."""
        self._file = file

    def status(self) -> Data:
        """The instance, its workers, its totals."""
        board, workers = self.scoreboard, self.workers()
        totals = worker_cells.TABLE.values(board.worker_total, "worker", "counter")
        now = worker_cells.TABLE.values(lambda cell: sum(row[cell] for row in workers), "worker", "gauge")
        return {
            "rsp": __version__,
            "configuration": {"version": self.bundle.version, "digest": self.bundle.digest, "file": self._file},
            "trial": self._trial(),
            "site": self.site(),
            "last": self._last(),
            "master": os.getppid(),
            "listeners": [str(listener.address) for listener in self.bundle.config.listeners],
            "admin": self._path,
            "certificates": self.certificates.summary(),
            "discovery": self.sources(),
            "not_ready": self.not_ready(),
            "totals": totals,
            "now": now,
            "workers": [self._worker(row) for row in workers],
            "control": self._process(board.row(CONTROL_ROW)),
        }

    def workers(self) -> list[Row]:
        """Of the workers that run, by their number."""
        board = self.scoreboard
        rows = [board.row(number) for number in range(board.rows)]
        return sorted((row for row in rows if row[worker_cells.PID]), key=lambda row: row[worker_cells.SLOT])

    def not_ready(self) -> str | None:
        """Why no new connections should come here, as a clause."""
        stage = self.scoreboard.row(RETIRED_ROW)[worker_cells.STAGE]
        if stage == worker_cells.HANDED_OVER:  # for those that have asked us nevertheless
            return None
        if stage in _STAGES:
            return _STAGES[stage]
        workers = self.workers()
        if any(map(_accepts, workers)):
            return None
        return f"no worker accepts connections ({len(workers)} run)"

    def _trial(self) -> Data | None:
        """The configuration that one worker tries."""
        if self.trial is None:
            return None
        version, digest, until = self.trial
        return {"version": version, "digest": digest, "seconds_left": round(max(0.0, until - time.monotonic()), 1)}

    def _last(self) -> Data | None:
        """How the last reload or upgrade ended."""
        if self.last is None:
            return None
        return {name: getattr(self.last, name) for name in ("what", "good", "text", "version", "digest", "at")}

    def _worker(self, row: Row) -> Data:
        return {
            "slot": row[worker_cells.SLOT],
            "cpus": _cpus(row[worker_cells.PID]),
            **self._process(row),
            **worker_cells.TABLE.values(row.__getitem__, "worker"),
        }

    @staticmethod
    def _process(row: Row) -> Data:
        return {
            "pid": row[worker_cells.PID],
            "version": row[worker_cells.VERSION],
            "uptime": round(time.monotonic() - row[worker_cells.STARTED] / 1000, 1),
            "silent": round(silence(row), 1),
            **worker_cells.TABLE.values(row.__getitem__, "process"),
        }

    def peers(self) -> list[Data]:
        """Every peer of every upstream."""
        return [self._peer(*pair) for pair in self.each_member()]

    def peers_in_pieces(self) -> Iterator[list[Data]]:
        """The same in pieces, so that everything else in this process has turns in between: 10,000 take a third of a
        second."""
        members = list(self.each_member())
        for start in range(0, len(members), _PIECE):
            yield [self._peer(*pair) for pair in members[start : start + _PIECE]]

    def each_member(self) -> Iterator[tuple[Upstream, PeerEntry]]:
        for upstream in self.bundle.config.upstreams:
            for member in self.members.upstreams.get(upstream.name, []):
                yield upstream, member

    def standing(self, member: PeerEntry) -> str:
        """``up``, ``ejected`` and so on."""
        return self._standing(member.place, time.monotonic() * 1000)[0]

    def weight(self, member: PeerEntry) -> int:
        """The one in force."""
        given = self.scoreboard.mark(member.place, peer_marks.WEIGHT)
        return given - 1 if given else member.weight

    def unknown(self) -> list[str]:
        """Names that have not been looked up yet, and those without any peer; sources by their URL."""
        unknown: dict[Peer, None] = dict.fromkeys(self.members.unknown)
        sources: dict[Peer, str] = {}
        for upstream in self.bundle.config.upstreams:
            known = {member.given for member in self.members.upstreams.get(upstream.name, [])}
            unknown.update((peer.address, None) for given, peer in enumerate(upstream.given) if given not in known)
            if (source := upstream.source) is not None and (discover := upstream.discovery) is not None:
                sources[source] = discover.shown
        return list(dict.fromkeys(sources.get(name, name) for name in unknown))

    def _peer(self, upstream: Upstream, member: PeerEntry) -> Data:
        board, place = self.scoreboard, member.place
        now = time.monotonic() * 1000
        given = upstream.named(member.given, member.address)
        counts = board.all_totals(place)
        health = board.mark(place, peer_marks.HEALTH)
        state, until, why = self._standing(place, now)
        if state == "drained" and upstream.stickiness is None:
            until = None  # the time is for clients that come back, and there are none
        return {
            "upstream": upstream.name,
            "peer": member.address,
            "name": given if given != member.address else None,
            "tls": upstream.secure is not None,
            "state": state,
            "reason": why,
            "for": None if until is None else round(max(0.0, until - now) / 1000, 1),
            "weight": self.weight(member),
            "backup": member.backup,
            "max_conns": member.max_conns,
            **peer_cells.TABLE.values(counts.__getitem__, "peer"),
            "latency_ms": round(counts[peer_cells.LATENCY_SUM] / max(1, counts[peer_cells.REQUESTS]) / 1000, 3),
            "latency_now_ms": round(self._latency(place), 3),
            **peer_marks.TABLE.values(lambda mark: board.mark(place, mark), "peer"),
            "health": _HEALTH[health if health < len(_HEALTH) else 0],
        }

    def _latency(self, place: int) -> float:
        """The workers' decaying means, in milliseconds: the highest, as a worker avoids a peer by its own."""
        return max(self.scoreboard.each(place, peer_cells.LATENCY), default=0) / 1000

    def _standing(self, place: int, now: float) -> tuple[str, int | None, str | None]:
        """State, until when in milliseconds if that is known, and why."""
        mark = self.scoreboard.mark
        drain = mark(place, peer_marks.DRAIN)
        if drain:
            busy = self.scoreboard.total(place, peer_cells.IN_FLIGHT)
            return "draining" if busy else "drained", drain if now < drain < _FOREVER else None, "operator"
        health = mark(place, peer_marks.HEALTH)
        if health == peer_marks.HEALTH_DEAD:
            return "down", None, "health"
        until = mark(place, peer_marks.EJECTED_UNTIL)
        if until:
            why = _REASONS.get(mark(place, peer_marks.REASON))
            return ("ejected", until, why) if until > now else ("probing", None, why)
        return ("doubtful", None, "health") if health == peer_marks.HEALTH_DOUBTFUL else ("up", None, None)

    # -- what operators may change

    def drain(self, upstream: str | None, peer: str, seconds: float | None) -> list[Data]:
        """No new exchanges for ``peer``; sticky clients and tunnels stay for ``seconds`` at most."""
        found = self._find(upstream, peer)
        for group, member in found:
            wait = float(group.drain) if seconds is None else seconds
            until = min(int((time.monotonic() + wait) * 1000) + 1, _FOREVER)
            self.scoreboard.set_mark(member.place, peer_marks.DRAIN, until)
        return [self._peer(*pair) for pair in found]

    def left_without(self, drained: list[Data]) -> str | None:
        """What it means for requests that ``drained`` are out, where no other peer of theirs is up."""
        for name in dict.fromkeys(peer["upstream"] for peer in drained):
            states = [self.standing(member) for member in self.members.upstreams.get(str(name), [])]
            if all(state in ("drained", "draining") for state in states):
                return "this was the last peer that is up; requests get 503"
            if not any(state in ("up", "doubtful") for state in states):
                return "this was the last peer that is up; requests go to peers that are down or ejected"
        return None

    def enable(self, upstream: str | None, peer: str) -> list[Data]:
        """Back to normal: neither drained nor ejected, slow start begins."""
        found = self._find(upstream, peer)
        for _, member in found:
            for mark in (peer_marks.DRAIN, peer_marks.EJECTED_UNTIL, peer_marks.EJECTIONS):
                self.scoreboard.set_mark(member.place, mark, 0)
            self.scoreboard.set_mark(member.place, peer_marks.SINCE, int(time.monotonic() * 1000))
        return [self._peer(*pair) for pair in found]

    def weigh(self, upstream: str | None, peer: str, weight: int | None) -> list[Data]:
        """``None``: as configured."""
        found = self._find(upstream, peer)
        for _, member in found:
            self.scoreboard.set_mark(member.place, peer_marks.WEIGHT, 0 if weight is None else weight + 1)
        return [self._peer(*pair) for pair in found]

    def _find(self, upstream: str | None, peer: str) -> list[tuple[Upstream, PeerEntry]]:
        """By address or by the configured name.  Raises :class:`Mistake`."""
        upstreams = self.bundle.config.upstreams
        if upstream is not None and upstream not in (known.name for known in upstreams):
            names = [known.name for known in upstreams]
            raise Mistake(f'no upstream "{upstream}"' + (suggest(upstream, names) or f" (there is {', '.join(names)})"))
        members = [
            (known, member)
            for known in upstreams
            if upstream in (None, known.name)
            for member in self.members.upstreams.get(known.name, [])
        ]
        found = [pair for pair in members if peer in (pair[1].address, pair[0].named(pair[1].given, pair[1].address))]
        if not found and upstream is None and (own := self.members.upstreams.get(peer)):
            raise Mistake(
                f'"{peer}" is an upstream; name one of its peers: {_listed([str(one.address) for one in own])}'
            )
        if not found:
            where = f' in upstream "{upstream}"' if upstream is not None else ""
            raise Mistake(f'no peer "{peer}"{where}{_meant(peer, [str(member.address) for _, member in members])}')
        if upstream is None and len({known.name for known, _ in found}) > 1:
            names = [known.name for known, _ in found]
            raise Mistake(f'peer "{peer}" is in several upstreams; specify one of: {", ".join(dict.fromkeys(names))}')
        return found


def _meant(peer: str, known: list[str]) -> str:
    """The nearest of the ``known`` peers, or all of them."""
    return suggest(peer, known) or (f"; the peers are {_listed(known)}" if known else "; there are no peers")


def _listed(known: list[str]) -> str:
    more = f" and {len(known) - _MOST_LISTED} more" if len(known) > _MOST_LISTED else ""
    return ", ".join(known[:_MOST_LISTED]) + more


def _accepts(worker: Row) -> bool:
    """Not yet at its start, not any more while it finishes, and not where its loop hangs."""
    started, leaving = worker[worker_cells.VERSION], worker[worker_cells.LEAVING]
    return bool(started) and not leaving and silence(worker) < _SILENT


def _cpus(pid: int) -> str:
    """Those that the process may run on; empty: it is gone, or the scoreboard's number is no process id."""
    try:
        return written(os.sched_getaffinity(pid))
    except (OSError, OverflowError):
        return ""


def silence(row: Row) -> float:
    """Seconds since the loop of the process last ran its tick."""
    return max(0.0, time.monotonic() - row[worker_cells.HEARTBEAT] / 1000)
