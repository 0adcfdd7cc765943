"""Which version a node runs now: a pure decision, by what it has read and by its own monotonic clock.

Three rules, of which docs/many-nodes.md has the reasons:

- The author of a trial was alive when a change was written that this node has *witnessed*: it had read the record
  before, and then read another beat.  It was alive no earlier than the earlier reading was asked for.
- The trial's version runs until its deadline after that moment.  It is not begun with less than half of that left: the
  next beat, which comes soon if the author is alive, gives more.
- A trial that the node has left, in whatever way, is spent: it is not taken up again.  So is one that it finds at its
  start: it may have taken part in an earlier life, which the trial's version may have ended.  And so is one that it
  finds in a record older than the one before: the engine has lost writes, or was restored, and its author is gone.
"""

from math import inf
from typing import NamedTuple

from rsp.nodes.record import Record, Trial


class Wanted(NamedTuple):
    """``trial``: the id of the one that ``version`` belongs to; empty for what is confirmed."""

    version: str | None
    trial: str


class Course:
    """``node``: its name.  ``stable``: what it had confirmed before, if the engine cannot be reached."""

    def __init__(self, node: str, stable: str | None) -> None:
        self._node = node
        self._stable = stable
        self._record: Record | None = None
        self._asked_at = -inf
        self._alive_at = -inf  # the author of the trial, at least until then
        self._joined = ""
        self._spent = ""

    @property
    def record(self) -> Record | None:
        return self._record

    def read(self, record: Record, asked_at: float) -> None:
        """The engine has this record, or has had it at a moment since ``asked_at``."""
        before, self._record = self._record, record
        if before is None or record.trial is None or record.trial.id != self._joined:
            self._leave()
        if before is None or record.serial < before.serial:
            if record.trial is not None and record.trial.id != self._joined:
                self._spent = record.trial.id
        elif _signs(before.trial) != _signs(record.trial):
            self._alive_at = self._asked_at
        self._asked_at = asked_at
        if record.stable is not None:
            self._stable = record.stable

    def give_up(self) -> None:
        """The version that is tried cannot be run here."""
        self._leave()

    def _leave(self) -> None:
        if self._joined:
            self._spent, self._joined = self._joined, ""

    def wanted(self, now: float) -> Wanted:
        trial = self._record.trial if self._record is not None else None
        if trial is not None and self._takes_part(trial, now):
            self._joined = trial.id
            return Wanted(trial.version, trial.id)
        self._leave()
        return Wanted(self._stable, "")

    def _takes_part(self, trial: Trial, now: float) -> bool:
        if self._node not in trial.nodes or trial.id == self._spent:
            return False
        left = self._alive_at + trial.deadline - now
        return left > (0.0 if trial.id == self._joined else trial.deadline / 2)

    def due(self, now: float) -> float:
        """Seconds until ``wanted`` may say something else, if nothing is read until then."""
        trial = self._record.trial if self._record is not None else None
        return max(0.0, self._alive_at + trial.deadline - now) if trial is not None and self._joined else inf

    @property
    def spent(self) -> str:
        """The trial that was left last."""
        return self._spent


def _signs(trial: Trial | None) -> tuple[str, int] | None:
    return (trial.id, trial.beat) if trial is not None else None
