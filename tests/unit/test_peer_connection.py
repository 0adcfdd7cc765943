"""A connection to a peer by itself: a request and an owner of a few lines stand for all that is above it."""

import asyncio
import contextlib
import os
import select
import socket
import struct

import pytest

from rsp.config.limits import DEFAULT_TIMEOUTS, Timeouts
from rsp.config.limits import Limits as Sizes
from rsp.config.units import Duration
from rsp.http.h1.client import ConnectionOwner, PeerConnection
from rsp.http.h1.codec import parse_request
from rsp.http.limits import Limits
from rsp.http.message import OutgoingHead
from rsp.http.peer_stream import UNTRIED, PeerRequest
from rsp.net.calls import has_news
from rsp.net.secure import TlsLost
from rsp.system.descriptors import Room
from tests.unit.lone_worker import LoneWorker, tcp_pair

GET = b"GET /a HTTP/1.1\r\nHost: t\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LIMITS = Limits((Timeouts(),), (Sizes(head=600, buffer=64 << 10),), Room(100, 1))


class Request(PeerRequest):
    """Notes what it is told, in order."""

    def __init__(self, text: bytes = GET) -> None:
        self.head = parse_request(text)
        self.limits = LIMITS
        self.client = b"192.0.2.1"
        self.request_done = self.head.framing == 0
        self.tried = UNTRIED
        self.told = []
        self.body = b""
        self.stream = None
        self.failed_stream = None

    def send(self, stream, pieces=(), trailers=None):
        self.stream = stream
        head = self.head
        stream.send_request(OutgoingHead(head, head.target, head.host, head.fields, b"", b""), list(pieces), trailers)

    def peer_done(self):
        self.stream = None
        self.told.append("done")

    def peer_failed(self, stream, failure):
        self.stream, self.failed_stream = None, stream
        self.told.append((failure.reason, failure.timed_out, failure.untouched))

    def keep_for_client(self, connection):
        self.told.append(connection)

    def peer_full(self):
        self.told.append("full")

    def peer_ready(self):
        self.told.append("ready")

    def interim(self, head):
        self.told.append(head.status)

    def response(self, head, pieces, trailers):
        self.told.append(head.status)
        self.response_body(pieces, trailers)

    def response_body(self, pieces, trailers):
        self.body += b"".join(pieces)
        if trailers is not None:
            self.told.append(trailers)

    def switch_protocols(self, head, data):
        self.told.append(101)
        self.stream.open_tunnel()
        if data:
            self.tunnel_down(data)

    def tunnel_down(self, data):
        self.told.append(data)

    def tunnel_down_eof(self):
        self.told.append(b"")

    def tunnel_lost(self):
        self.told.append("lost")


class Owner(ConnectionOwner):
    def __init__(self) -> None:
        self.strict = True
        self.retired = False
        self.wants = True
        self.idle = []

    def keeps(self, connection):
        if self.wants:
            self.idle.append(connection)
        return self.wants

    def lost(self, connection):
        if connection in self.idle:
            self.idle.remove(connection)


class Process(LoneWorker):
    """With the peer at the other end."""

    def __init__(self) -> None:
        super().__init__()
        self.context.limits = LIMITS
        self.owner = Owner()
        self.peers = []

    def connect(self, pair=None) -> socket.socket:
        transport, far = self.pair(pair)
        self.connection = PeerConnection(self.context, self.owner, transport)
        self.peers.append(far)
        return far

    def wait(self, condition) -> None:
        async def poll():
            while not condition():
                await asyncio.sleep(0.001)

        self.loop.run_until_complete(asyncio.wait_for(poll(), 10))

    def ask(self, text: bytes = GET, pieces=(), trailers=None) -> Request:
        """A request on the connection."""
        request = Request(text)
        request.send(self.connection.open(request), pieces, trailers)
        self.turn()
        return request

    def answered(self, data: bytes, request: Request) -> Request:
        self.peers[-1].send(data)
        self.turn()
        return request


@pytest.fixture
def process():
    process = Process()
    yield process
    process.close()


def sent(peer: socket.socket) -> bytes:
    with contextlib.suppress(BlockingIOError):
        return peer.recv(1 << 20)
    return b""


def test_a_request_and_its_response(process):
    peer = process.connect()
    request = process.ask()
    assert sent(peer) == GET
    process.answered(OK, request)
    assert request.told == ["done", 200, []]
    assert request.body == b"ok"
    assert process.owner.idle == [process.connection]
    assert process.connection.deadline == process.context.now + LIMITS.keepalive_time


def test_it_is_used_again_and_closed_when_the_owner_has_enough(process):
    peer = process.connect()
    process.answered(OK, process.ask())
    process.owner.wants = False
    process.owner.idle.clear()
    again = process.answered(OK, process.ask())
    assert again.told == ["done", 200, []]
    assert sent(peer) == GET * 2
    process.turn()
    assert sent(peer) == b""
    assert peer.recv(1) == b""
    assert not process.context.peer_connections


@pytest.mark.parametrize(
    ("parts", "at_once"),
    [
        ([OK], False),
        ([OK[:-2], OK[-2:]], True),  # a head, and nothing behind it: the peer may wait with the body
        ([OK[:20], OK[20:]], True),
        ([OK.replace(b": 2", b": 9000") + b"o" * 1398, b"k" * 7600], True),
    ],
)
def test_a_peer_that_may_wait_for_an_acknowledgement_gets_it(process, parts, at_once):
    process.connect(tcp_pair())
    request = process.ask()
    with socket.socket(fileno=os.dup(process.connection.transport.descriptor)) as own:
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        process.answered(parts[0], request)
        assert bool(own.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK)) == at_once
        for part in parts[1:]:
            process.answered(part, request)
    assert "done" in request.told and len(request.body) in (2, 9000)


def test_an_idle_connection_that_says_something_is_closed(process):
    peer = process.connect()
    process.answered(OK, process.ask())
    peer.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    process.turn()
    assert process.owner.idle == []
    assert not process.context.peer_connections


@pytest.mark.parametrize(("parts", "is_kept"), [([b"one"], True), ([b"o", b"ne"], True), ([b"on"], False), ([], False)])
def test_an_answer_may_come_before_the_end_of_the_request_is_said(process, parts, is_kept):
    """As with HTTP/2, where END_STREAM may be a frame of its own."""
    process.connect()
    request = process.ask(b"POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\n", parts[:1])
    for part in parts[1:]:
        request.stream.send_body([part], None)
    process.turn()
    process.answered(OK, request)
    assert request.told == ["done", 200, []]
    assert process.owner.idle == ([process.connection] if is_kept else [])


def test_bodies_in_chunks_both_ways_with_trailers(process):
    peer = process.connect()
    post = b"POST /a HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
    request = process.ask(post, [b"one"])
    request.stream.send_body([b"two"], None)
    request.request_done = True
    request.stream.send_body([], [b"X-Sum: 1"])
    process.turn()
    assert sent(peer).endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\nX-Sum: 1\r\n\r\n")
    head = b"HTTP/1.1 200 OK\r\nConnection: x-gone\r\nTransfer-Encoding: chunked\r\n\r\n"
    for piece in (head, b"2\r\nok\r\n", b"0\r\nX-Gone: 1\r\nX-Kept: 2\r\n\r\n"):
        process.answered(piece, request)
    assert request.told == [200, "done", [b"X-Kept: 2"]]
    assert request.body == b"ok"
    assert process.owner.idle


def test_interim_responses_come_first(process):
    process.connect()
    request = process.ask()
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    process.answered(b"HTTP/1.1 100 Continue\r\n\r\n" + early, request)
    process.answered(early + OK, request)
    assert request.told == [100, 103, 103, "done", 200, []]


@pytest.mark.parametrize(
    "wanted", [b"HTTP/1.1 100 Continue\r\n\r\n" * 101, b"HTTP/1.1 103 E\r\nA: %b\r\n\r\n" % (b"a" * 590)]
)
def test_there_are_bounds_for_them(process, wanted):
    process.connect()
    request = process.answered(wanted, process.ask())
    assert isinstance(request.told[-1], tuple)
    assert request.told[-1][0].startswith("sent a bad response: ")


def test_a_response_until_the_end_of_the_connection(process):
    peer = process.connect()
    request = process.answered(b"HTTP/1.0 200 OK\r\n\r\nall", process.ask())
    assert request.told == [200]
    peer.shutdown(socket.SHUT_WR)
    process.turn()
    assert request.told == [200, "done", []]
    assert request.body == b"all"
    assert not process.owner.idle
    assert not process.context.peer_connections


@pytest.mark.parametrize("extra", [b"x", OK])
def test_what_sends_too_much_is_not_used_again(process, extra):
    process.connect()
    request = process.answered(OK + extra, process.ask())
    assert request.told == ["done", 200, []]
    assert not process.owner.idle


def test_a_response_before_the_request_is_complete_ends_the_connection(process):
    peer = process.connect()
    request = process.ask(b"POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n", [b"half"])
    process.answered(OK, request)
    assert request.told == ["done", 200, []]
    assert not process.owner.idle
    sent(peer)
    assert peer.recv(1) == b""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "closed the connection early"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "closed the connection early"),
        (b"SSH-2.0\r\n\r\n", "sent a bad response: "),
        (b"HTTP/1.1 200 OK\r\nA: \x00\r\n", "sent a bad response: bare CR, bare LF or NUL in the head"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 700, "sent a bad response: the head is too large"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnone", "sent a bad response: "),
    ],
)
def test_failures(process, data, reason):
    peer = process.connect()
    request = process.answered(data, process.ask())
    sent(peer)
    peer.close()
    process.turn()
    (told,) = [each for each in request.told if isinstance(each, tuple)]
    assert told[0].startswith(reason)
    assert told[1:] == (False, False)
    assert not process.owner.idle
    assert not process.context.peer_connections


def test_a_lenient_owner_takes_heads_that_leave_no_doubt(process):
    process.connect()
    process.owner.strict = False
    request = process.answered(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", process.ask())
    assert request.told == ["done", 200, []]


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
def test_a_deadline_for_the_head_and_for_each_part_of_the_body(process, begun):
    process.connect()
    request = process.ask()
    if begun:
        process.answered(begun, request)
    limit = DEFAULT_TIMEOUTS.read if begun else DEFAULT_TIMEOUTS.response
    connection = process.connection
    assert connection.deadline == process.context.now + limit + 1  # the clock may be behind
    assert not connection.is_due(connection.deadline)
    assert connection.is_due(connection.deadline + 0.1)
    request.stream.pause()
    assert not connection.is_due(1e12)
    request.stream.resume()
    connection.expire()
    process.turn()
    missing, key = ("data", "read") if begun else ("response", "response")
    assert request.told[-1] == (f"timed out: no {missing} within {Duration(limit)} (timeouts.{key})", True, False)


def test_an_idle_connection_expires(process):
    peer = process.connect()
    process.answered(OK, process.ask())
    sent(peer)
    process.connection.expire()
    process.turn()
    assert peer.recv(1) == b""
    assert process.owner.idle == []


def test_bytes_that_no_request_asked_for_make_a_connection_stale(process):
    peer = process.connect()
    stream = process.connection.open(Request())
    assert not stream.is_stale()
    peer.send(b"HTTP/1.1 408 Too Late\r\n\r\n")
    assert stream.is_stale()


def test_a_reset_connection_has_news(process):
    near, far = tcp_pair()
    assert not has_news(near.fileno())
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far.close()
    select.select([near], [], [], 5)
    assert has_news(near.fileno())
    near.close()


def test_what_was_closed_before_the_request_came_is_stale(process):
    peer = process.connect()
    first = Request()
    stream = process.connection.open(first)
    assert not stream.is_stale()
    first.send(stream)
    process.turn()
    process.answered(OK, first)
    second = Request()
    stream = process.connection.open(second)
    sent(peer)
    peer.shutdown(socket.SHUT_WR)
    assert stream.is_stale()
    second.send(stream)
    process.turn()
    assert second.told == [("closed the connection early", False, False)]
    assert second.failed_stream.went_stale(0.001)
    assert not second.failed_stream.went_stale(10.0)
    assert second.failed_stream.may_have_gone_stale(0.05)


@pytest.mark.parametrize(("delay", "stale"), [(0.001, True), (1.0, False)])
def test_an_end_without_close_notify_has_its_time_from_the_kernel(process, delay, stale):
    process.connect()
    process.answered(OK, process.ask())
    request = Request()
    request.send(process.connection.open(request))
    process.connection.connection_lost(TlsLost("closed the connection without close_notify", False, delay))
    assert request.told == [("closed the connection without close_notify", False, False)]
    assert request.failed_stream.went_stale(10.0) == stale  # however long this worker has been busy


def test_a_new_connection_is_never_stale(process):
    peer = process.connect()
    request = process.ask()
    peer.close()
    process.turn()
    assert not request.failed_stream.went_stale(0.0)
    assert not request.failed_stream.may_have_gone_stale(0.0)


def test_what_comes_behind_a_response_is_never_taken_for_the_next_one(process):
    peer = process.connect()
    process.answered(OK, process.ask())
    peer.send(OK)
    request = Request()
    request.send(process.connection.open(request))
    process.connection.transport.ready(select.EPOLLIN)  # both came with one look for events
    assert request.told == [("sent a bad response: bytes behind a complete response", False, False)]
    assert request.failed_stream.went_stale(10.0)


def test_a_response_without_a_body_leaves_a_doubt(process):
    process.connect()
    head = process.ask(b"HEAD /a HTTP/1.1\r\nHost: t\r\n\r\n")
    process.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", head)
    assert head.told == ["done", 200, []]
    assert process.connection.open(Request()).is_doubtful()


def test_what_was_not_used_waits_only_if_it_has_been_idle(process):
    peer = process.connect()
    process.connection.open(Request()).put_back()
    process.turn()
    assert peer.recv(1) == b""
    process.connect()
    process.answered(OK, process.ask())
    connection = process.owner.idle.pop()
    connection.open(Request()).put_back()
    assert process.owner.idle == [connection]


@pytest.mark.parametrize("how", ["abort", "close"])
def test_nothing_is_heard_after_the_end(process, how):
    process.connect()
    request = process.ask()
    request.stream.close() if how == "close" else request.stream.abort("enough")
    process.turn()
    assert request.told == []
    assert process.connection.is_idle()
    assert process.connection.open(request) is None
    assert not process.context.peer_connections


def test_a_response_can_be_handed_over(process):
    process.connect()
    first, second = process.ask(), Request()
    process.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha", first)
    first.stream.hand_over(second)
    process.answered(b"lf", second)
    assert first.told == [200]
    assert second.told == ["done", []]
    assert second.body == b"lf"


def test_an_authenticated_connection_is_for_its_client(process):
    process.connect()
    request = process.answered(b"HTTP/1.1 401 U\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n", process.ask())
    assert request.told == ["done", process.connection, 401, []]
    assert process.owner.idle == []
    connection = process.connection
    connection.hold()
    assert connection.is_idle()
    assert connection.is_usable()
    assert not connection.is_due(1e12)
    stream = connection.open(request)
    assert stream.is_bound()
    stream.put_back()
    assert connection.is_usable()
    process.peers[-1].close()
    assert not connection.is_usable()


def test_a_tunnel(process):
    peer = process.connect()
    request = process.ask(b"GET /a HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
    sent(peer)
    process.answered(b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello", request)
    request.stream.send_raw(b"up")
    assert sent(peer) == b"up"
    assert process.connection.is_tunnel()
    assert not process.connection.is_due(1e12)
    process.answered(b"down", request)
    peer.shutdown(socket.SHUT_WR)
    process.turn()
    assert request.told == [101, b"hello", b"down", b""]
    request.stream.send_raw(b"still")
    request.stream.send_eof()
    assert sent(peer) == b"still"
    assert peer.recv(1) == b""
    process.connection.close()
    process.turn()
    assert request.told[-1] == "lost"


def test_what_the_peer_does_not_take_is_kept_and_told(process):
    peer = process.connect()
    size = 4 << 20
    post = b"POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % size
    request = process.ask(post, [b"a" * size], [])
    assert request.told == ["full"]
    assert request.stream.is_full()
    taken = 0
    while taken < size:
        taken += len(sent(peer))
        process.turn()
    assert request.told == ["full", "ready"]
    assert not request.stream.is_full()


def test_an_early_answer_is_read_though_writing_failed(process):
    peer = process.connect(tcp_pair())
    request = process.ask(b"POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 90000000\r\n\r\n", [b"a" * (8 << 20)])
    peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    process.wait(lambda: "done" in request.told)
    assert 413 in request.told


def test_a_paused_stream_reads_nothing(process):
    peer = process.connect()
    request = process.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha", process.ask())
    request.stream.pause()
    peer.send(b"lf")
    process.turn()
    assert request.body == b"ha"
    request.stream.resume()
    process.turn()
    assert request.body == b"half"


def test_many_small_chunks_take_turns(process):
    process.connect()
    process.peers[-1].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    request = process.ask()
    process.peers[-1].send(head + b"1\r\na\r\n" * 2000 + b"0\r\n\r\n")
    process.wait(lambda: request.told[-1:] == [[]])
    assert request.body == b"a" * 2000
    assert process.owner.idle


def test_head_waits_for_the_body_that_comes_in_the_same_turn():
    """One packet and one system call, as where they come together; a client of HTTP/2 sends other frames in between."""
    process = Process()
    far = process.connect()
    request = Request(b"POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\n")
    request.send(process.connection.open(request))
    with pytest.raises(BlockingIOError):
        far.recv(1000, socket.MSG_DONTWAIT)
    request.stream.send_body([b"body"], [])
    assert far.recv(1000).endswith(b"\r\n\r\nbody")
    process.turn()
    with pytest.raises(BlockingIOError):
        far.recv(1000, socket.MSG_DONTWAIT)


def test_head_goes_out_at_the_end_of_the_turn():
    process = Process()
    far = process.connect()
    request = process.ask(b"POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\n")
    assert far.recv(1000).endswith(b"Content-Length: 4\r\n\r\n")
    request.stream.send_body([b"body"], [])
    assert far.recv(1000) == b"body"


def test_head_that_waited_is_not_sent_for_a_request_that_has_left():
    process = Process()
    far = process.connect()
    request = Request(b"POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\n")
    request.send(process.connection.open(request))
    request.stream.abort("the client has left")
    process.turn()
    assert far.recv(1000) == b""
