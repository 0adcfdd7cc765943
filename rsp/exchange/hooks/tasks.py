"""Hooks that wait: each is a task, which begins what its hook asked for and goes on with the answer.

An *operation* is given its arguments and ``done``; it returns its answer at once, or a function that calls it off, and
calls ``done(answer)`` later.  An answer is ``(True, values...)``, or ``(False, message)``, which the hook meets as an
error at the place where it waits.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from rsp.config.schema import Config
from rsp.exchange.hooks.notes import HookNotes
from rsp.exchange.running_config import RunningConfig
from rsp.lua.services import Services
from rsp.net.context import WorkerContext

Answer = tuple[Any, ...]
Done = Callable[[Answer], None]
Operation = Callable[["Task", tuple[Any, ...], Done], Answer | Callable[[], None]]
Then = Callable[[Any, Any], None]  # with the notes that the hook belongs to, or None, and the outcome


def cancel(task: "asyncio.Task[Any]") -> None:
    """What calls an operation off that runs in the background."""
    task.cancel()


# Instead of an outcome; as driver.lua names them.
WAITS: Final = (b"waits",)
FAILED: Final = (b"failed",)


class Runner:
    """What runs the hooks of a configuration, as tasks and operations see it: ``hooks.py``.

    ``operations``  by name
    ``table``       makes a Lua table
    ``timeout``     seconds for all that a hook waits for; ``too_long``: the answer after that
    ``running``     the configuration of what belongs to no request, while it is in force
    """

    # fmt: off
    __slots__ = (
        "body_limit", "config", "context", "operations", "running", "services", "table", "timeout", "too_long",
    )
    # fmt: on

    body_limit: int
    config: Config
    context: WorkerContext
    operations: dict[bytes, Operation]
    running: RunningConfig | None
    services: Services
    table: Callable[[Any], Any]
    timeout: float
    too_long: Answer

    def resume(self, notes: HookNotes | None, number: int, answer: Answer) -> Any:
        """Let the hook go on that waits under ``number``; its next outcome."""
        raise NotImplementedError

    def forget(self, number: int) -> None:
        """The hook does not go on."""
        raise NotImplementedError

    def report(self, outcome: Any) -> None:
        """It has failed."""
        raise NotImplementedError


class Task:
    """``then``: what to do with the outcome, once there is one; ``notes``: of the exchange whose hook it is, if any.

    ``running``: the configuration that it sees, whatever comes into force meanwhile.
    """

    # fmt: off
    __slots__ = (
        "_cancel", "_children", "_finished", "_last_child", "_number", "_over", "_then", "_wants_any",
        "deadline", "notes", "runner", "running",
    )
    # fmt: on

    def __init__(self, runner: Runner, notes: HookNotes | None, then: Then) -> None:
        self.runner = runner
        self._then = then
        self._number = 0
        self._over = False
        self._cancel: Callable[[], None] | None = None
        self._children: dict[int, Callable[[], None] | None] = {}
        self._finished: deque[tuple[int, Answer]] = deque()
        self._last_child = 0
        self._wants_any = False
        self.notes = notes
        self.running = notes.exchange.config if notes is not None else runner.running
        self.deadline = runner.context.clock() + runner.timeout  # the worker's clock is up to a second behind
        runner.context.attempts.add(self)

    def proceed(self, outcome: Any) -> Any:
        """From one outcome of Lua to the next, as long as answers are there at once; then ``WAITS``, or the last."""
        runner = self.runner
        while outcome is not None and outcome[0] == b"waits":
            _, self._number, operation, *given = outcome
            answer = self._begin(operation, tuple(given))
            if answer is None:
                return WAITS
            outcome = runner.resume(self.notes, self._number, answer)
        self._over = True
        self._stop()
        if outcome is not None and outcome[0] == b"failed":
            runner.report(outcome)
            return FAILED
        return outcome

    def _begin(self, name: bytes, given: tuple[Any, ...]) -> Answer | None:
        if name == b"start":
            return self._start(given)
        if name == b"any":
            if self._finished:
                number, answer = self._finished.popleft()
                return (True, number, *answer)
            self._wants_any = True
            return None
        if self.runner.context.now > self.deadline:
            return self.runner.too_long
        begun = self._operate(name, given, self._answered)
        if isinstance(begun, tuple):
            return begun
        self._cancel = begun
        return None

    def _operate(self, name: bytes, given: tuple[Any, ...], done: Done) -> Answer | Callable[[], None]:
        """What it raises is the affair of the hook that has asked for it."""
        try:
            return self.runner.operations[name](self, given, done)
        except Exception as error:
            return False, b"%b: %b" % (name, (str(error) or type(error).__name__).encode())

    def _start(self, given: tuple[Any, ...]) -> Answer:
        """One of several at once."""
        self._last_child += 1
        number = self._last_child
        name, *rest = given
        if name in (b"start", b"any"):
            self._finished.append((number, (False, b"parallel cannot be called within parallel")))
            return True, number

        def done(answer: Answer) -> None:
            self._children.pop(number, None)
            self._finished.append((number, answer))
            if self._wants_any and not self._over:
                self._wants_any = False
                first, content = self._finished.popleft()
                self._answered((True, first, *content))

        begun = self._operate(name, tuple(rest), done)
        if isinstance(begun, tuple):
            self._finished.append((number, begun))
        else:
            self._children[number] = begun
        return True, number

    def _answered(self, answer: Answer) -> None:
        """What it waited for is there."""
        if self._over:
            return
        self._cancel = None
        outcome = self.proceed(self.runner.resume(self.notes, self._number, answer))
        if outcome is not WAITS:
            if self.notes is not None:
                self.notes.wait(None)
            self._then(self.notes, outcome)

    def cancel(self) -> None:
        """The outcome is of no more use."""
        if not self._over:
            self._over = True
            self._stop()
            self.runner.forget(self._number)

    def _stop(self) -> None:
        self.runner.context.attempts.discard(self)
        cancel, self._cancel = self._cancel, None
        if cancel is not None:
            cancel()
        for cancel in list(self._children.values()):
            if cancel is not None:
                cancel()
        self._children.clear()

    # -- once a second

    def is_due(self, now: float) -> bool:
        return self.deadline < now

    def expire(self) -> None:
        cancel, self._cancel = self._cancel, None
        if cancel is not None:
            cancel()
        self._wants_any = False
        self._answered(self.runner.too_long)
