"""Connections that workers hand to siblings with fewer: real sockets, and two workers' views in one process."""

import array
import asyncio
import os
import resource
import socket
import time
from contextlib import contextmanager, suppress

import pytest

from rsp.config.units import Listen
from rsp.ipc.loads import Loads, count_of
from rsp.ipc.scoreboard import Scoreboard
from rsp.net.context import WorkerContext
from rsp.net.deadlines import Deadlines
from rsp.net.neighbours import Neighbours
from rsp.net.poller import IN, Poller
from rsp.net.transport import Transport


class Side:
    """A worker, as far as it exchanges connections."""

    def __init__(self, loop, scoreboard, loads, slot):
        self.context = WorkerContext(scoreboard, slot, b"", Poller(loop))
        self.begun = []
        self.versions = []
        self.pairs = []  # sockets, for when none can be made
        loads.add(slot)
        self.loads = loads
        self.neighbours = Neighbours(self.context, loads, slot, self.accepting)
        self.neighbours.use(1)

    def accepting(self, listener, version):
        self.versions.append(version)
        return Transport, self.begin

    def begin(self, transport, client, listener):
        self.begun.append((client, listener))
        self.connections(len(self.context.connections) + 1)

    def connections(self, number):
        self.context.connections = Deadlines()
        for each in range(number):
            self.context.connections.add(each)

    def tick(self):
        self.neighbours.tick(0.0, 0.0)

    def gives(self):
        """Whether a sibling takes a connection of it."""
        ours, theirs = self.pairs.pop() if self.pairs else socket.socketpair()
        taken = self.neighbours.takes(ours.fileno(), b"10.0.0.9", Listen("127.0.0.1:80"))
        if taken:
            ours.detach()
            theirs.close()
        return taken


@pytest.fixture
def sides():
    """Two workers; the second has no connections, the first 10."""
    loop = asyncio.new_event_loop()
    board, loads = Scoreboard(), Loads()
    made = [Side(loop, board, loads, slot) for slot in (0, 1)]
    made[0].connections(10)
    for side in made:
        side.tick()
    yield made
    loop.close()


def test_a_sibling_with_fewer_takes_it_and_serves_it(sides):
    first, second = sides
    assert first.gives()
    second.neighbours.ready(IN)
    assert second.begun == [(b"10.0.0.9", "127.0.0.1:80")]
    assert not second.gives(), "it has fewer"


def test_it_is_served_by_the_version_that_it_was_accepted_with(sides):
    first, second = sides
    assert first.gives()
    second.neighbours.use(2)
    second.neighbours.ready(IN)
    assert second.begun and second.versions == [1]


@contextmanager
def no_descriptors_left():
    """Of this process, which has room for none but what it closes."""
    taken = []
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 1, limits[1]))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for descriptor in taken:
            os.close(descriptor)


def test_what_a_sibling_has_no_descriptor_for_waits(sides):
    first, second = sides
    assert [first.gives() for _ in range(3)] == [True] * 3
    first.pairs = [socket.socketpair() for _ in range(2)]
    with no_descriptors_left():
        second.neighbours.ready(IN)
        assert not second.begun
        first.tick()
        assert not first.gives(), "it has said that it takes none"
        second.tick()
        first.tick()
        assert not first.gives()
    second.tick()
    second.neighbours.ready(IN)
    assert len(second.begun) == 3
    first.tick()
    assert first.gives()


def test_a_sibling_without_descriptors_closes_what_it_can_do_without(sides):
    first, second = sides
    assert first.gives()
    spare = [os.dup(0) for _ in range(20)]
    relieved = []

    def relieve():
        relieved.append(spare.pop())
        os.close(relieved[-1])
        return True

    second.context.poller.relieve = relieve
    with no_descriptors_left():
        second.neighbours.ready(IN)
        assert second.begun and relieved
    for descriptor in spare:
        os.close(descriptor)


def test_two_fewer_are_needed(sides):
    first, second = sides
    for count, expected in ((9, False), (8, True)):
        second.connections(count)
        second.tick()
        assert first.gives() is expected


def test_what_a_sibling_has_not_counted_yet_counts(sides):
    first, second = sides
    second.connections(5)
    second.tick()
    assert [first.gives() for _ in range(6)] == [True] * 4 + [False] * 2
    second.neighbours.ready(IN)
    assert len(second.context.connections) == 9


def test_a_sibling_that_does_not_run_gets_few(sides):
    first, _ = sides
    first.connections(1000)
    assert 0 < sum(first.gives() for _ in range(100)) <= 8


def test_a_second_has_a_bound(sides):
    first, second = sides
    first.connections(10_000)
    given = 0
    for _ in range(1000):
        given += first.gives()
        second.neighbours.ready(IN)
    assert given == 64
    first.tick()
    assert first.gives()


def test_another_configuration_or_a_worker_that_has_left_gets_none(sides):
    first, second = sides
    second.neighbours.use(2)
    assert not first.gives()
    first.neighbours.use(2)
    assert first.gives()
    second.neighbours.leave()
    assert second.begun, "what was there is taken"
    assert not first.gives()
    first.neighbours.leave()
    second.neighbours.use(2)
    assert not first.gives()


def test_a_worker_whose_loop_hangs_gets_none(sides):
    first, _ = sides
    first.context.now += 4
    assert not first.gives()


def test_another_process_can_send_nothing(sides):
    """Not even to be dropped: with SO_LINGER, to close the last descriptor of a connection may take hours."""
    loads = sides[0].loads
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:  # not the one that workers inherit
        with pytest.raises(PermissionError):
            sender.sendto(b"127.0.0.1:80\0a", loads.address(1))
        with pytest.raises(PermissionError):
            sender.connect(loads.address(1))
        with pytest.raises(BrokenPipeError):
            sender.sendto(b"", loads.outbox.getsockname())


def test_what_a_worker_gave_that_has_ended_is_served(sides):
    first, second = sides
    assert first.gives()
    first.neighbours.leave()
    second.neighbours.ready(IN)
    assert second.begun == [(b"10.0.0.9", "127.0.0.1:80")]


@pytest.mark.parametrize("text", [b"", b"no zero", b"1\0no client\0", b"no version\0a\0b"])
def test_nonsense_costs_no_descriptor(sides, text):
    first, second = sides
    ours, theirs = socket.socketpair()
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [ours.fileno()]))
    first.loads.outbox.sendmsg([text], [rights], 0, first.loads.address(1))
    ours.close()
    second.neighbours.ready(IN)
    assert not second.begun
    theirs.settimeout(10)
    assert theirs.recv(1) == b""


def test_cells():
    loads = Loads()
    now = time.monotonic()
    assert not list(loads.others(0))
    loads.put(3, 7, now, 12)
    loads.put(5, 7, now, 1 << 40)
    assert list(loads.others(3)) == [5]
    assert count_of(loads.cell(3), 7, now) == 12
    assert count_of(loads.cell(5), 7, now) == (1 << 24) - 1
    assert count_of(loads.cell(3), 7, now - 2) == 12, "clocks move once a second"
    assert count_of(loads.cell(3), 8, now) is None
    assert count_of(loads.cell(3), 7, now + 4) is None
    loads.leave(3)
    assert list(loads.others(0)) == [5]


def test_where_no_inbox_can_be_had_there_is_none(monkeypatch):
    loads = Loads()
    monkeypatch.setattr(loads, "address", lambda _: "\0rsp-test")
    loads.add(0)
    loads.add(1)  # the name is taken
    assert list(loads.inboxes) == [0]
