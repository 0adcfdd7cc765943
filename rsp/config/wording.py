"""What msgspec finds wrong with a value, in the words of a user who writes Lua."""

import re
from typing import Any

import msgspec

from rsp.config import (
    auth_words,
    compress_words,
    cpus,
    discovery_words,
    fastcgi_rules,
    fastcgi_words,
    files_words,
    http2_words,
    keys,
    label_words,
    limit_words,
    observe_words,
    proxy_protocol_words,
    response_words,
    routing_words,
    store_words,
    tls_words,
    traffic_words,
)
from rsp.config.answers import HeaderRules
from rsp.config.content import Files
from rsp.config.engines import Discover
from rsp.config.errors import Path, suggest
from rsp.config.example import example
from rsp.config.filters import Split
from rsp.config.instead import instead
from rsp.config.keys import parts_of
from rsp.config.routes import Route
from rsp.config.tls import Certificate
from rsp.config.tls_words import CERTIFICATE
from rsp.config.units import show
from rsp.config.upstreams import Upstream, UpstreamPeer
from rsp.config.words import hint

_NO_ITEMS, _NO_KEYS = EMPTY = "expected a list that is not empty", "expected a table that is not empty"
_MISSING = re.compile(r"Object missing required field `(.*)`")
_EXPECTED = re.compile(r"Expected `(.*)`, got `(.*)`")
_PLAIN_PATH = re.compile(r"[\w.~%-][\w.~%/-]*")
_BOUND = re.compile(r"Expected `(\w+)` ([<>]=?) (\S+)")
_NOT_EMPTY = re.compile(r"Expected `(\w+)` of length >= 1")
_PLACE = re.compile(r" - at `(?:key in )?\$(.*)`$")
# What keys of other programs are in rsp, by the struct that they stand in.  The first that knows a key says it.
_WITHIN = (
    auth_words.WITHIN, fastcgi_words.WITHIN, routing_words.WITHIN, proxy_protocol_words.WITHIN, response_words.WITHIN,
    http2_words.WITHIN, tls_words.WITHIN, observe_words.WITHIN, traffic_words.WITHIN, limit_words.WITHIN,
    files_words.WITHIN, compress_words.WITHIN, discovery_words.WITHIN, store_words.WITHIN, label_words.WITHIN,
)  # fmt: skip
# What other programs call the address of a peer.
_ADDRESSES = frozenset(("server", "host", "url", "target", "dial", "ip", "backend", "upstream", "peer", "addr", "port"))
_IN_WORDS = {
    "int": "a whole number", "float": "a number", "str": "a string", "array": "a list", "object": "a table",
    "bool": "true or false", "null": "nil",
}  # fmt: skip

_PLAIN = {int, float, bool, type(None)}  # types that need no example
_TYPES: dict[type, str] = {
    str: "str", int: "int", float: "float", bool: "bool", list: "array", dict: "object", type(None): "null",
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
    own = ("set", "add", "headers", "query", "cookies")
    if len(path) > 1 and path[-2] in own and path[-2] in keys.struct_at(wanted, path[:-2]).__struct_fields__:
        return path[-2:-1]
    return path


def without_place(error: msgspec.ValidationError) -> str:
    return _PLACE.sub("", str(error))


def unknown_key(wanted: type, path: Path) -> str:
    """What to say of the key at ``path``, which ``wanted`` does not have."""
    struct, key = keys.struct_at(wanted, path[:-1]), path[-1]
    if str(key).startswith("["):
        more = {
            Certificate: '; write key = "..."',
            Discover: '; write url = "etcd://10.0.0.5:2379,10.0.0.6:2379/services/app/"',
            Files: '; write root = "/srv/www"',
            Route: '; write path = "/static/"',
        }.get(struct, "")
        return f"unexpected item {key}{more}"
    if issubclass(struct, HeaderRules) and not suggest(str(key), struct.__struct_fields__):
        return f'unknown key "{key}"; write set = {{ ["{key}"] = ... }}'
    if struct is Upstream and key in UpstreamPeer.__struct_fields__:
        return f'unknown key "{key}" (it belongs to a peer: {{ "10.0.0.1:8000", {key} = ... }})'
    if struct is UpstreamPeer and str(key).lower() in _ADDRESSES:
        return f'unknown key "{key}" (in rsp: {{ "10.0.0.1:8000", weight = 2 }}, the address without a key)'
    if struct is Split and not suggest(str(key), Split.__struct_fields__):
        name = traffic_words.as_key(str(key))
        return f'unknown key "{key}" (in rsp: to = {{ {name} = 90, ... }}, upstreams and their weights)'
    folded = str(key).lower().replace("_", "").replace("-", "")
    for words in _WITHIN:
        if (said := words.get(struct, {}).get(folded)) is not None:
            return f'unknown key "{key}" ({said})'
    own = [
        name for name in struct.__struct_encode_fields__ if name != "at" and (name != "name" or struct is not Upstream)
    ]
    return f'unknown key "{key}"{hint(str(key), own) or home(str(key))}'


def home(key: str) -> str:
    """Where ``key`` belongs, in brackets; or ``""``."""
    for struct, place in ((Route, "a route"), (Upstream, "an upstream"), (UpstreamPeer, "a peer")):
        if key in struct.__struct_fields__ and key not in ("name", "type", "peers"):
            return f" (it is a key of {place})"
    return ""


def _path(error: msgspec.ValidationError, value: Any) -> Path:
    """Where in ``value`` the mistake is."""
    place = _PLACE.search(str(error))
    path = _parse_path(place[1]) if place else ()
    if "..." in path:  # msgspec does not say which
        at = path.index("...")
        table, rest, said = _value_at(value, path[:at]), path[at + 1 :], without_place(error)
        items = table.items() if isinstance(table, dict) else ()
        wrong = [key for key, item in items if _is_said_of(said, _value_at(item, rest))]
        path = (*path[:at], *wrong[:1], *rest)
    return path


def _is_said_of(message: str, item: Any) -> bool:
    """Whether msgspec's ``message`` can be about ``item``, one of a table whose keys are the user's."""
    if (bound := _BOUND.fullmatch(message)) and isinstance(item, int | float):
        return item < float(bound[3]) if bound[2] == ">=" else item > float(bound[3])
    if full := _NOT_EMPTY.fullmatch(message):
        return item in ("", [], {}) and _TYPES[type(item)] == full[1]
    found = _EXPECTED.fullmatch(message)
    return not isinstance(item, str) if found is None else _TYPES.get(type(item)) == found[2]


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


def _whole_number(annotation: Any) -> str:
    """With its bounds, if it has any."""
    for part in (annotation, *getattr(annotation, "__args__", ())):
        for meta in getattr(part, "__metadata__", ()):
            if getattr(meta, "ge", None) is not None and meta.le is not None:
                return f"a whole number from {meta.ge} to {meta.le}"
    found = [_whole_number(part.__origin__) for part in (annotation,) if getattr(part, "__metadata__", None)]
    return found[0] if found else "a whole number"


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
        written = written or (files_words.of_symlinks(value) if path[-1] == "symlinks" else "")
        return f"expected {_one_of(choices)}, got {show(value)}{written}"
    if keys_of(wanted, path) != path:  # the value of a field that the user names
        written = "" if isinstance(value, dict | list) else f'; write ["{path[-1]}"] = "{show(value)}"'
        got = show(value) if isinstance(value, bool | list) else _IN_WORDS.get(given, given)
        return f"expected {expected}, got {got}{written}"
    is_shown = value is not None and not (path[-1:] == ("auth",) and auth_words.is_secret(value))
    got = show(value) if is_shown else _IN_WORDS.get(given, given)
    return f"expected {expected}, got {got}{instead(struct, path, kinds, value) or _example(wanted, path)}"


def _example(wanted: Any, path: Path) -> str:
    """``"; for example trusted = { "10.0.0.0/8" }"``, or ``""``."""
    if not any(isinstance(step, str) for step in path) or keys_of(wanted, path) != path:
        return ""
    field = _field_at(wanted, path)[1]
    found = example(field) if field is not None and not set(parts_of(field.type)) <= _PLAIN else ""
    return f"; for example {field.encode_name} = {found}" if field is not None and found else ""


def _in_words(text: str, path: Path, wanted: Any, value: Any) -> tuple[str, Path]:
    """msgspec's message in the words of a user who writes Lua, and the path that it is about."""
    if wanted is Upstream and path == ("http",):
        got = value[path[0]]
        return f"expected {_one_of(_choices(wanted, path))}, got {show(got)}{http2_words.version_of(got)}", path
    if wanted is Upstream and path == ("protocol",) and isinstance(value[path[0]], str):
        got = value[path[0]]
        near = fastcgi_rules.protocol_of(got) or suggest(got, map(str, _choices(wanted, path)))
        return f"expected {_one_of(_choices(wanted, path))}, got {show(got)}{near}", path
    if wanted is Upstream and path == ("send_proxy",):
        got = value[path[0]]
        written = proxy_protocol_words.version_of(got)
        return f"expected {_one_of(_choices(wanted, path))}, got {show(got)}{written}", path
    if match := _MISSING.fullmatch(text):
        what = f"the file: {CERTIFICATE}" if wanted is Certificate else f'"{match[1]}"'
        return f"missing {what}{label_words.missing(path, match[1])}", path
    if match := _EXPECTED.fullmatch(text):
        return _of_another_type(match[1], match[2], path, wanted, _value_at(value, path)), path
    if match := _BOUND.fullmatch(text):
        given = _value_at(value, path)
        bound = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}[match[2]]
        return (
            f"expected {_IN_WORDS.get(match[1], match[1])} of {bound} {match[3].removesuffix('.0')}, got {show(given)}"
            f"{traffic_words.instead(str(path[-1]) if path else '', given)}",
            path,
        )
    if text.startswith("Expected `array` of length"):
        if wanted is not Upstream or path[-1:] != ("peers",):
            return _NO_ITEMS + _example(wanted, path), path
        return 'no peers: expected addresses such as "127.0.0.1:8000"', ()
    if text.startswith("Expected `object` of length"):
        return _NO_KEYS + _example(wanted, path), path
    if text.startswith("Expected `str` matching"):
        given = _value_at(value, path)
        way = routing_words.modifier(given) if path in (("path",), ("exact",)) and isinstance(given, str) else ""
        way = (way and f"; {way}") or (files_words.of_fallback(str(given)) if path == ("fallback",) else "")
        way = way or (f"; write {show('/' + given)}" if isinstance(given, str) and _PLAIN_PATH.fullmatch(given) else "")
        return f'expected a path that begins with "/", got {show(given)}{way}', path
    if text.startswith("Expected `str` of length"):
        return "expected a string that is not empty", path
    if text.startswith("Invalid enum value") and path:
        parent, field = _field_at(wanted, path)
        choices = _literals(field.type)
        got = _value_at(value, path)
        wanted_words = _one_of(choices)
        algorithm = next((auth_words.of_algorithm(step, got) for step in path[-2:]), "")
        algorithm = algorithm or (compress_words.of_algorithm(got) if "algorithms" in path else "")
        algorithm = algorithm or (files_words.of_symlinks(got) if path[-1] == "symlinks" else "")
        algorithm = algorithm or cpus.instead(str(path[-1]), got)
        near = algorithm or suggest(str(got), map(str, choices)) or observe_words.of_what(path[-1])
        if bool in keys.types(field.type):
            near = near or instead(parent, path, ("bool",), got)
            wanted_words = f"true, false or {wanted_words}"
        elif not near and int in keys.types(field.type):
            near = instead(parent, path, ("int",), got)
            wanted_words = f"{_whole_number(field.type)} or {wanted_words}"
        return f"expected {wanted_words}, got {show(got)}{near}", path
    return text[:1].lower() + text[1:] if text[:1].isupper() else text, path


def _value_at(value: Any, path: Path) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value
