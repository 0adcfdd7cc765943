"""Routes that no request reaches, because an expression before them has all of their paths."""

import re
from typing import Any, Final

from rsp.importing.site import Declaration, Part, Site

_CONDITIONS: Final = ("methods", "headers", "query", "cookies", "client")
_BEGINNING: Final = re.compile(r"\^((?:[\w/\-]|\\[.\-/])+)(?:\(?\.\*\)?\$?)?")


def leave_out(site: Site) -> None:
    """Of one host and listener; conditions of what comes later do not matter."""
    before: list[tuple[tuple[str, str], str]] = []  # host and listener, and what paths begin with
    kept: list[Part] = []
    for part in site.parts:
        if isinstance(part, Declaration) and part.word == "route":
            keys: dict[str, Any] = part.keys
            where = str(keys.get("host")), str(keys.get("listener"))
            if any(where == there and _is_below(keys, beginning) for there, beginning in before):
                continue
            match = _BEGINNING.fullmatch(str(keys.get("regex", "")))
            if match is not None and not any(name in keys for name in _CONDITIONS):
                before.append((where, match[1]))
        kept.append(part)
    site.parts = kept


def _is_below(keys: dict[str, Any], beginning: str) -> bool:
    """``exact`` and ``first`` come before expressions."""
    regex = keys.get("regex")
    if isinstance(regex, str):
        return regex.startswith(f"^{beginning}") and "|" not in regex and not _is_optional(regex[len(beginning) + 1 :])
    is_prefix = "exact" not in keys and "first" not in keys
    return is_prefix and str(keys.get("path", "/")).startswith(re.sub(r"\\(.)", r"\1", beginning))


def _is_optional(rest: str) -> bool:
    """Whether the last character of the beginning may be missing."""
    return rest[:1] in ("?", "*", "{")
