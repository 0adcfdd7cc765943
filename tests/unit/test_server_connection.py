"""A client's HTTP/1 connection by itself: a service that is a few lines long stands for all that is above it."""

import socket
import time

import pytest

from rsp.config.limits import Limits as Sizes
from rsp.config.limits import Timeouts
from rsp.http.h1.server import ServerConnection
from rsp.http.limits import Limits
from rsp.http.message import CHUNKED, ResponseHead
from rsp.http.stream import ClientEvents, ClientSession, Service
from rsp.ipc.worker_cells import ACCEPTED, STATUS_5XX
from rsp.system.descriptors import Room
from tests.unit.lone_worker import LoneWorker, tcp_pair

GET = b"GET %b HTTP/1.1\r\nHost: t\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n/a"


def response(status: int, reason: bytes, framing: int, *, own: bool = False) -> ResponseHead:
    head = ResponseHead(status, reason, 1)
    head.framing = framing
    head.own = own
    return head


class Events(ClientEvents):
    """Answers with its path once the request is complete; ``/held...``, and what upgrades, is the test's business."""

    def __init__(self, stream, head) -> None:
        self.response_started = False
        self.stream, self.head = stream, head
        self.told = []
        self.body = b""
        self.complete = head.framing == 0

    def start(self):
        self.told.append("start")
        if self.complete and not self.head.path.startswith(b"/held"):
            self.answer(self.head.path)

    def answer(self, body, **more):
        self.send(response(200, b"OK", len(body), **more), [body], [])
        self.end(keep_alive=True)

    def send(self, head, pieces, trailers):
        self.response_started = True
        self.stream.send_response(head, pieces, trailers)

    def end(self, keep_alive):
        stream, self.stream = self.stream, None
        stream.finish(keep_alive)

    def request_body(self, pieces, trailers):
        self.body += b"".join(pieces)
        self.complete = trailers is not None
        if self.complete and "start" in self.told and not self.head.path.startswith(b"/held"):
            self.answer(self.body)

    def request_failed(self, status, reason):
        self.told.append((status, reason))
        return None if self.response_started else (response(status, b"Failed", 2), [b"no"])

    def client_gone(self):
        self.told.append("gone")

    def client_left(self):
        self.told.append("left")

    def client_full(self):
        self.told.append("full")

    def client_ready(self):
        self.told.append("ready")

    def tunnel_up(self, data):
        self.told.append(data)

    def tunnel_up_eof(self):
        self.told.append(b"")

    def timed_out(self):
        self.told.append("timed out")


class FakeService(Service):
    def __init__(self) -> None:
        self.limits = Limits((Timeouts(),), (Sizes(head=600, per_client=2, connections=3),), Room(100, 1))
        self.begun = []
        self.refused = []
        self.renewed = 0

    def session(self, client, listener, proxied=None):
        session = ClientSession(client, listener, b"http")
        session.limits = self.limits
        session.counted = client != b"unix:"
        return session

    def renew(self, session):
        self.renewed += 1

    def begin(self, stream, head):
        events = Events(stream, head)
        self.begun.append(events)
        return events

    def refuse(self, session, status, reason):
        self.refused.append((status, reason))
        return response(status, b"Refused", 2), [b"no"]


class Process(LoneWorker):
    """With clients at the other ends."""

    def __init__(self) -> None:
        super().__init__()
        self.service = FakeService()

    def connect(self, client: bytes = b"192.0.2.1", pair=None) -> socket.socket:
        transport, far = self.pair(pair)
        self.connection = ServerConnection.__new__(ServerConnection)
        session = self.service.session(client, "127.0.0.1:1")
        self.connection.set_up(self.context, self.service, transport, session, False)
        return far

    def send(self, client: socket.socket, data: bytes) -> bytes:
        """What comes back at once."""
        client.sendall(data)
        self.turn()
        return self.received(client)

    def received(self, client: socket.socket) -> bytes:
        try:
            return client.recv(1 << 20)
        except BlockingIOError:
            return b""

    def is_closed(self, client: socket.socket) -> bool:
        self.turn()
        try:
            return client.recv(1) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True

    def later(self, seconds: float) -> None:
        """The clock is ``seconds`` ahead, and those that are due are told."""
        self.context.now = time.monotonic() + seconds
        for connection in list(self.context.connections):
            if connection.is_due(self.context.now):
                connection.expire()
        self.turn()


@pytest.fixture
def process():
    process = Process()
    yield process
    process.close()


def test_each_request_has_a_stream_and_an_idle_connection_none(process):
    client = process.connect()
    assert process.connection.is_idle
    for _ in range(3):
        assert process.send(client, GET % b"/a") == OK
        assert process.connection.stream is None
        assert process.connection.is_idle
    assert [events.told for events in process.service.begun] == [["start"]] * 3
    assert process.service.renewed == 3


def test_pipelined_requests_are_served_in_order_with_their_bodies(process):
    client = process.connect()
    post = b"POST /b HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc"
    chunked = b"POST /c HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n"
    received = process.send(client, (GET % b"/a" + post + chunked) * 2 + GET % b"/a")
    bodies = [part.partition(b"\r\n\r\n")[2] for part in received.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert bodies == [b"/a", b"/b", b"/c"] * 2 + [b"/a"]
    assert [events.body for events in process.service.begun] == [b"", b"abc", b"de"] * 2 + [b""]


@pytest.mark.parametrize(("weight", "requests"), [(1, 16), (4, 4)])
def test_a_connection_has_a_share_of_a_turn(process, weight, requests):
    client = process.connect()
    process.connection.session.weight = weight
    process.connection.data_received(GET % b"/a" * 40)
    assert len(process.service.begun) == requests
    while len(process.service.begun) < 40:
        process.turn()
    assert process.received(client) == OK * 40


def test_a_request_waits_for_the_one_before(process):
    client = process.connect()
    assert process.send(client, GET % b"/held" + GET % b"/a") == b""
    assert len(process.service.begun) == 1
    process.service.begun[0].answer(b"now")
    assert process.received(client).endswith(b"\r\n\r\nnow" + OK)


def test_it_says_whether_the_connection_stays_open(process):
    client = process.connect()
    old = b"GET /held HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    for request, own, field in (
        (GET % b"/held", False, None),
        (GET % b"/held", True, b"keep-alive"),
        (old, False, b"keep-alive"),
    ):
        process.send(client, request)
        process.service.begun[-1].answer(b"", own=own)
        received = process.received(client)
        assert (b"Connection: %b\r\n" % field in received) if field else b"Connection" not in received
    process.context.leaving = True
    assert b"Connection: close\r\n" in process.send(client, GET % b"/a")
    assert process.is_closed(client)


def test_http_1_0_gets_a_body_of_unknown_length_until_the_connection_ends(process):
    client = process.connect(pair=tcp_pair())
    client.settimeout(10)
    client.sendall(b"GET /held HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    while not process.service.begun:
        process.turn()
    events = process.service.begun[0]
    events.stream.send_interim(response(103, b"Early Hints", 0))
    events.send(response(200, b"OK", CHUNKED), [b"half"], None)
    assert process.received(client) == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf"
    events.stream.reset("the peer has closed")
    process.turn()
    with pytest.raises(ConnectionResetError):  # or the client would take half for all of it
        client.recv(1)


def test_an_answer_before_the_body_is_complete_ends_the_connection(process):
    client = process.connect()
    process.send(client, b"POST /held HTTP/1.1\r\nHost: t\r\nContent-Length: 30\r\n\r\nabc")
    process.service.begun[0].answer(b"early")
    assert b"Connection: close\r\n" in process.received(client)
    assert process.send(client, b"more of it") == b""  # and may be sent, so that the client comes to read the answer
    assert process.context.connections
    process.later(6)
    assert not process.context.connections


def test_half_a_response_is_not_reset_away_from_a_client_that_still_sends(process):
    client = process.connect()
    process.send(client, b"POST /held HTTP/1.1\r\nHost: t\r\nContent-Length: 30\r\n\r\nabc")
    events = process.service.begun[0]
    events.send(response(200, b"OK", CHUNKED), [b"half"], None)
    events.stream.reset("the peer has closed")
    assert process.send(client, b"more of it").endswith(b"\r\n4\r\nhalf\r\n")
    assert process.is_closed(client)
    assert process.context.connections
    assert events.told == ["start"]


@pytest.mark.parametrize("started", [False, True])
def test_a_body_that_cannot_be_understood(process, started):
    client = process.connect()
    process.send(client, b"POST /held HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
    events = process.service.begun[0]
    if started:
        events.send(response(200, b"OK", CHUNKED), [b"x"], None)
    process.received(client)
    received = process.send(client, b"zz\r\n")
    assert [each[0] for each in events.told if isinstance(each, tuple)] == [400]
    assert process.service.refused == []
    if started:
        assert received == b""
    else:
        assert received == b"HTTP/1.1 400 Failed\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
    assert process.is_closed(client)


def test_a_head_that_cannot_be_understood_is_refused_by_the_service(process):
    client = process.connect()
    received = process.send(client, GET % b"/a" + b"GET\r\n\r\n")
    assert received == OK + b"HTTP/1.1 400 Refused\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
    assert [status for status, _ in process.service.refused] == [400]
    assert process.is_closed(client)


def test_a_tunnel_opens_behind_the_body_of_its_request(process):
    client = process.connect()
    start = b"POST /held HTTP/1.1\r\nHost: t\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 4\r\n\r\n"
    process.send(client, start + b"ab")
    events = process.service.begun[0]
    head = response(101, b"Switching Protocols", 0)
    head.upgrade = b"x"
    events.stream.open_tunnel(head)
    assert process.received(client).startswith(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n")
    process.send(client, b"cdup")
    assert events.body == b"abcd"
    assert events.told == ["start", b"up"]
    events.stream.send_raw(b"down")
    assert process.received(client) == b"down"
    client.shutdown(socket.SHUT_WR)
    process.turn()
    assert events.told == ["start", b"up", b""]
    events.stream.send_eof()
    assert process.is_closed(client)
    events.end(keep_alive=False)


def test_a_client_that_sends_no_more_may_wait_for_its_answer(process):
    client = process.connect()
    process.send(client, GET % b"/held")
    client.shutdown(socket.SHUT_WR)
    process.turn()
    process.service.begun[0].answer(b"still")
    assert process.received(client).endswith(b"still")
    assert process.is_closed(client)


def test_a_client_that_sends_no_more_is_taken_for_gone_in_the_end(process):
    client = process.connect()
    process.send(client, GET % b"/held")
    client.shutdown(socket.SHUT_WR)
    process.turn()
    process.later(process.service.limits.half_close_time + 1)
    assert process.service.begun[0].told == ["start", "left"]
    assert not process.context.connections


def test_deadlines(process):
    limits = process.service.limits
    idle, head, body = (process.connect(b"unix:") for _ in range(3))
    process.send(head, b"GET ")
    process.send(body, b"POST /held HTTP/1.1\r\nHost: t\r\nContent-Length: 30\r\n\r\nabc")
    process.later(max(limits.idle_time, limits.head_time, limits.body_time) + 1)
    assert process.is_closed(idle)
    assert b" 408 Refused\r\n" in process.received(head)
    assert b" 408 Failed\r\n" in process.received(body)
    process.later(max(limits.idle_time, limits.head_time, limits.body_time) + 10)
    assert not process.context.connections
    whole = process.connect(b"unix:")
    process.send(whole, GET % b"/held")
    process.later(1e6)
    events = process.service.begun[-1]
    assert events.told == ["start"]
    events.stream.set_deadline(process.context.now + 5)
    process.later(1e6 + 6)
    assert events.told == ["start", "timed out"]
    events.answer(b"late")
    assert process.received(whole).endswith(b"late")
    process.later(1e6 + 7)
    assert process.send(whole, GET % b"/a") == OK


def test_a_client_that_does_not_read_is_waited_for(process):
    client = process.connect()
    process.send(client, GET % b"/held")
    events = process.service.begun[0]
    events.send(response(200, b"OK", 1 << 23), [bytes(1 << 22)], None)
    assert events.told == ["start", "full"]
    read = 0
    while "ready" not in events.told:
        read += len(process.received(client))
        process.turn()
    events.stream.send_body([bytes(1 << 22)], [])
    events.end(keep_alive=True)
    while read < 1 << 23:
        read += len(process.received(client))
        process.turn()
    assert process.send(client, GET % b"/a").endswith(OK)
    process.send(client, GET % b"/held")
    events = process.service.begun[-1]
    events.send(response(200, b"OK", 1 << 23), [bytes(1 << 22)], None)
    process.later(process.service.limits.send_time + 1)
    assert events.told == ["start", "full", "gone"]


def test_the_body_is_not_read_while_it_is_not_wanted(process):
    client = process.connect()
    process.send(client, b"POST /held HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nabc")
    events = process.service.begun[0]
    events.stream.pause()
    events.stream.pause()
    process.send(client, b"def")
    assert events.body == b"abc"
    process.later(process.service.limits.body_time + 10)  # the pause is not the client's
    assert events.told == ["start"]
    events.stream.resume()
    process.later(process.service.limits.body_time + 15)
    assert events.told == ["start"]
    process.send(client, b"ghi")
    assert events.body == b"abcdefghi"
    events.answer(b"")


def test_too_many_connections(process):
    first = [process.connect(), process.connect()]
    third = process.connect()  # of the same address
    process.turn()
    assert process.received(third).startswith(b"HTTP/1.1 503 ")
    for client in (first[0], third):
        client.close()
    process.turn()
    assert process.send(process.connect(), GET % b"/a") == OK  # those that have left do not count
    process.connect(b"192.0.2.2")
    assert b" 503 " in process.send(process.connect(b"192.0.2.3"), b"")
    assert process.service.refused == [(503, "too many connections")] * 2
    last = process.connect(b"192.0.2.4")  # even that is too much
    assert process.is_closed(last)
    assert len(process.service.refused) == 2
    assert process.context.stats.get(ACCEPTED) == 7
    assert process.context.stats.get(STATUS_5XX) == 1


def test_the_session_ends_with_the_connection(process):
    class Kept:
        closed = 0

        def close(self):
            self.closed += 1

    client = process.connect()
    kept = Kept()
    process.connection.session.own = {Kept: kept}
    process.send(client, GET % b"/held")
    client.close()
    process.turn()
    assert not kept.closed  # the client may only have shut its sending side down
    process.later(process.service.limits.half_close_time + 1)
    assert kept.closed == 1
    assert process.service.begun[0].told == ["start", "left"]


def test_a_configuration_is_not_renewed_under_a_request(process):
    client = process.connect()
    connection = process.connection
    connection.renew()
    assert process.service.renewed == 1
    process.send(client, b"GET /held")
    connection.renew()
    process.send(client, b" HTTP/1.1\r\nHost: t\r\n\r\n")
    connection.renew()
    assert process.service.renewed == 1
    process.service.begun[0].answer(b"")
    assert process.service.renewed == 2
