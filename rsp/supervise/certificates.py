"""The files of one configuration's TLS: watched, and read again by a child when they change.

The master looks at what the file system says of them; it never opens one.  A reading that fails changes nothing.
"""

import select
import time
from typing import Final

from rsp.config.errors import ConfigError
from rsp.config.schema import Config
from rsp.loader import Loaded, Renewal
from rsp.logs import log
from rsp.system.watch import Seen, look
from rsp.tls.stored import Stored

LOOK: Final = 1.0  # seconds between two looks
SETTLE: Final = 0.25  # seconds: files that change are read once they have stayed the same for this time,
_UNSETTLED: Final = 0.75  # or after this time
_AGAIN: Final = 10.0  # after a reading that failed, where no file changes before
_SET_BACK: Final = 60.0  # seconds by which a clock that is set back is so in earnest


class Certificates:
    """``main``: the configuration's file.  ``poll``: where the reader's descriptor is registered.

    ``stored``: what is in use.
    """

    def __init__(self, loaded: Loaded, main: str, poll: select.poll) -> None:
        self._poll = poll
        self.stored: Stored = loaded.stored
        self.config: Config = loaded.bundle.config
        self._main = main
        self._known: Seen = self.stored.found.seen  # what has been read
        self._last: Seen = self._known  # at the last look
        self._changed_at: float | None = None
        self._look_at = 0.0
        self._again_at: float | None = None  # once a reading has failed
        self._read_at = time.time()
        self._renewal: Renewal | None = None

    @property
    def descriptor(self) -> int:
        """The reader's; -1 when none runs."""
        return self._renewal.descriptor if self._renewal is not None else -1

    @property
    def pid(self) -> int:
        """The reader's; 0 when none runs."""
        return self._renewal.pid if self._renewal is not None else 0

    def wait(self, now: float) -> float:
        """Seconds until it wants to be looked after."""
        return LOOK if self._changed_at is None else max(0.0, self._look_at - now)

    def look_after(self, now: float) -> None:
        """Look, when it is time."""
        if self._renewal is not None:
            if now >= self._renewal.deadline:
                self._renewal.kill()
        elif now >= self._look_at and self.stored.found.reading.watch and self._look(now):
            self._read_again()

    def _look(self, now: float) -> bool:
        """Whether the files have to be read again."""
        last, self._last = self._last, look(self.stored.found.reading.watch)
        self._look_at = now + LOOK
        if self._last == self._known:
            self._changed_at = None
            return self._is_due(now)
        if self._changed_at is None:
            self._changed_at = now
        if self._last == last or now >= self._changed_at + _UNSETTLED:
            return True
        self._look_at = now + SETTLE
        return False

    def _is_due(self, now: float) -> bool:
        """Whether the same files have to be read once more."""
        if self._again_at is not None:
            return now >= self._again_at
        now = time.time()  # where it was set back, what has expired may be valid
        return now >= self.stored.found.reading.due or now < self._read_at - _SET_BACK

    def _read_again(self) -> None:
        self._changed_at = None
        self._read_at = time.time()
        try:
            self._renewal = Renewal(self.config, self._main, self.stored)
        except OSError as error:
            self._fail(error.strerror or str(error))
            return
        self._poll.register(self._renewal.descriptor, select.POLLIN)

    def read(self) -> bool:
        """The reader says something; whether something else is in use now."""
        renewal = self._renewal
        if renewal is None or not renewal.read():
            return False
        self._poll.unregister(renewal.descriptor)
        self._renewal = None
        try:
            stored = renewal.result()
        except ConfigError as error:
            self._fail("; ".join(error.messages))
            return False
        before, self.stored = self.stored, stored
        self._known = stored.found.seen
        self._again_at = None
        self.tell(before)
        same = before.holds_the_same(stored)
        before.close()
        return not same

    def tell(self, before: Stored | None) -> None:
        """What the log has not said of ``before``."""
        said = before.found.reading.notes if before is not None else ()
        for note in self.stored.found.reading.notes:
            if note not in said:
                log.line(note, log.WARNING)

    def _fail(self, why: str) -> None:
        log.once_a_second(
            "certificates", f"Certificates are not updated, the current ones stay in use: {why}", log.ERROR
        )
        self._known = self._last
        self._again_at = time.monotonic() + _AGAIN

    def close(self) -> None:
        if self._renewal is not None:
            self._poll.unregister(self._renewal.descriptor)
            self._renewal.abandon()
            self._renewal = None
        self.stored.close()
