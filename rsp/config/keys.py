"""Keys that the schema does not have, all of those of a declaration at once."""

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from types import UnionType
from typing import Any, Final, Union

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


def with_lists(wanted: Any, value: Any) -> Any:
    """``value``, in which a table without anything is a list where ``wanted``, an annotation, takes a list.

    In Lua both are ``{}``.  A table is meant where it would lack a key: the message names it.
    """
    parts = parts_of(wanted)
    struct = next((part for part in parts if isinstance(part, type) and issubclass(part, msgspec.Struct)), None)
    fields = _fields(struct) if struct is not None else {}
    origins = {getattr(part, "__origin__", None): part for part in parts}
    if value == {}:
        is_list = tuple in origins and not any(is_required for _, is_required in fields.values())
        return [] if is_list else value
    if isinstance(value, list) and tuple in origins:
        return [with_lists(origins[tuple].__args__[0], item) for item in value]
    if isinstance(value, dict) and fields:
        return {key: with_lists(fields.get(key, (None,))[0], item) for key, item in value.items()}
    if isinstance(value, dict) and dict in origins:
        return {key: with_lists(origins[dict].__args__[1], item) for key, item in value.items()}
    return value


@cache
def _fields(struct: type[msgspec.Struct]) -> dict[str, tuple[Any, bool]]:
    """The annotation of each, and whether it is required."""
    return {field.encode_name: (field.type, field.required) for field in msgspec.structs.fields(struct)}


def parts_of(annotation: Any) -> list[Any]:
    """What it is a union of."""
    if getattr(annotation, "__metadata__", None):
        return parts_of(annotation.__origin__)
    if getattr(annotation, "__origin__", None) is Union or isinstance(annotation, UnionType):
        return [found for part in annotation.__args__ for found in parts_of(part)]
    return [annotation]


def without(value: Any, paths: list[Path]) -> Any:
    """A copy of ``value`` that lacks what is at ``paths``."""
    copy = deepcopy(value)
    for path in paths:
        parent = copy
        for step in path[:-1]:
            parent = parent[step]
        del parent[path[-1]]
    return copy
