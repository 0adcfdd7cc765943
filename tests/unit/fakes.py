"""A worker without a network: exchanges between streams that a test plays by hand, at a time that it sets.

Everything between the two streams is real: service, exchange, filters, upstream, queue, peers.  Time stands still until
:meth:`FakeWorker.wait`; what the loop has to do is done in :meth:`FakeWorker.turn`.
"""

import asyncio
import gc
import heapq
import itertools
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from rsp.config.schema import Config
from rsp.exchange.assemble import assemble
from rsp.exchange.filter import HOLD, PASS, Filter, Notes
from rsp.exchange.running_config import RunningConfig
from rsp.exchange.service import HttpService
from rsp.http.h1.codec import parse_request
from rsp.ipc import peer_cells, worker_cells
from rsp.ipc.peer_registry import PeerRegistry
from rsp.ipc.scoreboard import RETIRED_ROW, Scoreboard
from rsp.logs.access_log import AccessLog
from rsp.logs.access_logs import AccessLogs
from rsp.lua.evaluate import Evaluation
from rsp.lua.services import Services
from rsp.net.context import WorkerContext
from rsp.net.poller import Poller
from tests.unit.fake_streams import FakeClientStream, FakeDirectory, FakePeerStream, FakePool, Head

LISTENER = "127.0.0.1:1"
CLIENT = b"192.0.2.1"


@cache
def configuration(text: str) -> Config:
    """``text``: Lua, to which the address that clients connect to is added."""
    whole = f'listen "{LISTENER}"\n{text}'
    return Evaluation("site.lua", Services(), {}, {"site.lua": whole.encode()}).config()


@cache
def scoreboard() -> Scoreboard:
    """One is enough: places are cleared for new peers, and there is one worker."""
    made = Scoreboard()
    made.row(RETIRED_ROW)[worker_cells.ROWS] = 1
    return made


def place_filters(config: RunningConfig, everywhere: tuple[Filter, ...], own: tuple[Filter, ...]) -> None:
    """``everywhere``: before routing; ``own``: of every route.  Without any, those of the configuration stay."""
    if not (everywhere or own):
        return
    config.filters = everywhere
    config.nowhere.response_filters = everywhere[::-1]
    for level in config.router.levels(b"t"):
        for choice in level.choices:
            choice.destination.use_filters(own)
            choice.destination.response_filters = own[::-1] + everywhere[::-1]


def put_first(worker: "FakeWorker", added: Filter) -> None:
    """Before the filters of every route of the configuration."""
    for level in worker.service.config.router.levels(b"t"):
        for choice in level.choices:
            route = choice.destination
            route.use_filters((added, *route.filters))
            if added.looks_back():
                route.response_filters = (*route.response_filters, added)


class FakeLoop:
    """What the data plane asks of an event loop."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._soon = []
        self._later = []
        self._numbers = itertools.count()

    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        return False

    def call_soon(self, callback, *args) -> None:
        self._soon.append((callback, args))

    def call_later(self, delay, callback, *args) -> None:
        self.call_at(self.now + delay, callback, *args)

    def call_at(self, moment, callback, *args) -> None:
        heapq.heappush(self._later, (moment, next(self._numbers), callback, args))

    def turn(self) -> None:
        """What is due, and what that brings about at once."""
        while self._soon or (self._later and self._later[0][0] <= self.now):
            if self._soon:
                callback, args = self._soon.pop(0)
            else:
                _, _, callback, args = heapq.heappop(self._later)
            callback(*args)


class FakePoller(Poller):
    """Without descriptors there are no events."""

    def __init__(self) -> None:
        self.looks = 0
        self.relieve = None


class FakeAccessLog(AccessLog):
    def __init__(self) -> None:
        super().__init__("kept")
        self.lines = []

    def add(self, line: bytes) -> None:
        self.lines.append(line.decode())


class FakeAccessLogs(AccessLogs):
    """One log, whatever the configuration says."""

    def __init__(self) -> None:
        super().__init__()
        self.log = FakeAccessLog()

    def at(self, path: str) -> AccessLog:
        return self.log


# -- filters


class Held(Notes):
    """``calls_off``: so often what filters waited for was of no use."""

    def __init__(self) -> None:
        super().__init__()
        self.calls_off = 0

    def call_off(self, exchange) -> None:
        self.calls_off += self.waits
        self.waits = False

    def withdraw(self) -> None:
        self.call_off(None)


class FakeFilter(Filter):
    """``plan``: by phase, what it says; a function is called with the exchange, and says it.  ``seen``: its phases."""

    def __init__(self, *, light: bool = False, **plan) -> None:
        self.plan = plan
        self.light = light
        self.seen = []
        self.exchange = None

    def _say(self, phase: str, exchange) -> int:
        self.seen.append(phase)
        self.exchange = exchange
        says = self.plan.get(phase, PASS)
        if callable(says):
            says = says(exchange)
        if says == HOLD:
            if not exchange.get_passage().notes:
                exchange.passage.note(Held())
            exchange.passage.notes[0].waits = True
        return says

    def is_light(self) -> bool:
        return self.light

    def request(self, exchange) -> int:
        return self._say("request", exchange)

    def response(self, exchange) -> int:
        return self._say("response", exchange)

    def error(self, exchange, status, reason) -> int:
        return self._say("error", exchange)

    def body(self, exchange, pieces, last):
        change = self.plan.get("body")
        return pieces if change is None else change(pieces, last)

    def ended(self, exchange, status) -> None:
        self.seen.append(status)
        self.exchange = None

    def go_on(self) -> None:
        """What it held."""
        self.exchange.passage.notes[0].waits = False
        self.exchange.passage.go_on()


# -- the worker


@contextmanager
def serving(text: str, **filters: tuple[Filter, ...]) -> Iterator["FakeWorker"]:
    """A worker that is left as :meth:`FakeWorker.check` wants it."""
    with FakeWorker(text, **filters) as worker:
        yield worker
        worker.check()


class FakeContext(WorkerContext):
    """Its clock is the loop's."""

    def clock(self) -> float:
        return self.loop.time()


class FakeWorker:
    """Use it in a ``with`` statement.  ``text``: see :func:`configuration`."""

    def __init__(self, text: str, *, everywhere: tuple[Filter, ...] = (), own: tuple[Filter, ...] = ()) -> None:
        self._filters = everywhere, own
        self._text = text
        self._registry = PeerRegistry(scoreboard())

    def __enter__(self) -> "FakeWorker":
        scoreboard().row(0).clear()
        self.context = FakeContext(scoreboard(), 0, b"secret", FakePoller())
        self.loop = self.context.loop = FakeLoop(self.context.now)
        gc.disable()  # what an exchange leaves behind must not need it
        asyncio._set_running_loop(self.loop)
        self.logs = FakeAccessLogs()
        self.log = self.logs.log
        self.directory = FakeDirectory(self.context)
        self.service = HttpService(self.context, self.directory)
        self.clients = []
        try:
            self.use(self._text)
        except BaseException:  # else the tests that follow have neither a loop of their own nor a collector
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        asyncio._set_running_loop(None)
        gc.enable()

    def use(self, text: str) -> None:
        """Serve by another configuration from here on."""
        config = configuration(text)
        running = assemble(config, self.context, self.directory, self.logs)
        place_filters(running, *self._filters)
        self.service.use(running, self._registry.arrange(config)[0].table())

    # -- time

    def turn(self) -> None:
        self.loop.turn()

    def wait(self, seconds: float) -> None:
        """So much time passes; the worker's clock moves once a second, and at the end."""
        end = self.loop.now + seconds
        while self.loop.now < end:
            self.loop.now = min(self.loop.now + 0.25, end)
            self.loop.turn()
            if self.loop.now >= self.context.now + 1:
                self._tick()

    def _tick(self) -> None:
        self.context.now = self.loop.now
        for client in self.clients:
            if client.deadline < self.context.now and not client.ended:
                client.deadline = float("inf")
                client.events.timed_out()
        self.service.tick(self.context.now, 0.0)

    # -- clients

    def session(self, client: bytes = CLIENT):
        return self.service.session(client, LISTENER)

    def ask(self, text: str | bytes = "GET /x", *pieces: bytes, last: bool = True, session=None) -> FakeClientStream:
        """A request, as ``"GET /x"``, with lines below it, or as bytes of a whole head.

        ``pieces``: what arrives of its body with the head; ``last``: that is all.
        """
        client = self.hear(text, session=session)
        if pieces:
            client.send(*pieces, last=last)
        if client.events is not None:
            client.events.start()
        return client

    def hear(self, text: str | bytes = "GET /x", *, session=None) -> FakeClientStream:
        """A request that has not started yet: what arrives with its head comes first."""
        if isinstance(text, str):
            first, _, rest = text.partition("\n")
            lines = [f"{first} HTTP/1.1", "Host: t", *(line.strip() for line in rest.splitlines())]
            text = "\r\n".join([*lines, "", ""]).encode()
        head = Head(parse_request(text))
        client = FakeClientStream(session or self.session(), head)
        client.memory = weakref.ref(head)
        self.clients.append(client)
        client.events = self.service.begin(client, head)
        return client

    # -- peers

    def upstream(self, name: str = "app"):
        return self.service.config.upstreams[name]

    def pool(self, number: int = 0, upstream: str = "app") -> FakePool:
        return self.upstream(upstream).peers[number].pool

    @property
    def pools(self) -> list[FakePool]:
        return self.directory.pools

    def asked(self) -> FakePool:
        """The only pool that is making a connection, or has a stream."""
        (pool,) = [pool for pool in self.pools if pool.attempts or pool.streams]
        return pool

    def accept(self) -> FakePeerStream | None:
        """The only connection that is being made is there."""
        (pool,) = [pool for pool in self.pools if pool.attempts]
        return pool.accept()

    def refuse(self, **more) -> None:
        """The only connection that is being made cannot be made."""
        (pool,) = [pool for pool in self.pools if pool.attempts]
        pool.refuse(**more)

    # -- what has been counted

    def count(self, cell: int) -> int:
        return self.context.stats.get(cell)

    @property
    def statuses(self) -> list[int]:
        """In the access log, in order."""
        return [int(line.split('" ')[1].split()[0]) for line in self.log.lines]

    def check(self) -> None:
        """All exchanges are over, and have left nothing behind."""
        assert all(client.ended for client in self.clients)
        assert self.count(worker_cells.REQUESTS) == len(self.clients) == len(self.log.lines)
        assert self.count(worker_cells.IN_FLIGHT) == 0
        assert self.count(worker_cells.QUEUED) == 0
        for pool in self.pools:
            while pool.attempts:
                assert pool.accept() is None, "a connection that nothing waits for"
        for pool in self.pools:  # a peer that comes back soon has the same place: two pools may count there
            assert not pool.streams
            assert pool.peer.probe is None
            for cell in (peer_cells.IN_FLIGHT, peer_cells.CONNECTING, peer_cells.WAITING):
                assert pool.peer.stats.own(cell) == 0
        for upstream in self.service.config.upstreams.values():
            assert not len(upstream.queue)
        assert not [client for client in self.clients if client.memory() is not None], "it keeps itself alive"
