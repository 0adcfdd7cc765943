"""Fields by the module headers-more: ``more_set_headers``, ``more_clear_headers`` and the same of requests.

Those of all levels hold, the outermost first.  What holds for some responses only becomes lines of a hook.
"""

import re

from msgspec import Struct, field

from rsp.config.struct import TOKEN
from rsp.importing.lua import index, quoted
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.variables import Names, Unsayable


class Change(Struct):
    """One statement.  ``fields``: names and values; an empty value removes the field.

    ``there``: only where the field is there already; ``adds``: beside those that are there.
    """

    statement: Statement
    statuses: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    there: bool = False
    adds: bool = False
    fields: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_plain(self) -> bool:
        """For every response."""
        return not (
            self.statuses or self.types or self.there or self.adds or any("*" in name for name, _ in self.fields)
        )


def changes(level: Level, what: str = "headers") -> list[Change]:
    """``what``: ``headers`` of responses, or ``input_headers``."""
    names = (f"more_set_{what}", f"more_clear_{what}")
    statements = [each for around in reversed([*level.around()]) for each in around.block if each.name in names]
    return [_read(each) for each in statements]


def of_peer(behind: Level, names: Names) -> list[str]:
    """What the location says by itself that is asked where there is no file.  Raises :class:`Unsayable`."""
    own = [change for change in changes(behind) if change.statement in behind.block]
    found = [line for change in own for line in lines(change, names.with_response(), "res")]
    return ["if req.peer then", *(f"  {line}" for line in found), "end"] if found else []


def _read(statement: Statement) -> Change:
    statement.used = True
    found = Change(statement)
    words = iter(statement.args)
    for word in words:
        if word == "-s":
            found.statuses += next(words, "").split()
        elif word == "-t":
            found.types += next(words, "").split()
        elif word == "-r":
            found.there = True
        elif word == "-a":
            found.adds = True
        else:
            name, _, value = word.partition(":")
            if TOKEN.fullmatch(name.strip()):  # no field has another name
                found.fields.append((name.strip(), value.strip() if "_set_" in statement.name else ""))
    return found


def lines(change: Change, names: Names, table: str) -> list[str]:
    """For a hook; ``table``: ``req`` or ``res``.  Raises :class:`Unsayable`."""
    found: list[str] = []
    for name, value in change.fields:
        at = f"{table}.headers{index(name)}"
        if "*" in name:
            if value or not name.endswith("*"):
                raise Unsayable("rsp import translates more_clear_headers with * at the end of a name only")
            said = "^" + re.sub(r"([^a-z0-9])", r"%\1", name[:-1].lower())
            found += [
                f"for name in pairs({table}.headers) do",
                f"  if name:lower():find({quoted(said)}) then {table}.headers[name] = nil end",
                "end",
            ]
        elif change.adds and value:
            found.append(f"{table}.headers:add({quoted(name)}, {names.lua(names.expand(value))})")
        else:
            said = names.lua(names.expand(value)) if value else "nil"
            found.append(f"if {at} then {at} = {said} end" if change.there else f"{at} = {said}")
    statuses = [*change.statuses, *(["206"] if "200" in change.statuses else [])]  # nginx looks before it sends a part
    asked = [f"({' or '.join(f'res.status == {status}' for status in statuses)})"] if statuses else []
    if change.types:
        kind = f'({table}.headers["Content-Type"] or ""):lower():match("^[^;%s]*")'
        asked.append(f"({' or '.join(f'{kind} == {quoted(each.lower())}' for each in change.types)})")
    if not asked:
        return found
    return [f"if {' and '.join(asked)} then", *(f"  {line}" for line in found), "end"]
