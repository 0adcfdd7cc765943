"""A list of rules, in the order in which a program looks at them, resolved into conditions and what they lead to.

A rule either ends the search (its ``keys`` with those collected before it are a route) or adds keys to what follows.
What asks for "not" needs no condition of its own: requests that meet what must not be are led past the rule first.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from rsp.importing.ordered.changed import answered, changed_fields, with_fields
from rsp.importing.ordered.condition import ALL, Condition, Inexpressible, anchored, networks
from rsp.importing.site import Origin

_GROUP: Final = re.compile(r"(?<!\{)\{[1-9]\}")
_MOST: Final = 400  # routes that one list may become


class Rule(Struct):
    """``any``: one of these has to hold; ``unless``: none of these may.  ``last``: the search ends here.

    ``then``: rules that are looked at first, once this one has been chosen: those of a backend.  ``guard``: it keeps
    clients out, so where it cannot be said, its requests are refused.
    """

    keys: dict[str, Any]
    any: Sequence[Condition] = (ALL,)
    unless: Sequence[Condition] = ()
    last: bool = False
    guard: bool = False
    then: "Sequence[Rule]" = ()
    origin: Origin | None = None
    text: str = ""
    comments: tuple[str, ...] = ()


class Chosen(Struct):
    """A condition, and the keys of the route for it."""

    condition: Condition
    keys: dict[str, Any]
    origin: Origin | None = None
    comments: tuple[str, ...] = ()


class Problem(Struct, frozen=True):
    """A rule that cannot be said in routes."""

    reason: str
    text: str
    origin: Origin | None


class Resolved(Struct):
    chosen: list[Chosen] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def resolve(rules: Sequence[Rule], otherwise: dict[str, Any], start: Condition = ALL) -> Resolved:
    """``otherwise``: keys of the route for what no rule is for."""
    resolved = Resolved()
    _walk(rules, start, {}, (), otherwise, resolved)
    return resolved


def _walk(
    rules: Sequence[Rule],
    within: Condition,
    keys: dict[str, Any],
    comments: tuple[str, ...],
    otherwise: dict[str, Any],
    out: Resolved,
) -> None:
    """Every request of ``within`` finds a route."""
    for index, rule in enumerate(rules):
        rest = rules[index + 1 :]
        if len(out.chosen) + len(rule.any) > _MOST:
            _problem(out, rule, f"it would become more than {_MOST} routes")
            out.chosen.append(Chosen(within, {"respond": {"status": 503}}, rule.origin))
            return
        try:
            changed = changed_fields(keys)
            passed = [each for each in map(within.both, _seen(rule.unless, keys, changed)) if each is not None]
            taken = _taken(rule, within, _seen(rule.any, keys, changed))
            merged = merge(keys, with_fields(rule.keys, changed))
        except Inexpressible as error:
            _problem(out, rule, str(error))
            if rule.guard:
                out.chosen.append(Chosen(within, {"respond": {"status": 403}}, rule.origin))
                return
            continue
        if not taken or within in passed:
            continue
        for condition in passed:
            _walk(rest, condition, keys, comments, otherwise, out)
        said = comments + rule.comments
        for condition in taken:
            if rule.last:
                if rule.then:
                    own = Rule(rule.keys, last=True, origin=rule.origin)
                    _walk([*rule.then, own], condition, keys, said, otherwise, out)
                else:
                    out.chosen.append(Chosen(condition, merged, rule.origin, said))
            elif condition != within:
                _walk(rest, condition, merged, said, otherwise, out)
        if within in taken:
            if rule.last:
                return
            keys, comments = merged, said
    out.chosen.append(Chosen(within, merge(keys, otherwise), None, comments))


def _taken(rule: Rule, within: Condition, conditions: Sequence[Condition]) -> list[Condition]:
    """What the rule is for, with an expression whose groups its keys name as it is."""
    has_groups = any(_GROUP.search(str(rule.keys.get(key))) for key in ("rewrite", "redirect", "respond"))
    taken = []
    for each in conditions:
        found = within.both(each)
        if found is None:
            continue
        if has_groups and each.path is not None and found.path != each.path:
            first = anchored(each.path, within.path)
            if first == each.path:
                raise Inexpressible("a path has to match two patterns at once")
            found = replace(found, path=first)
        taken.append(found)
    return taken


def _seen(conditions: Sequence[Condition], keys: dict[str, Any], changed: dict[str, str | None]) -> Sequence[Condition]:
    """The conditions of what the client sent, for a rule that looks at what earlier rules have made of it."""
    if "host" in changed and any(each.hosts for each in conditions):
        raise Inexpressible("it asks for a host that an earlier rule has changed")
    known = [answered(each, changed) for each in _moved(conditions, keys)]
    return [each for each in known if each is not None]


def _moved(conditions: Sequence[Condition], keys: dict[str, Any]) -> Sequence[Condition]:
    """What they ask for once the path has been rewritten.  Raises :class:`Inexpressible`."""
    rewrite = keys.get("rewrite")
    if (rewrite is None and not keys.get("_loose")) or all(each.path is None for each in conditions):
        return conditions
    if rewrite is None or "{" in rewrite:
        raise Inexpressible("it asks for a path that has been rewritten")
    path = rewrite.partition("?")[0]
    return [each.without("path") for each in conditions if each.path is None or each.path.matches(path)]


def _problem(out: Resolved, rule: Rule, reason: str) -> None:
    problem = Problem(reason, rule.text, rule.origin)
    if problem not in out.problems:
        out.problems.append(problem)


def refusal(
    respond: dict[str, Any],
    any: Sequence[Condition],
    unless: Sequence[Condition],
    origin: Origin | None,
    text: str,
) -> Rule:
    """Requests are refused; by their clients' addresses alone, ``allow`` or ``deny`` of the routes says it."""
    if respond == {"status": 403}:
        allowed = [network for each in unless for network in each.clients or ()]
        if unless and all(each == Condition(clients=each.clients) for each in unless):
            return Rule({"allow": allowed}, any, guard=True, origin=origin, text=text)
        where = [each.without("clients") for each in any]
        if all(each.clients for each in any) and not unless and all(each == where[0] for each in where):
            denied = [network for each in any for network in each.clients or ()]
            return Rule({"deny": denied}, where[:1], guard=True, origin=origin, text=text)
    return Rule({"respond": respond}, any, unless, True, True, (), origin, text)


def redirection(to: str, status: int) -> dict[str, Any]:
    """Keys of a route; rsp's ``redirect`` keeps the query, so a target that does not name it is a field."""
    if "?" in to or "{query}" in to or "{uri}" in to:
        return {"redirect": to if status == 302 else {"to": to, "status": status}}
    return {"respond": {"status": status, "headers": {"Location": to}}}


def _without(fields: dict[str, Any], removed: object) -> dict[str, Any]:
    """Fields that an earlier rule has set, and a later one removes: in rsp, ``set`` comes after ``remove``."""
    names = {str(name).lower() for name in removed} if isinstance(removed, list) else set()
    left = {
        way: {name: value for name, value in table.items() if name.lower() not in names}
        if isinstance(table, dict)
        else table
        for way, table in fields.items()
    }
    return {way: table for way, table in left.items() if table != {}}


def merge(one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    """``two`` goes before; tables become one, lists follow each other; of two ``allow`` both have to hold."""
    merged = dict(one)
    for name, value in two.items():
        had = merged.get(name)
        if isinstance(had, dict) and isinstance(value, dict):
            merged[name] = merge(_without(had, value.get("remove")) if name.endswith("_headers") else had, value)
        elif name == "allow" and had is not None and had != value:
            merged[name] = list(networks(tuple(had), tuple(value)) or ())
            if not merged[name]:
                raise Inexpressible("two lists of clients that have nothing in common")
        elif isinstance(had, list) and isinstance(value, list):
            merged[name] = [*had, *(each for each in value if each not in had)]
        else:
            merged[name] = value
    return merged
