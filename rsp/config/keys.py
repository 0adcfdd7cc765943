"""Keys that the schema does not have, all of those of a declaration at once."""

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any, Final

import msgspec

from rsp.config.errors import Path

_HIDDEN: Final = ("at",)  # fields that are no keys


def types(annotation: Any) -> list[type]:
    """All classes that occur in an annotation."""
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return [annotation]
    return [kind for part in getattr(annotation, "__args__", ()) for kind in types(part)]


def struct_at(wanted: Any, path: Path) -> type[msgspec.Struct]:
    """The struct that ``path`` leads into."""
    found: type[msgspec.Struct] = wanted
    for step in path:
        for field in msgspec.structs.fields(found):
            if field.name == step:
                inner = next((kind for kind in types(field.type) if issubclass(kind, msgspec.Struct)), None)
                found = inner or found
    return found


@cache  # msgspec evaluates all annotations each time, which takes 0.5 ms for a route
def _keys(wanted: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct] | None]:
    """Those of a struct, and the struct that each leads into."""
    fields = [field for field in msgspec.structs.fields(wanted) if field.name not in _HIDDEN]
    return {
        field.encode_name: next((kind for kind in types(field.type) if issubclass(kind, msgspec.Struct)), None)
        for field in fields
    }


def unknown(wanted: type, value: Any, path: Path = ()) -> Iterator[Path]:
    """Paths of the keys in ``value`` that the struct ``wanted``, and those within it, do not have."""
    if not isinstance(value, dict) or not issubclass(wanted, msgspec.Struct):
        return
    known = _keys(wanted)
    for key, item in value.items():
        if key not in known:
            yield (*path, key)
            continue
        inner = known[key]
        if inner is not None:
            yield from unknown(inner, item, (*path, key))
            for index, member in enumerate(item if isinstance(item, list) else ()):
                yield from unknown(inner, member, (*path, key, index))


def without(value: Any, paths: list[Path]) -> Any:
    """A copy of ``value`` that lacks what is at ``paths``."""
    copy = deepcopy(value)
    for path in paths:
        parent = copy
        for step in path[:-1]:
            parent = parent[step]
        del parent[path[-1]]
    return copy
