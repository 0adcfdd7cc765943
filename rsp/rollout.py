"""A new configuration on its way to the workers: one tries it, then all follow, or nobody does."""

import os
import time
from typing import Final

from rsp import channel
from rsp.channel import Bundle
from rsp.child import Process, Slot
from rsp.members import Members

_PATIENCE: Final = 10.0


class Rollout:
    """``members``: of its upstreams.  ``added``: addresses that are new in ``bundle``; their sockets travel with it."""

    def __init__(self, bundle: Bundle, members: Members, added: list[str]) -> None:
        self.bundle = bundle
        self.members = members
        self.added = added
        self.canary: Process | None = None
        self.committed = False
        self.deadline = time.monotonic() + _PATIENCE

    def extend(self) -> None:
        self.deadline = time.monotonic() + _PATIENCE

    def send(self, slot: Slot) -> None:
        """Give the bundle, and the slot's sockets for the new addresses, to the slot's worker."""
        if slot.process is None:
            return
        memfds = [channel.to_memfd(self.bundle), channel.to_memfd(self.members)]
        descriptors = [*memfds, *(slot.sockets[address].fileno() for address in self.added)]
        slot.process.send(channel.Configure(self.bundle.version, self.added), descriptors)
        for memfd in memfds:
            os.close(memfd)
