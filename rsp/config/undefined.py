"""Global variables that the file reads and nothing defines: for Lua they are nil, as if the key were not there.

``tls = on`` and ``deny = all`` would say nothing at all, and let in what they should keep out.  A key that gets such a
variable, and a word that can only be meant as a value, are mistakes.  Other uses get a warning: a file may look whether
something exists.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from rsp.config import ancestor
from rsp.config.declaration import Declaration
from rsp.config.errors import Position
from rsp.config.schema import Settings

KIND: Final = "undefined"  # of a declaration
_VALUES: Final = {
    **dict.fromkeys(("True", "TRUE", "on", "On", "ON", "yes", "Yes"), "true"),
    **dict.fromkeys(("False", "FALSE", "off", "Off", "OFF", "no", "No"), 'false, or "off"'),
    **dict.fromkeys(("None", "null", "NULL"), "nil"),
}
_MISSED: Final = re.compile(r"(.*):(\d+): .*", re.DOTALL)
_MISSING: Final = re.compile(r"(.*?):(\d+): [^;]*?\bmissing \"")
_LOADED: Final = (*Settings.__struct_fields__, *ancestor.WORDS)  # "workers = workers or 4"


def found(declarations: Sequence[Declaration], sources: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Mistakes and warnings; ``sources``: the texts of the Lua files, by the name positions use."""
    mistakes, warnings = [], []
    for item in declarations:
        if item.kind != KIND or item.name in _LOADED:
            continue
        if item.name in _VALUES:
            mistakes.append(f'{item.at}: "{item.name}" is not defined; write {_VALUES[item.name]}')
        elif _is_value(item, sources):
            mistakes.append(f'{item.at}: "{item.name}" is not defined; write a string in quotes: "{item.name}"')
        else:
            warnings.append(f'{item.at}: warning: "{item.name}" is not defined, so it is nil')
    return mistakes, warnings


def in_function(at: Position, name: str) -> str:
    """A warning; ``name``: in quotes, with what to say instead."""
    return f"{at}: warning: the function fails here, because nothing defines {name}"


def without_consequences(messages: Sequence[str], missed: Sequence[str]) -> list[str]:
    """``messages`` without those that say that a key is missing that has one of the ``missed`` values: it is there."""
    left = list(messages)
    for said in missed:
        if (found := _MISSED.fullmatch(said)) is None:
            continue
        missing = [
            (int(other[2]), message)
            for message in left
            if (other := _MISSING.match(message)) and other[1] == found[1] and int(other[2]) <= int(found[2])
        ]
        if missing:
            left.remove(max(missing)[1])
    return left


def _is_value(item: Declaration, sources: Mapping[str, str]) -> bool:
    """Of a key, by itself."""
    lines = sources.get(item.at.file, "").split("\n")
    line = lines[item.at.line - 1] if 0 < item.at.line <= len(lines) else ""
    return re.search(rf"(?<!local )\b\w+\s*=\s*{re.escape(item.name)}\s*(?:[,;}}]|--|$)", line) is not None
