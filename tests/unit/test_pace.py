"""A body at so many bytes a second: whatever comes when, all of it goes on, in order, in time and at its end once."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.exchange.pace import Pace, Row
from tests.soak import examples

RATE = 1000.0


class Clock:
    """A loop with timers, whose time moves when it is told to."""

    def __init__(self):
        self.now = 0.0
        self.timers = []

    def call_later(self, delay, callback):
        timer = Timer(self.now + delay, callback)
        self.timers.append(timer)
        return timer

    def move(self, seconds):
        until = self.now + seconds
        while due := [timer for timer in self.timers if timer.at <= until]:
            timer = min(due, key=lambda each: each.at)
            self.timers.remove(timer)
            self.now = max(self.now, timer.at)
            if not timer.cancelled:
                timer.callback()
        self.now = until


class Timer:
    def __init__(self, at, callback):
        self.at, self.callback, self.cancelled = at, callback, False

    def cancel(self):
        self.cancelled = True


class OneRow(Row):
    def __init__(self, clock):
        self.clock, self.begins = clock, 0.0

    def reserve(self, seconds):
        begins = max(self.begins, self.clock.now)
        self.begins = begins + seconds
        return begins - self.clock.now


class Owner:
    """The exchange: what has been passed on when, and whether the source is paused."""

    def __init__(self, clock):
        self.clock = clock
        self.passed, self.ends, self.paused, self.stream = [], [], False, self

    def deliver(self, pieces, trailers):
        self.passed += [(self.clock.now, piece) for piece in pieces]
        if trailers is not None:
            self.ends.append(trailers)

    take_body = deliver

    def response_full(self):
        self.paused = True

    def response_ready(self):
        self.paused = False

    pause, resume = response_full, response_ready

    @property
    def data(self):
        return b"".join(piece for _, piece in self.passed)


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: made)
    return made


def pace_of(clock, upward=False):
    owner = Owner(clock)
    pace = Pace.__new__(Pace)
    pace.set_up(owner, OneRow(clock), RATE, upward)
    return pace, owner


@pytest.mark.parametrize("upward", [False, True])
def test_ten_seconds_for_ten_thousand_bytes(clock, upward):
    pace, owner = pace_of(clock, upward)
    pace.take([b"x" * 9000, b"y" * 1000], [b"X: y"])
    assert owner.paused and owner.ends == []
    clock.move(9.9)
    assert owner.ends == []
    clock.move(0.1)
    assert owner.data == b"x" * 9000 + b"y" * 1000 and owner.ends == [[b"X: y"]]
    for moment, _ in owner.passed:
        assert sum(len(piece) for at, piece in owner.passed if at <= moment) <= RATE * moment + 51


def test_what_is_slow_already_does_not_wait(clock):
    pace, owner = pace_of(clock)
    for _ in range(10):
        pace.take([b"z" * 50], None)
        clock.move(0.06)
        assert not owner.paused
    pace.take([], [])
    assert owner.data == b"z" * 500 and owner.ends == [[]]


def test_what_goes_with_the_head(clock):
    pace, owner = pace_of(clock)
    assert pace.begin([b"a" * 40], []) == ([b"a" * 40], [])
    assert pace.begin([], None) == ([], None)
    clock.move(1)
    first, trailers = pace.begin([b"b" * 120], [])
    assert (first, trailers, owner.paused) == ([b"b" * 50], None, True)
    clock.move(1)
    assert owner.data == b"b" * 70 and owner.ends == [[]]


def test_nothing_is_passed_on_after_the_end(clock):
    pace, owner = pace_of(clock)
    pace.take([b"x" * 1000], None)
    pace.call_off(None)
    clock.move(5)
    assert owner.data == b"x" * 50
    pace.take([b"an error of its own"], [])
    assert owner.data.endswith(b"own") and owner.ends == [[]]
    assert pace.begin([b"e" * 1000], []) == ([b"e" * 1000], [])


def test_a_source_that_was_paused_before(clock):
    """By the exchange, while the body was kept for a peer."""
    pace, owner = pace_of(clock, upward=True)
    owner.paused = True
    pace.unblocked()
    assert not owner.paused


def test_a_piece_costs_the_same_however_many_wait(clock):
    """A window of HTTP/2 full of frames of a byte each: with a list that is copied for each it takes seconds."""
    pace, owner = pace_of(clock)
    began = time.thread_time()
    for _ in range(64_000):
        pace.take([b"x"], None)
    assert time.thread_time() - began < 0.8
    pace.take([], [])
    clock.move(65)
    assert owner.data == b"x" * 64_000 and owner.ends == [[]]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(0, 400)), st.tuples(st.just("move"), st.integers(1, 300)),
        st.tuples(st.just("block"), st.just(0)), st.tuples(st.just("unblock"), st.just(0)),
    ),
    max_size=40,
)  # fmt: skip


@given(STEPS, st.booleans())
@examples(150)
def test_whatever_happens_all_of_it_arrives(steps, upward):
    clock = Clock()
    before, asyncio.get_running_loop = asyncio.get_running_loop, lambda: clock
    try:
        pace, owner = pace_of(clock, upward)
        sent, blocked = b"", False
        for what, number in steps:
            if what == "take":
                piece = bytes([len(sent) % 251]) * number
                sent += piece
                pace.take([piece] if piece else [], None)
            elif what == "move":
                clock.move(number / 1000)
            elif what == "block":
                pace.blocked()
                blocked = True
            else:
                pace.unblocked()
                blocked = False
            assert sent.startswith(owner.data)
            assert owner.paused == (blocked or owner.data != sent)
        pace.unblocked()
        pace.take([], [b"end"])
        clock.move(1 + len(sent) / RATE)
        assert owner.data == sent and owner.ends == [[b"end"]]
    finally:
        asyncio.get_running_loop = before
