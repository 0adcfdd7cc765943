"""Orphan sockets: those of a slot without a worker.  A sibling accepts from them until the slot has a worker again.

A socket is never closed while connections may be queued in it; nginx and gunicorn drop those.
"""

import time
from collections.abc import Iterable
from typing import Final

from rsp.config.schema import Config
from rsp.ipc import channel
from rsp.supervise.child import Process, Slot
from rsp.supervise.listeners import Listeners

_ADOPT_AFTER: Final = 0.5  # seconds; a worker that is back sooner finds the connections in its own queue


def adopt(slots: Iterable[Slot], listeners: Listeners, config: Config) -> None:
    """Give the sockets of slots that have no worker, and will not soon, to a worker of another slot.

    ``config``: the one in force, whose listeners these are.
    """
    soon = time.monotonic() + _ADOPT_AFTER
    workers = [slot.process for slot in slots if slot.process is not None and slot.process.version]
    for slot in slots:
        back_soon = slot.restart_at is not None and slot.restart_at <= soon
        if slot.process is None and slot.adopter is None and not back_soon and workers:
            slot.adopter = workers[0]
            own = listeners.own_sockets(slot, config)
            workers[0].send(channel.Adopt(slot.index, list(own)), [sock.fileno() for sock in own.values()])


def lose(slots: Iterable[Slot], adopter: Process) -> None:
    """The worker ``adopter`` is leaving; what it had adopted is without a worker again."""
    for slot in slots:
        if slot.adopter is adopter:
            slot.adopter = None


def release(slot: Slot) -> None:
    """The slot has a worker of its own again."""
    if slot.adopter is not None:
        slot.adopter.send(channel.Release(slot.index))
        slot.adopter = None
