"""Names of directives that nginx does not know, for a letter: ``listen: 80;``, ``try_file``, ``servername``.

nginx refuses such a file.  It is read as it is meant, with a note: nobody wants its mistake translated.
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


def corrected(block: list[Statement]) -> Iterator[Note]:
    """Changes the names in the statements of ``block``.  Raises :class:`rsp.importing.site.Unreadable`."""
    for statement in block:
        meant = _meant(statement.name) if statement.name not in _ALL else None
        if meant is not None and len(statement.args) >= LEAST.get(meant, 0):
            said = f"nginx does not know {statement.name} and refuses the file; it is read as {meant}"
            yield Note(said, statement.origin)
            statement.name = meant
            check_status(statement)
        if statement.name not in _ENTRIES:
            yield from corrected(statement.block or [])


def _meant(name: str) -> str | None:
    found = _MEANT.get(_plain(name))
    if found is None and name.islower() and len(name) > _LEAST:
        near = get_close_matches(name, _ALL, 2, _NEAR)
        found = near[0] if len(near) == 1 else None
    return found if found is not None and len(found) >= _LEAST else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower()).removesuffix("s")


_MEANT: Final = {_plain(name): name for name in _ALL}
