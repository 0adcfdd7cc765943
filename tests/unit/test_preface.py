"""Both versions of HTTP on one port: which one a client begins with, however its bytes arrive."""

import socket

import pytest

from rsp.http.h2.frames import PREFACE
from rsp.http.limits import Limits
from rsp.http.preface import Preface
from rsp.http.stream import ClientSession
from rsp.ipc.scoreboard import Scoreboard
from rsp.net.context import WorkerContext
from rsp.net.transport import Transport
from rsp.system.descriptors import Room
from tests.unit.test_net import LIMIT, Owner, player, until

CLIENT = b"192.0.2.1"


class Connection(Owner):
    """What is made once it is known; ``stopped``: the client was too slow."""

    def __init__(self, transport, admitted, http2):
        super().__init__(keep_open=True)
        self.admitted, self.http2, self.stopped = admitted, http2, False
        self.transport = transport
        transport.begin(self, LIMIT)


class Lab:
    """``made``: the connections that have been decided on."""

    def __init__(self, poller, connections=100, per_client=0):
        self.context = WorkerContext(Scoreboard(), 0, b"secret", poller)
        self.limits = Limits((None,), (None,), Room(1000, 8))
        self.limits.connections, self.limits.per_client = connections, per_client
        self.made = []
        self.ends = []

    def connect(self):
        near, far = socket.socketpair()
        near.setblocking(False)
        session = ClientSession(CLIENT, "127.0.0.1:1", b"http")
        session.limits, session.counted = self.limits, bool(self.limits.per_client)
        preface = Preface(self.context, Transport(self.context.poller, near.detach()), session, self)
        self.ends.append(far)
        return preface, far

    def speak(self, transport, session, admitted, http2):
        self.made.append(Connection(transport, admitted, http2))
        return self.made[-1]

    def refuse_slow(self, transport, session):
        self.speak(transport, session, True, False).stopped = True

    def close(self):
        for end in self.ends:
            end.close()
        for made in self.made:
            made.transport.abort()


play = player(Lab)


HTTP1 = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SETTINGS = bytes(3) + b"\x04" + bytes(5)


@pytest.mark.parametrize(
    ("data", "http2"),
    [
        (PREFACE, True), (PREFACE + SETTINGS, True), (HTTP1, False), (b"G", False), (b"PUT / HTTP/1.1\r\n", False),
        (b"PRI * HTTP/1.1\r\n\r\n", False), (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\n", False), (b"\r\n" + PREFACE, False),
        (b"pri * HTTP/2.0\r\n\r\n", False), (b"\x16\x03\x01", False), (b"PRI * HTTP/2.0\r\nHost: a\r\n\r\n", False),
    ],
)  # fmt: skip
def test_what_comes_in_one_piece(play, data, http2):
    async def test(lab):
        _, far = lab.connect()
        far.send(data)
        await until(lambda: lab.made and lab.made[0].received)
        assert [(made.admitted, made.http2, made.received) for made in lab.made] == [(True, http2, data)]
        assert not lab.context.connections

    play(test)


@pytest.mark.parametrize("data", [PREFACE + SETTINGS, b"PRI * HTTP/2.0\r\n\r\nSMS /", HTTP1])
def test_what_comes_byte_by_byte(play, data):
    """Decided with the first byte that tells, and not a byte is lost."""

    async def test(lab):
        preface, far = lab.connect()
        for number in range(len(data)):
            far.send(data[number : number + 1])
            told = number + 1 >= len(PREFACE) or data[: number + 1] != PREFACE[: number + 1]
            if told:
                await until(lambda end=number + 1: lab.made and len(lab.made[0].received) == end)
            else:
                await until(lambda end=number + 1: len(preface._data) == end)
                assert not lab.made and preface in lab.context.connections and not preface.is_idle
        assert [(made.http2, made.received) for made in lab.made] == [(data.startswith(PREFACE), data)]

    play(test)


def test_a_client_that_says_nothing_has_the_time_of_an_idle_connection(play):
    async def test(lab):
        preface, far = lab.connect()
        start = lab.context.now
        assert not preface.is_due(start + lab.limits.idle_time) and preface.is_due(start + lab.limits.idle_time + 0.1)
        assert preface.is_idle
        preface.expire()
        await until(lambda: not lab.context.connections)
        assert far.recv(1) == b"" and not lab.made

    play(test)


def test_a_client_that_stops_in_the_middle_of_a_preface_is_told_by_http1(play):
    async def test(lab):
        preface, far = lab.connect()
        far.send(PREFACE[:3])
        await until(lambda: not preface.is_idle)
        start = lab.context.now
        assert not preface.is_due(start + lab.limits.head_time) and preface.is_due(start + lab.limits.head_time + 0.1)
        far.send(PREFACE[3:9])  # which does not give it more time
        await until(lambda: len(preface._data) == 9)
        assert preface.is_due(start + lab.limits.head_time + 0.1)
        preface.expire()
        assert [(made.http2, made.stopped) for made in lab.made] == [(False, True)]
        assert not preface.is_due(start + 1e6)

    play(test)


def test_a_client_that_leaves_before_it_is_known(play):
    async def test(lab):
        preface, far = lab.connect()
        far.send(PREFACE[:9])
        await until(lambda: not preface.is_idle)
        far.close()
        await until(lambda: not lab.context.connections)
        assert not lab.made

    play(test)


@pytest.mark.parametrize("limits", [{"connections": 2}, {"per_client": 2}])
def test_it_counts_among_the_connections_of_the_worker_and_of_its_address(play, limits):
    """One that is too many is told so at once, by HTTP/1; one that was not stays admitted."""

    async def test(lab):
        (first, far), _ = lab.connect(), lab.connect()
        lab.connect()
        assert [(made.admitted, made.http2) for made in lab.made] == [(False, False)]
        assert len(lab.context.connections) == 2
        far.send(PREFACE)
        await until(lambda: len(lab.made) == 2)
        assert (lab.made[1].admitted, lab.made[1].http2) == (True, True)
        lab.connect()  # in its place
        assert len(lab.made) == 2 and first not in lab.context.connections

    play(test, **limits)
