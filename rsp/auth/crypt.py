"""Hashes of passwords that are many rounds of a common hash function: Apache's MD5 and SHA-crypt.

Each round is Python, which holds the interpreter's lock, so a pause after every few of them lets the worker's loop run:
60 us of it are late at most.
"""

import hashlib
import time
from collections.abc import Sequence
from typing import Final

_ALPHABET: Final = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SLICE: Final = 50  # rounds, until others may run
_APR1_ROUNDS: Final = 1000
SHA_ROUNDS: Final = 5000  # unless the hash says otherwise
_APR1_ORDER: Final = ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5))


def apr1(password: bytes, salt: bytes) -> bytes:
    """The hash without its salt: Apache's variant of FreeBSD's MD5 crypt, as ``htpasswd -m`` makes it (apr_md5.c)."""
    inner = hashlib.md5(password + salt + password, usedforsecurity=False).digest()
    text = password + b"$apr1$" + salt + _repeated(inner, len(password))
    bits = len(password)
    while bits:
        text += b"\0" if bits & 1 else password[:1]
        bits >>= 1
    digest = hashlib.md5(text, usedforsecurity=False).digest()
    for number in range(_APR1_ROUNDS):
        text = password if number & 1 else digest
        text += salt if number % 3 else b""
        text += password if number % 7 else b""
        text += digest if number & 1 else password
        digest = hashlib.md5(text, usedforsecurity=False).digest()
        if number % _SLICE == 0:
            time.sleep(0)  # the interpreter's lock is for others now
    return _encoded(digest, _APR1_ORDER) + _sixbit(digest[11], 2)


def sha512(password: bytes, salt: bytes, rounds: int) -> bytes:
    """The hash without its salt (Drepper, "Unix crypt using SHA-256 and SHA-512", ``mkpasswd -m sha-512``)."""
    digest = _sha("sha512", password, salt, rounds)
    order, places = [], (0, 21, 42)
    for _ in range(21):
        order.append(places)
        places = (places[1] + 1, places[2] + 1, places[0] + 1)
    return _encoded(digest, order) + _sixbit(digest[63], 2)


def sha256(password: bytes, salt: bytes, rounds: int) -> bytes:
    """As :func:`sha512`."""
    digest = _sha("sha256", password, salt, rounds)
    order, places = [], (0, 10, 20)
    for _ in range(10):
        order.append(places)
        places = (places[2] + 1, places[0] + 1, places[1] + 1)
    return _encoded(digest, order) + _sixbit(digest[31] << 8 | digest[30], 3)


def _sha(function: str, password: bytes, salt: bytes, rounds: int) -> bytes:
    inner = hashlib.new(function, password + salt + password).digest()
    text = password + salt + _repeated(inner, len(password))
    bits = len(password)
    while bits:
        text += inner if bits & 1 else password
        bits >>= 1
    digest = hashlib.new(function, text).digest()
    password = _repeated(hashlib.new(function, password * len(password)).digest(), len(password))
    salt = _repeated(hashlib.new(function, salt * (16 + digest[0])).digest(), len(salt))
    make = getattr(hashlib, function)
    for number in range(rounds):
        text = password if number & 1 else digest
        text += salt if number % 3 else b""
        text += password if number % 7 else b""
        text += digest if number & 1 else password
        digest = make(text).digest()
        if number % _SLICE == 0:
            time.sleep(0)  # the interpreter's lock is for others now
    return bytes(digest)


def _repeated(block: bytes, size: int) -> bytes:
    """As many bytes as ``size`` of it, again and again."""
    return (block * (size // len(block) + 1))[:size]


def _encoded(digest: bytes, order: Sequence[tuple[int, int, int]]) -> bytes:
    return b"".join(_sixbit(digest[a] << 16 | digest[b] << 8 | digest[c], 4) for a, b, c in order)


def _sixbit(value: int, count: int) -> bytes:
    return bytes(_ALPHABET[value >> 6 * index & 63] for index in range(count))
