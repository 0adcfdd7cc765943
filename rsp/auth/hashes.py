"""Hashed passwords as htpasswd, PHP and Linux write them: what is wrong with one, and whether a password is the one.

A kind is known by its beginning.  What a check may cost is bounded when the file is read, because each wrong password
of a client costs as much.  Nothing here repeats a hash in a message.
"""

import base64
import hashlib
import hmac
import re
from threading import Lock
from typing import Final

from rsp.auth import crypt

HOW: Final = "htpasswd -B FILE NAME  creates one"
_BCRYPT: Final = re.compile(rb"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_ARGON2: Final = re.compile(
    rb"\$argon2(id|i|d)\$v=19\$m=(\d{1,9}),t=(\d{1,9}),p=(\d{1,9})\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{6,}"
)
_SHA_CRYPT: Final = re.compile(
    rb"\$([56])\$(?:rounds=(\d{1,9})\$)?([^$:]{0,16})\$([./A-Za-z0-9]{43}(?:[./A-Za-z0-9]{43})?)"
)
_APR1: Final = re.compile(rb"\$apr1\$([^$:]{0,8})\$([./A-Za-z0-9]{22})")
_SHA1: Final = re.compile(rb"\{SHA\}([A-Za-z0-9+/]{27}=)")
_DES: Final = re.compile(rb"[./A-Za-z0-9]{13}")
_OTHER: Final = re.compile(rb"\$[A-Za-z0-9-]+\$|\{[A-Za-z0-9-]+\}")

_MOST_COST: Final = 16  # of bcrypt: 4 seconds
_MOST_ROUNDS: Final = 1_000_000  # of SHA-crypt: 2 seconds
_MOST_MEMORY: Final = 256 << 10  # KiB, of Argon2
_MOST_WORK: Final = 4 << 20  # KiB in all passes of Argon2: 3 seconds
_LONGEST_BCRYPT: Final = 72  # bytes; it never looks at more

_memory: Final = Lock()  # for one Argon2 at a time


def mistake(hashed: bytes) -> str:
    """Why no password can be checked against it, and what to do; or ``""``."""
    if match := _BCRYPT.fullmatch(hashed):
        cost = int(match[1])
        return "" if 4 <= cost <= _MOST_COST else f"a cost of {cost}; expected 4 to {_MOST_COST}"
    if match := _ARGON2.fullmatch(hashed):
        return _argon2_mistake(match[1].decode(), int(match[2]), int(match[3]), int(match[4]))
    if match := _SHA_CRYPT.fullmatch(hashed):
        if len(match[4]) != (86 if match[1] == b"6" else 43):
            return "the hash is truncated"
        rounds = int(match[2] or crypt.SHA_ROUNDS)
        return "" if 1000 <= rounds <= _MOST_ROUNDS else f"{rounds} rounds; expected 1000 to {_MOST_ROUNDS}"
    if _APR1.fullmatch(hashed) or _SHA1.fullmatch(hashed):
        return ""
    return _unknown(hashed)


def _argon2_mistake(variant: str, memory: int, passes: int, lanes: int) -> str:
    if not 8 * lanes <= memory <= _MOST_MEMORY:
        return f"m={memory}: expected {8 * lanes} to {_MOST_MEMORY} (KiB), which each check takes"
    if not 1 <= passes <= _MOST_WORK // memory or not 1 <= lanes <= 64:
        return f"t={passes}, p={lanes} with m={memory}: expected t of 1 to {_MOST_WORK // memory}, p of 1 to 64"
    if not _has_argon2(variant):
        return f"argon2{variant} needs a newer version of the Python package cryptography; or use bcrypt"
    return ""


def _has_argon2(variant: str) -> bool:
    """Versions of the library differ, and so do those of the OpenSSL in it."""
    try:
        from cryptography.hazmat.primitives.kdf import argon2

        made = getattr(argon2, f"Argon2{variant}")(salt=bytes(8), length=16, iterations=1, lanes=1, memory_cost=8)
    except Exception:  # ImportError, AttributeError, UnsupportedAlgorithm
        return False
    return hasattr(made, "verify_phc_encoded")


def _unknown(hashed: bytes) -> str:
    if _DES.fullmatch(hashed):
        return f"DES is not supported, because it is too weak; {HOW}"
    if known := _OTHER.match(hashed):
        kind = known[0].strip(b"${}").decode()
        return f'"{kind}" is not supported, or damaged; {HOW} (also known: argon2, sha512-crypt, apr1)'
    return f"the password is not hashed; {HOW}"


def warm_up(hashed: bytes) -> None:
    """Import now what checking it takes; not while requests wait."""
    if hashed.startswith(b"$2"):
        import bcrypt  # noqa: F401
    elif hashed.startswith(b"$argon2"):
        from cryptography.hazmat.primitives.kdf import argon2  # noqa: F401


def matches(password: bytes, hashed: bytes) -> bool:
    """Takes its time, on purpose.  ``hashed``: without a :func:`mistake`."""
    if hashed.startswith(b"$2"):
        return _matches_bcrypt(password, hashed)
    if hashed.startswith(b"$argon2"):
        return _matches_argon2(password, hashed)
    if match := _SHA1.fullmatch(hashed):
        digest = base64.b64encode(hashlib.sha1(password, usedforsecurity=False).digest())
        return hmac.compare_digest(digest, match[1])
    if match := _APR1.fullmatch(hashed):
        return hmac.compare_digest(crypt.apr1(password, match[1]), match[2])
    if match := _SHA_CRYPT.fullmatch(hashed):
        make = crypt.sha512 if match[1] == b"6" else crypt.sha256
        return hmac.compare_digest(make(password, match[3], int(match[2] or crypt.SHA_ROUNDS)), match[4])
    return False


def _matches_bcrypt(password: bytes, hashed: bytes) -> bool:
    import bcrypt

    try:
        return bcrypt.checkpw(password[:_LONGEST_BCRYPT], hashed)
    except ValueError:  # a NUL in it
        return False


def _matches_argon2(password: bytes, hashed: bytes) -> bool:
    from cryptography.exceptions import InvalidKey
    from cryptography.hazmat.primitives.kdf import argon2

    variant = getattr(argon2, f"Argon2{hashed[7:].partition(b'$')[0].decode()}")
    try:
        with _memory:
            variant.verify_phc_encoded(password, hashed.decode())
    except (InvalidKey, ValueError):
        return False
    return True
