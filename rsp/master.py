"""The master: owns the listening sockets, the workers and the configuration's versions.  It supervises, no more.

PostgreSQL's postmaster rule: nothing that can fail in interesting ways happens here.  No event loop, no thread, no
network bytes, no Lua: one blocking wait on signals, on the workers' channels and on the loader, then short,
bounded steps.  Signals only note themselves; they are acted upon in the loop, in the order of their arrival.
"""

import heapq
import os
import select
import signal
import socket
import time
from typing import Final

from setproctitle import setproctitle

from rsp import channel, log, sockets
from rsp.channel import Bundle
from rsp.child import Process, Slot, spawn
from rsp.config.errors import ConfigError
from rsp.config.schema import DEFAULT_TIMEOUTS
from rsp.listeners import Listeners
from rsp.loader import Loader, load
from rsp.rollout import Rollout
from rsp.scoreboard import CONTROL_ROW, RETIRED_ROW, SLOTS, Cell, Scoreboard
from rsp.steward import Steward
from rsp.worker import Instance, Worker

_SIGNALS: Final = (
    signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGCHLD,
    signal.SIGUSR1, signal.SIGWINCH, signal.SIGTTIN, signal.SIGTTOU,
)  # fmt: skip
_MEASURE_EVERY: Final = 5.0
_FOREVER: Final = 10.0**9
# A sibling takes over the queue of a worker that will not be back within this many seconds.
_ADOPT_AFTER: Final = 0.5
_COUNTERS: Final = (
    Cell.ACCEPTED, Cell.REQUESTS, Cell.STATUS_2XX, Cell.STATUS_3XX, Cell.STATUS_4XX, Cell.STATUS_5XX,
    Cell.BYTES_SENT, Cell.RETRIES, Cell.CPU_MS,
)  # fmt: skip


class Master:
    """``path``: the configuration file.  ``workers``: overrides the configuration's number."""

    def __init__(self, path: str, workers: int | None = None) -> None:
        self._path = path
        self._override = workers
        self._bundle: Bundle
        self._slots: list[Slot] = []
        self._listeners = Listeners(self._slots)
        self._scoreboard = Scoreboard()
        self._retired = self._scoreboard.row(RETIRED_ROW)
        self._free_rows = list(range(CONTROL_ROW))  # a heap: the lowest is used first
        self._steward = Steward(self._scoreboard, self._tell_workers)
        self._secret = os.urandom(32)
        self._poll = select.poll()
        self._by_descriptor: dict[int, tuple[Slot, Process]] = {}
        self._pending: list[int] = []
        self._wake_read, self._wake_write = socket.socketpair()
        self._loader: Loader | None = None
        self._reload_again = False
        self._asked: list[int] = []  # reloads that the control process waits for
        self._answers: list[int] = []  # of those, the ones that the running reload answers
        self._rollout: Rollout | None = None
        self._version = 1
        self._started = False
        self._stopping = False
        self._status = 0
        self._measure_at = 0.0
        self._last_round = time.monotonic()

    def run(self) -> int:
        """Serve until told to stop; the exit status.  Raises :class:`ConfigError`, :class:`sockets.BindError`."""
        setproctitle(f"rsp: master {self._path}")
        self._bundle = load(self._path)
        self._catch_signals()
        try:
            self._listeners.add(self._bundle.config)
            self._steward.open(self._bundle)
            for _ in range(self._workers_wanted(self._bundle)):
                self._new_slot()
            for slot in self._slots:
                self._start(slot)
            self._start_control()
            while not (self._stopping and not any(slot.processes for slot in self._slots)):
                self._round()
        finally:
            self._steward.close()
            self._listeners.unlink()
        if self._started:
            log.line(f"Stopped.  {self._total(Cell.REQUESTS)} requests served.")
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
        due = [slot.restart_at for slot in self._places() if slot.restart_at is not None]
        wait = min([1.0, *(max(0.0, at - time.monotonic()) for at in due)])
        for descriptor, _ in self._poll.poll(wait * 1000 + 1):
            if descriptor == self._wake_read.fileno():
                self._drop_wakeups()
            elif self._loader is not None and descriptor == self._loader.descriptor:
                self._loader_speaks(self._loader)
            elif descriptor in self._by_descriptor:
                self._worker_speaks(*self._by_descriptor[descriptor])
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
        for slot in self._places():
            if slot.restart_at is not None and now >= slot.restart_at:
                self._start(slot) if slot is not self._steward.slot else self._start_control()
            for process in slot.processes:
                if suspended:
                    process.row[Cell.HEARTBEAT] = int(now * 1000)
                elif process.kill_at is not None and now >= process.kill_at:
                    process.signal(signal.SIGKILL)
                elif process.kill_at is None and process.silent_for > self._bundle.config.settings.worker_timeout:
                    self._abort(slot, process)
        if self._loader is not None and now >= self._loader.deadline:
            self._loader.kill()
        if self._rollout is not None and now >= self._rollout.deadline:
            self._rollout_failed(self._rollout, "the worker that was to try it does not answer")
        if now >= self._measure_at:
            self._measure_at = now + _MEASURE_EVERY
            self._measure()

    def _abort(self, slot: Slot, process: Process) -> None:
        """SIGABRT makes faulthandler print the stack; whoever cannot even do that is killed."""
        log.line(
            f"{self._name(slot)} (pid {process.pid}) has not answered for {process.silent_for:.0f} s; "
            "its Python stack follows, then it is replaced"
        )
        process.kill_at = time.monotonic() + 1.0
        process.signal(signal.SIGABRT)

    def _measure(self) -> None:
        limit = self._bundle.config.settings.max_memory
        for process in (one for slot in self._places() for one in slot.processes):
            process.measure()
        for slot in self._slots:
            process_now = slot.process
            if limit and process_now is not None and process_now.version and slot.replacing is None:
                size = process_now.row[Cell.RSS]
                if size > limit and not process_now.draining and not self._stopping:
                    log.line(
                        f"Worker {slot.index} (pid {process_now.pid}) uses {size >> 20} MB, more than max_memory; "
                        "it is replaced"
                    )
                    slot.replacing = process_now
                    self._start(slot)

    def _total(self, cell: Cell) -> int:
        return self._retired[cell] + sum(one.row[cell] for slot in self._slots for one in slot.processes)

    # -- signals

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self._reap()
        elif number in (signal.SIGTERM, signal.SIGQUIT) and not self._stopping:
            bound = self._shutdown_time if number == signal.SIGTERM else _FOREVER
            self._stop(bound, "Stopping: running requests are finished first.")
        elif number in (signal.SIGTERM, signal.SIGINT):
            self._stop(0.0, "Stopping at once.")
        elif number == signal.SIGHUP:
            self._reload()
        elif number == signal.SIGUSR1:
            for process in self._processes():
                process.send(channel.Reopen())
        elif number == signal.SIGWINCH and not self._stopping:
            log.line("Workers leave; the master stays.  HUP brings them back.")
            for slot in self._slots:
                slot.wanted = False
                self._dismiss(slot)
        elif number == signal.SIGTTIN:
            self._scale(self._wanted_slots() + 1)
        elif number == signal.SIGTTOU:
            self._scale(self._wanted_slots() - 1)

    @property
    def _shutdown_time(self) -> float:
        configured = self._bundle.config.settings.timeouts.shutdown
        return float(DEFAULT_TIMEOUTS.shutdown or 0) if configured is None else float(configured)

    def _stop(self, seconds: float, message: str) -> None:
        log.line(message)
        self._stopping = True
        for slot in self._slots:
            slot.wanted = False
            slot.restart_at = None
            for sock in slot.sockets.values():
                sock.close()  # whoever queues is the workers' to answer; nobody may queue behind their backs
        for process in self._processes():
            process.drain(seconds)

    def _processes(self) -> list[Process]:
        """The workers."""
        return [process for slot in self._slots for process in slot.processes]

    def _places(self) -> list[Slot]:
        """The workers' slots and the control process's."""
        return [*self._slots, self._steward.slot]

    def _name(self, slot: Slot) -> str:
        return "The control process" if slot is self._steward.slot else f"Worker {slot.index}"

    def _tell_workers(self, message: channel.Message, descriptors: list[int]) -> None:
        for process in self._processes():
            process.send(message, descriptors)

    # -- workers come and go

    def _workers_wanted(self, bundle: Bundle) -> int:
        if self._override is not None:
            return self._override
        wanted = bundle.config.settings.workers
        return wanted if isinstance(wanted, int) else min(len(os.sched_getaffinity(0)), SLOTS // 2)

    def _wanted_slots(self) -> int:
        return sum(slot.wanted for slot in self._slots)

    def _new_slot(self) -> Slot:
        """Raises :class:`sockets.BindError`."""
        slot = Slot(len(self._slots))
        self._listeners.equip(slot)
        self._slots.append(slot)
        return slot

    def _start(self, slot: Slot) -> None:
        """Fork a worker for ``slot``; a fork that fails is tried again."""
        slot.restart_at = None
        if not self._free_rows:
            slot.restart_at = time.monotonic() + 1.0
            return
        number = heapq.heappop(self._free_rows)
        row = self._scoreboard.row(number)
        for cell in Cell:
            row[cell] = 0
        self._retired[Cell.ROWS] = max(self._retired[Cell.ROWS], number + 1)
        first = slot.index == 0 and not self._started
        instance = self._instance()

        def run(end: socket.socket) -> int:
            return Worker(instance, slot.index, own, end, number, first).run()

        own = {address: sock.dup() for address, sock in slot.sockets.items()}
        try:
            process = spawn(f"Worker {slot.index}", run, row, number, self._private())
        except OSError as error:
            log.once_a_second("fork", f"Worker {slot.index} cannot be started: {error.strerror}")
            heapq.heappush(self._free_rows, number)
            slot.restart_at = time.monotonic() + 1.0
            return
        finally:
            for sock in own.values():
                sock.close()
        row[Cell.SLOT] = slot.index
        slot.process = process
        self._by_descriptor[process.end.fileno()] = (slot, process)
        self._poll.register(process.end, select.POLLIN)

    def _instance(self) -> Instance:
        workers = self._wanted_slots() or 1
        return Instance(self._scoreboard, self._secret, workers, self._bundle, self._steward.members)

    def _private(self) -> set[socket.socket]:
        """Descriptors that a child has no use for."""
        ends = {process.end for slot in self._places() for process in slot.processes}
        listening = {sock for one in self._slots for sock in one.sockets.values()}
        return {self._wake_read, self._wake_write, *ends, *listening, *self._steward.owned()}

    def _start_control(self) -> None:
        process = self._steward.start(self._instance(), self._private() - set(self._steward.owned()))
        if process is not None:
            self._by_descriptor[process.end.fileno()] = (self._steward.slot, process)
            self._poll.register(process.end, select.POLLIN)

    def _dismiss(self, slot: Slot) -> None:
        """Let the slot's worker finish and go; somebody else answers those who queue at its sockets."""
        slot.restart_at = None
        process, slot.process = slot.process, None
        if process is not None:
            self._drain(slot, process)
        self._adopt_orphans()

    def _drain(self, slot: Slot, process: Process) -> None:
        """Let a worker finish and go; what it had adopted needs somebody else."""
        slot.leaving.append(process)
        process.drain(self._shutdown_time)
        self._forsake(process)

    def _forsake(self, process: Process) -> None:
        for slot in self._slots:
            if slot.adopter is process:
                slot.adopter = None

    def _adopt_orphans(self) -> None:
        """Give the sockets of slots that have no worker, and will not soon, to a worker of another slot."""
        if self._stopping:
            return
        soon = time.monotonic() + _ADOPT_AFTER
        workers = [slot.process for slot in self._slots if slot.process is not None and slot.process.version]
        for slot in self._slots:
            back_soon = slot.restart_at is not None and slot.restart_at <= soon
            if slot.process is None and slot.adopter is None and not back_soon and workers:
                slot.adopter = workers[0]
                own = self._listeners.own_sockets(slot)
                workers[0].send(channel.Adopt(slot.index, list(own)), [sock.fileno() for sock in own.values()])

    def _scale(self, wanted: int) -> None:
        if self._stopping or not 1 <= wanted <= SLOTS // 2:
            return
        try:
            while self._wanted_slots() < wanted:
                slot = next((slot for slot in self._slots if not slot.wanted), None)
                slot = slot or self._new_slot()
                slot.wanted = True
                if slot.process is None:
                    self._start(slot)
        except sockets.BindError as error:
            log.line(str(error))
        while self._wanted_slots() > wanted:
            slot = [slot for slot in self._slots if slot.wanted][-1]
            slot.wanted = False
            self._dismiss(slot)
        log.line(f"{self._wanted_slots()} workers.")

    def _reap(self) -> None:
        for slot in self._places():
            for process in slot.processes:
                status = process.reap()
                if status is not None:
                    self._gone(slot, process, status)

    def _gone(self, slot: Slot, process: Process, status: int) -> None:
        self._worker_speaks(slot, process)  # its last words may explain it
        self._poll.unregister(process.end)
        del self._by_descriptor[process.end.fileno()]
        process.end.close()
        how = f"was killed by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "has ended"
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            how += f" with status {os.WEXITSTATUS(status)}"
        process.row[Cell.PID] = 0
        if slot is self._steward.slot:
            self._steward.ended(process, how)
            return
        for cell in _COUNTERS:
            self._retired[cell] += process.row[cell]
            process.row[cell] = 0
        self._scoreboard.retire(process.row_number, self._steward.table.places)
        heapq.heappush(self._free_rows, process.row_number)
        self._forsake(process)
        if process in slot.leaving:
            slot.leaving.remove(process)
            return
        if process is slot.replacing:
            slot.replacing = None
            return
        slot.process = None
        if self._stopping or not slot.wanted:
            return
        if slot.replacing is not None:  # the replacement failed: the old one goes on
            slot.process, slot.replacing = slot.replacing, None
            return
        delay = slot.ended(process)
        again = f"in {delay:.1f} s" if delay else "now"
        log.line(f"Worker {slot.index} (pid {process.pid}) {how} ({process.usage()}); it is started again {again}")
        self._adopt_orphans()

    # -- what children say

    def _worker_speaks(self, slot: Slot, process: Process) -> None:
        while True:
            try:
                received = channel.receive(process.end)
            except OSError:
                return
            if received is None:
                if process.end.fileno() in self._by_descriptor:
                    self._poll.modify(process.end, 0)  # its death will be told by SIGCHLD
                return
            message, _ = received
            if isinstance(message, channel.Ready):
                self._ready(slot, process, message.version)
            elif isinstance(message, channel.Refused):
                self._refused(process, message)
            elif isinstance(message, channel.Found):
                self._steward.table.learn(message.name, message.targets)
                if self._rollout is None or self._rollout.committed:
                    self._steward.adopt(self._bundle)
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
            self._drain(slot, slot.replacing)
            slot.replacing = None
        self._adopt_orphans()
        if self._rollout is not None:
            self._rollout_step(self._rollout)
        if not self._started and all(one.process and one.process.version for one in self._slots):
            self._started = True
            log.line(f"Started.  Listening on {self._listeners.where()}.")

    def _refused(self, process: Process, message: channel.Refused) -> None:
        if self._rollout is not None and message.version == self._rollout.bundle.version:
            self._rollout_failed(self._rollout, message.reason)
        elif not self._started and not self._stopping:
            log.line(f"Cannot start: {message.reason}")
            self._status = 1
            self._stop(0.0, "Stopping at once.")

    # -- reload

    def _reload(self) -> None:
        if self._stopping:
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
            added = self._listeners.add(bundle.config)
        except (ConfigError, sockets.BindError) as error:
            lines = "\n".join(f"Error parsing config file: {line}" for line in str(error).split("\n"))
            self._reload_ends(False, f"Reload refused, the running configuration stays.\n{lines}")
            return
        if not self._wanted_slots():  # after WINCH
            for slot in self._slots:
                slot.wanted = True
        self._rollout = Rollout(bundle, self._steward.prepare(bundle), added)
        self._rollout_step(self._rollout)

    def _reload_ends(self, good: bool, text: str) -> None:
        """Tell how; then go on with the next one, if somebody asked meanwhile."""
        log.line(text)
        if self._answers:
            self._steward.tell(channel.Outcome(self._answers, good, text))
            self._answers = []
        if self._reload_again:
            self._reload_again = False
            self._reload()

    def _rollout_step(self, rollout: Rollout) -> None:
        """Canary first, then everybody; done when all have answered."""
        if not rollout.committed:
            if rollout.canary is None:
                slot = next((one for one in self._slots if one.process is not None and one.process.version), None)
                if slot is not None and slot.process is not None:
                    rollout.canary = slot.process
                    rollout.send(slot)
                    return
            elif rollout.canary.version != rollout.bundle.version:
                return
            self._commit(rollout)
        version = rollout.bundle.version
        if all(slot.process is None or slot.process.version == version for slot in self._slots):
            self._rollout = None
            self._listeners.drop_all_but(rollout.bundle.config)
            wanted = self._workers_wanted(rollout.bundle)
            if self._override is None and wanted != self._wanted_slots():
                self._scale(wanted)
            where = self._listeners.where()
            self._reload_ends(
                True, f"Reloaded: version {version} ({rollout.bundle.digest[:12]}), listening on {where}."
            )

    def _commit(self, rollout: Rollout) -> None:
        rollout.committed = True
        self._bundle = rollout.bundle
        self._steward.configure(rollout.bundle, rollout.members)
        for slot in self._slots:
            if slot.process is None and slot.wanted and slot.restart_at is None:
                self._start(slot)
            elif slot.process is not None and slot.process is not rollout.canary:
                rollout.send(slot)
        self._steward.adopt(rollout.bundle)  # what was found meanwhile

    def _rollout_failed(self, rollout: Rollout, reason: str) -> None:
        if rollout.committed:
            # Somebody does not follow where others went without trouble: start it anew with the new version.
            for slot in self._slots:
                if slot.process is not None and slot.process.version != rollout.bundle.version:
                    slot.process.signal(signal.SIGKILL)
            rollout.extend()
            return
        self._rollout = None
        if rollout.canary is not None and rollout.canary.version != rollout.bundle.version:
            self._listeners.drop(rollout.added)
        self._steward.adopt(self._bundle)
        self._reload_ends(False, f"Reload refused, the running configuration stays: {reason}")
