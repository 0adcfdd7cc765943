"""What all connections of one worker share: its clock, its poller, its counters, and the walk over deadlines.

The clock is coarse: ``now`` moves once a tick, and every connection notes the moment at which it has waited long
enough.  The tick walks all connections, a share in each turn of the loop, which costs less than a timer for each.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any, Final, Protocol

from rsp.http.limits import Limits
from rsp.http.request_id import make_id
from rsp.ipc.scoreboard import Scoreboard
from rsp.ipc.tap import Tap
from rsp.ipc.temp_files import TempFiles
from rsp.ipc.usage import Usage
from rsp.ipc.worker_cells import CONNECTIONS, HEARTBEAT
from rsp.ipc.worker_stats import WorkerStats
from rsp.net.calls import monotonic
from rsp.net.deadlines import SHARES, Deadlines, Waiting
from rsp.net.effort import Effort
from rsp.net.poller import Poller
from rsp.net.rounds import Rounds
from rsp.net.watcher import Watcher

_AT_ONCE: Final = 16
_WINDOW_ROOM: Final = 64 << 20


class Ticker(Protocol):
    """What does something once a second.  ``wall``: the time of day."""

    def tick(self, now: float, wall: float) -> None: ...


class WorkerContext:
    """One for each worker.  ``row_number``: its row of the scoreboard.

    ``secret``     the instance's own, for signatures
    ``limits``     the instance's, of the configuration that is in force; idle connections to peers know no others
    ``date``       the Date field's value; ``own_lines``: the fields that begin each answer of rsp's own; ``dated``:
                   the same in seconds
    ``attempts``   what is under way and has a deadline, beside the connections
    ``stats``      what is counted
    ``window_room``  bytes by which windows of HTTP/2 may yet grow, all together
    ``senders``    responses whose content is being sent from files
    ``temp``       temporary files for bodies
    ``usage``      what clients use over all workers; ``None``: of a worker that is alone
    ``effort``     what compressing responses takes; ``None``: none are
    ``stores``     ``engines/stores.py``: what several instances share; ``None`` where there is no network
    ``lease_clients``  ``exchange/lease_clients.py``: limits of several instances; ``None``: there are none
    ``tap``        where the control process is shown things; ``watch``: which requests it wants to see, if any
    """

    def __init__(self, scoreboard: Scoreboard, row_number: int, secret: bytes, poller: Poller) -> None:
        self.scoreboard = scoreboard
        self.row_number = row_number
        self.secret = secret
        self.poller = poller
        self.limits: Limits
        self.now = time.monotonic()
        self.date = b""
        self.dated = 0
        self.own_lines = b""
        self.leaving = False  # clients are to come back elsewhere: no connection is kept alive
        self.draining = False  # and none is accepted
        self.window_room = _WINDOW_ROOM
        self.senders = 0
        self.tap: Tap | None = None
        self.usage: Usage | None = None
        self.effort: Effort | None = None
        self.stores: Any = None
        self.lease_clients: Any = None
        self.watch: Watcher | None = None
        self.connections = Deadlines()  # of clients
        self.peer_connections = Deadlines()
        self.attempts = Deadlines()
        self.tickers: list[Ticker] = []
        self._by_client: dict[bytes, int] = {}  # open connections, where they are counted
        self._id_prefix = os.urandom(5).hex().encode()
        self._ids = 0
        self.stats = WorkerStats(scoreboard, row_number)
        self.temp = TempFiles(scoreboard, row_number, self.stats)
        self._due: set[Waiting] = set()
        self._expiring = False  # some of them, in each turn of the loop
        self._rounds = Rounds()
        self.tick()

    def clock(self) -> float:
        """The time by the clock that ``now`` is read from once a tick."""
        return monotonic()

    def tick(self) -> None:
        """Once a second: move the clocks, end what has waited too long, publish gauges."""
        now = self.now = time.monotonic()
        wall = time.time()
        self.tell_time(wall)
        self._rounds.begin(self._look_around(now))
        for ticker in self.tickers:
            ticker.tick(now, wall)
        self.publish()

    def tell_time(self, wall: float) -> None:
        """The Date field says ``wall`` from here on."""
        self.dated = int(wall)
        self.date = formatdate(wall, usegmt=True).encode()
        self.own_lines = b"Server: rsp\r\nDate: %b\r\n" % self.date

    def _look_around(self, now: float) -> Iterator[int]:
        """End what is due, a share of all in each step; a look at one takes a tenth of a microsecond."""
        for number in range(SHARES):
            seen = 0
            for waiting in (self.connections, self.peer_connections, self.attempts):
                seen += waiting.note_due(number, now, self._due)
            if self._due and not self._expiring:
                self._expire_some()
            yield seen // 10

    def _expire_some(self) -> None:
        """End a few of those that are due, then let others have the loop: an attack may make many due at once."""
        due, now = self._due, self.now
        for _ in range(min(_AT_ONCE, len(due))):
            waiting = due.pop()
            try:
                if self._waits(waiting) and waiting.is_due(now):
                    waiting.expire()
            except Exception as error:  # the others are due all the same
                said = {"message": "a deadline has passed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(said)
        self._expiring = bool(due)
        if due:
            asyncio.get_running_loop().call_soon(self._expire_some)

    def _waits(self, waiting: Waiting) -> bool:
        """Whether it still does: what came meanwhile may have ended it, or given it another owner."""
        return waiting in self.connections or waiting in self.peer_connections or waiting in self.attempts

    # -- clients' connections

    def count_client(self, client: bytes) -> int:
        """One connection more of ``client``; how many it has now."""
        number = self._by_client[client] = self._by_client.get(client, 0) + 1
        return number

    def forget_client(self, client: bytes) -> None:
        """One of its connections has ended."""
        left = self._by_client.pop(client) - 1
        if left:
            self._by_client[client] = left

    def shared_usage(self) -> Usage:
        """What clients use over all workers, or over this one."""
        if self.usage is None:
            self.usage = Usage()
        return self.usage

    def shared_effort(self) -> Effort:
        """What coding the bodies of responses takes, in all configurations."""
        if self.effort is None:
            self.effort = Effort(self.stats)
            self.tickers.append(self.effort)
        return self.effort

    # -- counters

    def new_id(self) -> bytes:
        """A request id, unique across workers and restarts."""
        self._ids += 1
        return make_id(self._id_prefix, self._ids)

    def publish(self) -> None:
        """What is not counted when it happens."""
        self.stats.put(CONNECTIONS, len(self.connections))
        self.stats.put(HEARTBEAT, int(self.now * 1000))
