"""What msgspec finds wrong with a value, in the words of a user who writes Lua."""

import re
from typing import Any

import msgspec

from rsp.config import keys
from rsp.config.errors import Path, suggest
from rsp.config.units import show
from rsp.config.upstreams import Upstream
from rsp.config.words import hint

_MISSING = re.compile(r"Object missing required field `(.*)`")
_EXPECTED = re.compile(r"Expected `(.*)`, got `(.*)`")
_BOUND = re.compile(r"Expected `(\w+)` ([<>]=?) (\S+)")
_PLACE = re.compile(r" - at `(?:key in )?\$(.*)`$")
_IN_WORDS = {
    "int": "a whole number", "float": "a number", "str": "a string", "array": "a list", "object": "a table",
    "bool": "true or false", "null": "nil",
}  # fmt: skip


def mistake(error: msgspec.ValidationError, wanted: type, value: Any) -> tuple[str, Path]:
    """What is wrong with ``value``, which is not a ``wanted``, and the path that it is about."""
    text = str(error)
    place = _PLACE.search(text)
    path = _parse_path(place[1]) if place else ()
    return _in_words(without_place(error), path, wanted, value)


def without_place(error: msgspec.ValidationError) -> str:
    return _PLACE.sub("", str(error))


def unknown_key(wanted: type, path: Path) -> str:
    """What to say of the key at ``path``, which ``wanted`` does not have."""
    struct, key = _struct_at(wanted, path[:-1]), path[-1]
    if str(key).startswith("["):
        return f"item {key} is one too many"
    own = [name for name in struct.__struct_fields__ if name != "name" or struct is not Upstream]
    return f'unknown key "{key}"{hint(str(key), own)}'


def _parse_path(text: str) -> Path:
    """msgspec's ``.peers[1].weight`` as ``("peers", 1, "weight")``; the value of a map's key is ``"..."``."""
    steps = re.findall(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]", text)
    return tuple(int(index) if index.isdigit() else key or index for key, index in steps)


def _struct_at(wanted: Any, path: Path) -> type[msgspec.Struct]:
    """The struct that ``path`` leads into."""
    found: type[msgspec.Struct] = wanted
    for step in path:
        for field in msgspec.structs.fields(found):
            if field.name == step:
                inner = next((kind for kind in keys.types(field.type) if issubclass(kind, msgspec.Struct)), None)
                found = inner or found
    return found


def _literals(annotation: Any) -> list[str | int]:
    parts = getattr(annotation, "__args__", ())
    own = [part for part in parts if isinstance(part, str | int)]
    return own + [item for part in parts for item in _literals(part)]


def _in_words(text: str, path: Path, wanted: Any, value: Any) -> tuple[str, Path]:
    """msgspec's message in the words of a user who writes Lua, and the path that it is about."""
    if match := _MISSING.fullmatch(text):
        return f'missing "{match[1]}"', path
    if match := _EXPECTED.fullmatch(text):
        expected = " or ".join(_IN_WORDS.get(name.strip(), name.strip()) for name in match[1].split("|"))
        got = _value_at(value, path)
        return (
            f"expected {expected}, got {show(got) if got is not None else _IN_WORDS.get(match[2], match[2])}",
            path,
        )
    if match := _BOUND.fullmatch(text):
        bound = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}[match[2]]
        return (
            f"expected {_IN_WORDS.get(match[1], match[1])} of {bound} {match[3]}, got {show(_value_at(value, path))}",
            path,
        )
    if text.startswith("Expected `array` of length"):
        return 'no peers: expected addresses such as "127.0.0.1:8000"', ()
    if text.startswith("Expected `str` matching"):
        return f'expected a path that begins with "/", got {show(_value_at(value, path))}', path
    if text.startswith("Expected `str` of length"):
        return "expected a string that is not empty", path
    if text.startswith("Invalid enum value") and path:
        named = max(index for index, step in enumerate(path) if isinstance(step, str))
        parent = _struct_at(wanted, path[:named])
        field = next(field for field in msgspec.structs.fields(parent) if field.name == path[named])
        choices = _literals(field.type)
        got = _value_at(value, path)
        *more, last = map(show, choices)
        wanted_words = f"{', '.join(more)} or {last}" if more else last
        return f"expected {wanted_words}, got {show(got)}{suggest(str(got), map(str, choices))}", path
    return text[:1].lower() + text[1:] if text[:1].isupper() else text, path


def _value_at(value: Any, path: Path) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value
