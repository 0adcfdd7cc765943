"""One worker: an event loop, listeners, and the configuration in force.

Forked by the master, never executed anew, so it runs the code that its master runs.  Rules: everything that it
needs from outside comes over the channel; it ends by itself when the master is gone.
"""

import asyncio
import faulthandler
import gc
import os
import signal
import socket
import time
from typing import Final

import msgspec
import uvloop
from setproctitle import setproctitle

from rsp.config.errors import ConfigError
from rsp.config.schema import Config
from rsp.engines.stores import Stores
from rsp.exchange.accepting import Accepting
from rsp.exchange.assemble import assemble
from rsp.exchange.forward.script_roots import tell_of_roots
from rsp.exchange.handlers.file_roots import tell_of_file_roots
from rsp.exchange.hooks.hooks import Hooks
from rsp.exchange.service import HttpService
from rsp.exchange.watched import Watched
from rsp.ipc import channel
from rsp.ipc.channel import Bundle, Configure
from rsp.ipc.counting import Counting
from rsp.ipc.instance import Instance
from rsp.ipc.packets import Broken, Stuck, close_all
from rsp.ipc.peer_table import PeerTable
from rsp.ipc.sheet import Contents
from rsp.ipc.worker_cells import CUT, CUT_TUNNELS, IN_FLIGHT, LEAVING, LOG_LINES_LOST, LOOP_LAG, VERSION
from rsp.logs import log
from rsp.logs.access_logs import AccessLogs
from rsp.logs.defects import unexpected
from rsp.net.acceptor import Acceptor
from rsp.net.context import WorkerContext
from rsp.net.handshake import Handshakes
from rsp.net.neighbours import Neighbours
from rsp.net.poller import Poller
from rsp.system import core
from rsp.system.affinity import Affinity
from rsp.system.memory import content
from rsp.system.privileges import Identity
from rsp.tls.contexts import ContextError
from rsp.tls.material import Keyring, unpack
from rsp.tls.names import ServerNames

_TICK: Final = 1.0
_HURRY: Final = 0.01
# While draining, a client on an idle connection has so long to send one last request.
_GRACE: Final = 0.5


class Worker:
    """``sockets``: the slot's own listening sockets by address.  ``first``: report peers that cannot be reached."""

    def __init__(
        self,
        instance: Instance,
        slot: int,
        sockets: dict[str, socket.socket],
        end: socket.socket,
        row_number: int,
        first: bool,
    ) -> None:
        self._instance = instance
        self._offset = slot / max(instance.workers, 1)
        self._bundle = instance.bundle
        self._members = instance.members
        self._sockets = {(slot, address): sock for address, sock in sockets.items()}
        self._slot = slot
        self._neighbours: Neighbours | None = None
        self._end = end
        self._channel = channel.Channel(end, channel.MASTER)
        self._row_number = row_number
        self._row = instance.scoreboard.row(row_number)
        self._first = first
        self._acceptors: dict[tuple[int, str], Acceptor] = {}
        self._context: WorkerContext
        self._service: HttpService
        self._handshakes: Handshakes
        self._accepting: Accepting
        self._keyring = Keyring()
        self._affinity = Affinity(slot)
        self._logs = AccessLogs(lambda count: self._context.stats.add(LOG_LINES_LOST, count))
        self._hurries = False  # lines wait for a daemon's queue
        self._told = False  # to end, by a signal
        self._stopped: asyncio.Event

    def run(self) -> int:
        """Serve until drained or killed; the exit status."""
        setproctitle(f"rsp: worker {self._slot}")
        # What a request makes ends with it, by counting references.  So there is next to nothing to collect, and
        # looking among thousands of connections takes a millisecond (docs/performance.md).
        gc.set_threshold(50_000, 20, 100)
        faulthandler.enable(2)  # the master's SIGABRT shows where a loop hangs
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH):
            signal.signal(number, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the master decides
        loop = uvloop.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.set_exception_handler(unexpected)
        try:
            return loop.run_until_complete(self._main(loop))
        finally:
            self._logs.close()

    async def _main(self, loop: asyncio.AbstractEventLoop) -> int:
        self._stopped = asyncio.Event()
        instance = self._instance
        poller = Poller(loop, leads=True)
        context = self._context = WorkerContext(instance.scoreboard, self._row_number, instance.secret, poller)
        self._service = HttpService(context)
        stores = context.stores = Stores(instance.store, context.stats)
        context.tickers += (self._logs, stores, Watched(context, instance.observed.tap, instance.observed.watches))
        context.tap = instance.observed.tap
        context.usage = instance.usage
        self._handshakes = Handshakes(context, self._service)
        self._accepting = Accepting(context, self._service, self._handshakes)
        if self._slot in instance.loads.inboxes:
            self._neighbours = Neighbours(context, instance.loads, self._slot, self._accepting.at)
        try:
            keyring = instance.keyring.content() if instance.keyring is not None else b""
            self._use(self._bundle, self._members, instance.contents, instance.logs, keyring, instance.renewable)
        except ConfigError as error:
            self._complain(error)
            return 1
        finally:
            if instance.keyring is not None:
                instance.keyring.close()
        Identity.of(self._bundle.config.settings).assume()
        self._tell_of_roots()
        for key in self._sockets:
            self._listen(key)
        self._share()
        loop.add_reader(self._end.fileno(), self._on_message)
        loop.add_signal_handler(signal.SIGTERM, self._leave_soon, loop)
        loop.add_signal_handler(signal.SIGQUIT, self._leave_soon, loop)
        self._tick(loop)
        self._tell(channel.Ready(self._bundle.version))
        if self._first:
            self._service.directory.check()
        await self._stopped.wait()
        context.stores.close()
        context.publish()
        return 0

    # -- configuration

    def _use(
        self,
        bundle: Bundle,
        members: PeerTable,
        contents: Contents,
        files: dict[str, int],
        keyring: bytes,
        state: bytes,
    ) -> None:
        """Serve new exchanges by ``bundle``.  Raises :class:`ConfigError`, and changes nothing then."""
        context, service = self._context, self._service
        self._logs.use(files)
        tls = self._secure(bundle.config, keyring, state)
        context.stores.use(bundle.config, tls[0])
        hooks: Hooks | None = None
        if bundle.config.hooks:
            hooks = Hooks(context, bundle.config, bundle.main, bundle.files, self._instance.store)
        counting = Counting(self._instance.observed.sheet, self._row_number, contents)
        config = assemble(bundle.config, context, service.directory, self._logs, hooks, self._offset, tls[0], counting)
        before = service.use(config, members)
        self._keyring = tls[0]
        self._accepting.use(bundle.config, bundle.version, tls[1])
        if hooks is not None:
            hooks.start(before.hooks if before is not None else None)
        self._bundle, settings = bundle, bundle.config.settings
        log.use(settings.log_level, settings.log_format)
        self._affinity.use(settings.cpu_affinity)
        context.poller.busy_poll(settings.busy_poll)
        self._row[VERSION] = bundle.version

    def _configure(self, message: Configure, descriptors: list[int]) -> None:
        """A reload: swap the configuration, then bring the listeners in line."""
        bundle, members = channel.bundle_from(descriptors[0]), channel.members_from(descriptors[1])
        keyring, state = content(descriptors[2]), content(descriptors[3])
        contents = channel.contents_from(descriptors[4])
        files = dict(zip(message.logs, descriptors[5:], strict=False))
        rest = descriptors[5 + len(files) :]
        try:
            self._use(bundle, members, contents, files, keyring, state)
        except ConfigError as error:
            self._complain(error)  # the master will hear nothing, and take it back
            close_all(rest)
            return
        self._tell_of_roots()
        for key, acceptor in self._acceptors.items():
            acceptor.change(*self._accepting.at(key[1]))
            if self._accepting.has(key[1]):
                self._sockets[key].listen(self._backlog(key[1]))
        self._share()
        added = {
            (self._slot, address): socket.socket(fileno=descriptor)
            for address, descriptor in zip(message.addresses, rest, strict=True)
        }
        self._sockets |= added
        for key in added:
            self._listen(key)
        if not message.trial:
            self._settle()
        self._context.tick()
        self._tell(channel.Ready(message.version))

    def _tell_of_roots(self) -> None:
        """With the rights that requests are answered with."""
        if self._row_number == 0:
            tell_of_roots(self._bundle.config.upstreams)
            tell_of_file_roots(self._bundle.config.routes)

    def _secure(self, config: Config, keyring: bytes, state: bytes) -> tuple[Keyring, ServerNames | None]:
        """What the TLS of ``config`` is made of.  Raises :class:`ConfigError`."""
        if keyring:
            core.forbid()
        shared = channel.tls_state(state)
        read = unpack(keyring) if keyring else Keyring()
        whole = msgspec.structs.replace(read, staples=shared.staples, key_sets=shared.key_sets)
        if not any(listener.tls for listener in config.listeners):
            return whole, None
        try:
            return whole, ServerNames(config, whole, shared.tickets, self._handshakes.names)
        except ContextError as error:
            raise ConfigError(str(error)) from None

    def _renew(self, descriptors: list[int]) -> None:
        """New handshakes use other certificates, keys of tickets, OCSP responses; connections stay as they are."""
        keyring, state = content(descriptors[0]), content(descriptors[1])
        try:
            whole, tls = self._secure(self._bundle.config, keyring, state)
            self._service.use_keyring(whole)
            self._context.stores.use(self._bundle.config, whole)
            self._keyring, self._handshakes.names = whole, tls
        except ConfigError as error:  # the reader has checked it, but it does not run the same OpenSSL calls
            self._complain(error)

    def _complain(self, error: ConfigError) -> None:
        for message in error.messages:
            log.line(f"Worker {self._slot} (pid {os.getpid()}): {message}", log.ERROR)

    def _settle(self) -> None:
        """Leave the listeners that the configuration does not have."""
        wanted = {listener.address for listener in self._bundle.config.listeners}
        for key in [key for key in self._sockets if key[1] not in wanted]:
            self._leave(key)

    # -- listeners

    def _listen(self, key: tuple[int, str]) -> None:
        sock = self._sockets[key]
        sock.listen(self._backlog(key[1]))
        kind, accepted = self._accepting.at(key[1])
        self._acceptors[key] = Acceptor(self._context.poller, sock, accepted, key[1], kind, self._neighbours)

    def _backlog(self, address: str) -> int:
        return next((each.backlog for each in self._bundle.config.listeners if each.address == address), 4096)

    def _share(self) -> None:
        """Connections, with siblings that have the same configuration: those at its listeners."""
        for key, acceptor in self._acceptors.items():
            acceptor.neighbours = self._neighbours if self._accepting.has(key[1]) else None
        if self._neighbours is not None:
            self._neighbours.use(self._bundle.version)

    def _leave(self, key: tuple[int, str]) -> None:
        """Stop listening; connections that are queued already are still served."""
        self._acceptors.pop(key).finish()
        self._sockets.pop(key).close()

    def _adopt(self, message: channel.Adopt, descriptors: list[int]) -> None:
        if self._context.draining:  # too late; the master finds another worker
            for descriptor in descriptors:
                os.close(descriptor)
            return
        for address, descriptor in zip(message.addresses, descriptors, strict=True):
            key = (message.slot, address)
            self._sockets[key] = socket.socket(fileno=descriptor)
            self._listen(key)

    def _release(self, slot: int) -> None:
        """The slot has a worker of its own again; what is queued there is for it."""
        for key in [key for key in self._sockets if key[0] == slot and slot != self._slot]:
            self._acceptors.pop(key).stop()
            self._sockets.pop(key).close()

    # -- the master

    def _tell(self, message: channel.Message) -> None:
        """What it does not take now it gets at the next tick."""
        try:
            self._channel.send(message)
        except Stuck:
            pass  # a master that has stopped

    def _on_message(self) -> None:
        try:
            received = self._channel.receive()
        except BlockingIOError:
            return
        except Broken as error:
            log.line(f"Worker {self._slot} (pid {os.getpid()}): the master sent {error}", log.ERROR)
            return
        except EOFError:
            asyncio.get_running_loop().remove_reader(self._end.fileno())
            log.line(f"Worker {self._slot} (pid {os.getpid()}): the master is gone; finishing requests, then exiting")
            self._drain(self._context.limits.shutdown_time)
            return
        if received is None:  # there is more to come
            return
        message, descriptors = received
        if isinstance(message, Configure):
            self._configure(message, descriptors)
        elif isinstance(message, channel.Settle):
            self._settle()
            self._tell(channel.Ready(message.version))
        elif isinstance(message, channel.Update):
            self._service.change(message.changes, message.unknown)
        elif isinstance(message, channel.Renew):
            self._renew(descriptors)
        elif isinstance(message, channel.Adopt):
            self._adopt(message, descriptors)
        elif isinstance(message, channel.Release):
            self._release(message.slot)
        elif isinstance(message, channel.Drain):
            self._drain(message.seconds)
        elif isinstance(message, channel.Reopen):
            self._logs.use(dict(zip(message.paths, descriptors, strict=True)))
            self._logs.forget_files()

    # -- time

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_later(_TICK, self._tick, loop)
        late = time.monotonic() - self._context.now - _TICK
        self._row[LOOP_LAG] = max(int(late * 1e6), self._row[LOOP_LAG] * 15 // 16)
        self._context.tick()
        log.tick()
        self._channel.flush()
        if not self._hurries:
            self._hurry(loop)
        for acceptor in self._acceptors.values():
            acceptor.retry()

    def _hurry(self, loop: asyncio.AbstractEventLoop) -> None:
        """By default, the queue of a daemon has room for ten messages: the others cannot wait for the next tick."""
        self._hurries = self._logs.hurry()
        if self._hurries:
            loop.call_later(_HURRY, self._hurry, loop)

    def _leave_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """A signal that is meant for the master reaches the whole group under some service managers."""
        delay = 0.0 if self._told else self._bundle.config.settings.drain_delay
        self._told = True
        if delay:
            loop.call_later(delay, self._drain, self._context.limits.shutdown_time)
        else:
            self._drain(self._context.limits.shutdown_time)

    def _drain(self, seconds: float) -> None:
        """Accept no more, finish what runs, within ``seconds``."""
        context = self._context
        if context.draining:
            return
        context.draining = context.leaving = True
        self._row[LEAVING] = 1
        if self._neighbours is not None:
            self._neighbours.leave()
        for key in list(self._sockets):
            self._leave(key)
        self._service.drain()
        loop = asyncio.get_running_loop()
        self._drain_step(loop, loop.time() + _GRACE, loop.time() + seconds)

    def _drain_step(self, loop: asyncio.AbstractEventLoop, close_idle: float, give_up: float) -> None:
        context = self._context
        if loop.time() >= close_idle:
            self._service.close_idle()
        if not context.connections:
            self._stopped.set()
        elif loop.time() >= give_up:
            tunnels = self._service.directory.tunnels()
            self._row[CUT], self._row[CUT_TUNNELS] = context.stats.get(IN_FLIGHT) - tunnels, tunnels
            self._stopped.set()
        else:
            loop.call_later(0.02, self._drain_step, loop, close_idle, give_up)
