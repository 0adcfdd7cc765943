"""A configuration's hooks in one worker: the Lua state, the functions by phase, and how they are called.

Whoever calls a phase gets ``None`` (go on), ``WAITS`` (``then`` is called later), ``FAILED`` (it is in the log), or
what phases.lua says.  Nothing of this exists where a configuration has no hooks.
"""

import asyncio
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from rsp.config.errors import ConfigError, suggest
from rsp.config.schema import Config
from rsp.config.units import Address
from rsp.exchange.hooks import operations
from rsp.exchange.hooks.tasks import FAILED, WAITS, Operation, Task
from rsp.http.fields import flat
from rsp.http.lines import drop, get
from rsp.http.names import OURS, fold
from rsp.ipc.scoreboard import Cell
from rsp.ipc.shared_memory import Full, Shared
from rsp.logs import log
from rsp.lua.evaluate import Evaluation, Hook
from rsp.lua.services import AT_LOAD, Services

if TYPE_CHECKING:
    from rsp.exchange.context import Plane
    from rsp.exchange.hooks.hooked_request import HookedRequest
    from rsp.http.message import RequestHead, ResponseHead

_OURS: Final = re.compile(r"\[C\]|[a-z]+:[ \d]")  # lines of a traceback in our own rooms
_PLACE: Final = re.compile(r".*?:\d+:")
# Fields that rsp writes into requests itself; and those that are understood when a head is read, and not kept with the
# others.
APART: Final = OURS | {b"host", b"content-length", b"transfer-encoding", b"upgrade", b"expect"}
# What may authenticate the connection to the peer.
CREDENTIALS: Final = frozenset((b"authorization", b"proxy-authorization"))
APART_SIZES: Final = frozenset(map(len, APART | CREDENTIALS))
_LAST_NUMBER: Final = 2**53
_LATER: Final = ("on_upstream", "on_response", "on_error", "on_log")


def bar(head: "RequestHead | ResponseHead", name: bytes) -> None:
    """A hook has written the field ``name``: what stands behind the body does not contradict it."""
    if head.barred is None:
        head.barred = set()
    head.barred.add(fold(name))


class Phases:
    """The numbers of the functions for one route, or for all; 0: none."""

    __slots__ = ("error", "fail_open", "log", "request", "response", "upstream")

    def __init__(self) -> None:
        self.request = 0
        self.upstream = 0
        self.response = 0
        self.error = 0
        self.log = 0
        self.fail_open: bool | None = None


class Host:
    """What Lua code asks without waiting, about the request that it works for; see objects.lua.

    Lua holds this, so it must not hold Lua: nobody would ever free the two.
    """

    __slots__ = ("current", "head", "plane", "serving", "store", "table")

    def __init__(self, plane: "Plane", store: Shared) -> None:
        self.plane = plane
        self.store = store
        self.current: HookedRequest | None = None
        self.head: RequestHead | None = None  # of the current one
        self.serving = False  # the configuration has been loaded
        self.table: Callable[[Any], Any] = dict

    def offered(self) -> dict[str, Callable[..., Any]]:
        names = (
            "describe", "about", "get_field", "set_field", "all_fields", "add_field", "each_field", "hold",
            "shared_incr", "shared_rate", "wrong_peer", "wrong_upstream",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}

    def wrong_upstream(self, name: bytes) -> Any:
        """What is wrong with it; nil: nothing, as far as anyone can say."""
        current = self.current
        known = list(current.site.groups) if current is not None else []
        wanted = name.decode("utf-8", "replace")
        return f'no upstream "{wanted}"{suggest(wanted, known)}'.encode() if known and wanted not in known else None

    def wrong_peer(self, peer: bytes) -> Any:
        """What is wrong with its form; nil: nothing."""
        try:
            Address.parse(peer.decode("utf-8", "replace"))
        except ValueError as error:
            return str(error).encode()
        return None

    def describe(self) -> Any:
        current = self.current
        return current.described() if current is not None else (b"", b"/", b"", b"")

    def about(self, key: bytes) -> Any:
        current = self.current
        return current.about(key) if current is not None else None

    def get_field(self, which: int, name: object) -> Any:
        head, current = self.head, self.current
        if which == 0 and head is not None and isinstance(name, bytes):  # without a detour
            found = get(head.fields, name)
            if found is not None or len(name) not in APART_SIZES:
                return found
        return current.get_field(which, name) if current is not None else None

    def set_field(self, which: int, name: bytes, lines: bytes) -> None:
        head, current = self.head, self.current
        if which == 0 and head is not None and len(name) not in APART_SIZES:
            head.fields = drop(head.fields, name) + lines
            bar(head, name)
        elif current is not None:
            current.set_field(which, name, lines, False)

    def add_field(self, which: int, name: bytes, lines: bytes) -> None:
        current = self.current
        if current is not None:
            current.set_field(which, name, lines, True)

    def all_fields(self, which: int, name: bytes) -> Any:
        current = self.current
        return self.table(current.all_fields(which, name) if current is not None else [])

    def each_field(self, which: int) -> Any:
        current = self.current
        return self.table(flat(current.block(which)) if current is not None else [])

    def shared_incr(self, key: bytes, by: float, first: float, ttl: float) -> Any:
        """Compiled, as services.py is not."""
        if not self.serving:
            return None, AT_LOAD
        try:
            total = self.store.incr(key, by, first, ttl)
        except (Full, ValueError) as error:
            return None, str(error).encode()
        return total if total is not None else (None, b"shared: incr: there is no number at this key")

    def shared_rate(self, key: bytes, interval: float, burst: float, cost: float) -> Any:
        try:
            return self.store.rate(key, interval, burst, cost) if self.serving else (None, AT_LOAD)
        except (Full, ValueError) as error:
            return None, str(error).encode()

    def hold(self, key: bytes, most: float) -> Any:
        """For limit.conn; given back when the exchange ends."""
        current = self.current
        if current is None:
            return None, b"limit.conn: there is no request here"
        me = os.getpid()
        try:
            if not self.store.hold(key, me, self.alive() | {me}, int(most)):
                return False
        except (Full, ValueError) as error:
            return None, str(error).encode()
        current.held = [*(current.held or ()), key]
        return True

    def alive(self) -> set[int]:
        """The process ids of all workers."""
        scoreboard = self.plane.scoreboard
        return {scoreboard.row(number)[Cell.PID] for number in range(scoreboard.rows)}


class Hooks:
    """``main``, ``files``: what ``config`` was made from; without files they are read.  ``store``: the shared state
    of the instance.

    Raises :class:`ConfigError` if it is not the same program any more.
    """

    # fmt: off
    __slots__ = (
        "_evaluation", "_last", "_stopped", "_timers", "body_limit", "cancel", "config", "everywhere", "fail_open",
        "host", "keeps", "long", "operations", "phases", "plane", "release", "request", "response", "resume",
        "routes", "services", "store", "table", "timeout", "too_long", "tracing", "witness",
    )
    # fmt: on

    def __init__(self, plane: "Plane", config: Config, main: str, files: dict[str, bytes], store: Shared) -> None:
        self.plane = plane
        self.config = config
        self.store = store
        self.tracing: list[str] | None = None  # of the hooks that are met, where somebody wants to know
        self.witness: Callable[[bytes | None, bytes | None, str], None] | None = None  # and what became of it
        self._last = 0
        self._stopped = False
        self._timers: dict[int, asyncio.TimerHandle] = {}
        settings = config.settings.lua
        self.timeout = float(settings.timeout)
        self.long = settings.instructions * 1000  # the budget of what no request waits for
        self.body_limit = int(settings.body)
        self.fail_open = settings.fail_open
        self.too_long = (False, f"the hook waits longer than lua.timeout allows ({settings.timeout})".encode())
        self.operations: dict[bytes, Operation] = dict(operations.ALL)
        services = self.services = Services()
        host = self.host = Host(plane, store)
        offered = {**host.offered(), "warn": _warn}
        evaluation = self._evaluation = Evaluation(main, services, offered, files or None)
        runtime = evaluation.runtime
        hooks = [hook for hook in evaluation.hooks if hook.phase != "test"]
        if files and tuple(hook.place for hook in hooks) != config.hooks:
            raise ConfigError(f"{main}: its hooks are not the same each time that it is evaluated")
        runtime.freeze(settings.instructions, int(settings.memory))
        services.store = store
        host.serving, host.table = True, runtime.weak_table()
        self.table = runtime.table
        phases = self.phases = runtime.phases
        self.request, self.response = phases[b"request"], phases[b"response"]
        self.resume, self.cancel, self.release = phases[b"resume"], phases[b"cancel"], phases[b"release"]
        self.everywhere = Phases()
        self.routes: dict[int, Phases] = {}
        for hook in hooks:
            if hook.phase in ("on_request", *_LATER):
                self._add(hook)
        # Whether req has to be kept for a later phase.
        requests = {hook.route for hook in hooks if hook.phase == "on_request"}
        several = -1 in requests and len(requests) > 1
        self.keeps = several or any(hook.phase in _LATER for hook in hooks)
        operations.warm_up(files)

    def _add(self, hook: Hook) -> None:
        phases = self.everywhere if hook.route < 0 else self.routes.setdefault(hook.route, Phases())
        setattr(phases, hook.phase.removeprefix("on_"), self._evaluation.runtime.add(hook.function))
        if hook.route >= 0:
            phases.fail_open = self.config.routes[hook.route].fail_open

    # -- calls

    def new_number(self) -> int:
        """For an exchange whose req is kept.  Lua's numbers are exact up to 2^53; then the first ones are free."""
        self._last = self._last + 1 if self._last < _LAST_NUMBER else 1
        return self._last

    def invoke(self, exchange: "HookedRequest | None", function: Any, *given: Any) -> Any:
        """One stretch of Lua, which cannot raise anything."""
        host = self.host
        before, host.current = host.current, exchange
        host.head = exchange.head if exchange is not None else None
        try:
            return function(*given)
        except Exception as error:
            return self.failure(error)
        finally:
            host.current = before
            host.head = before.head if before is not None else None

    def failure(self, error: Exception) -> Any:
        """What Lua raised outside of any hook: memory ran out there, or it is a defect of ours."""
        self._evaluation.runtime.recover()
        return 2, str(error).encode() or b"not enough memory; lua.memory limits it", b""

    def call(self, exchange: "HookedRequest | None", then: Callable[[Any], None], function: Any, *given: Any) -> Any:
        """A phase; ``then`` is called with the outcome if it is not there yet."""
        if self.tracing is not None:
            self.trace(given[0])
        return self.settle(exchange, then, self.invoke(exchange, function, *given))

    def settle(self, exchange: "HookedRequest | None", then: Callable[[Any], None], outcome: Any) -> Any:
        """What a first stretch of Lua gave: it may be the last."""
        if outcome is None or outcome[0] == 0:
            return outcome
        if outcome[0] == 1:
            task = Task(self, exchange, then)
            if exchange is not None:
                exchange.task = task
            outcome = task.proceed(outcome)
            if exchange is not None and outcome is not WAITS:
                exchange.task = None
            return outcome
        self.report(outcome)
        return FAILED

    def trace(self, number: int) -> None:
        """Note that the hook ``number`` is met."""
        if self.tracing is not None:
            self.tracing.append(self._describe(number))

    def _describe(self, number: int) -> str:
        hooks = [hook for hook in self._evaluation.hooks if hook.phase not in ("test", "every")]
        numbered = [hook for hook in hooks if hook.phase in ("on_request", *_LATER)]
        hook = numbered[number - 1] if 0 < number <= len(numbered) else None
        return f"{hook.phase} at {hook.place}" if hook is not None else "a hook"

    def report(self, outcome: Any) -> None:
        """What a hook threw, in the log: once a second for each line."""
        text = self.text_of(outcome)
        place = _PLACE.match(text)
        log.once_a_second(f"hook {place[0] if place else text}", f"A hook failed: {text}")

    def text_of(self, outcome: Any) -> str:
        """Message and traceback of a failure."""
        runtime = self._evaluation.runtime
        name = runtime.whole_name
        trace = outcome[2].decode("utf-8", "replace").split("\n\t")[1:]
        inside = [f"    {name(line)}" for line in trace if not _OURS.match(line)]
        return "\n".join([runtime.explained(outcome[1].decode("utf-8", "replace")), *inside])

    @property
    def evaluated(self) -> list[Hook]:
        """All functions of the configuration, its tests included."""
        return self._evaluation.hooks

    def add(self, hook: Hook) -> int:
        """The number under which ``hook`` is run."""
        number: int = self._evaluation.runtime.add(hook.function)
        return number

    # -- what belongs to no request

    def start(self, before: "Hooks | None") -> None:
        """Run ``on_start``, or ``on_reload`` after another configuration; begin with the timers."""
        runtime = self._evaluation.runtime
        for hook in self._evaluation.hooks:
            if hook.phase == ("on_start" if before is None else "on_reload"):
                self._run(runtime.add(hook.function), self.long)
            elif hook.phase == "every":
                timer = self.config.timers[hook.timer]
                key = None if timer.workers == "all" else b"\3every\0%d" % hook.timer
                self._begin_timer(runtime.add(hook.function), float(timer.interval), key)

    def stop(self) -> None:
        """A new configuration is in force."""
        self._stopped = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _run(self, number: int, instructions: int | None = None) -> None:
        self.call(None, _nothing, self.phases[b"plain"], number, instructions)

    def _begin_timer(self, number: int, interval: float, key: bytes | None) -> None:
        interval = max(interval, 0.01)
        timer = asyncio.get_running_loop().call_later(interval, self._fire, number, interval, key)
        self._timers[number] = timer

    def _fire(self, number: int, interval: float, key: bytes | None) -> None:
        if not self._stopped and not self.plane.draining:
            self._begin_timer(number, interval, key)
            if key is None or self._is_mine(key, interval):
                self._run(number)

    def _is_mine(self, key: bytes, interval: float) -> bool:
        """Whether this worker is the one: it stays that as long as it renews the lease."""
        lease = 1.5 * interval + 0.1
        me = float(os.getpid())
        owner = self.store.get(key)
        if owner == me or (owner is not None and owner not in self.host.alive()):
            return self.store.put(key, me, lease, False)
        return owner is None and self.store.put(key, me, lease, True)


def _warn(message: bytes) -> None:
    """What is not wrong, but hardly meant."""
    text = message.decode("utf-8", "replace")
    log.once_a_second(f"warning {text}", text)


def _nothing(_outcome: Any) -> None:
    pass
