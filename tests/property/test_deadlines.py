"""Deadlines, whatever happens in a round: none is forgotten, passes early or passes twice."""

import time
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from rsp.net import context as module
from tests.soak import examples
from tests.unit.lone_worker import LoneWorker
from tests.unit.test_rounds import run

KINDS = ("connections", "peer_connections", "attempts")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 300), st.floats(-1, 5)),
        st.tuples(st.just("move"), st.integers(0, 999), st.floats(-5, 5)),
        st.tuples(st.just("remove"), st.integers(0, 999), st.just(0.0)),
        st.tuples(st.just("tick"), st.integers(0, 5), st.sampled_from([0.0, 0.5, 1.0, 1.0, 7.0])),
    ),
    max_size=30,
)


class Timed:
    """As connections are: gone once it has expired."""

    def __init__(self, worker: LoneWorker, kind: str, deadline: float) -> None:
        self.context, self.deadline, self.expired = worker.context, deadline, 0
        self.members = getattr(worker.context, kind)
        self.members.add(self)

    def is_due(self, now: float) -> bool:
        return self.deadline < now

    def expire(self) -> None:
        assert self.deadline < self.context.now and self in self.members
        self.expired += 1
        self.members.discard(self)


@examples(60)
@given(STEPS)
def test_none_is_forgotten_passes_early_or_twice(steps):
    worker, clock, said = LoneWorker(), time.monotonic(), []
    worker.loop.set_exception_handler(lambda _, told: said.append(told))
    everyone: list[Timed] = []
    module.time = SimpleNamespace(monotonic=lambda: clock, time=time.time)
    try:
        for what, number, seconds in [*steps, ("tick", 2000, 0.0), ("tick", 2000, 0.0)]:
            if what == "add":
                everyone += [Timed(worker, KINDS[each % 3], clock + seconds) for each in range(number)]
            elif what == "tick":
                clock += seconds
                worker.loop.call_soon(worker.context.tick)
                run(worker.loop, number)
            elif everyone:
                one = everyone[number % len(everyone)]
                if what == "remove":
                    one.members.discard(one)
                elif not one.expired:
                    one.deadline = clock + seconds
        assert not said
        assert all(one.expired <= 1 for one in everyone)
        assert not [one for one in everyone if one in one.members and one.deadline < clock]
        assert {kind: len(getattr(worker.context, kind)) for kind in KINDS} == {
            kind: sum(one in one.members for one in everyone if one.members is getattr(worker.context, kind))
            for kind in KINDS
        }
    finally:
        module.time = time
        for one in everyone:
            one.members.discard(one)
        worker.close()
