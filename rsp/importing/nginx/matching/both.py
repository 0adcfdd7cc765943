"""An expression inside of an expression: one of RE2 for the paths that both match.

What is written is a guess that a reader would make (one, then the other; or where they overlap), and it is compared
with what the two match: for all paths, by their automata.  A guess that is not exactly that is not written.
"""

import re
from collections.abc import Iterator
from itertools import islice
from re import _constants as kinds  # type: ignore[attr-defined]
from typing import Any, Final

from msgspec import Struct

from rsp.importing.automata import Automaton, Items, TooMuch, apart, automaton, covers, parsed, remembered, same
from rsp.importing.nginx.matching.inside import UNREACHED, written
from rsp.importing.nginx.values.variables import Unsayable

_MOST: Final = 150  # pairs of alternatives
_LONG: Final = 8  # alternatives of the result
_FEW: Final = 3  # items of an expression that the one before it may have already
_TOO_MUCH: Final = "rsp import does not know which paths both match, this expression and the one around it"
_NONE: Final = f"{UNREACHED}the expression around it matches is for this one"
_ANYTHING: Final = ((kinds.MAX_REPEAT, (0, kinds.MAXREPEAT, [(kinds.ANY, None)])),)


class Expression(Struct, frozen=True):
    """``said``: of RE2.  ``has_groups``: those of the innermost expression."""

    said: str
    ignores_case: bool
    has_groups: bool = True


class _Way(Struct):
    """An alternative: ``^`` and ``$`` stand at its ends alone."""

    starts: bool
    items: Items
    ends: bool


def both(outer: Expression, inner: Expression) -> Expression:
    """Raises :class:`Unsayable`."""
    try:
        return _both(outer, inner)
    except TooMuch:
        raise Unsayable(_TOO_MUCH) from None


@remembered
def _both(outer: Expression, inner: Expression) -> Expression:
    trees = [parsed(each.said) for each in (outer, inner)]
    pair = [automaton(each.said, ignores_case=each.ignores_case) for each in (outer, inner)]
    if apart(*pair):
        raise Unsayable(_NONE)
    if same(lambda found: found[0] or not found[1], pair):
        return inner
    if same(lambda found: found[1] or not found[0], pair):
        return Expression(outer.said, outer.ignores_case, has_groups=False)
    is_same_case = outer.ignores_case == inner.ignores_case
    if not all(map(_has_letters, (outer, inner))):
        is_same_case = True
    ignores_case = is_same_case and any(each.ignores_case for each in (outer, inner))
    flags = [one.ignores_case and not is_same_case for one in (outer, inner)]
    for every in (False, True):
        ways = [[*_ways(tree, is_flagged, every=every)] for tree, is_flagged in zip(trees, flags, strict=True)]
        ways = [[way for way in each if _is_common(way, pair, ignores_case)] for each in ways] if every else ways
        if len(ways[0]) * len(ways[1]) > _MOST:
            break
        said = _found(
            [guess for one in ways[0] for other in ways[1] for guess in _guesses(one, other)], pair, ignores_case
        )
        if said:
            return Expression(said, ignores_case, has_groups=False)
    raise TooMuch


def _has_letters(expression: Expression) -> bool:
    return re.search("[A-Za-z]", re.sub(r"\\[A-Za-z]", "", expression.said)) is not None


def _found(guesses: list[str], pair: list[Automaton], ignores_case: bool) -> str:
    """Those of ``guesses`` that together match what both of ``pair`` do; empty: they do not."""
    kept: list[str] = []
    together: list[Automaton] = []
    for guess in dict.fromkeys(guesses):
        said = automaton(guess, ignores_case=ignores_case)
        is_right = same(lambda found: all(found[:2]) or not found[2], [*pair, said])
        if is_right and not same(lambda found: any(found[:-1]) or not found[-1], [*together, said]):
            kept.append(guess)
            together.append(said)
            if len(kept) > _LONG:
                raise TooMuch
    if not covers(pair[0], pair[1], *together):
        return ""
    for number in reversed(range(len(kept))):  # those of which others have all
        rest = [*together[:number], *together[number + 1 :]]
        if rest and same(lambda found: any(found[1:]) or not found[0], [together[number], *rest]):
            del kept[number], together[number]
    return "|".join(kept)


def _is_common(way: _Way, pair: list[Automaton], ignores_case: bool) -> bool:
    """Whether it has paths that both of ``pair`` have."""
    said = automaton(_written(way.starts, way.items, way.ends), ignores_case=ignores_case)
    return not apart(*pair, said)


def _guesses(one: _Way, other: _Way) -> Iterator[str]:
    """What both may be found in, the plainest first."""
    yield _written(other.starts, other.items, other.ends)
    yield _written(one.starts, one.items, one.ends)
    pairs = ((one, other), (other, one))
    for before, behind in pairs:
        if not before.ends and not behind.starts:
            yield _written(before.starts, [*before.items, *_ANYTHING, *behind.items], behind.ends)
    for before, behind in pairs:
        if before.ends <= behind.ends and not behind.starts:  # the end of one is the beginning of the other
            for number in range(1, len(before.items)):
                yield _written(before.starts, [*before.items[:-number], *behind.items], behind.ends)
        if not before.ends and behind.starts <= before.starts:
            for number in range(1, min(len(behind.items), _FEW)):  # or has more than this
                yield _written(before.starts, [*before.items, *_ANYTHING, *behind.items[number:]], behind.ends)
        if not behind.starts and not behind.ends:  # one stands inside of the other
            for number, each in enumerate(before.items):
                if _is_anything(each):
                    items = [*before.items[:number], each, *behind.items, *before.items[number:]]
                    yield _written(before.starts, items, before.ends)


def _written(starts: bool, items: Items, ends: bool) -> str:
    return f"{'^' if starts else ''}{written(items)}{'$' if ends else ''}"


def _ways(items: Items, is_flagged: bool, *, every: bool) -> Iterator[_Way]:
    """``is_flagged``: it ignores case, and says so itself; ``every``: all groups become alternatives.

    Raises :class:`TooMuch`.
    """
    for each in islice(_spread(items, every=every), _MOST + 1):
        starts, ends = each[:1] == [(kinds.AT, kinds.AT_BEGINNING)], each[-1:] == [(kinds.AT, kinds.AT_END)]
        inner = each[starts : len(each) - ends]
        if any(kind is kinds.AT and value in (kinds.AT_BEGINNING, kinds.AT_END) for kind, value in inner):
            raise TooMuch
        if starts and inner and _is_anything(inner[0]):  # ^.*x is found where x is
            starts, inner = False, [*_least(inner[0]), *inner[1:]]
        if ends and inner and _is_anything(inner[-1]):
            ends, inner = False, [*inner[:-1], *_least(inner[-1])]
        said = [(kinds.SUBPATTERN, (None, re.IGNORECASE, 0, [one])) if _has_case(one) else one for one in inner]
        yield _Way(starts, _joined(said) if is_flagged else inner, ends)


def _joined(items: Items) -> Items:
    """Neighbours that ignore case in one group."""
    found: list[Any] = []
    for kind, value in items:
        if kind is kinds.SUBPATTERN and value[1] and found and found[-1][0] is kinds.SUBPATTERN and found[-1][1][1]:
            found[-1] = (kind, (None, re.IGNORECASE, 0, [*found[-1][1][3], *value[3]]))
        else:
            found.append((kind, value))
    return found


def _has_case(item: Any) -> bool:
    return re.search("[A-Za-z]", re.sub(r"\\[A-Za-z]", "", written([item]))) is not None


def _is_anything(item: Any) -> bool:
    kind, value = item
    if kind is kinds.SUBPATTERN and not value[1] and not value[2] and len(value[3]) == 1:
        return _is_anything(value[3][0])
    return (
        kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT)
        and value[0] <= 1
        and value[1] == kinds.MAXREPEAT
        and [*value[2]] == [(kinds.ANY, None)]
    )


def _least(item: Any) -> Items:
    """What has to be there of ``.*`` (nothing) or ``.+`` (a letter)."""
    kind, value = item
    return _least(value[3][0]) if kind is kinds.SUBPATTERN else [(kinds.ANY, None)] * value[0]


def _spread(items: Items, *, every: bool) -> Iterator[list[Any]]:
    """Groups with ``^`` or ``$`` in them become alternatives of the whole."""
    if not items:
        yield []
        return
    (kind, value), *rest = items
    if kind is kinds.SUBPATTERN and not value[1] and not value[2] and (every or _has_ends(value[3])):
        yield from _spread([*value[3], *rest], every=every)
    elif kind is kinds.BRANCH and (every or any(_has_ends(each) for each in value[1])):
        for each in value[1]:
            yield from _spread([*each, *rest], every=every)
    else:
        for behind in _spread(rest, every=every):
            yield [(kind, value), *behind]


def _has_ends(items: Items) -> bool:
    for kind, value in items:
        if kind is kinds.AT and value in (kinds.AT_BEGINNING, kinds.AT_END):
            return True
        if kind is kinds.SUBPATTERN and _has_ends(value[3]):
            return True
        if kind is kinds.BRANCH and any(_has_ends(each) for each in value[1]):
            return True
    return False
