"""The control process as the master sees it, and what the two of them keep: who the upstreams' peers are.

The control process looks names up and checks health; the master only notes what it says and passes it on.  When it
dies it is started again, and nothing that carries traffic notices.
"""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterable

from rsp import channel, log
from rsp.admin_socket import AdminSocket
from rsp.channel import Bundle
from rsp.child import Process, Slot, spawn
from rsp.members import Members, Table
from rsp.scoreboard import CONTROL_ROW, Cell, Scoreboard
from rsp.worker import Instance


class Steward:
    """``tell_workers(message, descriptors)`` reaches all of them.  ``members``: as the workers have them."""

    def __init__(self, scoreboard: Scoreboard, tell_workers: Callable[[channel.Message, list[int]], None]) -> None:
        self.slot = Slot(-1)
        self.members = Members(0, {}, [])
        self.table = Table(scoreboard)
        self._scoreboard = scoreboard
        self._tell_workers = tell_workers
        self._admin: AdminSocket | None = None

    @property
    def process(self) -> Process | None:
        return self.slot.process

    def open(self, bundle: Bundle) -> None:
        """Before anybody is started."""
        self.prepare(bundle)
        self.members = self.table.current
        self._admin = AdminSocket.open(bundle.config.settings)

    def start(self, instance: Instance, close: Iterable[socket.socket]) -> Process | None:
        """Fork the control process; a fork that fails is tried again."""
        self.slot.restart_at = None
        row = self._scoreboard.row(CONTROL_ROW)
        for cell in Cell:
            row[cell] = 0
        admin = self._admin.sock if self._admin is not None else None
        path = self._admin.path if self._admin is not None else ""

        def run(end: socket.socket) -> int:
            from rsp.control.process import Control  # what only it needs is no burden to the master and the workers

            return Control(instance, end, admin, path).run()

        try:
            self.slot.process = spawn("The control process", run, row, CONTROL_ROW, close)
        except OSError as error:
            log.once_a_second("fork", f"The control process cannot be started: {error.strerror}")
            self.slot.restart_at = time.monotonic() + 1.0
        return self.slot.process

    def owned(self) -> list[socket.socket]:
        """What is not a worker's business."""
        return [self._admin.sock] if self._admin is not None else []

    def ended(self, process: Process, how: str) -> None:
        """It has died, which nobody told it to."""
        delay = self.slot.ended(process)
        self.slot.process = None
        again = f"in {delay:.1f} s" if delay else "now"
        log.line(f"The control process (pid {process.pid}) {how}; it is started again {again}")

    def tell(self, message: channel.Message, descriptors: list[int] | None = None) -> None:
        if self.slot.process is not None:
            self.slot.process.send(message, descriptors)

    def close(self) -> None:
        """At the end; nobody needs it any more."""
        process = self.slot.process
        if process is not None:
            process.signal(signal.SIGTERM)
            give_up = time.monotonic() + 2.0
            while process.reap() is None:
                if time.monotonic() > give_up:
                    process.signal(signal.SIGKILL)
                time.sleep(0.01)
        if self._admin is not None:
            self._admin.close()

    # -- members

    def prepare(self, bundle: Bundle) -> Members:
        """The members for a configuration that may come into force; whoever is told of others still has theirs."""
        self.table.arrange(bundle.config)
        for name in sorted(self.table.overflow):
            log.once_a_second(f"overflow {name}", f'upstream "{name}": too many peers; some are left out')
        return self.table.current

    def adopt(self, bundle: Bundle) -> None:
        """``bundle`` is in force: everybody gets its members."""
        if self.prepare(bundle) != self.members:
            self.members = self.table.current
            memfd = channel.to_memfd(self.members)
            self._tell_workers(channel.Update(), [memfd])
            self.tell(channel.Update(), [memfd])
            os.close(memfd)

    def configure(self, bundle: Bundle, members: Members) -> None:
        """The control process follows when the workers begin to."""
        self.members = members
        descriptors = [channel.to_memfd(bundle), channel.to_memfd(members)]
        self.tell(channel.Configure(bundle.version, []), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
