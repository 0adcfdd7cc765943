"""The line of a configuration that a message is about, with a caret below what is meant, for terminals.

    site.lua:12: upstream "app": unknown key "wieght" (did you mean "weight"?)
      12 |   { "127.0.0.1:9003", wieght = 2 },
         |                       ^~~~~~

Nothing of the file reaches the terminal but visible characters.  A message whose place cannot be read has no excerpt.
"""

import os
import re
import shutil
import stat
import sys
import unicodedata
from collections.abc import Iterator
from typing import Final

from rsp.terminal.plain import UNSAFE

_PLACE: Final = re.compile(r":(\d{1,7}): ")
_MOST_PLACES: Final = 3  # that a message is searched for
_LARGEST: Final = 4 << 20  # bytes of a file
_LONGEST: Final = 10_000  # characters of a line
_ADVICE: Final = re.compile(r" \((?:did you mean|in rsp|it belongs)|; | ?\(the ")
_GOT: Final = re.compile(r'\bgot ("[^"]*"|-?[\d.]+|true|false)')
_QUOTED: Final = re.compile(r'"([^"]+)"')
_VARIABLE: Final = re.compile(r"\b(?:global|local|field|upvalue|method) '(\w+)'")
_NEAR: Final = re.compile(r"near '([^']+)'")
_ASSIGNED: Final = re.compile(r"(\w+) = (.+)")
_KEY: Final = re.compile(r"[A-Za-z_]\w*")
# What is skipped in search of a comment: strings.
_COMMENT: Final = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?!--).)*""")
_UNSAFE: Final = UNSAFE | {"Mc"}  # marks that share the column of a letter
_DIM, _RED, _PLAIN = "\x1b[2m", "\x1b[1;31m", "\x1b[0m"


def point(message: str, directory: str = "", *, log: bool = False) -> None:
    """Print below ``message``, which has been printed to standard error, the line that it names.

    Nothing where standard error is no terminal, unless FORCE_COLOR is set and this is no ``log``.  ``directory``: what
    names of files are relative to.
    """
    forced = bool(os.environ.get("FORCE_COLOR"))
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    if not is_terminal and (log or not forced):
        return
    plain = bool(os.environ.get("NO_COLOR")) or (os.environ.get("TERM") == "dumb" and not forced)
    shown = excerpt(message, directory, colour=not plain, width=shutil.get_terminal_size().columns)
    if shown:
        print(shown, file=sys.stderr, flush=True)


def excerpt(message: str, directory: str = "", *, colour: bool = False, width: int = 100) -> str:
    """Two lines, or ``""``; ``width``: columns of the terminal."""
    for path, number, said in _places(message):
        source = _line(os.path.join(directory, path), number)  # noqa: PTH118 - as given
        if source is not None and source.strip():
            return _drawn(source, number, *_span(source, said), colour=colour, width=width)
    return ""


def _places(message: str) -> Iterator[tuple[str, int, str]]:
    """What may be the file, the line and what is said of it: words before the name of a file look like a part of it."""
    for found in list(_PLACE.finditer(message))[:_MOST_PLACES]:
        before = message[: found.start()]
        starts = [0, *(match.end() for match in re.finditer(": ", before))]
        for start in starts:
            yield before[start:], int(found[1]), message[found.end() :]


def _line(path: str, number: int) -> str | None:
    """Of a regular file; nothing else is opened for long."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        lines = os.read(descriptor, _LARGEST).split(b"\n")
    finally:
        os.close(descriptor)
    return lines[number - 1].decode("utf-8", "replace")[:_LONGEST] if 0 < number <= len(lines) else None


def _span(source: str, said: str) -> tuple[int, int]:
    """Where in the line ``source`` what is meant begins and ends."""
    code = _COMMENT.match(source)
    text = code[0] if code is not None and code[0].strip() else source
    for wanted in _wanted(said):
        found = re.search(wanted, text)
        if found is not None:
            return found.span("at")
    first = len(text) - len(text.lstrip())
    word = _KEY.match(text, first)
    return first, word.end() if word is not None else first + 1


def _wanted(said: str) -> Iterator[str]:
    """Patterns of what a message is about, the likeliest first."""
    said = _ADVICE.split(said, maxsplit=1)[0]
    *path, problem = said.split(": ")
    keys = [key for step in reversed(path) for key in reversed(step.split(".")) if _KEY.fullmatch(key)]
    whole = [found[1] for step in reversed(path) if (found := _QUOTED.fullmatch(step)) is not None]
    values = [rf"(?P<at>[\"']{re.escape(value)}[\"'])" for value in whole]
    got = _GOT.search(problem)
    if got is not None:
        value = re.escape(got[1].removesuffix('..."')).replace('"', "[\"']")
        rest = "[^\"']*[\"']" if got[1].endswith('..."') else r"(?![\w.])"
        value = rf"(?P<at>(?<![\w.]){value}{rest})"
        yield from (rf"\b{key}\b[\"'\]]*\s*=.*?{value}" for key in keys[:1])
        values.append(value)
    yield from values
    variable = _VARIABLE.search(said)
    if variable is not None:
        yield rf"(?<!\w)(?P<at>{variable[1]})(?!\w)"
    near = _NEAR.search(said)
    if near is not None:
        yield rf".*(?P<at>{re.escape(near[1])})"  # the last: Lua has accepted what came before
    quoted = [re.escape(word) for word in _QUOTED.findall(problem)]
    yield from (rf"(?<!\w)(?P<at>{word})(?!\w)" for word in quoted)
    said_so = [found for step in reversed(path) if (found := _ASSIGNED.fullmatch(step)) is not None]
    yield from (rf"\b{found[1]}\b[\"'\]]*\s*=\s*(?P<at>{re.escape(found[2])})" for found in said_so)
    yield from (rf"\b(?P<at>{key})\b[\"'\]]*\s*[={{]" for key in keys)
    yield from (rf"(?P<at>[\"']{re.escape(word)}[\"'])" for step in reversed(path) for word in _QUOTED.findall(step))


def _drawn(source: str, number: int, start: int, end: int, *, colour: bool, width: int) -> str:
    cells = list(map(_cell, source.rstrip()))
    before, meant, after = "".join(cells[:start]), "".join(cells[start:end]), "".join(cells[end:])
    gutter = f"{number:>4} | "
    room = max(width - len(gutter) - 1, 20)
    if _columns(before + meant + after) > room:
        before, meant, after = _cut(before, meant, after, room)
    mark = "^" + "~" * (max(_columns(meant), 1) - 1)
    dim, red, plain = (_DIM, _RED, _PLAIN) if colour else ("", "", "")
    below = f"{' ' * (len(gutter) - 2)}| "
    return f"{dim}{gutter}{plain}{before}{meant}{after}\n{dim}{below}{plain}{' ' * _columns(before)}{red}{mark}{plain}"


def _cut(before: str, meant: str, after: str, room: int) -> tuple[str, str, str]:
    """What is meant, and of the line around it as much as there is room for."""
    before, after = before[-room:], after[:room]  # each letter takes a column
    meant = meant[: room // 2]
    left = (room - _columns(meant)) // 2
    if _columns(before) > left:
        while _columns(before) > left - 3:
            before = before[1:]
        before = "..." + before
    while after and _columns(before + meant + after) > room:
        after = after[:-1]
    return before, meant, after


def _cell(letter: str) -> str:
    if letter == "\t":
        return "    "
    return "?" if unicodedata.category(letter) in _UNSAFE else letter


def _columns(text: str) -> int:
    return len(text) + sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
