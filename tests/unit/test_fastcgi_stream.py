"""A connection that speaks FastCGI by itself: a request and an owner of a few lines stand for all that is above it."""

import gc
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsp.http.cgi.fastcgi import FastCgiConnection, FastCgiStream
from rsp.http.cgi.scripts import Scripts
from tests.fastcgi_peer import BEGIN, PARAMS, STDERR, STDIN, STDOUT, answer, end, page, record
from tests.unit.test_fastcgi_records import cut
from tests.unit.test_peer_connection import Process, Request, sent

GET = b"GET /a HTTP/1.1\r\nHost: t\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n"
HEAD = b"Content-Type: text/plain\r\n\r\n"


class Asked(Request):
    def __init__(self, text: bytes = GET) -> None:
        super().__init__(text)
        self.said = b""

    def peer_said(self, text: bytes) -> None:
        self.said += text


class FastCgiProcess(Process):
    def connect(self, pair=None, keep: bool = True):
        transport, far = self.pair(pair)
        scripts = Scripts("", "", "index.php")
        self.connection = FastCgiConnection(self.context, self.owner, transport, scripts, keep)
        self.peers.append(far)
        return far

    def ask(self, text: bytes = GET, pieces=(), trailers=None) -> Asked:
        request = Asked(text)
        request.send(self.connection.open(request), pieces, trailers)
        self.turn()
        return request


@pytest.fixture
def process():
    process = FastCgiProcess()
    yield process
    process.close()


def test_a_request_and_its_response(process):
    peer = process.connect()
    request = process.ask()
    kinds = [kind for kind, _ in cut(sent(peer))]
    assert kinds == [BEGIN, PARAMS, PARAMS, STDIN]
    process.answered(page(b"ok"), request)
    assert request.told == ["done", 200, []]
    assert request.body == b"ok"
    assert process.owner.idle == [process.connection]


def test_a_connection_that_is_not_kept_is_closed(process):
    peer = process.connect(keep=False)
    request = process.answered(page(b"ok"), process.ask())
    assert request.told == ["done", 200, []]
    process.turn()
    assert not process.context.peer_connections
    assert cut(sent(peer))[0][1][2] == 0  # no FCGI_KEEP_CONN


def test_one_behind_whose_response_something_came_is_not_used_again(process):
    process.connect()
    request = process.answered(page(b"ok") + b"x", process.ask())
    assert request.told == ["done", 200, []]
    assert process.owner.idle == []


def test_a_body_goes_in_records_and_ends(process):
    peer = process.connect()
    request = process.ask(POST % 6, [b"one"])
    request.stream.send_body([b"two"], [])
    request.request_done = True
    process.turn()
    records = cut(sent(peer))
    assert [content for kind, content in records if kind == STDIN] == [b"one", b"two", b""]
    assert process.answered(page(b"ok"), request).told == ["done", 200, []]


def test_a_body_that_comes_in_the_same_turn_goes_along_with_the_head(process):
    peer = process.connect()
    request = Asked(POST % 3)
    request.send(process.connection.open(request))
    assert sent(peer) == b""
    request.stream.send_body([b"one"], [])
    assert [kind for kind, _ in cut(sent(peer))] == [BEGIN, PARAMS, PARAMS, STDIN, STDIN]
    request.stream.abort("enough")
    process.turn()


def test_an_early_response_ends_the_connection(process):
    process.connect()
    request = process.ask(POST % 1000, [b"begin"])
    process.answered(page(b"no"), request)
    assert request.told == ["done", 200, []]
    process.turn()
    assert not process.context.peer_connections


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (end(2), ("is overloaded (FCGI_OVERLOADED)", False, True)),
        (record(STDOUT, HEAD) + end(2), ("is overloaded (FCGI_OVERLOADED)", False, False)),
        (end(), ("ended without the head of a response", False, False)),
        (record(STDOUT, b"Content-Length: 3\r\n\r\nab") + end(), ("ended the response early", False, False)),
        (b"HTTP/1.1 200 OK\r\n\r\n", ("sent a bad response: speaks HTTP, not FastCGI", False, False)),
        (record(STDOUT, b"X: " + b"y" * 700), ("sent a bad response: the head is too large", False, False)),
        (record(STDOUT, b"X: " + b"y" * 700 + b"\n\n"), ("sent a bad response: the head is too large", False, False)),
    ],
)
def test_what_a_failure_says(process, data, told):
    process.connect()
    request = process.answered(data, process.ask())
    assert request.told[-1] == told
    process.turn()
    assert not process.context.peer_connections


def test_the_end_of_the_connection_is_no_end_of_a_response(process):
    peer = process.connect()
    request = process.answered(record(STDOUT, HEAD + b"half"), process.ask())
    assert request.told == [200]
    sent(peer)  # else it is a reset
    peer.close()
    process.turn()
    assert request.told[-1] == ("closed the connection early", False, False)


def test_a_connection_that_was_idle_and_has_ended_is_stale(process):
    peer = process.connect()
    process.answered(page(b"ok"), process.ask())
    request = Asked()
    request.send(process.connection.open(request))
    peer.close()
    process.turn()
    assert request.told[-1][0] in ("closed the connection early", "reset the connection")
    assert request.failed_stream.went_stale(0.0)


def test_what_is_said_before_the_next_request_is_no_response_to_it(process):
    process.connect()
    process.answered(page(b"ok"), process.ask())
    process.peers[-1].send(page(b"stray"))
    process.turn()
    assert process.owner.idle == []  # nothing was asked for: it is closed


def test_a_response_waits_while_its_client_is_full(process):
    process.connect()
    request = process.answered(record(STDOUT, HEAD + b"one"), process.ask())
    request.stream.pause()
    process.answered(record(STDOUT, b"two"), request)
    assert request.body == b"one"
    assert process.connection.deadline == float("inf")
    request.stream.resume()
    process.turn()
    assert request.body == b"onetwo"
    process.answered(end(), request)
    assert request.told == [200, "done", []]


def test_many_records_do_not_take_a_turn_for_themselves_nor_pass_a_pause(process):
    process.connect()
    data = record(STDOUT, HEAD) + record(STDOUT, b"x") * 1500 + end()
    request = process.ask()
    process.peers[-1].send(data)
    seen = set()
    while not request.told or request.told[-1] != []:
        process.loop.call_soon(process.loop.stop)
        process.loop.run_forever()
        seen.add(len(request.body))
    assert request.body == b"x" * 1500
    assert len(seen) > 2


class Full(Asked):
    """Takes one part of the body, and no more for now."""

    def response_body(self, pieces, trailers):
        super().response_body(pieces, trailers)
        if self.stream is not None:
            self.stream.pause()


def test_what_is_left_of_a_turn_waits_while_the_client_is_full(process):
    process.connect()
    request = Full()
    request.send(process.connection.open(request))
    process.answered(record(STDOUT, HEAD) + record(STDOUT, b"x") * 1500 + end(), request)
    for _ in range(5):
        process.turn()
    assert len(request.body) == 511
    while request.stream is not None:
        request.stream.resume()
        process.turn()
    assert request.body == b"x" * 1500
    assert request.told[-1] == []


def test_stderr_does_not_keep_a_request_alive(process):
    process.connect()
    request = process.ask()
    deadline = process.connection.deadline
    process.context.now += 1
    process.answered(record(STDERR, b"oops"), request)
    assert process.connection.deadline == deadline
    assert request.said == b"oops"
    process.answered(record(STDOUT, HEAD + b"a"), request)
    deadline = process.connection.deadline
    process.context.now += 1
    process.answered(record(STDERR, b"again"), request)
    assert process.connection.deadline == deadline
    process.answered(record(STDOUT, b"b"), request)
    assert process.connection.deadline == deadline + 1


def test_100_continue_is_rsps_own(process):
    process.connect()
    request = process.ask(b"POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert request.told == [100]
    request.stream.send_body([b"abc"], [])
    request.request_done = True
    assert process.answered(page(b"ok"), request).told == [100, "done", 200, []]


def test_a_variable_that_is_too_large_is_answered_431_and_nothing_is_sent(process):
    peer = process.connect()
    request = process.ask(b"GET /a HTTP/1.1\r\nHost: t\r\nX-Large: " + b"x" * 70_000 + b"\r\n\r\n")
    assert request.told == ["done", 431, []]
    assert sent(peer) == b""


def test_a_body_without_a_length_is_answered_411(process):
    peer = process.connect()
    request = process.ask(b"POST /a HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert request.told == ["done", 411, []]
    assert sent(peer) == b""


@settings(max_examples=60)
@given(st.lists(st.integers(0, 300), max_size=6), st.integers(1, 40), st.binary(max_size=60))
def test_a_response_is_the_same_however_it_is_cut(cuts, piece, body):
    data = answer(b"Status: 201 Made\nX: y\n\n" + body, piece=piece)
    process = FastCgiProcess()
    process.connect()
    request = process.ask()
    start = 0
    for stop in (*sorted(min(each, len(data)) for each in cuts), len(data)):
        if data[start:stop]:
            process.answered(data[start:stop], request)
        start = stop
    assert request.body == body
    assert request.told[-1] == []
    assert "done" in request.told
    assert process.owner.idle == [process.connection]
    process.close()


@settings(max_examples=60)
@given(st.integers(0, 1 << 30), st.integers(0, 4))
def test_no_bytes_do_worse_than_to_fail(seed, flips):
    chance = random.Random(seed)
    data = bytearray(record(STDOUT, HEAD, padding=3) + record(STDERR, b"oops") + record(STDOUT, b"hello") + end())
    for _ in range(flips):
        data[chance.randrange(len(data))] = chance.randrange(256)
    process = FastCgiProcess()
    peer = process.connect()
    request = process.answered(bytes(data), process.ask())
    peer.close()
    process.turn()
    assert request.told[-1] == [] or isinstance(request.told[-1], tuple)
    process.close()


def test_what_is_over_leaves_nothing_for_the_collector(process):
    gc.collect()
    gc.disable()
    try:
        for data in (page(b"ok"), page(b"ok"), end(2)):
            process.connect()
            process.answered(data, process.ask())
        process.turn()
        left = [each for each in gc.get_objects() if isinstance(each, FastCgiStream)]
        assert len(left) <= 1  # the failed one, which its request has
    finally:
        gc.enable()
