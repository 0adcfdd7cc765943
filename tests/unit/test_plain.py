"""What a terminal is shown of clients' text."""

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from rsp.terminal.plain import plain

letters = st.text(max_size=300) | st.text("\x00\x07\x08\r\n\t\x1b[]31m\\nux\x7f\x9b\u202e\u200b\u2028\ue000\U000e0001\ufeff\u0301")


@given(letters)
def test_a_terminal_has_nothing_to_obey(text):
    shown = plain(text)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff]", shown)
    assert all(not unicodedata.category(letter).startswith("C") for letter in shown)


@given(letters, letters)
def test_no_text_looks_like_another(one, other):
    assert (plain(one) == plain(other)) == (one == other)


@given(st.text("abc xyz0189 -/?&=%\u00e9\u4e2d"))
def test_plain_text_stays(text):
    assert plain(text) == text


def test_it_is_bounded():
    assert len(plain("\x00" * 10_000)) < 20_000
    assert plain("x" * 4001) == "x" * 4000 + "..."


def test_numbers():
    assert plain(503) == "503"
