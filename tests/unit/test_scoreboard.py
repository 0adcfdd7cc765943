"""Places: what one process writes and all read; claims; places that are given, kept, and given again."""

import os
import time

import pytest

import rsp.ipc.places
from rsp.config.schema import Config, Settings
from rsp.config.units import Peer
from rsp.config.upstreams import Upstream, UpstreamPeer
from rsp.ipc import peer_cells, peer_marks, standing, worker_cells
from rsp.ipc.peer_registry import PeerRegistry
from rsp.ipc.peer_stats import PeerStats
from rsp.ipc.peer_table import Target
from rsp.ipc.scoreboard import PLACES, RETIRED_ROW, SEQUENCE_AT, Scoreboard, tally_at


@pytest.fixture
def board():
    board = Scoreboard()
    board.row(RETIRED_ROW)[worker_cells.ROWS] = 3
    return board


def test_all_workers_are_summed(board):
    for row in range(3):
        PeerStats(board, 7, row).add(peer_cells.IN_FLIGHT, row + 1)
    PeerStats(board, 8, 0).add(peer_cells.IN_FLIGHT, 100)
    assert PeerStats(board, 7, 2).total(peer_cells.IN_FLIGHT) == 6 == board.total(7, peer_cells.IN_FLIGHT)
    PeerStats(board, 7, 2).add(peer_cells.IN_FLIGHT, -3)
    assert PeerStats(board, 7, 0).total(peer_cells.IN_FLIGHT) == 3


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ({}, standing.OPEN),
        ({peer_marks.EJECTED_UNTIL: 1001}, standing.OUT),
        ({peer_marks.EJECTED_UNTIL: 1000}, standing.HALF_OPEN),
        ({peer_marks.HEALTH: peer_marks.HEALTH_UP}, standing.OPEN),
        ({peer_marks.HEALTH: peer_marks.HEALTH_DOUBTFUL}, standing.DOUBTFUL),
        ({peer_marks.HEALTH: peer_marks.HEALTH_DOUBTFUL, peer_marks.EJECTED_UNTIL: 2000}, standing.OUT),
        ({peer_marks.HEALTH: peer_marks.HEALTH_DEAD, peer_marks.EJECTED_UNTIL: 1000}, standing.OUT),
        ({peer_marks.DRAIN: 1, peer_marks.HEALTH: peer_marks.HEALTH_DEAD}, standing.DRAINED),
    ],
)
def test_how_a_peer_stands(board, marks, expected):
    place = PeerStats(board, 3, 0)
    for mark, value in marks.items():
        place.set_mark(mark, value)
    assert place.standing(1000) == expected


def second(number):
    return number * 1_000_000


def test_failures_in_a_row_count_over_all_workers(board):
    one, two = PeerStats(board, 1, 0), PeerStats(board, 1, 1)
    assert one.failed(second(100), second(10)) == 1
    assert two.failed(second(101), second(10)) == 2
    assert one.failed(second(102), second(10)) == 3


def test_an_answer_to_any_worker_ends_the_row(board):
    one, two = PeerStats(board, 1, 0), PeerStats(board, 1, 1)
    one.failed(second(100), second(10))
    one.failed(second(101), second(10))
    two.succeeded(second(102))
    assert one.failed(second(103), second(10)) == 3  # its own row: it had no answer itself
    assert two.failed(second(104), second(10)) == 4
    one.succeeded(second(105))
    assert two.failed(second(106), second(10)) == 2


def test_old_failures_do_not_count(board):
    one, two = PeerStats(board, 1, 0), PeerStats(board, 1, 1)
    one.failed(second(100), second(10))
    assert two.failed(second(111), second(10)) == 1
    assert one.failed(second(112), second(10)) == 2


def test_answers_are_counted(board):
    place = PeerStats(board, 1, 0)
    place.answered(2000, 2000, 200)
    place.answered(4000, 3000, 503)
    place.succeeded(second(2))
    assert [
        place.own(tally)
        for tally in (peer_cells.REQUESTS, peer_cells.ERRORS, peer_cells.LATENCY_SUM, peer_cells.LATENCY)
    ] == [
        2,
        1,
        6000,
        3000,
    ]
    assert place.own(peer_cells.LAST_SUCCESS) == second(2)


def test_what_a_dead_worker_counted_stays_and_what_it_had_running_goes(board):
    place = PeerStats(board, 2, 1)
    place.add(peer_cells.IN_FLIGHT, 5)
    place.answered(2000, 2000, 500)
    board.retire(1, 3)
    assert board.total(2, peer_cells.REQUESTS) == 1
    assert board.total(2, peer_cells.ERRORS) == 1
    assert board.total(2, peer_cells.IN_FLIGHT) == 0
    assert PeerStats(board, 2, 1).own(peer_cells.REQUESTS) == 0


def test_one_process_has_the_claim_until_it_dies(board):
    assert board.claim(5)
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.write(writing, b"%d%d" % (board.claim(5), board.claim(6)))
        os._exit(0)  # with 6 claimed
    os.wait()
    assert os.read(reading, 10) == b"01"
    assert board.claim(6)
    board.disclaim(5)
    if os.fork() == 0:
        os.write(writing, b"%d" % board.claim(5))
        os._exit(0)
    os.wait()
    assert os.read(reading, 10) == b"1"


# -- members


def config(**upstreams):
    return Config(
        settings=Settings(),
        listeners=(),
        routes=(),
        upstreams=tuple(
            Upstream(name=name, peers=tuple(UpstreamPeer(address=Peer(peer)) for peer in peers))
            for name, peers in upstreams.items()
        ),
    )


def arrange(table, wanted):
    """The members, and their places by address."""
    (arranged,) = table.arrange(wanted)
    return arranged.table()


def places(members, upstream="app"):
    return {str(member.address): member.place for member in members.upstreams[upstream]}


def test_a_peer_keeps_its_place(board):
    table = PeerRegistry(board)
    members = arrange(table, config(app=["a.b.c.d:1", "10.0.0.1:80", "10.0.0.2:80"], api=["10.0.0.1:80"]))
    first = places(members)
    assert len({*first.values(), *places(members, "api").values()}) == 3
    assert arrange(table, config(app=["a.b.c.d:1", "10.0.0.1:80", "10.0.0.2:80"], api=["10.0.0.1:80"])) == members
    members = arrange(table, config(app=["10.0.0.2:80", "10.0.0.3:80"]))
    assert places(members)["10.0.0.2:80"] == first["10.0.0.2:80"]
    members = arrange(table, config(app=["10.0.0.1:80", "10.0.0.3:80"]))  # back soon: all that is known is still there
    assert places(members)["10.0.0.1:80"] == first["10.0.0.1:80"]


def test_two_configurations_at_once(board):
    """While one is tried: who is a peer in both has one place, and nobody else is given it."""
    table = PeerRegistry(board)
    arranged = table.arrange(
        config(app=["10.0.0.1:80", "10.0.0.2:80"]), config(app=["10.0.0.2:80", "10.0.0.3:80", "a.test:80"])
    )
    running, tried = (each.table() for each in arranged)
    assert places(running)["10.0.0.2:80"] == places(tried)["10.0.0.2:80"]
    assert len({*places(running).values(), *places(tried).values()}) == 3
    assert running.unknown == [] and tried.unknown == ["a.test:80"]
    again = arrange(table, config(app=["10.0.0.1:80", "10.0.0.2:80"]))
    assert again == running


def test_a_new_peer_starts_slowly_unless_all_are_new(board):
    table = PeerRegistry(board)
    members = arrange(table, config(app=["10.0.0.1:80"]))
    assert board.mark(places(members)["10.0.0.1:80"], peer_marks.SINCE) == 0
    members = arrange(table, config(app=["10.0.0.1:80", "10.0.0.2:80"]))
    assert board.mark(places(members)["10.0.0.2:80"], peer_marks.SINCE) > 0


def test_places_are_given_again_when_nobody_uses_them(board, monkeypatch):
    monkeypatch.setattr(rsp.ipc.places, "_REST", -1.0)
    table = PeerRegistry(board)
    old = places(arrange(table, config(app=["10.0.0.1:80", "10.0.0.2:80"])))
    board.set_mark(old["10.0.0.1:80"], peer_marks.WEIGHT, 7)
    PeerStats(board, old["10.0.0.2:80"], 1).add(peer_cells.IN_FLIGHT, 1)
    arrange(table, config(app=["10.0.0.3:80"]))
    new = places(arrange(table, config(app=["10.0.0.3:80", "10.0.0.4:80", "10.0.0.5:80"])))
    assert old["10.0.0.2:80"] not in new.values()  # a worker is not done there
    assert old["10.0.0.1:80"] in new.values()
    assert all(board.mark(place, peer_marks.WEIGHT) == 0 for place in new.values())


def test_names(board):
    table = PeerRegistry(board)
    wanted = config(app=["app.test:80", "10.0.0.9:80"])
    assert arrange(table, wanted).unknown == ["app.test:80"]
    table.learn(Peer("app.test:80"), [Target(Peer("10.0.0.1:80")), Target(Peer("10.0.0.9:80"), 3, True)])
    members = arrange(table, wanted)
    assert members.unknown == []
    assert sorted(places(members)) == ["10.0.0.1:80", "10.0.0.9:80"]  # once, though two lead there
    table.learn(Peer("app.test:80"), None)  # the resolver fails: what was known stays
    assert arrange(table, wanted) == members
    table.learn(Peer("app.test:80"), [])
    assert list(places(arrange(table, wanted))) == ["10.0.0.9:80"]


def test_a_name_that_cannot_be_found_out_is_not_waited_for(board):
    table = PeerRegistry(board)
    wanted = config(app=["app.test:80"])
    arrange(table, wanted)
    table.learn(Peer("app.test:80"), None)
    members = arrange(table, wanted)
    assert members.unknown == []
    assert members.upstreams == {"app": []}


def test_more_peers_than_places(board):
    table = PeerRegistry(board)
    many = [f"10.{number >> 8}.{number & 255}.1:80" for number in range(PLACES + 1)]
    assert len(arrange(table, config(app=many)).upstreams["app"]) == PLACES
    assert table.overflow == {"app"}


# -- counts that are moved


def of_peers(*addresses):
    return Config(
        settings=Settings(), listeners=(), routes=(),
        upstreams=(Upstream(name="app", peers=tuple(UpstreamPeer(address=Peer(each)) for each in addresses)),),
    )  # fmt: skip


def counted(board, registry):
    """By address, and of all that are none any more."""
    found = {address: board.total(place, peer_cells.REQUESTS) for _, address, place in registry.peers}
    return found | {"removed": board.removed(peer_cells.REQUESTS)}


def test_what_removed_peers_have_counted_is_kept_together(board, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(rsp.ipc.places.time, "monotonic", lambda: now)
    registry = PeerRegistry(board)
    registry.arrange(of_peers("10.0.0.1:80", "10.0.0.2:80"))
    (_, _, first), (_, _, second_place) = registry.peers
    for place, row in ((first, 0), (first, 2), (second_place, 1)):
        PeerStats(board, place, row).answered(10, 10, 200)
    registry.arrange(of_peers("10.0.0.2:80"))
    assert counted(board, registry) == {"10.0.0.2:80": 1, "removed": 2}
    PeerStats(board, first, 1).answered(10, 10, 200)  # a request that took long
    assert counted(board, registry) == {"10.0.0.2:80": 1, "removed": 3}
    registry.arrange(of_peers("10.0.0.1:80", "10.0.0.2:80"))  # it comes back, with what is known of it
    assert counted(board, registry) == {"10.0.0.1:80": 0, "10.0.0.2:80": 1, "removed": 3}
    PeerStats(board, first, 1).answered(10, 10, 200)
    board.retire(1, registry.places)
    assert counted(board, registry) == {"10.0.0.1:80": 1, "10.0.0.2:80": 1, "removed": 3}
    registry.arrange(of_peers("10.0.0.2:80"))
    now += 60
    registry.arrange(of_peers("10.0.0.2:80", "10.0.0.3:80"))  # another one gets its place
    assert {place for _, _, place in registry.peers} == {first, second_place}
    assert counted(board, registry) == {"10.0.0.3:80": 0, "10.0.0.2:80": 1, "removed": 4}


def test_no_reader_sees_a_count_twice_or_not_at_all(board):
    """While the master moves what a dead process has counted, and back."""
    row, retired = board.row(1), board.row(RETIRED_ROW)
    row[worker_cells.REQUESTS] = 1000
    PeerStats(board, 0, 1).add(peer_cells.REQUESTS, 1000)
    pid = os.fork()
    if pid == 0:
        for _ in range(300):
            board.retire(1, 30)
            with board.moving():
                row[worker_cells.REQUESTS], retired[worker_cells.REQUESTS] = 1000, 0
                board.cells[tally_at(0, RETIRED_ROW) + peer_cells.REQUESTS] = 0
                PeerStats(board, 0, 1).add(peer_cells.REQUESTS, 1000)
            time.sleep(0.0005)
        os._exit(0)
    seen = set()
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        seen |= {board.worker_total(worker_cells.REQUESTS), board.total(0, peer_cells.REQUESTS)}
    assert seen == {1000}


def test_a_master_that_died_in_a_move_delays_readers_once(board):
    board.cells[SEQUENCE_AT] = 7
    started = time.monotonic()
    for _ in range(1000):
        board.total(0, peer_cells.REQUESTS)
    assert time.monotonic() - started < 5.0
