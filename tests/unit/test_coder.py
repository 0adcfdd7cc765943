"""Bodies that are compressed as they come: in order, flushed, a chunk a turn, and no faster than the client takes them."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.coding.coding import CHUNK
from rsp.exchange import coder
from rsp.http.message import CHUNKED
from rsp.logs import log
from rsp.net import effort
from tests.soak import examples
from tests.unit.fake_streams import response_head
from tests.unit.fakes import serving

APP = 'upstream "app" { "127.0.0.1:2" }\nroute { to = "app", compress = true MORE }\n'
PLAIN = APP.replace("MORE", "")
GZIP = "GET /x\nAccept-Encoding: gzip"
TEXT = b"Content-Type: text/plain\r\n"
LINE = b"data: something happened\n\n"
LARGE = b"".join(b"%d " % number for number in range(100_000))  # several chunks


def decoded(client):
    """What the client has of the body by now, and whether that is all."""
    decoder = zlib.decompressobj(31)
    return decoder.decompress(client.body), decoder.eof


def peer_of(worker):
    """That of the last request."""
    return worker.accept() if worker.pool().attempts else list(worker.pool().streams)[-1]


def begun(worker, *pieces, framing=CHUNKED, fields=TEXT):
    client = worker.ask(GZIP)
    peer = peer_of(worker)
    peer.begin(200, pieces, fields, framing=framing)
    assert b"Content-Encoding: gzip" in client.lines and client.framing == CHUNKED
    return client, peer


def step(worker):
    """One turn of the loop: what it brings about is done in the next one."""
    due, worker.loop._soon = worker.loop._soon, []
    for callback, args in due:
        callback(*args)
    return len(due)


@pytest.fixture
def no_time(monkeypatch):
    """Each chunk uses up a turn."""
    monkeypatch.setattr(effort, "_SHARE", 1e-9)


# -- flushes


def test_what_has_come_is_flushed():
    with serving(PLAIN) as worker:
        client, peer = begun(worker)
        for number in range(1, 4):
            peer.send(LINE)
            worker.turn()
            assert decoded(client) == (LINE * number, False)
        peer.send(last=True)
        assert decoded(client) == (LINE * 3, True) and client.ended == "kept"


def test_flushes_have_their_share_of_a_turn(monkeypatch):
    """zstd and Brotli do in a flush what gzip does before it."""
    with serving(PLAIN) as worker:
        streams = [begun(worker) for _ in range(4)]
        for _, peer in streams:
            peer.send(LINE)
        monkeypatch.setattr(effort, "_SHARE", 1e-9)  # all have been fed in one turn; each flush uses up another
        before, most = 0, 0
        for _ in range(100):
            step(worker)
            flushed = sum(decoded(client)[0] == LINE for client, _ in streams)
            before, most = flushed, max(most, flushed - before)
            if flushed == len(streams):
                break
        assert flushed == len(streams) and most == 1
        for client, peer in streams:
            peer.send(LINE, last=True)
            worker.turn()
            assert decoded(client) == (LINE * 2, True)


def test_what_comes_with_the_head_is_flushed_as_well():
    with serving(PLAIN) as worker:
        client, peer = begun(worker, LINE)
        worker.turn()
        assert decoded(client) == (LINE, False)
        peer.send(LINE, last=True)
        assert decoded(client) == (LINE * 2, True)


def test_as_long_as_more_comes_nothing_is_flushed():
    with serving(PLAIN) as worker:
        client, peer = begun(worker)
        sizes = set()
        for _ in range(5):
            peer.send(LINE)
            sizes.add(len(client.body))
            step(worker)
        assert len(sizes) == 1
        while step(worker):
            pass
        assert decoded(client) == (LINE * 5, False)
        peer.send(last=True)


def test_but_nothing_stays_for_long(monkeypatch):
    now = 1.0
    monkeypatch.setattr(coder, "monotonic", lambda: now)
    with serving(PLAIN) as worker:
        client, peer = begun(worker)
        for _ in range(4):
            peer.send(LINE)
            now += 0.006
            step(worker)
        step(worker)
        assert decoded(client)[0] == LINE * 4
        peer.send(last=True)


def test_a_stream_that_is_quiet_does_nothing():
    with serving(PLAIN) as worker:
        client, peer = begun(worker, LINE)
        worker.turn()
        size = len(client.body)
        client.fill()
        client.drain()
        worker.turn()
        assert len(client.body) == size and not peer.paused
        peer.send(last=True)


# -- turns


def test_a_chunk_a_turn_and_the_peer_waits(no_time):
    with serving(PLAIN) as worker:
        client, peer = begun(worker)
        peer.send(LARGE)
        assert peer.paused
        turns = 0
        while peer.paused:
            turns += step(worker)
        assert turns >= len(LARGE) // CHUNK
        worker.turn()
        assert decoded(client) == (LARGE, False)
        peer.send(last=True)
        worker.turn()
        assert decoded(client) == (LARGE, True)


def test_streams_take_turns(no_time):
    with serving(PLAIN) as worker:
        sides = [begun(worker) for _ in range(3)]
        for _, peer in sides:
            peer.send(LARGE)
        ends = {}
        for turn in range(1000):
            if not step(worker):
                break
            for number, (_, peer) in enumerate(sides):
                if not peer.paused:
                    ends.setdefault(number, turn)
        assert len(ends) == 3 and max(ends.values()) - min(ends.values()) <= 5
        for client, peer in sides:
            peer.send(last=True)
            worker.turn()
            assert decoded(client) == (LARGE, True)


def test_a_body_that_is_whole_and_comes_too_late_in_a_turn(no_time):
    with serving(PLAIN) as worker:
        clients = []
        for _ in range(3):
            clients.append(worker.ask(GZIP))
            peer_of(worker).answer(200, LINE * 100, TEXT)
        assert [client.framing == CHUNKED for client in clients] == [False, True, True]
        worker.turn()
        assert [decoded(client) for client in clients] == [(LINE * 100, True)] * 3


def test_a_whole_body_that_is_large():
    text = PLAIN + 'route { path = "/own", compress = true, respond = { body = "%s" } }' % ("a body " * 20_000)
    with serving(text) as worker:
        client = worker.ask("GET /own\nAccept-Encoding: gzip")
        assert client.ended == "" and client.framing == CHUNKED
        worker.turn()
        assert decoded(client) == (b"a body " * 20_000, True) and client.ended == "kept"


# -- the client's pace


def test_a_client_that_is_full_stops_it():
    with serving(PLAIN) as worker:
        client, peer = begun(worker, LINE)
        worker.turn()
        client.fill()
        assert peer.paused
        size = len(client.body)
        worker.turn()
        assert len(client.body) == size
        client.drain()
        assert not peer.paused
        peer.send(LINE)
        client.fill()  # before anything was flushed
        worker.turn()
        client.drain()
        worker.turn()
        assert decoded(client) == (LINE * 2, False)
        peer.send(last=True)


def test_what_waits_here_goes_before_more_of_the_peer(no_time):
    with serving(PLAIN) as worker:
        client, peer = begun(worker)
        peer.send(LARGE)
        client.fill()
        for _ in range(20):
            step(worker)
        size = len(client.body)
        assert size < len(LARGE) and peer.paused
        client.drain()
        assert peer.paused and len(client.body) == size
        worker.turn()
        assert not peer.paused and decoded(client)[0] == LARGE
        peer.send(last=True)


@pytest.mark.parametrize("when", ["before", "after"])
def test_with_response_buffering_the_peer_is_done_first(when):
    with serving(APP.replace("MORE", ', response_buffering = "1MB"')) as worker:
        client, peer = begun(worker, LINE)
        if when == "after":
            worker.turn()
        client.fill()
        for _ in range(10):
            peer.send(LINE)
            worker.turn()
        peer.send(last=True)
        worker.turn()
        assert client.ended == "" and not decoded(client)[1]
        client.drain()
        worker.turn()
        assert decoded(client) == (LINE * 11, True) and client.ended == "kept"


def test_what_is_ended_takes_no_memory_while_a_slow_client_takes_it():
    with serving(APP.replace("MORE", ', response_buffering = "1MB"')) as worker:
        client, peer = begun(worker, LINE)
        client.fill()
        peer.send(LINE)
        client.drain()
        while peer.paused:  # compression has had its share of this turn, on a busy machine
            worker.turn()
        peer.send(LINE)
        client.fill()
        peer.send(LINE, last=True)
        while step(worker):
            pass
        client.drain()
        worker.turn()
        assert decoded(client) == (LINE * 4, True) and client.ended == "kept"


def test_with_response_buffering_a_backlog_that_is_full_pauses_the_peer():
    noise = bytes(range(256)) * 16
    with serving("limits = { buffer = 1000 }\n" + APP.replace("MORE", ", response_buffering = 2000")) as worker:
        client, peer = begun(worker)
        client.fill()
        sent = 0
        while not peer.paused:
            peer.send(noise[sent % 7 :])
            sent += len(noise) - sent % 7
            worker.turn()
            assert sent < 1 << 22
        while peer.paused:
            client.drain()
            worker.turn()
        peer.send(last=True)
        worker.turn()
        assert len(decoded(client)[0]) == sent and decoded(client)[1]


# -- ends


def test_trailers():
    with serving(PLAIN) as worker:
        client, peer = begun(worker, LINE)
        peer.send(LINE, last=True, trailers=(b"T: u", b"Content-Digest: sha-256=:x:", b"repr-digest: y"))
        assert client.trailers == [b"T: u"] and decoded(client) == (LINE * 2, True)
        worker.turn()


def test_trailers_of_a_body_that_is_whole():
    with serving(PLAIN) as worker:
        client = worker.ask(GZIP)
        peer = worker.accept()
        peer._finish()
        head = response_head(200, CHUNKED, TEXT)
        client.events.response(head, [LINE * 100], [b"T: u"])
        assert (client.framing, client.trailers, decoded(client)) == (CHUNKED, [b"T: u"], (LINE * 100, True))
        worker.turn()


def test_an_empty_body():
    with serving(PLAIN) as worker:
        client, peer = begun(worker)
        peer.send(last=True)
        assert decoded(client) == (b"", True)


def test_a_peer_that_breaks_off():
    with serving(PLAIN) as worker:
        client, peer = begun(worker, LINE)
        worker.turn()
        peer.fail()
        assert client.ended == "reset" and decoded(client) == (LINE, False)


@pytest.mark.parametrize("how", ["leave", "reset"])
def test_an_end_while_chunks_wait(no_time, how):
    with serving(PLAIN) as worker:
        client, peer = begun(worker)
        peer.send(LARGE)
        step(worker)
        if how == "leave":
            client.leave()
        else:
            client.events.give_up(504, "")
        worker.turn()
        assert client.ended and worker.context.effort.used == 0


@pytest.mark.parametrize("call", ["feed", "flush"])
def test_a_library_that_fails_in_the_middle(monkeypatch, capfd, call):
    monkeypatch.setattr(log, "_last", {})
    with serving(PLAIN) as worker:
        client, peer = begun(worker, LINE)
        worker.turn()
        made = worker.clients[0].events.passage.coder

        class Failing:
            def feed(self, data):
                return self.fail("feed")

            def flush(self):
                return self.fail("flush")

            def fail(self, called):
                if called == call:
                    raise MemoryError
                return b""

        made._stream = Failing()
        del made
        peer.send(LINE)
        step(worker)
        step(worker)
        assert client.ended == "reset" and not decoded(client)[1]
    assert "compress: a response was cut: MemoryError" in capfd.readouterr().err


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(effort, "_MEMORY", 600_000)
    with serving(PLAIN) as worker:
        first, second = begun(worker, LINE), begun(worker, LINE)
        client = worker.ask(GZIP)
        peer = worker.accept()
        peer.begin(200, [LINE], TEXT)
        assert client.body == LINE and client.lines == [TEXT.strip(), b"Vary: Accept-Encoding"]
        peer.send(LINE, last=True)
        assert client.body == LINE * 2
        whole = worker.ask(GZIP)  # which takes no memory for long
        peer_of(worker).answer(200, LINE * 100, TEXT)
        assert decoded(whole) == (LINE * 100, True)
        for _, peer in (first, second):
            peer.send(last=True)
        assert worker.context.effort.used == 0
        worker.turn()


# -- anything


actions = st.lists(
    st.one_of(st.binary(min_size=1, max_size=300), st.integers(1, 3), st.sampled_from(["step", "fill", "drain"])),
    max_size=30,
)


@pytest.mark.parametrize("more", ["", ', response_buffering = "1MB"'])
def test_any_order_of_pieces_and_turns(more, no_time):
    @examples(100)
    @given(actions)
    def run(actions):
        with serving(APP.replace("MORE", more)) as worker:
            client, peer = begun(worker)
            for action in actions:
                if action == "step":
                    step(worker)
                elif action == "fill":
                    client.fill()
                elif action == "drain":
                    client.drain()
                elif not peer.paused:
                    peer.send(LARGE[: action * CHUNK] if isinstance(action, int) else action)
            client.drain()
            worker.turn()
            assert decoded(client) == (peer.told, False) and not peer.paused
            peer.send(last=True)
            worker.turn()
            assert decoded(client) == (peer.told, True) and client.ended == "kept"

    run()
