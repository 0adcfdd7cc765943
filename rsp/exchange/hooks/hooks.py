"""A configuration's hooks in one worker: the Lua state, the functions by phase, and how they are called.

A call of a phase gives ``None`` (go on), ``WAITS`` (``then`` is called later), ``FAILED`` (it is in the log), or what
phases.lua says.  Nothing of this exists where a configuration has no hooks.
"""

import asyncio
import os
import re
from collections.abc import Callable
from typing import Any, Final

from rsp.config.errors import ConfigError
from rsp.config.schema import Config
from rsp.exchange.hooks import operations
from rsp.exchange.hooks.cluster_limits import ClusterLimits
from rsp.exchange.hooks.host import Host
from rsp.exchange.hooks.notes import HookNotes
from rsp.exchange.hooks.stored import Stored
from rsp.exchange.hooks.tasks import FAILED, WAITS, Answer, Operation, Runner, Task, Then
from rsp.exchange.running_config import RunningConfig
from rsp.ipc.shared_memory import Shared
from rsp.ipc.worker_cells import HOOK_FAILURES, HOOK_RUNS, HOOK_TIME
from rsp.logs import log
from rsp.lua.evaluate import Evaluation, Hook
from rsp.lua.services import Services
from rsp.net.context import WorkerContext

_OURS: Final = re.compile(r"\[C\]|[a-z]+:[ \d]")  # lines of a traceback in our own rooms
_KEY: Final = 40  # characters of what rsp says itself
_LAST_NUMBER: Final = 2**53
_LATER: Final = ("on_upstream", "on_response", "on_error", "on_log")


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


class Hooks(Runner):
    """``main``, ``files``: what ``config`` was made from; without files they are read.  ``store``: the shared state
    of the instance.  ``running`` is set before anything is called.

    ``everywhere``, ``routes``: the functions for all routes, and by the number of the route
    ``keeps``      whether ``req`` has to be kept for a later phase
    ``tracing``    of the hooks that are met, where that is to be known; ``witness``: and what happened to the request

    Raises :class:`ConfigError` if it is not the same program any more.
    """

    # fmt: off
    __slots__ = (
        "_evaluation", "_last", "_resume", "_stopped", "_timers", "everywhere", "fail_open", "host", "keeps", "long",
        "phases", "request", "response", "routes", "store", "tracing", "witness",
    )
    # fmt: on

    def __init__(
        self, context: WorkerContext, config: Config, main: str, files: dict[str, bytes], store: Shared
    ) -> None:
        self.context = context
        self.config = config
        self.running: RunningConfig | None = None
        self.store = store
        self.tracing: list[str] | None = None
        self.witness: Callable[[bytes | None, bytes | None, str, Any], None] | None = None
        self._last = 0
        self._stopped = False
        self._timers: dict[int, asyncio.TimerHandle] = {}
        settings = config.settings.lua
        self.timeout = float(settings.timeout)
        self.long = settings.instructions * 1000  # the budget of what no request waits for
        self.body_limit = int(settings.body)
        self.fail_open = settings.fail_open
        self.too_long = (False, f"the hook waits longer than lua.timeout ({settings.timeout})".encode())
        self.operations: dict[bytes, Operation] = dict(operations.ALL)
        services = self.services = Services()
        host = self.host = Host(context, store)
        stored = Stored(config, context)
        self.operations |= stored.operations()
        limits = ClusterLimits(config, context)
        self.operations |= limits.operations()
        offered: dict[str, Callable[..., Any]] = {
            **host.offered(), "warn": _warn, "wrong_store": stored.wrong, "cluster_rate": limits.draw,
        }  # fmt: skip
        evaluation = self._evaluation = Evaluation(main, services, offered, files or None)
        runtime = evaluation.runtime
        hooks = [hook for hook in evaluation.hooks if hook.phase != "test"]
        if files and tuple(hook.place for hook in hooks) != config.hooks:
            raise ConfigError(
                f"{main}: its hooks differ between evaluations; a configuration must declare the same hooks each time"
            )
        runtime.freeze(settings.instructions, int(settings.memory))
        services.store = store
        host.serving, host.table = True, runtime.weak_table()
        self.table = runtime.table
        phases = self.phases = runtime.phases
        self.request, self.response, self._resume = phases[b"request"], phases[b"response"], phases[b"resume"]
        self.everywhere = Phases()
        self.routes: dict[int, Phases] = {}
        for hook in hooks:
            if hook.phase in ("on_request", *_LATER):
                self._add(hook)
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

    def invoke(self, notes: HookNotes | None, function: Any, given: tuple[Any, ...]) -> Any:
        """One stretch of Lua, ``function(*given)``, which cannot raise anything."""
        host = self.host
        before, host.current = host.current, notes
        host.head = notes.exchange.head if notes is not None else None
        begun = self.context.clock()
        try:
            return function(*given)
        except Exception as error:
            return self._failure(error)
        finally:
            self._count(begun)
            host.current = before
            host.head = before.exchange.head if before is not None else None

    def _count(self, begun: float) -> None:
        """A stretch of Lua has run since ``begun``."""
        stats = self.context.stats
        stats.add(HOOK_RUNS, 1)
        stats.add(HOOK_TIME, int((self.context.clock() - begun) * 1e9))

    def _failure(self, error: Exception) -> Any:
        """What Lua raised outside of any hook: memory ran out there, or it is a defect of ours."""
        self._evaluation.runtime.recover()
        return b"failed", str(error).encode() or b"not enough memory; lua.memory limits it", b""

    def call(self, notes: HookNotes | None, then: Then, function: Any, given: tuple[Any, ...]) -> Any:
        """A phase; ``then`` is called with the outcome if it is not there yet."""
        if self.tracing is not None:
            self._trace(given[0])
        return self._settle(notes, then, self.invoke(notes, function, given))

    def call_request(self, notes: HookNotes, then: Then, number: int) -> Any:
        """on_request, by the function ``number``: as ``call``, without a detour."""
        if self.tracing is not None:
            self._trace(number)
        host, exchange = self.host, notes.exchange
        head = exchange.head
        before, host.current, host.head = host.current, notes, head
        begun = self.context.clock()
        try:
            outcome = self.request(number, notes.number, head.method, head.target, head.host, exchange.client)
        except Exception as error:
            outcome = self._failure(error)
        finally:
            self._count(begun)
            host.current = before
            host.head = before.exchange.head if before is not None else None
        return None if outcome is None else self._settle(notes, then, outcome)

    def _settle(self, notes: HookNotes | None, then: Then, outcome: Any) -> Any:
        """What a first stretch of Lua gave: it may be the last."""
        if outcome is None:
            return None
        kind = outcome[0]
        if kind == b"waits":
            task = Task(self, notes, then)
            if notes is not None:
                notes.wait(task.cancel)
            outcome = task.proceed(outcome)
            if notes is not None and outcome is not WAITS:
                notes.wait(None)
        elif kind == b"failed":
            self.report(outcome)
            return FAILED
        return outcome

    def resume(self, notes: HookNotes | None, number: int, answer: Answer) -> Any:
        return self.invoke(notes, self._resume, (number, *answer))

    def forget(self, number: int) -> None:
        self.phases[b"cancel"](number)

    def _trace(self, number: int) -> None:
        """Note that the hook ``number`` is met."""
        if self.tracing is not None:
            self.tracing.append(self._describe(number))

    def _describe(self, number: int) -> str:
        hooks = [hook for hook in self._evaluation.hooks if hook.phase not in ("test", "every")]
        numbered = [hook for hook in hooks if hook.phase in ("on_request", *_LATER)]
        hook = numbered[number - 1] if 0 < number <= len(numbered) else None
        return f"{hook.phase} at {hook.place}" if hook is not None else "a hook"

    def complain(self, text: str) -> None:
        """What a hook has asked for is not to be had."""
        self.report((b"failed", text.encode(), b""))

    def report(self, outcome: Any) -> None:
        """What a hook threw, in the log: once a second for each place.  The text may be a client's, so it is no key."""
        self.context.stats.add(HOOK_FAILURES, 1)
        text = self.text_of(outcome)
        place = outcome[2].decode("utf-8", "replace") or text[:_KEY]
        log.once_a_second(f"hook {place}", f"A hook failed: {text}")

    def text_of(self, outcome: Any) -> str:
        """Message and traceback of a failure."""
        _, message, trace = outcome
        runtime = self._evaluation.runtime
        name = runtime.whole_name
        lines = trace.decode("utf-8", "replace").split("\n\t")[1:]
        inside = [f"    {name(line)}" for line in lines if not _OURS.match(line)]
        return "\n".join([runtime.explained(message.decode("utf-8", "replace")), *inside])

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
        self.running = None  # they would hold each other until the collector comes
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _run(self, number: int, instructions: int | None = None) -> None:
        self.call(None, _nothing, self.phases[b"plain"], (number, instructions))

    def _begin_timer(self, number: int, interval: float, key: bytes | None) -> None:
        interval = max(interval, 0.01)
        timer = asyncio.get_running_loop().call_later(interval, self._fire, number, interval, key)
        self._timers[number] = timer

    def _fire(self, number: int, interval: float, key: bytes | None) -> None:
        if not self._stopped and not self.context.draining:
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


def _nothing(_notes: HookNotes | None, _outcome: Any) -> None:
    pass
