"""Runs a configuration file in the sandbox: its declarations become a checked configuration, its functions hooks.

Meant for a process of its own (the loader): user code is bounded here by instructions and memory, and by the
master's patience with the whole process.  Workers evaluate the same files again, for the hooks alone.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from rsp.config import undefined
from rsp.config.build import HOOKS, Builder
from rsp.config.declaration import Declaration
from rsp.config.errors import ConfigError, Position
from rsp.config.foreign import complaint
from rsp.config.schema import Config, Settings
from rsp.config.store_rules import store_of
from rsp.config.units import Function
from rsp.logs import log
from rsp.lua.runtime import Runtime, text
from rsp.lua.services import Services
from rsp.system.file_errors import unread

MEMORY_LIMIT: Final = 256 << 20  # bytes that a configuration may use while it is evaluated
_LARGEST: Final = 64 << 20  # bytes of a file
_EXACT: Final = 2**53  # Lua's numbers beyond that are no integers
_DEPTH_LIMIT: Final = 16  # tables in tables


class Files:
    """What a configuration reads, by the name under which Lua's messages know it.

    ``known``: what the loader has read; nothing else is read then.
    """

    def __init__(self, main: str, known: Mapping[str, bytes] | None = None) -> None:
        self.contents: dict[str, bytes] = {}
        self._known = known
        self._directory = os.path.dirname(main)  # noqa: PTH120 - as given: messages show it

    @property
    def texts(self) -> dict[str, str]:
        return {name: content.decode("utf-8", "replace") for name, content in self.contents.items()}

    def resolve(self, name: Any) -> bytes:
        return os.path.join(os.fsencode(self._directory), name if isinstance(name, bytes) else b"")  # noqa: PTH118

    def text_of(self, name: str) -> str:
        """A file beside the main file, for the configuration itself.  Raises :class:`ValueError`."""
        data, message = self.read(self.resolve(name.encode()))
        if data is None:
            raise ValueError(text(message))
        return text(data)

    def read(self, path: Any) -> Any:
        """For Lua: the text, or nil and a message; never an exception."""
        try:
            name = os.fsdecode(path)
            if self._known is None:
                self.contents[name] = _bytes_of(name)
            elif name in self._known:
                self.contents[name] = self._known[name]
            else:
                return None, f"cannot open {name}: it was not there before".encode()
        except (OSError, TypeError, ValueError) as error:
            reason = unread(name, error) if isinstance(error, OSError) else str(error)
            if isinstance(error, PermissionError):
                reason += "; start rsp as root, or let that user read it"
            return None, f"cannot open {text(path)}: {reason}".encode(errors="replace")
        return self.contents[name], None


def _bytes_of(name: str) -> bytes:
    """Raises :class:`OSError`, and :class:`ValueError` where there is no end, as in /dev/zero, or no beginning."""
    with open(name, "rb", opener=_opener) as file:
        descriptor, first = file.fileno(), b""
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            with suppress(BlockingIOError):  # a process has it open, and has written nothing yet
                first = os.read(descriptor, 1)
                if not first:
                    raise ValueError("it is a pipe, and no process writes to it")
        os.set_blocking(descriptor, True)
        data = first + file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ValueError(f"it is larger than {_LARGEST >> 20} MB")
    return data


def _opener(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NONBLOCK)  # else opening a FIFO waits for a process that writes to it


class Hook:
    """``phase``: ``on_request`` and so on, ``every``, or ``test``; ``route``, ``timer``: its number, or -1.

    ``function``: Lua's; ``place``: where it begins, as ``site.lua:12``.
    """

    __slots__ = ("function", "name", "phase", "place", "route", "timer")

    def __init__(self, phase: str, function: Any, place: str, route: int = -1, timer: int = -1, name: str = "") -> None:
        self.phase = phase
        self.function = function
        self.place = place
        self.route = route
        self.timer = timer
        self.name = name


class Evaluation:
    """Of the file at ``path``.  ``host``: services for hooks, beyond :class:`Services`.

    Raises :class:`ConfigError`: a file that cannot be read, and Lua's own errors.
    """

    def __init__(
        self,
        path: str,
        services: Services,
        host: Mapping[str, Callable[..., Any]],
        known: Mapping[str, bytes] | None = None,
    ) -> None:
        self.path = path
        self._services = services
        self.files = Files(path, known)
        offered = {**services.offered(), **host}
        self.runtime = Runtime(path, self.files, print_line, offered, MEMORY_LIMIT)
        services.table = self.runtime.weak_table()
        self.runtime.load()
        self.hooks = list(self._hooks())

    def config(self) -> Config:
        """The checked configuration.  Raises :class:`ConfigError` with every mistake that the schema finds."""
        declarations = [found for found in map(self._declaration, self._records()) if found is not None]
        texts = self.files.texts
        places = tuple(hook.place for hook in self.hooks if hook.phase != "test")
        missed, warnings = undefined.found(declarations, texts)
        warnings += (undefined.in_function(Position(file, line), name) for file, line, name in self.runtime.fails())
        try:
            config = Builder(declarations, texts, self.path, self.files.text_of, places).build()
        except ConfigError as error:
            raise ConfigError(*missed, *undefined.without_consequences(error.messages, missed)) from None
        if missed:
            raise ConfigError(*missed)
        self._check_stores(config)
        return msgspec.structs.replace(config, warnings=(*warnings, *config.warnings))

    def _check_stores(self, config: Config) -> None:
        """Those that ``shared(name, { store = ... })`` names."""
        problems: list[str] = []
        for said, place in dict.fromkeys(self._services.stores):
            try:
                store_of(config, said or True)
            except ValueError as error:
                problems.append(f"{place}: shared: store: {error}")
        if problems:
            raise ConfigError(*problems)

    def _records(self) -> list[Any]:
        declared = self.runtime.declared
        return [declared[index] for index in range(1, len(declared) + 1)]

    # -- functions

    def _hooks(self) -> Iterator[Hook]:
        route = timer = -1
        for record in self._records():
            kind, value = text(record[b"kind"]), record[b"value"]
            if kind == "hook":
                yield Hook(text(record[b"name"]), value, self._place(value))
            elif kind == "every":
                timer += 1
                yield Hook("every", value[b"run"], self._place(value[b"run"]), timer=timer)
            elif kind == "test":
                yield Hook("test", value[b"run"], self._place(value[b"run"]), name=text(value[b"name"]))
            elif kind == "route":
                route += 1
                if self.runtime.kind(value) == "table":
                    for phase in HOOKS:
                        function = value[phase.encode()]
                        if self.runtime.kind(function) == "function":
                            yield Hook(phase, function, self._place(function), route=route)

    def _place(self, function: Any) -> str:
        source, line = self.runtime.place(function)
        return f"{text(source).removeprefix('@')}:{line}"

    # -- data

    def _declaration(self, record: Any) -> Declaration | None:
        at = Position(text(record[b"file"] or b""), int(record[b"line"] or 0))
        kind, name = text(record[b"kind"]), text(record[b"name"])
        label = name if kind == "global" else f'{kind} "{name}"' if name else kind
        value = record[b"value"]
        if kind == "test":
            return None
        if kind == "every":
            value[b"run"] = None
        if kind in ("hook", "function"):
            return Declaration(kind, name, None, at)
        if value is None and kind == "upstream":
            raise ConfigError(
                f'{at}: {label}: expected a table of peers, as in  upstream "{name}" {{ "127.0.0.1:8000" }}'
            )
        if value is None and kind == "store":
            raise ConfigError(f'{at}: {label}: expected a URL, as in  store "{name}" {{ "redis://10.0.0.5:6379/0" }}')
        if kind in ("upstream", "route", "page") and self.runtime.kind(value) != "table":
            raise ConfigError(f"{at}: {label}: expected a table")
        try:
            strict = kind != "global" or name in Settings.__struct_fields__
            plain = self._plain(value, 0, strict=strict, route=kind == "route")
            return Declaration(kind, name, plain, at, top=bool(record[b"top"]))
        except ValueError as error:
            raise ConfigError(f"{at}: {label}: {error}") from None

    def _plain(self, value: Any, depth: int, *, strict: bool, route: bool = False) -> Any:
        """A Lua value as Python data; a table becomes ``{"list": [...], "map": {...}}``.

        A global may hold anything, it need not be a setting: what has no plain form is then its type's name.
        """
        kind = self.runtime.kind(value)
        if kind is None:
            if isinstance(value, int) and not -_EXACT <= value <= _EXACT:
                return float(value)
            return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
        if kind != "table" or depth >= _DEPTH_LIMIT:
            if strict:
                raise ValueError("tables are nested too deep" if kind == "table" else f"a {kind} is not expected here")
            return {"list": [], "map": {}}
        items, named = [], {}
        for key, item in value.items():
            name = text(key)
            if route and name.startswith("on_") and self.runtime.kind(item) == "function":
                named[name] = Function.MARK + self._place(item)
                continue
            try:
                plain = self._plain(item, depth + 1, strict=strict)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
            if isinstance(key, int):
                items.append((key, plain))
            else:
                named[name] = plain
        items.sort(key=lambda pair: pair[0])
        return {"list": [item for _, item in items], "map": named}


def evaluate(path: str) -> tuple[Config, dict[str, bytes]]:
    """The checked configuration of the Lua file at ``path``, and the content of all files that it read, by name.

    Raises :class:`ConfigError`: a file that cannot be read, Lua's own errors, and every mistake the schema finds.
    """
    try:
        evaluation = Evaluation(path, Services(), {})
    except ConfigError as error:
        raise _explained(path, error) from None
    return evaluation.config(), evaluation.files.contents


def _explained(path: str, error: ConfigError) -> ConfigError:
    """Better words where the file was meant for another program."""
    try:
        if not Path(path).is_file():  # what a pipe had has been read
            return error
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - as given
            foreign = complaint(path, file.read(1 << 16))
    except OSError:
        return error
    return ConfigError(foreign) if foreign is not None else error


def print_line(line: Any) -> None:
    log.line(text(line))
