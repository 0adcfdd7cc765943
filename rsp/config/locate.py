"""Finds the line of one key or item inside a Lua table constructor that spans several lines.

Lua tells the line of a call, not of the fields in its table.  So the constructor is read again as tokens, just
far enough to follow a path of keys (``str``) and positions (``int``, from 1).  A table that was built by code
cannot be followed; the answer is then the line of the last step that could.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter

_TOKEN = re.compile(
    r"""(?P<skip>--\[(?P<c>=*)\[.*?\](?P=c)\]|--[^\n]*|\s+)
      | (?P<long>\[(?P<s>=*)\[.*?\](?P=s)\])
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<name>[A-Za-z_]\w*)
      | (?P<other>[0-9.]+\w*|==|~=|<=|>=|\.\.+|.)""",
    re.VERBOSE | re.DOTALL,
)
_OPENING = frozenset(("{", "(", "[", "function", "do", "then", "repeat"))
_CLOSING = frozenset(("}", ")", "]", "end", "until", "elseif"))

Token = tuple[str, int]  # text, line


@lru_cache(maxsize=8)  # a file of 500 routes is asked for 500 lines
def _tokens(source: str) -> list[Token]:
    line, found = 1, []
    for match in _TOKEN.finditer(source):
        if match.lastgroup != "skip" and match["skip"] is None:
            found.append((match[0], line))
        line += match[0].count("\n")
    return found


def _items(tokens: list[Token], opening: int) -> dict[str | int, int]:
    """The fields of the constructor whose ``{`` stands at ``opening``: key or position -> index of its value."""
    items: dict[str | int, int] = {}
    depth, position, start = 0, 0, opening + 1

    def close(end: int) -> None:
        nonlocal position
        if start >= end:
            return
        text = tokens[start][0]
        if start + 1 < end and tokens[start + 1][0] == "=":
            items[text] = start
        elif text == "[" and start + 3 < end and tokens[start + 2][0] == "]" and tokens[start + 3][0] == "=":
            items[tokens[start + 1][0].strip("\"'")] = start
        else:
            position += 1
            items[position] = start

    for index in range(opening, len(tokens)):
        text = tokens[index][0]
        if text in _OPENING:
            depth += 1
        elif text in _CLOSING:
            depth -= 1
            if depth <= 0:
                close(index)
                break
        elif text in ",;" and depth == 1:
            close(index)
            start = index + 1
    return items


def _value(tokens: list[Token], start: int) -> int:
    """Where the value of the field that begins at ``start`` begins."""
    if tokens[start][0] == "[":  # ["key"] =
        return start + 4
    named = start + 1 < len(tokens) and tokens[start + 1][0] == "="
    return start + 2 if named else start


def find_assignment(source: str, line: int, name: str) -> int:
    """The line where the table opens that is assigned to ``name``; ``line`` is what Lua says: where it ends."""
    tokens = _tokens(source)
    found = line
    for index in range(len(tokens) - 2):
        if tokens[index + 2][1] > line:
            break
        if [token[0] for token in tokens[index : index + 3]] == [name, "=", "{"]:
            found = tokens[index + 2][1]
    return found


def _opening(tokens: list[Token], line: int, label: str) -> int | None:
    """Of the constructors that open on ``line``, the one behind the string ``label``, or the outermost that does not
    close there.  What closes there needs no look: all of it is on this line.
    """
    open_: list[int] = []
    first = bisect_left(tokens, line, key=itemgetter(1))
    for index in range(first, len(tokens)):
        text, at = tokens[index]
        if at > line:
            break
        if text == "{":
            if label and index > first and tokens[index - 1][0][1:-1] == label:
                return index
            open_.append(index)
        elif text == "}" and open_:
            open_.pop()
    return open_[0] if open_ else None


def find_line(source: str, line: int, path: Sequence[str | int], label: str = "") -> int:
    """The line of ``path`` in the table constructor that opens on ``line``, behind the string ``label``."""
    tokens = _tokens(source)
    place = _opening(tokens, line, label)
    if place is None:
        return line
    for step, following in pairwise((*path, None)):
        found = _items(tokens, place).get(step)  # type: ignore[arg-type]
        if found is None:
            return line
        line = tokens[found][1]
        if following is not None:
            place = _value(tokens, found)
            if place == len(tokens) or tokens[place][0] != "{":
                return line
    return line
