"""Reloads: a file becomes a configuration, one worker tries it, all follow or none; the log says how it ended."""

import select
import signal
import time
from collections.abc import Sequence
from math import inf

import msgspec

from rsp.config.errors import ConfigError
from rsp.config.label_changes import changes
from rsp.config.lasting import kept
from rsp.config.units import MOST_WORKERS
from rsp.ipc import channel
from rsp.ipc.channel import Bundle
from rsp.loader import Labelling, Loader
from rsp.logs import log
from rsp.supervise.canary import Sample, fault
from rsp.supervise.certificates import Certificates
from rsp.supervise.child import Process, Slot
from rsp.supervise.control_child import in_turns, news
from rsp.supervise.fleet import Fleet
from rsp.supervise.main_file import VERSIONS, MainFile
from rsp.supervise.rollout import Rollout, configure
from rsp.supervise.systemd import Notifier
from rsp.system import sockets
from rsp.system.file_errors import why

_STAYS = "the running configuration stays"
_STOPPING = "rsp is stopping"
_ORPHANED = "the control process that ordered it has died"
_LABELS_AGAIN = 60.0  # seconds after what labels ask for has been refused
_REFUSED = {"dry-run": "A reload would be refused", "labels": "Routes from labels refused"}


class Reloads:
    """One at a time; orders that come meanwhile are answered by the next."""

    def __init__(self, main: MainFile, fleet: Fleet, poll: select.poll, notifier: Notifier) -> None:
        self._main = main
        self._path = main.path  # of the evaluation under way
        self._fleet = fleet
        self._poll = poll
        self._notifier = notifier
        self._version = 1
        self._queue: list[tuple[str, int | None]] = []
        self._what = ""
        self._numbers: list[int] = []  # orders that the running one answers
        self._follower: Process | None = None  # the control process that has ordered a version
        self._loader: Loader | Labelling | None = None
        self._asked = b""  # what asks for routes by labels now
        self._attempted = b""  # the same, of the evaluation under way
        self.granted = b""  # the same, of the configuration in force
        self._label_at = inf  # what was refused is tried again
        self._rollout: Rollout | None = None

    @property
    def descriptor(self) -> int:
        """The loader's; -1 when none runs."""
        return self._loader.descriptor if self._loader is not None else -1

    def order(self, what: str, number: int | None = None) -> None:
        """As :class:`channel.Order` says; without a number no operator waits for the answer."""
        if what in VERSIONS and self._follower is not self._fleet.control.process:
            self._follower = self._fleet.control.process
            self._queue = [each for each in self._queue if each[0] not in VERSIONS]
        self._queue.append((what, number))
        self._next()

    @property
    def _is_orphaned(self) -> bool:
        """Whether the control process that wanted the version died: its successor would not know what came of it."""
        return self._what in VERSIONS and self._follower is not self._fleet.control.process

    def _is_called_off(self) -> bool:
        """A version that is tried, by another; and everything by one that is confirmed."""
        waiting = {what for what, _ in self._queue}
        return "version-now" in waiting or ("version" in waiting and self._what == "version")

    def label(self, asked: bytes) -> None:
        """Labels ask for other routes."""
        waits = any(what == "labels" for what, _ in self._queue)
        if asked != self._asked and not self._fleet.stopping:
            self._asked = asked
            if not waits:
                self.order("labels")

    def inherit(self, bundle: Bundle, asked: bytes) -> Bundle:
        """``bundle`` with the routes that a predecessor had from labels."""
        try:
            labelling = Labelling(bundle, bundle.version, asked)
            labelling.wait()
            bundle = labelling.bundle()
        except (ConfigError, OSError) as error:
            log.line(f"Routes from labels are not applied: {error}", log.WARNING)
        else:
            self.granted = self._asked = asked
        return bundle

    @property
    def pids(self) -> set[int]:
        """The loader's."""
        return {self._loader.pid} if self._loader is not None else set()

    @property
    def orders(self) -> int:
        """How many wait for an answer."""
        return len(self._queue) + len(self._numbers)

    def _next(self) -> None:
        if self._loader is not None or self._rollout is not None or not self._queue:
            return
        self._what = self._queue[0][0]
        self._numbers = [number for what, number in self._queue if what == self._what and number is not None]
        self._queue = [(what, number) for what, number in self._queue if what != self._what]
        fleet = self._fleet
        if fleet.stopping:
            self._end(False, f"Reload refused: {_STOPPING}")
            return
        running = fleet.bundle if self._what == "dry-run" else None
        if running is None:
            self._version += 1
            if self._what != "labels":
                self._notifier.reloading()
        try:
            self._loader = self._begin(running)
        except OSError as error:
            self._end(False, f"Reload refused, {_STAYS}: {error.strerror}")
            return
        self._poll.register(self._loader.descriptor, select.POLLIN)

    def _begin(self, running: Bundle | None) -> Loader | Labelling:
        """Of the file, with what labels have; or of what labels ask for, with what the file has."""
        self._attempted = self._asked if self._what == "labels" else self.granted
        if self._what == "labels":
            return Labelling(self._fleet.bundle, self._version, self._attempted)
        self._path, prepare = self._main.attempt(self._what)
        return Loader(self._path, self._version, running, asked=self._attempted, prepare=prepare)

    def look_after(self, now: float) -> None:
        """What time brings."""
        if self._loader is not None and now >= self._loader.deadline:
            self._loader.kill()
        if now >= self._label_at and not self._fleet.stopping:
            self._label_at = inf
            self.order("labels")
        rollout = self._rollout
        if rollout is None:
            return
        if rollout.canary is not None and not rollout.committed and rollout.canary not in self._fleet.processes():
            self._refuse(rollout, "the canary worker has died")
        elif not rollout.committed and self._is_called_off():
            self._refuse(rollout, "it was cancelled")
        elif now >= rollout.deadline:
            self._late(rollout)
        else:
            self.step()

    def read(self) -> None:
        """The loader says something."""
        loader = self._loader
        if loader is None or not loader.read():
            return
        self._poll.unregister(loader.descriptor)
        self._loader = None
        if self._fleet.stopping:
            self._end(False, f"Reload refused: {_STOPPING}")
            return
        added: list[str] = []
        unchanged: list[str] = []
        try:
            if isinstance(loader, Labelling):
                bundle = loader.bundle()
                if bundle.config == self._fleet.bundle.config:
                    self.granted = self._attempted
                    self._next()
                    return
            elif self._what == "dry-run":
                self._end(True, loader.difference())
                return
            else:
                loaded = loader.result()
                config, unchanged = kept(self._fleet.bundle.config, loaded.bundle.config, self._path)
                bundle = msgspec.structs.replace(loaded.bundle, config=config)
                self._fleet.secrets.attempt(Certificates(loaded, self._path, self._poll))
            self._fleet.check_room(bundle, self._fleet.workers_wanted(bundle))
            self._fleet.control.operators.add(bundle.config.settings)
            added = self._fleet.listeners.add(bundle.config)
            members = self._fleet.control.adopt(self._fleet.bundle, bundle)[0]
            self._fleet.logs.attempt(bundle.config)
        except (ConfigError, sockets.BindError) as error:
            is_file = isinstance(error, ConfigError) and self._what != "labels"
            about = "Error parsing config file: " if is_file else ""
            lines = "\n".join(f"{about}{line}" for line in str(error).split("\n"))
            self._fleet.secrets.refuse()
            self._end(False, f"{_REFUSED.get(self._what, 'Reload refused')}, {_STAYS}.\n{lines}")
            return
        except OSError as error:
            self._fleet.secrets.refuse()
            self._fleet.listeners.drop(added)
            refused = _REFUSED.get(self._what, "Reload refused")
            self._end(False, f"{refused}, {_STAYS}: {error.filename or 'rsp'}: {why(error)}")
            return
        if not self._fleet.wanted_slots():  # after WINCH
            for slot in self._fleet.slots[:MOST_WORKERS]:
                slot.wanted = True
        # Not of labels: one container whose responses are errors would keep all others out.
        is_tried = self._what in ("reload", "version")
        trial = float(bundle.config.settings.reload.canary) if is_tried else 0.0
        series = self._fleet.control.series
        self._rollout = Rollout(bundle, members, series, self._fleet.secrets, self._fleet.logs, added, trial)
        self._rollout.unchanged = unchanged
        self._fleet.control.consider(bundle, trial)
        self.step()

    def members_changed(self) -> None:
        """New addresses of names are known."""
        fleet, rollout = self._fleet, self._rollout
        fleet.control.refresh()
        if rollout is None or rollout.committed:
            return
        update = news(rollout.members)
        if update is not None and rollout.canary is not None:
            for part in in_turns(update):
                rollout.canary.send(part)
        self.step()

    # -- the rollout

    def step(self) -> None:
        """Names first, then the canary, then all workers; done when all have answered."""
        rollout, fleet = self._rollout, self._fleet
        if rollout is None:
            return
        if not rollout.committed and (fleet.stopping or self._is_orphaned):
            self._refuse(rollout, _STOPPING if fleet.stopping else _ORPHANED)
            return
        if not rollout.committed and not self._tried(rollout):
            return
        version = rollout.bundle.version
        if any(slot.process is not None and not slot.process.serves(version) for slot in fleet.slots):
            return
        self._rollout = None
        wanted = fleet.workers_wanted(rollout.bundle)
        if not fleet.overridden and wanted != fleet.wanted_slots():
            fleet.scale(wanted)
        text = f"Reloaded: version {version} ({rollout.bundle.digest[:12]}), listening on {fleet.listeners.where()}."
        self._end(True, text + rollout.report, unchanged=rollout.unchanged)

    def _tried(self, rollout: Rollout) -> bool:
        """Whether all may follow."""
        if rollout.canary is None:
            if rollout.members.unknown and time.monotonic() < rollout.names_until:
                return False
            slot = self._canary()
            if slot is not None:
                self._fleet.trying = rollout.canary = slot.process
                rollout.send(slot, trial=True)
                return False
        elif rollout.canary.version != rollout.bundle.version:
            return False
        elif rollout.over_at == inf:
            rollout.begin(*self._samples(rollout.canary))
        if rollout.canary is not None and rollout.trial:
            wrong = self._judge(rollout, rollout.canary)
            if wrong is not None:
                self._refuse(rollout, wrong)
                return False
            if time.monotonic() < rollout.over_at:
                return False
        self._commit(rollout)
        return True

    def _canary(self) -> Slot | None:
        ready = (slot for slot in self._fleet.slots if slot.process is not None and slot.process.version)
        return next(ready, None)

    def _samples(self, canary: Process) -> tuple[Sample, Sample]:
        """What the canary has ever answered, and what all have."""
        rows, places = self._fleet.rows, self._fleet.control.table.places
        return rows.sample(canary.row_number, places), rows.sample_of_all(places)

    def _judge(self, rollout: Rollout, canary: Process) -> str | None:
        """What is wrong, as a clause, compared with the others; where they had too little to do, with all before."""
        own, all_workers = self._samples(canary)
        trial = own - rollout.before
        others = all_workers - rollout.all_before - trial
        rules = rollout.bundle.config.settings.reload
        compared_with = "the others"
        if others.requests < rules.requests:
            others, compared_with = rollout.all_before, "before"
        enough = min(trial.requests, others.requests) >= rules.requests
        verdict = f"{compared_with}: {others}" if enough else "too few requests for a comparison"
        rollout.report = f"  Canary for {rollout.trial:g} s: {trial}; {verdict}."
        wrong = fault(trial, others, rules)
        return wrong and f"with the new configuration, {wrong} ({trial.requests} requests)"

    def _commit(self, rollout: Rollout) -> None:
        fleet = self._fleet
        rollout.committed = True
        rollout.extend()
        for line, is_warning in changes(fleet.bundle.config, rollout.bundle.config):
            log.line(line, log.WARNING if is_warning else log.INFO)
        fleet.bundle, self.granted = rollout.bundle, self._attempted
        # Before the workers leave these addresses: what is queued is theirs to answer, and no more may queue then.
        fleet.listeners.drop_all_but(rollout.bundle.config)
        self._main.commit(self._what, self._path)
        log.use(fleet.bundle.config.settings.log_level, fleet.bundle.config.settings.log_format)
        log.catch()
        fleet.logs.commit(rollout.bundle.config)
        fleet.trying = None
        fleet.secrets.commit()
        fleet.control.configure(rollout.bundle, rollout.members, fleet.secrets)
        for slot in fleet.slots:
            if slot.process is None and slot.wanted and slot.restart_at is None:
                fleet.start(slot)
            elif slot.process is not None and slot.process is rollout.canary:
                slot.process.send(channel.Settle(rollout.bundle.version))
            elif slot.process is not None:
                rollout.send(slot)
        fleet.control.adopt(rollout.bundle)  # what was found meanwhile

    def _late(self, rollout: Rollout) -> None:
        if not rollout.committed:
            self._refuse(rollout, "the canary worker does not respond")
            return
        # A worker does not follow where others went without trouble: start it anew with the new version.
        for slot in self._fleet.slots:
            if slot.process is not None and not slot.process.serves(rollout.bundle.version):
                slot.process.signal(signal.SIGKILL)
        rollout.extend()

    def _refuse(self, rollout: Rollout, reason: str) -> None:
        """Back to what is in force."""
        fleet, canary = self._fleet, rollout.canary
        self._rollout = None
        fleet.trying = None
        fleet.logs.refuse()
        fleet.control.consider(None)
        fleet.secrets.refuse()
        fleet.control.adopt(fleet.bundle)
        slot = next((slot for slot in fleet.slots if slot.process is canary and canary is not None), None)
        if slot is not None:
            members, contents = fleet.control.members, fleet.control.series.contents
            configure(slot, fleet.bundle, members, contents, fleet.secrets, fleet.logs, [])
        fleet.listeners.drop(rollout.added)
        self._end(False, f"{_REFUSED.get(self._what, 'Reload refused')}, {_STAYS}: {reason}", rollout.bundle)

    def _end(self, good: bool, text: str, bundle: Bundle | None = None, unchanged: Sequence[str] = ()) -> None:
        """Tell how; then go on with the next one, if there are more orders.  ``unchanged``: lines about settings."""
        fleet = self._fleet
        numbers, self._numbers = self._numbers, []
        if self._what == "labels":
            if not good:
                log.line(text, log.ERROR)
                self._label_at = time.monotonic() + _LABELS_AGAIN
            self._next()
            return
        fleet.control.operators.keep(fleet.bundle.config.settings)
        fleet.control.report(numbers, self._what, good, text, bundle or fleet.bundle, unchanged)
        if self._what != "dry-run" and not fleet.stopping:
            self._notifier.ready(text.partition("\n")[0])
        self._next()
