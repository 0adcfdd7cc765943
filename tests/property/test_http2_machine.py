"""A client on hyper-h2 against a connection of rsp, with real exchanges behind it: requests, bodies, windows, settings
and resets in any order.  hyper-h2 checks each frame that rsp sends, and every window, against its own state.  (To it a
connection ends with the first GOAWAY, so there is no drain here.)
"""

import h2.events
import h2.exceptions
import h2.settings
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rsp.ipc.worker_cells import IN_FLIGHT, REQUESTS
from tests.soak import examples
from tests.unit.fakes import FakeWorker
from tests.unit.h2_lab import H2Client

TEXT = (
    'upstream "app" { "127.0.0.1:2", "127.0.0.1:3" }\nroute { to = "app" }\n'
    'route { path = "/own", respond = { body = "own" } }\nlimits = { streams = 5, buffer = 5000 }\n'
)
SETTING = h2.settings.SettingCodes
MOST = 4  # requests at once
some = st.integers(0, 7)
sizes = st.sampled_from([0, 1, 100, 5000, 16384, 70000])


class Request:
    def __init__(self, number: int, target: bytes, declared: int) -> None:
        self.number, self.target = number, target
        self.up = b""
        self.left = declared  # -1: no Content-Length
        self.done = self.reset = False


class Http2(RuleBasedStateMachine):
    worker = None

    @initialize(window=st.sampled_from([0, 1, 100, 65535, 1 << 20]), table=st.sampled_from([0, 100, 4096, 1 << 20]))
    def begin(self, window, table):
        self.worker = FakeWorker(TEXT)
        self.worker.__enter__()
        self.room = self.worker.context.window_room
        self.client = H2Client(self.worker, INITIAL_WINDOW_SIZE=window, HEADER_TABLE_SIZE=table)
        self.requests: dict[int, Request] = {}
        self.streams: dict[bytes, object] = {}  # of peers, by target

    def teardown(self):
        if self.worker is None:
            return
        try:
            self.client.connection.abort()
            self.client.connection.connection_lost(None)
            self.worker.turn()
            assert self.worker.count(IN_FLIGHT) == 0
            assert self.worker.count(REQUESTS) == len(self.worker.log.lines)
            assert self.worker.context.window_room == self.room
        finally:
            self.worker.__exit__()

    # -- what there is

    def over(self, one: Request) -> bool:
        kinds = (h2.events.StreamEnded, h2.events.StreamReset)
        return one.reset or any(isinstance(event, kinds) for event in self.client.events.get(one.number, []))

    def live(self, what=lambda one: True) -> list[Request]:
        return [one for one in self.requests.values() if not self.over(one) and what(one)]

    def peers(self, what=lambda stream: True):
        return [stream for pool in self.worker.pools for stream in pool.streams if stream.asked and what(stream)]

    # -- the client

    @precondition(lambda self: len(self.live()) < MOST)
    @rule(kind=st.sampled_from(["get", "get", "own", "length", "chunks"]), size=sizes)
    def ask(self, kind, size):
        target = b"/own" if kind == "own" else b"/%d" % len(self.requests)
        whole = kind in ("get", "own")
        fields = [("content-length", str(size))] if kind == "length" else []
        number = self.client.ask(*fields, path=target.decode(), method="GET" if whole else "POST", last=whole)
        made = self.requests[number] = Request(number, target, size if kind == "length" else -1)
        made.done = whole

    @precondition(lambda self: self.live(lambda one: not one.done))
    @rule(which=some, size=sizes, last=st.booleans(), trailers=st.booleans())
    def send(self, which, size, last, trailers):
        sending = self.live(lambda one: not one.done)
        one, h2c = sending[which % len(sending)], self.client.h2
        size = min(size, h2c.local_flow_control_window(one.number), 16384)
        if one.left >= 0:
            size = min(size, one.left)
            one.left -= size
            last = one.left == 0
        if not size and not last:
            return
        piece = bytes([len(one.up) % 256]) * size
        one.up, one.done = one.up + piece, last
        if last and trailers:
            if size:
                h2c.send_data(one.number, piece)
            h2c.send_headers(one.number, [("x-sum", "1")], end_stream=True)
            self.client.play()
        else:
            self.client.send(one.number, piece, last)

    @precondition(lambda self: self.live())
    @rule(which=some)
    def cancel(self, which):
        one = self.live()[which % len(self.live())]
        one.reset = True
        self.client.h2.reset_stream(one.number, 8)
        self.client.play()

    @rule(takes=st.booleans())
    def change_mind(self, takes):
        self.client.takes = takes

    @rule(which=some, size=st.sampled_from([1, 100, 5000, 65535]))
    def credit(self, which, size):
        live = self.live()
        self.client.h2.increment_flow_control_window(size)
        if live:
            try:
                self.client.h2.increment_flow_control_window(size, live[which % len(live)].number)
            except h2.exceptions.StreamClosedError:
                return
        self.client.play()

    @rule(
        name=st.sampled_from([SETTING.INITIAL_WINDOW_SIZE, SETTING.HEADER_TABLE_SIZE, SETTING.MAX_FRAME_SIZE]),
        size=st.sampled_from([0, 1, 100, 20000, 65535]),
    )
    def set(self, name, size):
        self.client.h2.update_settings({name: max(size, 16384) if name == SETTING.MAX_FRAME_SIZE else size})
        self.client.play()

    @rule()
    def ping(self):
        before = len(self.client.events.get(0, []))
        self.client.h2.ping(b"12345678")
        self.client.play()
        assert any(isinstance(event, h2.events.PingAckReceived) for event in self.client.events[0][before:])

    # -- peers

    @precondition(lambda self: any(pool.attempts for pool in self.worker.pools))
    @rule(which=some, up=st.sampled_from([True, True, True, False]))
    def connect(self, which, up):
        attempts = [attempt for pool in self.worker.pools for attempt in pool.attempts]
        attempt = attempts[which % len(attempts)]
        if up:
            attempt.succeed()
        else:
            attempt.fail(timed_out=False)
        self.client.play()

    @precondition(lambda self: self.peers(lambda stream: not stream.begun and not stream.paused))
    @rule(which=some, size=sizes, how=st.sampled_from(["whole", "chunks", "interim", "empty"]), last=st.booleans())
    def answer(self, which, size, how, last):
        waiting = self.peers(lambda stream: not stream.begun and not stream.paused)
        stream = waiting[which % len(waiting)]
        if how == "interim":
            stream.interim()
        else:
            self.streams[stream.target] = stream
            if how == "chunks":
                stream.begin(200, [b"<" * size] if size else [], b"X-Y: z\r\nETag: %d\r\n" % size, last=last)
            else:
                stream.answer(200, b"=" * size if how == "whole" else b"")
        self.client.play()

    @precondition(lambda self: self.peers(lambda stream: stream.begun and not stream.paused))
    @rule(which=some, size=sizes, last=st.booleans(), trailers=st.booleans())
    def go_on(self, which, size, last, trailers):
        begun = self.peers(lambda stream: stream.begun and not stream.paused)
        stream = begun[which % len(begun)]
        piece = bytes([65 + len(stream.told) % 26]) * size
        if size or last:
            stream.send(*([piece] if size else []), last=last, trailers=(b"X-Sum: 2",) if last and trailers else ())
        self.client.play()

    @precondition(lambda self: self.peers())
    @rule(which=some)
    def fail(self, which):
        self.peers()[which % len(self.peers())].fail()
        self.client.play()

    @precondition(lambda self: self.peers(lambda stream: not stream.full))
    @rule(which=some)
    def peer_fills_up(self, which):
        taking = self.peers(lambda stream: not stream.full)
        taking[which % len(taking)].fill()

    @precondition(lambda self: self.peers(lambda stream: stream.full))
    @rule(which=some)
    def peer_drains(self, which):
        full = self.peers(lambda stream: stream.full)
        full[which % len(full)].drain()
        self.client.play()

    # -- the worker

    @rule(seconds=st.sampled_from([0.25, 1.0]))
    def wait(self, seconds):
        self.worker.wait(seconds)
        self.client.play()

    # -- what holds

    @invariant()
    def holds(self):
        if self.worker is None:
            return
        assert not self.client.transport.aborted
        for one in self.requests.values():
            self.bodies_arrive_in_order(one)
        assert len(self.client.connection.streams) <= MOST + 1

    def bodies_arrive_in_order(self, one: Request):
        got = self.client.of(one.number, h2.events.ResponseReceived)
        stream = self.streams.get(one.target)
        if got and dict(got[0].headers)[b":status"] == b"200" and stream is not None:
            body = self.client.body(one.number)
            assert stream.told.startswith(body)
            if self.client.ended(one.number):
                assert body == stream.told
        for peer in self.peers(lambda peer: peer.target == one.target):
            assert one.up.startswith(peer.body)
            if peer.trailers is not None:
                assert peer.body == one.up and one.done


Http2.TestCase.settings = settings(examples(60), stateful_step_count=40)
TestHttp2 = Http2.TestCase
