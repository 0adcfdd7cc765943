"""What asks for routes by labels, as time goes by."""

import msgspec

from rsp.config.labels import MOST_ITEMS, pack
from rsp.control.discovery.claims import KEPT, LINGER, Claims, Sighting
from rsp.ipc.channel import LARGEST_ASKED
from tests.unit.label_lab import container


def seen(name, created=0.0, project="", service="web", **given):
    return Sighting(created, container(name, f"project {project}" if project else "", service, **given))


def watched(claims, listed, begin, end):
    """As the follower looks while something is gone; the last answer."""
    for moment in range(int(begin), int(end) + 1, 5):
        asked = claims.see(listed, float(moment))
    return asked


def names(asked):
    return [item.name for item in asked.items]


def test_copies_of_a_service_are_one():
    claims = Claims("container")
    one, two = (seen(name, project="p", host="a.test") for name in ("w-1", "w-2"))
    first = claims.see([one], 1.0)
    assert claims.see([one, two], 2.0) == first
    assert names(claims.see([two], 3.0)) == ["w-2"]  # the other name is gone


def test_the_oldest_goes_first():
    claims = Claims("container")
    assert names(claims.see([seen("new", 2.0, host="a.test"), seen("old", 1.0, host="b.test")], 1.0)) == ["old", "new"]


def test_a_service_keeps_its_turn_when_its_containers_are_replaced():
    claims = Claims("container")
    claims.see([seen("w-1", 1.0, "p", host="a.test"), seen("other", 2.0, host="b.test")], 1.0)
    asked = claims.see([seen("w-2", 3.0, "p", host="a.test"), seen("other", 2.0, host="b.test")], 2.0)
    assert names(asked) == ["w-2", "other"]


def test_routes_stay_for_a_while():
    claims = Claims("container")
    claims.see([seen("w", host="a.test")], 1.0)
    assert names(watched(claims, [], 6, LINGER)) == ["w"]
    assert claims.lingers
    assert names(watched(claims, [], LINGER, LINGER + 6)) == []
    assert not claims.lingers


def test_a_host_belongs_to_who_asks_first():
    claims = Claims("container")
    mine, thief = seen("mine", 1.0, "shop", host="a.test"), seen("thief", 2.0, "thief", host="a.test", path="/login")
    assert claims.see([mine, thief], 1.0).owners == {"a.test": "project shop"}
    assert watched(claims, [mine], 6, LINGER + 6).owners == {}


def test_a_new_version_does_not_lose_the_host_to_an_older_claim():
    claims = Claims("container")
    thief = seen("thief", 2.0, "thief", host="a.test")
    claims.see([seen("v1", 1.0, "shop", host="a.test"), thief], 1.0)
    assert watched(claims, [thief], 6, KEPT - 5).owners == {"a.test": "project shop"}
    v2 = seen("v2", 9.0, "shop", host="a.test", path="/new")
    assert claims.see([thief, v2], KEPT).owners == {"a.test": "project shop"}


def test_a_host_is_free_after_a_while():
    claims = Claims("container")
    other = seen("other", 2.0, "other", host="a.test")
    claims.see([seen("v1", 1.0, "shop", host="a.test")], 1.0)
    assert watched(claims, [other], 6, KEPT + LINGER + 10).owners == {}
    asked = claims.see([other, seen("v2", 9.0, "shop", host="a.test")], KEPT + LINGER + 15)
    assert asked.owners == {"a.test": "project other"}


def test_an_outage_of_the_engine_is_not_counted():
    claims = Claims("container")
    claims.see([seen("v1", 1.0, "shop", host="a.test"), seen("thief", 0.5, "thief", host="b.test")], 1.0)
    asked = claims.see([seen("thief", 0.5, "thief", host="a.test")], 100_000.0)
    assert asked.owners == {"a.test": "project shop"}
    assert "v1" in names(asked)


def test_owners_of_routes_in_force_are_known():
    """As after a crash of the control process: the oldest would be first."""
    claims = Claims("container", {"a.test": "project shop", "b.test": "project gone"})
    thief, mine = seen("thief", 1.0, "thief", host="a.test,b.test"), seen("v2", 2.0, "shop", host="a.test")
    assert claims.see([thief, mine], 1000.0).owners == {"a.test": "project shop", "b.test": "project gone"}
    assert watched(claims, [thief, mine], 1005, 1005 + KEPT).owners == {"a.test": "project shop"}


def test_bounds():
    claims = Claims("container")
    many = [seen(f"c{n}", n, host=f"h{n}.test") for n in range(3 * MOST_ITEMS)]
    assert len(claims.see(many, 1.0).items) == MOST_ITEMS
    assert claims.left_out >= MOST_ITEMS
    claims = Claims("container")
    large = [seen(f"c{n}", n, host="a.test", **{f"routes__r{m}__path": "/" + "x" * 1000 for m in range(16)}) for n in range(200)]  # fmt: skip
    asked = claims.see(large, 1.0)
    assert len(pack(asked)) <= LARGEST_ASKED
    assert claims.left_out == 200 - len(asked.items) > 0
    assert names(asked)[0] == "c0"
    assert msgspec.msgpack.decode(pack(asked))
