"""What a part of a configuration is read with: maps, zones and upstreams that the nginx.conf around it defines.

``conf.d/site.conf`` says ``limit_req zone=slow``, and the file that includes it says what ``slow`` is.  Only what the
part asks for and does not define itself is taken, and a note says where it was found.  Settings that the part would
inherit there are not taken: the result is of the part alone.
"""

import re
from pathlib import Path
from typing import Final

from rsp.importing.nginx.syntax.tree import ABOVE, Statement, Tree
from rsp.importing.nginx.values.variables import pieces
from rsp.importing.site import Note, Unreadable

_VARIABLES: Final = ("map", "geo", "split_clients")
_ZONES: Final = ("limit_req_zone", "limit_conn_zone")
_MAIN: Final = "nginx.conf"


def definitions(part: list[Statement], path: Path) -> tuple[list[Statement], list[Note]]:
    """Those of the nearest nginx.conf that defines something the part lacks."""
    for folder in [path.parent, *list(path.resolve().parent.parents)[:ABOVE]]:
        main = folder / _MAIN
        if not main.is_file() or main.resolve() == path.resolve():
            continue
        try:
            statements = Tree(main, folder).statements
        except Unreadable:
            continue
        taken = _taken(part, statements)
        if taken:
            names = ", ".join(dict.fromkeys(f"{each.name} {_defined(each)}" for each in taken))
            return taken, [Note(f"defined in {main}, not in this file: {names}")]
    return [], []


def _taken(part: list[Statement], statements: list[Statement]) -> list[Statement]:
    http = [inner for each in statements if each.name == "http" for inner in each.block or []] or statements
    known = [each for each in http if each.name in (*_VARIABLES, *_ZONES, "upstream") and _defined(each)]
    own = {(each.name, _defined(each)) for each in every(part) if each.name in (*_VARIABLES, *_ZONES, "upstream")}
    known = [each for each in known if (each.name, _defined(each)) not in own]
    taken: list[Statement] = []
    asking = part
    while asking:
        words = {word for each in every(asking) for word in (each.name, *each.args)}
        asking = [each for each in known if each not in taken and _is_asked_for(each, words)]
        taken += asking
    return taken


def _is_asked_for(definition: Statement, words: set[str]) -> bool:
    name = _defined(definition)
    if definition.name in _VARIABLES:
        return any(name == each for word in words for _, each in pieces(word))
    if definition.name == "upstream":
        return any(re.fullmatch(rf"(?:\w+://)?{re.escape(name)}(?:[/?:].*)?", word) for word in words)
    return any(word in (name, f"zone={name}") for word in words)


def _defined(definition: Statement) -> str:
    if definition.name in _ZONES:
        return next((word[5:].split(":")[0] for word in definition.args if word.startswith("zone=")), "")
    return definition.args[-1].lstrip("$") if definition.args else ""


def every(block: list[Statement]) -> list[Statement]:
    """The statements of a block, and those in them."""
    return [each for statement in block for each in (statement, *every(statement.block or []))]
