"""The children: which there are, and how they come and go.

The master decides when; here is how.  A worker fills a slot, which has its listening sockets and outlives it.
"""

import os
import select
import signal
import socket
import time
from typing import Final

from rsp.config.limits import DEFAULT_TIMEOUTS
from rsp.config.units import MOST_WORKERS
from rsp.ipc import channel, worker_cells
from rsp.ipc.channel import Bundle
from rsp.ipc.instance import Instance
from rsp.ipc.loads import Loads
from rsp.ipc.observed import Observed
from rsp.ipc.scoreboard import Scoreboard
from rsp.ipc.shared_memory import Shared
from rsp.ipc.usage import Usage
from rsp.logs import log
from rsp.supervise import orphans
from rsp.supervise.child import Closable, Process, Slot, ending, spawn
from rsp.supervise.control_child import ControlChild
from rsp.supervise.heritage import Heritage
from rsp.supervise.listeners import Listeners
from rsp.supervise.log_files import LogFiles
from rsp.supervise.rows import MOST, Rows
from rsp.supervise.secrets import Secrets
from rsp.supervise.systemd import passed_sockets
from rsp.supervise.upgrade import Legacy, Predecessor, Standing, restore
from rsp.system import descriptors, quota, sockets
from rsp.system.memory import Memory
from rsp.worker import Worker

_SILENT: Final = 3.0  # seconds: a worker's loop that has not run for this time is no sign of life


class Fleet:
    """``poll``: where the children's channels are registered.  ``private``: the master's own descriptors.

    ``override``: the number of workers, whatever the configuration says.  ``bundle``: the configuration in force.
    ``trying``: the worker that tries another one.
    """

    def __init__(
        self, poll: select.poll, private: set[socket.socket], override: int | None, predecessor: Predecessor | None
    ) -> None:
        self._poll = poll
        self.private = private
        self._override = override
        self.overridden = override is not None  # the command line says how many workers there are
        self._legacy = predecessor.legacy if predecessor is not None else None
        self._secret = self._legacy.secret if self._legacy is not None else os.urandom(32)
        self._scoreboard = Scoreboard()
        self._store: Shared
        self._observed = Observed.make(self._scoreboard)
        self._loads = Loads()
        log.show(self._observed.tap.log)
        self.rows = Rows(self._scoreboard)
        self.bundle: Bundle
        self.slots: list[Slot] = []
        self._passed = passed_sockets()
        given = predecessor.given if predecessor is not None else {}
        self.listeners = Listeners(self.slots, self._passed, given, self._legacy.shared if self._legacy else [])
        self.logs = LogFiles()
        self.trying: Process | None = None
        self.control = ControlChild(self._observed.sheet, self._tell_workers, given)
        self.secrets = Secrets(self._tell_workers, self.control.tell)
        self.heritage = Heritage(self._observed.sheet, predecessor.ancestors if predecessor is not None else [])
        private |= self.heritage.private()
        self.by_descriptor: dict[int, tuple[Slot, Process]] = {}
        self.started = False
        self.stopping = False
        self.handed_over = False

    def launch(self, bundle: Bundle) -> None:
        """The first start of all children.  Raises :class:`sockets.BindError`, and :class:`OSError` for the access log
        and for want of descriptors."""
        self.bundle = bundle
        self.check_room(bundle, self.workers_wanted(bundle))
        shared = bundle.config.settings.lua.shared
        self._store, self._usage = Shared(quota.shared_memory(shared)), Usage(quota.shared_memory(None))
        self.logs.attempt(bundle.config)
        self.logs.commit(bundle.config)
        self.listeners.add(bundle.config)
        for unused in self.listeners.unused():
            log.line(f"The passed socket {unused} does not match any address in the configuration.", log.WARNING)
        if self._legacy is not None:
            for name, targets in self._legacy.names.items():
                self.control.table.learn(name, targets)
        self.control.open(bundle, later=self._legacy is not None)
        if self._legacy is not None:
            self.secrets.inherit(*self._legacy.secrets)
            restore(self._legacy.peers, self.control.table, self._scoreboard)
        self.heritage.link(self.control.series, self.control.table)
        wanted = self.workers_wanted(bundle)
        for index in range(max(wanted, self.listeners.given_slots)):
            self._new_slot().wanted = index < wanted
        for slot in self.slots[:wanted]:
            self.start(slot)
        self._start_control()

    def take_over(self, peers: list[Standing]) -> None:
        """The predecessor has let go of ``peers``, among others."""
        self.control.take_over(peers)
        if self._legacy is not None:
            self.listeners.inherit(self._legacy.files)

    def legacy(self) -> tuple[Legacy, list[int], list[socket.socket]]:
        """For a successor, with the descriptors of its counters, and its sockets."""
        table, given = self.control.table, {**self.listeners.all(), **self.control.operators.all()}
        peers, files, shared = self.control.standings(), self.listeners.files, self.listeners.shared
        estates, counters = self.heritage.hand_over()
        inheritance = (*self.secrets.inheritance(), estates)
        legacy = Legacy(self._secret, table.found, peers, list(given), files, shared, *inheritance)
        return legacy, counters, list(given.values())

    def hand_over(self) -> None:
        """A successor is there: finish what runs, and leave everything else to it."""
        self.handed_over = True
        self.listeners.disown_files()
        self.control.hand_over()
        self.stop(self.shutdown_time, "Stopping: finishing running requests; the new master accepts new ones.")

    def is_alive(self) -> bool:
        """Whether the workers do their work, one of them at least."""
        working = [process for process in self.processes() if process.version]
        return not working or any(process.silent_for < _SILENT for process in working)

    def summary(self) -> str:
        """A line for the service manager."""
        connections = sum(process.row[worker_cells.CONNECTIONS] for process in self.processes())
        number = self.bundle.version
        return f"{self.wanted_slots()} workers, {connections} connections, version {number} of the configuration"

    def reopen_logs(self) -> None:
        """After a rotation."""
        self.logs.reopen()
        self.tell_logs()

    def tell_logs(self) -> None:
        """Workers get what access logs go to."""
        for trying in (False, True):
            files = self.logs.descriptors(tried=trying)
            if files:
                self._tell_workers(channel.Reopen(list(files)), list(files.values()), trying=trying)

    def close(self) -> None:
        """At the very end."""
        self.control.close()
        self.secrets.close()
        self.listeners.unlink()

    # -- which there are

    def processes(self) -> list[Process]:
        """The workers."""
        return [process for slot in self.slots for process in slot.processes]

    def all_slots(self) -> list[Slot]:
        """The workers' slots and the control process's."""
        return [*self.slots, self.control.slot]

    def _tell_workers(self, message: channel.Message, descriptors: list[int], *, trying: bool = False) -> None:
        """All that serve what is in force; or the one that tries another configuration."""
        for process in self.processes():
            if (process is self.trying) == trying:
                process.send(message, descriptors)

    def workers_wanted(self, bundle: Bundle) -> int:
        wanted = self._override or bundle.config.settings.workers
        return wanted if isinstance(wanted, int) else quota.workers()

    def check_room(self, bundle: Bundle, workers: int) -> None:
        """Raises :class:`OSError` if there are too few descriptors for ``workers``."""
        listeners = self.listeners
        workers = max(workers, len(self.slots), listeners.given_slots)
        descriptors.check(bundle.config, workers, listeners.count_with(bundle.config))

    def wanted_slots(self) -> int:
        return sum(slot.wanted for slot in self.slots)

    def _new_slot(self) -> Slot:
        """Raises :class:`sockets.BindError`."""
        slot = Slot(len(self.slots))
        self.listeners.equip(slot)
        self._loads.add(slot.index)
        self.slots.append(slot)
        return slot

    # -- starting

    def start(self, slot: Slot) -> None:
        """Fork a worker for ``slot``; a fork that fails is tried again."""
        slot.restart_at = None
        number = self.rows.take()
        if number is None:
            log.once_a_second(
                "rows", f"Worker {slot.index} is not started yet: {MOST} workers run, those that finish included"
            )
            slot.restart_at = time.monotonic() + 1.0
            return
        row = self._scoreboard.row(number)
        keyring = self.secrets.certificates.stored.keyring
        instance = self._instance(keyring, self.secrets.state())

        def run(end: socket.socket) -> int:
            first = slot.index == 0 and not self.started
            return Worker(instance, slot.index, own, end, number, first).run()

        own: dict[str, socket.socket] = {}
        sockets_for = self.listeners.sockets_for(slot, self.bundle.config)
        try:
            own.update((address, sock.dup()) for address, sock in sockets_for.items())
            used = {keyring, self._loads.outbox, self._loads.inboxes.get(slot.index)}
            private = self._private() - used | self.logs.unused_by_workers() | {self._observed.tap.reading}
            process = spawn(f"Worker {slot.index}", channel.WORKER, run, row, number, private)
        except OSError as error:
            log.once_a_second("fork", f"Worker {slot.index} cannot be started: {error.strerror}")
            self.rows.put_back(number)
            slot.restart_at = time.monotonic() + 1.0
            self.adopt_orphans()
            return
        finally:
            for sock in own.values():
                sock.close()
        row[worker_cells.SLOT] = slot.index
        slot.process = process
        process.asked.append(self.bundle.version)
        self._listen_to(slot, process)

    def _instance(self, keyring: Memory, renewable: bytes) -> Instance:
        workers, members, logs = self.wanted_slots() or 1, self.control.peers, self.logs.descriptors()
        common = (self._store, self._usage, self._observed, self.control.series.contents, self._loads)
        first = (self._scoreboard, self._secret, workers, self.bundle, members, logs)
        return Instance(*first, *common, keyring, renewable)

    def _private(self) -> set[Closable]:
        """Descriptors that a child has no use for."""
        ends = {process.end for slot in self.all_slots() for process in slot.processes}
        listening = {sock for slot in self.slots for sock in slot.sockets.values()}
        given, inboxes = self.listeners.raw(), (self._loads.outbox, *self._loads.inboxes.values())
        return {*self.private, *ends, *listening, *inboxes, *self.control.owned(), *given, *self.secrets.memories()}

    def _start_control(self) -> None:
        peers = self.secrets.certificates.stored.peers
        private = self._private() - {peers, *self.control.owned()} | self.logs.all()
        process = self.control.start(self._instance(peers, self.secrets.overview()), private)
        if process is not None:
            self._listen_to(self.control.slot, process)

    def _listen_to(self, slot: Slot, process: Process) -> None:
        self.by_descriptor[process.end.fileno()] = (slot, process)
        self._poll.register(process.end, select.POLLIN)

    def ignore(self, process: Process) -> None:
        """It has nothing more to say, or nothing that the master wants to hear."""
        if self.by_descriptor.pop(process.end.fileno(), None) is not None:
            self._poll.unregister(process.end)

    # -- ending

    def stop(self, seconds: float, message: str) -> None:
        log.line(message)
        self.stopping = True
        self.rows.stage(worker_cells.HANDED_OVER if self.handed_over else worker_cells.STOPPING)
        for slot in self.slots:
            slot.wanted = False
            slot.restart_at = None
            for sock in slot.sockets.values():
                sock.close()  # queued connections are the workers' to answer; no further ones may queue
        for process in self.processes():
            process.drain(seconds)

    @property
    def shutdown_time(self) -> float:
        configured = self.bundle.config.settings.timeouts.shutdown
        return float(DEFAULT_TIMEOUTS.shutdown or 0) if configured is None else float(configured)

    def dismiss(self, slot: Slot) -> None:
        """Let the slot's worker finish and go; a sibling accepts from its sockets."""
        slot.restart_at = None
        process, slot.process = slot.process, None
        if process is not None:
            self.drain(slot, process)
        self.adopt_orphans()

    def drain(self, slot: Slot, process: Process) -> None:
        """Let a worker finish and go; what it had adopted needs another sibling."""
        slot.leaving.append(process)
        process.drain(self.shutdown_time)
        orphans.lose(self.slots, process)

    def adopt_orphans(self) -> None:
        if not self.stopping:
            orphans.adopt(self.slots, self.listeners, self.bundle.config)

    def scale(self, wanted: int) -> None:
        """As many workers as ``wanted``, or a line in the log that says why there are not."""
        if self.stopping:
            return
        if not 1 <= wanted <= MOST_WORKERS:
            log.line(f"The number of workers remains {self.wanted_slots()}: it must be from 1 to {MOST_WORKERS}.")
            return
        try:
            self.check_room(self.bundle, wanted)
            while self.wanted_slots() < wanted:
                slot = next((slot for slot in self.slots if not slot.wanted), None) or self._new_slot()
                slot.wanted = True
                if slot.process is None:
                    self.start(slot)
        except sockets.BindError as error:
            log.line(str(error), log.ERROR)
        except OSError as error:
            log.line(f"{error.filename}: {error.strerror}", log.ERROR)
        while self.wanted_slots() > wanted:
            slot = [slot for slot in self.slots if slot.wanted][-1]
            slot.wanted = False
            self.dismiss(slot)
        log.line(f"{self.wanted_slots()} workers.")

    def gone(self, slot: Slot, process: Process, status: int) -> None:
        """A child has ended, with ``status`` as ``waitpid`` gives it."""
        self.ignore(process)
        process.close()
        how, used = ending(status), process.usage()  # before its counters are retired
        process.row[worker_cells.PID] = 0
        if slot is self.control.slot:
            self.control.ended(process, how, stopping=self.stopping)
            return
        if self.stopping or process in slot.leaving:
            if os.WIFSIGNALED(status):
                process.row[worker_cells.CUT] = process.row[worker_cells.IN_FLIGHT]
            process.tell_cut()
        self.rows.retire(process.row_number, self.control.table.places)
        orphans.lose(self.slots, process)
        if process in slot.leaving:
            slot.leaving.remove(process)
            return
        if process is slot.replacing:
            slot.replacing = None
            return
        slot.process = None
        self._loads.leave(slot.index)
        if self.stopping or not slot.wanted:
            return
        if slot.replacing is not None:  # the replacement failed: the old one goes on
            slot.process, slot.replacing = slot.replacing, None
            return
        delay = slot.ended(process)
        self.rows.note(worker_cells.RESTARTS)
        again = f"in {delay:.1f} s" if delay else "now"
        log.line(f"{process.name} {how} ({used}); it is restarted {again}", log.WARNING)
        self.adopt_orphans()

    # -- supervision

    def look_after(self, now: float, suspended: bool) -> None:
        """Restarts, silence, deadlines; ``suspended``: the machine was, so silence means nothing."""
        for slot in self.all_slots():
            if slot.restart_at is not None and now >= slot.restart_at:
                self.start(slot) if slot is not self.control.slot else self._start_control()
            for process in slot.processes:
                if suspended:
                    process.row[worker_cells.HEARTBEAT] = int(now * 1000)
                elif process.kill_at is not None and now >= process.kill_at:
                    process.signal(signal.SIGKILL)
                elif process.kill_at is None and process.silent_for > self.bundle.config.settings.worker_timeout:
                    self._abort(process)

    def _abort(self, process: Process) -> None:
        """SIGABRT makes faulthandler print the stack; a process that cannot even do that is killed."""
        log.line(
            f"{process.name} has not responded for {process.silent_for:.0f} s; its Python stack follows, then it is "
            "replaced",
            log.ERROR,
        )
        process.kill_at = time.monotonic() + 1.0
        process.signal(signal.SIGABRT)

    def measure(self) -> None:
        """Note what each child uses, and replace workers that use too much memory."""
        limit = self.bundle.config.settings.max_memory
        for process in (process for slot in self.all_slots() for process in slot.processes):
            process.measure()
        for slot in self.slots:
            process_now = slot.process
            if limit and process_now is not None and process_now.version and slot.replacing is None:
                size = process_now.row[worker_cells.RSS]
                if size > limit and not process_now.draining and not self.stopping:
                    log.line(
                        f"Worker {slot.index} (pid {process_now.pid}) uses {size >> 20} MB, more than max_memory; "
                        "it is replaced",
                        log.WARNING,
                    )
                    slot.replacing = process_now
                    self.start(slot)
