"""Keys of session tickets: made here, handed to workers, never written to disk."""

import os
from typing import Final

SIZE: Final = 80  # bytes: name 16, HMAC 32, AES 32
LIFETIME: Final = 12 * 3600.0  # seconds that a key seals tickets; another so long it opens them


class Tickets:
    """``keys``: the one in use, the next one, the last one.  All workers know a key long before the first of them uses
    it, so a ticket of one worker never meets another that cannot open it.

    ``since``: when the first one came into use, by the monotonic clock of the machine.
    """

    def __init__(self, now: float) -> None:
        self.keys = [os.urandom(SIZE), os.urandom(SIZE)]
        self.since = now

    def inherit(self, keys: list[bytes], since: float) -> None:
        """A predecessor's, if they are any."""
        if len(keys) >= 2 and all(len(key) == SIZE for key in keys):
            self.keys, self.since = keys[:3], min(since, self.since)

    def rotate(self, now: float) -> bool:
        """When it is time; whether it was."""
        if now < self.since + LIFETIME:
            return False
        used, following = self.keys[:2]
        self.keys = [following, os.urandom(SIZE), used]
        self.since = now
        return True
