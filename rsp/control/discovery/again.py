"""What is followed for ever, whatever happens to it: why it failed, when it is tried again, what the log has had."""

from typing import Final

from rsp.engines.failures import Unreachable, plain

PAUSES: Final = (
    0.2,
    2.0,
)  # seconds between attempts; longer, and a change is late after an outage
MOST_COMPLAINTS: Final = 10  # lines a second, of one source
_MOST: Final = 1000  # complaints that are remembered


class Complaints:
    """Each is made once: an entry, or a label, may be wrong for days.  ``made``: those of late."""

    def __init__(self) -> None:
        self.made: set[str] = set()

    def is_new(self, text: str) -> bool:
        if text in self.made:
            return False
        if len(self.made) >= _MOST:
            self.made.clear()
        self.made.add(text)
        return True


def clause(error: Exception) -> str:
    """Why following has ended, for the log: no error of a source ends more than that."""
    if isinstance(error, Unreachable):
        return plain(str(error))
    if isinstance(error, ImportError):  # the process cannot read it any more
        return plain(f"its client library cannot be loaded: {error}; restart rsp")
    return plain(f"it cannot be followed: {type(error).__name__}: {error}")
