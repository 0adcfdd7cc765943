"""Asks a store for leases, in the name of the requests of one worker.

Rules of this room: no request waits longer than 50 ms, and none at all while the store does not respond within that
time.  Then each instance admits its share of a limit, by the number of instances.  Queries are bounded: the number
of buckets in a query, of concurrent queries, and of requests that wait.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any, Final, Protocol

from rsp.engines.redis import Script
from rsp.exchange.lending import COUNT, LEND, Answer, Terms, answers, arguments, key_of
from rsp.ipc.lease_terms import HOLDS
from rsp.ipc.leases import Leases
from rsp.ipc.shared_memory import Shared
from rsp.ipc.worker_cells import LIMITS_ASKED, LIMITS_LOCAL, LIMITS_WAITED
from rsp.logs import log

PATIENCE: Final = 0.05  # seconds that a request waits
_GRACE: Final = 0.01  # seconds for an answer that is there already: timers come before what is read
_BUCKETS: Final = 128  # in one question
_QUESTIONS: Final = 4  # at a time
_MOST_WAITING: Final = 1024  # requests
_MOST_QUEUED: Final = 4096  # buckets that are to be asked for
_MOST_LENT: Final = 4096  # leases that go back when their time is over
_AT_ONCE: Final = 64  # requests that go on, or leases that go back, in one turn of the loop
_NEW: Final = 200_000  # buckets that this instance may bring into the store in the time that it keeps one
_PROBE: Final = 0.1  # seconds between two attempts while the store does not answer
_BEAT: Final = 2.5  # seconds between two signs of life of an instance
_MOST_INSTANCES: Final = 10_000
_REMEMBERED: Final = 600.0  # seconds for which workers know that one of them has told of an outage

Decided = Callable[[float], None]


class Store(Protocol):
    """As ``rsp.engines.redis.Redis``."""

    def run(
        self, script: Script, keys: tuple[bytes, ...], values: tuple[Any, ...], done: Callable[[Any], None]
    ) -> None: ...


class Loop(Protocol):
    """Of an event loop."""

    def time(self) -> float: ...

    def call_soon(self, callback: Callable[..., object], *given: Any) -> object: ...

    def call_later(self, delay: float, callback: Callable[..., object], *given: Any) -> object: ...


class Counts(Protocol):
    def add(self, cell: int, by: int) -> None: ...


class _Wish:
    """What is wanted of one bucket.

    ``waiting``  what each request costs that waits, and what is called with the decision
    ``ahead``    for requests that are yet to come; less than 0: what a lease has not used
    ``want``     the same, if the bucket has enough
    """

    __slots__ = ("ahead", "begun", "key", "terms", "waiting", "want")

    def __init__(self, key: bytes, terms: Terms, begun: float) -> None:
        self.key = key
        self.terms = terms
        self.begun = begun
        self.ahead = 0.0
        self.want = 0.0
        self.waiting: list[tuple[float, Decided]] = []

    @property
    def need(self) -> float:
        return sum([cost for cost, _ in self.waiting], self.ahead)

    @property
    def most(self) -> float:
        """That it may be granted."""
        return max(self.need, 0.0) + self.want

    def arguments(self) -> tuple[str, ...]:
        first = self.waiting[0][0] if self.waiting else 0.0
        return arguments(self.terms, first, self.need, self.want)


class _Question:
    """``is_over``: it has been answered, or it is too late for that."""

    __slots__ = ("is_over", "wishes")

    def __init__(self, wishes: list[_Wish]) -> None:
        self.wishes = wishes
        self.is_over = False


class LeaseClient:
    """``store``: gives the client of the store, whose ``name`` is for the log.  ``instance``: one text for all workers
    of an instance.

    ``leases``   what requests draw from
    """

    def __init__(
        self, name: str, store: Callable[[], Store], rates: Shared, instance: str, counts: Counts, loop: Loop
    ) -> None:
        self._name = name
        self._store = store
        self._rates = rates
        self._instance = instance
        self._counts = counts
        self._loop = loop
        self._mark = name.encode()
        self._wishes: dict[tuple[bytes, Terms, bool], _Wish] = {}
        self._waiting = 0
        self._under_way = 0
        self._is_due = False  # to send what is wanted
        self._lent: dict[bytes, Terms] = {}
        self._looks = False  # after leases that are over
        self._going_on: deque[tuple[Decided, float]] = deque()
        self._is_counting = self._is_probing = False
        self.leases = Leases(rates)

    # -- what filters and hooks ask

    def ask_ahead(self, key: bytes, terms: Terms) -> None:
        """``leases.draw`` said that a lease is to be asked for."""
        if len(self._wishes) < _MOST_QUEUED:
            wish = self._wish(key, terms)
            wish.ahead, wish.want = max(wish.ahead, self.leases.need), self.leases.want

    def wait(self, key: bytes, terms: Terms, cost: float, decided: Decided) -> float | None:
        """``leases.draw`` said that the store decides.  ``None``: ``decided`` is called within 50 ms, in another turn
        of the loop, with seconds as in ``leases.seconds``; else these seconds."""
        leases = self.leases
        if leases.local or self._waiting >= _MOST_WAITING or (leases.is_new and not self._may_be_new(terms)):
            return self.by_share(key, terms, cost)
        self._waiting += 1
        self._counts.add(LIMITS_WAITED, 1)
        wish = self._wish(key, terms)
        wish.want = leases.want
        wish.waiting.append((cost, decided))
        return None

    def by_share(self, key: bytes, terms: Terms, cost: float) -> float:
        """Without the store, as one of several instances."""
        self._counts.add(LIMITS_LOCAL, 1)
        return self._rates.draw(key, terms.interval * self.instances, terms.depth, cost)

    @property
    def instances(self) -> float:
        """How many use the limits of this store, as far as it has said."""
        known = self._rates.get(b"\0nodes " + self._mark)
        return known if isinstance(known, float) else 1.0

    def _may_be_new(self, terms: Terms) -> bool:
        """Keys that clients choose must not fill the store, which keeps each until its bucket is full."""
        kept = terms.interval + 1.0
        return self._rates.draw(b"\0new %r %r" % terms[:2], kept / _NEW, kept, 1.0) >= 0.0

    # -- questions

    def _wish(self, key: bytes, terms: Terms, is_back: bool = False) -> _Wish:
        wish = self._wishes.get((key, terms, is_back))
        if wish is None:
            wish = self._wishes[key, terms, is_back] = _Wish(key, terms, self._loop.time())
            self._send_soon()
        return wish

    def _send_soon(self) -> None:
        """What is wanted in one turn of the loop is one question."""
        if not self._is_due and self._under_way < _QUESTIONS:
            self._is_due = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        self._is_due = False
        if not self._wishes:
            return
        names = list(islice(self._wishes, _BUCKETS))
        wishes = [self._wishes.pop(name) for name in names]
        question = _Question(wishes)
        self._under_way += 1
        self._counts.add(LIMITS_ASKED, len(wishes))
        keys = tuple(key_of(wish.key) for wish in wishes)
        values = tuple(value for wish in wishes for value in wish.arguments())
        left = wishes[0].begun + PATIENCE - _GRACE - self._loop.time()
        self._loop.call_later(max(left, 0.0), self._look_after, question, _GRACE)
        self._store().run(LEND, keys, values, partial(self._answered, question, [wish.most for wish in wishes]))
        if self._wishes:
            self._send_soon()

    def _answered(self, question: _Question, most: list[float], reply: Any) -> None:
        """Perhaps too late for requests, but what has been granted is a lease."""
        self._end(question)
        found = answers(reply, most)
        if found is None:
            self._do_without(question.wishes, _reason(reply))
        else:
            for wish, answer in zip(question.wishes, found, strict=True):
                self._share_out(wish, answer)

    def _end(self, question: _Question) -> None:
        if not question.is_over:
            question.is_over = True
            self._under_way -= 1
            if self._wishes:
                self._send_soon()

    def _share_out(self, wish: _Wish, answer: Answer) -> None:
        """Among those that wait, in their order; the rest is a lease."""
        left, wait, full = answer.granted, min(answer.wait, wish.terms.longest), min(answer.full, wish.terms.longest)
        for cost, decided in wish.waiting:
            if left >= cost - 1e-6:
                left -= cost
                self._go_on(decided, full)
            else:
                self._go_on(decided, -max(wait, 1e-6))
        self._waiting -= len(wish.waiting)
        if wish.need < 0.0:
            return
        self.leases.told(wish.key, left, wait, full)
        if left > 0.0:
            self._lent.pop(wish.key, None)
            if len(self._lent) < _MOST_LENT:
                self._lent[wish.key] = wish.terms
                self._take_back_later(HOLDS)

    # -- requests that go on

    def _go_on(self, decided: Decided, seconds: float) -> None:
        if not self._going_on:
            self._loop.call_soon(self._let_go_on)
        self._going_on.append((decided, seconds))

    def _let_go_on(self) -> None:
        for _ in range(min(_AT_ONCE, len(self._going_on))):
            decided, seconds = self._going_on.popleft()
            decided(seconds)
        if self._going_on:
            self._loop.call_soon(self._let_go_on)

    # -- leases that are over

    def _take_back_later(self, delay: float) -> None:
        if not self._looks:
            self._looks = True
            self._loop.call_later(delay, self._take_back)

    def _take_back(self) -> None:
        """What they have left goes back to the store."""
        self._looks = False
        delay = 0.0
        for key in list(self._lent)[:_AT_ONCE]:
            left = self.leases.unused(key)
            if left < 0.0:  # so do those behind it
                delay = -left
                break
            terms = self._lent.pop(key)
            if left > 0.0 and not self.leases.local and len(self._wishes) < _MOST_QUEUED:
                self._wish(key, terms, is_back=True).ahead -= left
        if self._lent:
            self._take_back_later(delay)

    # -- without the store

    def _look_after(self, question: _Question, grace: float) -> None:
        """Whether it has been answered."""
        if not question.is_over and grace:
            self._loop.call_later(grace, self._look_after, question, 0.0)
        elif not question.is_over:
            wishes = [*question.wishes, *self._wishes.values()]
            self._wishes.clear()
            self._end(question)
            self._do_without(wishes, f"no response within {PATIENCE * 1000:.0f} ms")

    def _do_without(self, wishes: list[_Wish], why: str) -> None:
        """Limits are this instance's own until the store answers."""
        for wish in wishes:
            for cost, decided in wish.waiting:
                self._go_on(decided, self.by_share(wish.key, wish.terms, cost))
            self._waiting -= len(wish.waiting)
            wish.waiting = []
        if not self.leases.local:
            self.leases.local = True
            self._loop.call_later(_PROBE, self._probe)
            if self._rates.put(b"\0told " + self._mark, True, _REMEMBERED, True):
                share = "all" if self.instances == 1.0 else f"1/{self.instances:.0f}"
                log.line(
                    f'Limits in store "{self._name}": {why}; until it answers, this instance admits {share} of each '
                    "limit by itself",
                    log.WARNING,
                )

    def _do_with(self) -> None:
        """The store answers again."""
        if self.leases.local:
            self.leases.local = False
            if self._rates.delete(b"\0told " + self._mark):
                log.line(f'Limits in store "{self._name}": limits hold for all instances again', log.WARNING)

    def _probe(self) -> None:
        """A question as any other, about a bucket that no limit has."""
        if self.leases.local:
            self._loop.call_later(_PROBE, self._probe)
            if not self._is_probing:
                self._is_probing = True
                values = arguments(Terms(1.0, 0.0, 1.0), 0.0, 0.0, 0.0)
                self._store().run(LEND, (key_of(b"probe"),), values, partial(self._probed, self._loop.time()))

    def _probed(self, asked_at: float, reply: Any) -> None:
        self._is_probing = False
        if answers(reply, (0.0,)) is not None and self._loop.time() - asked_at <= PATIENCE:
            self._do_with()

    # -- instances

    def tick(self) -> None:
        """Once a second.  One worker for all tells the store of this instance."""
        if self._rates.put(b"\0beat " + self._mark, True, _BEAT - 0.5, True):
            self._count()

    def _count(self) -> None:
        if not self._is_counting:
            self._is_counting = True
            self._store().run(COUNT, (b"rsp:nodes",), (self._instance,), self._counted)

    def _counted(self, reply: Any) -> None:
        self._is_counting = False
        if isinstance(reply, int) and 0 < reply <= _MOST_INSTANCES:
            self._rates.put(b"\0nodes " + self._mark, float(reply), 0.0, False)


def _reason(reply: Any) -> str:
    return str(reply) if isinstance(reply, Exception) else "it answers something else"
