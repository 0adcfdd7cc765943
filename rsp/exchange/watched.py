"""Requests that an operator wants to see: found as they end, and shown to the control process by way of the tap.

Rules of this room: nothing here may keep a request from its end, or take more than its share of a second.
"""

from typing import Any, Final

from rsp.exchange.condition import Condition
from rsp.exchange.forward.journal import Journal
from rsp.exchange.log_lines import default_line
from rsp.exchange.report import report
from rsp.exchange.subject import Subject
from rsp.ipc.tap import LARGEST, Seen, Tap
from rsp.ipc.watches import Kind, Watch, Watches
from rsp.ipc.worker_cells import TAP_DROPPED
from rsp.logs import log
from rsp.net.context import WorkerContext
from rsp.net.watcher import Watcher

_MANY: Final = 1 << 60
# What one watch may show: so much a second, and so much at once.  A report of 60 us keeps other requests waiting.
_RATE: Final[dict[Kind, float]] = {"line": 2000.0, "trace": 10.0}
_BURST: Final[dict[Kind, float]] = {"line": 200.0, "trace": 20.0}
# What follows soon goes together: each message wakes two other processes, which take their time from the workers.
_SOON: Final = 0.25  # seconds
_FULL: Final = LARGEST // 2  # bytes that go at once


class Watched(Watcher):
    """Those of one worker.  A watch begins, changes and ends at a tick; while there are none, the context has no
    watcher."""

    __slots__ = ("_active", "_context", "_least", "_page", "_tap", "_traces")

    def __init__(self, context: WorkerContext, tap: Tap, page: Watches) -> None:
        self._context = context
        self._tap = tap
        self._page = page
        self._active: list[Active] = []
        self._least = 0.0  # seconds: requests that took less are wanted by no watch
        self._traces = False  # a watch wants to see what happens to requests

    def tick(self, now: float, _wall: float) -> None:
        changed = self._page.changed(now)
        if changed is not None:
            before = {active.watch: active for active in self._active}
            self._active = [before.get(watch) or Active(watch, self._context, self._tap) for watch in changed]
        elif not self._active:
            return
        for active in self._active:
            active.tick(now)
        wanting = [active.watch for active in self._active if active.left > 0]
        self._traces = any(watch.kind == "trace" for watch in wanting)
        self._least = min((watch.slower for watch in wanting), default=0.0)
        self._context.watch = self if wanting else None

    def begin(self, head: Any) -> Any:
        return Journal(head) if self._traces else None

    def see(self, exchange: Any, ended: float) -> None:
        subject: Subject = exchange  # typed in the compiled build
        if ended - subject.started < self._least:
            return
        for active in self._active:
            active.see(subject, ended)


class Share:
    """``rate`` a second, ``burst`` at once."""

    __slots__ = ("_at", "_burst", "_rate", "_room")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = self._room = burst
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Whether there is room for one more."""
        self._room = min(self._burst, self._room + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._room < 1:
            return False
        self._room -= 1
        return True


class Active:
    """A watch at work.  ``left``: how many requests it may show yet."""

    __slots__ = (
        "_condition",
        "_context",
        "_dropped",
        "_held",
        "_sent",
        "_share",
        "_size",
        "_slower",
        "_tap",
        "left",
        "watch",
    )

    def __init__(self, watch: Watch, context: WorkerContext, tap: Tap) -> None:
        self.watch = watch
        self.left = watch.most or _MANY
        self._context = context
        self._tap = tap
        self._condition: Condition | None = None
        self._share = Share(_RATE[watch.kind], _BURST[watch.kind])
        self._dropped = 0  # since the last message
        self._held: list[bytes] = []
        self._size = 0  # bytes of them
        self._sent = 0.0
        self._slower = watch.slower
        try:
            if watch.where:
                self._condition = Condition(watch.where)
        except ValueError:  # the control process has checked it, so another process has spoilt it
            self.left = 0

    def tick(self, now: float) -> None:
        if self._held or self._dropped:
            self._send(now)

    def see(self, exchange: Subject, ended: float) -> None:
        if self.left <= 0 or ended - exchange.started < self._slower:
            return
        try:
            if self._condition is None or self._condition.holds(exchange, ended):
                self._show(exchange, ended)
        except Exception as error:  # a defect of ours; requests go on
            log.once_a_second("watch", f"A watch has failed: {type(error).__name__}: {error}", log.ERROR)

    def _show(self, exchange: Subject, ended: float) -> None:
        if not self._share.take(ended):
            self._drop(1)
            return
        line = default_line(exchange, ended) if self.watch.kind == "line" else report(exchange, ended)
        if self._size + len(line) > _FULL and self._held:
            self._send(ended)
        self._held.append(line)
        self._size += len(line)
        self.left -= 1
        if self.left <= 0 or ended - self._sent >= _SOON:
            self._send(ended)

    def _send(self, now: float) -> None:
        """What is held; what the tap does not take is dropped."""
        lines, self._held, self._size = self._held, [], 0
        self._sent = now
        if self._tap.put(Seen(self.watch.number, b"".join(lines), self._dropped)):
            self._dropped = 0
        else:
            self.left += len(lines)
            self._drop(len(lines))

    def _drop(self, count: int) -> None:
        self._dropped += count
        self._context.stats.add(TAP_DROPPED, count)
