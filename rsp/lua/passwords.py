"""Users and hashed passwords of an htpasswd file: bcrypt, Apache's MD5 (``$apr1$``) and ``{SHA}``.

Checking a good hash takes long on purpose, so it is not for a worker's loop; what was right is remembered for a while,
as a digest with a key of this process.
"""

import base64
import hashlib
import hmac
import os
import time
from typing import Final

import bcrypt

_REMEMBER: Final = 60.0  # seconds
_MOST: Final = 4096
_ALPHABET: Final = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NOBODY: Final = bcrypt.hashpw(os.urandom(16).hex().encode(), bcrypt.gensalt(8))


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

    def recall(self, given: bytes) -> bytes | None:
        """The user whose ``name:password``, in base64, was right a short while ago."""
        digest = hmac.digest(self._key, given, "sha256")
        if self._known.get(digest, 0.0) > time.monotonic():
            return base64.b64decode(given).partition(b":")[0]
        return None

    def check(self, given: bytes) -> bytes | None:
        """The user whose ``name:password``, in base64, that is; ``None``: nobody's.  Takes its time."""
        try:
            name, colon, password = base64.b64decode(given, validate=True).partition(b":")
        except ValueError:
            return None
        hashed = self._hashes.get(name)
        if hashed is None or not colon:
            bcrypt.checkpw(password[:72].replace(b"\0", b""), _NOBODY)  # who is not there takes as long
            return None
        return name if _matches(password, hashed) else None

    def remember(self, given: bytes) -> None:
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[hmac.digest(self._key, given, "sha256")] = time.monotonic() + _REMEMBER


def _matches(password: bytes, hashed: bytes) -> bool:
    if hashed.startswith(b"$2"):
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
    order = ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5))
    out = b"".join(_sixbit(digest[a] << 16 | digest[b] << 8 | digest[c], 4) for a, b, c in order)
    return b"$apr1$" + salt + b"$" + out + _sixbit(digest[11], 2)


def _sixbit(value: int, count: int) -> bytes:
    return bytes(_ALPHABET[value >> 6 * index & 63] for index in range(count))
