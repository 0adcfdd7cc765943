"""A connection to a peer over HTTP/2, against hyper-h2: requests on it, and what becomes of it."""

import hashlib
import socket

import h2.events
import hpack
import pytest

from rsp.config.limits import DEFAULT_TIMEOUTS
from rsp.http.h2.frames import CANCEL, ENHANCE_YOUR_CALM, HTTP_1_1_REQUIRED, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM
from tests.unit.h2_far_end import LIMITS, Request, frame, process

UPLOAD = ("POST /up", "Transfer-Encoding: chunked")
WEBSOCKET = (
    "GET /chat",
    "Connection: upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def lines(process, number=1):
    """Of a request, as the peer has it."""
    (event,) = process.peer.of(h2.events.RequestReceived, number)
    return list(event.headers)


# -- requests and responses


def test_a_request_and_its_response():
    with process() as one:
        request = one.ask("GET /a?b", "Accept: x", "X-Long: " + "y" * 300)
        assert lines(one)[:4] == [
            (b":method", b"GET"),
            (b":scheme", b"http"),
            (b":authority", b"t"),
            (b":path", b"/a?b"),
        ]
        assert (b"accept", b"x") in lines(one)
        assert one.peer.of(h2.events.StreamEnded, 1)
        one.peer.answer(1, 200, b"hello", (b"content-type", b"text/plain"))
        one.play()
        assert request.told == [200, "done", []] or request.told == ["done", 200, []]
        assert request.body == b"hello" and request.head_of_response.version == b"2.0"
        assert request.fields == b"content-type: text/plain\r\n"
        assert one.connection.is_idle()


def test_bodies_and_trailers_go_both_ways():
    with process() as one:
        request = one.ask(*UPLOAD, pieces=[b"abc"])
        assert one.peer.body(1) == b"abc"
        request.send_more(b"def", trailers=[b"X-End: 1"])
        one.play()
        assert one.peer.body(1) == b"abcdef"
        (trailers,) = one.peer.of(h2.events.TrailersReceived, 1)
        assert trailers.headers == [(b"x-end", b"1")]
        one.peer.answer(1, 200, b"ok", last=False)
        one.peer.h2.send_headers(1, [(b"grpc-status", b"0")], end_stream=True)
        one.play()
        assert request.told[-1] == [b"grpc-status: 0"]
        assert request.body == b"ok"


def test_a_length_is_said_and_te_passes():
    with process() as one:
        one.ask("POST /", "Content-Length: 3", "TE: trailers", pieces=[b"abc"], trailers=[])
        assert (b"content-length", b"3") in lines(one)
        assert (b"te", b"trailers") in lines(one)
        one.ask("POST /", "Content-Length: 0")
        assert (b"content-length", b"0") in lines(one, 3)
        assert len(one.peer.of(h2.events.StreamEnded)) == 2
        one.peer.answer(1)
        one.peer.answer(3)


def test_interim_responses_come_first():
    with process() as one:
        request = one.ask()
        one.peer.h2.send_headers(1, [(b":status", b"103"), (b"link", b"x")])
        one.peer.h2.send_headers(1, [(b":status", b"103")])
        one.peer.answer(1, 204)
        one.play()
        assert request.told == [103, 103, "done", 204, []]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 304)])
def test_a_response_without_a_body_that_names_a_length(method, status):
    with process() as one:
        request = one.ask(f"{method} /")
        one.peer.answer(1, status, b"", (b"content-length", b"12"))
        one.play()
        assert request.told == ["done", status, []]
        assert request.head_of_response.length_line == b"Content-Length: 12\r\n"


def test_a_response_without_a_body_ends_with_its_stream():
    with process() as one:
        request = one.ask()
        one.peer.answer(1, 200, b"", (b"content-length", b"0"), last=False)
        one.play()
        assert request.told == []
        one.peer.h2.send_data(1, b"", end_stream=True)
        one.play()
        assert request.told == ["done", 200, []]


def test_many_requests_at_once():
    with process() as one:
        requests = [one.ask(f"GET /{number}") for number in range(50)]
        for number in reversed(range(50)):
            one.peer.answer(2 * number + 1, 200, b"%d" % number)
        one.play()
        assert [request.body for request in requests] == [b"%d" % number for number in range(50)]
        assert one.connection.is_idle()


def test_fields_that_repeat_are_small():
    with process() as one:
        sizes = []
        for number in (1, 3, 5, 7):
            before = one.peer.received
            one.ask("GET /", "X-Same: " + "v" * 200)
            one.peer.answer(number)
            sizes.append(one.peer.received - before)
        assert sizes[0] > 100 > sizes[3]


# -- one stream does not hold up another


def test_a_stream_that_is_paused_holds_a_window_and_no_other_stream():
    with process() as one:
        slow, quick = one.ask("GET /slow"), one.ask("GET /quick")
        slow.stream.pause()
        one.peer.answer(1, 200, b"x" * 16000, last=False)
        sent = 16000
        while (room := one.peer.h2.local_flow_control_window(1)) > 0:
            size = min(room, 16000)
            one.peer.h2.send_data(1, b"x" * size)
            one.peer.flush()
            sent += size
            one.play()
        assert sent <= 65535 and slow.body == b""
        one.peer.answer(3, last=False)
        for _ in range(100):
            one.peer.h2.send_data(3, b"y" * 16000)
            one.peer.flush()
            one.play()
        assert len(quick.body) == 1_600_000
        one.soon(slow.stream.resume)
        one.play()
        assert len(slow.body) == sent
        one.peer.h2.send_data(1, b"", end_stream=True)
        one.peer.h2.send_data(3, b"", end_stream=True)
        one.peer.flush()
        one.play()
        assert slow.told[-1] == quick.told[-1] == []


def test_what_a_paused_stream_holds_outlives_its_connection():
    with process() as one:
        request = one.ask()
        one.peer.answer(1, 200, b"a", last=False)
        one.play()
        request.stream.pause()
        stream = request.stream
        one.peer.h2.send_data(1, b"b", end_stream=True)
        one.peer.flush()
        one.play()
        one.peer.hang_up()
        one.turn()
        assert request.told == [200] and request.body == b"a"
        one.soon(stream.resume)
        assert request.told == [200, "done", []] and request.body == b"ab"


def test_an_upload_that_the_peer_does_not_read_is_full_alone():
    with process() as one:
        one.peer.credits = False
        slow, quick = one.ask(*UPLOAD), one.ask(*UPLOAD)
        one.peer.h2.increment_flow_control_window(1 << 20)
        for _ in range(16):
            slow.send_more(b"x" * 16000)
        one.play()
        assert "full" in slow.told and slow.stream.is_full()
        assert len(one.peer.body(1)) == 65535
        quick.send_more(b"y" * 30000, trailers=[])
        one.play()
        assert len(one.peer.body(3)) == 30000 and "full" not in quick.told
        one.peer.h2.increment_flow_control_window(1 << 20, 1)
        one.play()
        assert slow.told[-1] == "ready" and len(one.peer.body(1)) == 16 * 16000
        slow.send_more(trailers=[])
        one.peer.answer(1)
        one.peer.answer(3)
        one.play()


def test_the_largest_frames_and_windows_of_the_peer_are_kept_to():
    with process(MAX_FRAME_SIZE=20000, INITIAL_WINDOW_SIZE=1000) as one:
        request = one.ask(*UPLOAD, pieces=[b"x" * 50000], trailers=[])
        while len(before := one.peer.body(1)) < 50000:
            one.play()
            assert len(one.peer.body(1)) > len(before)
        one.peer.answer(1)
        one.play()
        assert request.told[-1] == []


# -- the end of a request before its time


def test_an_early_answer_ends_the_upload_and_not_the_connection():
    with process() as one:
        request = one.ask(*UPLOAD, pieces=[b"x"])
        one.peer.answer(1, 413, b"too large")
        one.play()
        assert request.told == [413, "done", []] and one.peer.resets(1) == [CANCEL]
        again = one.ask()
        one.peer.answer(3)
        one.play()
        assert again.told == ["done", 200, []]


@pytest.mark.parametrize("code", [NO_ERROR, CANCEL, None])
def test_an_early_answer_that_waits_outlives_its_stream(code):
    """A server that has answered may reset the upload, which does not take the answer back."""
    with process() as one:
        request = one.ask(*UPLOAD, pieces=[b"x"])
        one.peer.answer(1, 200, b"begin", last=False)
        one.play()
        request.stream.pause()
        one.peer.h2.send_data(1, b"end", end_stream=True)
        if code is not None:
            one.peer.h2.reset_stream(1, code)
        one.play()
        if code is None:
            one.peer.hang_up()
            one.turn()
        assert not request.failures
        one.soon(request.stream.resume)
        assert request.told == [200, "done", []] and request.body == b"beginend"


def test_a_request_that_is_given_up_is_reset():
    with process() as one:
        request, other = one.ask("GET /1"), one.ask("GET /2")
        request.stream.abort("the client has left")
        one.play()
        assert one.peer.resets(1) == [CANCEL] and request.told == []
        one.peer.answer(3, 200, b"ok")
        one.play()
        assert other.body == b"ok"


def test_what_still_comes_for_a_request_that_was_given_up_is_ignored():
    with process() as one:
        request = one.ask()
        one.peer.answer(1, 200, b"a", last=False)
        one.play()
        request.stream.abort("the client has left")
        encoder = hpack.Encoder()
        one.turn()
        one.peer.raw(frame(0, 0, 1, b"b" * 100) + frame(1, 5, 1, encoder.encode([(b"x-trailer", b"1")])))
        one.play()
        other = one.ask()
        one.peer.answer(3)
        one.play()
        assert other.told == ["done", 200, []] and request.body == b"a"


@pytest.mark.parametrize(
    ("code", "reason", "untouched"),
    [
        (REFUSED_STREAM, "refused the request (REFUSED_STREAM)", True),
        (HTTP_1_1_REQUIRED, "reset the request (HTTP_1_1_REQUIRED)", True),
        (CANCEL, "reset the request (CANCEL)", False),
        (99, "reset the request (error 99)", False),
    ],
)
def test_a_request_that_the_peer_resets(code, reason, untouched):
    with process() as one:
        request = one.ask()
        one.peer.raw(frame(3, 0, 1, code.to_bytes(4, "big")))
        one.play()
        (failure,) = request.failures
        assert (failure.reason, failure.untouched, failure.counts) == (reason, untouched, True)
        assert request.failed_stream.went_stale(0.0) == untouched
        assert ("http1" in one.owner.events) == (code == HTTP_1_1_REQUIRED)
        again = one.ask()
        one.peer.answer(3)
        one.play()
        assert again.told[-1] == []


def test_a_response_that_takes_too_long():
    with process() as one:
        request, other = one.ask("GET /1"), one.ask("GET /2")
        stream = request.stream
        now = one.context.now
        assert not stream.is_due(now + LIMITS.response_time - 1) and stream.is_due(now + LIMITS.response_time + 1)
        one.context.now += LIMITS.response_time
        one.peer.answer(3, 200, b"x", last=False)
        one.play()
        assert not other.stream.is_due(one.context.now + LIMITS.read_time - 1)
        stream.expire()
        one.play()
        (failure,) = request.failures
        assert failure.timed_out and one.peer.resets(1) == [CANCEL]
        assert failure.reason == f"timed out: no response within {DEFAULT_TIMEOUTS.response:g}s (timeouts.response)"
        other.stream.expire()
        assert other.failures[0].reason == f"timed out: no data within {DEFAULT_TIMEOUTS.read:g}s (timeouts.read)"
        assert one.connection.takes, "the peer has answered another request meanwhile"


def test_a_connection_on_which_nothing_comes_is_used_no_more():
    with process() as one:
        request = one.ask()
        one.context.now += 100
        request.stream.expire()
        assert one.owner.events == ["leaves"] and not one.connection.takes
        one.play()
        assert one.peer.goaways == [0] and one.peer.closed


def test_a_call_that_takes_too_long_says_by_which_timeout():
    with process() as one:
        request = one.ask(*UPLOAD, grpc=True)
        request.stream.expire()
        assert request.failures[0].reason.endswith("(timeouts.tunnel)")
    calls = LIMITS.for_calls()
    assert calls.overdue(True).endswith("(timeouts.tunnel)") and calls.overdue(False).endswith("(timeouts.response)")


def test_a_call_may_be_silent_while_its_request_goes_on():
    with process() as one:
        request = one.ask(*UPLOAD, grpc=True)
        assert not request.stream.is_due(one.context.now + LIMITS.response_time + 1)
        request.send_more(trailers=[])
        assert request.stream.is_due(one.context.now + LIMITS.response_time + 1)
        one.peer.answer(1)


# -- responses that are not right


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ([("H", [(b":status", b"200"), (b"Upper", b"x")], 0)], "sent a bad response"),
        ([("H", [(b":status", b"200"), (b"connection", b"close")], 0)], "sent a bad response"),
        ([("H", [(b":status", b"200"), (b"transfer-encoding", b"chunked")], 0)], "sent a bad response"),
        ([("H", [(b":status", b"20")], 0)], "no :status of three digits"),
        ([("H", [(b"x", b"y")], 0)], "no :status of three digits"),
        ([("H", [(b":status", b"200"), (b":method", b"GET")], 0)], "sent a bad response"),
        ([("H", [(b":status", b"200"), (b"x", b"a\r\nb: c")], 0)], "sent a bad response"),
        ([("H", [(b":status", b"101")], 0)], "status 101"),
        ([("H", [(b":status", b"103")], 1)], "an interim response that ends the stream"),
        ([("D", b"early", 0)], "DATA before the head"),
        ([("H", [(b":status", b"200"), (b"content-length", b"3")], 0), ("D", b"four", 0)], "not as long as"),
        ([("H", [(b":status", b"200"), (b"content-length", b"9")], 0), ("D", b"four", 1)], "not as long as"),
        ([("H", [(b":status", b"200"), (b"content-length", b"9")], 1)], "no body, but a Content-Length"),
        ([("H", [(b":status", b"204")], 0), ("D", b"four", 1)], "not as long as"),
        ([("H", [(b":status", b"200"), (b"content-length", b"1"), (b"content-length", b"2")], 0)], "bad response"),
        ([("H", [(b":status", b"200")], 0), ("H", [(b":status", b"200")], 1)], "sent a bad response"),
        ([("H", [(b":status", b"200")], 0), ("H", [(b"x", b"y")], 0)], "trailers that do not end the stream"),
        ([("H", [(b":status", b"103")], 0)] * 101, "too many interim responses"),
        ([("H", [(b":status", b"200"), *[(b"x-%d" % n, b"y" * 100) for n in range(40)]], 0)], "the head is too large"),
        ([("H", [(b":status", b"200"), *[(b"x", b"y") for n in range(110)]], 0)], "too"),
        ([("W", 0, 0)], "WINDOW_UPDATE of 0"),
    ],
)
def test_a_response_that_is_not_right_ends_its_request_alone(sent, reason):
    with process() as one:
        request, other = one.ask("GET /1"), one.ask("GET /2")
        encoder = hpack.Encoder()
        for kind, what, last in sent:
            if kind == "H":
                data = frame(1, 4 | last, 1, encoder.encode(what))
            elif kind == "D":
                data = frame(0, last, 1, what)
            else:
                data = frame(8, 0, 1, what.to_bytes(4, "big"))
            one.peer.raw(data)
        one.play()
        (failure,) = request.failures
        assert reason in failure.reason and not failure.untouched
        assert one.peer.resets(1) == [PROTOCOL_ERROR]
        one.peer.h2.encoder = encoder
        one.peer.answer(3, 200, b"fine")
        one.play()
        assert other.body == b"fine"


# -- what ends the connection


def test_goaway_lets_finish_what_is_processed_and_gives_back_the_rest():
    with process() as one:
        kept, refused = one.ask("GET /1"), one.ask("POST /2", "Content-Length: 3", pieces=[b"abc"], trailers=[])
        one.peer.goaway(1)
        one.play()
        (failure,) = refused.failures
        assert failure.untouched and failure.reason == "closed the connection"
        assert refused.failed_stream.went_stale(99.0)
        assert one.owner.events == ["leaves"] and not one.connection.has_place() and not kept.failures
        one.peer.answer(1, 200, b"still")
        one.play()
        assert kept.body == b"still"
        assert one.peer.goaways == [0] and one.peer.closed


def test_a_peer_that_answers_what_it_has_given_back():
    with process() as one:
        kept, refused = one.ask("GET /1"), one.ask("GET /2")
        one.peer.goaway(1)
        one.play()
        assert refused.failures[0].untouched
        one.peer.answer(3, 200, b"late")
        one.play()
        one.peer.answer(1, 200, b"still")
        one.play()
        assert kept.body == b"still" and refused.body == b""


def test_goaway_twice():
    with process() as one:
        first, second = one.ask("GET /1"), one.ask("GET /2")
        one.peer.goaway((1 << 31) - 1)
        one.play()
        assert not (first.failures or second.failures) and not one.connection.takes
        one.peer.goaway(1)
        one.play()
        assert second.failures[0].untouched and not first.failures
        one.peer.goaway((1 << 31) - 1)
        one.peer.answer(1)
        one.play()
        assert first.told[-1] == []


def test_a_connection_that_is_lost_is_one_failure():
    with process() as one:
        requests = [one.ask(f"GET /{number}") for number in range(3)]
        one.peer.hang_up()
        one.turn()
        failures = [request.failures[0] for request in requests]
        assert {failure.reason for failure in failures} == {"closed the connection early"}
        assert [failure.counts for failure in failures] == [True, False, False]
        assert not any(failure.untouched for failure in failures)


def test_the_reason_of_a_goaway_is_told():
    with process() as one:
        request = one.ask()
        one.peer.goaway(1, ENHANCE_YOUR_CALM)
        one.peer.hang_up()
        one.turn()
        assert request.failures[0].reason == "closed the connection (ENHANCE_YOUR_CALM)"


def test_an_idle_connection_that_the_peer_closes_as_it_is_used():
    with process() as one:
        one.ask()
        one.peer.answer(1)
        one.play()
        assert one.connection.reused
        one.peer.hang_up()
        request = Request()
        request.send(one.connection.open(request))
        one.turn()
        assert request.failures and request.failed_stream.went_stale(0.0)
        assert request.failed_stream.may_have_gone_stale(0.05)


def test_a_connection_that_the_peer_has_closed_is_seen_before_it_is_used():
    with process() as one:
        one.ask()
        one.peer.answer(1)
        one.play()
        request = Request("POST /")
        stream = one.connection.open(request)
        assert not stream.is_stale()
        one.peer.hang_up()
        assert stream.is_stale()
        stream.close()
        assert not one.connection.has_place() and one.owner.events == ["leaves"]


def test_a_fresh_connection_cannot_be_stale():
    with process() as one:
        request = one.ask()
        one.peer.hang_up()
        one.turn()
        assert not request.failed_stream.went_stale(0.0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (frame(5, 4, 1, b"\0\0\0\2"), "PUSH_PROMISE"),
        (frame(1, 5, 1, b"\xff\xff\xff\xff\xff\xff\xff\xff"), "broke the rules of HTTP/2"),
        (frame(1, 5, 2, b"\x88"), "broke the rules of HTTP/2"),
        (frame(1, 5, 99, b"\x88"), "broke the rules of HTTP/2"),
        (frame(4, 0, 0, b"\0\2\0\0\0\1"), "ENABLE_PUSH"),
        (frame(8, 0, 0, b"\x7f\xff\xff\xff"), "a window above 2^31 - 1"),
        (frame(0, 0, 99, b"x"), "DATA on a stream that is idle"),
        (b"\xff\xff\xff" + b"\0" * 6, "a frame above 16,384 bytes"),
        (frame(4, 0, 0, b"") * 5000, "too many frames"),
        (frame(6, 0, 0, b"12345678") * 5000, "too many frames"),
        (frame(0, 0, 1, b"") * 5000, "too many frames"),
        (frame(1, 0, 1, b"\x88") + frame(9, 0, 1, b"") * 5000, "a field section that does not end"),
    ],
)
def test_a_peer_that_breaks_the_rules_loses_the_connection(data, reason):
    with process() as one:
        requests = [one.ask(f"GET /{number}") for number in range(2)]
        one.peer.raw(data)
        one.play()
        assert one.owner.events[-1] == "leaves" and not one.connection.has_place()
        failures = [request.failures[0] for request in requests]
        assert reason in failures[0].reason and [failure.counts for failure in failures] == [True, False]
        assert one.peer.goaways and one.peer.goaways[0] != 0
        one.connection.expire()


def test_a_bomb_of_fields_ends_the_connection():
    with process() as one:
        request = one.ask()
        encoder = hpack.Encoder()
        first = encoder.encode([(b":status", b"200"), (b"x", b"y" * 3000)])
        one.peer.raw(frame(1, 4, 1, first + b"\xbe" * 13000))
        one.play()
        assert "too many frames" in request.failures[0].reason and one.peer.goaways == [ENHANCE_YOUR_CALM]
        one.connection.expire()


def test_after_goaway_a_reset_is_still_a_reset():
    with process() as one:
        request = one.ask()
        one.peer.goaway(1)
        one.peer.h2.reset_stream(1, CANCEL)
        one.play()
        assert request.told == ["reset the request (CANCEL)"] and request.failures[0].counts


@pytest.mark.parametrize("code", [14, 1 << 31, (1 << 32) - 20])
def test_a_reset_with_a_code_that_is_not_known(code):
    with process() as one:
        request, other = one.ask(), one.ask()
        one.peer.raw(frame(3, 0, 1, code.to_bytes(4)))
        one.play()
        assert request.told == [f"reset the request (error {code})"]
        one.peer.answer(3)
        one.play()
        assert other.told[-1] == []


def test_a_host_that_is_gone_without_a_word_is_noticed():
    with process() as one:
        near = socket.socket(fileno=one.connection.transport.descriptor)
        assert near.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000
        near.detach()


# -- before it begins, and when nothing runs on it


def test_nothing_is_sent_before_the_settings_of_the_peer():
    with process(settled=False) as one:
        one.turn()
        assert not one.connection.has_place() and not one.owner.events
        one.play()
        assert one.owner.events == ["settled"] and one.connection.has_place()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "speaks HTTP/1.1, not HTTP/2"),
        (b"", "closed the connection before it sent the HTTP/2 preface"),
        (b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n", "broke the rules of HTTP/2: a frame above 16,384 bytes"),
        (frame(6, 0, 0, b"12345678"), "broke the rules of HTTP/2: another frame before its SETTINGS"),
    ],
)
def test_a_peer_that_does_not_speak_http2(said, reason):
    with process(settled=False) as one:
        one.turn()
        one.peer.sock.recv(65536)
        one.peer.sock.sendall(said)
        one.peer.hang_up()
        one.turn()
        assert one.owner.events == ["leaves", reason]


def test_as_many_requests_as_the_peer_takes():
    with process(MAX_CONCURRENT_STREAMS=2) as one:
        requests = [one.ask(), one.ask()]
        assert not one.connection.has_place()
        one.peer.answer(1)
        one.play()
        assert one.owner.events == ["room"] and one.connection.has_place()
        one.peer.h2.update_settings({3: 1})
        one.play()
        assert not one.connection.has_place()
        one.owner.events.clear()
        one.peer.h2.update_settings({3: 10})
        one.play()
        assert one.owner.events == ["room"] and one.connection.has_place()
        one.peer.answer(3)
        one.play()
        assert all(request.told[-1] == [] for request in requests)


def test_an_idle_connection_ends_in_good_order():
    with process() as one:
        one.ask()
        one.peer.answer(1)
        one.play()
        now = one.context.now
        assert not one.connection.is_due(now + LIMITS.keepalive_time - 1)
        assert one.connection.is_due(now + LIMITS.keepalive_time + 1)
        one.connection.expire()
        one.play()
        assert one.peer.goaways == [0] and one.peer.closed and one.owner.events == ["leaves"]


def test_a_connection_that_is_not_kept_ends_after_its_last_request():
    with process() as one:
        one.owner.wants = False
        request = one.ask()
        one.peer.answer(1, 200, b"x")
        one.play()
        assert request.body == b"x" and one.peer.goaways == [0] and one.peer.closed


def test_an_old_connection_ends_after_its_last_request():
    with process(age=10.0) as one:
        request = one.ask()
        assert not one.connection.is_due(one.context.now + 9) and one.connection.is_due(one.context.now + 11)
        one.connection.expire()
        assert one.owner.events == ["leaves"] and not one.connection.has_place()
        one.peer.answer(1, 200, b"x")
        one.play()
        assert request.body == b"x" and one.peer.goaways == [0]


def test_numbers_that_are_used_up():
    with process() as one:
        one.connection.skip_to((1 << 31) - 1)
        request = one.ask()
        assert one.owner.events == ["leaves"] and not one.connection.has_place()
        one.peer.answer((1 << 31) - 1, 200, b"x")
        one.play()
        assert request.body == b"x" and one.peer.closed


def test_a_ping_is_answered():
    with process() as one:
        request = one.ask()
        one.peer.h2.ping(b"12345678")
        one.play()
        assert [event.ping_data for event in one.peer.of(h2.events.PingAckReceived)] == [b"12345678"]
        one.peer.answer(1)
        one.play()
        assert request.told[-1] == []


# -- WebSockets (RFC 8441)


def test_a_websocket():
    with process(ENABLE_CONNECT_PROTOCOL=1) as one:
        assert one.connection.extended_connect
        request = one.ask(*WEBSOCKET)
        sent = dict(lines(one))
        assert sent[b":method"] == b"CONNECT" and sent[b":protocol"] == b"websocket" and sent[b":path"] == b"/chat"
        assert sent[b"sec-websocket-version"] == b"13" and b"sec-websocket-key" not in sent and b"upgrade" not in sent
        assert not one.peer.of(h2.events.StreamEnded)
        one.peer.answer(1, 200, b"", (b"sec-websocket-protocol", b"chat"), last=False)
        one.play()
        assert request.told == [101]
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in request.fields
        request.stream.send_raw(b"up")
        one.peer.h2.send_data(1, b"down")
        one.peer.flush()
        one.play()
        assert one.peer.body(1) == b"up" and request.body == b"down"
        assert not request.stream.is_due(one.context.now + 10_000)
        request.stream.send_eof()
        one.peer.h2.end_stream(1)
        one.play()
        assert request.told == [101, "eof"] and one.peer.of(h2.events.StreamEnded)
        request.stream.close()
        one.play()
        assert one.connection.is_idle()


def test_a_websocket_that_is_refused():
    with process(ENABLE_CONNECT_PROTOCOL=1) as one:
        request = one.ask(*WEBSOCKET)
        one.peer.answer(1, 403, b"no")
        one.play()
        assert request.body == b"no" and request.told == [403, "done", []]
        assert one.connection.is_idle() and one.connection.takes


@pytest.mark.parametrize("how", ["reset", "connection"])
def test_a_websocket_that_is_lost(how):
    with process(ENABLE_CONNECT_PROTOCOL=1) as one:
        request = one.ask(*WEBSOCKET)
        one.peer.answer(1, 200, last=False)
        one.play()
        if how == "reset":
            one.peer.h2.reset_stream(1, CANCEL)
            one.play()
        else:
            one.peer.hang_up()
            one.turn()
        assert request.told == [101, "lost"]


def test_a_tunnel_ends_when_its_peer_leaves():
    with process(ENABLE_CONNECT_PROTOCOL=1) as one:
        request, other = one.ask(*WEBSOCKET), one.ask()
        one.peer.answer(1, 200, last=False)
        one.play()
        (tunnel,) = one.connection.tunnels()
        tunnel.end_tunnel()
        one.play()
        assert request.told == [101, "lost"] and one.peer.resets(1) == [CANCEL]
        one.peer.answer(3)
        one.play()
        assert other.told[-1] == []


def test_another_upgrade_is_left_out():
    with process(ENABLE_CONNECT_PROTOCOL=1) as one:
        one.ask("GET /", "Connection: upgrade", "Upgrade: other/1.0")
        sent = dict(lines(one))
        assert sent[b":method"] == b"GET" and b"upgrade" not in sent and one.peer.of(h2.events.StreamEnded)
        one.peer.answer(1)


def test_large_bodies_are_whole_whatever_their_pieces():
    with process() as one:
        request = one.ask()
        data = bytes(range(256)) * 2000
        one.peer.h2.send_headers(1, [(b":status", b"200")])
        at = 0
        while at < len(data):
            size = min(16000, one.peer.h2.local_flow_control_window(1), len(data) - at)
            one.peer.h2.send_data(1, data[at : at + size])
            one.peer.flush()
            one.play()
            at += size
        one.peer.h2.end_stream(1)
        one.play()
        assert hashlib.sha256(request.body).digest() == hashlib.sha256(data).digest()
