"""The tap and the watches' page: what processes show, and what they are asked to show."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.ipc.tap import LARGEST, Logged, Seen, Tap
from rsp.ipc.watches import MOST, Watch, Watches


@pytest.fixture
def tap():
    tap = Tap()
    yield tap
    tap.close()


def test_what_is_put_is_taken(tap):
    messages = [Seen(1, b'{"a":1}\n', 3), Seen(2, b""), Logged(4, 1.5, 17, "a\nb")]
    assert all(map(tap.put, messages))
    assert tap.take(2) == messages[:2]
    assert tap.take(10) == messages[2:]
    assert tap.take(10) == []


def test_when_it_is_full_what_comes_is_dropped_at_once(tap):
    count = 0
    while tap.put(Seen(1, b"x" * 1000)):
        count += 1
        assert count < 100_000
    assert count >= 50
    assert len(tap.take(count + 10)) == count
    assert tap.put(Seen(1, b"x"))


def test_what_is_too_large_is_dropped(tap):
    assert not tap.put(Seen(1, b"x" * LARGEST))
    assert tap.put(Seen(1, b"x" * (LARGEST - 100)))


@given(
    st.binary(max_size=300) | st.builds(msgspec.msgpack.encode, st.lists(st.integers(-9, 9) | st.text(), max_size=5))
)
def test_a_datagram_that_no_process_should_send_is_skipped(data):
    tap = Tap()
    try:
        tap.writing.send(data)
        tap.put(Seen(7, b"x"))
        assert tap.take(10)[-1] == Seen(7, b"x")
    finally:
        tap.close()


def test_a_line_of_the_log_of_any_text(tap):
    tap.log(3, 1.0, "\ud800" + "x" * 10_000)
    (logged,) = tap.take(1)
    assert logged.text.startswith("?xxx") and len(logged.text) <= 4000


WATCH = Watch(5, "line", "status >= 500", 20, 0.5)


def test_a_worker_finds_what_is_published_once():
    page = Watches()
    assert page.changed(1.0) is None
    page.publish([WATCH], 1.0)
    assert page.changed(1.5) == [WATCH]
    assert page.changed(2.0) is None
    page.publish([], 2.0)
    assert page.changed(2.5) == []


def test_watches_end_when_they_are_not_renewed_and_come_back():
    page = Watches()
    page.publish([WATCH], 1.0)
    assert page.changed(1.0) == [WATCH]
    page.renew(5.0)
    assert page.changed(9.0) is None
    assert page.changed(10.0) == []
    assert page.changed(11.0) is None
    page.renew(12.0)
    assert page.changed(12.0) == [WATCH]


def test_the_largest_page():
    page = Watches()
    watches = [Watch((1 << 53) - number, "trace", "\u20ac" * 2000, 1 << 53, 1e9) for number in range(MOST)]
    page.publish(watches, 1.0)
    assert page.changed(1.0) == watches


@given(st.binary(max_size=200), st.integers(0, 199), st.booleans())
def test_a_page_that_is_spoilt_is_ignored(data, at, checked):
    page = Watches()
    page.publish([WATCH], 1.0)
    if checked:  # as a process does that knows how
        import zlib

        page._memory[32 : 32 + len(data)] = data
        page._cells[2], page._cells[3] = len(data), zlib.crc32(data)
    else:
        page._memory[at : at + len(data)] = data
    found = page.changed(1.0)
    assert found is None or all(isinstance(watch, Watch) for watch in found)


@given(st.binary(min_size=1, max_size=200), st.integers(0, 199))
def test_what_was_spoilt_is_published_again(data, at):
    page = Watches()
    page.publish([WATCH], 1.0)
    page._memory[at : at + len(data)] = data
    page.changed(1.0)
    page.renew(2.0)
    page._seen = 0
    assert page.changed(2.0) == [WATCH]


def test_a_list_that_is_being_written_waits_for_the_next_tick():
    page = Watches()
    page.publish([WATCH], 1.0)
    page._cells[3] ^= 1
    assert page.changed(1.0) is None
    page._cells[3] ^= 1
    assert page.changed(2.0) == [WATCH]
