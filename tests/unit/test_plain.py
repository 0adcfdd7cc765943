"""What a terminal is shown of clients' text."""

import re
import unicodedata
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from rsp.terminal import log, trace
from rsp.terminal.plain import plain

letters = st.text(max_size=300) | st.text(
    "\x00\x07\x08\r\n\t\x1b[]31m\\nux\x7f\x9b\u202e\u200b\u2028\ue000\U000e0001\ufeff\u0301"
)


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


VALUES = (
    None, True, -1, 10**400, -(10**400), 1e308, float("nan"), float("inf"), "\x1b[31m\u202e", [], {}, [[]], [{"a": 1}], {"b": []},
)  # fmt: skip
INNER = ("phase", "started", "ended", "peer", "connected", "sent", "status", "failure", "hedge", "method", "tries")


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_whatever_a_worker_says_is_shown(value):
    """A worker that was taken over may send any object."""
    console = Console(file=StringIO(), soft_wrap=True)
    known = (
        "time",
        "method",
        "target",
        "status",
        "bytes",
        "duration",
        "route",
        "worker",
        "phases",
        "request",
        "dropped",
    )
    said = [{name: value} for name in (*known, "hooks", "tries", "calls")]
    said += [{part: [{"started": 1, name: value}]} for part in ("hooks", "tries", "calls") for name in INNER]
    for data in said:
        for line in (log.missing({"dropped": value}), log._line(data), *trace._lines(data)):
            console.print(line)
        console.print(log.as_line(data))
    assert not re.search("[\x1b\u202e]", console.file.getvalue())
