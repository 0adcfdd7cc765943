"""Names of directives that nginx does not know, for a letter: ``listen: 80;``, ``try_file``, ``servername``.

nginx refuses such a file.  It is read as it is meant, with a note: nobody wants its mistake translated.
"""

import re
from collections.abc import Iterator
from typing import Final

from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.syntax.words import DROPPED, KNOWN, NOTED
from rsp.importing.site import Note

_ALL: Final = frozenset((*KNOWN, *DROPPED, *NOTED, "include"))
_ENTRIES: Final = ("map", "geo", "types", "split_clients", "charset_map", "match")  # whose names are no directives
_LEAST: Final = 5  # letters: `sets` may be anything


def corrected(block: list[Statement]) -> Iterator[Note]:
    """Changes the names in the statements of ``block``."""
    for statement in block:
        meant = _MEANT.get(_plain(statement.name))
        if meant is not None and statement.name not in _ALL and len(meant) >= _LEAST:
            said = f"nginx does not know {statement.name} and refuses the file; it is read as {meant}"
            yield Note(said, statement.origin)
            statement.name = meant
        if statement.name not in _ENTRIES:
            yield from corrected(statement.block or [])


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower()).removesuffix("s")


_MEANT: Final = {_plain(name): name for name in _ALL}
