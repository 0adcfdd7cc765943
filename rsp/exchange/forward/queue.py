"""The requests of an upstream that wait until a peer has room.

Other workers' requests may wait as well: their number is in the scoreboard, in the place of the first peer.
"""

import asyncio
from collections import deque
from random import random
from typing import Any, Final, Protocol
from weakref import proxy

from rsp.config.upstreams import Queue as QueueConfig
from rsp.exchange.forward.peer import Peer
from rsp.ipc.peer_cells import WAITING
from rsp.ipc.worker_cells import QUEUED
from rsp.net.context import WorkerContext

# How long a request may wait that another worker has made room for without our knowing.
_LOOK_AGAIN: Final = 0.005


class WaitingRequest(Protocol):
    """A :class:`PeerRequest` that can wait for a peer, or for a response that is late.

    ``queue_deadline``  not 0.0 while it waits
    ``queue_limit``     what that is, once it has waited
    """

    only: object
    queue_deadline: float
    queue_limit: float

    def resume_at(self, peer: Peer | None) -> None:
        """It has waited; ``None``: in vain."""

    def waited_too_long(self) -> None: ...

    def late_in(self, after: float) -> float:
        """Seconds until its response is late, if that takes ``after``; below 0 if it is, or if that does not matter."""

    def hedge(self) -> None:
        """Its response is late: ask another peer as well."""


class QueueOwner(Protocol):
    """The upstream, as its queue knows it."""

    full: bool
    peers: list[Peer]

    def pick(self, request: Any, desperate: bool) -> Peer | None: ...


class Queue:
    def __init__(self, context: WorkerContext, config: QueueConfig, owner: QueueOwner) -> None:
        self._context = context
        self._config = config
        self._owner: QueueOwner = proxy(owner)  # which its requests keep; else nothing but the collector frees it
        self._requests: deque[WaitingRequest] = deque()
        self._armed = False

    def __len__(self) -> int:
        return len(self._requests)

    def others_wait(self) -> bool:
        """Whether a request that comes now has others before it, in this worker or in another one."""
        peers = self._owner.peers
        return bool(self._requests) or (bool(peers) and peers[0].stats.total(WAITING) > 0)

    def wait(self, request: WaitingRequest, first: bool = False) -> bool:
        """Let ``request`` wait until a peer has room; false if there are too many already.

        ``first``: it had its turn, but another worker was faster.  Its time goes on.
        """
        if len(self._requests) >= self._config.size:
            return False
        if not request.queue_limit:
            request.queue_limit = self._context.clock() + self._config.timeout  # never early
        request.queue_deadline = request.queue_limit
        if first:
            self._requests.appendleft(request)
        else:
            self._requests.append(request)
        self._count(1)
        self._look_again()
        return True

    def forget(self, request: WaitingRequest) -> None:
        """``request`` waits no more."""
        request.queue_deadline = 0.0
        self._requests.remove(request)
        self._count(-1)

    def _count(self, change: int) -> None:
        self._context.stats.add(QUEUED, change)
        peers = self._owner.peers
        if peers:
            peers[0].stats.set_own(WAITING, len(self._requests))

    def move(self, before: Peer) -> None:
        """``before`` was the first peer."""
        if self._requests:
            before.stats.set_own(WAITING, 0)
            self._count(0)

    def wake(self) -> None:
        """There may be room; but what says so is in the middle of something.

        What a worker frees it would always get first itself.  So where others wait as well, it leaves them their share,
        and looks again a little later, as they do.
        """
        mine, peers = len(self._requests), self._owner.peers
        others = peers[0].stats.total(WAITING) - mine if peers else 0
        if others <= 0 or random() * (mine + others) < mine:  # noqa: S311 - no secret
            asyncio.get_running_loop().call_soon(self._serve)

    def _look_again(self) -> None:
        if not self._armed and self._requests:
            self._armed = True
            asyncio.get_running_loop().call_later(_LOOK_AGAIN, self._look)

    def _look(self) -> None:
        self._armed = False
        self._serve()
        self._look_again()

    def _serve(self) -> None:
        requests, owner = self._requests, self._owner
        passed = 0  # those that wait for one peer only do not hold up the others
        while passed < len(requests):
            request = requests[passed]
            peer = owner.pick(request, True)
            if peer is None and owner.full:
                if request.only is None:
                    return
                passed += 1
                continue
            self.forget(request)
            request.resume_at(peer)
            if requests and requests[0] is request:  # another worker was faster: not again before there is news
                return

    def tick(self, now: float) -> None:
        """Once a second: those that have waited too long."""
        for request in [each for each in self._requests if each.queue_deadline < now]:
            self.forget(request)
            request.waited_too_long()
