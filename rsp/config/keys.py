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
        inner, _ = _keys(found).get(str(step), (None, False))
        found = inner or found
    return found


@cache  # msgspec evaluates all annotations each time, which takes 0.5 ms for a route
def _keys(wanted: type[msgspec.Struct]) -> dict[str, tuple[type[msgspec.Struct] | None, bool]]:
    """Those of a struct: the struct that each leads into, and whether a name of the user's own stands before it."""
    fields = [field for field in msgspec.structs.fields(wanted) if field.name not in _HIDDEN]
    return {field.encode_name: (_inner(field.type), _is_map(field.type)) for field in fields}


def _inner(annotation: Any) -> type[msgspec.Struct] | None:
    return next((kind for kind in types(annotation) if issubclass(kind, msgspec.Struct)), None)


def _is_map(annotation: Any) -> bool:
    origin = annotation.__origin__ if getattr(annotation, "__metadata__", None) else annotation
    return getattr(origin, "__origin__", None) is dict


def unknown(wanted: type, value: Any, path: Path = ()) -> Iterator[Path]:
    """Paths of the keys in ``value`` that the struct ``wanted``, and those within it, do not have."""
    if not isinstance(value, dict) or not issubclass(wanted, msgspec.Struct):
        return
    known = _keys(wanted)
    for key, item in value.items():
        if key not in known:
            yield (*path, key)
            continue
        inner, is_map = known[key]
        if inner is not None and is_map:
            for name, member in item.items() if isinstance(item, dict) else ():
                yield from unknown(inner, member, (*path, key, name))
        elif inner is not None:
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
