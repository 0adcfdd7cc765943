"""A node that follows a record, with readings that are late, lost or long apart, and authors that die at any moment.

The oracle knows the time of every write; the node does not.
"""

from hypothesis import given
from hypothesis import strategies as st

from rsp.nodes.course import Course
from rsp.nodes.record import Record, Trial

DEADLINE = 15.0
OLD, NEW, OTHER = "a" * 64, "b" * 64, "c" * 64

# What the author does, and how long after the thing before.
WRITES = st.lists(
    st.tuples(st.floats(0, 20), st.sampled_from(["begin", "beat", "beat", "beat", "abort", "confirm", "narrow"])),
    max_size=25,
)
# Readings: when after the one before, how long the answer takes, and where in that time the engine looks.
READS = st.lists(st.tuples(st.floats(0, 12), st.floats(0, 10), st.floats(0, 1)), max_size=60)


def history(writes: list[tuple[float, str]]) -> list[tuple[float, Record]]:
    """Each write with its time."""
    record, now, trials = Record(serial=1, stable=OLD), 0.0, 0
    found = [(-1000.0, record)]
    for pause, what in writes:
        now += pause
        if what == "begin":
            trials += 1
            record = record.begin(Trial(f"{trials:x}", NEW if trials % 2 else OTHER, ("me",), DEADLINE))
        elif record.trial is None:
            continue
        elif what == "abort":
            record = record.abort()
        elif what == "confirm":
            record = record.confirm(record.trial.version, "me", now)
        else:
            record = record.beat(("me",) if what == "beat" else ())
        found.append((now, record))
    return found


def at(written: list[tuple[float, Record]], moment: float) -> Record:
    return [record for time, record in written if time <= moment][-1]


@given(WRITES, READS)
def test_an_unconfirmed_version_is_run_for_no_longer_than_its_deadline_after_a_write(
    writes: list[tuple[float, str]], reads: list[tuple[float, float, float]]
) -> None:
    written = history(writes)
    course, now = Course("me", OLD), 0.0
    joined: list[str] = []
    for pause, takes, share in reads:
        for step in range(5):  # the node looks at its clock between two readings, too
            check(course, written, now + pause * step / 5, joined)
        now += pause
        record = at(written, now + takes * share)
        course.read(record, now)
        now += takes
        check(course, written, now, joined)
    for step in range(40):
        check(course, written, now + step, joined)
    assert course.wanted(now + 40).trial == ""


def check(course: Course, written: list[tuple[float, Record]], now: float, joined: list[str]) -> None:
    wanted = course.wanted(now)
    if wanted.trial:
        beats = [
            time for time, record in written
            if record.trial is not None and record.trial.id == wanted.trial and "me" in record.trial.nodes
        ]  # fmt: skip
        assert any(now - DEADLINE <= time <= now for time in beats)
        if not joined or joined[-1] != wanted.trial:
            assert wanted.trial not in joined, "it was left before"
            joined.append(wanted.trial)
    else:
        if joined and joined[-1] != "":
            joined.append("")
        confirmed = {OLD} | {record.stable for time, record in written if time <= now and record.stable}
        assert wanted.version in confirmed


@given(st.floats(0.1, 3.0), st.floats(0.0, 1.0), st.integers(2, 50))
def test_who_reads_often_stays_as_long_as_the_author_lives(every: float, takes: float, beats: int) -> None:
    """Readings every few seconds, beats every three, an answer that takes up to a second."""
    writes = [(20.0, "begin"), *[(3.0, "beat")] * beats]
    written = history(writes)
    course, now, since = Course("me", OLD), 0.0, None
    while now < written[-1][0]:
        course.read(at(written, now + takes), now)
        now += takes
        if course.wanted(now).trial and since is None:
            since = now
        assert since is None or course.wanted(now).trial
        now += every
    assert since is not None
    assert since - 20.0 <= 2 * (every + takes) + 0.1


def test_leftovers_of_a_dead_author_are_never_run() -> None:
    course = Course("me", OLD)
    left = Record(serial=4, stable=OLD).begin(Trial("1", NEW, ("me",), DEADLINE, 7))
    for now in range(100):
        course.read(left, float(now))
        assert course.wanted(float(now)) == (OLD, "")


def test_a_node_that_starts_in_the_middle_takes_no_part() -> None:
    course = Course("me", OLD)
    record = Record(serial=4, stable=OLD).begin(Trial("1", NEW, ("me",), DEADLINE, 7))
    course.read(record, 100.0)
    assert course.wanted(100.0).trial == ""
    course.read(record.beat(), 103.0)
    assert course.wanted(103.0) == (OLD, "")
    course.read(record.confirm(NEW, "me", 1.0), 104.0)
    assert course.wanted(104.0) == (NEW, "")


def test_a_node_that_was_cut_off_waits_for_a_beat_that_it_sees() -> None:
    """What it reads first may have been written at any time since it was cut off."""
    course = Course("me", OLD)
    record = Record(serial=4, stable=OLD)
    course.read(record, 100.0)
    record = record.begin(Trial("1", NEW, ("me",), DEADLINE, 7))
    course.read(record, 120.0)
    assert course.wanted(120.0).trial == ""
    course.read(record.beat(), 123.0)
    assert course.wanted(123.0) == (NEW, "1")
    assert course.due(123.0) == DEADLINE - 3.0


def test_what_was_given_up_is_not_taken_up_again() -> None:
    course = Course("me", OLD)
    record = Record(serial=4, stable=OLD)
    course.read(record, 1.0)
    record = record.begin(Trial("1", NEW, ("me",), DEADLINE))
    course.read(record, 2.0)
    assert course.wanted(2.0).trial == "1"
    course.give_up()
    course.read(record.beat(), 3.0)
    assert course.wanted(3.0) == (OLD, "")
    course.read(record.beat().abort().begin(Trial("2", NEW, ("me",), DEADLINE)), 4.0)
    assert course.wanted(4.0) == (NEW, "2")


def test_what_an_engine_that_has_lost_writes_tries_is_not_tried() -> None:
    """A backup is restored in the middle of another roll-out: no operator keeps the trial in it alive."""
    course = Course("me", OLD)
    restored = Record(serial=4, stable=OLD).begin(Trial("1", OTHER, ("me",), DEADLINE, 7))
    record = Record(serial=90, stable=OLD)
    course.read(record, 1.0)
    course.read(record.begin(Trial("2", NEW, ("me",), DEADLINE)), 2.0)
    assert course.wanted(2.0) == (NEW, "2")
    course.read(restored, 3.0)
    assert course.wanted(3.0) == (OLD, "")
    course.read(restored.abort().begin(Trial("3", NEW, ("me",), DEADLINE)), 4.0)
    assert course.wanted(4.0) == (NEW, "3")


def test_a_roll_out_survives_a_failover_that_loses_a_beat() -> None:
    course = Course("me", OLD)
    record = Record(serial=4, stable=OLD)
    course.read(record, 1.0)
    lost = record.begin(Trial("1", NEW, ("me",), DEADLINE))
    course.read(lost.beat(), 4.0)
    assert course.wanted(4.0) == (NEW, "1")
    course.read(lost, 5.0)
    assert course.wanted(5.0) == (NEW, "1")
    course.read(lost.beat(), 8.0)
    assert course.wanted(5.0 + DEADLINE - 0.1) == (NEW, "1")
