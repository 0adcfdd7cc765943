"""Automata of regular expressions: what they say of all texts, and when they give up."""

import re
from itertools import product

import pytest

from rsp.importing import automata
from rsp.importing.automata import Spent, TooMuch, accepted, apart, automaton, begin_import, covers, followed


@pytest.fixture(autouse=True)
def _new_import():
    begin_import()


@pytest.mark.parametrize(
    "expression", [r"^/a", r"b$|^/\.", r"(?i)A[^b]", r"/(a{2,3}|b+?)\.?$", r"\w\W\d*\s*$", r"(?i:B)a|(?s:/.b)"]
)
def test_it_accepts_what_the_expression_is_found_in(expression):
    made = automaton(expression)
    for length in range(6):
        for letters in product("ab/.", repeat=length):
            state = made.begin()
            for letter in letters:
                state = made.next(state, ord(letter))
            assert made.accepts(state) == (re.search(expression, "".join(letters)) is not None), letters


def test_texts_may_be_those_with_one_beginning():
    pair = [automaton("^/a"), automaton("a")]
    assert {tuple(each) for each in accepted(pair)} == {(False, False), (False, True), (True, True)}
    assert {tuple(each) for each in accepted(pair, "/a")} == {(True, True)}


@pytest.mark.parametrize("expression", [r"^/a/", r"\.b$", r"^/a(/|$)", r"/b|a$"])
def test_the_pages_of_directories_are_those_of_paths_that_end_in_a_slash(expression):
    pages = followed(automaton(expression), "b.a")
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
    one, other, more = (automaton(text) for text in ("^/a", r"\.b$", r"^/a.*\.b$"))
    assert covers(one, other, more)
    assert not covers(one, one, more)
    assert not apart(one, other)
    assert apart(one, automaton("^/b"))


def test_a_comparison_that_takes_too_long_is_given_up():
    many = [automaton(f"{letter}.{{9}}{letter}") for letter in "abcdef"]
    with pytest.raises(TooMuch):
        apart(*many, automaton("g$^"))


def test_an_import_spends_no_more_on_comparisons_than_it_may(monkeypatch):
    monkeypatch.setattr(automata, "_ALL", 20_000)
    begin_import()
    compared = 0
    with pytest.raises(TooMuch):
        for compared in range(1000):
            pair = [automaton(rf"^/{compared}/(a|b|c).*({each}|x)$") for each in "ab"]
            assert not apart(*pair)
    assert compared > 10
    pair = [automaton(f"^/{each}$") for each in "ab"]
    with pytest.raises(Spent):
        apart(*pair)
    begin_import()
    assert apart(*pair)


def test_what_was_too_much_is_not_tried_again():
    many = [*(automaton(f"{letter}.{{9}}{letter}") for letter in "uvwxyz"), automaton("g$^")]
    with pytest.raises(TooMuch):
        apart(*many)
    spent = automata._spent[0]
    assert spent
    with pytest.raises(TooMuch):
        apart(*many)
    assert automata._spent[0] == spent
