"""``(?!`` spelt out for RE2, beside Python's own expressions, over all short texts."""

import itertools
import re

import pytest

from rsp.http.regex import Pattern
from rsp.importing.nginx.values.lookahead import spelt, without_lookahead

_TEXTS = ["".join(each) for count in range(6) for each in itertools.product("/ab.x", repeat=count)]


@pytest.mark.parametrize(
    "text",
    [
        r"^/(?!a)(.*)$", r"^/(?!a|ba)(.+)$", r"^/(?!a|ba).*", r"^/(?!a|ba).+$", r"/\.(?!ab)", r"^/(?!ab/|a\.b)(.*)",
        r"^/(?!(a|b)/)(.*)$", r"^/(?!(?:a|b)(/|$))(.*)$", r"^/(?!a$)(.*)$", r"^/(?!a$).+", r"^/(?!a.b)(.*)$",
        r"^/(?!.a|ab)(.+)$", r"^(?!/a)/(.*)$", r"^(?!/(a|b)).*$", r"^(?!/ab|b)/(.+)$", r"^/a/(?!b/?)(.*)$", r"^/(?!a).",
        r"^(?!a)/(.*)", r"^/(?!ax?b)(.*)$",
    ],
)  # fmt: skip
def test_the_same_texts_and_groups(text):
    said = without_lookahead(text)
    assert "(?!" not in said
    asked = Pattern(said)
    found = 0
    for each in _TEXTS:
        match, made = re.search(text, each), re.search(said, each)
        assert (match is None) == (made is None) == (not asked.finds(each.encode())), each
        assert match is None or match.groups(default="") == made.groups(), each
        found += match is not None
    assert 0 < found < len(_TEXTS)


@pytest.mark.parametrize(
    "text", [r"^/(?!a)b(.*)$", r"^/(?!a.*b)(.*)$", r"^/(?!a+)(.*)", r"^/(?!|a)(.*)", r"^(?!(/a))(/.*)$"]
)
def test_more_than_words(text):
    assert without_lookahead(text) == text


@pytest.mark.parametrize(
    "text",
    [
        r"^(/a(?!\.b)|x).*$",
        r"^/(a|b(?!\.[ab]x))",
        r"/(a|b(?!x)|x).*$",
        r"^((/|a(?!b/))|x).*",
        r"a(?!b).*?$",
        r"^(/(?!a).*)|b",
    ],
)
def test_at_any_place_the_same_texts(text):
    said = spelt(text, needs_groups=False)
    assert "(?!" not in said
    asked = Pattern(said)
    for each in _TEXTS:
        assert (re.search(text, each) is None) == (re.search(said, each) is None) == (not asked.finds(each.encode())), (
            each
        )


@pytest.mark.parametrize("text", [r"^(/(?!a).*)|b", r"/a(?!b)", r"^/(?:a(?!bx).*|b)$"])
def test_at_any_place_the_same_groups(text):
    said = spelt(text)
    assert "(?!" not in said
    for each in _TEXTS:
        match, made = re.search(text, each), re.search(said, each)
        assert (match and match.groups()) == (made and made.groups()), each


@pytest.mark.parametrize(
    "text", [r"^(/(?!a)b)", r"^(/(?!a))+x", r"/(?!a.*b)", r"(?!a)$", r"^/(a(?!b))x.*$", r"(?!a|b)x"]
)
def test_where_not_anything_may_come(text):
    assert spelt(text, needs_groups=False) == text


def test_groups_that_would_change(text=r"^(/a(?!b)|x).*$"):
    assert spelt(text) == text
