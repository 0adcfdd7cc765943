"""The master: owns the listening sockets, the workers and the configuration's versions.  It supervises, no more.

PostgreSQL's postmaster rule: nothing that can fail in interesting ways happens here.  No event loop, no thread, no
network bytes, no Lua: one blocking wait on signals, on the workers' channels and on the loader, then short,
bounded steps.  Signals only note themselves; they are acted upon in the loop, in the order of their arrival.
"""

import select
import signal
import socket
import time
from typing import Final

from setproctitle import setproctitle

from rsp import channel, log, sockets
from rsp.child import Process, Slot
from rsp.config.errors import ConfigError
from rsp.fleet import Fleet
from rsp.loader import Loader, load
from rsp.rollout import Rollout
from rsp.scoreboard import Cell

_SIGNALS: Final = (
    signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGCHLD,
    signal.SIGUSR1, signal.SIGWINCH, signal.SIGTTIN, signal.SIGTTOU,
)  # fmt: skip
_PATIENCE_WITH_NAMES: Final = 2.0
_MEASURE_EVERY: Final = 5.0
_FOREVER: Final = 10.0**9


class Master:
    """``path``: the configuration file.  ``workers``: overrides the configuration's number."""

    def __init__(self, path: str, workers: int | None = None) -> None:
        self._path = path
        self._poll = select.poll()
        self._pending: list[int] = []
        self._wake_read, self._wake_write = socket.socketpair()
        self._fleet = Fleet(self._poll, [self._wake_read, self._wake_write], workers)
        self._loader: Loader | None = None
        self._reload_again = False
        self._asked: list[int] = []  # reloads that the control process waits for
        self._answers: list[int] = []  # of those, the ones that the running reload answers
        self._rollout: Rollout | None = None
        self._version = 1
        self._status = 0
        self._measure_at = 0.0
        self._born = self._last_round = time.monotonic()

    def run(self) -> int:
        """Serve until told to stop; the exit status.  Raises :class:`ConfigError`, :class:`sockets.BindError`."""
        setproctitle(f"rsp: master {self._path}")
        bundle = load(self._path)
        self._catch_signals()
        fleet = self._fleet
        try:
            fleet.launch(bundle)
            while not fleet.stopping or fleet.processes():
                self._round()
        finally:
            fleet.close()
        if fleet.started:
            log.line(f"Stopped.  {fleet.total(Cell.REQUESTS)} requests served.")
        return self._status

    # -- the loop

    def _catch_signals(self) -> None:
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, lambda number, _frame: self._pending.append(number))
        self._poll.register(self._wake_read, select.POLLIN)

    def _round(self) -> None:
        """Wait for something to happen, for a second at most; then act on it."""
        due = [slot.restart_at for slot in self._fleet.places() if slot.restart_at is not None]
        wait = min([1.0, *(max(0.0, at - time.monotonic()) for at in due)])
        for descriptor, _ in self._poll.poll(wait * 1000 + 1):
            if descriptor == self._wake_read.fileno():
                self._drop_wakeups()
            elif self._loader is not None and descriptor == self._loader.descriptor:
                self._loader_speaks(self._loader)
            elif descriptor in self._fleet.by_descriptor:
                self._worker_speaks(*self._fleet.by_descriptor[descriptor])
        while self._pending:
            self._on_signal(self._pending.pop(0))
        self._look_after()

    def _drop_wakeups(self) -> None:
        try:
            while self._wake_read.recv(4096):
                pass
        except BlockingIOError:
            pass

    def _look_after(self) -> None:
        """What time brings: restarts, silence, deadlines, measurements."""
        now = time.monotonic()
        # When we were stopped ourselves (a suspended machine), nobody's silence means anything.
        suspended = now - self._last_round > 3.0
        self._last_round = now
        self._fleet.look_after(now, suspended)
        self._check_started()
        if self._loader is not None and now >= self._loader.deadline:
            self._loader.kill()
        if self._rollout is not None and now >= self._rollout.deadline:
            self._rollout_failed(self._rollout, "the worker that was to try it does not answer")
        if now >= self._measure_at:
            self._measure_at = now + _MEASURE_EVERY
            self._fleet.measure()

    # -- signals

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self._reap()
        elif number in (signal.SIGTERM, signal.SIGQUIT) and not self._fleet.stopping:
            bound = self._fleet.shutdown_time if number == signal.SIGTERM else _FOREVER
            self._fleet.stop(bound, "Stopping: running requests are finished first.")
        elif number in (signal.SIGTERM, signal.SIGINT):
            self._fleet.stop(0.0, "Stopping at once.")
        elif number == signal.SIGHUP:
            self._reload()
        elif number == signal.SIGUSR1:
            for process in self._fleet.processes():
                process.send(channel.Reopen())
        elif number == signal.SIGWINCH and not self._fleet.stopping:
            log.line("Workers leave; the master stays.  HUP brings them back.")
            for slot in self._fleet.slots:
                slot.wanted = False
                self._fleet.dismiss(slot)
        elif number == signal.SIGTTIN:
            self._fleet.scale(self._fleet.wanted_slots() + 1)
        elif number == signal.SIGTTOU:
            self._fleet.scale(self._fleet.wanted_slots() - 1)

    def _reap(self) -> None:
        for slot in self._fleet.places():
            for process in slot.processes:
                status = process.reap()
                if status is not None:
                    self._worker_speaks(slot, process)  # its last words may explain it
                    self._fleet.gone(slot, process, status)

    # -- what children say

    def _worker_speaks(self, slot: Slot, process: Process) -> None:
        while True:
            try:
                received = channel.receive(process.end)
            except OSError:
                return
            if received is None:
                if process.end.fileno() in self._fleet.by_descriptor:
                    self._poll.modify(process.end, 0)  # its death will be told by SIGCHLD
                return
            message, _ = received
            if isinstance(message, channel.Ready):
                self._ready(slot, process, message.version)
            elif isinstance(message, channel.Refused):
                self._refused(process, message)
            elif isinstance(message, channel.Found):
                self._fleet.steward.table.learn(message.name, message.targets)
                if self._rollout is None or self._rollout.committed:
                    self._fleet.steward.adopt(self._fleet.bundle)
                self._check_started()
            elif isinstance(message, channel.Reload):
                self._asked.append(message.number)
                self._reload()

    def _ready(self, slot: Slot, process: Process, version: int) -> None:
        process.version = version
        if process is not slot.process:  # dismissed before it was ready
            return
        if slot.adopter is not None:
            slot.adopter.send(channel.Release(slot.index))
            slot.adopter = None
        if slot.replacing is not None:
            self._fleet.drain(slot, slot.replacing)
            slot.replacing = None
        self._fleet.adopt_orphans()
        if self._rollout is not None:
            self._rollout_step(self._rollout)
        self._check_started()

    def _check_started(self) -> None:
        """All workers accept; and peers' names are known, unless the name server takes its time."""
        fleet = self._fleet
        if fleet.started or not all(one.process and one.process.version for one in fleet.slots):
            return
        if not fleet.steward.members.unknown or time.monotonic() > self._born + _PATIENCE_WITH_NAMES:
            fleet.started = True
            log.line(f"Started.  Listening on {fleet.listeners.where()}.")

    def _refused(self, process: Process, message: channel.Refused) -> None:
        if self._rollout is not None and message.version == self._rollout.bundle.version:
            self._rollout_failed(self._rollout, message.reason)
        elif not self._fleet.started and not self._fleet.stopping:
            log.line(f"Cannot start: {message.reason}")
            self._status = 1
            self._fleet.stop(0.0, "Stopping at once.")

    # -- reload

    def _reload(self) -> None:
        if self._fleet.stopping:
            self._answers, self._asked = self._asked, []
            self._reload_ends(False, "rsp is stopping")
            return
        if self._loader is not None or self._rollout is not None:
            self._reload_again = True
            return
        self._version += 1
        self._answers, self._asked = self._asked, []
        try:
            self._loader = Loader(self._path, self._version)
        except OSError as error:
            self._reload_ends(False, f"Reload refused: {error.strerror}.  The running configuration stays.")
            return
        self._poll.register(self._loader.descriptor, select.POLLIN)

    def _loader_speaks(self, loader: Loader) -> None:
        if not loader.read():
            return
        self._poll.unregister(loader.descriptor)
        self._loader = None
        try:
            bundle = loader.result()
            added = self._fleet.listeners.add(bundle.config)
        except (ConfigError, sockets.BindError) as error:
            lines = "\n".join(f"Error parsing config file: {line}" for line in str(error).split("\n"))
            self._reload_ends(False, f"Reload refused, the running configuration stays.\n{lines}")
            return
        if not self._fleet.wanted_slots():  # after WINCH
            for slot in self._fleet.slots:
                slot.wanted = True
        self._rollout = Rollout(bundle, self._fleet.steward.prepare(bundle), added)
        self._rollout_step(self._rollout)

    def _reload_ends(self, good: bool, text: str) -> None:
        """Tell how; then go on with the next one, if somebody asked meanwhile."""
        log.line(text)
        if self._answers:
            self._fleet.steward.tell(channel.Outcome(self._answers, good, text))
            self._answers = []
        if self._reload_again:
            self._reload_again = False
            self._reload()

    def _rollout_step(self, rollout: Rollout) -> None:
        """Canary first, then everybody; done when all have answered."""
        if not rollout.committed:
            if rollout.canary is None:
                slot = next((one for one in self._fleet.slots if one.process is not None and one.process.version), None)
                if slot is not None and slot.process is not None:
                    rollout.canary = slot.process
                    rollout.send(slot)
                    return
            elif rollout.canary.version != rollout.bundle.version:
                return
            self._commit(rollout)
        version = rollout.bundle.version
        if all(slot.process is None or slot.process.version == version for slot in self._fleet.slots):
            self._rollout = None
            self._fleet.listeners.drop_all_but(rollout.bundle.config)
            wanted = self._fleet.workers_wanted(rollout.bundle)
            if not self._fleet.overridden and wanted != self._fleet.wanted_slots():
                self._fleet.scale(wanted)
            where = self._fleet.listeners.where()
            self._reload_ends(
                True, f"Reloaded: version {version} ({rollout.bundle.digest[:12]}), listening on {where}."
            )

    def _commit(self, rollout: Rollout) -> None:
        rollout.committed = True
        self._fleet.bundle = rollout.bundle
        self._fleet.steward.configure(rollout.bundle, rollout.members)
        for slot in self._fleet.slots:
            if slot.process is None and slot.wanted and slot.restart_at is None:
                self._fleet.start(slot)
            elif slot.process is not None and slot.process is not rollout.canary:
                rollout.send(slot)
        self._fleet.steward.adopt(rollout.bundle)  # what was found meanwhile

    def _rollout_failed(self, rollout: Rollout, reason: str) -> None:
        if rollout.committed:
            # Somebody does not follow where others went without trouble: start it anew with the new version.
            for slot in self._fleet.slots:
                if slot.process is not None and slot.process.version != rollout.bundle.version:
                    slot.process.signal(signal.SIGKILL)
            rollout.extend()
            return
        self._rollout = None
        if rollout.canary is not None and rollout.canary.version != rollout.bundle.version:
            self._fleet.listeners.drop(rollout.added)
        self._fleet.steward.adopt(self._fleet.bundle)
        self._reload_ends(False, f"Reload refused, the running configuration stays: {reason}")
