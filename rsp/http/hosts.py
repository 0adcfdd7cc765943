"""What there is for a host, from the most specific to the least.

An exact name, then the longest ``*.example.com`` (any depth of subdomain), then the longest ``app.*`` (any domain),
then what is for every host.
"""

from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_HOSTS_REMEMBERED: Final = 1024
_HOST_SIZE: Final = 255  # bytes of the longest name that DNS has (RFC 1035 section 2.3.4), and so of a host with routes


def normalise_host(host: bytes) -> bytes:
    """A Host field's value without its port and final dot, in lower case."""
    name = host.lower()
    if name[:1] == b"[":
        return name.partition(b"]")[0] + b"]"
    return name.partition(b":")[0].rstrip(b".")


class HostTable(Generic[T]):
    """``make``: what there is at a host that has nothing yet."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._exact: dict[bytes, T] = {}
        self._suffixes: dict[bytes, T] = {}  # of ``*.example.com``: ``.example.com``
        self._prefixes: dict[bytes, T] = {}  # of ``app.*``: ``app.``
        self._every = make()
        self._everywhere = [self._every]
        self._ordered: dict[bytes, list[T]] = {}
        self._remembered: dict[bytes, list[T]] = {}

    def order(self, given: dict[bytes, list[T]]) -> None:
        """For these names, what :meth:`levels` gives from now on."""
        self._ordered = given
        self._remembered.clear()

    def is_named(self, name: bytes, one: T) -> bool:
        """Whether ``one`` is what there is for this name in full."""
        return self._exact.get(name) is one

    def at(self, host: str | None) -> T:
        """What there is at a host as a configuration writes it; ``None`` and ``*``: every host."""
        if host is None or host == "*":
            return self._every
        if host.startswith("*."):
            table, name = self._suffixes, host[1:].lower().encode()
        elif host.endswith(".*"):
            table, name = self._prefixes, host[:-1].lower().encode()
        else:
            table, name = self._exact, normalise_host(host.encode())
        if name not in table:
            table[name] = self._make()
        return table[name]

    def every(self) -> list[T]:
        """What there is at all hosts, each once."""
        return [*self._exact.values(), *self._suffixes.values(), *self._prefixes.values(), self._every]

    def only(self) -> list[T] | None:
        """What :meth:`levels` gives for every Host value, where no host is named."""
        named = self._exact or self._suffixes or self._prefixes or self._ordered
        return None if named else self._everywhere

    def levels(self, host: bytes) -> list[T]:
        """What there is for a Host value, the most specific first; the lists are shared, not copied.

        What a Host means is remembered, within bounds.
        """
        known = self._remembered.get(host)
        if known is not None:
            return known
        name = normalise_host(host)
        if len(name) > _HOST_SIZE:
            return self._everywhere
        found = self._ordered.get(name) or [*self._specific(name), self._every]
        if len(found) == 1:
            return self._everywhere
        if len(host) <= _HOST_SIZE:
            if len(self._remembered) >= _HOSTS_REMEMBERED:
                self._remembered.clear()
            self._remembered[host] = found
        return found

    def _specific(self, name: bytes) -> Iterator[T]:
        if name in self._exact:
            yield self._exact[name]
        dot = name.find(b".") if self._suffixes else -1
        while dot >= 0:
            if (found := self._suffixes.get(name[dot:])) is not None:
                yield found
            dot = name.find(b".", dot + 1)
        dot = name.rfind(b".") if self._prefixes else -1
        while dot > 0:
            if (found := self._prefixes.get(name[: dot + 1])) is not None:
                yield found
            dot = name.rfind(b".", 0, dot)
