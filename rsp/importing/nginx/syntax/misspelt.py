"""Names of directives that nginx does not know, for a letter: ``listen: 80;``, ``try_file``, ``servername``.

nginx refuses such a file.  It is read as it is meant, with a note.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from rsp.importing.nginx.syntax.tree import LEAST, Statement, check_status
from rsp.importing.nginx.syntax.words import DROPPED, KNOWN, NOTED
from rsp.importing.site import Note

_ALL: Final = frozenset((*KNOWN, *DROPPED, *NOTED, "include"))
_ENTRIES: Final = ("map", "geo", "types", "split_clients", "charset_map", "match")  # whose names are no directives
_LEAST: Final = 5  # letters: `sets` may be anything
_NEAR: Final = 0.93  # of longer names, one letter may be missing, or be too much
_MOST: Final = 20  # names that are compared with all others: a file with more is no configuration


def corrected(block: list[Statement]) -> Iterator[Note]:
    """Changes the names in the statements of ``block``.  Raises :class:`rsp.importing.site.Unreadable`."""
    unknown = [each for each in _directives(block) if each.name not in _ALL]
    names = {each.name for each in unknown}
    near = {name: _near(name) for name in names} if len(names) <= _MOST else {}
    for statement in unknown:
        meant = _MEANT.get(_plain(statement.name)) or near.get(statement.name)
        if meant is not None and len(meant) >= _LEAST and len(statement.args) >= LEAST.get(meant, 0):
            said = f"nginx does not know {statement.name} and refuses the file; it is read as {meant}"
            yield Note(said, statement.origin)
            statement.name = meant
            check_status(statement)


def _directives(block: list[Statement]) -> Iterator[Statement]:
    for statement in block:
        yield statement
        if statement.name not in _ENTRIES:
            yield from _directives(statement.block or [])


def _near(name: str) -> str | None:
    if re.fullmatch(r"[a-z_]{6,}", name) is None:
        return None
    found = get_close_matches(name, _ALL, 2, _NEAR)
    return found[0] if len(found) == 1 else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower()).removesuffix("s")


_MEANT: Final = {_plain(name): name for name in _ALL}
