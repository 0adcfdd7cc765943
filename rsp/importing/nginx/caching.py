"""Caches of responses, which rsp does not have: what the note at their place says."""

from collections.abc import Sequence
from typing import Final

from rsp.importing.nginx.tree import Statement

_CACHES: Final = ("proxy_cache", "fastcgi_cache", "uwsgi_cache", "scgi_cache")
_STALE: Final = "_use_stale"


def note(statement: Statement, block: Sequence[Statement]) -> str | None:
    """Of a cache that a block uses; empty: the note of that says it; ``None``: it is no part of one."""
    used = next((each for each in block if each.name in _CACHES and each.value != "off"), None)
    if used is None or not statement.name.startswith(used.name):
        return None
    if statement is not used:
        return ""
    of_it = [each.origin for each in block if each.name.startswith(used.name)]
    lines = [origin.line for origin in of_it if origin.file == used.origin.file]
    where = f"line {lines[0]}" if len(lines) == 1 else f"lines {min(lines)} to {max(lines)}"
    said = f"rsp has no response cache ({where}): each request of this place goes to the peer"
    if any(each.name.endswith(_STALE) for each in block):
        said += f"; what {used.name}{_STALE} answers while peers fail is lost, and clients get the error"
    return said
