"""The master: owns the listening sockets, the workers and the configuration's versions.  It supervises, no more.

PostgreSQL's postmaster rule: nothing that can fail in interesting ways happens here.  No event loop, no thread, no
network bytes, no Lua: one blocking wait on signals, on the workers' channels and on the loader, then short,
bounded steps.  Signals only note themselves; they are acted upon in the loop, in the order of their arrival.
"""

import gc
import os
import select
import signal
import socket
import time
from math import inf
from typing import Final

import msgspec
from setproctitle import setproctitle

from rsp.ipc import channel, worker_cells
from rsp.ipc.packets import RETRY, Broken
from rsp.ipc.peer_table import PATIENCE_WITH_NAMES
from rsp.loader import Loader
from rsp.logs import log
from rsp.supervise import orphans
from rsp.supervise.certificates import Certificates
from rsp.supervise.child import Process, Slot, cut_text, reap_strangers
from rsp.supervise.fleet import Fleet
from rsp.supervise.main_file import MainFile
from rsp.supervise.pid_file import PidFile
from rsp.supervise.reload import Reloads
from rsp.supervise.systemd import Notifier
from rsp.supervise.upgrade import Predecessor, Successor

_SIGNALS: Final = (
    signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGCHLD,
    signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGTTIN, signal.SIGTTOU,
)  # fmt: skip
_MEASURE_EVERY: Final = 5.0
_FOREVER: Final = 10.0**9
_AT_ONCE: Final = 64  # packets of one child in one round
_LAST_WORDS: Final = 1000  # of a child that has ended: all that its socket can hold
_MOST_ORDERS: Final = 1000  # the control process passes on 100
CUT: Final = 3  # exit status: time was up before everything was finished


class Master:
    """``path``: the configuration file.  ``workers``: overrides the configuration's number.  ``main``: which file is
    loaded, on a node of a site."""

    def __init__(self, path: str, workers: int | None = None, main: MainFile | None = None) -> None:
        self._path = path
        self._poll = select.poll()
        self._pending: list[int] = []
        self._wake_read, self._wake_write = socket.socketpair()
        self._notifier = Notifier()
        self._predecessor = Predecessor.find()
        self._successor: Successor | None = None
        self._waiting: list[int] = []  # orders that the upgrade answers
        owned = {self._wake_read, self._wake_write, *self._notifier.owned}
        if self._predecessor is not None:
            owned.add(self._predecessor.end)
        self._fleet = Fleet(self._poll, owned, workers, self._predecessor)
        self._main = main or MainFile(path)
        self._fleet.control.main = self._main
        self._reloads = Reloads(self._main, self._fleet, self._poll, self._notifier)
        self._pid_file: PidFile | None = None
        self._at_once = False  # requests that are cut were to be cut
        self._leaving: tuple[float, float] | None = None  # when ``drain_delay`` is over; the bound of what follows
        self._measure_at = 0.0
        self._born = self._last_round = time.monotonic()

    def run(self, loader: Loader) -> int:
        """Serve what ``loader`` gives until told to stop; the exit status.

        Raises :class:`ConfigError`, :class:`sockets.BindError`, and :class:`OSError` for a file that cannot be written.
        """
        setproctitle(f"rsp: master {os.fsencode(self._path).decode(errors='replace')}")
        loaded = loader.finish()
        if self._predecessor is not None and self._predecessor.legacy.asked:
            bundle = self._reloads.inherit(loaded.bundle, self._predecessor.legacy.asked)
            loaded = loaded._replace(bundle=bundle)
        bundle = loaded.bundle
        log.use(bundle.config.settings.log_level, bundle.config.settings.log_format)
        log.catch()
        self._catch_signals()
        fleet = self._fleet
        fleet.secrets.use(Certificates(loaded, self._path, self._poll))
        try:
            if bundle.config.settings.pid_file is not None:
                self._pid_file = PidFile(bundle.config.settings.pid_file, taken=self._predecessor is not None)
            gc.freeze()  # what is shared with children stays shared (supervise/child.py)
            fleet.launch(bundle)
            if self._predecessor is not None:
                self._poll.register(self._predecessor.end, select.POLLIN)
            while not fleet.stopping or fleet.processes():
                try:
                    self._round()
                except OSError as error:  # no descriptor or memory to be had: what is left undone is noticed later
                    log.once_a_second(
                        "resources", f"The master failed to complete an operation: {error.strerror}", log.ERROR
                    )
        finally:
            if self._successor is not None:
                self._successor.give_up()
            fleet.close()
            if self._pid_file is not None and not fleet.handed_over:
                self._pid_file.remove()
        return self._farewell()

    def _farewell(self) -> int:
        """The last line, which says what was cut; the exit status."""
        log.tick()  # what children have said at their end
        fleet = self._fleet
        requests, tunnels = fleet.rows.total(worker_cells.CUT), fleet.rows.total(worker_cells.CUT_TUNNELS)
        cut = cut_text(requests, tunnels)
        if fleet.started:
            log.line(
                f"Stopped.  {fleet.rows.total(worker_cells.REQUESTS)} requests served."
                + (f"  {cut} cut." if cut else "")
            )
        return CUT if requests and not self._at_once else 0

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
        due = [slot.restart_at for slot in self._fleet.all_slots() if slot.restart_at is not None]
        if self._leaving is not None and not self._fleet.stopping:
            due.append(self._leaving[0])
        now = time.monotonic()
        wait = min([self._notifier.every, self._fleet.secrets.wait(now), *(max(0.0, at - now) for at in due)])
        if not self._flush():
            wait = min(wait, RETRY)
        for descriptor, _ in self._poll.poll(wait * 1000 + 1):
            if descriptor == self._wake_read.fileno():
                self._drop_wakeups()
            elif descriptor == self._reloads.descriptor:
                self._reloads.read()
            elif self._predecessor is not None and descriptor == self._predecessor.end.fileno():
                self._take_over(self._predecessor)
            elif self._successor is not None and descriptor == self._successor.end.fileno():
                self._successor_speaks(self._successor)
            elif descriptor in self._fleet.secrets.descriptors:
                self._fleet.secrets.read(descriptor)
            elif descriptor in self._fleet.by_descriptor:
                self._hear(*self._fleet.by_descriptor[descriptor], _AT_ONCE)
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
        # When the master itself was stopped (a suspended machine), silence of a child means nothing.
        suspended = now - self._last_round > 3.0
        self._last_round = now
        self._fleet.look_after(now, suspended)
        self._fleet.heritage.look_after()
        self._check_started()
        if self._leaving is not None and not self._fleet.stopping and now >= self._leaving[0]:
            self._stop(self._leaving[1])
        self._reloads.look_after(now)
        if not self._fleet.stopping:
            self._fleet.secrets.look_after(now)
        log.tick()
        reap_strangers(self._known_pids())
        if self._successor is not None and now >= self._successor.deadline:
            self._upgrade_failed(self._successor)
        if now >= self._measure_at:
            self._measure_at = now + _MEASURE_EVERY
            self._fleet.measure()
            if self._fleet.logs.find_daemons():
                self._fleet.tell_logs()
            if self._is_in_charge():
                self._notifier.status(self._fleet.summary())
        if self._is_in_charge() and self._fleet.is_alive():
            self._notifier.alive(now)

    def _known_pids(self) -> set[int]:
        """Children that something here waits for."""
        successor = {self._successor.pid} if self._successor is not None else set()
        workers = {process.pid for slot in self._fleet.all_slots() for process in slot.processes}
        return workers | successor | self._reloads.pids | self._fleet.secrets.pids

    def _is_in_charge(self) -> bool:
        """Whether the service manager is to hear from us, not from a predecessor or successor."""
        return self._fleet.started and self._predecessor is None and not self._fleet.handed_over

    # -- signals

    def _on_signal(self, number: int) -> None:
        if self._successor is not None and number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
            self._upgrade_failed(self._successor, "rsp is stopping")  # else the new master would take over
        if number == signal.SIGCHLD:
            self._reap()
        elif number in (signal.SIGTERM, signal.SIGQUIT) and not self._fleet.stopping:
            self._leave(self._fleet.shutdown_time if number == signal.SIGTERM else _FOREVER)
        elif number in (signal.SIGTERM, signal.SIGINT):
            self._at_once = True
            self._notifier.stopping("at once")
            self._fleet.stop(0.0, "Stopping at once.")
        elif number == signal.SIGHUP:
            self._reloads.order("reload")
        elif number == signal.SIGUSR1:
            self._fleet.reopen_logs()
        elif number == signal.SIGUSR2:
            self._upgrade()
        elif number == signal.SIGWINCH and not self._fleet.stopping:
            log.line("WINCH: stopping the workers.  The master keeps running; HUP starts them again.")
            for slot in self._fleet.slots:
                slot.wanted = False
                self._fleet.dismiss(slot)
        elif number == signal.SIGTTIN:
            self._fleet.scale(self._fleet.wanted_slots() + 1)
        elif number == signal.SIGTTOU:
            self._fleet.scale(self._fleet.wanted_slots() - 1)

    def _leave(self, bound: float) -> None:
        """Stop; with ``drain_delay`` not yet, unless this is the second signal."""
        fleet, delay = self._fleet, self._fleet.bundle.config.settings.drain_delay
        if not delay or self._leaving is not None or not fleet.started:
            self._stop(bound)
            return
        self._leaving = time.monotonic() + delay, bound
        log.line(f"Stopping in {delay}: new connections are accepted until then, or until a second signal.")
        fleet.rows.stage(worker_cells.STOPPING)  # everything goes on, but ``ready`` says that it will not for long
        self._notifier.stopping(f"new connections are accepted for another {delay}")

    def _stop(self, bound: float) -> None:
        self._notifier.stopping("running requests are finished")
        self._fleet.stop(bound, "Stopping: waiting for running requests to finish.")

    def _reap(self) -> None:
        for slot in self._fleet.all_slots():
            for process in slot.processes:
                status = process.reap()
                if status is not None:
                    self._hear(slot, process, _LAST_WORDS)
                    self._fleet.gone(slot, process, status)

    # -- what children say

    def _hear(self, slot: Slot, process: Process, most: int) -> None:
        """Act on what a child says, in ``most`` packets at most.  No child is trusted: what it may not say ends it."""
        fleet = self._fleet
        if process.end.fileno() not in fleet.by_descriptor:
            return
        learnt = False
        try:
            for message in process.heard(most):
                if isinstance(message, channel.Found | channel.FoundChange):
                    learnt |= fleet.control.learn(message)
                else:
                    self._act(slot, process, message)
        except EOFError:  # it is about to end, or it would be of no more use
            fleet.ignore(process)
            process.kill_at = min(process.kill_at or inf, time.monotonic() + 1.0)
        except Broken as error:
            fleet.ignore(process)
            process.expel(f"sent {error}")
        if learnt:
            self._reloads.members_changed()
            self._check_started()

    def _act(self, slot: Slot, process: Process, message: channel.Message) -> None:
        """Raises :class:`Broken`."""
        if isinstance(message, channel.Ready):
            process.became_ready(message.version)
            self._ready(slot, process)
        elif isinstance(message, channel.Stapled):
            self._fleet.secrets.learn(message)
        elif isinstance(message, channel.Keys):
            self._fleet.secrets.learn_keys(message)
        elif isinstance(message, channel.Labels):
            self._reloads.label(message.asked)
        elif isinstance(message, channel.Order):
            if len(self._waiting) + self._reloads.orders >= _MOST_ORDERS:
                raise Broken("too many orders")
            if message.what == "upgrade":
                self._waiting.append(message.number)
                self._upgrade()
            else:
                if message.version:
                    self._main.want(message.version, message.packed)
                self._reloads.order(message.what, message.number)
        elif isinstance(message, channel.Settled):
            self._main.settle(message.version)

    def _flush(self) -> bool:
        """Send what could not be sent before; false: some of it still waits."""
        done = [process.flush() for slot in self._fleet.all_slots() for process in slot.processes]
        return all(done) and (self._successor is None or self._successor.flush())

    def _ready(self, slot: Slot, process: Process) -> None:
        if process is not slot.process:  # dismissed before it was ready
            return
        orphans.release(slot)
        if slot.replacing is not None:
            self._fleet.drain(slot, slot.replacing)
            slot.replacing = None
        self._fleet.adopt_orphans()
        self._reloads.step()
        self._check_started()

    def _check_started(self) -> None:
        """All workers accept; and peers' names are known, unless the name server takes its time."""
        fleet = self._fleet
        if fleet.started or fleet.stopping:
            return
        if not all(slot.process and slot.process.version for slot in fleet.slots if slot.wanted):
            return
        if not fleet.control.members.unknown or time.monotonic() > self._born + PATIENCE_WITH_NAMES:
            fleet.started = True
            fleet.rows.stage(worker_cells.SERVING)
            log.line(f"Started.  Listening on {fleet.listeners.where()}.")
            if self._predecessor is not None:
                self._predecessor.ready()
            else:
                self._notifier.ready(fleet.summary())

    # -- upgrade

    def _upgrade(self) -> None:
        """Start a new master, of the code that is installed now."""
        fleet = self._fleet
        stopping = fleet.stopping or self._leaving is not None
        if stopping or self._predecessor is not None:
            self._upgrade_ends(
                False, "Upgrade refused: " + ("rsp is stopping" if stopping else "an upgrade is already in progress")
            )
        elif self._successor is None:
            log.line("Upgrading: starting a new master.")
            try:
                legacy, counters, listening = fleet.legacy()
                legacy = msgspec.structs.replace(legacy, asked=self._reloads.granted)
                self._successor = Successor(legacy, counters, listening)
            except OSError as error:
                fleet.heritage.keep()
                self._upgrade_ends(False, f"Upgrade failed: {error.strerror}.  The running master continues.")
                return
            self._poll.register(self._successor.end, select.POLLIN)
            fleet.private.add(self._successor.end)

    def _successor_speaks(self, successor: Successor) -> None:
        ready = successor.is_ready()
        if ready is None:
            self._upgrade_failed(successor)
        elif ready:
            self._forget(successor)
            self._notifier.tell(f"MAINPID={successor.pid}")
            self._upgrade_ends(True, f"Upgraded: the new master (pid {successor.pid}) has taken over.")
            successor.go(self._fleet.control.standings())
            self._fleet.hand_over()

    def _upgrade_failed(self, successor: Successor, why: str = "") -> None:
        self._forget(successor)
        how = successor.give_up(why)
        self._fleet.heritage.keep()
        self._upgrade_ends(False, f"Upgrade failed: {how}.{'' if why else '  The running master continues.'}")

    def _forget(self, successor: Successor) -> None:
        self._successor = None
        self._poll.unregister(successor.end)
        self._fleet.private.discard(successor.end)

    def _upgrade_ends(self, good: bool, text: str) -> None:
        numbers, self._waiting = self._waiting, []
        self._fleet.control.report(numbers, "upgrade", good, text, self._fleet.bundle)

    def _take_over(self, predecessor: Predecessor) -> None:
        """The old master has let go, or died."""
        if not predecessor.is_gone():
            return
        self._poll.unregister(predecessor.end)
        self._fleet.private.discard(predecessor.end)
        self._predecessor = None
        predecessor.end.close()
        self._fleet.take_over(predecessor.peers)
        if self._pid_file is not None:
            try:
                self._pid_file.write()
            except OSError as error:  # too late to refuse anything
                log.line(f"Cannot write the pid file {error.filename}: {error.strerror}", log.ERROR)
        self._notifier.ready(self._fleet.summary())
