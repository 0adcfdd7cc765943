"""Names of Lua: a function has at most 200 local variables, and an inner one uses at most 60 of an outer one.

Where a site has more, such as a list of 300 redirects with an expression each, they are fields of one table.
"""

import re
from collections.abc import Iterable
from typing import Final

_MOST: Final = 150  # with room for what a user adds
_MOST_USED: Final = 50
_DEFINED: Final = re.compile(r"^local (?:function )?([A-Za-z_][A-Za-z0-9_]*)(?= =|\()", re.MULTILINE)
_TOKEN: Final = re.compile(
    r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\[(=*)\[.*?\]\1\]|--[^\n]*|(?P<name>(?<![.:])\b[A-Za-z_][A-Za-z0-9_]*)""",
    re.DOTALL,
)
TABLE: Final = "own"


def crowd(texts: Iterable[str]) -> frozenset[str]:
    """The variables of ``texts``, parts of one file, that are to be fields of :data:`TABLE`; none: they fit."""
    parts = list(texts)
    defined = frozenset(name for text in parts for name in _DEFINED.findall(text))
    if len(defined) > _MOST or any(len(_used(text) & defined) > _MOST_USED for text in parts):
        return defined
    return frozenset()


def _used(text: str) -> set[str]:
    return {match["name"] for match in _TOKEN.finditer(text)}


def as_fields(text: str, names: frozenset[str]) -> str:
    """``text`` with ``names`` as fields of :data:`TABLE`; it has as many lines as before."""

    def field(match: re.Match[str]) -> str:
        return f"{TABLE}.{match[0]}" if match["name"] in names else match[0]

    def global_again(match: re.Match[str]) -> str:
        return match[0].removeprefix("local ") if match[1] in names else match[0]

    return _TOKEN.sub(field, _DEFINED.sub(global_again, text))
