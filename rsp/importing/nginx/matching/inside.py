"""Expressions inside of a prefix: one of RE2 for the paths that begin with the prefix and that the expression matches.

nginx tries such an expression on the whole path, wherever it matches; the prefix is compared as it is written.  So what
an expression has left to match behind the prefix is found here, for each place of the prefix where it may begin.
"""

import re
from collections.abc import Iterator
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

from rsp.importing.automata import Items
from rsp.importing.nginx.values.variables import Unsayable

_MOST: Final = 20  # ways on which an expression may go on behind a prefix
UNREACHED: Final = "no path that "  # what a reason begins with where a location has no paths
_TOO_MUCH: Final = "rsp import does not understand this expression inside of a prefix"
_CLASSES: Final = {
    kinds.CATEGORY_DIGIT: r"\d", kinds.CATEGORY_NOT_DIGIT: r"\D", kinds.CATEGORY_SPACE: r"\s",
    kinds.CATEGORY_NOT_SPACE: r"\S", kinds.CATEGORY_WORD: r"\w", kinds.CATEGORY_NOT_WORD: r"\W",
}  # fmt: skip
_SPOTS: Final = {kinds.AT_END: "$", kinds.AT_BOUNDARY: r"\b", kinds.AT_NON_BOUNDARY: r"\B"}


def within(prefix: str, expression: str, *, ignores_case: bool) -> tuple[str, bool]:
    """The expression, and whether it has the groups of ``expression``.  Raises :class:`Unsayable`.

    ``prefix``: a path; ``expression``: of RE2.
    """
    start = re.escape(prefix)
    is_anchored = expression.startswith("^") and not _has_branches(expression)
    if is_anchored and not ignores_case and any(expression.startswith(f"^{each}") for each in (prefix, start)):
        return expression, True
    try:
        tree = list(parser.parse(expression, re.IGNORECASE if ignores_case else 0))
    except (re.error, OverflowError, RecursionError):
        raise Unsayable(_TOO_MUCH) from None
    found: set[str] = set()
    for number in range(len(prefix)):
        for items in _behind(tree, prefix[number:], ignores_case, is_start=number == 0):
            if items is None:
                return f"^{start}", False
            found.add(written(items))
            if len(found) > _MOST:
                raise Unsayable(_TOO_MUCH)
    parts = [] if is_anchored else [_anywhere(expression)]
    said = "|".join([*parts, *sorted(found)])
    if not said:
        raise Unsayable(f"{UNREACHED}begins with the prefix around it matches this expression")
    if ignores_case:
        return f"^{start}(?i:{said})", not found
    return f"^{start}{f'(?:{said})' if found and '|' in said else said}", not found


def _anywhere(expression: str) -> str:
    lazily = ".*?" if "(" in expression else ".*"  # groups are those of the first match
    return f"{lazily}(?:{expression})" if _has_branches(expression) else f"{lazily}{expression}"


def _has_branches(expression: str) -> bool:
    """Whether a ``|`` stands outside of all parentheses."""
    depth = 0
    for letter in re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]])*\]", "", expression):
        depth += (letter == "(") - (letter == ")")
        if letter == "|" and depth == 0:
            return True
    return False


def _behind(items: Items, text: str, ignores_case: bool, *, is_start: bool) -> Iterator[Items | None]:
    """What is left of ``items`` once they have matched all of ``text``; ``None``: nothing.  Raises :class:`Unsayable`.

    ``is_start``: the text is that of the beginning of a path.
    """
    if not items:
        yield None
        return
    if not text:
        yield items
        return
    (kind, value), *rest = items
    if kind in (kinds.LITERAL, kinds.NOT_LITERAL, kinds.ANY, kinds.IN):
        if re.fullmatch(written([items[0]]), text[0], re.IGNORECASE if ignores_case else 0):
            yield from _behind(rest, text[1:], ignores_case, is_start=False)
    elif kind is kinds.SUBPATTERN and not value[1] and not value[2]:
        yield from _behind([*value[3], *rest], text, ignores_case, is_start=is_start)
    elif kind is kinds.BRANCH:
        for each in value[1]:
            yield from _behind([*each, *rest], text, ignores_case, is_start=is_start)
    elif kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT) and value[2].getwidth()[0]:
        least, most, inner = value
        if not least:
            yield from _behind(rest, text, ignores_case, is_start=is_start)
        if most:
            more = (kind, (max(least - 1, 0), most if most == kinds.MAXREPEAT else most - 1, inner))
            yield from _behind([*inner, more, *rest], text, ignores_case, is_start=is_start)
    elif kind is kinds.AT and value is kinds.AT_BEGINNING:
        if is_start:
            yield from _behind(rest, text, ignores_case, is_start=True)
    elif not (kind is kinds.AT and value is kinds.AT_END):
        raise Unsayable(_TOO_MUCH)


def written(items: Items) -> str:
    """As an expression without groups.  Raises :class:`Unsayable`."""
    return "".join(_item(kind, value) for kind, value in items)


def _item(kind: object, value: Any) -> str:
    if kind is kinds.LITERAL:
        return re.escape(chr(value)).replace(r"\-", "-")
    if kind is kinds.NOT_LITERAL:
        return f"[^{_in_set(chr(value))}]"
    if kind is kinds.ANY:
        return "."
    if kind is kinds.IN:
        if len(value) == 1 and value[0][0] is kinds.CATEGORY:
            return _member(*value[0])
        return f"[{''.join(_member(*each) for each in value)}]"
    if kind is kinds.AT and value in _SPOTS:
        return _SPOTS[value]
    if kind is kinds.BRANCH:
        return f"(?:{'|'.join(written(each) for each in value[1])})"
    if kind is kinds.SUBPATTERN and value[1] in (0, re.IGNORECASE) and not value[2]:
        inner, flag = written(value[3]), "i" if value[1] else ""
        if len(value[3]) == 1 and inner.startswith("(?:") and value[3][0][0] in (kinds.BRANCH, kinds.SUBPATTERN):
            inner = inner[3:-1]  # one group is enough
        return f"(?{flag}:{inner})"
    if kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT):
        least, most, inner = value
        said = written(inner)
        is_one = len(inner) == 1 and inner[0][0] in (kinds.LITERAL, kinds.ANY, kinds.IN, kinds.NOT_LITERAL)
        end = "" if most == kinds.MAXREPEAT else str(most)
        count = {(0, ""): "*", (1, ""): "+", (0, "1"): "?"}.get((least, end), f"{{{least},{end}}}")
        return f"{said if is_one else f'(?:{said})'}{count}{'?' if kind is kinds.MIN_REPEAT else ''}"
    raise Unsayable(_TOO_MUCH)


def _member(kind: object, value: Any) -> str:
    if kind is kinds.NEGATE:
        return "^"
    if kind is kinds.LITERAL:
        return _in_set(chr(value))
    if kind is kinds.RANGE:
        return f"{_in_set(chr(value[0]))}-{_in_set(chr(value[1]))}"
    return _CLASSES[value]


def _in_set(letter: str) -> str:
    return f"\\{letter}" if letter in r"\]^-[" else letter
