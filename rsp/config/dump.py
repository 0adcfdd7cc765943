"""A checked configuration as Lua text, with every default filled in (``rsp -T``).  It can be loaded again."""

from typing import Any

import msgspec

from rsp.config.schema import Config, Settings


def to_lua(config: Config) -> str:
    lines = []
    defaults = Settings()
    for name in Settings.__struct_fields__:
        value = getattr(config.settings, name)
        if value is None and getattr(defaults, name) is None:
            lines.append(f"-- {name} = nil")
        else:
            lines.append(f"{name} = {_value(value)}")
    lines.append("")
    lines += [f"listen {_with_first(listener, 'address')}" for listener in config.listeners]
    for upstream in config.upstreams:
        lines += ["", f"upstream {_value(upstream.name)} {{"]
        lines += [f"  {name} = {_value(getattr(upstream, name))}," for name in ("policy", "keepalive")]
        lines += [f"  {_with_first(peer, 'address')}," for peer in upstream.peers]
        lines.append("}")
    lines.append("")
    lines += [f"route {_value(route)}" for route in config.routes]
    return "\n".join(lines) + "\n"


def _with_first(struct: msgspec.Struct, key: str) -> str:
    others = [name for name in struct.__struct_fields__ if name != key]
    parts = [_value(getattr(struct, key)), *(f"{name} = {_value(getattr(struct, name))}" for name in others)]
    return "{ " + ", ".join(parts) + " }"


def _value(value: Any) -> str:
    if isinstance(value, msgspec.Struct):
        fields = [(name, getattr(value, name)) for name in value.__struct_fields__]
        return "{ " + ", ".join(f"{name} = {_value(item)}" for name, item in fields if item is not None) + " }"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) or type(value) not in (int, float):
        text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{text}"'
    return str(value)
