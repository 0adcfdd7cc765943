"""Locations that no request has the path of: they are taken out before any other room looks at them, with a note."""

import re
from typing import Final

from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.result import Parts

_EXPRESSIONS: Final = ("~", "~*")
_SKIPPED: Final = re.compile(r"/\.\.?/")  # of paths as nginx compares them
_ALL: Final = re.compile(r"/\.\.?$")  # of a path that is meant as it is


def take_out(block: list[Statement], parts: Parts) -> None:
    for statement in list(block):
        if statement.block is None:
            continue
        if statement.name == "location" and statement.args:
            if statement.args[:-1] and statement.args[0] in _EXPRESSIONS:
                statement.args[-1] = statement.args[-1] or "^"  # rsp has no expression without a letter
            elif said := _reason(statement.args):
                parts.note(statement, f"no request has the path {statement.args[-1]}{said}")
                block.remove(statement)
                continue
        take_out(statement.block, parts)


def _reason(args: list[str]) -> str:
    """Half a sentence, or a blank for what is plain; empty: requests may have this path."""
    *modifier, path = args
    for glued in ("^~", "="):  # nginx reads `location =/path` so
        if not modifier and path.startswith(glued) and path != glued:
            modifier, path = [glued], path.removeprefix(glued)
    if not modifier and path.startswith(("@", "~")) and path != "~":
        return ""
    if path and not path.startswith("/"):
        return ": paths begin with /"
    if _SKIPPED.search(path) or (modifier == ["="] and _ALL.search(path)):
        return ": nginx and rsp resolve . and .. before they look for a location"
    if "\\" in path:
        plain = path.replace("\\", "")
        return f": rsp reads a backslash as a slash; a path is no regular expression, so probably {plain} is meant"
    return ""
