"""The master's table of peers: whatever names stand for, one after the other, it is what it would be from nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.config.schema import Config, Settings
from rsp.config.units import Peer
from rsp.config.upstreams import Upstream, UpstreamPeer
from rsp.ipc import peer_marks, places
from rsp.ipc.peer_cells import CONNECTING, IN_FLIGHT
from rsp.ipc.peer_registry import PeerRegistry
from rsp.ipc.peer_stats import PeerStats
from rsp.ipc.peer_table import Target, after, changes_of, in_parts
from rsp.ipc.scoreboard import PLACES, RETIRED_ROW, Scoreboard
from rsp.ipc.worker_cells import ROWS

BOARD = Scoreboard()
ADDRESSES = [Peer(f"10.0.0.{number}:80") for number in range(1, 7)]
NAMES = [Peer("a.test:80"), Peer("b.test:80")]


def config(**upstreams):
    return Config(
        settings=Settings(), listeners=(), routes=(),
        upstreams=tuple(
            Upstream(name=name, peers=tuple(UpstreamPeer(address=Peer(each), weight=3) for each in peers))
            for name, peers in upstreams.items()
        ),
    )  # fmt: skip


CONFIGS = [
    config(app=["a.test:80", "10.0.0.1:80", "b.test:80"], api=["b.test:80"]),
    config(app=["10.0.0.2:80", "a.test:80"]),
    config(app=["b.test:80", "a.test:80", "10.0.0.6:80"], more=["10.0.0.1:80"]),
]
targets = st.lists(
    st.builds(Target, st.sampled_from(ADDRESSES), st.one_of(st.none(), st.integers(0, 3)), st.booleans()),
    max_size=6, unique_by=lambda target: target.address,
)  # fmt: skip
steps = st.one_of(
    st.tuples(st.just("learn"), st.sampled_from(NAMES), st.one_of(st.none(), targets)),
    st.tuples(st.just("change"), st.sampled_from(NAMES), targets, st.lists(st.sampled_from(ADDRESSES), max_size=3)),
    st.tuples(st.just("arrange"), st.lists(st.sampled_from(CONFIGS), min_size=1, max_size=2, unique_by=id)),
    st.tuples(st.just("refresh")),
)


def peers(table):
    """Without their order and their places."""
    return {
        name: {(one.address, one.given, one.weight, one.backup) for one in entries}
        for name, entries in table.upstreams.items()
    }


def expected(wanted, found):
    """From nothing."""
    fresh = PeerRegistry(BOARD)
    fresh._places = places.Places(BOARD)
    for name, known in found.items():
        fresh.learn(name, known)
    return fresh.arrange(wanted)[0].table()


@given(st.lists(steps, max_size=25))
def test_changes_lead_to_what_would_be_arranged_from_nothing(sequence):
    registry = PeerRegistry(BOARD)
    wanted = [CONFIGS[0]]
    arranged = registry.arrange(*wanted)
    copies = [each.table() for each in arranged]
    for step in sequence:
        if step[0] == "learn" and step[1] in registry.names:
            registry.learn(step[1], step[2])
        elif step[0] == "change" and registry.count(step[1]) >= 0:
            registry.change(
                step[1], step[2], [each for each in step[3] if each not in {one.address for one in step[2]}]
            )
        elif step[0] == "arrange":
            registry.refresh()
            before = dict(zip(map(id, wanted), zip(arranged, copies, strict=True), strict=True))
            wanted, arranged = step[1], registry.arrange(*step[1])
            copies = [before[id(each.config)][1] if id(each.config) in before else each.table() for each in arranged]
            assert all(before[id(each.config)][0] is each for each in arranged if id(each.config) in before)
        else:
            registry.refresh()
        registry.refresh()
        for index, each in enumerate(arranged):
            changed, _ = each.taken()
            for name, changes in changed.items():
                for part in in_parts(changes_of(changes)):
                    copies[index].upstreams[name] = after(copies[index].upstreams.get(name, []), part)
            assert peers(copies[index]) == peers(each.table())
            assert each.table().upstreams == copies[index].upstreams  # in the same order, too
            assert peers(each.table()) == peers(expected(each.config, registry.found))
        used = {
            (name, one.address): one.place
            for each in arranged
            for name, all_of in each.table().upstreams.items()
            for one in all_of
        }
        assert used == {(name, address): place for name, address, place in registry.peers}
        assert len(set(used.values())) == len(used)
        assert not set(used.values()) & set(registry.left)


def many(count, first=0):
    return [
        Target(Peer(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}:80"))
        for number in range(first, first + count)
    ]


def test_ten_thousand_members_change_by_parts_that_are_small():
    registry = PeerRegistry(Scoreboard())
    (arranged,) = registry.arrange(config(app=["a.test:80"]))
    registry.learn(NAMES[0], many(10_000))
    registry.refresh()
    parts = list(in_parts(changes_of(arranged.taken()[0]["app"])))
    assert sum(len(part.come) for part in parts) == 10_000
    assert max(len(part.come) + len(part.gone) for part in parts) <= 100
    registry.change(NAMES[0], many(100, 10_000), [target.address for target in many(100)])
    registry.refresh()
    changes = changes_of(arranged.taken()[0]["app"])
    assert (len(changes.come), len(changes.gone)) == (100, 100)
    parts = list(in_parts(changes))
    assert [bool(part.gone) for part in parts] == sorted(
        bool(part.gone) for part in parts
    )  # they go when others have come
    assert len(arranged.table().upstreams["app"]) == 10_000


def test_places_last_while_a_thousand_members_change_each_second(monkeypatch):
    now = 1000.0
    monkeypatch.setattr(places.time, "monotonic", lambda: now)
    board = Scoreboard()
    registry = PeerRegistry(board)
    (arranged,) = registry.arrange(config(app=["a.test:80"]))
    registry.learn(NAMES[0], many(10_000))
    first = 0
    for _ in range(30):
        registry.refresh()
        registry.change(NAMES[0], many(500, first + 10_000), [target.address for target in many(500, first)])
        first += 500
        now += 1.0
    registry.refresh()
    assert not registry.overflow
    assert registry.places < 10_000 + 12 * 500 < PLACES
    assert len(arranged.table().upstreams["app"]) == 10_000


@pytest.mark.parametrize("what", [IN_FLIGHT, CONNECTING], ids=["a request", "a connection on its way up"])
def test_a_place_at_which_something_runs_is_not_given_away(monkeypatch, what):
    now = 1000.0
    monkeypatch.setattr(places.time, "monotonic", lambda: now)
    board = Scoreboard()
    own = places.Places(board)
    busy, free = own.take(("app", ADDRESSES[0]), late=False), own.take(("app", ADDRESSES[1]), late=False)
    board.row(RETIRED_ROW)[ROWS] = 1
    PeerStats(board, busy, 0).add(what, 1)
    own.leave(("app", ADDRESSES[0]))
    own.leave(("app", ADDRESSES[1]))
    now += 60
    assert own.take(("app", ADDRESSES[2]), late=True) == free
    assert board.mark(free, peer_marks.SINCE) == 1060_000
    assert own.take(("app", ADDRESSES[3]), late=False) == 2
    assert own.left == [busy]


@pytest.mark.parametrize("give", ["learn", "change"])
def test_a_name_that_stands_for_many_addresses_costs_what_has_changed(give):
    registry = PeerRegistry(Scoreboard())
    (arranged,) = registry.arrange(config(app=["a.test:80"]))
    registry.learn(NAMES[0], many(500))
    registry.refresh()
    arranged.taken()
    if give == "learn":
        registry.learn(NAMES[0], many(501))
    else:
        registry.change(NAMES[0], many(1, 500), [])
    registry.refresh()
    assert len(arranged.taken()[0]["app"]) == 1
