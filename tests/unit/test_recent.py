"""What operators are shown of lately: errors, reloads, slow requests."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.config.difference import difference
from rsp.config.routes import Route
from rsp.config.schema import Config, Listener, Settings
from rsp.config.units import Listen
from rsp.control.recent import Recent, Slow, without_secrets
from rsp.ipc.channel import Outcome


def line(duration, **fields):
    return json.dumps({"duration": duration, **fields}).encode()


def config(*paths):
    routes = tuple(Route(path=path, respond=None, redirect="/x") for path in paths)
    return Config(Settings(), (Listener(Listen("127.0.0.1:80")),), (), routes)


def test_equal_lines_of_the_log_are_one_entry():
    recent = Recent()
    for at in (1.0, 2.0):
        recent.logged(4, at, 7, "a peer is down")
    recent.logged(3, 3.0, 7, "x" * 10_000)
    assert [(one["level"], one["times"], one["at"]) for one in recent.errors] == [(3, 1, 3.0), (4, 2, 2.0)]
    assert len(recent.errors[0]["text"]) == 2000


def test_warnings_since_a_moment():
    recent = Recent()
    for at, pid, text in (
        (1.0, 7, "before"),
        (2.0, 7, "a hook failed\n  in function 'hook'"),
        (2.5, 8, "a hook failed (and 15 more like this)"),
        (3.0, 7, "a peer is down"),
        (4.0, 1, "Reload refused"),
    ):
        recent.logged(4, at, pid, text)
    assert recent.warnings(2.0, but_of=1) == ["a hook failed", "a peer is down"]


def test_there_are_never_more_than_fit_on_a_page():
    recent = Recent()
    for number in range(1000):
        recent.logged(3, 0.0, 1, str(number))
        recent.ended(Outcome([], "reload", True, "", number, "", 0.0), "")
    assert len(recent.errors) == 100 and len(recent.reloads) == 20
    assert recent.errors[0]["text"] == "999" and recent.reloads[0]["version"] == 999


def test_the_slowest_come_first():
    slow = Slow()
    for number in range(5000):
        slow.seen(line(number / 1000, target=f"/{number}"))
    assert [one["target"] for one in slow.slowest()[:3]] == ["/4999", "/4998", "/4997"]
    assert len(slow.slowest()) == 20


@pytest.mark.parametrize("bad", [b"", b"[]", b"{}", b'{"duration":"x"}', b'{"duration":1e999}', b"\xff", b"[" * 9999])
def test_lines_that_are_none_are_left_out(bad):
    slow = Slow()
    slow.seen(bad)
    assert all(isinstance(one, dict) for one in slow.slowest())


def test_what_is_nested_or_long_is_not_shown():
    slow = Slow()
    slow.seen(line(1.0, a=[1], b={"c": 1}, d="x" * 9000, e=None))
    assert slow.slowest() == [{"duration": 1.0, "a": None, "b": None, "d": "x" * 2000, "e": None}]


def test_the_threshold_rises_where_there_are_many_and_falls_where_there_are_few():
    slow, now = Slow(), 0.0
    for _ in range(2000):
        slow.seen(line(0.5))
    assert slow.tick(now) and slow.threshold >= 0.5
    quiet = Slow()
    thresholds = []
    for _ in range(10):
        now += 10.0
        quiet.tick(now)
        thresholds.append(quiet.threshold)
    assert thresholds == sorted(thresholds, reverse=True) and thresholds[-1] == 0.005
    assert not quiet.tick(now + 10)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('["Authorization"] = "Basic a=b\\"c"', '["Authorization"] = "***"'),
        ('password = "p", name = "x"', 'password = "***", name = "x"'),
        ('["X-Api-Key"] = "k"', '["X-Api-Key"] = "***"'),
        ('rewrite = "/a?access_token=abc&x=1"', 'rewrite = "/a?access_token=***&x=1"'),
        ('to = "app"', 'to = "app"'),
        ('+route { redirect = "https://me:pass@h/?pwd=1&a=2" }', '+route { redirect = "https://***@h/?pwd=***&a=2" }'),
    ],
)
def test_secrets_are_not_shown(text, expected):
    assert without_secrets(text) == expected


def test_a_difference_names_the_lines_that_differ():
    found = difference(config("/a", "/b"), config("/a", "/c"))
    assert any(one.startswith("-route") and '"/b"' in one for one in found.split("\n"))
    assert any(one.startswith("+route") and '"/c"' in one for one in found.split("\n"))
    assert not difference(config("/a"), config("/a"))


@pytest.mark.soak
def test_comparing_takes_no_long_time():
    found = difference(config(*(f"/a{n}" for n in range(5000))), config(*(f"/b{n}" for n in range(5000))))
    assert found == "More than 2000 lines differ."
    assert '"/new"' in difference(
        config(*(f"/a{n}" for n in range(5000))), config(*(f"/a{n}" for n in range(5000)), "/new")
    )


@given(st.lists(st.sampled_from("abcd"), max_size=8), st.lists(st.sampled_from("abcd"), max_size=8))
def test_what_a_difference_takes_and_adds(old, new):
    lines = difference(config(*(f"/{x}" for x in old)), config(*(f"/{x}" for x in new))).split("\n")
    taken, added = (sum(one.startswith(f"{sign}route") for one in lines) for sign in "-+")
    assert len(old) - taken + added == len(new)
    assert bool(taken or added) == (old != new)


def test_no_worker_raises_the_threshold_for_good():
    slow, now = Slow(), 0.0
    for _ in range(5_000):
        slow.seen(line(1.7e308))
    assert slow.threshold <= 3600
    slow._found.clear()  # after a quarter of an hour
    for _ in range(40):
        now += 10.0
        slow.tick(now)
    assert slow.threshold == 0.005


@pytest.mark.parametrize("at", [float("nan"), float("inf"), -1.0, 1e300])
def test_a_time_that_is_none_is_now(at):
    recent = Recent()
    recent.logged(3, at, 1, "x")
    assert 1e9 < recent.errors[0]["at"] < 1e11


def test_a_worker_that_was_taken_over_takes_no_memory_with_many_fields():
    slow = Slow()
    slow.seen(line(1.0, **{str(number): 1 for number in range(5000)}))
    slow.seen(line(1.0, target="/x"))
    assert [one["target"] for one in slow.slowest()] == ["/x"]
