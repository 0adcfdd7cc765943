"""Work of each second in many turns of the loop; what has a deadline, in shares."""

import asyncio

import pytest

from rsp.net.deadlines import SHARES, Deadlines
from rsp.net.rounds import Rounds
from tests.unit.lone_worker import LoneWorker


class Due:
    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.ended = 0

    def is_due(self, now: float) -> bool:
        return not self.ended and self.deadline < now

    def expire(self) -> None:
        self.ended += 1


class Broken(Due):
    def expire(self) -> None:
        super().expire()
        raise ValueError


@pytest.fixture
def worker():
    made = LoneWorker()
    yield made
    made.close()


def run(loop: asyncio.AbstractEventLoop, turns: int) -> None:
    for _ in range(turns):
        loop.call_soon(loop.stop)
        loop.run_forever()


def test_a_turn_has_some_of_the_steps():
    loop, done = asyncio.new_event_loop(), []

    def steps(count: int, each: int):
        for number in range(count):
            done.append(number)
            yield each

    rounds = Rounds()
    loop.call_soon(rounds.begin, steps(10, 100))
    run(loop, 1)
    assert 0 < len(done) < 5
    loop.call_soon(rounds.begin, steps(1000, 0))  # the first round goes on instead
    run(loop, 10)
    assert done == list(range(10))
    loop.call_soon(rounds.begin, steps(5, 1))
    run(loop, 1)
    assert done == [*range(10), *range(5)]
    loop.close()


def test_a_step_that_fails_is_the_end_of_its_round_only():
    loop, done = asyncio.new_event_loop(), []

    def fails():
        yield 1
        raise ValueError

    def works():
        done.append(1)
        yield 1

    rounds = Rounds()
    with pytest.raises(ValueError):
        rounds.begin(fails())
    rounds.begin(works())
    assert done == [1]
    loop.close()


def test_deadlines_are_a_set():
    waiting = [Due(number) for number in range(1000)]
    deadlines = Deadlines()
    assert not deadlines
    for each in (*waiting, waiting[0]):
        deadlines.add(each)
    assert len(deadlines) == 1000 and set(deadlines) == set(waiting) and waiting[7] in deadlines
    deadlines.discard(waiting[7])
    deadlines.discard(waiting[7])
    assert len(deadlines) == 999 and waiting[7] not in deadlines
    due: set[Due] = set()
    seen = [deadlines.note_due(number, 10.0, due) for number in range(SHARES)]
    assert sum(seen) == 999 and max(seen) < 999  # by addresses, which are as the allocator gives them
    assert {each.deadline for each in due} == {*range(10)} - {7}


def test_what_fails_to_end_keeps_nothing_else_from_it(worker):
    context, said = worker.context, []
    worker.loop.set_exception_handler(lambda _, told: said.append(told["exception"]))
    waiting = [Due(context.now - 1) for _ in range(1000)]
    broken = [Broken(context.now - 1) for _ in range(100)]
    for each in (*waiting, *broken):
        context.connections.add(each)
    worker.loop.call_soon(context.tick)
    run(worker.loop, 200)
    assert {each.ended for each in (*waiting, *broken)} == {1}
    assert len(said) == len(broken)
    late = Due(context.now - 1)
    context.attempts.add(late)
    worker.loop.call_soon(context.tick)
    run(worker.loop, 50)
    assert late.ended == 1
    for each in (*waiting, *broken):
        context.connections.discard(each)


def test_what_is_due_ends_once_and_soon_however_much_it_is(worker):
    context = worker.context
    waiting = [Due(context.now - 1) for _ in range(20_000)]
    later = Due(context.now + 1000)
    for each in (*waiting, later):
        context.connections.add(each)
    worker.loop.call_soon(context.tick)
    run(worker.loop, 1)
    assert 0 < sum(each.ended for each in waiting) < 100  # others have the loop in between
    for _ in range(2000):
        run(worker.loop, 1)
    assert {each.ended for each in waiting} == {1} and not later.ended
    for each in (*waiting, later):
        context.connections.discard(each)
