"""What a worker spends on compression: time in a turn, memory, and levels that fall with load."""

import time

import pytest

from rsp.net import effort
from rsp.net.effort import Effort
from rsp.system import demand
from rsp.system.demand import Demand
from tests.harness import wait_until
from tests.unit.fakes import FakeLoop, serving


@pytest.fixture
def loop(monkeypatch):
    made = FakeLoop(0.0)
    monkeypatch.setattr("asyncio.get_running_loop", lambda: made)
    return made


class Waiting:
    """Takes ``seconds`` of a turn, ``times`` times."""

    def __init__(self, effort, name, order, seconds, times=1):
        self.effort, self.name, self.order, self.seconds, self.times = effort, name, order, seconds, times

    def go_on(self):
        self.order.append(self.name)
        self.times -= 1
        self.effort.spend(self.seconds)
        if self.times:
            self.effort.wait(self)


def test_a_turn_has_so_much_time(loop):
    one = Effort()
    assert one.has_time()
    one.spend(0.001)
    assert one.has_time()
    one.spend(0.1)
    assert not one.has_time()
    loop.turn()
    assert one.has_time()


def test_those_that_wait_have_their_turns_in_order(loop):
    one, order = Effort(), []
    for name, times in (("a", 3), ("b", 1), ("c", 2)):
        one.wait(Waiting(one, name, order, 0.1, times))
    loop.turn()
    assert "".join(order) == "abcaca"
    assert one.has_time() and not loop._soon


def test_one_that_fails_keeps_no_other_waiting(loop):
    one, order = Effort(), []
    for name, seconds in (("a", None), ("b", 0.001), ("c", 0.001)):
        one.wait(Waiting(one, name, order, seconds))  # to spend None is a TypeError
    callback, _ = loop._soon.pop(0)
    with pytest.raises(TypeError):
        callback()
    loop.turn()
    assert "".join(order) == "abc" and not loop._soon


def test_small_parts_share_a_turn(loop):
    one, order = Effort(), []
    for name in "abcdefgh":
        one.wait(Waiting(one, name, order, effort._SHARE / 3.5))
    callback, _ = loop._soon.pop(0)
    callback()
    assert "".join(order) == "abcd" and not one.has_time()
    loop.turn()
    assert "".join(order) == "abcdefgh"


def test_memory():
    one = Effort()
    sizes = []
    while one.take(10 << 20):
        sizes.append(10 << 20)
    assert sum(sizes) == one.used == 120 << 20
    assert one.take(8 << 20) and not one.take(1)
    one.give_back(10 << 20)
    assert one.take(10 << 20)


def test_levels_fall_with_load_and_rise_again(monkeypatch):
    one, levels = Effort(), []
    shares = [0.5, 0.9, 0.99, 0.7, 1.0, 1.0, 1.0] + [0.2] * 9
    monkeypatch.setattr(Demand, "share", lambda self: shares[len(levels)])
    for _ in shares:
        one.tick(0.0, 0.0)
        levels.append((one.level(9), one.level(4), one.level(1)))
    assert [level for level, _, _ in levels] == [9, 7, 5, 5, 3, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9]
    assert [level for _, level, _ in levels] == [4, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 4, 4]
    assert {level for _, _, level in levels} == {1}


def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


@pytest.mark.parametrize("told", [True, False])
def test_demand(monkeypatch, tmp_path, told):
    if not told:
        monkeypatch.setattr(demand, "_SCHEDSTAT", tmp_path / "missing")
    one = Demand()

    def is_low() -> bool:
        time.sleep(0.1)
        return one.share() < 0.5  # unless it waits for the processor when it wakes up

    wait_until(is_low, "a share that is low")
    spin(0.1)
    assert one.share() > (0.8 if told else 0.1)  # what waits for the processor wants it as well
    time.sleep(0.01)
    assert 0.0 <= one.share() <= 1.0


def test_one_effort_for_all_configurations():
    text = 'compress = true\nupstream "app" { "127.0.0.1:2" }\nroute { to = "app" }\n'
    with serving(text) as worker:
        first = worker.context.effort
        worker.use(text + 'log_level = "error"')
        assert worker.context.effort is first and worker.context.tickers.count(first) == 1
