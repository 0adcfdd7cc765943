"""The record of a site: which version each node runs.  Each change is a function of the record before.

There is one record, and it is replaced on condition that it has not changed (``site.py``), so of two changes that do
not know of each other one fails.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

FORMAT: Final = 1
MOST_NODES: Final = 10_000
SHORTEST: Final = 5.0  # seconds of a deadline: a node reads the record every third of it
DEADLINE: Final = 15.0
_BEATS: Final = 5  # within a deadline
_KEPT: Final = 20  # versions to which a site can go back

Version = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]  # hex SHA-256 of a bundle
NodeName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]
_Text = Annotated[str, Meta(max_length=200)]


class Trial(msgspec.Struct, frozen=True):
    """A roll-out under way: ``nodes`` run ``version`` for as long as they see ``beat`` change.

    ``deadline``: seconds after which they go back to what is confirmed.  ``by``: for messages.
    """

    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{1,64}\Z")]
    version: Version
    nodes: Annotated[tuple[NodeName, ...], Meta(max_length=MOST_NODES)]
    deadline: Annotated[float, Meta(ge=SHORTEST, le=3600)] = DEADLINE
    beat: Annotated[int, Meta(ge=0)] = 0
    by: _Text = ""

    @property
    def interval(self) -> float:
        """Seconds between two beats."""
        return self.deadline / _BEATS


class Confirmed(msgspec.Struct, frozen=True):
    """``at``: seconds since the epoch, for people; nothing is decided by it."""

    version: Version
    at: float = 0.0
    by: _Text = ""


class Record(msgspec.Struct, frozen=True):
    """``stable``: what every node runs that ``trial`` does not name.  ``history``: the newest first, ``stable``
    included.  ``serial``: of the write."""

    format: int = FORMAT
    serial: Annotated[int, Meta(ge=0)] = 0
    stable: Version | None = None
    history: Annotated[tuple[Confirmed, ...], Meta(max_length=_KEPT)] = ()
    trial: Trial | None = None

    def _next(self, **changes: object) -> "Record":
        return msgspec.structs.replace(self, serial=self.serial + 1, **changes)

    def begin(self, trial: Trial) -> "Record":
        return self._next(trial=trial)

    def beat(self, nodes: tuple[str, ...] | None = None) -> "Record":
        """The author of the trial is alive; ``nodes``: which try the version from now on, if others than before."""
        trial = self.trial
        if trial is None:
            raise ValueError("there is no rollout")
        now = trial.nodes if nodes is None else nodes
        return self._next(trial=msgspec.structs.replace(trial, beat=trial.beat + 1, nodes=now))

    def confirm(self, version: str, by: str, at: float) -> "Record":
        """``version`` for all; what was tried is over."""
        others = tuple(each for each in self.history if each.version != version)
        history = (Confirmed(version, at, by[:200]), *others)[:_KEPT]
        return self._next(stable=version, history=history, trial=None)

    def abort(self) -> "Record":
        return self._next(trial=None)

    @property
    def versions(self) -> set[str]:
        """Whose bundles are needed."""
        named = {each.version for each in self.history}
        return named | ({self.trial.version} if self.trial is not None else set())


_decoder = msgspec.json.Decoder(Record)


def decode(data: bytes) -> Record:
    """Raises :class:`ValueError` with a clause."""
    try:
        record = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError(f"the record of the site is not valid: {str(error)[:200]}") from None
    if record.format != FORMAT:
        raise ValueError(f"the record of the site has format {record.format}; this version of rsp knows {FORMAT}")
    return record


encode = msgspec.json.Encoder().encode
