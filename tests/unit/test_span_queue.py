"""Spans that wait for the collector: none is lost without being counted, and memory is bounded whatever it does."""

from math import inf

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rsp.control import span_queue
from rsp.control.otlp import Verdict
from rsp.control.span_queue import BATCH, BATCH_BYTES, MOST, MOST_BYTES, SpanQueue

REFUSED = Verdict(BATCH, "it answered 503", True)


class Counts:
    def __init__(self) -> None:
        self.exported = self.dropped = 0

    def __call__(self, exported: int, dropped: int) -> None:
        assert exported >= 0 and dropped >= 0
        self.exported += exported
        self.dropped += dropped


def filled(number: int, size: int = 10) -> tuple[SpanQueue, Counts]:
    counts = Counts()
    queue = SpanQueue(counts)
    for _ in range(number):
        queue.add(b"x" * size, 0.0)
    return queue, counts


def test_a_batch_waits_for_more_unless_it_is_full() -> None:
    queue, counts = filled(3)
    assert queue.take(0.5) == []
    assert queue.due() == 1.0
    assert len(queue.take(1.0)) == 3
    assert queue.due() == inf  # one at a time
    queue.ended(Verdict(), 1.2)
    assert (counts.exported, counts.dropped, len(queue)) == (3, 0, 0)
    queue, _ = filled(BATCH)
    assert queue.due() == 0.0
    assert len(queue.take(0.0)) == BATCH


def test_what_is_refused_is_sent_once_more_when_the_collector_says() -> None:
    queue, counts = filled(BATCH)
    first = queue.take(1.0)
    queue.ended(REFUSED._replace(pause=7.0), 2.0)
    assert queue.due() == 9.0
    assert queue.take(8.9) == []
    assert queue.take(9.0) is first
    queue.ended(REFUSED, 10.0)
    assert (counts.exported, counts.dropped, len(queue)) == (0, BATCH, 0)


def test_what_cannot_be_taken_is_not_sent_again() -> None:
    queue, counts = filled(BATCH)
    queue.take(1.0)
    queue.ended(Verdict(BATCH, "it answered 400"), 2.0)
    assert (counts.dropped, len(queue)) == (BATCH, 0)


def test_a_collector_that_is_gone_is_asked_later_and_later() -> None:
    queue, _ = filled(MOST)
    now, pauses = 0.0, []
    for _ in range(12):
        now = max(now, queue.due())
        assert queue.take(now)
        queue.ended(REFUSED, now)
        pauses.append(queue.due() - now)
    assert pauses[:6] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
    assert set(pauses[6:]) == {30.0}
    queue.take(now + 30.0)
    queue.ended(Verdict(), now + 31.0)
    assert queue.due() == 0.0 and not queue.failing


def test_a_part_that_is_rejected_is_counted_and_nothing_is_repeated() -> None:
    queue, counts = filled(10)
    queue.take(1.0)
    queue.ended(Verdict(4, "it rejected 4 of 10 spans"), 2.0)
    assert (counts.exported, counts.dropped, len(queue), queue.failing) == (6, 4, 0, "")


def test_large_spans_make_small_batches() -> None:
    queue, _ = filled(10, BATCH_BYTES // 4)
    assert queue.due() == 0.0
    assert len(queue.take(0.0)) == 4


class Machine(RuleBasedStateMachine):
    """Any order of spans, batches and verdicts."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = Counts()
        self.queue = SpanQueue(self.counts)
        self.now = 0.0
        self.added = 0
        self.batch: list[bytes] = []
        self.sent: dict[int, int] = {}  # of the batches there are: how often

    @rule(number=st.integers(1, 3000), size=st.integers(1, 3000))
    def add(self, number: int, size: int) -> None:
        for _ in range(number):
            self.queue.add(bytes(size), self.now)
        self.added += number

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: not self.batch)
    @rule(at_once=st.booleans())
    def take(self, at_once: bool) -> None:
        due = self.queue.due()
        self.batch = list(self.queue.take(self.now, at_once=at_once))
        assert not self.batch or at_once or self.now >= due
        assert len(self.batch) <= BATCH
        assert len(self.batch) == 1 or sum(map(len, self.batch)) <= BATCH_BYTES
        if self.batch:
            assert self.queue.take(self.now, at_once=True) == []
            key = id(self.batch[0])
            self.sent[key] = self.sent.get(key, 0) + 1
            assert self.sent[key] <= 2

    @precondition(lambda self: self.batch)
    @rule(status=st.sampled_from([200, 400, 429, 503]), pause=st.none() | st.floats(0, 30), share=st.floats(0, 1))
    def end(self, status: int, pause: float | None, share: float) -> None:
        count = len(self.batch)
        if status == 200:
            said = Verdict(int(share * count), "")
        else:
            said = Verdict(count, f"it answered {status}", status != 400, pause)
        before = len(self.queue)
        self.queue.ended(said, self.now)
        if len(self.queue) < before:
            self.sent.pop(id(self.batch[0]), None)
        self.batch = []

    @precondition(lambda self: not self.batch)
    @rule()
    def clear(self) -> None:
        self.queue.clear()
        self.sent.clear()

    @invariant()
    def every_span_is_somewhere(self) -> None:
        assert self.counts.exported + self.counts.dropped + len(self.queue) == self.added

    @invariant()
    def memory_is_bounded(self) -> None:
        queue = self.queue
        held = [*queue._waiting, *queue._batch]
        assert len(held) == len(queue) <= MOST
        assert sum(map(len, held)) == queue._size <= MOST_BYTES

    @invariant()
    def what_waits_has_its_turn(self) -> None:
        assert self.batch or not len(self.queue) or self.queue.due() <= self.now + span_queue._LONGEST_PAUSE


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
