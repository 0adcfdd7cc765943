"""Exchanges against a small model: whatever clients, peers, filters and time do, in whatever order.

Every exchange ends in exactly one response, or a cut, or without its client; it is counted and logged once, with that
status; it holds no peer afterwards, no place in a queue, and not itself.  Bytes arrive in order and unchanged, and no side
waits for another one that waits for it.  The streams themselves say when one of them is used after its end.
"""

import os
import sys
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rsp.exchange.filter import HOLD, PASS, Filter, Notes
from rsp.ipc import peer_cells
from rsp.ipc.worker_cells import IN_FLIGHT, QUEUED, REQUESTS
from tests.unit.fakes import FakeWorker

UPSTREAM = 'upstream "app" {{ "127.0.0.1:2", "127.0.0.1:3", {} }}\nroute {{ to = "app" }}\n'
FAILOVER = (
    UPSTREAM.replace('to = "app"', 'KEYS, failover = {{ to = "other", on = {{ 502, 503, 404 }} }}')
    + 'upstream "other" {{ "127.0.0.1:4" }}\n'
)
CONFIGURATIONS = [
    FAILOVER.replace("KEYS", 'to = "app"').format("retry = { tries = 1 }"),
    FAILOVER.replace("KEYS", 'to = "app"').format(
        "max_conns = 1, queue = { size = 1, timeout = '1s' }, retry = { on = { 503 }, body = 12 }"
    ),
    FAILOVER.replace("KEYS", "split = {{ to = {{ app = 1, other = 1 }}, sticky = true }}").format(
        "hedge = { after = '100ms' }"
    ),
    UPSTREAM.format(""),
    UPSTREAM.format("max_conns = 1, queue = { size = 2, timeout = '2s' }"),
    UPSTREAM.format("max_conns = 1, keepalive = 0, retry = { on = { 503 }, body = 12 }"),
    UPSTREAM.format("hedge = { after = '100ms' }, retry = { on = { 503 } }"),
    UPSTREAM.format("hedge = { after = '100ms' }, sticky = true, failures = { count = 1, out = '1s' }, keepalive = 0"),
    "limits = { body = 9, buffer = 4 }\n" + UPSTREAM.format("retry = { budget = 0 }"),
    "timeouts = { request = '3s' }\nlimits = { buffer = 4 }\n"
    + UPSTREAM.format("max_connecting = 1, policy = 'random2'"),
    'upstream "app" { "127.0.0.1:3" }\nroute { to = "app" }\n',
]
BODY = "\nTransfer-Encoding: chunked"
UPGRADE = "\nConnection: upgrade\nUpgrade: echo"
HEADS = [
    f"GET {BODY}",
    "GET ",
    "HEAD ",
    "GET ",
    f"PUT {BODY}",
    f"POST {BODY}",
    f"GET {UPGRADE}",
    f"POST {BODY}{UPGRADE}",
]
PLANS = [
    (), (), (), ("response",), ("response",), ("request",), ("error",), ("body",), ("filter", "response"), ("own", "error"),
    ("request", "body", "response", "error", "own", "filter"),
]  # fmt: skip
MOST = 3  # clients at once
ANSWER = (403, b"text/plain", b"", b"no")

some = st.integers(0, 7)  # which one, of as many as there are


class Waits(Notes):
    """What a filter waits for, of one exchange; ``waiting``: all exchanges that are held up."""

    def __init__(self, waiting: dict, target: bytes) -> None:
        super().__init__()
        self._waiting = waiting
        self._target = target

    def call_off(self, exchange) -> None:
        self.waits = False
        self._waiting.pop(self._target, None)
        if exchange is not None:
            exchange.passage.forget_body()

    def withdraw(self) -> None:
        self.call_off(None)


class Holding(Filter):
    """Holds up the phases of an exchange that are in its plan; ``body``: until the request's body is there."""

    def __init__(self, plans: dict, waiting: dict) -> None:
        self._plans = plans
        self._waiting = waiting

    def _say(self, exchange, phase: str) -> int:
        target, passage = exchange.head.target, exchange.passage
        plan = self._plans[target]
        if phase not in plan:
            return PASS
        plan.discard(phase)
        if not passage.notes:
            passage.note(Waits(self._waiting, target))
        notes = passage.notes[0]
        assert not notes.waits, "two phases at once"
        if phase == "body" and not passage.want_body(20, lambda _: go_on(self._waiting, target)):
            return PASS
        notes.waits = True
        self._waiting[target] = exchange
        return HOLD

    def request(self, exchange) -> int:
        return self._say(exchange, "request") or self._say(exchange, "body")

    def response(self, exchange) -> int:
        if "filter" in self._plans[exchange.head.target]:
            exchange.passage.held.filter_body(self)
        return self._say(exchange, "own" if exchange.own else "response")

    def error(self, exchange, status, reason) -> int:
        return self._say(exchange, "error")

    def ended(self, exchange, status) -> None:
        assert exchange.head.target not in self._waiting


def go_on(waiting: dict, target: bytes, answer=None) -> None:
    """A filter lets its exchange go on, or answers."""
    exchange = waiting.pop(target, None)
    if exchange is None:
        return
    exchange.passage.notes[0].waits = False
    exchange.passage.forget_body()
    if answer is None:
        exchange.passage.go_on()
    else:
        exchange.answer(answer)


class Exchanges(RuleBasedStateMachine):
    worker = None

    @initialize(text=st.sampled_from(CONFIGURATIONS))
    def begin(self, text):
        self.plans, self.waiting = [{}, {}], {}
        everywhere, own = [Holding(plans, self.waiting) for plans in self.plans]
        self.worker = FakeWorker(text, everywhere=(everywhere,), own=(own,))
        self.worker.__enter__()
        self.clients = {}  # by target
        self.logged = {}  # the status that the log has, where that is not the response's
        self.reloaded = False

    def teardown(self):
        if self.worker is None:
            return
        try:
            if sys.exc_info()[0] is None:
                for client in self.live():
                    client.go()
                self.worker.wait(1)
                self.worker.check()
        finally:
            self.worker.__exit__()

    # -- what there is

    def live(self, what=lambda client: True):
        return [client for client in self.clients.values() if not client.ended and what(client)]

    def streams(self, what=lambda stream: True):
        return [stream for pool in self.worker.pools for stream in pool.streams if what(stream)]

    def attempts(self):
        return [attempt for pool in self.worker.pools for attempt in pool.attempts]

    def of(self, client):
        return self.streams(lambda stream: stream.target == client.target)

    # -- clients

    @precondition(lambda self: len(self.live()) < MOST)
    @rule(
        head=st.sampled_from(HEADS), everywhere=st.sampled_from(PLANS), own=st.sampled_from(PLANS),
        pieces=st.integers(0, 3), last=st.booleans(), ahead=st.integers(0, 3),
    )  # fmt: skip
    def ask(self, head, everywhere, own, pieces, last, ahead):
        """``ahead``: 1: its connection is made at once; 2: its response begins as well."""
        target = b"/%d" % len(self.clients)
        self.plans[0][target], self.plans[1][target] = set(everywhere), set(own)
        client = self.clients[target] = self.worker.hear(head.replace(" ", f" {target.decode()}", 1))
        client.target, client.up, client.through, client.through_all = target, b"", b"", False
        client.has_body, client.responses = not client.request_done, []
        for number in range(pieces):
            self._send(client, last and number == pieces - 1)
        if not client.ended:
            client.events.start()
        for attempt in self.attempts():
            if ahead and attempt.is_wanted() and attempt.target == target:
                attempt.succeed()
        for stream in self.of(client):
            if ahead > 1 and not stream.paused:
                self._begin(stream, 200, 1, False)

    def _send(self, client, last):
        if not (client.ended or client.paused or client.request_done):
            piece = b"<%d>" % len(client.up)
            client.up += piece
            client.send(piece, last=last)

    @precondition(lambda self: self.live(lambda client: not client.request_done))
    @rule(which=some, last=st.booleans())
    def send(self, which, last):
        sending = self.live(lambda client: not client.request_done)
        self._send(sending[which % len(sending)], last)

    @precondition(lambda self: self.live(lambda client: client.tunnel))
    @rule(which=some, last=st.booleans())
    def send_through(self, which, last):
        clients = self.live(lambda client: client.tunnel)
        client = clients[which % len(clients)]
        if client.request_done and not client.paused and not client.through_all:
            piece = b"" if last else b"<%d>" % len(client.through)
            client.through += piece
            client.through_all = last
            client.send_up(piece)

    @precondition(lambda self: self.live())
    @rule(which=some, how=st.sampled_from(["fill", "drain", "clog"]))
    def take(self, which, how):
        client = self.live()[which % len(self.live())]
        if how == "clog":
            client.clogged = not client.full
        elif client.full != (how == "fill"):
            getattr(client, how)()
            assert not client.full or all(stream.paused for stream in self.of(client) if stream.begun)

    @precondition(lambda self: self.live())
    @rule(which=some, how=st.sampled_from(["go", "leave", "fail"]))
    def leave(self, which, how):
        client = self.live()[which % len(self.live())]
        if how == "fail" and not client.request_done:
            self.logged[client.target] = client.status or 400
            client.fail()
        elif how == "leave" and not client.tunnel:
            self.logged[client.target] = 499
            client.leave()
        else:
            self.logged[client.target] = client.status or 499
            client.go()

    # -- peers

    @precondition(lambda self: self.attempts())
    @rule(which=some, how=st.sampled_from(["up", "up", "up", "clogged", "refused", "late"]))
    def connect(self, which, how):
        attempt = self.attempts()[which % len(self.attempts())]
        attempt.pool.clogged = how == "clogged"
        if how in ("up", "clogged"):
            attempt.succeed()
        else:
            attempt.fail(timed_out=how == "late")
        attempt.pool.clogged = False

    @precondition(lambda self: self.streams(lambda stream: not stream.begun))
    @rule(
        which=some, status=st.sampled_from([200, 200, 404, 503]), last=st.booleans(), pieces=st.integers(0, 2),
        how=st.sampled_from(["answer", "answer", "answer", "interim", "switch"]),
    )  # fmt: skip
    def answer(self, which, status, last, pieces, how):
        streams = self.streams(lambda stream: not stream.begun)
        stream = streams[which % len(streams)]
        if stream.paused:
            return
        if how == "interim":
            stream.interim()
        elif how == "switch":
            stream.switch(b"first")
        else:
            self._begin(stream, status, pieces, last)

    def _begin(self, stream, status, pieces, last):
        client = self.clients[stream.target]
        client.responses.append(stream)
        if stream.method == b"HEAD":
            stream.begin(status, framing=0, last=True)
        else:
            stream.begin(status, self._pieces(stream, pieces), last=last)

    def _pieces(self, stream, number):
        """More of a response; no other stream has the same."""
        return [b"[%d:%d:%d]" % (id(stream) % 10007, len(stream.told), each) for each in range(number)]

    @precondition(lambda self: self.streams(lambda stream: stream.begun))
    @rule(which=some, last=st.booleans(), pieces=st.integers(0, 2))
    def go_on(self, which, last, pieces):
        streams = self.streams(lambda stream: stream.begun)
        stream = streams[which % len(streams)]
        if stream.paused:
            return
        if stream.tunnel:
            if not stream.told_all:
                stream.send_down(b"" if last else b"<%d>" % len(stream.told))
        elif pieces or last:
            stream.send(*self._pieces(stream, pieces), last=last)

    @precondition(lambda self: self.streams())
    @rule(which=some, how=st.sampled_from(["reset", "late", "stale", "perhaps stale", "untouched"]))
    def fail(self, which, how):
        stream = self.streams()[which % len(self.streams())]
        if not stream.begun and stream.connection.old:
            stream.went, stream.may_have_gone = how == "stale", how == "perhaps stale"
        stream.fail(timed_out=how == "late", untouched=how == "untouched" and not stream.begun)

    @precondition(lambda self: self.streams())
    @rule(which=some, how=st.sampled_from(["fill", "drain", "drain", "clog"]))
    def peer_takes(self, which, how):
        stream = self.streams()[which % len(self.streams())]
        if how == "clog":
            stream.clogged = not stream.full
        elif stream.full != (how == "fill"):
            getattr(stream, how)()
            assert (
                not stream.full
                or self.clients[stream.target].paused
                or self.clients[stream.target].request_done
                or len(self.of(self.clients[stream.target])) > 1
            )

    # -- filters, time, configurations

    @precondition(lambda self: self.waiting)
    @rule(which=some, answer=st.sampled_from([None, None, ANSWER]))
    def let_go(self, which, answer):
        go_on(self.waiting, list(self.waiting)[which % len(self.waiting)], answer)

    @rule(what=st.sampled_from([0.25, 0.25, 1.0, 3.0, *CONFIGURATIONS[-3:]]))
    def move_on(self, what):
        if isinstance(what, float):
            self.worker.wait(what)
        else:
            self.reloaded = True
            self.worker.use(what)

    # -- what holds at any time

    @invariant()
    def holds(self):
        if self.worker is not None:
            self.worker.turn()
            self.is_counted_and_logged_once()
            self.peers_are_held_by_what_runs_there()
            self.nothing_is_forgotten()
            for client in self.clients.values():
                self.bytes_arrive_in_order(client)
            for client in self.live():
                self.nothing_waits_in_a_circle(client)

    def is_counted_and_logged_once(self):
        worker, ended = self.worker, [client for client in self.clients.values() if client.ended]
        assert worker.count(IN_FLIGHT) == len(self.live())
        assert worker.count(REQUESTS) == len(worker.log.lines) == len(ended)
        logged = {
            line.split()[6].encode(): status for line, status in zip(worker.log.lines, worker.statuses, strict=True)
        }
        for client in ended:
            assert logged[client.target] == self.logged.get(client.target, client.status)

    def peers_are_held_by_what_runs_there(self):
        at_place = Counter()  # peers that have left may share one
        for pool in self.worker.pools:
            at_place[id(pool.peer.scoreboard), pool.peer.stats.number] += pool.running()
        for pool in self.worker.pools:
            peer, running = pool.peer, pool.running()
            assert peer.stats.own(peer_cells.IN_FLIGHT) == at_place[id(peer.scoreboard), peer.stats.number]
            assert not peer.max_conns or running <= peer.max_conns or self.reloaded
            assert peer.probe is None or running

    def nothing_is_forgotten(self):
        """What is at no peer, and not held by a filter, waits in a queue."""
        served = {stream.target for stream in self.streams()} | set(self.waiting)
        served |= {attempt.target for attempt in self.attempts() if attempt.is_wanted()}
        assert len(self.live(lambda client: client.target not in served)) == self.worker.count(QUEUED)

    def bytes_arrive_in_order(self, client):
        if client.ended != "gone" and client.status and not client.own:
            if client.tunnel:
                for stream in self.of(client):
                    assert (client.raw, stream.raw) == (stream.told, client.through)
            else:
                assert client.body in [stream.told for stream in client.responses]
        for stream in self.of(client):
            assert stream.body == client.up
            assert (stream.trailers is not None) == (client.request_done and client.has_body)

    def nothing_waits_in_a_circle(self, client):
        streams = self.of(client)
        if client.target in self.waiting:
            assert client.status or all(stream.paused for stream in streams if stream.begun)
        elif len(streams) == 1:
            assert client.full or not streams[0].paused
            assert streams[0].full or client.request_done or not client.paused


Exchanges.TestCase.settings = settings(max_examples=2000 if "RSP_SOAK" in os.environ else 120, stateful_step_count=40)
TestExchanges = Exchanges.TestCase
