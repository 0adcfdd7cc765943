"""Peers, their pools, and the upstream that chooses among them, with real connections to peers that only listen."""

import gc
import socket
from math import inf

import pytest
from msgspec.structs import replace

from rsp.config.failure import Hedge
from rsp.config.units import Peer as Address
from rsp.config.upstreams import Queue, UpstreamPeer
from rsp.config.upstreams import Upstream as UpstreamConfig
from rsp.exchange.forward.attempt import PoolOwner
from rsp.exchange.forward.conversations import Conversations
from rsp.exchange.forward.directory import PeerDirectory
from rsp.exchange.forward.upstream import Upstream
from rsp.ipc.peer_cells import CONNECTING, IDLE, IN_FLIGHT, REQUESTS, WAITING
from rsp.ipc.peer_marks import DRAIN
from rsp.ipc.peer_table import Changes, PeerEntry
from rsp.ipc.scoreboard import RETIRED_ROW
from rsp.ipc.worker_cells import QUEUED, ROWS
from rsp.net.rounds import at_once
from tests.unit.test_peer_connection import OK, Process, Request


class Asking(Request):
    """A request that waits, is late, or has been given a peer, as the test wants it."""

    waits = True

    def is_repeatable(self) -> bool:
        return True

    def __init__(self) -> None:
        super().__init__()
        self.rest = self.only = None
        self.bound = False
        self.queue_deadline = self.queue_limit = 0.0
        self.peer = None
        self.late = inf

    def connected(self, stream):
        self.stream = stream
        self.told.append("connected")

    def connect_failed(self, failure):
        self.told.append((failure.reason, failure.timed_out, failure.untouched))

    def resume_at(self, peer):
        self.told.append("resumed")
        self.peer = peer
        if peer is not None:
            assert peer.begin()

    def waited_too_long(self):
        self.told.append("too long")

    def late_in(self, after):
        return self.late

    def hedge(self):
        self.told.append("hedged")


class Worker(Process):
    """With one upstream, whose peers listen here."""

    def __init__(self) -> None:
        super().__init__()
        self.context.scoreboard.row(RETIRED_ROW)[ROWS] = 1
        self.directory = PeerDirectory(self.context)
        self.listeners = []
        self.free = 0

    def entry(self, **more) -> PeerEntry:
        listener = socket.create_server(("127.0.0.1", 0))
        self.listeners.append(listener)
        self.free += 1
        address = Address(f"127.0.0.1:{listener.getsockname()[1]}")
        return PeerEntry(address, self.free - 1, 0, 1, more.get("backup", False), more.get("max_conns", 0))

    def upstream(self, entries, name="app", **config) -> Upstream:
        peers = tuple(UpstreamPeer(address=entry.address) for entry in entries)
        upstream = Upstream(self.context, self.directory, UpstreamConfig(name=name, peers=peers, **config), 0.0)
        upstream.arrange(entries, ())
        return upstream

    def request(self, upstream) -> Asking:
        """A request that has its peer."""
        request = Asking()
        request.peer = upstream.pick(request, True)
        assert request.peer.begin()
        return request

    def connect_to(self, peer) -> Asking:
        request = Asking()
        request.peer = peer
        peer.pool.connect(request)
        self.wait(lambda: request.told)
        return request

    def inside(self, call, *given, **more):
        """``call`` within the loop, which it asks for."""

        async def inside():
            return call(*given, **more)

        return self.loop.run_until_complete(inside())

    def accept(self, number: int = 0) -> socket.socket:
        far = self.listeners[number].accept()[0]
        self.peers.append(far)
        return far

    def exchange(self, request) -> socket.socket:
        """Request and response, to the first peer, on a connection of its own."""
        far = self.accept()
        request.send(request.stream)
        far.recv(1000)
        far.send(OK)
        self.wait(lambda: "done" in request.told)
        return far

    def is_closed(self, far) -> bool:
        self.turn()
        far.setblocking(False)
        try:
            return far.recv(1) == b""
        except BlockingIOError:
            return False


@pytest.fixture
def worker():
    worker = Worker()
    yield worker
    for each in (*worker.peers, *worker.listeners):
        each.close()
    worker.turn()
    worker.context.poller.close()
    worker.loop.close()


# -- connections


def test_a_connection_is_made_used_and_used_again(worker):
    upstream = worker.upstream([worker.entry()])
    (peer,) = upstream.peers
    request = Asking()
    assert peer.pool.take(request) is None
    peer.pool.connect(request)
    assert peer.stats.own(CONNECTING) == 1
    assert len(worker.context.attempts) == 1
    worker.wait(lambda: request.told)
    assert request.told == ["connected"]
    assert peer.stats.own(CONNECTING) == 0
    assert not worker.context.attempts
    far = worker.exchange(request)
    again = Asking()
    again.send(peer.pool.take(again))
    assert far.recv(1000).startswith(b"GET /a ")
    assert peer.pool.take(Asking()) is None


def test_a_peer_that_refuses(worker):
    upstream = worker.upstream([worker.entry()])
    worker.listeners[0].close()
    request = worker.connect_to(upstream.peers[0])
    assert request.told == [("Connection refused", False, False)]


def test_an_attempt_that_takes_too_long(worker):
    upstream = worker.upstream([worker.entry()])
    worker.listeners[0].listen(0)
    (peer,) = upstream.peers
    held = [Asking() for _ in range(8)]  # more than the kernel queues
    for request in held:
        peer.pool.connect(request)
    worker.wait(lambda: any(request.told for request in held))
    for attempt in list(worker.context.attempts):
        assert not attempt.is_due(worker.context.now)
        assert attempt.is_due(worker.context.now + 1e6)
        attempt.expire()
    assert all(len(request.told) == 1 for request in held)
    assert held[-1].told == [("timed out while connecting", True, False)]
    assert peer.stats.own(CONNECTING) == 0


def test_a_connection_that_its_request_does_not_want_is_closed_at_once(worker):
    upstream = worker.upstream([worker.entry()])
    (peer,) = upstream.peers
    request = Asking()
    peer.pool.connect(request)
    request.waits = False
    far = worker.accept()
    worker.wait(lambda: not worker.context.attempts)
    assert request.told == []
    assert worker.is_closed(far)
    assert not peer.pool.idle


def test_a_check_leaves_no_connection(worker):
    upstream = worker.upstream([worker.entry()])
    upstream.peers[0].pool.check()
    far = worker.accept()
    worker.wait(lambda: not worker.context.attempts)
    assert worker.is_closed(far)


@pytest.mark.parametrize("why", ["keepalive", "age", "draining"])
def test_what_a_pool_does_not_keep(worker, why):
    upstream = worker.upstream([worker.entry()], keepalive=1)
    (peer,) = upstream.peers
    first, second = worker.connect_to(peer), worker.connect_to(peer)
    kept = worker.exchange(first)
    if why == "age":
        peer.pool.forget_idle()
        worker.context.now += 4000
    elif why == "draining":
        peer.pool.forget_idle()
        worker.context.draining = True
    closed = worker.exchange(second)
    assert worker.is_closed(closed)
    assert worker.is_closed(kept) == (why != "keepalive")
    assert len(peer.pool.idle) == (why == "keepalive")


def test_connections_are_made_ahead_where_requests_come(worker):
    upstream = worker.upstream([worker.entry()], warm=3, keepalive=2)
    (peer,) = upstream.peers
    at_once(upstream.look_around(worker.context.now))
    assert not worker.context.attempts
    peer.stats.add(REQUESTS, 1)
    at_once(upstream.look_around(worker.context.now))
    worker.wait(lambda: len(peer.pool.idle) == 2)
    assert not worker.context.attempts
    at_once(upstream.look_around(worker.context.now))
    assert peer.stats.own(IDLE) == 2


def test_the_oldest_idle_connection_goes_when_descriptors_are_scarce(worker):
    upstream = worker.upstream([worker.entry()])
    (peer,) = upstream.peers
    assert not worker.context.poller.relieve()
    first, second = worker.connect_to(peer), worker.connect_to(peer)
    old, young = worker.exchange(first), worker.exchange(second)
    assert worker.context.poller.relieve()
    assert worker.is_closed(old)
    assert not worker.is_closed(young)


# -- peers that leave


def test_a_peer_that_leaves_closes_what_is_idle_and_ends_when_the_rest_is_done(worker):
    entry = worker.entry()
    upstream = worker.upstream([entry])
    (peer,) = upstream.peers
    idle, busy = worker.connect_to(peer), worker.connect_to(peer)
    gone, far = worker.exchange(idle), worker.accept()
    assert peer.begin()
    busy.send(busy.stream)
    worker.directory.retire_all_but(set())
    assert worker.is_closed(gone)
    worker.directory.tick(worker.context.now)
    assert worker.directory.peers == {entry.place: peer}
    far.recv(1000)
    far.send(OK)
    worker.wait(lambda: "done" in busy.told)
    assert worker.is_closed(far)
    peer.end(busy)
    worker.directory.tick(worker.context.now)
    assert worker.directory.peers == {}
    assert peer.scoreboard is worker.directory.limbo


def test_a_peer_that_comes_back_is_the_same(worker):
    entry = worker.entry()
    upstream = worker.upstream([entry])
    (peer,) = upstream.peers
    assert peer.begin()
    worker.directory.retire_all_but(set())
    assert worker.upstream([entry]).peers == [peer]
    assert peer.leaving_at == inf
    assert peer.pool.keepalive == 64


def test_its_tunnels_end_after_the_drain(worker):
    upstream = worker.upstream([worker.entry()], drain=30)
    (peer,) = upstream.peers
    tunnel, other = worker.connect_to(peer), worker.connect_to(peer)
    far = worker.accept()
    tunnel.send(tunnel.stream)
    other.send(other.stream)
    assert peer.begin()
    far.recv(1000)
    far.send(b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
    worker.wait(lambda: 101 in tunnel.told)
    assert worker.directory.tunnels() == 1
    worker.directory.retire_all_but(set())
    now = worker.context.now
    for seconds, ended in ((29, False), (31, True)):
        worker.directory.tick(now + seconds)
        assert worker.is_closed(far) == ended
        assert ("lost" in tunnel.told) == ended
    assert other.told == ["connected"]


# -- the queue


def test_requests_wait_for_room_and_are_served_in_order(worker):
    upstream = worker.upstream([worker.entry(max_conns=1)])
    (peer,) = upstream.peers
    assert upstream.bounded
    assert not upstream.queue.others_wait()
    running = worker.request(upstream)
    waiting = [Asking(), Asking()]
    for request in waiting:
        assert upstream.pick(request, True) is None
        assert upstream.full
        assert worker.inside(upstream.queue.wait, request)
        assert worker.context.now + 5 <= request.queue_deadline <= worker.context.clock() + 5
    assert upstream.queue.others_wait()
    assert worker.context.stats.get(QUEUED) == 2
    assert peer.stats.own(WAITING) == 2
    for request in waiting:
        worker.inside(peer.end, running)
        worker.turn()
        assert request.peer is peer
        assert request.queue_deadline == 0.0
        running = request
    assert [request.told for request in waiting] == [["resumed"]] * 2
    assert len(upstream.queue) == worker.context.stats.get(QUEUED) == peer.stats.own(WAITING) == 0


def test_a_full_queue_and_one_that_takes_too_long(worker):
    upstream = worker.upstream([worker.entry(max_conns=1)], queue=Queue(size=1))
    worker.request(upstream)
    first, second = Asking(), Asking()
    assert worker.inside(upstream.queue.wait, first)
    assert not worker.inside(upstream.queue.wait, second)
    upstream.tick_requests(worker.context.now + 4.9)
    assert first.told == []
    upstream.tick_requests(worker.context.now + 5.1)
    assert first.told == ["too long"]
    assert len(upstream.queue) == 0


def test_a_request_that_was_overtaken_keeps_its_place_and_its_time(worker):
    upstream = worker.upstream([worker.entry(max_conns=1)])
    worker.request(upstream)
    first, second = Asking(), Asking()
    assert worker.inside(upstream.queue.wait, first)
    limit = first.queue_deadline
    assert worker.inside(upstream.queue.wait, second)
    upstream.queue.forget(first)
    worker.context.now += 3
    assert worker.inside(upstream.queue.wait, first, first=True)
    assert first.queue_deadline == limit
    worker.inside(upstream.peers[0].end, first)
    worker.turn()
    assert first.told == ["resumed"]
    assert second.told == []


def test_a_request_that_wants_one_peer_holds_up_no_other(worker):
    upstream = worker.upstream([worker.entry(max_conns=1), worker.entry(max_conns=1)])
    one, two = upstream.peers
    assert one.begin()
    assert two.begin()
    bound, free = Asking(), Asking()
    bound.only = one
    assert worker.inside(upstream.queue.wait, bound)
    assert worker.inside(upstream.queue.wait, free)
    worker.inside(two.end, free)
    worker.turn()
    assert bound.told == []
    assert free.peer is two


def test_what_is_late_is_asked_elsewhere(worker):
    upstream = worker.upstream([worker.entry()], hedge=Hedge(after=0.001))
    late, quick = Asking(), Asking()
    late.late = quick.late = -1.0
    worker.inside(upstream.watch, quick)
    late.late = 0.01
    worker.inside(upstream.watch, late)
    worker.wait(lambda: quick.told)
    assert late.told == []
    late.late = 0.0
    worker.wait(lambda: late.told)
    assert quick.told == late.told == ["hedged"]


# -- connections of one client


def test_conversations(worker):
    upstream = worker.upstream([worker.entry()])
    (peer,) = upstream.peers
    conversations = Conversations()
    request = worker.connect_to(peer)
    far = worker.exchange(request)
    connection = peer.pool.idle.take_newest()
    conversations.keep(peer, connection)
    conversations.keep(peer, connection)
    assert conversations.find("other", worker.context.now) is None
    found = conversations.find("app", worker.context.now)
    assert found.peer is peer
    again = Asking()
    again.send(found.open(again))
    assert far.recv(1000).startswith(b"GET /a ")
    far.send(OK)
    worker.wait(lambda: "done" in again.told)
    peer.stats.set_mark(DRAIN, 1)
    assert conversations.find("app", worker.context.now) is None
    assert worker.is_closed(far)
    peer.stats.set_mark(DRAIN, 0)
    assert conversations.find("app", worker.context.now) is None


def test_there_are_bounds_for_them_and_they_end_with_the_client(worker):
    entry = worker.entry()
    conversations = Conversations()
    ends = []
    for number in range(9):
        (peer,) = worker.upstream([replace(entry, place=number)], name=f"app{number}").peers
        ends.append(worker.exchange(worker.connect_to(peer)))
        conversations.keep(peer, peer.pool.idle.take_newest())
    assert [worker.is_closed(far) for far in ends] == [True] + [False] * 8
    conversations.close()
    assert all(worker.is_closed(far) for far in ends[1:])


# -- peers that only hooks know


def test_a_peer_outside_the_configuration_is_kept_while_it_is_used(worker):
    entry = worker.entry()
    outside = worker.directory.outside
    found = []
    assert outside.find(entry.address, None, None, lambda *result: found.append(result)) is None
    ((upstream, reason),) = found
    assert reason == ""
    assert outside.upstream(entry.address) is upstream
    (peer,) = upstream.peers
    assert peer.scoreboard is not worker.context.scoreboard
    assert worker.directory.peers == {}
    far = worker.exchange(worker.connect_to(peer))
    peer.begin()
    for seconds in (59, 61, 62):
        worker.directory.tick(worker.context.now + seconds)
        assert not worker.is_closed(far)
    peer.end(Asking())
    assert peer.stats.own(IN_FLIGHT) == 0
    worker.directory.tick(worker.context.now + 62)
    assert worker.is_closed(far)
    assert outside.upstream(entry.address) is not upstream


def test_a_tunnel_to_a_peer_outside_the_configuration_lasts(worker):
    upstream = worker.directory.outside.upstream(worker.entry().address)
    (peer,) = upstream.peers
    tunnel = worker.connect_to(peer)
    far = worker.accept()
    assert peer.begin()
    tunnel.send(tunnel.stream)
    far.recv(1000)
    far.send(b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
    worker.wait(lambda: 101 in tunnel.told)
    for seconds in (61, 62, 63):
        worker.directory.tick(worker.context.now + seconds)
        assert not worker.is_closed(far)
    peer.end(tunnel)


def test_there_is_an_end_to_such_peers(worker):
    outside = worker.directory.outside
    for number in range(1024):
        outside.upstream(Address(f"127.0.{number >> 8}.{number & 255}:1"))
    with pytest.raises(ValueError, match="more than 1024 peers"):
        outside.upstream(Address("127.1.0.0:1"))


@pytest.mark.parametrize("http", [1, 2])
def test_peers_that_have_gone_are_freed_without_the_collector(worker, http):
    entries = [worker.entry() for _ in range(3)]
    upstream = worker.upstream(entries, http=http)
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(each, PoolOwner) for each in gc.get_objects())
        places = [entry.place for entry in entries[1:]]
        upstream.change(Changes([], places))
        worker.directory.retire(places)
        worker.directory.tick(worker.context.now)
        assert sum(isinstance(each, PoolOwner) for each in gc.get_objects()) == before - 2
    finally:
        gc.enable()
    assert [peer.stats.number for peer in upstream.peers] == [entries[0].place]
