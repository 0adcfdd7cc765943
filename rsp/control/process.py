"""The control process itself: a loop, a heartbeat, and this package's parts at work on the current configuration."""

import asyncio
import faulthandler
import os
import signal
import socket
import time
from collections.abc import Iterator

import uvloop
from setproctitle import setproctitle

from rsp.config.auth_rules import fetched
from rsp.config.schema import Config
from rsp.config.units import Peer
from rsp.config.upstreams import Upstream
from rsp.control.admin import Admin, refuse
from rsp.control.answers import Answers
from rsp.control.discovering import Discovering
from rsp.control.dns import Names
from rsp.control.export import Export
from rsp.control.health import Checks
from rsp.control.key_sets import KeySets
from rsp.control.metrics import Metrics
from rsp.control.outliers import Outliers
from rsp.control.panel import Panel
from rsp.control.sites import Sites
from rsp.control.staples import Staples
from rsp.control.state import Mistake, State
from rsp.control.watch_stream import watch_handler
from rsp.control.watching import Watching
from rsp.control.web import Site
from rsp.control.web_server import Server
from rsp.ipc import channel
from rsp.ipc.channel import What
from rsp.ipc.instance import Instance
from rsp.ipc.packets import RETRY, Broken, Stuck
from rsp.ipc.peer_cells import LAST_FAILURE, LAST_SUCCESS
from rsp.ipc.peer_table import PeerTable, Target, after
from rsp.ipc.scoreboard import CONTROL_ROW, RETIRED_ROW
from rsp.ipc.sheet import Read
from rsp.ipc.worker_cells import HEARTBEAT, KEYS_WANTED, SPANS, SPANS_DROPPED, VERSION
from rsp.logs import log
from rsp.nodes.node import Node
from rsp.system import core
from rsp.system.descriptors import for_operators
from rsp.system.memory import Memory, content
from rsp.system.privileges import Identity
from rsp.tls.material import Keyring, unpack
from rsp.tls.stored import unpack_overview

_TICK = 1.0
_MOST_ORDERS = 100


class Control:
    """``end``: of the channel to the master.  ``admin``: a listening socket for operators, at ``path``.
    ``file``: the configuration's.  ``node``: of a site; ``None``: the file is all there is."""

    def __init__(
        self,
        instance: Instance,
        end: socket.socket,
        admin: socket.socket | None,
        path: str,
        file: str,
        node: Node | None,
    ) -> None:
        self._end = end
        self._channel = channel.Channel(end, channel.MASTER)
        self._flushing = False
        self._admin_socket = admin
        self._keyring = _keyring(instance.keyring)
        self._node = node
        self._row = instance.scoreboard.row(CONTROL_ROW)
        self._settings = instance.bundle.config.settings
        self._state = State(instance.scoreboard, instance.bundle, instance.members, path, file, instance.told_until)
        self._overview = unpack_overview(instance.renewable)
        self._staples = Staples(self._stapled, self._overview.staples, self._state.certificates.stapled)
        self._key_sets = KeySets(self._keys, self._keys_wanted)
        self._checks = Checks(instance.scoreboard)
        self._outliers = Outliers(instance.scoreboard)
        self._names = Names(self._found, self._failing)
        self._discovering = Discovering(self._found, lambda asked: self._tell(channel.Labels(asked)))
        self._state.sources = self._discovering.standings
        self._state.labels_problem = self._discovering.labels_problem
        self._watching = Watching(instance.observed.tap, instance.observed.watches)
        self._export = Export(self._count_spans)
        self._watching.on_spans = self._export.add
        self._admin = Admin(self._state, self._order, lambda since: self._panel.warnings(since))
        self._sheet, self._contents = instance.observed.sheet, instance.contents
        self._panel = Panel(self._state, self._watching, self._counted, self._admin.peer_orders())
        self._metrics = Metrics(self._state, self._counted)
        self._sites = Sites({"metrics": Site(self._metrics.handlers()), "dashboard": self._panel.site})
        self._serving: asyncio.Task[None] | None = None
        self._board = instance.scoreboard
        self._places: dict[str, dict[Peer, list[int]]] = {}  # by upstream: of the peers that a name stands for
        self._answers = Answers()
        self._considered: Config | None = None  # being tried
        self._orders: dict[int, asyncio.Future[channel.Outcome]] = {}
        self._numbers = os.getpid() << 32  # none that an earlier control process has used
        self._stopped: asyncio.Event

    def run(self) -> int:
        """Until the master says so, or is gone; the exit status."""
        setproctitle("rsp: control")
        faulthandler.enable(2)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH):
            signal.signal(number, signal.SIG_IGN)
        loop = uvloop.new_event_loop()
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(self._main(loop))

    async def _main(self, loop: asyncio.AbstractEventLoop) -> int:
        self._stopped = asyncio.Event()
        identity = Identity.of(self._settings)
        if identity.changes:
            import ssl  # noqa: F401 - what may be wanted later has to be read while it can be

            import bcrypt  # noqa: F401
            import dns.asyncresolver
            import dns.nameserver  # noqa: F401

            if any(one.responder for one in self._overview.described):
                import rsp.tls.ocsp  # noqa: F401
            if fetched(self._state.bundle.config):
                import jwt.algorithms  # noqa: F401
            self._discovering.load(self._state.bundle.config)
        follower = None
        if self._node is not None:
            from rsp.control.fleet import Follower  # what follows a site is no burden to instances without one

            follower = Follower(self._node, self._state, self._order, lambda one: self._tell(channel.Settled(one)))
            self._state.site = follower.status
        identity.assume()
        for number in (signal.SIGTERM, signal.SIGQUIT):
            loop.add_signal_handler(number, self._stopped.set)
        loop.add_reader(self._end.fileno(), self._on_message)
        self._watching.start(loop)
        self._tick(loop)
        self._arrange()
        handlers = {
            **self._admin.handlers(), **self._panel.handlers(), "GET /watch": watch_handler(self._watching),
            "GET /metrics": self._metrics.scrape,
        }  # fmt: skip
        admin = Server(Site(handlers, refuse=refuse), 4 * for_operators())  # orders take long
        if self._admin_socket is not None:
            await admin.serve(self._admin_socket)
        if follower is not None:
            follower.start()
        await self._stopped.wait()
        if follower is not None:
            await follower.finish()
        self._watching.finish()
        self._key_sets.stop()
        self._discovering.stop()
        await asyncio.gather(admin.finish(), self._sites.finish(), self._export.finish())
        return 0

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_later(_TICK, self._tick, loop)
        now = time.monotonic()
        self._row[HEARTBEAT] = int(now * 1000)
        self._watching.tick(now)
        self._panel.tick(now)
        self._outliers.tick(now)
        self._state.certificates.tick()
        log.tick()

    def _counted(self, *families: str) -> Iterator[Read]:
        """What all processes have counted for routes, upstreams and listeners."""
        return self._sheet.blocks(self._contents, *families)

    def _count_spans(self, exported: int, dropped: int) -> None:
        self._row[SPANS] += exported
        self._row[SPANS_DROPPED] += dropped

    def _arrange(self) -> None:
        """All parts work on the configuration and the members in force."""
        config: Config = self._state.bundle.config
        members: PeerTable = self._state.members
        self._row[VERSION] = self._state.bundle.version
        log.use(config.settings.log_level, config.settings.log_format)
        self._places = {}
        for upstream in config.upstreams:
            self._note_places(upstream)
        self._answers.only(config, self._considered)
        described = self._overview.described
        self._state.certificates.use(config, described, self._keyring)
        self._staples.arrange(config, described)
        self._key_sets.arrange(config, self._considered, self._keyring)
        self._sites.use(config.settings)
        self._panel.arrange(config)
        self._names.arrange(config, self._considered)
        self._discovering.arrange(config, self._considered, members, self._keyring)
        self._checks.arrange(config, members, self._keyring)
        self._outliers.arrange(config, members)
        self._export.arrange(config.settings)

    def _change(self, update: channel.Update) -> None:
        """Peers have come or gone, or are otherwise than before."""
        state, config = self._state, self._state.bundle.config
        upstreams = state.members.upstreams
        for name, changes in update.changes.items():
            upstreams[name] = after(upstreams.get(name, []), changes)
        state.members = PeerTable(upstreams, update.unknown)
        for upstream in config.upstreams:
            changed = update.changes.get(upstream.name)
            if changed is not None:
                self._note_places(upstream)
                self._checks.change(upstream, changed, self._keyring)
        self._outliers.arrange(config, state.members)

    def _note_places(self, upstream: Upstream) -> None:
        """Of the peers that each name stands for, unless it has health of its own at its source."""
        by_name: dict[Peer, list[int]] = {peer.address: [] for peer in upstream.peers if peer.address.is_name}
        given = upstream.peers
        for member in self._state.members.upstreams.get(upstream.name, ()) if by_name else ():
            if member.given < len(given):
                by_name.setdefault(given[member.given].address, []).append(member.place)
        self._places[upstream.name] = by_name

    # -- the master

    def _failing(self, name: Peer) -> bool:
        """Whether each of the peers that ``name`` stands for has failed since it last answered."""
        board = self._board
        places = [place for by_name in self._places.values() for place in by_name.get(name, ())]
        return bool(places) and all(
            max(board.each(place, LAST_FAILURE)) > max(board.each(place, LAST_SUCCESS)) for place in places
        )

    def _found(self, name: Peer, targets: list[Target] | None) -> None:
        message = self._answers.news(name, targets)
        if message is not None:
            self._tell(message)

    def _stapled(self, digest: str, response: bytes) -> None:
        self._tell(channel.Stapled(digest, response))

    def _keys(self, source: str, keys: bytes) -> None:
        self._tell(channel.Keys(source, keys))

    def _keys_wanted(self) -> int:
        """How many requests have ever had tokens with a key that was not known."""
        board = self._board
        return sum(board.row(number)[KEYS_WANTED] for number in (*range(board.rows), RETIRED_ROW))

    def _tell(self, message: channel.Message) -> None:
        try:
            self._channel.send(message)
        except Stuck:
            log.once_a_second("stuck", "The control process: the master takes no messages")
        if not self._flushing:
            self._flush()

    def _flush(self) -> None:
        """Until the master has taken all."""
        self._flushing = not self._channel.flush()
        if self._flushing:
            asyncio.get_running_loop().call_later(RETRY, self._flush)

    def _on_message(self) -> None:
        try:
            received = self._channel.receive()
        except BlockingIOError:
            return
        except Broken as error:
            log.line(f"The control process (pid {os.getpid()}): the master sent {error}", log.ERROR)
            return
        except EOFError:
            asyncio.get_running_loop().remove_reader(self._end.fileno())
            log.line(f"The control process (pid {os.getpid()}): the master is gone; leaving")
            self._stopped.set()
            return
        if received is None:  # there is more to come
            return
        message, descriptors = received
        if isinstance(message, channel.Configure):
            before, self._state.bundle = self._state.bundle, channel.bundle_from(descriptors[0])
            self._panel.changes(before.config, self._state.bundle.config)
            self._state.members = channel.members_from(descriptors[1])
            self._renew(descriptors[2:4])
            self._consider(None, channel.Consider())
            self._arrange()
        elif isinstance(message, channel.Consider):
            config = channel.bundle_from(descriptors[0]).config if descriptors else None
            self._consider(config, message)
            self._arrange()
        elif isinstance(message, channel.Sites):
            listening = [socket.socket(fileno=descriptor) for descriptor in descriptors]
            self._serving = asyncio.ensure_future(self._sites.serve(message.addresses, listening))
        elif isinstance(message, channel.Update):
            self._change(message)
        elif isinstance(message, channel.Counted):
            self._contents = channel.contents_from(descriptors[0])
        elif isinstance(message, channel.Renew):
            self._renew(descriptors)
            self._arrange()
        elif isinstance(message, channel.Outcome):
            if message.what != "dry-run":
                self._state.last = message
                self._panel.ended(message)
            for number in message.numbers:
                waiting = self._orders.pop(number, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)

    def _renew(self, descriptors: list[int]) -> None:
        """Other files are in use: those for health checks, and the data of the certificates for clients."""
        keyring, overview = content(descriptors[0]), content(descriptors[1])
        self._keyring = _unpacked(keyring)
        self._overview = unpack_overview(overview)

    def _consider(self, config: Config | None, message: channel.Consider) -> None:
        """``config`` is being tried; ``None``: nothing is."""
        self._considered = config
        until = time.monotonic() + message.seconds
        self._state.trial = (message.version, message.digest, until) if config is not None else None

    async def _order(self, what: What, version: str = "", packed: bytes = b"") -> channel.Outcome:
        """Have the master do something, and wait for how that ends."""
        if len(self._orders) >= _MOST_ORDERS:
            raise Mistake(f"{_MOST_ORDERS} orders wait for the master; try again later")
        self._numbers += 1
        waiting: asyncio.Future[channel.Outcome] = asyncio.get_running_loop().create_future()
        self._orders[self._numbers] = waiting
        self._tell(channel.Order(self._numbers, what, version, packed))
        return await waiting


def _keyring(memory: Memory | None) -> Keyring:
    """What the process is born with."""
    data = memory.content() if memory is not None else b""
    if memory is not None:
        memory.close()
    return _unpacked(data)


def _unpacked(data: bytes) -> Keyring:
    if data:
        core.forbid()
    return unpack(data) if data else Keyring()
