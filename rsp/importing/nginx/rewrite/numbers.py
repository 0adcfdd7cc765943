"""Groups by number: nginx forgets them with each expression that it tries, whether it has groups, and matches, or not.

``location ~ ^/x/(.*)$ { if ($http_origin ~ ^https) { ... } proxy_pass http://app/$1; }`` asks for ``/``.  Groups with
names stay.
"""

from typing import Final

from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.maps import named_groups
from rsp.importing.nginx.values.variables import Names

_NUMBERS: Final = frozenset(map(str, range(1, 10)))
_FORGOTTEN: Final = "no numbers"  # among the names of groups
_LEAVING: Final = ("last", "redirect", "permanent")


def without(captures: frozenset[str]) -> frozenset[str]:
    """Behind an expression without groups, or one that did not match: the numbers are empty."""
    return (captures - _NUMBERS) | {_FORGOTTEN}


def constants(captures: frozenset[str]) -> dict[str, str]:
    """What numbers are empty."""
    return dict.fromkeys(_NUMBERS - captures, "") if _FORGOTTEN in captures else {}


def behind(captures: frozenset[str], block: list[Statement]) -> frozenset[str]:
    """What is left of ``captures`` where these statements have been passed.

    Numbers that depend on whether an expression has matched are not among them, nor known to be empty.
    """
    for statement in block:
        if statement.name in ("return", "break"):
            break
        expression = _tried(statement)
        if statement.name == "rewrite" and expression is not None:
            stays = statement.args[2:3] == [] or statement.args[2] not in _LEAVING
            captures = _unknown(captures) if stays and _has_groups(expression) else without(captures)
        elif statement.name == "if":
            captures = _behind_if(captures, statement, expression)
    return captures


def _behind_if(captures: frozenset[str], statement: Statement, expression: str | None) -> frozenset[str]:
    inside, past = captures, captures
    if expression is not None:
        matched = _unknown(captures) if _has_groups(expression) else without(captures)
        inside, past = matched, without(captures)
        if "!" in _operator(statement):
            inside, past = past, inside
    block = statement.block or []
    if any(each.name == "return" for each in block):
        return past
    inside = behind(inside, block)
    return past if inside == past else _unknown(captures)


def _unknown(captures: frozenset[str]) -> frozenset[str]:
    return captures - _NUMBERS - {_FORGOTTEN}


def _has_groups(expression: str) -> bool:
    return any(name.isdigit() for name in named_groups(expression))


def left(names: Names, block: list[Statement]) -> Names:
    """What is known behind these statements of a location."""
    captures = behind(names.captures, block)
    if captures == names.captures or not names.captures & _NUMBERS:
        return names
    known = {**names.constants, **constants(captures)}
    return Names(known, names.functions, captures, names.has_response, names.has_groups, names.is_rewritten)


def _tried(statement: Statement) -> str | None:
    """The expression of a statement, perhaps with a parenthesis behind it."""
    if statement.name == "rewrite":
        return statement.args[0]
    words = [word for word in statement.args if word != ")"]
    return words[-1] if statement.name == "if" and "~" in _operator(statement) else None


def _operator(statement: Statement) -> str:
    return next((word for word in statement.args if word in ("~", "~*", "!~", "!~*")), "")
