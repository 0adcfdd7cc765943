"""What one configuration changes in another, as ``diff -u`` shows it, within a bounded time."""

from difflib import unified_diff
from typing import Final

from rsp.config.dump import to_lua
from rsp.config.schema import Config

_MOST: Final = 2000  # lines that differ in one piece: beyond that, comparing takes long
_AROUND: Final = 2  # lines of context


def difference(before: Config, after: Config) -> str:
    """Its lines, without names of files; empty where nothing has changed."""
    old, new = to_lua(before).splitlines(), to_lua(after).splitlines()
    start = _alike(old, new)
    end = _alike(old[start:][::-1], new[start:][::-1])
    first, last = max(0, start - _AROUND), max(0, end - _AROUND)
    old, new = old[first : len(old) - last], new[first : len(new) - last]
    if max(len(old), len(new)) > _MOST:
        return f"More than {_MOST} lines differ."
    return "\n".join(list(unified_diff(old, new, lineterm="", n=_AROUND))[2:])


def _alike(old: list[str], new: list[str]) -> int:
    """How many lines at the beginning are the same."""
    pairs = zip(old, new, strict=False)
    return next((number for number, (one, other) in enumerate(pairs) if one != other), min(len(old), len(new)))
