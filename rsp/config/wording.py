"""What msgspec finds wrong with a value, in the words of a user who writes Lua."""

import re
from typing import Any

import msgspec

from rsp.config import http2_words, keys, observe_words
from rsp.config.errors import Path, suggest
from rsp.config.instead import instead
from rsp.config.schema import HeaderRules, Route
from rsp.config.tls import Certificate
from rsp.config.tls_words import CERTIFICATE, hint_within
from rsp.config.units import show
from rsp.config.upstreams import Upstream, UpstreamPeer
from rsp.config.words import hint

_MISSING = re.compile(r"Object missing required field `(.*)`")
_EXPECTED = re.compile(r"Expected `(.*)`, got `(.*)`")
_BOUND = re.compile(r"Expected `(\w+)` ([<>]=?) (\S+)")
_PLACE = re.compile(r" - at `(?:key in )?\$(.*)`$")
# What other programs call the address of a peer.
_ADDRESSES = frozenset(("server", "host", "url", "target", "dial", "ip", "backend", "upstream", "peer", "addr", "port"))
_IN_WORDS = {
    "int": "a whole number", "float": "a number", "str": "a string", "array": "a list", "object": "a table",
    "bool": "true or false", "null": "nil",
}  # fmt: skip


def mistake(error: msgspec.ValidationError, wanted: type, value: Any) -> tuple[str, Path]:
    """What is wrong with ``value``, which is not a ``wanted``, and the path that it is about."""
    return _in_words(without_place(error), _path(error, value), wanted, value)


def spot(error: msgspec.ValidationError, value: Any) -> Path:
    """The path of what has to change in ``value`` for the next mistake to be found."""
    path = _path(error, value)
    missing = _MISSING.fullmatch(without_place(error))
    return (*path, missing[1]) if missing else path


def keys_of(wanted: type, path: Path) -> Path:
    """The keys of the schema that ``path`` leads through; the names of fields are the user's own."""
    struct = keys.struct_at(wanted, path)
    if len(path) > 1 and path[-2] in ("set", "add", "headers") and path[-2] in struct.__struct_fields__:
        return path[-2:-1]
    return path


def without_place(error: msgspec.ValidationError) -> str:
    return _PLACE.sub("", str(error))


def unknown_key(wanted: type, path: Path) -> str:
    """What to say of the key at ``path``, which ``wanted`` does not have."""
    struct, key = keys.struct_at(wanted, path[:-1]), path[-1]
    if str(key).startswith("["):
        more = '; write key = "..."' if struct is Certificate else ""
        return f"item {key} is one too many{more}"
    if issubclass(struct, HeaderRules) and not suggest(str(key), struct.__struct_fields__):
        return f'unknown key "{key}"; write set = {{ ["{key}"] = ... }}'
    if struct is Upstream and key in UpstreamPeer.__struct_fields__:
        return f'unknown key "{key}" (it belongs to a peer: {{ "10.0.0.1:8000", {key} = ... }})'
    if struct is UpstreamPeer and str(key).lower() in _ADDRESSES:
        return f'unknown key "{key}" (in rsp: {{ "10.0.0.1:8000", weight = 2 }}, the address without a key)'
    hints = (http2_words.hint_within, hint_within, observe_words.hint_within)
    if said := next(filter(None, (within(struct, str(key)) for within in hints)), ""):
        return f'unknown key "{key}"{said}'
    own = [name for name in struct.__struct_fields__ if name != "at" and (name != "name" or struct is not Upstream)]
    return f'unknown key "{key}"{hint(str(key), own) or home(str(key))}'


def home(key: str) -> str:
    """Where ``key`` belongs, in brackets; or ``""``."""
    for struct, place in ((Route, "a route"), (Upstream, "an upstream"), (UpstreamPeer, "a peer")):
        if key in struct.__struct_fields__ and key not in ("name", "type", "peers"):
            return f" (it belongs in {place})"
    return ""


def _path(error: msgspec.ValidationError, value: Any) -> Path:
    """Where in ``value`` the mistake is."""
    place = _PLACE.search(str(error))
    path = _parse_path(place[1]) if place else ()
    if path[-1:] == ("...",):  # msgspec does not say which
        table = _value_at(value, path[:-1])
        wrong = [key for key, item in table.items() if not isinstance(item, str)] if isinstance(table, dict) else []
        path = (*path[:-1], *wrong[:1])
    return path


def _parse_path(text: str) -> Path:
    """msgspec's ``.peers[1].weight`` as ``("peers", 1, "weight")``; the value of a map's key is ``"..."``."""
    steps = re.findall(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]", text)
    return tuple(int(index) if index.isdigit() else key or index for key, index in steps)


def _literals(annotation: Any) -> list[str | int]:
    parts = getattr(annotation, "__args__", ())
    own = [part for part in parts if isinstance(part, str | int)]
    return own + [item for part in parts for item in _literals(part)]


def _field_at(wanted: Any, path: Path) -> tuple[Any, Any]:
    """The one that ``path`` is in, and its struct."""
    named = max(index for index, step in enumerate(path) if isinstance(step, str))
    parent = keys.struct_at(wanted, path[:named])
    return parent, next((field for field in msgspec.structs.fields(parent) if field.name == path[named]), None)


def _choices(wanted: Any, path: Path) -> list[str | int]:
    """Where a few values are all that is taken."""
    if not any(isinstance(step, str) for step in path):
        return []
    field = _field_at(wanted, path)[1]
    return _literals(field.type) if field is not None else []


def _one_of(choices: list[str | int]) -> str:
    *more, last = map(show, choices)
    return f"{', '.join(more)} or {last}" if more else last


def _of_another_type(names: str, given: str, path: Path, wanted: Any, value: Any) -> str:
    """``names``, ``given``: the types that msgspec expects and has been given."""
    kinds = [name.strip() for name in names.split("|")]
    kinds = [kind for kind in kinds if kind != "null"] or kinds
    words = {**_IN_WORDS, "object": "a table with named keys"} if isinstance(value, list) else _IN_WORDS
    if "str" in kinds and (named := [each for each in _choices(wanted, path) if isinstance(each, str)]):
        words = {**words, "str": _one_of([*named])}
    expected = " or ".join(words.get(kind, kind) for kind in kinds)
    struct = keys.struct_at(wanted, path)
    if kinds == ["str"] and (choices := _choices(wanted, path)):
        written = f"; write {show(str(value))}" if str(value) in choices else ""
        return f"expected {_one_of(choices)}, got {show(value)}{written}"
    if keys_of(wanted, path) != path:  # the value of a field that the user names
        written = "" if isinstance(value, dict | list) else f'; write ["{path[-1]}"] = "{show(value)}"'
        got = show(value) if isinstance(value, bool | list) else _IN_WORDS.get(given, given)
        return f"expected {expected}, got {got}{written}"
    got = show(value) if value is not None else _IN_WORDS.get(given, given)
    return f"expected {expected}, got {got}{instead(struct, path, kinds, value)}"


def _in_words(text: str, path: Path, wanted: Any, value: Any) -> tuple[str, Path]:
    """msgspec's message in the words of a user who writes Lua, and the path that it is about."""
    if wanted is Upstream and path == ("http",):
        got = value[path[0]]
        return f"expected {_one_of(_choices(wanted, path))}, got {show(got)}{http2_words.version_of(got)}", path
    if match := _MISSING.fullmatch(text):
        what = f"the file: {CERTIFICATE}" if wanted is Certificate else f'"{match[1]}"'
        return f"missing {what}", path
    if match := _EXPECTED.fullmatch(text):
        return _of_another_type(match[1], match[2], path, wanted, _value_at(value, path)), path
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
        parent, field = _field_at(wanted, path)
        choices = _literals(field.type)
        got = _value_at(value, path)
        wanted_words = _one_of(choices)
        near = suggest(str(got), map(str, choices)) or observe_words.of_what(path[-1])
        if bool in keys.types(field.type):
            near = near or instead(parent, path, ("bool",), got)
            wanted_words = f"true, false or {wanted_words}"
        elif not near and int in keys.types(field.type):
            near = instead(parent, path, ("int",), got)
            wanted_words = f"a whole number or {wanted_words}" if near else wanted_words
        return f"expected {wanted_words}, got {show(got)}{near}", path
    return text[:1].lower() + text[1:] if text[:1].isupper() else text, path


def _value_at(value: Any, path: Path) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value
