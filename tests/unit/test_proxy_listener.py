"""Connections until their PROXY header is there: wherever it is cut, and whatever becomes of those that send none."""

import socket
import struct

import pytest
from proxyprotocol.tlv import ProxyProtocolTLV

from rsp.http.limits import Limits
from rsp.ipc.scoreboard import Scoreboard
from rsp.ipc.worker_cells import PROXY_FAILURES
from rsp.net.context import WorkerContext
from rsp.net.proxy_listener import ProxyListener
from rsp.net.transport import Transport
from rsp.system.descriptors import Room
from tests.proxied import LOCAL, UNKNOWN, header
from tests.unit.test_net import LIMIT, Owner, player, until

PROXY, LISTENER = b"10.0.0.5", "0.0.0.0:80"
TAIL = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEADERS = {
    "v1": header("v1"),
    "v1, IPv6": header("v1", "2001:db8::7", "2001:db8::1"),
    "v2": header("v2"),
    "v2, TLVs": header("v2", tlv=ProxyProtocolTLV(authority="shop.example", unique_id=bytes(128))),
    "LOCAL": LOCAL,
    "UNKNOWN": UNKNOWN,
}


class Lab:
    """``begun``: client, listener and header of each connection that was handed on, and its owner."""

    def __init__(self, poller, connections=100):
        self.context = WorkerContext(Scoreboard(), 0, b"secret", poller)
        self.limits = Limits((None,), (None,), Room(1000, 2))
        self.limits.connections = connections
        self.listener = ProxyListener(self.context, ["10.0.0.0/8"], self.limits, self.begin)
        self.begun = []
        self.ends = []

    def begin(self, transport, client, listener, proxied=None):
        owner = Owner(keep_open=True)
        owner.transport = transport
        transport.begin(owner, LIMIT)
        self.begun.append((client, listener, proxied, owner))

    def connect(self, client=PROXY, *, first=b""):
        near, far = socket.socketpair()
        near.setblocking(False)
        far.sendall(first)
        self.ends.append(far)
        self.listener.accept(Transport(self.context.poller, near.detach()), client, LISTENER)
        return far

    @property
    def waiting(self):
        return list(self.context.connections)

    def close(self):
        for far in self.ends:
            far.close()
        for *_, owner in self.begun:
            owner.transport.abort()
        for each in self.waiting:
            each.close()


play = player(Lab)


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_may_be_cut_anywhere(play, name):
    """What follows it, in the same piece or later, is not touched."""
    whole = HEADERS[name]

    async def test(lab):
        for cut in range(len(whole) + 1):
            far = lab.connect(first=whole[:cut])
            if cut < len(whole):
                (waiting,) = lab.waiting
                assert waiting._received == whole[:cut]
                assert waiting.is_idle is (cut == 0)
                far.sendall(whole[cut:] + TAIL)
            else:
                far.sendall(TAIL)
            await until(lambda: lab.begun and lab.begun[-1][3].received == TAIL)
            client, listener, proxied, owner = lab.begun.pop()
            assert (client, listener) == (PROXY, LISTENER)
            assert (proxied.source is None) is (name in ("LOCAL", "UNKNOWN"))
            assert not lab.waiting
            owner.transport.abort()
            far.close()

    play(test)


def test_a_header_may_come_byte_by_byte_and_in_many_pieces(play):
    long = header("v2", tlv=ProxyProtocolTLV(init={0xE0: bytes(15_000)}))

    async def test(lab):
        for whole, size in ((HEADERS["v1"], 1), (HEADERS["v2, TLVs"], 1), (long, 1000), (long, 16_000)):
            far = lab.connect()
            (waiting,) = lab.waiting
            for at in range(0, len(whole), size):
                assert not lab.begun
                far.sendall(whole[at : at + size])
                end = at + size
                await until(lambda end=end, one=waiting: lab.begun or len(one._received) >= end)
            await until(lambda: lab.begun)
            assert lab.begun.pop()[2].source == ("192.0.2.7", 4711)

    play(test)


def test_others_are_handed_on_at_once(play):
    async def test(lab):
        for client in (b"192.0.2.9", b"2001:db8::1", b"unix:"):
            lab.connect(client)
            assert lab.begun.pop()[:3] == (client, LISTENER, None)
        assert not lab.waiting

    play(test)


@pytest.mark.parametrize(
    ("first", "failures"), [(b"GET / HTTP/1.1\r\n", 1), (b"PROXY TCP4 1", 1), (b"", 0)], ids=["bad", "cut", "none"]
)
def test_a_connection_without_one_is_closed(play, first, failures):
    async def test(lab):
        far = lab.connect(first=first)
        far.shutdown(socket.SHUT_WR)
        await until(lambda: not lab.waiting)
        assert not lab.begun
        assert lab.context.stats.get(PROXY_FAILURES) == failures
        try:
            assert far.recv(1) == b""
        except ConnectionResetError:
            assert first  # it was not taken

    play(test)


def test_a_reset_is_an_end(play):
    async def test(lab):
        listening = socket.create_server(("127.0.0.1", 0))
        far = socket.create_connection(listening.getsockname())
        near, _ = listening.accept()
        near.setblocking(False)
        lab.listener.accept(Transport(lab.context.poller, near.detach()), PROXY, LISTENER)
        assert lab.waiting
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        far.close()
        listening.close()
        await until(lambda: not lab.waiting)
        assert not lab.begun

    play(test)


@pytest.mark.parametrize("first", [b"", b"PROXY TCP4 "])
def test_a_header_has_the_time_of_a_head(play, first):
    async def test(lab):
        far = lab.connect(first=first)
        (waiting,) = lab.waiting
        start = lab.context.now
        assert not waiting.is_due(start + lab.limits.head_time)
        assert waiting.is_due(start + lab.limits.head_time + 0.1)
        waiting.expire()
        assert not lab.waiting
        assert lab.context.stats.get(PROXY_FAILURES) == 1
        assert far.recv(1) == b""
        assert not lab.begun

    play(test)


def test_a_deadline_that_passes_in_the_moment_of_the_handover_ends_nothing(play):
    """The walk over deadlines has seen it due, and ends it a turn later."""

    async def test(lab):
        far = lab.connect()
        (waiting,) = lab.waiting
        far.sendall(HEADERS["v2"])
        await until(lambda: lab.begun)
        assert not waiting.is_due(lab.context.now + 1e6)
        far.sendall(TAIL)
        await until(lambda: lab.begun[0][3].received == TAIL)

    play(test)


def test_those_that_wait_are_bounded(play):
    """As many as are served, and as many more as are told that they are too many."""

    async def test(lab):
        for _ in range(5):
            lab.connect()
        assert len(lab.waiting) == 5  # three, and two that linger
        far = lab.connect()
        assert len(lab.waiting) == 5
        assert far.recv(1) == b""
        assert not lab.begun

    play(test, connections=3)
