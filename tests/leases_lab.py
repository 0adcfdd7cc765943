"""Several instances that share limits, in a time that stands still but for :meth:`Lab.run`: leases, the clients that ask
for them and a store of its own, which answers as the script does (``tests/process/test_cluster_limits.py`` compares).

Modules are loaded from their sources with a clock and a lock of the lab, whatever is compiled.
"""

import heapq
import itertools
import math
import random
import sys
from collections import Counter
from importlib import import_module
from types import ModuleType

from rsp import pure
from rsp.exchange.lending import COUNT, Answer, Terms
from rsp.ipc.lease_terms import SHARE

TIMEOUT = 0.5  # of the client of the store
_LOADED = ("entries", "shared_memory", "leases")


class _Clock(ModuleType):
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


class _Lock:
    """In the place of a lock between processes."""

    def __init__(self, *_given: object) -> None:
        pass

    def acquire(self) -> None:
        pass

    release = acquire


CLOCK = _Clock("rsp.ipc.clock")


def _load() -> tuple[type, type]:
    """``Shared`` and ``LeaseClient`` at the lab's clock."""
    lock = ModuleType("rsp.ipc.lock")
    lock.Lock = _Lock
    names = [*(f"rsp.ipc.{name}" for name in ("clock", "lock", *_LOADED)), "rsp.exchange.lease_client"]
    before = {name: sys.modules.pop(name, None) for name in names}
    packages = {name: sys.modules[name] for name in ("rsp.ipc", "rsp.exchange")}
    attributes = {name: dict(vars(package)) for name, package in packages.items()}
    sys.modules["rsp.ipc.clock"], sys.modules["rsp.ipc.lock"] = CLOCK, lock
    finders = sys.meta_path[:]
    sys.meta_path[:] = [finder for finder in finders if not isinstance(finder, pure.Finder)]
    try:
        return import_module("rsp.ipc.shared_memory").Shared, import_module("rsp.exchange.lease_client").LeaseClient
    finally:
        sys.meta_path[:] = finders
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module
        for name, package in packages.items():
            vars(package).clear()
            vars(package).update(attributes[name])


Shared, LeaseClient = _load()
del _load


def model(buckets: dict[bytes, float], now: float, key: bytes, terms: Terms, first: float, need: float, want: float):
    """What the script does with one bucket, in seconds; an :class:`Answer`."""
    most = terms.depth + terms.interval * terms.dearest if terms.dearest else 1e8
    full = min(max(buckets.get(key, now), now), now + most)
    room = (now + terms.depth - full) / terms.interval + 1.000001
    granted = -1.0
    if need < 0 or room >= 1:
        granted = min(need, max(first, math.floor(room)))
        granted += max(0, min(want, math.floor((room - granted) / SHARE)))
        full = buckets[key] = max(full + granted * terms.interval, now)
    return Answer(-1.0 if granted < 0 else granted, max(0.0, full - terms.depth - now), full - now)


class Loop:
    def __init__(self) -> None:
        self._due = []
        self._numbers = itertools.count()

    def time(self) -> float:
        return CLOCK.now

    def call_later(self, delay, callback, *given) -> None:
        heapq.heappush(self._due, (CLOCK.now + delay, next(self._numbers), callback, given))

    def call_soon(self, callback, *given) -> None:
        self.call_later(5e-6, callback, *given)

    def run(self, until: float) -> None:
        while self._due and self._due[0][0] <= until:
            CLOCK.now, _, callback, given = heapq.heappop(self._due)
            callback(*given)
        CLOCK.now = until


class Store:
    """``delay``: seconds to an answer, at random up to twice that.  ``state``: ``up``, ``refuses`` or ``hangs``.

    ``skew``: its clock is ahead by so many seconds.
    """

    def __init__(self, loop: Loop, random_: random.Random, delay: float) -> None:
        self._loop, self._random = loop, random_
        self.delay = delay
        self.state = "up"
        self.skew = 0.0
        self.buckets: dict[bytes, float] = {}
        self.instances: set[str] = set()
        self.questions = self.asked = self.under_way = self.most_under_way = 0

    def run(self, script, keys, values, done) -> None:
        if self.state == "refuses":
            done(ConnectionError("refused"))
            return
        self.questions += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        if self.state == "up":
            delay = self._random.uniform(0, self.delay)
            self._loop.call_later(delay, self._answer, script, keys, values, done)
        else:
            self._loop.call_later(TIMEOUT, self._tell, done, TimeoutError("no answer"))

    def _answer(self, script, keys, values, done) -> None:
        if self.state != "up":
            self._loop.call_later(TIMEOUT, self._tell, done, TimeoutError("no answer"))
            return
        self._loop.call_later(self._random.uniform(0, self.delay), self._tell, done, self._reply(script, keys, values))

    def _tell(self, done, reply) -> None:
        self.under_way -= 1
        done(reply)

    def _reply(self, script, keys, values):
        if script is COUNT:
            self.instances.add(values[0])
            return len(self.instances)
        reply, now = [], CLOCK.now + self.skew
        self.asked += len(keys)
        for at, key in enumerate(keys):
            interval, depth, first, need, want, most = (float(value) for value in values[6 * at : 6 * at + 6])
            dearest = (most - depth) / interval if most < 1e13 else 0.0
            terms = Terms(interval / 1e6, depth / 1e6, dearest)
            granted, wait, full = model(self.buckets, now, key, terms, first, need, want)
            reply += [-1 if granted < 0 else math.floor(granted * 1000 + 0.5), math.ceil(wait * 1e6 - 1e-3)]
            reply.append(math.ceil(full * 1e6 - 1e-3))
        return reply


class Worker:
    """``passed``: when requests of a key have passed; ``waits``: how long each request has waited that has."""

    def __init__(self, lab: "Lab", rates, name: str) -> None:
        self.counts = Counter()
        self.passed: list[tuple[float, bytes]] = []
        self.waits: list[float] = []
        self.requests = self.refused = 0
        self.client = LeaseClient("main", lambda: lab.store, rates, name, self, lab.loop)
        self._loop = lab.loop
        self._tick()

    def add(self, cell: int, by: int) -> None:
        self.counts[cell] += by

    def _tick(self) -> None:
        self.client.tick()
        self._loop.call_later(1.0, self._tick)

    def request(self, key: bytes, terms: Terms, cost: float = 1.0) -> None:
        self.requests += 1
        leases = self.client.leases
        code = leases.draw(key, terms.interval, cost)
        if code == 4:
            begun = CLOCK.now
            seconds = self.client.wait(key, terms, cost, lambda seconds: self._decided(key, seconds, begun))
            if seconds is not None:
                self._decided(key, seconds, begun)
            return
        if code in (1, 3):
            self.client.ask_ahead(key, terms)
        self._decided(key, leases.seconds if code < 2 else -1.0, None)

    def _decided(self, key: bytes, seconds: float, begun: float | None) -> None:
        if begun is not None:
            self.waits.append(CLOCK.now - begun)
        if seconds >= 0:
            self.passed.append((CLOCK.now, key))
        else:
            self.refused += 1


class Lab:
    def __init__(self, instances: int = 5, workers: int = 2, delay: float = 0.0002, seed: int = 0) -> None:
        CLOCK.now = 1000.0
        self.random = random.Random(seed)
        self.loop = Loop()
        self.store = Store(self.loop, self.random, delay)
        self.instances = []
        for number in range(instances):
            rates = Shared(1 << 20)
            self.instances.append([Worker(self, rates, f"instance {number}") for _ in range(workers)])
        self.workers = [worker for workers in self.instances for worker in workers]

    def offer(self, workers, rate: float, key: bytes, terms: Terms, begin: float, end: float) -> None:
        """So many requests a second at random, ``begin`` and ``end`` in seconds from now on."""
        last = CLOCK.now + end

        def come() -> None:
            if last > CLOCK.now:
                self.random.choice(workers).request(key, terms)
                self.loop.call_later(self.random.expovariate(rate), come)

        self.loop.call_later(begin + self.random.expovariate(rate), come)

    def run(self, seconds: float) -> None:
        self.loop.run(CLOCK.now + seconds)

    def passed(self, key: bytes) -> list[float]:
        return sorted(moment for worker in self.workers for moment, of in worker.passed if of == key)

    @property
    def waits(self) -> list[float]:
        return [wait for worker in self.workers for wait in worker.waits]


def most_in(moments: list[float], seconds: float) -> int:
    """The most of them in any time of ``seconds``."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moments[first] < moment - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most
