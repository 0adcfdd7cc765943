"""When an answer of a source comes into force; seconds are those of the tests."""

import math

from hypothesis import given
from hypothesis import strategies as st

from rsp.control.discovery.changes import Changes
from rsp.control.discovery.damping import Damper
from rsp.control.discovery.provider import Member


def of(*addresses, **weights):
    found = {address: Member(address) for address in addresses}
    return found | {address: Member(address, weight) for address, weight in weights.items()}


def test_the_first_answer_counts_at_once_however_small():
    damper = Damper(minimum=3, doubt=60)
    assert damper.settle(of(), 0) and damper.in_force == {}
    damper = Damper(minimum=3, doubt=60)
    assert damper.settle(of("a"), 0) and damper.in_force == of("a")
    assert damper.settle(of("b"), 1)  # not fewer than before


def test_an_empty_answer_has_to_stand():
    damper = Damper(minimum=1, doubt=60)
    damper.settle(of("a", "b"), 0)
    assert not damper.settle(of(), 10)
    assert damper.doubted == 0 and damper.due == 70 and damper.in_force == of("a", "b")
    assert not damper.settle(of(), 69.9)
    assert damper.settle(of(), 70)
    assert damper.in_force == {} and damper.doubted is None and damper.due == math.inf


def test_doubt_begins_anew_after_a_good_answer():
    damper = Damper(minimum=2, doubt=60)
    damper.settle(of("a", "b", "c"), 0)
    assert not damper.settle(of("a"), 10)
    assert damper.settle(of("a", "b"), 20) and damper.doubted is None
    assert not damper.settle(of("a"), 30)
    assert not damper.settle(of("a"), 75)
    assert damper.settle(of("a"), 90)


def test_a_minimum_of_none_believes_everything():
    damper = Damper(minimum=0, doubt=60)
    damper.settle(of("a"), 0)
    assert damper.settle(of(), 1) and damper.in_force == {}


def test_what_was_known_before_is_protected():
    damper = Damper(minimum=1, doubt=60, in_force=of("a"))
    assert not damper.settle(of(), 0)
    assert not damper.settle(of("a"), 1)
    assert damper.settle(of("a", "b"), 2)


def test_other_weights_are_changes():
    damper = Damper(1, 60)
    damper.settle(of("a"), 0)
    assert damper.settle(of(a=5), 1)
    assert not damper.settle(of(a=5), 2)


def test_a_member_that_comes_and_goes_stays_as_it_is():
    damper = Damper(1, 60)
    damper.settle(of("a", "b"), 0)
    assert damper.settle(of("a"), 1)
    assert damper.settle(of("a", "b"), 2)
    assert damper.settle(of("a"), 3)
    assert not damper.settle(of("a", "b"), 4)
    assert damper.flapping == {"b"} and damper.due == 9
    assert not damper.settle(of("a"), 5) and damper.due == 10
    assert damper.settle(of("a", "c"), 6)  # others are followed as ever
    assert not damper.settle(of("a", "b", "c"), 7)
    assert not damper.settle(of("a", "b", "c"), 11.9)
    assert damper.settle(of("a", "b", "c"), 12)
    assert damper.flapping == set() and damper.due == math.inf


def test_a_member_that_is_in_stays_in_with_what_is_said_of_it():
    damper = Damper(1, 60)
    damper.settle(of("a"), 0)
    for second in range(1, 4):
        damper.settle(of("a", "b") if second % 2 else of("a"), second)
    assert "b" in damper.in_force
    assert not damper.settle(of("a"), 4) and "b" in damper.in_force
    assert damper.settle(of("a", b=7), 5) and damper.in_force["b"].weight == 7


def test_a_slow_to_and_fro_is_no_flapping():
    damper = Damper(1, 60)
    damper.settle(of("a", "b"), 0)
    for turn in range(1, 20):
        assert damper.settle(of("a") if turn % 2 else of("a", "b"), turn * 4.0)
        assert not damper.flapping


@given(st.lists(st.tuples(st.sets(st.sampled_from("abcd")), st.floats(0, 3)), max_size=30), st.integers(0, 3))
def test_an_answer_that_stands_comes_into_force(answers, minimum):
    """Whatever has been before; and what is in force has never been a smaller answer than is allowed."""
    damper, now = Damper(minimum, 20.0), 0.0
    for answer, pause in answers:
        now += pause
        before = damper.in_force
        if damper.settle(of(*answer), now) and before:
            assert len(damper.in_force) >= min(minimum, len(before)) or damper.flapping or now >= 20
    last = of(*answers[-1][0]) if answers else of("a")
    for _ in range(4):
        damper.settle(last, now)
        now = damper.due if damper.due < math.inf else now + 1
    damper.settle(last, now)
    assert damper.in_force == last and damper.due == math.inf


# -- lines of the log


def test_lines_say_what_comes_and_goes():
    log = Changes(None)
    assert log.line(of("a", "b"), 0) == "2 members: a, b"
    assert log.line(of("a", "b"), 5) == ""
    assert log.line(of("b", "c"), 6) == "c comes, a goes (2 members)"
    assert log.line(of("c", b=2), 7.5) == "b has other settings (2 members)"
    assert log.line({}, 9) == "c, b go (no members)"
    many = of(*(f"m{number}" for number in range(9)))
    assert log.line(many, 11) == "m0, m1, m2, m3, m4 and 4 others come (9 members)"


def test_there_is_at_most_one_line_a_second():
    log = Changes(of("a"))
    assert log.line(of("a"), 0) == "" and log.due == math.inf
    assert log.line(of("a", "b"), 1) == "b comes (2 members)"
    assert log.line(of("a", "b", "c"), 1.4) == "" and log.due == 2
    assert log.line(of("a", "c"), 1.8) == ""
    assert log.line(of("a", "c"), 2) == "c comes, b goes (2 members)" and log.due == math.inf
    assert log.line(of("a", "c", "d"), 2.5) == "" and log.line(of("a", "c"), 2.7) == ""
    assert log.line(of("a", "c"), 3) == "d comes and goes (2 members)"
    assert log.line(of("a"), 3.5) == "" and log.line(of("a", "c"), 5) == ""
