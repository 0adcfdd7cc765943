"""New connections go where there are few: the kernel spreads them over the workers by a hash, so some get many more.

A worker that has accepted a connection looks at two siblings in turn, and hands it to the one with fewer connections,
if that has at least two fewer than itself.  How often it looks, and how many it hands over in a second, is limited: so
connections that last are spread evenly, and many short ones cost what they did before.  A sibling that has another
configuration, or whose loop hangs, gets none; and none is handed over twice.

The kernel drops a connection that is received by a process that may not open more files.  So a worker that has few
descriptors left says that it takes none, and leaves in its inbox what has come already until there is room.
"""

import array
import os
import socket
from collections.abc import Callable
from typing import Any, Final

from rsp.ipc.loads import Loads, count_of
from rsp.ipc.packets import close_all
from rsp.logs import log
from rsp.net.context import WorkerContext
from rsp.net.poller import IN, Watched
from rsp.net.transport import Transport

_LOOKS: Final = 256  # in a second
_GIFTS: Final = 64  # in a second
_UNSEEN: Final = 8  # at a sibling that has not counted them yet
_AT_ONCE: Final = 8
_SPARE: Final = 4  # descriptors: files are opened meanwhile, in threads
_LONGEST: Final = 512  # bytes of the addresses of a listener and a client
_SPACE: Final = socket.CMSG_SPACE(4)

# What carries connections at a listener, and what begins with them, in a version of the configuration.
Accepting = Callable[[str, int], tuple[type[Transport], Callable[[Any, bytes, str], None]]]


class Neighbours(Watched):
    """``slot``: the own one, which has an inbox.  ``accepting(listener, version)``: how connections are served that
    were accepted when ``version`` of the configuration was in force."""

    def __init__(self, context: WorkerContext, loads: Loads, slot: int, accepting: Accepting) -> None:
        inbox = loads.inboxes[slot]
        super().__init__(inbox.fileno())
        self._context = context
        self._loads = loads
        self._slot = slot
        self._inbox = inbox
        self._accepting = accepting
        self._version = 0
        self._full = False  # too few descriptors are left
        self._looks = self._gifts = 0
        self._siblings: list[int] = []
        self._turn = 0
        self._seen: dict[int, int] = {}  # cells of siblings
        self._unseen: dict[int, int] = {}  # connections that these do not count yet
        context.tickers.append(self)
        context.poller.want(self, IN)

    def use(self, version: int) -> None:
        """Connections are shared with workers that serve ``version`` as well."""
        self._version = 0 if self._context.draining else version
        self._note()

    def leave(self) -> None:
        """Take what is there, and no more."""
        self._version = 0
        self._loads.leave(self._slot)
        while self._take():
            pass

    def tick(self, _now: float, _wall: float) -> None:
        """Once a second."""
        self._looks, self._gifts = _LOOKS, _GIFTS
        self._siblings = list(self._loads.others(self._slot))
        self._full = not self._has_room()
        self._context.poller.want(self, IN)
        self._note()

    def takes(self, descriptor: int, client: bytes, listener: str) -> bool:
        """Whether a sibling takes a connection that has just been accepted."""
        if not (self._looks and self._siblings and self._version):
            return False
        self._looks -= 1
        sibling = self._with_fewer(self._note() - 1)
        if sibling is None or not self._gifts:
            return False
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))
        try:
            self._loads.outbox.sendmsg(
                [b"%d\0%b\0%b" % (self._version, listener.encode(), client)],
                [rights],
                socket.MSG_DONTWAIT,
                self._loads.address(sibling),
            )
        except OSError:  # too much is on its way
            return False
        os.close(descriptor)
        self._gifts -= 1
        self._unseen[sibling] += 1
        return True

    def ready(self, events: int) -> None:
        """Connections from siblings."""
        self._take()
        self._note()

    def _take(self) -> int:
        """Serve some; how many there were."""
        while not self._has_room():
            if not self._context.poller.relieve():
                log.once_a_second("neighbours", "Connections from other workers wait: too many open files")
                self._full = True
                self._context.poller.want(self, 0)  # until the next tick
                return 0
        for count in range(_AT_ONCE):
            try:
                text, extra, _, _ = self._inbox.recvmsg(_LONGEST, _SPACE, socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC)
            except OSError:
                return count
            descriptors = array.array("i")
            for _, kind, data in extra:
                if kind == socket.SCM_RIGHTS:
                    descriptors.frombytes(data)
            version, _, rest = text.partition(b"\0")
            listener, _, client = rest.partition(b"\0")
            if len(descriptors) == 1 and version.isdigit() and client:
                self._begin(descriptors[0], int(version), listener.decode("utf-8", "replace"), client)
            else:
                close_all(list(descriptors))
        return _AT_ONCE

    def _has_room(self) -> bool:
        """Whether as many descriptors can be had as :meth:`_take` may need."""
        found: list[int] = []
        try:
            while len(found) < _AT_ONCE + _SPARE:
                found.append(os.dup(self.descriptor))
        except OSError:
            return False
        finally:
            close_all(found)
        return True

    def _begin(self, descriptor: int, version: int, listener: str, client: bytes) -> None:
        kind, accepted = self._accepting(listener, version)
        transport = kind.__new__(kind)
        transport.set_up(self._context.poller, descriptor)
        accepted(transport, client, listener)

    def broken(self) -> None:
        pass  # one connection was lost; the others are still welcome

    def _note(self) -> int:
        """Tell the siblings how many connections there are."""
        count = len(self._context.connections)
        if self._version and self._full:
            self._loads.leave(self._slot)
        elif self._version:
            self._loads.put(self._slot, self._version, self._context.now, count)
        return count

    def _with_fewer(self, fewest: int) -> int | None:
        """The one of the next two siblings that has the fewest connections, and fewer than ``fewest``."""
        found = None
        for _ in range(min(2, len(self._siblings))):
            self._turn = (self._turn + 1) % len(self._siblings)
            sibling = self._siblings[self._turn]
            cell = self._loads.cell(sibling)
            if cell != self._seen.get(sibling):
                self._seen[sibling], self._unseen[sibling] = cell, 0
            count = count_of(cell, self._version, self._context.now)
            unseen = self._unseen[sibling]
            if count is not None and unseen < _UNSEEN and count + unseen < fewest:
                found, fewest = sibling, count + unseen
        return found
