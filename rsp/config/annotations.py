"""The schema as annotations of the Lua language server, for completion and checks in editors.

``rsp/lua/annotations/configuration.lua`` is this module's output (``make docs``); ``rsp.lua`` beside it, which is
written by hand, has the rest of what a configuration can use.
"""

import re
from typing import Any, Final

import msgspec

from rsp.config import limits
from rsp.config.cpus import CpuSet
from rsp.config.engines import Store
from rsp.config.keys import types
from rsp.config.routes import Route
from rsp.config.schema import Listener, Page, Settings
from rsp.config.tls import Certificate
from rsp.config.units import Duration, Function, Listen, Network, Peer, Secret, Size, show
from rsp.config.upstreams import Upstream, UpstreamPeer

_HEAD: Final = """\
---@meta
-- Every key of a configuration, for the Lua language server.
-- Generated from rsp/config/schema.py by `make docs`; do not edit.  docs/configuration.md has the same as tables.

---@alias rsp.duration number|string seconds, or a text such as "500ms", "10s", "5m", "1h", "1d"
---@alias rsp.size integer|string bytes, or a text such as "64KB", "10MB", "1GB"
"""
_WORDS: Final = """\

---An address that clients connect to.
---@param listener string|integer|rsp.config.Listener
---@return fun(options: rsp.config.Listener)
function listen(listener) end

---A named group of peers.
---@param name string
---@return fun(upstream: rsp.config.Upstream)
function upstream(name) end

---Which requests go where.
---@param route string|rsp.config.Route
---@return fun(options: rsp.config.Route)
function route(route) end

---A certificate for clients.
---@param certificate string|rsp.config.Certificate
---@return fun(options: rsp.config.Certificate)
function certificate(certificate) end

---A page for a status of rsp's own.
---@param page rsp.config.Page
function page(page) end

---State that several nodes share.
---@param name string
---@return fun(store: string|rsp.config.Store)
function store(name) end
"""
_DECLARED: Final = (Listener, Upstream, Route, Certificate, Page, Store)
# What stands first in a declaration's table, without a key.
_FIRST: Final = {Listener: "address", Certificate: "file", Store: "url", UpstreamPeer: "address"}
_NAMED: Final = (Upstream, Store)  # before the table
_SCALARS: Final = {
    bool: "boolean", int: "integer", float: "number", str: "string", Duration: "rsp.duration", Size: "rsp.size",
    Listen: "string|integer", Peer: "string", Network: "string", Secret: "string", Function: "function",
    CpuSet: "string|integer",
}  # fmt: skip
_HOOKS: Final = {
    "on_request": "fun(req: rsp.Request): any",
    "on_upstream": "fun(req: rsp.Request, peers: rsp.Peer[]): any",
    "on_response": "fun(req: rsp.Request, res: rsp.Response): any",
    "on_error": "fun(req: rsp.Request, err: rsp.Error): any",
    "on_log": "fun(req: rsp.Request, res: rsp.Response)",
}
_LINK: Final = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_ALSO_A_TABLE_OF_HOOKS: Final = "dns"  # of which rsp.lua has the functions


def annotations() -> str:
    structs: list[type[msgspec.Struct]] = [*_DECLARED]
    roots: tuple[type[msgspec.Struct], ...] = (*_DECLARED, Settings)
    for struct in roots:
        _add_inner(struct, structs)
    parts = [_HEAD, *map(_class, structs), _WORDS, "-- settings\n"]
    parts += [_setting(field) for field in msgspec.structs.fields(Settings) if field.name != _ALSO_A_TABLE_OF_HOOKS]
    return "\n".join(parts)


def luarc(library: str) -> str:
    """``.luarc.json`` for a directory with configurations; ``library``: where the annotations are."""
    settings = {
        "runtime.version": "LuaJIT",
        "runtime.builtin": dict.fromkeys(("io", "debug", "ffi", "jit", "package"), "disable"),
        "workspace.library": [library],
        "diagnostics.globals": [*_HOOKS, "on_start", "on_reload"],
    }
    return msgspec.json.format(msgspec.json.encode(settings), indent=2).decode() + "\n"


def _add_inner(struct: type[msgspec.Struct], found: list[type[msgspec.Struct]]) -> None:
    for field in msgspec.structs.fields(struct):
        for inner in types(field.type):
            if issubclass(inner, msgspec.Struct) and inner not in found:
                found.append(inner)
                _add_inner(inner, found)


def _class(struct: type[msgspec.Struct]) -> str:
    lines = [f"---{_plain(struct.__doc__ or '')}", f"---@class {_name(struct)}"]
    fields = [each for each in msgspec.structs.fields(struct) if not _is_hidden(struct, each.name)]
    first = _FIRST.get(struct)
    if first is not None:
        lines.append(f"---@field [1]? {_type(next(each.type for each in fields if each.name == first))} `{first}`")
    if struct is Upstream:
        lines.append(f"---@field [integer] string|{_name(UpstreamPeer)} a peer")
    lines += [_field(field, is_given=field.name == first, struct=struct) for field in fields]
    return "\n".join(lines) + "\n"


def _is_hidden(struct: type[msgspec.Struct], name: str) -> bool:
    return name == "at" or (struct in _NAMED and name == "name") or (struct is Upstream and name == "peers")


def _field(field: Any, *, is_given: bool, struct: type[msgspec.Struct]) -> str:
    is_required = field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT and not is_given
    kind = _HOOKS.get(field.name) or _type(field.type)
    said = " ".join(filter(None, (_description(field.type), _default(field, struct))))
    return f"---@field {field.encode_name}{'' if is_required else '?'} {kind} {said}".rstrip()


def _setting(field: Any) -> str:
    said = " ".join(filter(None, (_description(field.type), _default(field, Settings))))
    text = f"---{said}\n" if said else ""
    return f"{text}---@type {_type(field.type)}|nil\n{field.encode_name} = nil\n"


def _name(struct: type[msgspec.Struct]) -> str:
    return f"rsp.config.{struct.__name__}"


def _type(annotation: Any) -> str:
    while getattr(annotation, "__metadata__", None):
        annotation = annotation.__origin__
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _name(annotation)
    parts = [part for part in annotation.__args__ if part not in (type(None), Ellipsis)]
    origin = getattr(annotation, "__origin__", None)
    if origin is dict:
        return f"table<{', '.join(map(_type, parts))}>"
    kinds = "|".join(dict.fromkeys(show(part) if isinstance(part, str | int) else _type(part) for part in parts))
    if origin is tuple:
        return f"({kinds})[]" if "|" in kinds else f"{kinds}[]"
    return kinds


def _description(annotation: Any) -> str:
    meta = msgspec.inspect.type_info(annotation)
    return _plain((getattr(meta, "extra_json_schema", None) or {}).get("description", ""))


def _default(field: Any, struct: type[msgspec.Struct]) -> str:
    shared = {limits.Timeouts: limits.DEFAULT_TIMEOUTS, limits.Limits: limits.DEFAULT_LIMITS}.get(struct)
    value = field.default if shared is None else getattr(shared, field.name)
    if value in (None, (), msgspec.NODEFAULT) or isinstance(value, msgspec.Struct):
        return ""
    if isinstance(value, tuple):
        return f"Default: `{{ {', '.join(map(show, value))} }}`."
    return f"Default: `{show(str(value) if isinstance(value, Duration | Size) else value)}`."


def _plain(text: str) -> str:
    """On one line, and of links their names."""
    return " ".join(_LINK.sub(r"\1", text).split())


if __name__ == "__main__":
    print(annotations(), end="")
