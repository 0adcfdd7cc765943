"""Watches in the control process: which are open, and what their streams carry."""

import asyncio
import json
import time
from urllib.parse import parse_qsl

import pytest

from rsp.control.state import Mistake
from rsp.control.watch_stream import watch_handler
from rsp.control.watching import Watching
from rsp.control.web import Refused, Request
from rsp.ipc.spans import Span
from rsp.ipc.tap import Logged, Seen, Spans, Tap
from rsp.ipc.watches import MOST, Watches


@pytest.fixture
def page():
    return Watches()


@pytest.fixture
def tap():
    tap = Tap()
    yield tap
    tap.close()


@pytest.fixture
def watching(tap, page):
    return Watching(tap, page)


def published(page):
    """As a worker that looks for the first time."""
    page._seen = 0
    return page.changed(0.0)


def ask(watching, query):
    return watch_handler(watching)(Request("GET", "/watch", dict(parse_qsl(query))))


def test_a_watch_is_open_until_it_is_closed(watching, page):
    assert published(page) is None
    one = watching.open("line", "status = 500", print, 3, 0.5)
    two = watching.open("trace", "", print)
    found = published(page)
    assert [(watch.kind, watch.where, watch.most, watch.slower) for watch in found] == [
        ("line", "status = 500", 3, 0.5),
        ("trace", "", 0, 0.0),
    ]
    assert found[0].number < found[1].number
    one.close()
    one.close()
    assert published(page) == [two.watch]


def test_a_watch_changes(watching, page):
    one = watching.open("line", "status = 1", print, slower=0.1)
    one.change(0.2)
    (watch,) = published(page)
    assert (watch.where, watch.slower) == ("status = 1", 0.2)


def test_watches_go_on_while_the_process_ticks(watching, page):
    watching.open("line", "", print)
    now = time.monotonic()
    assert len(page.changed(now)) == 1
    for _ in range(10):
        now += 1.0
        watching.tick(now)
        assert page.changed(now) is None
    assert page.changed(now + 10.0) == []


def test_mistakes(watching):
    with pytest.raises(Mistake, match='condition: column 1: there is no field "x"'):
        watching.open("line", "x", print)
    for _ in range(MOST):
        watching.open("line", "", print)
    with pytest.raises(Mistake, match="8 watches are open already"):
        watching.open("line", "", print)


def test_a_process_that_starts_again_has_other_numbers(tap, page):
    before = Watching(tap, page).open("line", "", print).watch.number
    assert Watching(tap, page).open("line", "", print).watch.number >= before


def test_what_is_seen_goes_to_its_watch(watching, tap):
    seen, logged = [], []
    one = watching.open("line", "", lambda line, dropped: seen.append((line, dropped)))
    watching.on_logged = logged.append
    tap.put(Seen(one.watch.number, b"a", 2))
    tap.put(Seen(one.watch.number + 1, b"of a watch that is closed"))
    tap.put(Logged(3, 1.0, 2, "x"))
    watching._read()
    assert seen == [(b"a", 2)]
    assert [message.text for message in logged] == ["x"]


def test_what_takes_it_may_fail(watching, tap, capfd):
    def fail(_message):
        raise RuntimeError("no")

    watching.on_logged = fail
    seen = []
    one = watching.open("line", "", lambda *message: seen.append(message))
    tap.put(Logged(3, 1.0, 2, "x"))
    tap.put(Seen(one.watch.number, b"a"))
    watching._read()
    assert seen == [(b"a", 0)]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("kind=x", 'kind: expected "line" or "trace"'),
        ("most=-1", "most: expected a number from 0 to 1000000"),
        ("most=1000001", "most"),
        ("most=99999999999999999999", "most"),
        ("where=x", 'condition: column 1: there is no field "x"'),
    ],
)
def test_what_a_client_may_not_ask(watching, query, message):
    with pytest.raises(Refused, match=message):
        asyncio.run(ask(watching, query))


def test_a_stream(watching, tap, page):
    async def main():
        response = await ask(watching, "kind=trace&where=status+>+499&most=5")
        assert (response.status, response.type, response.live) == (200, "application/x-ndjson", True)
        first = asyncio.ensure_future(anext(response.body))
        await asyncio.sleep(0)
        (watch,) = published(page)
        assert (watch.kind, watch.where, watch.most) == ("trace", "status > 499", 5)
        for line, dropped in ((b'{"a":1}\n', 0), (b'{"a":2}', 3), (b"", 4)):
            tap.put(Seen(watch.number, line, dropped))
        watching._read()
        data = await first
        assert list(map(json.loads, data.splitlines())) == [{"dropped": 7}, {"a": 1}, {"a": 2}]
        await response.body.aclose()
        assert published(page) == []

    asyncio.run(main())


def test_a_client_that_takes_nothing_costs_a_bounded_amount_of_memory(watching, tap, page):
    async def main():
        response = await ask(watching, "")
        first = asyncio.ensure_future(anext(response.body))
        await asyncio.sleep(0)
        number = published(page)[0].number
        for _ in range(200):
            for _ in range(50):
                assert tap.put(Seen(number, b"x" * 1000))
            watching._read()
        pieces = [await first]
        while sum(map(len, pieces)) < (4 << 20) - 100_000:
            pieces.append(await anext(response.body))
        assert max(map(len, pieces)) < 70_000
        lines = b"".join(pieces).splitlines()
        missing = sum(json.loads(line)["dropped"] for line in lines if line.startswith(b"{"))
        assert missing > 5000
        assert missing + sum(line.startswith(b"x") for line in lines) <= 10_000
        await response.body.aclose()

    asyncio.run(main())


def test_a_flood_of_what_is_dear_to_read_leaves_turns_to_others(watching, tap):
    """As a worker that was taken over may send it."""
    span = Span("0" * 32, "0" * 16, "", "", 0, "n", 1, 0, 0, "", False, {f"{number}": "\x01" for number in range(64)})
    sent = 0
    while tap.put(Spans([span] * 64)):
        sent += 1
    taken = []
    watching.on_spans = lambda spans: taken.append(len(spans)) or time.sleep(0.002)
    watching._read()
    assert len(taken) < sent
    turns = 1
    while watching._read():
        turns += 1
    assert len(taken) == sent and turns > 3
