"""The users of an htpasswd file, and the passwords that clients give for them.

Checking a good hash takes long on purpose, so it is done in a few threads, which yield to the worker's loop.  Only so
many checks may wait, and only a part of them for one client, so that wrong passwords by the thousand take neither
memory nor the places of other clients.  What was right is remembered, by a hash with a key of this process, for as long
as the file's content stays the same: another content is another :class:`Users`.  A name that is not in the file costs
as much as one that is: its password is checked against the hash of another user.
"""

import asyncio
import base64
import hmac
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache, partial
from hashlib import blake2b
from threading import BoundedSemaphore, get_native_id
from typing import Final
from weakref import WeakValueDictionary

from rsp.auth import hashes, htpasswd
from rsp.http.pieces import joined

_MOST: Final = 4096  # of what was right
_THREADS: Final = 2
_WAITING: Final = 128  # checks that run or wait; more are refused
_SHARE: Final = 16  # of them, for one client
_NICE: Final = 10  # of the threads: requests go first where a processor is short
_LONGEST: Final = 1024  # bytes of name and password, in base64

_room: Final = BoundedSemaphore(_WAITING)
_of_clients: Final[dict[bytes, int]] = {}  # checks that run or wait
_known: "WeakValueDictionary[bytes, Users]" = WeakValueDictionary()  # by their content's digest

Done = Callable[[bytes | None], None]


class Busy(Exception):
    """Too many checks wait already; ``status``: what to answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@lru_cache(1)
def _threads() -> ThreadPoolExecutor:
    """Of this process, which is forked before any is needed."""
    return ThreadPoolExecutor(_THREADS, "password", _yield_to_others)


def _yield_to_others() -> None:
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, get_native_id(), _NICE)


class _Check:
    """One that runs or waits, for all requests with the same credentials; ``done``: what is called at its end."""

    __slots__ = ("done", "future")

    def __init__(self, future: "asyncio.Future[bytes | None]") -> None:
        self.future = future
        self.done: list[Done] = []


class Right:
    """What was right for ``user``; ``salted``: the second half of its digest."""

    __slots__ = ("salted", "user")

    def __init__(self, salted: int, user: bytes) -> None:
        self.salted = salted
        self.user = user


class Users:
    """``source``: the file's content, without :func:`htpasswd.mistakes`."""

    def __init__(self, source: bytes) -> None:
        self._hashes: dict[bytes, bytes] = {}
        for _, name, hashed in htpasswd.lines(source):
            self._hashes.setdefault(name, hashed)
            hashes.warm_up(hashed)
        self._others = list(self._hashes.values())
        self._key = os.urandom(16)
        self._salt = os.urandom(16)
        self._right: dict[int, Right] = {}
        self._last: Right | None = None  # what there is for ``_last_first``, the first half of a digest; 0: unknown
        self._last_first = 0
        self._checks: dict[tuple[int, int], _Check] = {}

    @classmethod
    def of(cls, source: bytes) -> "Users":
        """The same object for the same content, so that a reload forgets nothing."""
        digest = blake2b(source, digest_size=32).digest()
        found = _known.get(digest)
        if found is None:
            found = _known[digest] = cls(source)
        return found

    # -- what was right

    def _digest(self, given: bytes) -> tuple[int, int]:
        """Python hashes bytes by SipHash with a secret key (PEP 456).  Twice, once with a salt, it has 128 bits and
        takes 0.1 us; BLAKE2 takes 0.7."""
        return hash(given), hash(joined(self._salt, given))

    def recall(self, given: bytes) -> bytes | None:
        """The user that ``given`` was right for."""
        first = hash(given)
        if first != self._last_first:  # a connection gives the same each time
            self._last, self._last_first = self._right.get(first), first
        right = self._last
        if right is None or right.salted != hash(joined(self._salt, given)):
            return None
        return right.user

    def remember(self, given: bytes, name: bytes) -> None:
        """It was right for the user ``name``."""
        if len(self._right) >= _MOST:
            del self._right[next(iter(self._right))]
        first, salted = self._digest(given)
        self._right[first] = Right(salted, name)
        self._last, self._last_first = None, 0

    # -- checks

    def check(self, given: bytes) -> bytes | None:
        """The user whose ``name:password``, in base64, that is; ``None``: no user's.  Takes its time."""
        if len(given) > _LONGEST:
            return None
        try:
            name, colon, password = base64.b64decode(given, validate=True).partition(b":")
        except ValueError:
            return None
        if not colon:
            return None
        hashed = self._hashes.get(name)
        good = hashes.matches(password, hashed or self._other(name))
        return name if good and hashed is not None else None

    def _other(self, name: bytes) -> bytes:
        """A hash of the file, always the same for one name, so that unknown names cost what known ones do."""
        digest = hmac.digest(self._key, b"\0" + name, "sha256")
        return self._others[int.from_bytes(digest[:8], "big") % len(self._others)] if self._others else b""

    def begin(self, given: bytes) -> "Future[bytes | None]":
        """As :meth:`check`, in a thread.  Raises :class:`Busy`."""
        if not _room.acquire(blocking=False):
            raise Busy(503, "too many passwords wait to be checked")
        future = _threads().submit(self.check, given)
        future.add_done_callback(lambda _: _room.release())
        return future

    def ask(self, value: bytes, given: bytes, client: bytes, done: Done) -> Callable[[], None]:
        """Check ``given``, call ``done`` later with the user or ``None``, and remember what was right as ``value``.

        In an event loop.  What is returned calls it off.  Raises :class:`Busy`.
        """
        digest = self._digest(value)
        check = self._checks.get(digest)
        if check is None:
            check = self._checks[digest] = _Check(self._begin_for(client, given))
            check.future.add_done_callback(partial(self._ended, digest, check, value))
        check.done.append(done)
        return partial(self._call_off, digest, check, done)

    def _begin_for(self, client: bytes, given: bytes) -> "asyncio.Future[bytes | None]":
        if _of_clients.get(client, 0) >= _SHARE:
            raise Busy(429, "too many passwords of this client wait to be checked")
        future = asyncio.wrap_future(self.begin(given))
        _of_clients[client] = _of_clients.get(client, 0) + 1
        future.add_done_callback(partial(_let_go, client))
        return future

    def _ended(
        self, digest: tuple[int, int], check: _Check, value: bytes, future: "asyncio.Future[bytes | None]"
    ) -> None:
        if future.cancelled():
            return
        del self._checks[digest]
        name = future.result() if future.exception() is None else None
        if name is not None:
            self.remember(value, name)
        for done in list(check.done):  # a callback may cancel others
            done(name)

    def _call_off(self, digest: tuple[int, int], check: _Check, done: Done) -> None:
        """``done`` is not called any more; what no request waits for gives its place to others."""
        if done in check.done:
            check.done.remove(done)
        if not check.done and check.future.cancel():
            del self._checks[digest]  # now: the next request with the same credentials begins anew


def _let_go(client: bytes, _future: object) -> None:
    left = _of_clients.pop(client) - 1
    if left:
        _of_clients[client] = left
