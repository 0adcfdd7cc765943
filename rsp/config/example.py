"""An example of a key's value, for messages: out of the key's description in the schema, or made of its type."""

import re
from typing import Any, Final, Literal

import msgspec
from msgspec import Meta

from rsp.config.cpus import CpuSet
from rsp.config.keys import parts_of
from rsp.config.units import Duration, Listen, Network, Peer, Size, show

_CODE: Final = re.compile(r"`([^`]+)`")
_DEEPEST: Final = 2  # tables in tables
_OF_TYPES: Final[dict[Any, str]] = {
    Duration: '"5s"', Size: '"64KB"', Network: '"10.0.0.0/8"', Peer: '"127.0.0.1:8000"', Listen: '"0.0.0.0:8080"',
    CpuSet: '"0"', bool: "true",
}  # fmt: skip


def example(field: msgspec.structs.FieldInfo, depth: int = 0) -> str:
    """``{ "10.0.0.0/8" }``; empty: there is none."""
    parts = parts_of(field.type)
    described = "".join(_descriptions(field.type))
    return next((code for code in _CODE.findall(described) if _fits(code, parts)), "") or _made(parts, field, depth)


def _descriptions(annotation: Any) -> list[str]:
    metas = [each for each in getattr(annotation, "__metadata__", ()) if isinstance(each, Meta)]
    return [meta.description for meta in metas if meta.description]


def _fits(code: str, parts: list[Any]) -> bool:
    """Whether it can be a value of one of these types; a test loads all."""
    if code[0] == "{":
        return code[-1] == "}" and "..." not in code and any(_is_table(part) for part in parts)
    if code[0] == '"':
        return len(code) > 2 and any(part is str for part in parts) and code.count('"') == 2
    return False


def _is_table(part: Any) -> bool:
    return _struct(part) is not None or getattr(part, "__origin__", None) in (tuple, dict)


def _struct(part: Any) -> type[msgspec.Struct] | None:
    return part if isinstance(part, type) and issubclass(part, msgspec.Struct) else None


def _made(parts: list[Any], field: msgspec.structs.FieldInfo | None, depth: int) -> str:
    """Of the types alone: ``true`` if that is all that is needed, then tables, whose form is the hardest to guess."""
    default = field.default if field is not None else None
    for part in sorted(parts, key=lambda each: 0 if each is bool else 1 if _is_table(each) else 2):
        origin = getattr(part, "__origin__", None)
        if origin is Literal:
            found = show(part.__args__[0])
        elif part in _OF_TYPES:
            found = _OF_TYPES[part]
        elif part in (int, float):
            found = (
                str(default) if isinstance(default, int | float) and not isinstance(default, bool) else _number(field)
            )
        elif depth >= _DEEPEST:
            found = ""
        elif struct := _struct(part):
            found = _table(struct, depth + 1)
        elif origin is tuple:
            found = f"{{ {item} }}" if (item := _made(parts_of(part.__args__[0]), None, depth + 1)) else ""
        elif origin is dict:
            found = f"{{ name = {item} }}" if (item := _made(parts_of(part.__args__[1]), None, depth + 1)) else ""
        else:
            found = ""
        if found:
            return found
    return ""


def _number(field: msgspec.structs.FieldInfo | None) -> str:
    """One that is large enough."""
    return str(max(10, *_bounds(field.type))) if field is not None else "10"


def _bounds(annotation: Any) -> list[int]:
    own = [meta.ge for meta in getattr(annotation, "__metadata__", ()) if isinstance(getattr(meta, "ge", None), int)]
    inner = [getattr(annotation, "__origin__", None), *getattr(annotation, "__args__", ())]
    return [0, *own, *(bound for part in inner if part is not None for bound in _bounds(part))]


def _table(struct: type[msgspec.Struct], depth: int) -> str:
    """With the keys that it needs; if it needs none, with the first."""
    fields = msgspec.structs.fields(struct)
    shown = [(field, example(field, depth)) for field in fields if field.required]
    shown = shown or [(field, found) for field in fields if (found := example(field, depth))][:1]
    keys = [f"{field.encode_name} = {found}" for field, found in shown]
    return f"{{ {', '.join(keys)} }}" if shown and all(found for _, found in shown) else ""
