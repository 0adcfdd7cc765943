"""What may not be in a log: credentials in fields, and the values of secret keys in queries.

A value is replaced as a whole; keys and names stay.  What holds no secret is returned as it is, which is found out
without taking it apart.
"""

import re
from collections.abc import Iterable
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

_ENCODED_KEY: Final = re.compile(rb"([?&;#])([^=&;#]*%[^=&;#]*)=[^&#]*")
_USER: Final = re.compile(rb"//[^/?#\s]*@")
_SCHEME: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,30} ")


class Secrets:
    """``more``: further keys of queries."""

    __slots__ = ("_keys", "_lengths", "_pairs")

    def __init__(self, more: Iterable[str] = ()) -> None:
        self._keys = frozenset(key.lower().encode() for key in (*KEYS, *more))
        self._lengths = table(self._keys)
        names = b"|".join(map(re.escape, sorted(self._keys)))
        # A key of a URL that is itself a value is encoded, and so is what ends its own value.
        self._pairs = re.compile(
            rb"((?:[?&;#]|%(?:3f|26|3b|23))(?:" + names + rb"))(?:(=)[^&#]*|(%3d)(?:(?!%(?:26|23))[^&#])*)",
            re.IGNORECASE,
        )

    def target(self, target: bytes) -> bytes:
        """The target of a request."""
        return self._masked(target)

    def query(self, query: bytes) -> bytes:
        """Without its question mark."""
        return self._masked(b"?" + query)[1:]

    def url(self, text: bytes) -> bytes:
        """A URL, or any text that may have one: the value of a field."""
        if has_at(text):
            text = _USER.sub(b"//" + MASK + b"@", text)
        return self._masked(text)

    def is_secret(self, key: bytes) -> bool:
        """Whether values of ``key`` in a query are masked."""
        return key.lower() in self._keys

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
        text = self._pairs.sub(_replacement, text)
        return _ENCODED_KEY.sub(self._decoded, text) if b"%" in text else text

    def _decoded(self, match: "re.Match[bytes]") -> bytes:
        """A key that is written with escapes."""
        secret = unquote_to_bytes(match[2]).lower() in self._keys
        return match[1] + match[2] + b"=" + MASK if secret else match[0]


def _replacement(match: "re.Match[bytes]") -> bytes:
    return match[1] + (match[2] or match[3]) + MASK


def _masked_cookies(name: bytes, value: bytes) -> bytes:
    """Names and attributes stay."""
    if name == b"cookie":
        return b"; ".join(_cookie(pair.strip()) for pair in value.split(b";"))
    pair, semicolon, attributes = value.partition(b";")
    return _cookie(pair) + semicolon + attributes


def _cookie(pair: bytes) -> bytes:
    name, equals, _ = pair.partition(b"=")
    return name + equals + MASK if equals else MASK
