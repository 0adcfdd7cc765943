"""Very many peers: requests get good ones without a look at all of them, and the shares are those of few."""

import asyncio
from collections import Counter
from math import inf

import pytest

from rsp.exchange.forward.crowd import MANY
from rsp.ipc import peer_marks, standing
from rsp.ipc.peer_cells import IN_FLIGHT
from rsp.ipc.peer_marks import DRAIN, EJECTED_UNTIL, HEALTH, HEALTH_DEAD, HEALTH_DOUBTFUL
from rsp.ipc.peer_table import Changes, PeerEntry
from rsp.net.rounds import at_once
from tests.harness import wait_until
from tests.unit.forward_lab import Lab
from tests.unit.test_peers import Asking

COUNT = 2 * MANY
POLICIES = ("round_robin", "least_conn", "random2", "ewma", "hash")


@pytest.fixture(autouse=True)
def loop():
    made = asyncio.new_event_loop()
    asyncio._set_running_loop(made)
    yield made
    asyncio._set_running_loop(None)
    made.close()


@pytest.fixture
def crowd(request, loop):
    options = getattr(request, "param", {})
    lab = Lab(options.pop("count", COUNT), **options)
    yield lab
    lab.context.poller.close()


def look(lab):
    at_once(lab.upstream.look_around(lab.context.now))


def ask(lab, desperate=True, **more):
    """The peer of one request, which takes no room there."""
    request = Asking()
    for name, value in more.items():
        setattr(request, name, value)
    return lab.upstream.pick(request, desperate)


def mark(peers, which, value):
    for peer in peers:
        peer.stats.set_mark(which, value)


def test_all_of_many_get_an_equal_share(crowd):
    found = Counter(ask(crowd) for _ in range(4 * COUNT))
    assert set(found) == set(crowd.peers)
    assert set(found.values()) == {4}


def test_a_weight_counts(crowd):
    heavy = crowd.peers[7]
    heavy.stats.set_mark(peer_marks.WEIGHT, 1 + 10)
    look(crowd)
    found = Counter(ask(crowd) for _ in range(2 * (COUNT + 9)))
    assert found[heavy] == 20
    assert max(count for peer, count in found.items() if peer is not heavy) <= 3


@pytest.mark.parametrize("policy", POLICIES)
def test_no_request_goes_to_one_that_is_not_open(loop, policy):
    lab = Lab(COUNT, policy=policy)
    good = set(lab.peers[::3])
    bad = [peer for peer in lab.peers if peer not in good]
    mark(bad[::2], HEALTH, HEALTH_DEAD)
    mark(bad[1::2], DRAIN, 1 << 60)
    for when in ("before the next look", "after it"):
        assert {ask(lab) for _ in range(500)} <= good, when
        look(lab)
    lab.context.poller.close()


@pytest.mark.parametrize("policy", POLICIES)
def test_the_only_one_that_is_open_is_found(loop, policy):
    lab = Lab(COUNT, policy=policy)
    mark(lab.peers[:-1], HEALTH, HEALTH_DEAD)
    look(lab)
    assert {ask(lab) for _ in range(50)} == {lab.peers[-1]}
    lab.context.poller.close()


def test_the_less_busy_one_of_two_gets_more(loop):
    lab = Lab(COUNT, policy="random2")
    for peer in lab.peers[: COUNT // 2]:
        peer.stats.set_own(IN_FLIGHT, 10)
    found = Counter(lab.peers.index(ask(lab)) < COUNT // 2 for _ in range(4000))
    assert 0.2 < found[True] / 4000 < 0.3  # both have to be busy ones: a quarter
    lab.context.poller.close()


def test_the_least_busy_of_eight_gets_a_request(loop):
    lab = Lab(COUNT, policy="least_conn")
    for peer in lab.peers[: COUNT // 2]:
        peer.stats.set_own(IN_FLIGHT, 1)
    found = Counter(lab.peers.index(ask(lab)) < COUNT // 2 for _ in range(2000))
    assert found[True] < 40  # 1 / 256 of 2,000 are 8
    lab.context.poller.close()


def test_a_key_stays_with_its_peer_and_moves_only_when_that_is_out(loop):
    lab = Lab(COUNT, policy="hash", key="client")
    owners = {number: ask(lab, client=b"%d" % number) for number in range(300)}
    assert len(set(owners.values())) > 100
    out = set(lab.peers[::2])
    mark(out, HEALTH, HEALTH_DEAD)
    for number, owner in owners.items():
        now = ask(lab, client=b"%d" % number)
        assert (now is owner) == (owner not in out)
    mark(out, HEALTH, peer_marks.HEALTH_UP)
    assert all(ask(lab, client=b"%d" % number) is owner for number, owner in owners.items())
    lab.context.poller.close()


def test_one_whose_time_out_is_over_is_tried_by_one_request(crowd):
    peer = crowd.peers[100]
    peer.stats.set_mark(EJECTED_UNTIL, 1)
    look(crowd)
    request = Asking()
    assert crowd.upstream.pick(request, True) is peer
    assert peer.probe is request
    assert all(ask(crowd) is not peer for _ in range(COUNT))


@pytest.mark.parametrize("crowd", [{"max_conns": 1}], indirect=True)
def test_where_all_are_full_a_request_waits_and_where_one_has_room_it_does_not(crowd):
    for peer in crowd.peers:
        peer.stats.set_own(IN_FLIGHT, 1)
    assert ask(crowd) is None
    assert crowd.upstream.full
    crowd.peers[300].stats.set_own(IN_FLIGHT, 0)
    wait_until(lambda: ask(crowd) is crowd.peers[300])


def test_as_a_last_resort_one_that_is_out_is_asked_but_none_that_drains(crowd):
    mark(crowd.peers, DRAIN, 1 << 60)
    look(crowd)
    assert ask(crowd) is None
    assert not crowd.upstream.full
    mark(crowd.peers[:2], DRAIN, 0)
    mark(crowd.peers[:1], HEALTH, HEALTH_DEAD)
    mark(crowd.peers[1:2], HEALTH, HEALTH_DOUBTFUL)
    look(crowd)
    assert ask(crowd, desperate=False) is None
    assert {ask(crowd) for _ in range(20)} == {crowd.peers[1]}  # it answers, at least
    assert ask(crowd, tried={crowd.peers[1]}) is crowd.peers[0]


def test_backups_are_asked_when_no_other_is_open(loop):
    lab = Lab(COUNT)
    entries = [PeerEntry(peer.address, place, place, 1, place >= 400, 0) for place, peer in enumerate(lab.peers)]
    lab.upstream.arrange(entries, ())
    assert all(not ask(lab).backup for _ in range(COUNT))
    mark(lab.peers[:400], HEALTH, HEALTH_DEAD)
    look(lab)
    assert all(ask(lab).backup for _ in range(50))
    lab.context.poller.close()


@pytest.mark.parametrize("policy", POLICIES)
def test_members_that_come_and_go(loop, policy):
    """From few to many and back, with requests all the time: those that have gone get none, and all others some."""
    lab = Lab(4, policy=policy)
    spare = Lab(2 * COUNT)
    entries = [PeerEntry(peer.address, place, place, 1, False, 0) for place, peer in enumerate(spare.peers)]
    for start in range(4, len(entries), 50):
        lab.upstream.change(Changes(entries[start : start + 50], []))
        assert all(ask(lab, client=b"%d" % number) in lab.upstream.peers for number in range(20))
    assert len(lab.upstream.peers) == 2 * COUNT
    seen = set()

    def all_but_a_few() -> bool:
        seen.update(ask(lab, client=b"%d" % number) for number in range(10 * COUNT))
        return len(seen) > 1.8 * COUNT

    wait_until(all_but_a_few)
    gone = lab.upstream.peers[: 2 * COUNT - 3]
    for start in range(0, len(gone), 50):
        part = gone[start : start + 50]
        lab.upstream.change(Changes([], [peer.stats.number for peer in part]))
        for peer in part:
            peer.retire()
        assert all(ask(lab, client=b"%d" % number).leaving_at == inf for number in range(20))
    assert len(lab.upstream.peers) == 3
    assert {ask(lab, client=b"%d" % number) for number in range(100)} == set(lab.upstream.peers)
    for each in (lab, spare):
        each.context.poller.close()


def test_a_change_of_weight_keeps_the_order_and_the_number(crowd):
    first = crowd.peers[0]
    crowd.upstream.change(Changes([PeerEntry(first.address, 0, 0, 5, False, 0)], []))
    assert crowd.upstream.peers[0] is first
    assert len(crowd.upstream.peers) == COUNT
    assert first.weight == 5


def test_a_cookie_of_many_binds_and_is_forgotten_with_its_peer(loop):
    lab = Lab(COUNT, sticky=True)
    upstream = lab.upstream
    peer = upstream.peers[5]
    line = upstream.binding.line(peer)
    cookie = line.partition(b" ")[2].partition(b";")[0]
    head = Asking().head
    fields = b"Cookie: " + cookie + b"\r\n"
    assert upstream.binding.find(fields) is peer
    upstream.change(Changes([], [peer.stats.number]))
    assert upstream.binding.find(fields) is None
    assert upstream.binding.line(peer) == b""
    assert upstream.binding.find(head.fields) is None
    lab.context.poller.close()


def test_hooks_are_shown_some_of_very_many(crowd):
    shown = crowd.upstream.open_peers(set())
    assert 32 < len(shown) <= 64
    assert all(peer.standing(0) == standing.OPEN for peer in shown)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("left", [COUNT - 64, 64])  # drawn from all, and those themselves
def test_hooks_are_shown_each_once_and_none_that_has_left(loop, policy, left):
    lab = Lab(COUNT, policy=policy)
    mark(lab.peers[left:], HEALTH, HEALTH_DEAD)
    look(lab)
    gone = lab.peers[: left // 2]
    lab.upstream.change(Changes([], [peer.stats.number for peer in gone]))
    for peer in gone:
        peer.retire()
    shown = lab.upstream.open_peers(set())
    assert 0 < len(shown) == len(set(shown))
    assert set(shown) <= set(lab.upstream.peers)
    lab.context.poller.close()
