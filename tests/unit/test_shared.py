"""State shared by processes: a dictionary, whoever dies in the middle of what."""

import os
import random
import signal
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.ipc.shared_memory import Full, Shared, hash_of
from tests.soak import examples

KEYS = st.sampled_from([b"a", b"b" * 70, b"c", b"d" * 300])
VALUES = st.one_of(st.binary(max_size=700), st.floats(allow_nan=False), st.booleans())
STEPS = st.lists(st.tuples(st.sampled_from(["put", "add", "delete", "incr"]), KEYS, VALUES), max_size=60)


@given(STEPS)
@examples(100)
def test_it_is_a_dictionary(steps):
    shared, model = Shared(1 << 20), {}
    for what, key, value in steps:
        if what == "put":
            assert shared.put(key, value, 0, False)
            model[key] = value
        elif what == "add":
            assert shared.put(key, value, 0, True) == (key not in model)
            model.setdefault(key, value)
        elif what == "delete":
            assert shared.delete(key) == (model.pop(key, None) is not None)
        else:
            before = model.get(key, 5.0)
            wanted = before + 2.0 if type(before) is float else None
            assert shared.incr(key, 2.0, 5.0, 0) == wanted
            if wanted is not None:
                model[key] = wanted
        for each in (b"a", b"b" * 70, b"c", b"d" * 300):
            found = shared.get(each)
            assert found == model.get(each)
            assert type(found) is type(model.get(each))
    assert sorted(shared.keys(b"", 0)) == sorted(model)


def test_time_to_live():
    shared = Shared(1 << 20)
    shared.put(b"short", b"x", 0.05, False)
    shared.put(b"long", b"x", 60, False)
    shared.incr(b"count", 1, 0, 0.05)
    assert shared.get(b"short") == b"x"
    time.sleep(0.06)
    assert shared.get(b"short") is None
    assert shared.keys(b"", 0) == [b"long"]
    assert shared.put(b"short", b"y", 0, True)
    assert shared.incr(b"count", 1, 0, 0) == 1


def test_when_it_is_full_the_oldest_go():
    shared = Shared(1 << 20)
    shared.put(b"loved", b"x", 0, False)
    for number in range(20_000):
        shared.put(b"key %d" % number, b"v" * 100, 0, False)
        shared.get(b"loved")
    entries, evicted = shared.usage()
    assert entries < 10_000 < evicted
    assert shared.get(b"loved") == b"x"
    assert shared.get(b"key 19999") == b"v" * 100
    assert shared.get(b"key 0") is None
    with pytest.raises(Full, match="too much"):
        shared.put(b"huge", b"v" * 200_000, 0, False)


def test_a_rate_is_exact():
    shared = Shared(1 << 20)
    allowed = sum(shared.rate(b"k", 100.0, 400.0, 1) == 0 for _ in range(50))
    assert allowed == 5  # one, and a burst of four
    assert 90 < shared.rate(b"k", 100.0, 400.0, 1) <= 100
    assert shared.rate(b"other", 100.0, 0, 1) == 0
    assert shared.rate(b"other", 100.0, 0, 1) > 0


def test_what_the_dead_hold_is_void():
    shared = Shared(1 << 20)
    assert shared.hold(b"k", 1, 2)
    assert shared.hold(b"k", 2, 2)
    assert not shared.hold(b"k", 2, 2)
    holders = [shared.shard(hashed).holders(hashed) for hashed in (hash_of(b"k"), hash_of(b"other"))]
    assert holders == [{1, 2}, set()]
    assert not shared.void(b"k", {1, 2})
    assert not shared.hold(b"k", 2, 2)
    assert shared.void(b"k", {2})
    assert shared.hold(b"k", 2, 2)
    shared.let_go(b"k", 2)
    shared.let_go(b"k", 2)
    assert shared.usage()[0] == 0
    assert shared.hold(b"k", 1, 2)


def forked(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


def test_processes_count_together():
    shared = Shared(1 << 20)

    def count():
        for _ in range(20_000):
            shared.incr(b"n", 1, 0, 0)

    for pid in [forked(count) for _ in range(4)]:
        os.waitpid(pid, 0)
    assert shared.get(b"n") == 80_000


def test_whoever_is_killed_leaves_it_in_order():
    shared = Shared(1 << 20)
    keys = [b"key %d" % number for number in range(200)]

    def write():
        while True:
            key = random.choice(keys)
            shared.put(key, key * random.randrange(40), 0, False)
            shared.delete(random.choice(keys))

    for _ in range(60):
        pid = forked(write)
        time.sleep(0.005)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for key in keys:
            found = shared.get(key)
            assert found is None or found == key * (len(found) // len(key))
            shared.put(key, key, 0, False)
    assert sorted(shared.keys(b"", 0)) == sorted(keys)
