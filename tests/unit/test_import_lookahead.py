"""``(?!`` spelt out for RE2, beside Python's own expressions, over all short texts."""

import itertools
import re

import pytest

from rsp.http.regex import Pattern
from rsp.importing.nginx.values.lookahead import without_lookahead

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
