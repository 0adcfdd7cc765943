"""A client's HTTP/2 connection against hyper-h2, with the real exchanges behind it."""

from contextlib import contextmanager

import h2.events
import h2.settings

from rsp.ipc import worker_cells
from tests.unit.fakes import FakeWorker
from tests.unit.h2_lab import H2Client

APP = 'upstream "app" { "127.0.0.1:2" }\nroute { to = "app" }\nroute { path = "/own", respond = { body = "own" } }\n'


@contextmanager
def client(text: str = APP, **settings: int):
    with FakeWorker(text) as worker:
        made = H2Client(worker, **settings)
        yield made
        made.connection.abort()
        made.connection.connection_lost(None)
        assert worker.count(worker_cells.IN_FLIGHT) == 0


def peer(one):
    """The stream of the only request that a peer has."""
    return one.worker.accept() if any(pool.attempts for pool in one.worker.pools) else one.worker.asked().stream


def test_an_answer_of_rsps_own():
    with client() as one:
        number = one.ask(path="/own")
        assert one.status(number) == 200 and one.body(number) == b"own" and one.ended(number)
        assert one.fields(number)[b"content-length"] == b"3"
        assert not one.connection.streams and one.connection.is_idle


def test_a_request_for_a_peer_and_its_response():
    with client() as one:
        number = one.ask(("user-agent", "x"), ("cookie", "a=1"), ("cookie", "b=2"))
        stream = peer(one)
        assert (stream.method, stream.target, stream.host) == (b"GET", b"/x", b"t")
        assert b"cookie: a=1; b=2" in stream.lines
        stream.answer(200, b"hello", b"X-Y: z\r\nETag: 1\r\n")
        one.play()
        assert one.body(number) == b"hello" and one.fields(number)[b"x-y"] == b"z"
        assert '"GET /x HTTP/2.0" 200 5' in one.worker.log.lines[0]


def test_many_at_once():
    with client() as one:
        numbers = [one.ask(path=f"/own/{n}") for n in range(300)]
        assert all(one.body(number) == b"own" for number in numbers)


def test_a_body_goes_out_as_it_comes():
    with client() as one:
        number = one.ask(method="POST", last=False)
        one.send(number, b"a" * 1000)
        stream = peer(one)
        assert stream.body == b"a" * 1000 and stream.trailers is None
        for _ in range(10):
            one.send(number, b"b" * 16_000)
        one.send(number, b"", True)
        assert stream.body == b"a" * 1000 + b"b" * 160_000 and stream.trailers == []
        stream.answer(200, b"")
        one.play()
        assert one.status(number) == 200 and one.ended(number)


def test_a_large_response_waits_for_the_clients_window():
    with client() as one:
        number = one.ask()
        stream = peer(one)
        stream.answer(200, b"x" * 500_000)
        one.play()
        assert one.body(number) == b"x" * 500_000 and one.ended(number)


def test_an_end_needs_no_window():
    """Which is below 0 once the client has made all windows smaller."""
    for trailers in ((), (b"X-Sum: 2",)):
        with client() as one:
            number = one.ask()
            stream = peer(one)
            stream.begin(200, [b"x" * 5])
            one.play()
            one.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
            one.play()
            one.deaf = True  # hyper-h2 takes no DATA there, not even an empty one
            stream.send(last=True, trailers=trailers)
            one.play()
            assert one.frames[-1].stream_id == number and "END_STREAM" in one.frames[-1].flags


def test_a_client_that_leaves():
    with client() as one:
        number = one.ask()
        peer(one)
        one.h2.reset_stream(number)
        one.play()
        assert one.worker.statuses == [499] and not one.connection.streams


def test_a_stream_below_the_last_one_ends_the_connection():
    with client() as one:
        one.ask(path="/own")
        one.connection.data_received(b"\0\0\0\0\0\0\0\0\x07")
        one.play()
        assert one.of(0, h2.events.ConnectionTerminated)


# -- flow


def test_a_stream_whose_client_takes_nothing_stops_its_peer_alone():
    with client(INITIAL_WINDOW_SIZE=1000) as one:
        one.takes = False
        slow = one.ask()
        first = peer(one)
        first.begin(200, [b"x" * 70_000])
        one.play()
        assert one.body(slow) == b"x" * 1000 and first.paused
        other = one.ask(path="/own")
        assert one.body(other) == b"own"
        one.h2.increment_flow_control_window(100_000, slow)
        one.h2.increment_flow_control_window(100_000)
        one.play()
        assert not first.paused
        first.send(b"y", last=True)
        one.play()
        assert one.ended(slow) and one.body(slow) == b"x" * 70_000 + b"y"


def test_a_stream_that_may_send_nothing_holds_one_piece():
    """A piece of 64 KB: with another one, a connection's hundred streams would take twice the memory."""
    with client(INITIAL_WINDOW_SIZE=0) as one:
        one.takes = False
        one.ask()
        first = peer(one)
        first.begin(200, [b"x" * (1 << 16)])
        one.play()
        assert first.paused


def test_an_end_passes_data_that_waits_for_the_connections_window():
    with client(INITIAL_WINDOW_SIZE=200_000) as one:
        one.takes = False
        large, small = one.ask(), one.ask()
        streams = [one.worker.accept(), one.worker.accept()]
        streams[0].begin(200, [b"x" * 100_000])
        one.play()
        assert len(one.body(large)) == 65_535
        streams[1].begin(200)
        streams[1].send(last=True, trailers=(b"grpc-status: 0",))
        one.play()
        assert one.ended(small)
        one.h2.increment_flow_control_window(100_000)
        streams[0].send(last=True)
        one.play()
        assert one.ended(large) and len(one.body(large)) == 100_000


def test_a_transport_that_takes_no_more_stops_the_peer_until_it_does():
    with client() as one:
        number = one.ask()
        stream = peer(one)
        one.transport.room = 20_000
        stream.begin(200, [b"x" * 80_000, b"x" * 80_000])
        assert stream.paused and one.connection.blocked
        one.transport.room = 1 << 40
        one.connection.resume_writing()
        one.play()
        assert not stream.paused
        stream.send(b"y", last=True)
        one.play()
        assert one.body(number) == b"x" * 160_000 + b"y"


def test_a_body_that_its_peer_does_not_take_waits_within_one_window():
    with client() as one:
        number = one.ask(method="POST", last=False)
        one.send(number, b"a")
        stream = peer(one)
        stream.fill()
        for _ in range(4):
            one.send(number, b"b" * 16_000)
        assert stream.body == b"a", "it is held"
        assert one.h2.local_flow_control_window(number) < 16_000
        other = one.ask(path="/own")
        assert one.body(other) == b"own"
        stream.drain()
        one.play()
        assert stream.body == b"a" + b"b" * 64_000 and one.h2.local_flow_control_window(number) > 60_000
        one.send(number, b"", last=True)
        stream.answer()
        one.play()


def test_windows_grow_out_of_what_the_worker_has_and_give_it_back():
    with client() as one:
        room = one.worker.context.window_room
        number = one.ask(method="POST", last=False)
        one.send(number, b"a")
        stream = peer(one)
        for _ in range(40):
            one.send(number, b"b" * 16_000)
        assert one.h2.local_flow_control_window(number) > 200_000
        assert one.worker.context.window_room < room
        one.send(number, b"", last=True)
        stream.answer()
        one.play()
        assert one.worker.context.window_room == room


def test_trailers_both_ways():
    with client() as one:
        number = one.ask(method="POST", last=False)
        one.send(number, b"a")
        one.h2.send_headers(number, [("x-sum", "1")], end_stream=True)
        one.play()
        stream = peer(one)
        assert stream.body == b"a" and stream.trailers == [b"x-sum: 1"]
        stream.begin(200, [b"b"])
        stream.send(last=True, trailers=(b"X-Sum: 2",))
        one.play()
        (event,) = one.of(number, h2.events.TrailersReceived)
        assert event.headers == [(b"x-sum", b"2")] and one.ended(number)


def test_an_interim_response_passes():
    with client() as one:
        number = one.ask()
        stream = peer(one)
        stream.interim(103)
        stream.answer(204)
        one.play()
        assert one.of(number, h2.events.InformationalResponseReceived) and one.status(number) == 204


def test_an_early_response_ends_the_request():
    with client() as one:
        number = one.ask(method="POST", last=False)
        one.send(number, b"a")
        stream = peer(one)
        stream.answer(413, b"no")
        one.play()
        (event,) = one.of(number, h2.events.StreamReset)
        assert event.error_code == 0 and one.body(number) == b"no" and not one.connection.streams


# -- a WebSocket


def test_a_web_socket_over_a_stream():
    with client() as one:
        number = one.ask((":protocol", "websocket"), ("sec-websocket-version", "13"), method="CONNECT", last=False)
        one.send(number, b"early")
        stream = peer(one)
        assert stream.method == b"GET" and any(line.startswith(b"Sec-WebSocket-Key: ") for line in stream.lines)
        assert stream.body == b""
        _switch(stream)
        one.play()
        assert one.status(number) == 200 and b"sec-websocket-accept" not in one.fields(number)
        assert stream.raw == b"early"
        stream.request.tunnel_down(b"hello")
        one.play()
        assert one.body(number) == b"hello"
        one.h2.end_stream(number)
        one.play()
        assert stream.raw_ended
        stream.request.tunnel_down_eof()
        one.play()
        assert one.ended(number) and not one.connection.streams


def _switch(stream) -> None:
    from rsp.http.message import ResponseHead

    head = ResponseHead(101, b"Switching Protocols", 1)
    head.upgrade = b"websocket"
    head.fields = b"Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: y\r\n"
    stream.request.switch_protocols(head, b"")


# -- what is refused


def _settle(one, number: int) -> tuple[int, int]:
    (frame,) = one.frames_of(number, "RstStreamFrame")
    return one.status(number), frame.error_code


def test_malformed_requests_get_400_and_a_reset():
    with client() as one:
        one.h2.config.validate_outbound_headers = one.h2.config.normalize_outbound_headers = False
        for fields, kind in (
            ([("Upper", "x")], {}),
            ([("connection", "close")], {}),
            ([("transfer-encoding", "chunked")], {}),
            ([("te", "gzip")], {}),
            ([("host", "other")], {}),
            ([("x", "a\r\nb: c")], {}),
            ([], {"path": "x"}),
            ([], {"path": "http://t/x"}),
            ([], {"path": "/x y"}),
            ([], {"method": "G T"}),
            ([], {"host": "a@b"}),
            ([("content-length", "5")], {}),
            ([("content-length", "x")], {}),
        ):
            number = one.ask(*fields, **kind)
            assert _settle(one, number) == (400, 1), (fields, kind)
        assert len(one.worker.log.lines) == 13 and not one.connection.streams
        number = one.ask(path="/own")
        assert one.body(number) == b"own"


def test_a_body_that_is_not_as_long_as_it_said():
    with client() as one:
        for size in (1, 9):
            number = one.ask(("content-length", "5"), method="POST", last=False)
            one.h2.streams[number]._expected_content_length = None
            one.h2.send_data(number, b"x" * size, end_stream=True)
            one.play()
            assert _settle(one, number) == (400, 1)


def test_too_many_streams_are_refused():
    with client(APP + "limits = { streams = 3 }") as one:
        assert one.h2.remote_settings.max_concurrent_streams == 3
        for _ in range(3):
            one.ask()
        one.h2.remote_settings._settings[3].append(100)
        one.h2.remote_settings.acknowledge()
        number = one.ask()
        (event,) = one.of(number, h2.events.StreamReset)
        assert event.error_code == 7


def test_resets_in_a_row_end_the_connection():
    with client() as one:
        for _ in range(600):
            if one.of(0, h2.events.ConnectionTerminated):
                break
            number = one.ask()
            one.h2.reset_stream(number)
            one.play()
        (event,) = one.of(0, h2.events.ConnectionTerminated)
        assert event.error_code == 11 and len(one.worker.statuses) > 400


# -- ends


def test_drain_says_it_twice_and_serves_what_came_between():
    with client() as one:
        first = one.ask()
        stream = peer(one)
        one.deaf = True  # hyper-h2 takes any GOAWAY for the end
        one.connection.drain()
        between = one.ask(path="/own")
        assert [frame.last_stream_id for frame in one.frames_of(0, "GoAwayFrame")] == [2**31 - 1]
        assert one.frames_of(between, "DataFrame")[0].data == b"own", "it came between"
        (ping,) = one.frames_of(0, "PingFrame")
        ping.flags.add("ACK")
        one.raw(ping.serialize())
        assert [frame.last_stream_id for frame in one.frames_of(0, "GoAwayFrame")] == [2**31 - 1, between]
        assert not one.connection.is_idle
        late = one.ask(method="POST", last=False)
        one.send(late, b"of no use", True)
        assert not [frame for frame in one.frames if frame.stream_id == late]
        stream.answer(200, b"x")
        one.play()
        assert one.frames_of(first, "DataFrame")[0].data == b"x" and one.connection.is_idle


def test_an_idle_connection_ends_with_goaway():
    with client() as one:
        one.ask(path="/own")
        one.worker.context.now += 100
        assert one.connection.is_due(one.worker.context.now)
        one.connection.expire()
        one.play()
        assert one.of(0, h2.events.ConnectionTerminated)[0].error_code == 0 and one.transport.eof


def test_a_client_that_takes_nothing_for_too_long_loses_its_stream():
    with client(INITIAL_WINDOW_SIZE=10) as one:
        number = one.ask()
        one.takes = False
        peer(one).answer(200, b"x" * 100)
        one.play()
        now = one.worker.context.now
        assert not one.connection.is_due(now)
        one.worker.context.now = now + 61
        assert one.connection.is_due(now + 61)
        one.connection.expire()
        one.play()
        assert one.of(number, h2.events.StreamReset)[0].error_code == 8 and not one.connection.streams


def test_a_head_that_does_not_end_ends_the_connection_once():
    with client() as one:
        one.raw(b"\0\0\0\1\0\0\0\0\1")  # HEADERS without END_HEADERS
        context = one.worker.context
        context.now += 61
        assert one.connection.is_due(context.now)
        one.connection.expire()
        one.play()
        assert one.of(0, h2.events.ConnectionTerminated)[0].error_code == 1 and one.transport.eof
        assert not one.connection.is_due(context.now), "it lingers"
        context.now += 6
        assert one.connection.is_due(context.now)
        one.connection.expire()
        assert one.transport.aborted, "and not for longer"
