"""Conditions against another way to evaluate them, and against any text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.config.predicate import Predicate
from tests.soak import examples

NUMBERS = ("status", "bytes", "duration")
TEXTS = ("path", "request.header.x-a", "query.b")
SIGNS = {
    "=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a is not None and a < b,
    "<=": lambda a, b: a is not None and a <= b, ">": lambda a, b: a is not None and a > b,
    ">=": lambda a, b: a is not None and a >= b,
}  # fmt: skip

numbers = st.integers(0, 6)
words = st.text("ab/\"'\\.\u00e9", max_size=4)


def quoted(text: str) -> str:
    """As a user would write it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


number_tests = st.builds(
    lambda name, sign, value: (f"{name} {sign} {value}", lambda get: SIGNS[sign](get(name), value)),
    st.sampled_from(NUMBERS), st.sampled_from(list(SIGNS)), numbers,
)  # fmt: skip
text_tests = st.builds(
    lambda name, sign, value: (
        f"{name} {sign} {quoted(value)}",
        lambda get: ((get(name) or b"") == value.encode()) == (sign == "="),
    ),
    st.sampled_from(TEXTS), st.sampled_from(["=", "!="]), words,
)  # fmt: skip
pattern_tests = st.builds(
    lambda name, sign, value: (
        f"{name} {sign} '{value}'",
        lambda get: (re.search(value.encode(), get(name) or b"") is not None) == (sign == "~"),
    ),
    st.sampled_from(TEXTS), st.sampled_from(["~", "!~"]), st.sampled_from(["^a", "b$", "a|b", "[ab]/", "^$", r"\.", "a+b*"]),
)  # fmt: skip
set_tests = st.builds(
    lambda name, no, values: (
        f"{name} {'not ' if no else ''}in ({', '.join(map(str, values))})",
        lambda get: (get(name) in values) != no,
    ),
    st.sampled_from(NUMBERS), st.booleans(), st.lists(numbers, min_size=1, max_size=4),
)  # fmt: skip
presence_tests = st.builds(lambda name: (name, lambda get: bool(get(name))), st.sampled_from(NUMBERS + TEXTS))


def combined(inner):
    def joined(word, every):
        return st.builds(
            lambda parts: (
                f" {word} ".join(f"({text})" for text, _ in parts),
                lambda get: every(test(get) for _, test in parts),
            ),
            st.lists(inner, min_size=1, max_size=3),
        )

    opposite = inner.map(lambda part: (f"not ({part[0]})", lambda get: not part[1](get)))
    return joined("and", all) | joined("or", any) | opposite


conditions = st.recursive(
    number_tests | text_tests | pattern_tests | set_tests | presence_tests, combined, max_leaves=6
)
requests = st.fixed_dictionaries(
    {name: st.none() | numbers for name in NUMBERS}
    | {name: st.none() | words.map(str.encode) for name in TEXTS}
)  # fmt: skip


@examples(300)
@given(conditions, requests)
def test_it_says_what_it_says(condition, request):
    text, expected = condition
    if len(text) <= 2000 and text.count("(") < 20:
        assert Predicate.parse(text).matches(request.get) == expected(request.get)


@examples(300)
@given(st.lists(st.sampled_from(["status", "path", "and", "or", "not", "in", "(", ")", ",", "=", "~", "<", "5", "5s", '"x"', "'", "\\", "\0", "\ud800"]) | st.text(max_size=5), max_size=12).map(" ".join))  # fmt: skip
def test_any_text_is_a_condition_or_a_mistake_with_a_column(text):
    try:
        predicate = Predicate.parse(text)
    except ValueError as error:
        assert re.match(r"column \d+: ", str(error))
        assert "\n" not in str(error)
    else:
        predicate.matches({"status": 5, "path": b"/"}.get)


@pytest.mark.parametrize("pattern", ["(a|b)*a(a|b){9}", "(a*)*c", "(.*)(.*)(.*)(.*)x"])
def test_a_pattern_takes_no_longer_for_a_text_that_was_made_for_it(pattern):
    import time

    predicate = Predicate.parse(f'path ~ "{pattern}"')
    began = time.process_time()
    for text in (b"ab" * 50_000, b"a" * 100_000, b"aab" * 30_000):
        predicate.matches({"path": text}.get)
    assert time.process_time() - began < 1.0
