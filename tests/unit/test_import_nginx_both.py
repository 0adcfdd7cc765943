"""Expressions inside of expressions: what rsp's one expression matches, beside what the two match."""

import re
from itertools import product

import pytest

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
