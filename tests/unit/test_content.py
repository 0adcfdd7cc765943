"""Content of rsp's own, to a client that each test plays by hand: all of it arrives, whatever the client takes at once."""

import contextlib
import os
import random
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.exchange import content
from rsp.exchange.content import send_content
from rsp.exchange.filter import HOLD
from rsp.exchange.handler import Handler
from rsp.files.entry import OpenFile
from rsp.http.message import ResponseHead
from rsp.ipc.worker_cells import BYTES_SENT, STATUS_2XX
from tests.soak import examples
from tests.unit import fakes
from tests.unit.fake_streams import FakeClientStream
from tests.unit.fakes import FakeFilter, serving

SIZE = (9 << 20) + 4321
DATA = random.Random(1).randbytes(SIZE)
NONE = "route { respond = { status = 200 } }\n"


class TakingClient(FakeClientStream):
    """Its stream takes parts of files, at most ``most`` bytes in one call; ``calls``: how many there were."""

    most = SIZE
    calls = 0

    def takes_files(self):
        return not self.ended

    def send_file(self, head, file, start, size):
        type(self).calls += 1
        if head is not None:
            self.send_response(head, [], None)
        data = os.pread(file, min(size, self.most), start)
        if not data:
            return -1
        if self.ended:
            return 0
        self.body += data
        if len(data) < size:
            self.fill()
        return len(data)


class Sender(Handler):
    def __init__(self, file, segments, size=None):
        self.file, self.segments, self.size = file, segments, size

    def start(self, exchange):
        head = ResponseHead(200, b"OK", 1)
        head.framing = self.size if self.size is not None else sum(map(length, self.segments))
        head.fields = b"A: b\r\n"
        send_content(exchange, head, self.file, list(self.segments))


def length(segment):
    return len(segment) if isinstance(segment, bytes) else segment[1]


def whole(segments):
    return b"".join(one if isinstance(one, bytes) else DATA[one[0] : sum(one)] for one in segments)


@contextlib.contextmanager
def sending(segments, *, path=None, own=(), config=NONE, kind=FakeClientStream):
    """A worker whose only route sends ``segments`` of a file."""
    before, fakes.FakeClientStream = fakes.FakeClientStream, kind
    try:
        with serving(config, own=own) as worker:
            file = OpenFile(os.open(path or whole_file(), os.O_RDONLY))
            for level in worker.service.config.router.levels(b"t"):
                for choice in level.choices:
                    choice.destination.handler = Sender(file, segments)
            yield worker
            assert worker.context.senders == 0
    finally:
        fakes.FakeClientStream = before


_files = []


def whole_file():
    if not _files:
        file = tempfile.NamedTemporaryFile()  # noqa: SIM115 - as long as the tests run
        file.write(DATA)
        file.flush()
        _files.append(file)
    return _files[0].name


parts = st.tuples(st.integers(0, SIZE - 1), st.sampled_from([1, 100, 33_000, 70_000, 1 << 20, 3 << 20])).map(
    lambda pair: (pair[0], min(pair[1], SIZE - pair[0]))
)
pieces = st.sampled_from([b"x", b"\r\n--boundary\r\n"])


@examples(60)
@given(
    st.lists(parts | pieces, max_size=6),
    st.sampled_from([FakeClientStream, TakingClient]),
    st.sampled_from([4000, 40_000, 131_072, SIZE]),
    st.lists(st.booleans(), max_size=8),
)
def test_all_of_it_arrives_in_order(segments, kind, most, clogs):
    class Client(kind):
        pass

    Client.most = most
    with sending(segments, kind=Client) as worker:
        client = worker.hear()
        client.clogged = bool(clogs) and clogs[0]
        client.events.start()
        for turn in range(10_000):
            if client.ended:
                break
            worker.turn()
            if client.full and not client.ended:
                client.clogged = turn < len(clogs) and clogs[turn]
                client.drain()
        expected = whole(segments)
        assert client.body == expected and client.ended == "kept" and client.trailers == []
        assert client.lines == [b"A: b"] and client.framing == len(expected)
        assert worker.count(BYTES_SENT) == len(expected) and worker.count(STATUS_2XX) == 1


def test_what_is_small_goes_out_with_the_head():
    with sending([(5, 20_000), b"end"], kind=TakingClient) as worker:
        TakingClient.calls = 0
        client = worker.ask()
        assert client.body == DATA[5:20_005] + b"end" and client.ended == "kept" and not TakingClient.calls


@pytest.mark.parametrize("kind", [FakeClientStream, TakingClient])
def test_a_turn_sends_a_share_that_is_smaller_where_many_send(kind):
    with sending([(0, SIZE)], kind=kind) as worker:
        first = worker.ask()
        assert 8 << 20 <= len(first.body) < SIZE
        others = [worker.ask() for _ in range(16)]
        assert all(len(other.body) <= 1 << 20 for other in others[8:])
        assert len(others[-1].body) <= 640 << 10
        for other in others:
            other.go()
        worker.turn()
        assert first.body == DATA


@pytest.mark.parametrize("kind", [FakeClientStream, TakingClient])
def test_a_file_that_is_shorter_than_it_was_ends_in_a_cut(kind, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(DATA)
    with sending([(0, SIZE)], path=path, kind=kind) as worker:
        client = worker.ask()
        assert not client.ended
        os.truncate(path, (8 << 20) + 500_000)
        worker.turn()
        if client.full:
            client.drain()
            worker.turn()
        assert client.ended == "reset"
        assert 8 << 20 <= len(client.body) <= (8 << 20) + 500_000 and DATA.startswith(client.body)


def test_a_file_that_is_shorter_before_anything_was_sent_is_an_error(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"")
    with sending([(0, SIZE)], path=path) as worker:
        client = worker.ask()
        assert client.status == 500 and client.ended == "kept"


def test_a_file_that_is_replaced_is_sent_to_its_old_end(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(DATA)
    with sending([(0, SIZE)], path=path) as worker:
        client = worker.ask()
        (tmp_path / "new").write_bytes(b"new")
        os.replace(tmp_path / "new", path)
        worker.turn()
        assert client.body == DATA and client.ended == "kept"


@pytest.mark.parametrize("kind", [FakeClientStream, TakingClient])
def test_a_client_that_goes_ends_it(kind):
    with sending([(0, SIZE)], kind=kind) as worker:
        client = worker.ask()
        client.go()
        worker.turn()
        assert worker.context.senders == 0 and worker.statuses == [200]


def test_what_is_read_for_a_client_that_goes_is_called_off(monkeypatch):
    """Clients that leave again and again fill no queue of a slow disk."""
    jobs = []

    class Job:
        _asyncio_future_blocking = False  # asyncio takes it for one of its own
        called_off = False

        def add_done_callback(self, done):
            jobs.append(self)

        def cancel(self):
            self.called_off = True

    monkeypatch.setattr(content, "submit", lambda *_: Job())
    with sending([(0, SIZE)], path="/proc/version") as worker:  # which is never read without waiting
        client = worker.ask()
        assert [job.called_off for job in jobs] == [False]
        client.go()
        assert [job.called_off for job in jobs] == [True]


def test_a_client_whose_time_is_up_is_cut():
    with sending([(0, SIZE)], config='timeouts = { request = "2s" }\n' + NONE) as worker:
        client = worker.hear()
        client.clogged = True
        client.events.start()
        worker.wait(4)
        assert client.ended == "reset" and worker.context.senders == 0


# -- filters


def test_filters_that_hold_the_response_see_it_before_it_goes_on():
    held = FakeFilter(response=HOLD)
    with sending([(0, SIZE)], own=(held,), kind=TakingClient) as worker:
        TakingClient.calls = 0
        client = worker.ask()
        worker.turn()
        assert not client.status
        held.go_on()
        worker.turn()
        assert client.body == DATA and client.ended == "kept" and TakingClient.calls  # nothing saw the rest


def test_filters_of_bodies_see_all_of_it():
    def look(exchange):
        exchange.passage.held.filter_body(upper)
        return 0

    seen = []
    upper = FakeFilter(response=look, body=lambda pieces, last: seen.append(b"".join(pieces)) or pieces)
    with sending([(0, SIZE)], own=(upper,), kind=TakingClient) as worker:
        TakingClient.calls = 0
        client = worker.ask()
        worker.turn()
        assert client.body == DATA == b"".join(seen) and not TakingClient.calls


def test_a_filter_that_replaces_the_body_ends_the_sending():
    def replace(exchange):
        exchange.passage.held.replace_body(b"short")
        return 0

    with sending([(0, SIZE)], own=(FakeFilter(response=replace),)) as worker:
        client = worker.ask()
        assert client.body == b"short" and client.ended == "kept"
