"""What may wait for a disk waits in a few threads, so that a slow disk does not stop the worker.

Each owner, a root or a file, has a part of the threads at a time, so that a file system that does not respond takes
them from no other.  Only so many may wait; more are refused.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache, partial
from threading import Lock
from typing import Any, Final, TypeVar

_THREADS: Final = 8
_SHARE: Final = 3  # of them, for one owner
_WAITING: Final = 512  # for one owner

Result = TypeVar("Result")


class Busy(Exception):
    """Too much waits for a disk already."""


class _Queue:
    """Of one owner; ``running``: how many of its jobs have a thread."""

    __slots__ = ("running", "waiting")

    def __init__(self) -> None:
        self.running = 0
        self.waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()


class Threads:
    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, "files")
        self._queues: dict[object, _Queue] = {}
        self._ready: deque[tuple[object, _Queue, Future[Any], Callable[[], Any]]] = deque()  # the next for a thread
        self._lock = Lock()

    def submit(self, owner: object, job: Callable[[], Result]) -> "Future[Result]":
        """Raises :class:`Busy`.  A future that is cancelled before a thread takes it costs nothing."""
        future: Future[Result] = Future()
        with self._lock:
            queue = self._queues.setdefault(owner, _Queue())
            if queue.running >= _SHARE:
                if len(queue.waiting) >= _WAITING:
                    raise Busy
                queue.waiting.append((future, job))
                return future
            queue.running += 1
            self._ready.append((owner, queue, future, job))
        try:
            self._pool.submit(self._run)
        except RuntimeError:  # the process may start no more threads
            if self._take_back(owner, queue, future, job):
                raise Busy from None
        return future

    def _take_back(self, owner: object, queue: _Queue, future: "Future[Any]", job: Callable[[], Any]) -> bool:
        """Whether no thread has taken this job, which is then cancelled."""
        with self._lock:
            ready = (owner, queue, future, job)
            if ready not in self._ready:
                return False
            self._ready.remove(ready)
            self._leave(owner, queue)
        return True

    def _leave(self, owner: object, queue: _Queue) -> None:
        queue.running -= 1
        if not queue.running:
            del self._queues[owner]

    def _run(self) -> None:
        """In a thread."""
        with self._lock:
            if not self._ready:
                return  # it was taken back
            owner, queue, future, job = self._ready.popleft()
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(job())
            except BaseException as error:
                future.set_exception(error)
        with self._lock:
            if not queue.waiting:
                self._leave(owner, queue)
                return
            self._ready.append((owner, queue, *queue.waiting.popleft()))
        with suppress(RuntimeError):  # this thread takes it, where there can be no other
            self._pool.submit(self._run)


@lru_cache(1)
def _threads() -> Threads:
    """Of this process, which is forked before any is needed."""
    return Threads()


def submit(owner: object, function: Callable[..., Result], *arguments: Any) -> "Future[Result]":
    """Have a thread call ``function``.  Raises :class:`Busy`."""
    return _threads().submit(owner, partial(function, *arguments) if arguments else function)
