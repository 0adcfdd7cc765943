"""Watches in a worker: which requests they show, what a report says, and that they cost nothing when there are none."""

import json
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsp.exchange.watched import Watched
from rsp.ipc.tap import LARGEST, Tap
from rsp.ipc.watches import Watch, Watches
from rsp.ipc.worker_cells import TAP_DROPPED
from tests.unit.fakes import serving

APP = 'upstream "app" { "127.0.0.1:2", "127.0.0.1:3" }\nroute { to = "app" }\n'


class Lab:
    def __init__(self, worker) -> None:
        self.worker = worker
        self.page = Watches()
        self.tap = Tap()
        self.watched = Watched(worker.context, self.tap, self.page)

    def use(self, *watches: Watch) -> None:
        self.page.publish(list(watches), self.worker.context.now)
        self.tick()

    def tick(self) -> None:
        self.watched.tick(self.worker.loop.now, 0.0)

    def ask(self, text="GET /x", status=200, fields=b"", seconds=0.0):
        client = self.worker.ask(text)
        if client.events is None or client.ended:
            return
        peer = self.worker.accept() if any(pool.attempts for pool in self.worker.pools) else self.worker.asked().stream
        self.worker.loop.now += seconds
        peer.answer(status, b"hello", fields)

    def messages(self) -> list[list[dict]]:
        """Each begins with the watch and how many were dropped."""
        return [
            [{"watch": one.watch, "dropped": one.dropped}, *map(json.loads, one.data.splitlines())]
            for one in self.tap.take(10_000)
        ]

    def seen(self) -> list[dict]:
        """What the tap has, and what is held."""
        self.tick()
        return [{**first, **line} for first, *lines in self.messages() for line in lines or [{}]]

    def targets(self) -> list[str]:
        return [one["target"] for one in self.seen() if "target" in one]


@contextmanager
def lab(text: str = APP):
    with serving(text) as worker:
        made = Lab(worker)
        try:
            yield made
        finally:
            made.tap.close()


def test_without_watches_there_is_nothing_to_ask():
    with lab() as one:
        one.tick()
        assert one.worker.context.watch is None
        one.use(Watch(1, "line"))
        assert one.worker.context.watch is one.watched
        one.use()
        assert one.worker.context.watch is None
        one.ask()
        assert one.seen() == []


def test_each_watch_shows_what_matches_it():
    with lab() as one:
        one.use(Watch(1, "line", "status >= 500"), Watch(2, "line", 'path = "/b"'))
        one.ask("GET /a", 200)
        one.ask("GET /b", 503)
        one.ask("GET /c", 500)
        assert [(each["watch"], each["target"], each["status"]) for each in one.seen()] == [
            (1, "/b", 503), (2, "/b", 503), (1, "/c", 500),
        ]  # fmt: skip


def test_the_first_is_shown_at_once_and_what_follows_soon_goes_together():
    with lab() as one:
        one.use(Watch(1, "line"))
        targets = lambda: [[line["target"] for line in lines] for _, *lines in one.messages()]  # noqa: E731
        one.ask("GET /0")
        assert targets() == [["/0"]]
        one.ask("GET /1")
        one.ask("GET /2")
        assert targets() == []
        one.worker.loop.now += 0.25
        one.ask("GET /3")
        assert targets() == [["/1", "/2", "/3"]]
        one.ask("GET /4")
        one.tick()
        assert targets() == [["/4"]]
        one.ask("GET /5")
        one.use()
        assert targets() == [], "nobody waits for it"
        one.use(Watch(2, "line", most=3))
        for number in range(3):
            one.ask(f"GET /{number}")
        assert targets() == [["/0"], ["/1", "/2"]], "the last that are wanted do not wait"


def test_what_is_held_is_bounded_in_bytes():
    with lab() as one:
        one.use(Watch(1, "line"))
        for _ in range(60):
            one.ask("GET /" + "x" * 3000)
        assert one.messages()[1:] and all(len(lines) < 20 for lines in one.messages())


def test_as_many_as_are_wanted():
    with lab() as one:
        one.use(Watch(1, "trace", most=2))
        for number in range(4):
            one.ask(f"GET /{number}")
        assert one.targets() == ["/0", "/1"]
        one.tick()
        assert one.worker.context.watch is None
        one.use(Watch(1, "trace", most=2), Watch(2, "line"))
        one.ask("GET /x")
        assert [each["watch"] for each in one.seen()] == [2], "another watch changes nothing for the first"


def test_those_that_take_long():
    with lab() as one:
        one.use(Watch(1, "line", slower=0.5))
        one.ask("GET /quick", seconds=0.4)
        one.ask("GET /slow", seconds=0.6)
        assert one.targets() == ["/slow"]
        one.use(Watch(1, "line", slower=0.5), Watch(2, "line", slower=0.1))
        one.ask("GET /quick", seconds=0.4)
        assert [each["watch"] for each in one.seen()] == [2]


def test_a_watch_has_a_share_of_each_second_and_says_what_is_missing():
    with lab() as one:
        one.use(Watch(1, "trace"))
        before = one.worker.count(TAP_DROPPED)
        for _ in range(30):
            one.ask()
        one.tick()
        assert [(first["dropped"], len(lines)) for first, *lines in one.messages()] == [(0, 1), (10, 19)]
        assert one.worker.count(TAP_DROPPED) - before == 10
        one.ask()
        assert one.seen() == [{"watch": 1, "dropped": 1}], "it is said, though nothing else is to be shown"
        one.worker.loop.now += 2.0
        for _ in range(21):
            one.ask()
        one.tick()
        assert [(first["dropped"], len(lines)) for first, *lines in one.messages()] == [(0, 1), (1, 19)]
        assert one.worker.count(TAP_DROPPED) - before == 12


def test_what_the_tap_does_not_take_is_counted():
    with lab() as one:
        one.use(Watch(1, "line"))
        while one.tap.writing.send(b"x" * 10_000, 0x40):
            try:
                one.tap.writing.send(b"x" * 10_000)
            except BlockingIOError:
                break
        before = one.worker.count(TAP_DROPPED)
        for _ in range(5):
            one.ask()
        one.tick()
        assert one.worker.count(TAP_DROPPED) - before == 5
        one.tap.take(10_000)
        one.ask()
        assert [each["dropped"] for each in one.seen()] == [5]


def test_a_condition_that_another_process_has_spoilt_shows_nothing():
    with lab() as one:
        one.use(Watch(1, "line", "nonsense ("), Watch(2, "line"))
        one.ask()
        assert [each["watch"] for each in one.seen()] == [2]


def test_a_request_that_began_before_the_watch():
    with lab() as one:
        client = one.worker.ask("GET /x")
        peer = one.worker.accept()
        one.use(Watch(1, "trace"))
        peer.answer()
        assert client.ended
        (seen,) = one.seen()
        assert (seen["target"], seen["tries"], seen["status"]) == ("/x", [], 200)


def test_a_report():
    with lab() as one:
        one.use(Watch(1, "trace"))
        one.worker.ask("GET /x?token=secret\nAuthorization: Bearer secret\nCookie: a=secret")
        one.worker.refuse()
        one.worker.loop.now += 0.001
        one.worker.accept().answer(404, b"hello", b"Set-Cookie: a=secret; Path=/\r\n")
        (seen,) = one.seen()
        assert "secret" not in json.dumps(seen)
        first, second = seen["tries"]
        assert first["failure"] and first["status"] == 0
        assert second["status"] == 404 and second["failure"] == ""
        assert seen["upstream"] == f"{first['peer']},{second['peer']}"
        assert seen["request"].startswith("GET /x?token=*** HTTP/1.1\r\nHost: t\r\n")
        assert "Authorization: Bearer ***\r\n" in seen["request"]
        assert seen["response"].startswith("HTTP/1.1 404 ") and "a=***; Path=/" in seen["response"]
        assert seen["phases"]["head"] == 0 and seen["phases"]["last_byte"] == 1000


values = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0", exclude_categories=["Cc"]), max_size=30)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["line", "trace"]), values, values, st.integers(0, 30_000))
def test_whatever_clients_and_peers_send_it_is_one_line_of_json_that_fits(kind, sent, answered, more):
    with lab() as one:
        one.use(Watch(1, kind))
        head = b"GET /" + b"x" * more + b" HTTP/1.1\r\nHost: t\r\nX-A: " + sent.encode("latin-1") * 200 + b"\r\n\r\n"
        one.ask(head, 200, b"X-B: " + answered.encode("latin-1") * 400 + b"\r\n")
        (message,) = one.tap.take(10)
        assert len(message.data) < LARGEST and message.data.count(b"\n") == 1
        assert json.loads(message.data)["status"] == 200


class Broken:
    asked = 0

    def put(self, _message: object) -> bool:
        self.asked += 1
        raise RuntimeError("no tap")


@pytest.mark.parametrize("kind", ["line", "trace"])
def test_requests_end_whatever_a_watch_does(kind):
    with lab() as one:
        broken = Broken()
        one.watched = Watched(one.worker.context, broken, one.page)
        one.use(Watch(1, kind))
        one.ask()
        assert one.worker.clients[-1].ended and broken.asked == 1
