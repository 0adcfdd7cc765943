"""Users and hashed passwords of an htpasswd file: bcrypt, Apache's MD5 (``$apr1$``) and ``{SHA}``.

Checking a good hash takes long on purpose, so it is done in a few threads, which yield to the worker's loop, and only
so many checks may wait.  What was right is remembered for a while, as a digest with a key of this process.  A name that
is not in the file costs as much as one that is: its password is checked against the hash of another user.
"""

import base64
import hashlib
import hmac
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from threading import BoundedSemaphore, get_native_id
from typing import Final

_REMEMBER: Final = 60.0  # seconds
_MOST: Final = 4096
_ALPHABET: Final = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_THREADS: Final = 2
_WAITING: Final = 64  # checks that run or wait; more are refused
_NICE: Final = 10  # of the threads: requests go first where a processor is short
_LONGEST: Final = 1024  # bytes of name and password, in base64
_SLICE: Final = 50  # rounds in Python, 60 us, until others may run

_room: Final = BoundedSemaphore(_WAITING)


class Busy(Exception):
    """Too many checks wait already."""


@lru_cache(1)
def _threads() -> ThreadPoolExecutor:
    """Of this process, which is forked before any is needed."""
    return ThreadPoolExecutor(_THREADS, "password", _yield_to_others)


def _yield_to_others() -> None:
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, get_native_id(), _NICE)


class Users:
    """``source``: the file's content.  Raises :class:`ValueError` for a line that cannot be read or a hash of a kind
    that is not known."""

    def __init__(self, source: bytes) -> None:
        self._hashes: dict[bytes, bytes] = {}
        self._key = os.urandom(16)
        self._known: dict[bytes, float] = {}
        for number, line in enumerate(source.splitlines(), 1):
            line = line.strip()
            if not line or line.startswith(b"#"):
                continue
            name, colon, hashed = line.partition(b":")
            if not colon or not hashed.startswith((b"$2y$", b"$2b$", b"$2a$", b"$apr1$", b"{SHA}")):
                raise ValueError(f"htpasswd: line {number}: expected name:hash, with bcrypt, $apr1$ or {{SHA}}")
            self._hashes[name] = hashed
        self._others = list(self._hashes.values())
        if any(hashed.startswith(b"$2") for hashed in self._others):
            import bcrypt  # noqa: F401 - a file of such hashes needs it, nothing else does; not while requests wait

    def recall(self, given: bytes) -> bytes | None:
        """The user whose ``name:password``, in base64, was right a short while ago."""
        digest = hmac.digest(self._key, given, "sha256")
        if self._known.get(digest, 0.0) > time.monotonic():
            return base64.b64decode(given).partition(b":")[0]
        return None

    def begin(self, given: bytes) -> "Future[bytes | None]":
        """As :meth:`check`, in a thread.  Raises :class:`Busy`."""
        if not _room.acquire(blocking=False):
            raise Busy("too many passwords wait to be checked")
        future = _threads().submit(self.check, given)
        future.add_done_callback(lambda _: _room.release())
        return future

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
        good = _matches(password, hashed or self._other(name))
        return name if good and hashed is not None else None

    def _other(self, name: bytes) -> bytes:
        """A hash of the file, always the same for one name, so that unknown names cost what known ones do."""
        digest = hmac.digest(self._key, b"\0" + name, "sha256")
        return self._others[int.from_bytes(digest[:8], "big") % len(self._others)] if self._others else b"{SHA}"

    def remember(self, given: bytes) -> None:
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[hmac.digest(self._key, given, "sha256")] = time.monotonic() + _REMEMBER


def _matches(password: bytes, hashed: bytes) -> bool:
    if hashed.startswith(b"$2"):
        import bcrypt

        try:
            return bcrypt.checkpw(password[:72], hashed)
        except ValueError:
            return False
    if hashed.startswith(b"{SHA}"):
        digest = base64.b64encode(hashlib.sha1(password, usedforsecurity=False).digest())
        return hmac.compare_digest(digest, hashed[5:])
    salt = hashed.split(b"$")[2]
    return hmac.compare_digest(_apr1(password, salt), hashed)


def _apr1(password: bytes, salt: bytes) -> bytes:
    """Apache's variant of FreeBSD's MD5 crypt, as ``htpasswd -m`` makes it (apr_md5.c)."""
    inner = hashlib.md5(password + salt + password, usedforsecurity=False).digest()
    text = password + b"$apr1$" + salt
    for left in range(len(password), 0, -16):
        text += inner[: min(16, left)]
    bits = len(password)
    while bits:
        text += b"\0" if bits & 1 else password[:1]
        bits >>= 1
    digest = hashlib.md5(text, usedforsecurity=False).digest()
    for number in range(1000):
        text = password if number & 1 else digest
        text += salt if number % 3 else b""
        text += password if number % 7 else b""
        text += digest if number & 1 else password
        digest = hashlib.md5(text, usedforsecurity=False).digest()
        if number % _SLICE == 0:
            time.sleep(0)  # the interpreter's lock is for others now
    order = ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5))
    out = b"".join(_sixbit(digest[a] << 16 | digest[b] << 8 | digest[c], 4) for a, b, c in order)
    return b"$apr1$" + salt + b"$" + out + _sixbit(digest[11], 2)


def _sixbit(value: int, count: int) -> bytes:
    return bytes(_ALPHABET[value >> 6 * index & 63] for index in range(count))
