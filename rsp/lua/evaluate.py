"""Runs a configuration file in the sandbox and returns its declarations as plain data.

Meant for a process of its own (the loader): user code is bounded here by instructions and memory, and by the
master's patience with the whole process.
"""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from rsp import log
from rsp.config.build import Builder, Declaration
from rsp.config.errors import ConfigError, Position
from rsp.config.schema import Config

ENGINES: Final = ("luajit21", "luajit20", "lua51")  # one language: Lua 5.1
MEMORY_LIMIT: Final = 256 << 20  # bytes that a configuration may use while it is evaluated
INSTRUCTION_LIMIT: Final = 300_000_000  # some seconds; the master waits longer than that
_DEPTH_LIMIT: Final = 16  # tables in tables
_HERE: Final = Path(__file__).parent

# Counts in steps; past the limit every instruction fails, so that a loop around pcall cannot go on either.
_GUARD: Final = b"""
local limit, step = ...
local count, sethook, err = 0, debug.sethook, error
if jit then jit.off() end
local function check()
  count = count + step
  if count >= limit then
    sethook(check, "", 1)
    err("the configuration runs too long (an endless loop?)", 2)
  end
end
sethook(check, "", step)
return debug.getinfo
"""


class _Sources:
    """Files that were read, by the name under which Lua's messages know them."""

    def __init__(self, main: str) -> None:
        self.texts: dict[str, str] = {}
        self._directory = os.path.dirname(main)  # noqa: PTH120 - as given: messages show it

    def resolve(self, name: Any) -> bytes:
        return os.path.join(os.fsencode(self._directory), name if isinstance(name, bytes) else b"")  # noqa: PTH118

    def text_of(self, name: str) -> str:
        """A file beside the main file, for the configuration itself.  Raises :class:`ValueError`."""
        data, message = self.read(self.resolve(name.encode()))
        if data is None:
            raise ValueError(_text(message))
        return _text(data)

    def read(self, path: Any) -> Any:
        """For Lua: the text, or nil and a message; never an exception."""
        try:
            data = Path(os.fsdecode(path)).read_bytes()
        except (OSError, TypeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            return None, f"cannot open {os.fsdecode(path)}: {reason}".encode()
        self.texts[os.fsdecode(path)] = data.decode("utf-8", "replace")
        return data, None


def evaluate(path: str) -> tuple[Config, dict[str, str]]:
    """The checked configuration of the Lua file at ``path``, and the texts of all files that it read, by name.

    Raises :class:`ConfigError`: a file that cannot be read, Lua's own errors, and every mistake the schema finds.
    """
    sources = _Sources(path)
    declarations = _declarations(path, sources)
    return Builder(declarations, sources.texts, path, sources.text_of).build(), sources.texts


def engine() -> Any:
    """lupa's module for the best Lua that its wheel has on this platform.  Raises :class:`ConfigError`."""
    for name in ENGINES:
        try:
            return importlib.import_module(f"lupa.{name}")
        except ImportError:
            continue
    raise ConfigError(f"lupa has none of the engines {', '.join(ENGINES)} on this platform")


def _declarations(path: str, sources: _Sources) -> list[Declaration]:
    lua = engine()
    runtime = lua.LuaRuntime(
        encoding=None,
        register_eval=False,
        register_builtins=False,
        unpack_returned_tuples=True,
        attribute_filter=_no_attributes,
        max_memory=MEMORY_LIMIT,
    )
    compile_ = runtime.compile
    try:
        getinfo = compile_(_GUARD, name=b"=guard")(INSTRUCTION_LIMIT, 10_000)
        services = runtime.table_from(
            {b"read": sources.read, b"resolve": sources.resolve, b"print": _print_line},
        )
        sandbox = compile_((_HERE / "sandbox.lua").read_bytes(), name=b"=sandbox")
        env, base, load_file = sandbox(services)
        vocabulary = compile_((_HERE / "vocabulary.lua").read_bytes(), name=b"=vocabulary")
        declared = vocabulary(env, base, getinfo)
        loaded = load_file(os.fsencode(path))
        if isinstance(loaded, tuple):
            raise ConfigError(_whole_name(_text(loaded[1]), sources))
        loaded()
        return [_declaration(declared[index], lua.lua_type) for index in range(1, len(declared) + 1)]
    except lua.LuaMemoryError:
        raise ConfigError(f"{path}: the configuration needs more than {MEMORY_LIMIT >> 20} MB of memory") from None
    except lua.LuaError as error:
        raise ConfigError(_lua_message(error, sources)) from None


def _declaration(record: Any, lua_type: Callable[[Any], str | None]) -> Declaration:
    at = Position(_text(record[b"file"] or b""), int(record[b"line"] or 0))
    kind, name = _text(record[b"kind"]), _text(record[b"name"])
    label = name if kind == "global" else f'{kind} "{name}"' if name else kind
    value = record[b"value"]
    if value is None and kind == "upstream":
        raise ConfigError(f'{at}: {label}: expected a table of peers, as in  upstream "{name}" {{ "127.0.0.1:8000" }}')
    if kind in ("upstream", "route", "page") and lua_type(value) != "table":
        raise ConfigError(f"{at}: {label}: expected a table")
    try:
        return Declaration(kind, name, _plain(value, lua_type, 0, strict=kind != "global"), at)
    except ValueError as error:
        raise ConfigError(f"{at}: {label}: {error}") from None


def _plain(value: Any, lua_type: Callable[[Any], str | None], depth: int, *, strict: bool) -> Any:
    """A Lua value as Python data; a table becomes ``{"list": [...], "map": {...}}``.

    A global may hold anything, it need not be a setting: what has no plain form is then its type's name.
    """
    kind = lua_type(value)
    if kind is None:
        return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
    if kind != "table" or depth >= _DEPTH_LIMIT:
        if strict:
            raise ValueError("tables are nested too deep" if kind == "table" else f"a {kind} is not expected here")
        return {"list": [], "map": {}}
    items, named = [], {}
    for key, item in value.items():
        plain = _plain(item, lua_type, depth + 1, strict=strict)
        if isinstance(key, int):
            items.append((key, plain))
        else:
            named[_text(key) if isinstance(key, bytes) else str(key)] = plain
    items.sort(key=lambda pair: pair[0])
    return {"list": [item for _, item in items], "map": named}


def _lua_message(error: Exception, sources: _Sources) -> str:
    """Lua's own message without the traceback."""
    message = str(error)
    if message.startswith(("b'", 'b"')):
        message = _text(error.args[0])
    return _whole_name(message.partition("\nstack traceback:")[0], sources)


def _whole_name(message: str, sources: _Sources) -> str:
    """Restore a file name that Lua has shortened to 60 bytes."""
    if message.startswith("..."):
        tail = message[3:].partition(":")[0]
        for name in sources.texts:
            if name.endswith(tail):
                return name + message[3 + len(tail) :]
    return message


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _print_line(text: Any) -> None:
    log.line(_text(text))


def _no_attributes(_object: object, _name: object, _setting: bool) -> str:
    raise AttributeError("not accessible from Lua")
