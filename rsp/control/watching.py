"""What workers show the control process: requests that are watched, lines of the log, spans.

A watch is open as long as an operator, or a part of the control process, takes what it finds.  It begins at the
workers' next tick, and ends with this process.
"""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Final

import msgspec

from rsp.config.predicate import Predicate
from rsp.control.state import Mistake
from rsp.ipc import watches
from rsp.ipc.spans import Span
from rsp.ipc.tap import Logged, Message, Seen, Tap
from rsp.ipc.watches import Kind, Watch, Watches
from rsp.logs import log

_AT_ONCE: Final = 200  # datagrams in one turn of the loop
_STEP: Final = 4  # datagrams between two looks at the clock; a worker that was taken over makes each cost 2 ms
_TURN: Final = 0.005  # seconds of one turn
_LAST_ROUNDS: Final = 25  # of these, when the process ends

Take = Callable[[bytes, int], None]  # lines of JSON, or none; how many were dropped before them


class Handle:
    """An open watch."""

    def __init__(self, watching: "Watching", watch: Watch, take: Take) -> None:
        self._watching = watching
        self.watch = watch
        self.take = take

    def change(self, slower: float) -> None:
        """Only requests that took longer than ``slower`` seconds from now on."""
        self._watching.change(self, msgspec.structs.replace(self.watch, slower=slower))

    def close(self) -> None:
        """Once or more often."""
        self._watching.close(self)


class Watching:
    """``on_logged``, ``on_spans``: what takes them, from a turn of the loop; they raise nothing."""

    def __init__(self, tap: Tap, page: Watches) -> None:
        self._tap = tap
        self._page = page
        self._open: dict[int, Handle] = {}
        self._last = 0  # number of a watch
        self.on_logged: Callable[[Logged], object] = _ignore
        self.on_spans: Callable[[list[Span]], object] = _ignore

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._publish()  # an earlier process may have left some
        loop.add_reader(self._tap.reading.fileno(), self._read)

    def tick(self, now: float) -> None:
        """Once a second, or the watches end."""
        self._page.renew(now)

    def open(self, kind: Kind, where: str, take: Take, most: int = 0, slower: float = 0.0) -> Handle:
        """Show the requests that meet ``where`` (empty: all) and took longer than ``slower`` seconds, ``most`` of each
        worker (0: as many as there are).  Raises :class:`Mistake`."""
        self.check(where)
        # Milliseconds go on when this process is started again, so workers never mistake one watch for another.
        self._last = max(self._last + 1, int(time.monotonic() * 1000))
        handle = self._open[self._last] = Handle(self, Watch(self._last, kind, where, most, slower), take)
        self._publish()
        return handle

    def check(self, where: str) -> None:
        """Whether a watch can be opened.  Raises :class:`Mistake`."""
        _check(where)
        if len(self._open) >= watches.MOST:
            raise Mistake(f"{watches.MOST} watches are open already; end one of them")

    def change(self, handle: Handle, watch: Watch) -> None:
        handle.watch = watch
        self._publish()

    def close(self, handle: Handle) -> None:
        if self._open.get(handle.watch.number) is handle:
            del self._open[handle.watch.number]
            self._publish()

    def _publish(self) -> None:
        self._page.publish([handle.watch for handle in self._open.values()], time.monotonic())

    def finish(self) -> None:
        """The process ends: what is there still counts, within bounds."""
        for _ in range(_LAST_ROUNDS):
            if not self._read():
                return

    def _read(self) -> int:
        """Some of what is there; how much."""
        give_up, count = time.perf_counter() + _TURN, 0
        while count < _AT_ONCE and time.perf_counter() < give_up:
            messages = self._tap.take(_STEP)
            for message in messages:
                self._take(message)
            count += len(messages)
            if not messages:
                break
        return count

    def _take(self, message: Message) -> None:
        try:
            self._handle(message)
        except Exception as error:  # whatever a worker may have sent, the next message counts
            what = f"{type(error).__name__}: {error}"[:500]
            log.once_a_second("watching", f"The control process (pid {os.getpid()}): {what}", log.ERROR)

    def _handle(self, message: Message) -> None:
        if isinstance(message, Seen):
            handle = self._open.get(message.watch)
            if handle is not None:
                handle.take(message.data, message.dropped)
        elif isinstance(message, Logged):
            self.on_logged(message)
        else:
            self.on_spans(message.spans)


def _check(where: str) -> None:
    try:
        if where:
            Predicate.parse(where)
    except ValueError as error:
        raise Mistake(f"condition: {error}") from None


def _ignore(_message: object) -> None:
    """Nothing takes them."""
