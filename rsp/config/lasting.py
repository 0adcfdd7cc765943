"""Settings that are in force from the start of an instance to its end: a reload does not change them.

They are about what the master does once (sockets, files, shared memory) or what a process cannot take back (rights).
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from rsp.config.schema import Config, Settings

_LASTING: Final = (("admin",), ("pid_file",), ("user",), ("group",), ("lua", "shared"))


def given(settings: Settings) -> Iterator[tuple[str, ...]]:
    """Those that the configuration has, by their paths."""
    return (path for path in _LASTING if _value(settings, path) != _value(Settings(), path))


def place(path: tuple[str, ...]) -> str:
    """The key of ``Config.places`` for it."""
    return f"setting {'.'.join(path)}"


def kept(before: Config, after: Config, file: str) -> tuple[Config, list[str]]:
    """``after``, with these settings as they are in ``before``; and a line for each that would change."""
    settings, lines = after.settings, []
    for path in _LASTING:
        value = _value(before.settings, path)
        if value != _value(after.settings, path):
            settings = _with(settings, path, value)
            at = after.places.get(place(path), file)
            lines.append(f"{at}: {'.'.join(path)}: a reload does not change this; upgrade or restart rsp")
    return msgspec.structs.replace(after, settings=settings), lines


def _value(settings: Settings, path: tuple[str, ...]) -> object:
    found: Any = settings
    for key in path:
        found = getattr(found, key)
    return found


def _with(owner: Any, path: tuple[str, ...], value: object) -> Any:
    """``owner`` with ``value`` at ``path``."""
    key, rest = path[0], path[1:]
    return msgspec.structs.replace(owner, **{key: _with(getattr(owner, key), rest, value) if rest else value})
