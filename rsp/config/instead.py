"""What to write instead of a value that has the wrong shape."""

import re
from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any, Final

import msgspec

from rsp.config import (
    auth_words,
    compress_words,
    cpus,
    discovery_words,
    fastcgi_words,
    files_words,
    http2_words,
    limit_words,
    observe_words,
    proxy_protocol_words,
    response_words,
    store_words,
    traffic_words,
)
from rsp.config.errors import Path
from rsp.config.routing_words import query, written
from rsp.config.schema import Listener
from rsp.config.tls import Tls
from rsp.config.tls_words import CERTIFICATE
from rsp.config.units import show

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_OFF: Final = {
    "retry": "{ tries = 1 }", "queue": "{ size = 0 }", "failures": "{ count = 0 }", "admin": '"off"',
    "access_log": '"off"', "forwarded": '"off"', "request_id": '"off"', **dict.fromkeys(
        ("content_type_options", "frame_options", "referrer_policy", "content_security_policy", "permissions_policy",
         "opener_policy"), '""'
    ),
}  # fmt: skip
_COUNTED: Final = {"retry": "tries", "queue": "size", "failures": "count"}


def _parts(given: Any) -> tuple[int | None, str | None]:
    """The first number and the first text of a list, or of what stands alone."""
    parts = given if isinstance(given, list) else [given]
    number = next((part for part in parts if isinstance(part, int) and not isinstance(part, bool)), None)
    return number, next((part for part in parts if isinstance(part, str)), None)


def _redirect(given: Any) -> str:
    number, text = _parts(given)
    to = show(text or "/x")
    status = number if number in _REDIRECTS else 301
    return (
        f"{{ to = {to}, status = {status} }}"
        if isinstance(given, int)
        else f"{to} or {{ to = {to}, status = {status} }}"
    )


def _respond(given: Any) -> str:
    number, text = _parts(given)
    return f"{{ status = {number or 404}, body = {show('x' if text is None else text)} }}"


def _page(given: Any) -> str:
    number, text = _parts(given)
    text = "x.html" if text is None else text
    key = "body" if "<" in text or " " in text else "file"
    return f"page {{ status = {number or 404}, {key} = {show(text)} }}"


def _fields(given: Any) -> str:
    name, _, value = (_parts(given)[1] or "X-Name: value").partition(":")
    return f'{{ ["{name.strip()}"] = {show(value.strip() or "value")} }}'


def _route(given: Any) -> str:
    text = _parts(given)[1]
    key = "path" if text is None or text[:1] == "/" else "to"
    return f'route {{ {key} = {show(text or "/")}, to = "app" }}' if key == "path" else f"route {{ to = {show(text)} }}"


_SHAPES: Final[dict[str, Callable[[Any], str]]] = {
    "redirect": _redirect, "respond": _respond, "set": _fields, "add": _fields, "headers": _fields, "query": query,
    "Page": _page, "Route": _route,
}  # fmt: skip


def one_each(key: str, given: list[Any]) -> str:
    """For several values of a key of which a route has one."""
    listed = ", ".join(map(show, given))
    return (
        f"; a route has a single {key}; use a loop: for _, {key} in ipairs {{ {listed} }} do route {{ {key} = "
        f"{key}, ... }} end"
    )


def _several(key: str, given: list[Any]) -> str:
    """A list where the schema has a single text."""
    if len(given) == 1:
        return f"; write {show(given[0])}"
    if key in ("path", "exact", "regex") and len(given) > 1:
        return one_each(key, given)
    if key == "index":
        return fastcgi_words.one_index(given)
    if key == "rewrite" and [type(each) for each in given] == [str, str]:
        to = re.sub(r"[$%]([1-9])", r"{\1}", given[1])
        return f"; write regex = {written(given[0])}, rewrite = {show(to)}"
    if key == "to":
        return '; one upstream may have several peers: upstream "app" { "10.0.0.1:8000", "10.0.0.2:8000" }'
    return ""


def _item(struct: type, key: str, given: Any) -> str:
    """``given`` as an item of the list that ``key`` of ``struct`` has: as text, where its items are that."""
    items = next((str(field.type) for field in msgspec.structs.fields(struct) if field.encode_name == key), "")
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    return f'"{given}"' if is_number and re.search(r"\bstr\b", items) and "int" not in items else show(given)


def instead(struct: type, path: Path, expected: Iterable[str], given: Any) -> str:
    """``"; write ..."``, or ``""``.  ``expected``: msgspec's names of types."""
    no_number = isinstance(given, float) and not isfinite(given)
    return "" if no_number else _instead(struct, path, expected, given)


def _instead(struct: type, path: Path, expected: Iterable[str], given: Any) -> str:
    key = next((step for step in reversed(path) if isinstance(step, str)), struct.__name__)
    if path[-2:-1] == ("cache_control",):  # by a pattern
        key = "cache_control"
    plain = not isinstance(given, dict | list)
    if said := (
        auth_words.instead(key, given)
        or observe_words.instead(struct, path, given)
        or limit_words.instead(key, given)
        or http2_words.instead(key, given)
        or traffic_words.instead(key, given)
        or traffic_words.weights(struct, path, given)
        or proxy_protocol_words.instead(key, given)
        or response_words.instead(key, given)
        or files_words.instead(path, key, given)
        or compress_words.instead(path, key, given)
        or store_words.instead(struct, path, given)
        or cpus.instead(key, given)
        or discovery_words.instead(struct, path, given)
    ):
        return said
    if given is False and key in _OFF:
        return f"; write {key} = {_OFF[key]}"
    if struct is Tls and path == ("tls",):
        return '; TLS is for a listener: write listen "0.0.0.0:443" { tls = true }'
    if key == "tls" and struct is Listener and (isinstance(given, dict) or "." in str(given)):
        return (
            f"; write tls = true; settings for all listeners are tls = {{ ... }}, and a certificate is  {CERTIFICATE}"
        )
    if key == "hsts" and isinstance(given, int | float) and not isinstance(given, bool):
        return f'; write hsts = "{given}s"'
    if given is True and key == "health":
        return '; write health = "/"'
    if key == "health" and given is False:
        return '; leave "health" out'
    if key in _COUNTED and isinstance(given, int) and not isinstance(given, bool):
        return f"; write {key} = {{ {_COUNTED[key]} = {given} }}"
    if key in _SHAPES and "object" in expected and given is not None:
        return f"; write {_SHAPES[key](given)}"
    if isinstance(given, str):
        if "int" in expected and given.strip().isascii() and given.strip().isdigit():
            return f"; write {int(given)}"
        if "float" in expected and given.strip().replace(".", "", 1).isdecimal():
            return f"; write {float(given):g}"
        if "bool" in expected and given in ("true", "false", "on", "off", "yes", "no"):
            return f"; write {'true' if given in ('true', 'on', 'yes') else 'false'}"
    if "str" in expected and isinstance(given, int | float) and not isinstance(given, bool):
        return f'; write "{given}"'
    if "array" in expected and plain and given is not None and not ("str" in expected and isinstance(given, bool)):
        return f"; write {{ {_item(struct, key, given)} }}"
    if "str" in expected and isinstance(given, list):
        return _several(key, given)
    return ""
