"""What may not be in a log: credentials in fields, and the values of secret keys in queries.

A value is replaced as a whole; keys and names stay.  What holds no secret is returned as it is, which is found out
without taking it apart.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from rsp.logs.suspicion import has_at, is_suspect, table

MASK: Final = b"***"

# Keys of queries, in lower case; `log_mask` adds to them.
KEYS: Final = (
    "access_token", "api-key", "api_key", "apikey", "assertion", "auth", "auth_token", "authorization",
    "client_assertion", "client_secret", "credential", "credentials", "id_token", "jwt", "otp", "passphrase", "passwd",
    "password", "private_key", "pwd", "refresh_token", "secret", "session_token", "sig", "signature", "token",
    "x-amz-credential", "x-amz-security-token", "x-amz-signature", "x-api-key", "x-goog-credential", "x-goog-signature",
)  # fmt: skip
_CREDENTIALS: Final = (b"authorization", b"proxy-authorization", b"x-api-key", b"x-auth-token", b"x-amz-security-token")
_COOKIES: Final = (b"cookie", b"set-cookie")

# A key of a query, and what is before and behind it.  In a URL that is a value they are escaped, and once more at each
# further level.
_PAIR: Final = re.compile(
    rb"(?:[?&;#]|%(?:25)*(?:3[bf]|2[36]))((?:[^?&;#=%]|%(?!(?:25)*(?:3[bdf]|2[36])))*)(=|%(?:25)*3d)", re.IGNORECASE
)
_BEHIND: Final = re.compile(rb"[&#]|%(?:25)*2[36]")  # a value
_SLASHES: Final = re.compile(rb"((?:/|%(?:25)*2f){2,})", re.IGNORECASE)
_AUTHORITY: Final = re.compile(rb"(?:[^/?#&\s%]|%(?!(?:25)*(?:2[f36]|3f)))*", re.IGNORECASE)
_AT: Final = re.compile(rb"@|%(?:25)*40")
_DEEPEST: Final = 4  # times that a key may be escaped
_ODD: Final = re.compile(rb"[%+\s\0\[\].]")  # in a key that may be another one for a program
_AROUND: Final = b" +\t\r\n\0"  # a program may drop it around a key
_PARTS: Final = re.compile(rb"[\[\].]")  # of a key such as user[password]
# Only what looks like one: a client that sends no scheme may send a secret with a blank in it.
_SCHEME: Final = re.compile(rb"(?:[A-Za-z]{2,12}|AWS4-HMAC-SHA256|SCRAM-SHA-(?:1|256)) ")


class Secrets:
    """``more``: further keys of queries."""

    __slots__ = ("_keys", "_lengths")

    def __init__(self, more: Iterable[str] = ()) -> None:
        self._keys = frozenset(key.lower().encode() for key in (*KEYS, *more))
        self._lengths = table(self._keys)

    def target(self, target: bytes) -> bytes:
        """The target of a request."""
        return self.url(target)

    def query(self, query: bytes) -> bytes:
        """Without its question mark."""
        return self.url(b"?" + query)[1:]

    def url(self, text: bytes) -> bytes:
        """A URL, or any text that may have one: the value of a field."""
        if has_at(text):
            text = _without_users(text)
        return self._masked(text)

    def is_secret(self, key: bytes) -> bool:
        """Whether values of ``key`` in a query are masked."""
        if _ODD.search(key) is None:
            return key.lower() in self._keys
        key = _unescaped(key).strip(_AROUND).lower()
        return key in self._keys or not self._keys.isdisjoint(_PARTS.split(key))

    def field(self, name: bytes, value: bytes) -> bytes:
        """The value of a field; ``name`` in lower case."""
        if name in _CREDENTIALS:
            scheme = _SCHEME.match(value)
            return (scheme[0] if scheme is not None and name.endswith(b"authorization") else b"") + MASK
        if name in _COOKIES:
            return _masked_cookies(name, value)
        return self.url(value)

    def block(self, block: bytes) -> bytes:
        """Field lines, each with its CRLF."""
        return b"".join(self._line(line) for line in block.splitlines(keepends=True))

    def _line(self, line: bytes) -> bytes:
        name, colon, value = line.partition(b":")
        text = value.strip(b" \t\r\n")
        masked = self.field(name.lower(), text)
        return line if not colon or masked == text else name + b": " + masked + b"\r\n"

    def _masked(self, text: bytes) -> bytes:
        if not is_suspect(text, self._lengths):
            return text
        return b"".join(self._pieces(text))

    def _pieces(self, text: bytes) -> Iterator[bytes]:
        """In one pass, because clients choose the text."""
        done = start = 0  # what comes before ``done`` is in the pieces
        while (pair := _PAIR.search(text, start)) is not None:
            start = pair.end()
            if self.is_secret(pair[1]):
                yield text[done:start] + MASK
                done = start = _end_of_value(text, start, _level(pair[2]))
        yield text[done:]


def _level(mark: bytes) -> int:
    """How often it is escaped."""
    return mark.count(b"25") + 1 if mark.startswith(b"%") else 0


def _end_of_value(text: bytes, start: int, level: int) -> int:
    """``level``: of the equals sign before it."""
    for mark in _BEHIND.finditer(text, start):
        if _level(mark[0]) <= level:
            return mark.start()
    return len(text)


def _unescaped(key: bytes) -> bytes:
    for _ in range(_DEEPEST):
        if b"%" not in key:
            break
        key = unquote_to_bytes(key)
    return key


def _without_users(text: bytes) -> bytes:
    """Without what is before the last ``@`` of an authority."""
    pieces = _SLASHES.split(text)
    for index in range(2, len(pieces), 2):
        authority = _AUTHORITY.match(pieces[index])
        found = [at.start() for at in _AT.finditer(authority[0])] if authority is not None else []
        if found:
            pieces[index] = MASK + pieces[index][found[-1] :]
    return b"".join(pieces)


def _masked_cookies(name: bytes, value: bytes) -> bytes:
    """Names and attributes stay."""
    if name == b"cookie":
        return b"; ".join(_cookie(pair.strip()) for pair in value.split(b";"))
    pair, semicolon, attributes = value.partition(b";")
    return _cookie(pair) + semicolon + attributes


def _cookie(pair: bytes) -> bytes:
    name, equals, _ = pair.partition(b"=")
    return name + equals + MASK if equals else MASK
