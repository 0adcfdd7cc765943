"""A checked configuration as Lua text, with every default filled in (``rsp -T``).  It can be loaded again."""

from typing import Any, TypeVar

import msgspec

from rsp.config.limits import DEFAULT_LIMITS, DEFAULT_TIMEOUTS
from rsp.config.routes import Route
from rsp.config.schema import Config, Settings
from rsp.config.units import Function, Secret

T = TypeVar("T", bound=msgspec.Struct)


def to_lua(config: Config) -> str:
    settings = msgspec.structs.replace(
        config.settings,
        timeouts=_filled(config.settings.timeouts, DEFAULT_TIMEOUTS),
        limits=_filled(config.settings.limits, DEFAULT_LIMITS),
    )
    lines = []
    for name in Settings.__struct_fields__:
        value = getattr(settings, name)
        lines.append(f"-- {name} = nil" if value in (None, ()) else f"{name} = {_value(value)}")
    lines.append("")
    lines += [f"listen {_with_first(listener, 'address')}" for listener in config.listeners]
    for upstream in config.upstreams:
        lines += ["", f"upstream {_value(upstream.name)} {{"]
        keys = [name for name in upstream.__struct_fields__ if name not in ("name", "peers")]
        lines += [f"  {name} = {_value(value)}," for name in keys if (value := getattr(upstream, name)) is not None]
        lines += [f"  {_with_first(peer, 'address')}," for peer in upstream.peers]
        lines.append("}")
    lines += [f"store {_value(store.name)} {_with_first(store, 'url', 'name')}" for store in config.stores]
    lines += [f"certificate {_with_first(certificate, 'file')}" for certificate in config.certificates]
    lines.append("")
    own = len(config.routes) - len(config.labelled)
    lines += [f"route {_value(route)}" for route in config.routes[:own]]
    for route, place in zip(config.routes[own:], config.labelled, strict=True):
        lines += [f"-- by labels of {place}:", f"route {_value(route)}"]
    lines += [f"page {_value(page)}" for page in config.pages]
    lines += [f"-- hook: the function at {place}" for place in config.hooks]
    return "\n".join(lines) + "\n"


def _filled(given: T, defaults: T) -> T:
    """``given`` with what it leaves out."""
    values = {name: getattr(given, name) for name in given.__struct_fields__ if getattr(given, name) is not None}
    return msgspec.structs.replace(defaults, **values)


def _with_first(struct: msgspec.Struct, key: str, *left_out: str) -> str:
    unnamed = (key, "at", *left_out)
    others = [name for name in struct.__struct_fields__ if name not in unnamed and getattr(struct, name) is not None]
    parts = [_value(getattr(struct, key)), *(f"{name} = {_value(getattr(struct, name))}" for name in others)]
    return "{ " + ", ".join(parts) + " }"


def _value(value: Any) -> str:
    if isinstance(value, msgspec.Struct):
        fields = [(field.encode_name, getattr(value, field.name)) for field in msgspec.structs.fields(value)]
        if isinstance(value, Route) and value.client_ca is None:
            fields.remove(("client_verify", value.client_verify))
        return (
            "{ " + ", ".join(f"{name} = {_value(item)}" for name, item in fields if item not in (None, (), {})) + " }"
        )
    if isinstance(value, dict):  # Lua has its keys in another order each time
        return "{ " + ", ".join(f"[{_value(key)}] = {_value(item)}" for key, item in sorted(value.items())) + " }"
    if isinstance(value, tuple):
        return "{ " + ", ".join(map(_value, value)) + " }"
    if isinstance(value, Function):
        return f"nil --[[ the function at {value} ]]"
    if isinstance(value, Secret):
        return repr(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) or type(value) not in (int, float):
        text = (
            str(value)
            .replace("\\", "\\\\")
            .replace('"', '\\"')
            .replace("\n", "\\n")
            .replace("\r", "\\r")
            .replace("\0", "\\0")
        )
        return f'"{text}"'
    return str(value) if value != float("inf") else "math.huge"
