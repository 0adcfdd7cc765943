"""A new configuration on its way to the workers: one tries it, then all follow, or none does."""

import time
from math import inf
from typing import Final

from rsp.ipc import channel
from rsp.ipc.channel import Bundle
from rsp.ipc.peer_registry import Arrangement
from rsp.ipc.peer_table import PATIENCE_WITH_NAMES
from rsp.ipc.series_table import SeriesRegistry
from rsp.ipc.sheet import Contents
from rsp.supervise.canary import Sample
from rsp.supervise.child import Process, Slot
from rsp.supervise.log_files import LogFiles
from rsp.supervise.secrets import Secrets
from rsp.system.memory import sealed

_PATIENCE: Final = 10.0
_TICK: Final = 1.0


class Rollout:
    """``members``: of its upstreams.  ``added``: addresses that are new in ``bundle``; their sockets travel with it.

    ``logs``: the files of access logs.  ``trial``: seconds.
    """

    def __init__(
        self,
        bundle: Bundle,
        members: Arrangement,
        series: SeriesRegistry,
        secrets: Secrets,
        logs: LogFiles,
        added: list[str],
        trial: float,
    ) -> None:
        self.bundle = bundle
        self.members = members
        self._series = series
        self._secrets = secrets
        self.added = added
        self._logs = logs
        self.trial = trial
        self.canary: Process | None = None
        self.committed = False
        self.over_at = inf  # the trial has had its time, and everything in it has been counted
        self.report = ""  # of the trial, for the log
        self.unchanged: list[str] = []  # lines about settings of the file that a reload does not change
        self.before = Sample(0, 0, 0, 0.0)  # what the canary had answered by then, and what all had
        self.all_before = Sample(0, 0, 0, 0.0)
        self.names_until = time.monotonic() + PATIENCE_WITH_NAMES
        self.deadline = 0.0
        self.extend()

    def extend(self) -> None:
        self.deadline = time.monotonic() + _PATIENCE

    def begin(self, canary: Sample, all_workers: Sample) -> None:
        """The canary serves it."""
        self.over_at = time.monotonic() + self.trial + (_TICK if self.trial else 0.0)
        self.deadline = self.over_at + _PATIENCE
        self.before, self.all_before = canary, all_workers

    def send(self, slot: Slot, *, trial: bool = False) -> None:
        """Give the bundle, and the slot's sockets for the new addresses, to the slot's worker."""
        contents = self._series.contents
        configure(slot, self.bundle, self.members, contents, self._secrets, self._logs, self.added, trial=trial)


def configure(
    slot: Slot,
    bundle: Bundle,
    members: Arrangement,
    contents: Contents,
    secrets: Secrets,
    logs: LogFiles,
    added: list[str],
    *,
    trial: bool = False,
) -> None:
    """Tell the slot's worker what it serves from now on."""
    if slot.process is None:
        return
    certificates = (secrets.tried or secrets.certificates) if trial else secrets.certificates
    with (
        sealed(channel.pack(bundle)) as first,
        sealed(channel.pack(members.table())) as second,
        secrets.for_worker(certificates) as others,
        sealed(channel.pack(contents)) as third,
    ):
        sockets = [slot.sockets[address].fileno() for address in added]
        files = logs.descriptors(tried=trial)
        descriptors = [first, second, *others, third, *files.values(), *sockets]
        slot.process.send(channel.Configure(bundle.version, added, list(files), trial), descriptors)
