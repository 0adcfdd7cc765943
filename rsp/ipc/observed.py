"""What all processes of an instance share so that it can be seen what they do."""

from dataclasses import dataclass

from rsp.ipc.scoreboard import Scoreboard
from rsp.ipc.sheet import Sheet
from rsp.ipc.tap import Tap
from rsp.ipc.watches import Watches


@dataclass(frozen=True)
class Observed:
    """Made before forking; children share it."""

    sheet: Sheet
    tap: Tap
    watches: Watches

    @classmethod
    def make(cls, board: Scoreboard) -> "Observed":
        return cls(Sheet(board), Tap(), Watches())
