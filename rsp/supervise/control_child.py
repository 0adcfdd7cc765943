"""The control process as the master sees it, and what the two of them keep: the peers of each upstream.

The control process looks names up and checks health; the master only notes what it says and passes it on.  When it
dies it is started again, and nothing that carries traffic notices.
"""

import dataclasses
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from rsp.config.schema import Config, Settings
from rsp.config.units import Peer
from rsp.ipc import channel
from rsp.ipc.admin_socket import AdminSocket
from rsp.ipc.channel import Bundle
from rsp.ipc.instance import Instance
from rsp.ipc.packets import Broken
from rsp.ipc.peer_registry import Arrangement, PeerRegistry
from rsp.ipc.peer_table import MOST_TARGETS, PeerTable, changes_of, in_parts
from rsp.ipc.scoreboard import CONTROL_ROW, RETIRED_ROW
from rsp.ipc.series_table import SeriesRegistry
from rsp.ipc.sheet import Sheet
from rsp.ipc.worker_cells import CONTROL_RESTARTS, RELOADS, RELOADS_REFUSED
from rsp.logs import log
from rsp.supervise.child import Closable, Process, Slot, spawn
from rsp.supervise.main_file import MainFile
from rsp.supervise.operator_sockets import OperatorSockets
from rsp.supervise.secrets import Secrets
from rsp.supervise.upgrade import Given, Standing, known, restore_orders
from rsp.system.memory import sealed


class ControlChild:
    """``tell_workers(message, descriptors)`` reaches all that serve what is in force.  ``members``: what they have.
    ``main``: the configuration's file.  ``given``: a predecessor's sockets."""

    def __init__(self, sheet: Sheet, tell_workers: Callable[[channel.Message, list[int]], None], given: Given) -> None:
        scoreboard = sheet.board
        self.slot = Slot(-1)
        self.members: Arrangement
        self.table = PeerRegistry(scoreboard)
        self.series = SeriesRegistry(sheet)
        self.main: MainFile
        self.operators = OperatorSockets(given)
        self._settings: Settings
        self._scoreboard = scoreboard
        self._counts = scoreboard.row(RETIRED_ROW)  # the master's own
        self._tell_workers = tell_workers
        self._admin: AdminSocket | None = None
        self._last: channel.Outcome | None = None
        self._ended_at = 0.0  # the last one

    @property
    def process(self) -> Process | None:
        return self.slot.process

    def open(self, bundle: Bundle, *, later: bool) -> None:
        """Before any child is started.  ``later``: a predecessor still has the admin socket's path."""
        self.members = self._arrange(bundle)[0]
        self._settings = bundle.config.settings
        self.operators.add(self._settings)
        self._admin = AdminSocket.open(bundle.config.settings, later=later)

    def standings(self) -> list[Standing]:
        """The state of every peer, for a successor."""
        return known(self.table, self._scoreboard)

    def take_over(self, peers: list[Standing]) -> None:
        """The predecessor has let go; ``peers`` are as operators left them."""
        restore_orders(peers, self.table, self._scoreboard)
        if self._admin is not None:
            self._admin.install()
        self.operators.take_over()
        self._tell_sites()

    def hand_over(self) -> None:
        """A successor answers operators."""
        self.operators.hand_over()
        self._tell_sites()

    def _tell_sites(self) -> None:
        sites = self.operators.of(self._settings)
        addresses = {name: str(address) for name, (address, _) in sites.items()}
        self.tell(channel.Sites(addresses), [sock.fileno() for _, sock in sites.values()])

    def start(self, instance: Instance, close: Iterable[Closable]) -> Process | None:
        """Fork the control process; a fork that fails is tried again."""
        self.slot.restart_at = None
        row = self._scoreboard.row(CONTROL_ROW)
        row.clear()
        admin = self._admin.sock if self._admin is not None else None
        path = self._admin.path if self._admin is not None else ""
        instance = dataclasses.replace(instance, told_until=self._ended_at)
        file, node = os.path.abspath(self.main.path), self.main.node  # noqa: PTH100 - links may change

        def run(end: socket.socket) -> int:
            from rsp.control.process import Control  # what only it needs is no burden to the master and the workers

            return Control(instance, end, admin, path, file, node).run()

        try:
            close = {*close, *self.operators.open()}
            self.slot.process = spawn("The control process", channel.CONTROL, run, row, CONTROL_ROW, close)
        except OSError as error:
            log.once_a_second("fork control", f"The control process cannot be started: {error.strerror}")
            self.slot.restart_at = time.monotonic() + 1.0
        self._tell_sites()
        if self._last is not None:
            self.tell(self._last)
        return self.slot.process

    def owned(self) -> list[socket.socket]:
        """What is not a worker's business."""
        return [*self.operators.open(), *([self._admin.sock] if self._admin is not None else [])]

    def ended(self, process: Process, how: str, *, stopping: bool) -> None:
        """It has died without an order."""
        if stopping:
            self.slot.process = None
            return
        delay = self.slot.ended(process)
        self.slot.process = None
        self._ended_at = time.time()
        self._counts[CONTROL_RESTARTS] += 1
        self._scoreboard.retire(CONTROL_ROW, 0)
        again = f"in {delay:.1f} s" if delay else "now"
        log.line(f"{process.name} {how}; it is restarted {again}", log.WARNING)

    def tell(self, message: channel.Message, descriptors: Sequence[int] = ()) -> None:
        if self.slot.process is not None:
            self.slot.process.send(message, descriptors)

    def report(
        self, numbers: list[int], what: str, good: bool, text: str, bundle: Bundle, warnings: Sequence[str] = ()
    ) -> None:
        """Answer the orders ``numbers``, and note in the log and in the status, how that ended."""
        text, *warnings = (_printable(each) for each in (text, *warnings))
        whole = "\n".join((text, *warnings))
        outcome = channel.Outcome(numbers, what, good, whole, bundle.version, bundle.digest, time.time())
        if what != "dry-run":
            log.line(text, log.INFO if good else log.ERROR)
            for line in warnings:
                log.line(line, log.WARNING)
            if what != "upgrade":
                self._counts[RELOADS if good else RELOADS_REFUSED] += 1
            self._last = msgspec.structs.replace(outcome, numbers=[])
        self.tell(outcome)

    def close(self) -> None:
        """At the end."""
        process = self.slot.process
        if process is not None:
            process.signal(signal.SIGTERM)
            give_up = time.monotonic() + 2.0
            while process.reap() is None:
                if time.monotonic() > give_up:
                    process.signal(signal.SIGKILL)
                time.sleep(0.01)
        self.operators.close()
        if self._admin is not None:
            self._admin.close()

    # -- members

    @property
    def peers(self) -> PeerTable:
        """For a child that begins."""
        return self.members.table()

    def _arrange(self, *bundles: Bundle) -> list[Arrangement]:
        arranged = self.table.arrange(*(bundle.config for bundle in bundles))
        self._tell_overflow()
        self._arrange_series([bundle.config for bundle in bundles])
        return arranged

    def _tell_overflow(self) -> None:
        for name in sorted(self.table.overflow):
            log.once_a_second(f"overflow {name}", f'upstream "{name}": too many peers; some of them are not used')

    def _arrange_series(self, configs: list[Config]) -> None:
        before = self.series.contents
        contents = self.series.arrange(*configs)
        if contents is before:
            return
        with sealed(channel.pack(contents)) as descriptor:
            self.tell(channel.Counted(), [descriptor])
        if self.series.overflow:
            many = f'{self.series.overflow} of them share the series "other"'
            log.line(f"Too many routes, upstreams and listeners for separate counters: {many}", log.WARNING)

    def adopt(self, bundle: Bundle, *tried: Bundle) -> list[Arrangement]:
        """``bundle`` is in force, and all children have its members.  Returns those of ``tried``."""
        self.members, *others = self._arrange(bundle, *tried)
        self._tell_changes()
        return others

    def refresh(self) -> None:
        """New addresses of names are known: all children are told the changes."""
        self.table.refresh()
        self._tell_overflow()
        self._tell_changes()

    def _tell_changes(self) -> None:
        update = news(self.members)
        if update is None:
            return
        self.tell(update)
        for part in in_turns(update):
            self._tell_workers(part, [])

    def learn(self, found: channel.Found | channel.FoundChange) -> bool:
        """What a name stands for, unless no configuration has it any more.  Raises :class:`Broken`."""
        name, table = Peer(found.name), self.table
        if name not in table.names:
            return False
        if isinstance(found, channel.Found):
            table.learn(name, found.targets)
            return True
        if table.count(name) < 0:  # said of a configuration before the last one; all of it is on its way
            return False
        if table.count(name) + len(found.come) > 2 * MOST_TARGETS:
            raise Broken("more targets for a name than are supported")
        table.change(name, found.come, found.gone)
        return True

    def consider(self, bundle: Bundle | None, seconds: float = 0.0) -> None:
        """``bundle`` is tried for ``seconds``; ``None``: not any more."""
        if bundle is None:
            self.tell(channel.Consider())
            return
        with sealed(channel.pack(bundle)) as descriptor:
            self.tell(channel.Consider(bundle.version, bundle.digest, seconds), [descriptor])

    def configure(self, bundle: Bundle, members: Arrangement, secrets: Secrets) -> None:
        """The control process follows when the workers begin to."""
        self.members = members
        self._settings = bundle.config.settings
        with (
            sealed(channel.pack(bundle)) as first,
            sealed(channel.pack(members.table())) as second,
            secrets.for_control() as others,
        ):
            self.tell(channel.Configure(bundle.version), [first, second, *others])
        self._tell_sites()


def _printable(text: str) -> str:
    """The name of a file may be any bytes."""
    return text.encode("utf-8", "backslashreplace").decode()


def news(members: Arrangement) -> channel.Update | None:
    """For processes that have ``members`` as they were when this was asked last; ``None``: nothing is new."""
    changed, names = members.taken()
    if not changed and not names:
        return None
    return channel.Update({name: changes_of(each) for name, each in changed.items()}, members.unknown)


def in_turns(update: channel.Update) -> Iterator[channel.Update]:
    """For workers, which act on each in a turn of its own."""
    for name, changes in update.changes.items():
        for part in in_parts(changes):
            yield channel.Update({name: part}, update.unknown)
    if not update.changes:
        yield update
