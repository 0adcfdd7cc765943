"""The pool of connections that began with a PROXY header, without requests: what waits, and what makes room for it."""

import socket
from types import SimpleNamespace

import pytest

from rsp.config.units import Peer as Address
from rsp.config.upstreams import Upstream, UpstreamPeer
from rsp.exchange.forward.announced import Announced
from rsp.exchange.forward.proxy_pool import ProxyPool
from rsp.http.limits import Limits
from rsp.http.peer_stream import PeerRequest
from rsp.ipc.scoreboard import Scoreboard
from rsp.net.context import WorkerContext
from rsp.net.transport import Transport
from rsp.system.descriptors import Room
from tests.unit.test_net import player, until

ADDRESS = Address("127.0.0.1:1")


class Request(PeerRequest):
    def __init__(self, announced, limits):
        self.of = announced
        self.limits = limits

    def announced(self):
        return self.of


class Lab:
    def __init__(self, poller, **options):
        context = self.context = WorkerContext(Scoreboard(), 0, b"secret", poller)
        context.limits = Limits((None,), (None,), Room(1000, 8))
        config = Upstream(name="app", peers=(UpstreamPeer(address=ADDRESS),), send_proxy="v2", **options)
        self.pool = ProxyPool(context, SimpleNamespace(address=ADDRESS, stats=None), config)
        self.pool.configure(config)
        self.far = []

    def client(self):
        return Announced(("192.0.2.7", 1), ("192.0.2.8", 2), b"")

    def keep(self, client):
        """A connection of the client that waits for its next request."""
        near, far = socket.socketpair()
        near.setblocking(False)
        self.far.append(far)
        connection = self.pool.make(Transport(self.context.poller, near.detach()))
        connection.announced = client
        connection.release(None)
        return connection

    def take(self, client):
        return self.pool.take(Request(client, self.context.limits))

    def close(self):
        for connection in list(self.context.peer_connections):
            connection.close()
        for far in self.far:
            far.close()


play = player(Lab)


def test_a_connection_is_taken_by_its_own_client(play):
    async def test(lab):
        one, two = lab.client(), lab.client()
        lab.keep(one)
        assert lab.take(two) is None
        assert lab.take(lab.client()) is None
        assert lab.take(one) is not None
        assert lab.take(one) is None
        assert not (lab.pool.idle or one.idle)

    play(test)


def test_what_has_made_room_in_this_turn_is_not_taken(play):
    """It is closed already, and its owner hears of that at the end of the turn."""

    async def test(lab):
        one, two = lab.client(), lab.client()
        first = lab.keep(one)
        lab.keep(two)
        assert one.idle == [first]
        assert lab.take(one) is None
        assert lab.take(two) is not None
        await until(lambda: first not in lab.context.peer_connections)
        assert not one.idle

    play(test, keepalive=1)


def test_nothing_waits_for_a_client_that_has_left(play):
    async def test(lab):
        one = lab.client()
        waiting = lab.keep(one)
        one.close()
        late = lab.keep(one)
        await until(lambda: not lab.context.peer_connections)
        assert not lab.pool.idle
        assert not one.idle
        assert waiting.transport.closing
        assert late.transport.closing

    play(test)


@pytest.mark.parametrize("options", [{"keepalive": 0}, {"keepalive_age": 0.001}], ids=["none", "old"])
def test_what_is_not_to_wait_is_closed(play, options):
    async def test(lab):
        one = lab.client()
        lab.context.now += 1  # it is made at that moment, so age alone does not end it at once
        connection = lab.keep(one)
        if "keepalive_age" in options:
            assert lab.take(one) is not None
            lab.context.now += 1
            connection.release(None)
        await until(lambda: connection.transport.closing)
        assert not lab.pool.idle
        assert not one.idle

    play(test, **options)


def test_the_pool_lets_all_of_them_go(play):
    async def test(lab):
        clients = [lab.client() for _ in range(3)]
        for client in clients:
            lab.keep(client)
        assert lab.pool.count_idle() == 3
        assert not lab.pool.has_idle()  # for a request of which nothing is known
        assert lab.pool.close_oldest()
        assert lab.take(clients[0]) is None
        lab.pool.retire()
        assert [lab.take(client) for client in clients] == [None, None, None]
        await until(lambda: not lab.context.peer_connections)
        assert not any(client.idle for client in clients)

    play(test)
