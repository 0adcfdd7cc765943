"""A connection of rsp to a peer against hyper-h2: requests, bodies both ways, pauses, resets, settings and GOAWAY in any
order.  Every request has exactly one end, bodies arrive in order and unchanged, and nothing is left on the connection.
hyper-h2 checks each frame that rsp sends, and every window, against its own state."""

import h2.exceptions
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rsp.http.h2.frames import CANCEL, HTTP_1_1_REQUIRED, NO_ERROR, REFUSED_STREAM
from tests.soak import examples
from tests.unit.h2_far_end import Process, frame

MOST = 5  # requests at once
some = st.integers(0, 7)
sizes = st.sampled_from([0, 1, 100, 5000, 16384, 70000])


class Case:
    """One request.  ``up``, ``down``: what each side has sent; ``over``: what has ended it."""

    def __init__(self, request, number: int, declared: bool) -> None:
        self.request, self.number, self.declared = request, number, declared
        self.up = self.down = b""
        self.up_done = request.request_done
        self.head = self.down_done = self.aborted = False
        self.over = ""

    @property
    def ends(self) -> int:
        request = self.request
        return len(request.failures) + sum(isinstance(each, list) for each in request.told) + self.aborted


class Http2Peer(RuleBasedStateMachine):
    process = None

    @initialize(
        window=st.sampled_from([0, 1, 100, 65535, 1 << 20]),
        streams=st.sampled_from([1, 3, 100]),
        frame_size=st.sampled_from([16384, 70000]),
    )
    def begin(self, window, streams, frame_size):
        self.process = Process(INITIAL_WINDOW_SIZE=window, MAX_CONCURRENT_STREAMS=streams, MAX_FRAME_SIZE=frame_size)
        self.room = self.process.context.window_room
        self.cases: list[Case] = []
        self.ended = False  # the connection has, or is about to

    # -- rsp

    def running(self) -> list[Case]:
        return [case for case in self.cases if not case.over]

    def pick(self, which: int, *, wants) -> Case | None:
        found = [case for case in self.running() if wants(case)]
        return found[which % len(found)] if found else None

    @precondition(lambda self: self.process and len(self.running()) < MOST)
    @rule(body=st.sampled_from(["none", "none", "chunks", "length"]), size=sizes)
    def ask(self, body, size):
        one = self.process
        if not one.connection.has_place():
            return
        data = b"u" * size
        if body == "none":
            request = one.ask("GET /a")
        elif body == "length":
            request = one.ask("PUT /a", f"Content-Length: {size}", pieces=[data] if data else [], trailers=[])
        else:
            request = one.ask("POST /a", "Transfer-Encoding: chunked", pieces=[data] if data else [])
        number = max(one.peer.h2.streams, default=1)
        case = Case(request, number, body == "length")
        if body != "none":
            case.up = data
        case.up_done = request.request_done
        self.cases.append(case)

    @precondition(lambda self: self.process and self.running())
    @rule(which=some, size=sizes, last=st.booleans(), trailers=st.booleans())
    def upload(self, which, size, last, trailers):
        case = self.pick(which, wants=lambda case: not case.up_done and case.request.stream is not None)
        if case is not None:
            data = bytes((len(case.up) % 251,)) * size
            case.up += data
            case.up_done = last
            case.request.send_more(
                *([data] if data else []), trailers=([b"X-T: 1"] if trailers else []) if last else None
            )
            self.process.play()

    @precondition(lambda self: self.process and self.running())
    @rule(which=some, pause=st.booleans())
    def slow_client(self, which, pause):
        case = self.pick(which, wants=lambda case: case.request.stream is not None)
        if case is not None:
            stream = case.request.stream
            self.process.soon(stream.pause if pause else stream.resume)
            self.process.play()

    @precondition(lambda self: self.process and self.running())
    @rule(which=some)
    def give_up(self, which):
        case = self.pick(which, wants=lambda case: case.request.stream is not None)
        if case is not None:
            stream, case.request.stream = case.request.stream, None
            case.aborted = True
            case.over = "aborted"
            self.process.soon(stream.abort, "the client has left")
            self.process.play()

    # -- the peer

    def peer_does(self, call, *arguments, **options) -> bool:
        """False: hyper-h2 does not let a peer do that any more."""
        try:
            call(*arguments, **options)
        except (h2.exceptions.ProtocolError, KeyError):
            return False
        self.process.play()
        return True

    @precondition(lambda self: self.process and self.running())
    @rule(which=some, size=sizes, last=st.booleans(), status=st.sampled_from([103, 200, 200, 204, 404]))
    def answer(self, which, size, last, status):
        case = self.pick(which, wants=lambda case: not case.head)
        if case is None:
            return
        lines = [(b":status", b"%d" % status), (b"x-repeated", b"value")]
        last = (last or status == 204) and status != 103
        if self.peer_does(self.process.peer.h2.send_headers, case.number, lines, end_stream=last):
            case.head = status != 103
            self.note_end(case, last)

    @precondition(lambda self: self.process and self.running())
    @rule(which=some, size=sizes, last=st.booleans(), trailers=st.booleans())
    def send(self, which, size, last, trailers):
        case = self.pick(which, wants=lambda case: case.head and not case.down_done)
        peer = self.process.peer
        if case is None:
            return
        try:
            size = min(size, peer.h2.local_flow_control_window(case.number), peer.h2.max_outbound_frame_size)
        except (h2.exceptions.ProtocolError, KeyError):
            return
        data = bytes((len(case.down) % 251,)) * max(size, 0)
        if self.peer_does(peer.h2.send_data, case.number, data, end_stream=last and not trailers):
            case.down += data
            if last and trailers:
                last = self.peer_does(peer.h2.send_headers, case.number, [(b"x-end", b"1")], end_stream=True)
            self.note_end(case, last)

    def note_end(self, case: Case, last: bool) -> None:
        if last:
            case.down_done = True

    @precondition(lambda self: self.process and self.running())
    @rule(which=some, code=st.sampled_from([REFUSED_STREAM, CANCEL, NO_ERROR, HTTP_1_1_REQUIRED]))
    def reset(self, which, code):
        case = self.pick(which, wants=lambda case: not case.down_done)
        if case is not None:
            self.peer_does(self.process.peer.h2.reset_stream, case.number, code)

    @precondition(lambda self: self.process)
    @rule(name=st.sampled_from([3, 4, 5]), value=st.sampled_from([1, 3, 100, 16384, 65535, 1 << 20]))
    def change_settings(self, name, value):
        if name == 5:
            value = max(value, 16384)
        self.peer_does(self.process.peer.h2.update_settings, {name: value})

    @precondition(lambda self: self.process)
    @rule(data=st.binary(min_size=8, max_size=8))
    def ping(self, data):
        self.peer_does(self.process.peer.h2.ping, data)

    @precondition(lambda self: self.process and not self.ended and self.cases)
    @rule(which=some)
    def goaway(self, which):
        """Graceful: what is above is not processed, the rest goes on."""
        one = self.process
        last = self.cases[which % len(self.cases)].number
        if one.connection.state or one.peer.closed:
            return
        self.ended = True
        one.peer.raw(frame(7, 0, 0, last.to_bytes(4, "big") + bytes(4)))
        one.play()
        for case in self.running():
            if case.number > last and case.request.failures:
                assert case.request.failures[0].untouched

    @precondition(lambda self: self.process and self.cases)
    @rule()
    def hang_up(self):
        self.process.peer.hang_up()
        self.process.turn()
        self.process.turn()

    # -- always

    @invariant()
    def each_has_one_end_at_most(self):
        for case in self.cases if self.process else ():
            assert case.ends <= 1
            if case.ends and not case.over:
                case.over = "told"
                if not case.request.failures:
                    assert case.down_done
                    assert case.request.body == case.down
            elif not case.over:
                assert case.down.startswith(case.request.body)
            if not case.aborted:
                assert case.up.startswith(self.process.peer.body(case.number))

    @invariant()
    def the_peer_is_within_its_rights(self):
        """So nothing has ended the connection but the peer itself."""
        if self.process:
            assert not self.process.connection.reason.startswith("broke")

    def teardown(self):
        if not self.process:
            return
        one = self.process
        for case in self.running():
            if case.request.stream is not None:
                one.soon(case.request.stream.resume)
        one.play()
        self.each_has_one_end_at_most()
        one.peer.hang_up()
        one.turn()
        one.turn()
        for case in self.cases:
            assert case.ends == 1, (case.over, case.request.told)
        assert not one.connection.streams
        assert one.context.window_room == self.room
        one.close()


TestHttp2Peer = Http2Peer.TestCase
TestHttp2Peer.settings = examples(50)
