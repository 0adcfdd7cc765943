"""One Lua state with a configuration evaluated in it: its declarations, and its hooks ready to be called.

The loader makes one to learn what a file says; each worker makes one, from the same sources, where there are hooks.
"""

import importlib
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from rsp.config.errors import ConfigError
from rsp.config.words import hint_of_call, hint_of_syntax

ENGINES: Final = ("luajit21", "luajit20", "lua51")  # one language: Lua 5.1
_HERE: Final = Path(__file__).parent
_LOAD_INSTRUCTIONS: Final = 300_000_000  # some seconds; the master waits longer than that


class Sources(Protocol):
    """The files of a configuration, for Lua: the text, or ``None`` and a message; never an exception."""

    @property
    def texts(self) -> dict[str, str]: ...

    def resolve(self, name: Any) -> bytes: ...

    def read(self, path: Any) -> Any: ...


def engine() -> Any:
    """lupa's module for the best Lua that its wheel has on this platform.  Raises :class:`ConfigError`."""
    for name in ENGINES:
        try:
            return importlib.import_module(f"lupa.{name}")
        except ImportError:
            continue
    raise ConfigError(f"lupa has none of the engines {', '.join(ENGINES)} on this platform")


class Runtime:
    """``path``: the main file; ``memory``: bytes that all of its Lua may use; ``host``: services by name.

    Raises :class:`ConfigError`.
    """

    def __init__(
        self,
        path: str,
        sources: Sources,
        print_line: Callable[[Any], None],
        host: Mapping[str, Callable[..., Any]],
        memory: int,
    ) -> None:
        self._lua = lua = engine()
        self._path = path
        self._sources = sources
        self._memory = memory
        self.state = state = lua.LuaRuntime(
            encoding=None,
            register_eval=False,
            register_builtins=False,
            unpack_returned_tuples=True,
            attribute_filter=_no_attributes,
            max_memory=memory,
        )
        self.functions = state.table()
        services = {b"read": sources.read, b"resolve": sources.resolve, b"print": print_line}
        self._sandbox = self._room("sandbox", state.table_from(services))
        self._sandbox[b"read_beside"] = lambda name: sources.read(sources.resolve(name))
        self._sandbox[b"clock"] = time.thread_time
        self._driver = self._room("driver", self._sandbox)
        self._driver[b"begin"](_LOAD_INSTRUCTIONS)
        offered = state.table_from({name.encode(): service for name, service in host.items()})
        here = weakref.proxy(self)  # Lua and Python would hold each other for ever: neither collector sees the circle
        self._sandbox[b"room"] = lambda name, *given: here._room(text(name), *given)
        self._room("libraries", self._sandbox, self._driver, offered)
        objects = self._room("objects", self._sandbox, self._driver, offered)
        answers = self._words(objects, offered)
        self.declared, self._freeze = self._room("vocabulary", self._sandbox)
        self.phases = self._room("phases", self._driver, objects, answers, self.functions, offered)

    def _words(self, objects: Any, offered: Any) -> Any:
        """What hooks are written with; the table of answers."""
        base = self._sandbox[b"base"]
        before = set(base)
        help_ = self._room("helpers", self._sandbox, self._driver, offered)
        given = (self._sandbox, self._driver, objects, offered, help_)
        self._room("json", *given)
        answers = self._room("answers", *given)
        for name in ("calls", "state", "stores", "tools"):
            self._room(name, *given)
        # A file may have variables of these names, as files had before there were hooks.
        self._sandbox[b"tools"] = self.state.table_from({name: name not in before for name in base})
        return answers

    def _room(self, name: str, *given: Any) -> Any:
        chunk = self.state.compile((_HERE / f"{name}.lua").read_bytes(), name=f"={name}".encode())
        return chunk(*given)

    def load(self) -> None:
        """Run the file.  Raises :class:`ConfigError`."""
        lua = self._lua
        try:
            loaded = self._sandbox[b"load_file"](self._path.encode("utf-8", "surrogateescape"))
            if isinstance(loaded, tuple):
                message = self.whole_name(text(loaded[1]))
                raise ConfigError(hint_of_syntax(message, self._sources.texts.get(self._path, "")))
            loaded()
        except lua.LuaMemoryError:
            raise ConfigError(
                f"{self._path}: the configuration needs more than {self._memory >> 20} MB of memory"
            ) from None
        except lua.LuaError as error:
            raise ConfigError(self._message(error) or f"{self._path}: error() was called without a message") from None

    def freeze(self, instructions: int, memory: int) -> None:
        """From now on there are only hooks, each with a budget of ``instructions``; ``memory``: bytes that the file and
        all of its hooks may hold together."""
        self._freeze()
        self._memory = memory
        self._driver[b"arm"](instructions, memory / 1024)
        self.state.set_max_memory(memory)

    def recover(self) -> None:
        """Memory ran out where no hook was to blame, so no memory has been freed."""
        self.state.set_max_memory(0)
        try:
            self._driver[b"collect"]()
        finally:
            self.state.set_max_memory(self._memory)

    def add(self, function: Any) -> int:
        """The number under which phases know ``function``."""
        number = len(self.functions) + 1
        self.functions[number] = function
        return number

    def place(self, function: Any) -> tuple[bytes, int]:
        """Where ``function`` begins: its source, and the line."""
        source, line = self._driver[b"place"](function)
        return source, line

    def fails(self) -> Iterator[tuple[str, int, str]]:
        """File, line and name of globals that functions index or call though they are nil, with what to say instead."""
        for found in self._room("reads", self._sandbox)().values():
            name = text(found[b"name"])
            message = f"attempt to index global '{name}' (a nil value)"
            yield text(found[b"file"]), int(found[b"line"]), f'"{name}"{self.explained(message)[len(message) :]}'

    def kind(self, value: Any) -> str | None:
        """Lua's type of a value that is not plain data."""
        found: str | None = self._lua.lua_type(value)
        return found

    def weak_table(self) -> Callable[[Any], Any]:
        """As :meth:`table`, for objects that Lua holds."""
        here = weakref.ref(self)

        def table(items: Any) -> Any:
            runtime = here()
            return runtime.table(items) if runtime is not None else None

        return table

    def table(self, items: Any) -> Any:
        return self.state.table_from(items)

    def _message(self, error: Exception) -> str:
        """Lua's own message without the traceback."""
        message = str(error)
        if message.startswith(("b'", 'b"')):
            message = text(error.args[0])
        return self.explained(message.partition("\nstack traceback:")[0])

    def explained(self, message: str) -> str:
        """Lua's ``message`` with the whole name of the file, and with what to say instead where that is known."""
        return hint_of_call(self.whole_name(message), (text(word) for word in self._sandbox[b"base"]))

    def whole_name(self, message: str) -> str:
        """Restore a file name that Lua has shortened to 60 bytes."""
        if message.startswith("..."):
            tail = message[3:].partition(":")[0]
            for name in self._sources.texts:
                if name.endswith(tail):
                    return name + message[3 + len(tail) :]
        return message


def text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _no_attributes(_object: object, _name: object, _setting: bool) -> str:
    raise AttributeError("not accessible from Lua")
