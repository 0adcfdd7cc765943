"""What a limit counts together: the requests of a route whose ``key`` stands for the same."""

import socket
from hashlib import blake2b
from typing import Any, Final

from rsp.config.placeholders import IN_KEYS, Template
from rsp.config.routes import Route
from rsp.exchange.exchange import Exchange
from rsp.ipc.shared_memory import hash_of

_CLIENT: Final = "{client}"
_LONGEST: Final = 128  # bytes of a key that is kept as it is
_KNOWN: Final = 1024  # addresses that are remembered
_MAPPED: Final = b"\0" * 10 + b"\xff\xff"


class LimitKey:
    """``kind``: of the limit; ``number``: which one of the route's.

    Begins with a digest of the route and the limit, so that no other has the same, and that it is the same after a
    reload.
    """

    __slots__ = ("_is_client", "_known", "_prefix", "_prefix_hash", "_template")

    def __init__(self, route: Route, kind: str, number: int, text: str) -> None:
        place: tuple[object, ...] = (
            route.name, route.hosts, route.path, route.exact, route.regex, route.methods, sorted(route.headers.items()),
            sorted(route.query.items()), route.client, kind, number, text,
        )  # fmt: skip
        if route.cookies:  # other routes keep the digest that they have always had
            place = (*place, sorted(route.cookies.items()))
        self._prefix = blake2b(repr(place).encode(), digest_size=8).digest()
        self._prefix_hash = hash_of(self._prefix)
        self._is_client = text == _CLIENT
        self._template = Template(text, IN_KEYS.of(route))
        self._known: dict[bytes, bytes] = {}

    def of(self, exchange: Any) -> bytes:
        """The key of a request."""
        if not self._is_client:
            value = self._template.fill(exchange)
            return self._prefix + (value if len(value) <= _LONGEST else blake2b(value, digest_size=32).digest())
        return self._prefix + self._client(exchange)

    def hashed(self, exchange: Any) -> int:
        """What stands for the key in the memory of this instance.

        A connection's address is the same object for all of its requests, and knows its hash: nothing is made here.
        """
        value = self._client(exchange) if self._is_client else self._template.fill(exchange)
        return self._prefix_hash ^ hash_of(value)

    def _client(self, exchange: Any) -> bytes:
        known: Exchange = exchange
        if known.head.forwarded:
            known.tell()
        client = known.client
        return self._network(client) if b":" in client else client

    def _network(self, client: bytes) -> bytes:
        """The network of 64 bits of an IPv6 address: what a subscriber has at least, and may take any address of."""
        known = self._known.get(client)
        if known is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            known = network_of(client)
            if len(client) <= _LONGEST:
                self._known[client] = known
        return known


def network_of(client: bytes) -> bytes:
    """IPv6 by its first 64 bits, IPv4 in IPv6 as IPv4, anything else as it is."""
    try:
        packed = socket.inet_pton(socket.AF_INET6, client.decode("ascii").partition("%")[0])
    except (OSError, ValueError):
        return client[:_LONGEST]
    if packed[:12] == _MAPPED:
        return socket.inet_ntop(socket.AF_INET, packed[12:]).encode()
    return packed[:8]
