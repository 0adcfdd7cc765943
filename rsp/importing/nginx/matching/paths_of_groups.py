"""``/$1/index.html`` behind ``location ~ ^/(en|fr)/``: which paths that can be, and which locations may have them."""

import re
from typing import Final

from rsp.importing.automata import Automaton, TooMuch, apart, automaton
from rsp.importing.nginx.matching.servers import Location
from rsp.importing.nginx.values.variables import Unsayable, pieces

_STARTS: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?!\?)|\(\?P?<(\w+)>|\(\?[:=!i]|\)", re.DOTALL)


def may_have(path: str, source: Location, other: Location) -> bool:
    """Whether ``other`` may match ``path``, which has groups of the expression of ``source``."""
    try:
        return not apart(automaton(_expression(path, source)), _of_location(other))
    except (Unsayable, TooMuch):
        return True


def _of_location(location: Location) -> Automaton:
    if location.is_regex:
        searched = location.searched
        return automaton(searched.said, ignores_case=searched.ignores_case)
    return automaton(f"^{re.escape(location.path)}{'$' if location.modifier == '=' else ''}")


def _expression(path: str, source: Location) -> str:
    groups = _groups(source.path)
    found = "^"
    for literal, name in pieces(path):
        found += re.escape(literal) + (f"(?:{groups.get(name, '.*')})" if name else "")
    return f"{found}$"


def _groups(expression: str) -> dict[str, str]:
    """What groups may have, by number and name; those with others in them have anything."""
    found: dict[str, str] = {}
    open_groups: list[tuple[list[str], int]] = []
    number = 0
    for match in _STARTS.finditer(expression):
        if match[0] == ")" and open_groups:
            names, start = open_groups.pop()
            inner = expression[start : match.start()]
            found.update(dict.fromkeys(names, inner if "(" not in inner and "\\" not in inner else ".*"))
        elif match[0].startswith("("):
            names = []
            if match[0] == "(" or match[1]:
                number += 1
                names = [str(number), *([match[1]] if match[1] else [])]
            open_groups.append((names, match.end()))
    return found
