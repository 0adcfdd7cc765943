"""Slots that processes hold: against a plain count, however many processes there are, and whichever is killed."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from rsp.config.filters import Concurrency
from rsp.config.routes import Route
from rsp.exchange.filter import DONE
from rsp.exchange.filters.concurrency import ConcurrencyFilter
from rsp.exchange.limit_key import LimitKey
from rsp.ipc.scoreboard import Scoreboard
from rsp.ipc.shared_memory import Shared
from rsp.ipc.usage import Usage
from rsp.net.context import WorkerContext
from rsp.net.poller import Poller
from tests.soak import examples

PIDS = st.integers(1, 40)
STEPS = st.lists(
    st.tuples(st.sampled_from(["hold", "hold", "hold", "let go", "die"]), st.sampled_from([b"a", b"b"]), PIDS),
    max_size=120,
)


@given(STEPS, st.integers(1, 50))
@examples(150)
def test_they_are_counted(steps, most):
    shared, model = Shared(1 << 20), Counter()
    for what, key, pid in steps:
        if what == "hold":
            room = sum(count for (of, _), count in model.items() if of == key) < most
            assert shared.hold(key, pid, most) == room
            model[key, pid] += room
        elif what == "let go":
            shared.let_go(key, pid)
            model[key, pid] = max(0, model[key, pid] - 1)
        else:
            for each in (b"a", b"b"):
                held = model[each, pid] > 0
                assert shared.void(each, set(range(1, 50)) - {pid}) == held
                model[each, pid] = 0
    for (key, pid), count in model.items():
        for _ in range(count):
            shared.let_go(key, pid)
    assert shared.usage() == (0, 0)


def test_killed_processes_leave_what_can_be_made_void():
    """At any instruction of theirs, and the count of others stays right."""
    shared, most, me = Shared(1 << 20), 3, os.getpid()
    keys = [b"key %d" % number for number in range(20)]
    assert all(shared.hold(key, me, most) for key in keys)
    for _ in range(40):
        pid = os.fork()
        if pid == 0:
            own = os.getpid()
            while True:
                key = random.choice(keys)
                if shared.hold(key, own, most) and random.random() < 0.7:
                    shared.let_go(key, own)
        time.sleep(0.004)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for key in keys:
            shared.void(key, {me})
            assert [shared.hold(key, me, most) for _ in range(most)] == [True, True, False]
            shared.let_go(key, me)
            shared.let_go(key, me)
    for key in keys:
        shared.let_go(key, me)
    assert shared.usage()[0] == 0


def test_slots_of_a_worker_that_has_come_since():
    """A worker looks up once a second which others there are; what a new one holds meanwhile is not void."""
    loop = asyncio.new_event_loop()
    poller = Poller(loop)
    context, usage, route = WorkerContext(Scoreboard(), 0, b"secret", poller), Usage(), Route(to="app")
    pids = {100}
    context.scoreboard = SimpleNamespace(pids=lambda: set(pids))
    bound = ConcurrencyFilter(route, 0, Concurrency(max=1, key="all"), context, usage)
    key, refused = LimitKey(route, "concurrency", 0, "all").hashed(None), []
    shard = usage.slots.shard(key)
    exchange = SimpleNamespace(refuse=lambda *said: refused.append(said))
    assert shard.hold(key, 100, 1)
    assert bound.request(exchange) == DONE
    shard.let_go(key, 100)
    pids.add(200)
    assert shard.hold(key, 200, 1)
    assert bound.request(exchange) == DONE
    assert shard.holders(key) == {200} and len(refused) == 2
    poller.close()
    loop.close()


def test_what_stands_for_a_key():
    """The same after a reload, and for each route, kind of limit, limit and key something else."""
    made = [
        LimitKey(Route(to="app", path=path), kind, number, text).hashed(None)
        for _ in range(2)
        for path in ("/", "/a")
        for kind in ("concurrency", "rate_limit")
        for number in (0, 1)
        for text in ("all", "some", "")
    ]
    assert made[:24] == made[24:] and len(set(made)) == 24
    assert all(0 <= each < 1 << 56 for each in made)
