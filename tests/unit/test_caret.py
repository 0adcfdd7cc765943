"""The line that a message is about, as a terminal shows it: what is pointed at, and what never reaches the terminal."""

import os

import pytest

from rsp.terminal.caret import excerpt

PEERS = 'upstream "app" { "127.0.0.1:8000", policy = "rr", retry = { attempts = 0 } }'


def pointed(directory, line, said):
    """What stands above the caret and its tail."""
    (directory / "site.lua").write_text(f"-- first\n{line}\n")
    shown = excerpt(f"site.lua:2: {said}", str(directory))
    source, mark = (each.partition("| ")[2] for each in shown.split("\n"))
    return source[mark.index("^") :][: len(mark.strip())]


@pytest.mark.parametrize(
    ("line", "said", "meant"),
    [
        ('  { "127.0.0.1:1", wieght = 2 },', 'upstream "app": unknown key "wieght" (did you mean "weight"?)', "wieght"),
        ('  weight = 1, wieght = 2', 'upstream "app": unknown key "wieght" (did you mean "weight"?)', "wieght"),
        ('\thsts = "a year"', 'hsts: expected true, a duration such as "30d", or a table, got "a year"', '"a year"'),
        (PEERS, 'upstream "app": policy: expected "round_robin" or "hash", got "rr"', '"rr"'),
        (PEERS, 'upstream "app": retry: attempts: expected a whole number of at least 1, got 0', "0"),
        (PEERS, 'upstream "app": retry.attempts: expected a whole number of at least 1, got 0', "0"),
        (PEERS, 'upstream "app": policy: something else is the matter', "policy"),
        ('route { to = "ap" }', 'route: no upstream "ap" (did you mean "app"?)', "ap"),
        ('route { path = "/ap", to = "ap" }', 'route: to = "ap": no such upstream (did you mean "app"?)', '"ap"'),
        ('route { path = "/x", to = "a" }', 'route: "to" needs something', "to"),
        ('upstream "x" { "h:x" }', 'upstream "x": address: "h:x": expected a port from 0 to 65535, got "x"', '"h:x"'),
        ('upstream "x" { "h" }', 'upstream "x": address: "h": expected "host:port" (the port is missing: "h:80")', '"h"'),
        ("listen = = 5", "unexpected symbol near '='", "="),
        ("print(x.y.z)", "attempt to index field 'y' (a nil value)", "y"),
        ("  listen(nil)", "attempt to call a table value", "listen"),
        ('to = "x" -- not "ap"', 'route: no upstream "ap"', "to"),
        ('name = "a--b", wieght = 1', 'unknown key "wieght"', "wieght"),
        ("-- wieght", 'unknown key "wieght"', "wieght"),
        ("日本 = 1, wieght = 2", 'unknown key "wieght"', "wieght"),
        (f'a = "{"x" * 80}"', f'a: expected a path, got "{"x" * 57}..."', f'"{"x" * 80}"'),
    ],
)  # fmt: skip
def test_what_is_pointed_at(tmp_path, line, said, meant):
    if not line.isascii():  # a wide letter takes two columns
        (tmp_path / "site.lua").write_text(f"-- first\n{line}\n")
        source, mark = excerpt(f"site.lua:2: {said}", str(tmp_path)).split("\n")
        assert mark.index("^") == source.index(meant) + 2
        return
    assert pointed(tmp_path, line, said) == meant


def test_the_number_and_the_line_stand_there(tmp_path):
    (tmp_path / "site.lua").write_text("\n" * 11 + "  wieght = 2,\n")
    assert excerpt('site.lua:12: unknown key "wieght"', str(tmp_path)) == "  12 |   wieght = 2,\n     |   ^~~~~~"


def test_words_before_the_name_of_the_file(tmp_path):
    (tmp_path / "my site: a.lua").write_text("wieght = 2")
    for message in (
        "my site: a.lua:1: x",
        "Error parsing config file: my site: a.lua:1: x",
        "rsp: my site: a.lua:1: x",
    ):
        assert "wieght" in excerpt(message, str(tmp_path))


def test_a_terminal_obeys_nothing_of_the_file(tmp_path):
    (tmp_path / "site.lua").write_bytes(b"\x1b[2J\x07 \xe2\x80\xae \xff wieght = 2 \r\x9b5n\n")
    shown = excerpt('site.lua:1: unknown key "wieght"', str(tmp_path))
    assert shown.replace("\n", "").isprintable()
    assert "wieght = 2" in shown


def test_colours_only_where_they_are_wanted(tmp_path):
    (tmp_path / "site.lua").write_text("wieght = 2\n")
    assert "\x1b" not in excerpt("site.lua:1: x", str(tmp_path))
    coloured = excerpt("site.lua:1: x", str(tmp_path), colour=True)
    assert coloured.endswith("\x1b[1;31m^~~~~~\x1b[0m")


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_long_line_is_cut_around_what_is_meant(tmp_path, width):
    (tmp_path / "site.lua").write_text("x" * 5000 + " wieght = 2 " + "y" * 5000)
    source, mark = excerpt('site.lua:1: unknown key "wieght"', str(tmp_path), width=width).split("\n")
    assert len(source) < width
    assert source[mark.index("^") :].startswith("wieght")


def test_what_cannot_be_shown(tmp_path):
    (tmp_path / "site.lua").write_text("\n\n")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for place in ("site.lua:1", "site.lua:9", "missing.lua:1", "pipe:1", "folder:1", "a\0b:1", "site.lua"):
        assert excerpt(f"{place}: wrong", str(tmp_path)) == "", place
