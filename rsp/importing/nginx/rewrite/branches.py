"""``add_header`` in ``if``: where the condition holds, it takes the place of every add_header around it.

Of several conditions that hold, nginx takes the last; one that answers is the last of those that are asked.
"""

from msgspec import Struct

from rsp.importing.nginx.rules import fields
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.result import Parts
from rsp.importing.nginx.values.variables import Names, Unsayable


class Branch(Struct):
    """One ``if``.  ``before``: lines for its ``condition``; ``answers``: it has a return.

    ``fields``: its add_header; ``None``: it has none.
    """

    before: list[str]
    condition: str
    captures: frozenset[str]
    fields: list[Statement] | None
    answers: bool


def of_peer(level: Level, behind: Level) -> list[Branch]:
    """Where no file was found, the fields of the location that is asked then take the place of these."""
    own = behind.all("add_header")
    if [each.args[:2] for each in level.all("add_header")] == [each.args[:2] for each in own]:
        return []
    return [Branch([], "req.peer", frozenset(), own, answers=False)]


def tell(block: list[Statement], parts: Parts, level: Level) -> None:
    """Beside ``try_files``, which nginx forgets where such an ``if`` holds; not of one that is made of it."""
    made_of = [each.origin for each in level.block if each.name == "try_files"]
    for each in block:
        if (
            each.name == "if"
            and each.origin not in made_of
            and not any(inner.name == "return" for inner in each.block or [])
        ):
            parts.note(each, "nginx does not look at try_files where this `if` holds; rsp does")


def lines(branches: list[Branch], level: Level, names: Names) -> list[str]:
    """For the hook of responses; none, where no ``if`` has fields.  Raises :class:`Unsayable`."""
    if all(branch.fields is None for branch in branches):
        return []
    around = [each for each in level.all("add_header") if each.args[1:]]
    before: list[str] = []
    found: list[str] = []
    for branch in _by_rank(branches):
        own = branch.fields if branch.fields is not None else around
        given = branch.captures
        known = Names(names.constants, names.functions, given, has_response=True, is_rewritten=names.is_rewritten)
        inside = [line for each in own if each.args[1:] for line in line_of(each, known)]
        condition = branch.condition
        if branch.before and not any("found" in line for line in inside):
            condition = branch.before[0].removeprefix("local found = ").replace(".match(", ".test(", 1)
        elif branch.before:
            before += branch.before
        found += [f"{'elseif' if found else 'if'} {condition} then", *(f"  {line}" for line in inside)]
    if len(before) > 1:
        raise Unsayable("rsp import does not translate add_header in several `if` with groups")
    inside = [line for each in around for line in line_of(each, names.with_response())]
    if not inside and not any(line.startswith("  ") for line in found):
        return []
    return [*before, *found, *(["else", *(f"  {line}" for line in inside)] if inside else []), "end"]


def _by_rank(branches: list[Branch]) -> list[Branch]:
    """The one that counts before those that do not where it holds."""
    end = next((number for number, branch in enumerate(branches) if branch.answers), None)
    if end is None:
        return branches[::-1]
    return [branches[end], *_by_rank(branches[end + 1 :]), *branches[:end][::-1]]


def line_of(statement: Statement, names: Names, *, way: str = "add") -> list[str]:
    """For the hook of responses.  Raises :class:`Unsayable`."""
    name, value = statement.args[0], names.expand(statement.args[1])
    if not value or name.lower() in fields.OWN:
        return []
    return fields.if_not_empty("set" if name.lower() in fields.SINGLE else way, name, names.lua(value))
