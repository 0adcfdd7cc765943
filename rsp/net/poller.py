"""Who waits for which events.  One for each worker, or for any other loop that moves bytes."""

import asyncio
import errno
import select
from collections.abc import Callable
from typing import Final

IN: Final = select.EPOLLIN
OUT: Final = select.EPOLLOUT
SCARCE: Final = frozenset((errno.EMFILE, errno.ENFILE))
_AT_ONCE: Final = 256


class Watched:
    """Something with a descriptor.  ``events``: what it waits for; 0: nothing, not even errors."""

    __slots__ = ("descriptor", "events")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.events = 0

    def ready(self, events: int) -> None:
        """Some of ``events``, or an error, are there."""
        raise NotImplementedError

    def turn(self) -> None:
        """What :meth:`Poller.again` promised."""
        raise NotImplementedError

    def broken(self) -> None:
        """:meth:`ready` raised an exception: a defect.  Nothing may be left behind."""
        raise NotImplementedError

    def buried(self) -> None:
        """What :meth:`Poller.bury` promised."""
        raise NotImplementedError


class Poller:
    """The epoll set of one loop.

    ``relieve()`` is called when there are no descriptors left; it closes what can be done without, and says whether
    there was something.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._watched: list[Watched | None] = []  # by descriptor
        self._dead: list[Watched] = []
        self.looks = 0  # so many times it has looked for events
        self._burial_due = False
        self._again: dict[Watched, None] = {}  # in the order in which they asked for another turn
        self.relieve: Callable[[], bool] = lambda: False
        loop.add_reader(self._epoll.fileno(), self._run)

    def want(self, one: Watched, events: int) -> None:
        """From now on, ``one`` waits for ``events``."""
        before, one.events = one.events, events
        descriptor = one.descriptor
        if before == events:
            return
        if not events:
            self._watched[descriptor] = None
            self._epoll.unregister(descriptor)
        elif before:
            self._epoll.modify(descriptor, events)
        else:
            while len(self._watched) <= descriptor:
                self._watched.append(None)
            self._watched[descriptor] = one
            self._epoll.register(descriptor, events)

    def forget(self, one: Watched) -> None:
        """``one`` is about to close its descriptor, which ends the waiting in the kernel."""
        if one.events:
            one.events = 0
            self._watched[one.descriptor] = None

    def again(self, one: Watched) -> None:
        """Call ``one.turn()`` once in the loop's next turn, in which the sockets that are ready have theirs, too."""
        if not self._again:
            self._loop.call_soon(self._take_turns)
        self._again[one] = None

    def bury(self, one: Watched) -> None:
        """Call ``one.buried()`` soon, but not from within whatever runs now."""
        self._dead.append(one)
        if not self._burial_due:
            self._burial_due = True
            self._loop.call_soon(self._bury)

    def close(self) -> None:
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _run(self) -> None:
        watched = self._watched
        self._burial_due = True  # at the end of this
        self.looks += 1
        for descriptor, events in self._epoll.poll(0, _AT_ONCE):
            one = watched[descriptor]
            if one is not None:
                try:
                    one.ready(events)
                except Exception as error:
                    self._failed(one, error)
        self._bury()

    def _take_turns(self) -> None:
        turns, self._again = self._again, {}
        for one in turns:
            try:
                one.turn()
            except Exception as error:
                self._failed(one, error)

    def _bury(self) -> None:
        while self._dead:
            one = self._dead.pop()
            try:
                one.buried()
            except Exception as error:
                self._failed(one, error)
        self._burial_due = False

    def _failed(self, one: Watched, error: Exception) -> None:
        self._loop.call_exception_handler({"message": "a connection is dropped", "exception": error})
        try:
            one.broken()
        except Exception as again:
            self._loop.call_exception_handler({"message": "it cannot even be dropped", "exception": again})
