"""Expressions inside of expressions: what rsp's one expression matches, beside what the two match."""

import re
from itertools import product

import pytest

from rsp.importing.nginx import automata
from rsp.importing.nginx.automata import TooMuch, apart, automaton, begin_import, covers, followed
from rsp.importing.nginx.matching.both import Expression, both
from rsp.importing.nginx.values.variables import Unsayable

PAIRS = [
    (r"^/ab($|/)", "i", r"^/ab/a\.b", ""),
    (r"^/(a|b)/", "", r"^.+\.b", "i"),
    (r"\.b$", "", r"/a(a|b)", ""),
    (r"/a", "", r"/b", ""),
    (r"^/a/", "", r"/b\.a$", ""),
    (r"[^/]\.a(/|$)", "", r"^/b/", ""),
    (r"^/a/(b\d*/)?(.*)$", "", r"\.(a|b)$", "i"),
    (r"^/(aba|b)", "", r"a\.b$", ""),
    (r"\.(a|b|ab)$", "i", r"\.(ab|aa)$", "i"),
    (r"^/a/.*\.(?i:a|b)$", "", r"bb", ""),
    (r"\.b$", "", r"/(\w+)/(?P<name>\w+)\.b$", "i"),
    (r"/a", "i", r"/A/", ""),
]


@pytest.mark.parametrize(("outer", "outer_flag", "inner", "inner_flag"), PAIRS)
def test_it_matches_what_both_match(outer, outer_flag, inner, inner_flag):
    found = both(Expression(outer, outer_flag == "i"), Expression(inner, inner_flag == "i"))
    said = re.compile(found.said, re.IGNORECASE if found.ignores_case else 0)
    pair = [re.compile(text, re.IGNORECASE if flag else 0) for text, flag in ((outer, outer_flag), (inner, inner_flag))]
    matched = 0
    for length in range(8):
        for letters in product("ab/.", repeat=length):
            path = f"/{''.join(letters)}"
            for each in (path, path.upper()):
                assert bool(said.search(each)) == all(one.search(each) for one in pair), each
                matched += said.search(each) is not None
    assert matched


def test_the_groups_of_the_inner_one_are_kept_where_it_stands_alone():
    assert both(Expression("^/a/(.*)$", False), Expression(r"^/a/(.+)\.b$", False)).has_groups
    assert not both(Expression(r"\.b$", False), Expression("^/a/(.+)", False)).has_groups


def test_a_location_that_no_path_reaches_is_said_to_be_one():
    with pytest.raises(Unsayable, match="no path"):
        both(Expression(r"\.a$", False), Expression(r"\.b$", False))


@pytest.mark.parametrize("expression", [r"\bx", "a" * 5000, "(", "(?=x)"])
def test_what_is_not_understood_is_not_guessed(expression):
    with pytest.raises(Unsayable):
        both(Expression("^/a/", False), Expression(expression, False))


@pytest.mark.parametrize("expression", [r"^/a/", r"\.b$", r"^/a(/|$)", r"/b|a$"])
def test_the_pages_of_directories_are_those_of_paths_that_end_in_a_slash(expression):
    pages = followed(automaton(expression, ignores_case=False), "b.a")
    paths = [f"/{''.join(letters)}" for length in range(6) for letters in product("ab/.", repeat=length)]
    expected = {f"{path}b.a" for path in paths if path.endswith("/") and re.search(expression, path)}
    if pages is None:
        assert not expected
        return
    for path in [*paths, *(f"{path}b.a" for path in paths)]:
        state = pages.begin()
        for letter in path:
            state = pages.next(state, ord(letter))
        assert pages.accepts(state) == (path in expected), path


def test_what_is_taken_by_others_is_told():
    one, other, more = (automaton(text, ignores_case=False) for text in ("^/a", r"\.b$", r"^/a.*\.b$"))
    assert covers(one, other, more)
    assert not covers(one, one, more)
    assert not apart(one, other)
    assert apart(one, automaton("^/b", ignores_case=False))


def test_a_comparison_that_takes_too_long_is_given_up():
    many = [automaton(f"{letter}.{{9}}{letter}", ignores_case=False) for letter in "abcdef"]
    with pytest.raises(TooMuch):
        apart(*many, automaton("g$^", ignores_case=False))


def test_an_import_spends_no_more_on_comparisons_than_it_may(monkeypatch):
    monkeypatch.setattr(automata, "_ALL", 20_000)
    begin_import()
    compared = 0
    with pytest.raises(TooMuch):
        for compared in range(1000):
            pair = [automaton(rf"^/{compared}/(a|b|c).*({each}|x)$", ignores_case=False) for each in "ab"]
            assert not apart(*pair)
    assert compared > 10
    pair = [automaton(f"^/{each}$", ignores_case=False) for each in "ab"]
    with pytest.raises(TooMuch):
        apart(*pair)
    begin_import()
    assert apart(*pair)
