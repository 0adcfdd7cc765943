"""Bodies that are held, in memory and in files, against a small model: clients and peers that are slow in any order.

Bytes arrive in order and unchanged; no peer is asked before a request's body is there; no side waits for another one
that waits for it; when an exchange has ended, its files are closed and their room is free again.
"""

import sys

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rsp.exchange import backlog, spooled
from rsp.exchange.filters.request_buffering import RequestBufferingFilter
from tests.soak import examples
from tests.unit.fakes import FakeWorker

CONFIGURATIONS = [
    'upstream "app" {{ "127.0.0.1:2", "127.0.0.1:3", retry = {{ on = {{ 503 }}, body = {} }} }}\n'
    "limits = {{ buffer = 4, temp = {} }}\n"
    "route {{ to = 'app', request_buffering = true, response_buffering = {} }}".format(*numbers)
    for numbers in ((0, 1000, 40), (9, 40, 100), (0, 1000, 0))
]
SELDOM = st.integers(0, 15).map(lambda number: number == 15)
PIECE = 7  # bytes that are passed on in one turn


@pytest.fixture(autouse=True, scope="module")
def _small_pieces():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backlog, "_PIECE", PIECE)
        patch.setattr(spooled, "_PIECE", PIECE)
        yield


class Buffering(RuleBasedStateMachine):
    worker = None

    @initialize(
        text=st.sampled_from(CONFIGURATIONS), kind=st.sampled_from(["PUT", "POST"]), chunked=st.booleans(),
        ahead=st.integers(0, 3), stage=st.integers(0, 4),
    )  # fmt: skip
    def begin(self, text, kind, chunked, ahead, stage):
        """``stage``: 1: the body is there; 2: a peer is asked; 3: it answers; 4: the client is slow."""
        self.temp = 40 if "temp = 40" in text else 1000
        self.held = int(text.rpartition("= ")[2].removesuffix(" }"))
        self.worker = FakeWorker(text, own=(RequestBufferingFilter(),))
        self.worker.__enter__()
        framing = "Transfer-Encoding: chunked" if chunked else "Content-Length: 30"
        self.client = self.worker.hear(f"{kind} /x\n{framing}")
        self.up, self.told, self.begun, self.all_told = b"", b"", False, False
        for _ in range(ahead):
            self._send(3, False)
        self.client.events.start()
        if stage >= 1:
            self._send(11, False)
            self.worker.turn()
            self._send(5, True)
            self.worker.turn()
        if stage >= 2:
            self.worker.accept()
        if stage >= 3:
            self.worker.turn()
            self.answer(200, 5, False)
        if stage == 4:
            self.client.fill()

    def teardown(self):
        if self.worker is None:
            return
        try:
            if sys.exc_info()[0] is None:
                if not self.client.ended:
                    self.client.go()
                self.worker.wait(1)
                assert self.worker.context.temp.used == 0
                self.worker.check()
        finally:
            self.worker.__exit__()

    @property
    def stream(self):
        streams = [stream for pool in self.worker.pools for stream in pool.streams]
        return streams[0] if streams else None

    def attempts(self):
        return [attempt for pool in self.worker.pools for attempt in pool.attempts]

    # -- the client

    @precondition(lambda self: not (self.client.ended or self.client.request_done or self.client.paused))
    @rule(size=st.integers(1, 12), last=st.booleans())
    def send(self, size, last):
        self._send(size, last)

    def _send(self, size, last):
        if self.client.paused:
            return
        piece = bytes(len(self.up) + number & 255 for number in range(size))
        self.up += piece
        self.client.send(piece, last=last)

    @precondition(lambda self: not self.client.ended)
    @rule(how=st.sampled_from(["fill", "drain", "clog"]), more=st.booleans())
    def take(self, how, more):
        """``more``: the peer sends something in the same turn."""
        client = self.client
        if how == "clog":
            client.clogged = not client.full
        elif client.full != (how == "fill"):
            getattr(client, how)()
            if more and self.stream is not None and self.stream.begun:
                self.answer(200, 3, False)

    @precondition(lambda self: not self.client.ended)
    @rule(really=SELDOM)
    def leave(self, really):
        if really:
            self.client.go()

    # -- the peer

    @precondition(lambda self: self.attempts())
    @rule(how=st.sampled_from(["up", "up", "clogged", "refused"]))
    def connect(self, how):
        attempt = self.attempts()[0]
        attempt.pool.clogged = how == "clogged"
        if how == "refused":
            attempt.fail()
        else:
            attempt.succeed()
        attempt.pool.clogged = False

    @precondition(lambda self: self.stream is not None)
    @rule(how=st.sampled_from(["fill", "drain", "drain", "clog"]))
    def peer_takes(self, how):
        stream = self.stream
        if how == "clog":
            stream.clogged = not stream.full
        elif stream.full != (how == "fill"):
            getattr(stream, how)()

    @precondition(lambda self: self.stream is not None and not self.stream.paused)
    @rule(status=st.sampled_from([200, 200, 503]), size=st.integers(0, 30), last=SELDOM)
    def answer(self, status, size, last):
        stream = self.stream
        if stream is None or stream.paused:
            return
        piece = [bytes(255 - (len(stream.told) + number) & 255 for number in range(size))] if size else []
        if not stream.begun:
            self.begun = True
            stream.begin(status, piece, last=last)
        elif piece or last:
            stream.send(*piece, last=last)
        self.told = stream.told
        self.all_told = last

    @precondition(lambda self: self.stream is not None)
    @rule(really=SELDOM)
    def fail(self, really):
        if really:
            self.stream.fail()

    @rule()
    def wait(self):
        self.worker.wait(0.25)

    # -- what holds at any time

    @invariant()
    def holds(self):
        if self.worker is None:
            return
        self.worker.turn()
        client, stream, temp = self.client, self.stream, self.worker.context.temp
        assert temp.used <= self.temp
        assert temp.used_by_all() == temp.used
        if client.ended:
            assert temp.used == 0
        if not client.request_done:
            assert not (stream or self.attempts()), "a peer is asked before the body is there"
            assert client.ended or client.status or not client.paused
        if stream is not None:
            assert self.up.startswith(stream.body)
            assert stream.full or stream.begun or (stream.body == self.up and stream.trailers is not None)
        if client.ended != "gone" and client.status and not client.own and stream is not None:
            assert stream.told.startswith(client.body)
            if not client.full:
                assert client.body == stream.told and not stream.paused
            elif len(stream.told) - len(client.body) < min(self.held, self.temp) - 30:
                assert not stream.paused, "there is room for more"
        if self.all_told and client.status and not client.own and client.ended != "gone":
            assert self.told.startswith(client.body)
            assert client.full or client.ended, "what is left is not sent"
        if client.ended == "kept" and not client.own:
            assert client.body == self.told


Buffering.TestCase.settings = settings(examples(150), stateful_step_count=30)
TestBuffering = Buffering.TestCase
