"""Hooks that wait: each is a task, which begins what its hook asked for and goes on with the answer.

An *operation* is given its arguments and ``done``; it returns its answer at once, or a function that calls it off, and
calls ``done(answer)`` later.  An answer is ``(True, values...)``, or ``(False, message)``, which the hook meets as an
error at the place where it waits.
"""

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import asyncio

    from rsp.exchange.hooks.hooked_request import HookedRequest
    from rsp.exchange.hooks.hooks import Hooks

Answer = tuple[Any, ...]
Done = Callable[[Answer], None]
Operation = Callable[["Task", tuple[Any, ...], Done], Answer | Callable[[], None]]


def cancel(task: "asyncio.Task[Any]") -> None:
    """What calls an operation off that runs in the background."""
    task.cancel()


WAITS: Final = (1,)  # instead of an outcome
FAILED: Final = (2,)


class Task:
    """``then``: what to do with the outcome, once there is one; ``exchange``: whose hook it is, if anybody's."""

    # fmt: off
    __slots__ = (
        "_cancel", "_children", "_finished", "_last_child", "_number", "_over", "_then", "_wants_any",
        "deadline", "exchange", "hooks", "site",
    )
    # fmt: on

    def __init__(self, hooks: "Hooks", exchange: "HookedRequest | None", then: Callable[[Any], None]) -> None:
        self.hooks = hooks
        self._then = then
        self._number = 0
        self._over = False
        self._cancel: Callable[[], None] | None = None
        self._children: dict[int, Callable[[], None] | None] = {}
        self._finished: deque[tuple[int, Answer]] = deque()
        self._last_child = 0
        self._wants_any = False
        self.exchange = exchange
        self.site = exchange.site if exchange is not None else hooks.plane.site  # whatever comes into force meanwhile
        self.deadline = monotonic() + hooks.timeout  # the plane's clock is up to a second behind
        hooks.plane.attempts.add(self)

    def proceed(self, outcome: Any) -> Any:
        """From one outcome of Lua to the next, as long as answers are there at once; then ``WAITS``, or the last."""
        hooks = self.hooks
        while outcome is not None and outcome[0] == 1:
            self._number = outcome[1]
            answer = self._begin(outcome[2], outcome[3:])
            if answer is None:
                return WAITS
            outcome = hooks.invoke(self.exchange, hooks.resume, self._number, *answer)
        self._over = True
        self._stop()
        if outcome is not None and outcome[0] == 2:
            hooks.report(outcome)
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
        if self.hooks.plane.now > self.deadline:
            return self.hooks.too_long
        begun = self._operate(name, given, self._answered)
        if isinstance(begun, tuple):
            return begun
        self._cancel = begun
        return None

    def _operate(self, name: bytes, given: tuple[Any, ...], done: Done) -> Answer | Callable[[], None]:
        """Whatever it raises is the hook's affair, which has asked for it."""
        try:
            return self.hooks.operations[name](self, given, done)
        except Exception as error:
            return False, b"%b: %b" % (name, (str(error) or type(error).__name__).encode())

    def _start(self, given: tuple[Any, ...]) -> Answer:
        """One of several at once."""
        self._last_child += 1
        number = self._last_child
        if given[0] in (b"start", b"any"):
            self._finished.append((number, (False, b"parallel cannot stand in parallel")))
            return True, number

        def done(answer: Answer) -> None:
            self._children.pop(number, None)
            self._finished.append((number, answer))
            if self._wants_any and not self._over:
                self._wants_any = False
                first, content = self._finished.popleft()
                self._answered((True, first, *content))

        begun = self._operate(given[0], given[1:], done)
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
        hooks = self.hooks
        outcome = self.proceed(hooks.invoke(self.exchange, hooks.resume, self._number, *answer))
        if outcome is not WAITS:
            self._then(outcome)

    def cancel(self) -> None:
        """Nobody needs it any more."""
        if not self._over:
            self._over = True
            self._stop()
            self.hooks.cancel(self._number)

    def _stop(self) -> None:
        self.hooks.plane.attempts.discard(self)
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
        self._answered(self.hooks.too_long)
