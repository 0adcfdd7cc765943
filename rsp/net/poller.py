"""Which descriptor waits for which events.  One for each worker, or for any other loop that moves bytes."""

import asyncio
import errno
import select
from collections.abc import Callable
from typing import Final

from rsp.net.calls import Epoll
from rsp.net.libuv import Libuv

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
        """What :meth:`Poller.again` and :meth:`Poller.soon` promised."""
        raise NotImplementedError

    def flush(self) -> None:
        """What :meth:`Poller.flush_later` promised."""
        raise NotImplementedError

    def broken(self) -> None:
        """:meth:`ready` raised an exception: a defect.  Nothing may be left behind."""
        raise NotImplementedError

    def closed(self) -> None:
        """What :meth:`Poller.close_later` promised."""
        raise NotImplementedError


class _Loop(Watched):
    """What the loop itself waits for, as one descriptor."""

    __slots__ = ("due",)

    def ready(self, events: int) -> None:
        self.due = True


class Poller:
    """The epoll set of one loop.

    ``leads``: the worker waits for this set, and the loop's own descriptors are one of those in it.  So a wake-up that
    brings an event costs one ``epoll_wait``, and no turn of the loop.  Otherwise, and in pure Python, the set is one of
    the loop's descriptors.

    ``relieve()`` is called when there are no descriptors left; it closes what can be done without, and says whether
    there was something.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, leads: bool = False) -> None:
        self._loop = loop
        self._libuv: Libuv | None = None
        self._epoll = Epoll()
        self._watched: list[Watched | None] = []  # by descriptor
        self._closing: list[Watched] = []
        self._closes: Watched | None = None  # the first of them: often there is no other
        self._flushing: list[Watched] = []
        self.looks = 0  # so many times it has looked for events
        self._end_due = False  # of a turn: what is to be flushed and closed will be
        self._soon: list[Watched] = []
        self._again: dict[Watched, None] = {}  # in the order in which they asked for another turn
        self.relieve: Callable[[], bool] = lambda: False
        if not (leads and self._lead()):
            loop.add_reader(self._epoll.fileno(), self.look)

    def busy_poll(self, seconds: float) -> None:
        """From now on, one that leads asks for events again and again for ``seconds`` before it sleeps."""
        self._epoll.spin = int(seconds * 1e9)

    def want(self, watched: Watched, events: int) -> None:
        """From now on, ``watched`` waits for ``events``."""
        before, watched.events = watched.events, events
        descriptor = watched.descriptor
        if before == events:
            return
        if not events:
            self._watched[descriptor] = None
            self._epoll.remove(descriptor)
        elif before:
            self._epoll.change(descriptor, events)
        else:
            while len(self._watched) <= descriptor:
                self._watched.append(None)
            self._watched[descriptor] = watched
            self._epoll.add(descriptor, events)

    def forget(self, watched: Watched) -> None:
        """``watched`` is about to close its descriptor, which ends the waiting in the kernel."""
        if watched.events:
            watched.events = 0
            self._watched[watched.descriptor] = None

    def again(self, watched: Watched) -> None:
        """Call ``watched.turn()`` once in the loop's next turn, in which the sockets that are ready have theirs."""
        if not self._again and self._libuv is None:
            self._loop.call_soon(self._take_turns)
        self._again[watched] = None

    def soon(self, watched: Watched) -> None:
        """Call ``watched.turn()`` once what is ready now has had its turn; a turn of the loop more would cost 8 us.
        What goes on after that asks for ``again``."""
        if self._end_due:
            self._soon.append(watched)
        else:
            self.again(watched)

    def close_later(self, watched: Watched) -> None:
        """Call ``watched.closed()`` soon, but not from within whatever runs now."""
        if self._closes is None:
            self._closes = watched
        else:
            self._closing.append(watched)
        if not self._end_due:
            self._end_soon()

    def flush_later(self, watched: Watched) -> None:
        """Call ``watched.flush()`` when what is ready now has had its turn, so that it writes once what many say."""
        self._flushing.append(watched)
        if not self._end_due:
            self._end_soon()

    def look(self, wait: int = 0) -> None:
        """Whatever is ready has its turn; if nothing is, what becomes so first, within ``wait`` milliseconds (-1: at
        any time).  What has a long :meth:`Watched.turn` calls it in between, but nothing does in
        :meth:`Watched.ready`."""
        by_descriptor = self._watched
        outer, self._end_due = self._end_due, True  # here, below
        self.looks += 1
        epoll = self._epoll
        for at in range(epoll.look(_AT_ONCE, wait)):
            watched = by_descriptor[epoll.descriptor(at)]
            if watched is not None:
                try:
                    watched.ready(epoll.events(at))
                except Exception as error:
                    self._failed(watched, error)
        self._end_turn(outer)

    def close(self) -> None:
        if self._libuv is not None:
            self._libuv.end()
            self._inner.due = True
        else:
            self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _lead(self) -> bool:
        try:
            libuv = Libuv(self._loop)
            libuv.wait_by(self._wait)
        except NotImplementedError:
            return False
        self._libuv = libuv
        self._inner = _Loop(libuv.descriptor)
        self.want(self._inner, IN)
        return True

    def _wait(self) -> None:
        """For whatever comes, until it is the loop's turn."""
        inner, libuv = self._inner, self._libuv
        inner.due = False
        while libuv is not None and not inner.due:
            if self._end_due:
                self._end_turn()
            if self._again:
                self._take_turns()
            wait = libuv.idle_for()
            self.look(0 if self._again else wait)
            if not wait:
                break

    def _end_soon(self) -> None:
        self._end_due = True
        if self._libuv is None:
            self._loop.call_soon(self._end_turn)

    def _take_turns(self) -> None:
        turns, self._again = self._again, {}
        outer, self._end_due = self._end_due, True
        for watched in turns:
            self._take_turn(watched)
        self._end_turn(outer)

    def _take_turn(self, watched: Watched) -> None:
        try:
            watched.turn()
        except Exception as error:
            self._failed(watched, error)

    def _end_turn(self, outer: bool = False) -> None:
        """Closing may bring about what is to be flushed, and the other way round.  ``outer``: this turn is part of
        another one, or one is to come, whose end will be the end of ``soon``."""
        self._end_due = True
        while self._flushing or self._closing or self._closes is not None or (self._soon and not outer):
            closes = not self._flushing
            if not closes:
                watched = self._flushing.pop()
            elif self._closes is not None:
                watched, self._closes = self._closes, None
            elif self._closing:
                watched = self._closing.pop()
            else:
                self._take_turn(self._soon.pop())
                continue
            try:
                if closes:
                    watched.closed()
                else:
                    watched.flush()
            except Exception as error:
                self._failed(watched, error)
        self._end_due = outer

    def _failed(self, watched: Watched, error: Exception) -> None:
        self._loop.call_exception_handler({"message": "a connection is dropped", "exception": error})
        try:
            watched.broken()
        except Exception as again:
            self._loop.call_exception_handler({"message": "it cannot even be dropped", "exception": again})
