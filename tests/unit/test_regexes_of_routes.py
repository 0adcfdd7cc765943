"""Regular expressions of routes: many at once, without memory for all of them, and where they would take too long."""

import random
import time

import pytest

from rsp.http import regex
from rsp.http.conditions import parameters
from rsp.http.h1.codec import parse_request
from rsp.http.regex import Pattern, Sieve, TooCostly
from rsp.http.routing import Router, Rule, match
from tests.unit.fakes import FakeWorker

TEXTS = ["^/a", "[.]php$", "^/users/[0-9]+$", "b", "^/(x|y)/z", "(?i)^/CASE", "^/a/b/c"]
PATHS = [b"/", b"/a", b"/a/b/c.php", b"/users/1", b"/x/z", b"/y/zb", b"/case", b"/none", b"/b"]


@pytest.mark.parametrize("copies", [1, 3, 200])
def test_a_sieve_finds_what_its_patterns_find(copies):
    patterns = [Pattern(text) for text in TEXTS * copies]
    sieve = Sieve(patterns)
    for path in PATHS:
        assert sieve.find(path) == [number for number, one in enumerate(patterns) if one.finds(path)]


@pytest.mark.parametrize("memory", [0, 1 << 10, 20 << 10, 100 << 10])
def test_without_memory_for_all_of_them_each_is_searched(monkeypatch, memory):
    """RE2 says nothing of a set whose automaton does not fit; a request would get another route."""
    patterns = [Pattern(text) for text in (*TEXTS, *(f"[a-z]+x.*y{number}[0-9]+z" for number in range(60)))]
    made = regex._together
    monkeypatch.setattr(regex, "_together", lambda patterns, _: made(patterns, memory) if memory else None)
    sieve = Sieve(patterns)
    for path in (*PATHS, b"/ax1y5zy7zxy33" * 40):
        assert sieve.find(path) == [number for number, one in enumerate(patterns) if one.finds(path)]


def test_what_groups_have_found():
    pattern = Pattern("^/(?P<kind>[a-z]+)/([0-9]+)?")
    assert pattern.names == ("1", "2", "kind")
    assert pattern.captures(b"/a/7") == {"1": b"a", "2": b"7", "kind": b"a"}
    assert pattern.captures(b"/a/") == {"1": b"a", "2": b"", "kind": b"a"}
    assert pattern.captures(b"/7") == {"1": b"", "2": b"", "kind": b""}


HEAVY = [f"(a|b)*a(a|b){{{number}}}c" for number in range(40, 90)]
HOSTILE = b"/" + bytes(random.Random(1).choices(b"ab", k=8000))  # with an automaton that does not fit


def test_a_path_that_would_take_too_long_is_refused_soon():
    sieve = Sieve([Pattern(text) for text in HEAVY])
    began = time.thread_time()
    with pytest.raises(TooCostly):
        sieve.find(HOSTILE)
    assert time.thread_time() - began < 0.25  # 0.003 s; a whole search takes 0.5 s
    assert sieve.find(b"/ab") == []


def test_the_answer_to_such_a_path():
    routes = "".join(f'route {{ regex = "{text}", respond = {{ status = 204 }} }}\n' for text in HEAVY)
    with FakeWorker(routes + 'route { respond = { body = "rest" } }') as worker:
        client = worker.ask(b"GET %b HTTP/1.1\r\nHost: t\r\n\r\n" % HOSTILE[:7000])
        assert (client.status, b"too long for the regular expressions" in client.body) == (414, True)
        assert worker.ask("GET /ab").body == b"rest"


def test_the_query_is_taken_apart_once_for_all_routes():
    router = Router((Rule(path="/x"), number) for number in range(2))
    head = parse_request(b"GET /x?a=1&a=2&=3&b&c=%26+%2b HTTP/1.1\r\nHost: a\r\n\r\n")
    assert match(router.levels(b"a"), head, None) == 0
    assert parameters(head.target) == {b"a": [b"1", b"2"], b"": [b"3"], b"b": [b""], b"c": [b"& +"]}
    assert parameters(head.target) is parameters(bytes(head.target))
