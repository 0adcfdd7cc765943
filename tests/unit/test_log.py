"""The log: its levels, its records as JSON, and what else is told of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.logs import json_lines, log
from rsp.logs.outlet import Outlet


@pytest.fixture
def lines(monkeypatch):
    """What is written."""
    written = []
    monkeypatch.setattr(log, "_outlet", Outlet(2, lambda data: written.append(data) or len(data), whole=True))
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    shown = []
    log.show(lambda *message: shown.append(message))
    yield written, shown
    log.show(lambda *_: None)
    log.use("info", "text")


def test_a_level(lines):
    written, shown = lines
    for level, expected in (("info", 3), ("warning", 2), ("error", 1)):
        log.use(level, "text")
        written.clear()
        for grave in (log.INFO, log.WARNING, log.ERROR):
            log.line("something", grave)
        assert len(written) == expected
    assert [message[0] for message in shown] == [log.WARNING, log.ERROR] * 3, "whatever the level of the log is"


def test_records(lines):
    written, _ = lines
    log.use("info", "json")
    log.line('a "b"\n  c\x1b[31m\u00e9', log.WARNING)
    (line,) = written
    assert line.endswith(b"}\n") and b"\x1b" not in line
    record = json.loads(line)
    assert list(record) == ["time", "level", "pid", "message"]
    assert record["level"] == "warning" and record["message"] == 'a "b"\n  c\\x1b[31m\u00e9'
    assert record["time"].endswith("Z") and len(record["time"]) == 24


@given(st.text(max_size=50).map(lambda text: text * 300) | st.text())
def test_any_message_becomes_short_lines_of_json(text):
    records = json_lines.records(text, 3, 1.5)
    assert all(len(record) <= 4000 and record.count(b"\n") == 1 for record in records)
    said = "".join(json.loads(record)["message"] for record in records)
    assert said == text.encode("utf-8", "replace").decode()


def test_the_journal_gets_priorities(lines, monkeypatch):
    written, _ = lines
    monkeypatch.setattr(log, "_to_journal", lambda: True)
    log.use("info", "json")
    log.line("a\nb", log.ERROR)
    log.line("x" * 5000, log.WARNING)
    first, *rest = b"".join(written).splitlines()
    assert first.startswith(b"<3>{") and json.loads(first[3:])["message"] == "a\nb"
    assert len(rest) > 1 and all(line.startswith(b"<4>{") and len(line) < 4000 for line in rest)


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_that_a_terminal_obeys_gets_through(lines, form):
    written, shown = lines
    log.use("info", form)
    log.line("A hook failed: \x1b]0;x\x07\x9b31m\r\b\x7f\u202e\u2028\n\tin a function", log.ERROR)
    log.use("info", "text")
    said = b"".join(written).decode()
    assert not any(letter in said for letter in "\x1b\x07\x9b\r\b\x7f\u202e\u2028")
    assert "x1b]0;x" in said and "\\u202e" in said
    assert shown[0][2].endswith("\n\tin a function")


def test_a_further_line_does_not_look_like_a_message_in_the_journal(lines, monkeypatch):
    written, _ = lines
    monkeypatch.setattr(log, "_to_journal", lambda: True)
    log.line("a hook says\nStarted.  Listening on nothing.", log.ERROR)
    assert b"".join(written) == b"<3>a hook says\n<3>    Started.  Listening on nothing.\n"


def test_so_many_lines_a_second(lines, monkeypatch):
    written, _ = lines
    now = [100.0]
    monkeypatch.setattr(log.time, "monotonic", lambda: now[0])
    for number in range(7):
        log.once_a_second("so many", f"line {number}", most=3)
    now[0] += 1
    for number in range(7, 9):
        log.once_a_second("so many", f"line {number}", most=3)
    now[0] += 1
    log.once_a_second("so many", "line 9", most=3)
    said = [line.partition(b"] ")[2].decode().strip() for line in written]
    assert said == ["line 0", "line 1", "line 2", "line 7 (and 4 more like this)", "line 8", "line 9"]
