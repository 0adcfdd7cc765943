"""Routing: host and path to a destination.  Pure; built once per configuration.

The most specific host goes first: an exact name, then the longest wildcard (``*.example.com``), then routes
without a host.  Among those of one host the longest path wins, and of equals the first declared.  A host whose routes
do not cover a path falls through to the less specific ones.

A path covers itself and what lies below it, segment by segment: ``/api`` is for ``/api`` and ``/api/x``, not for
``/apifoo``; ``/api/`` is for what begins with it.
"""

from collections.abc import Iterable
from typing import Final, Generic, TypeVar
from urllib.parse import unquote_to_bytes

T = TypeVar("T")
# Path as written, path as normalised, destination; longest path first.
Entry = tuple[bytes, bytes, T]

_HOSTS_REMEMBERED: Final = 1024
_SLASH: Final = 0x2F
_HOST_SIZE: Final = 255  # bytes of the longest name that DNS has (RFC 1035 section 2.3.4), and so of a host with routes


def normalise_path(path: bytes) -> bytes:
    """The path as a lenient backend may see it: percent-decoded, ``\\`` as ``/``, ``//`` merged, dots resolved."""
    decoded = unquote_to_bytes(path).replace(b"\\", b"/")
    kept: list[bytes] = []
    segments = decoded.split(b"/")
    for segment in segments:
        if segment == b"..":
            if kept:
                kept.pop()
        elif segment not in (b"", b"."):
            kept.append(segment)
    tail = b"/" if segments[-1] in (b"", b".", b"..") and kept else b""
    return b"/" + b"/".join(kept) + tail


def normalise_host(host: bytes) -> bytes:
    """A Host field's value without its port and final dot, in lower case."""
    name = host.lower()
    if name[:1] == b"[":
        return name.partition(b"]")[0] + b"]"
    return name.partition(b":")[0].rstrip(b".")


class AmbiguousPath(Exception):
    """The path as written and the path as normalised lead to different routes."""


class Router(Generic[T]):
    """``routes``: (host or ``None``, path, destination), in the order of their declaration."""

    def __init__(self, routes: Iterable[tuple[str | None, str, T]]) -> None:
        self._exact: dict[bytes, list[Entry[T]]] = {}
        self._wildcard: dict[bytes, list[Entry[T]]] = {}
        self._any: list[Entry[T]] = []
        for host, path, destination in routes:
            written = path.encode()
            entry = (written, normalise_path(written), destination)
            if host is None or host == "*":
                self._any.append(entry)
            elif host.startswith("*."):
                self._wildcard.setdefault(host[1:].lower().encode(), []).append(entry)
            else:
                self._exact.setdefault(normalise_host(host.encode()), []).append(entry)
        for entries in (*self._exact.values(), *self._wildcard.values(), self._any):
            entries.sort(key=lambda entry: -len(entry[0]))  # stable: equals stay in order
        self._everywhere = [self._any]
        self._by_host: dict[bytes, list[list[Entry[T]]]] = {}

    def entries(self, host: bytes) -> list[list[Entry[T]]]:
        """The lists of routes to try for a Host value, one after the other; they are shared, not copied.

        What a Host means is remembered, within bounds.
        """
        known = self._by_host.get(host)
        if known is not None:
            return known
        name = normalise_host(host)
        if len(name) > _HOST_SIZE:
            return self._everywhere
        found = [self._exact[name]] if name in self._exact else []
        dot = name.find(b".") if self._wildcard else -1
        while dot >= 0:
            entries = self._wildcard.get(name[dot:])
            if entries is not None:
                found.append(entries)
            dot = name.find(b".", dot + 1)
        if not found:
            return self._everywhere
        found.append(self._any)
        if len(host) <= _HOST_SIZE:
            if len(self._by_host) >= _HOSTS_REMEMBERED:
                self._by_host.clear()
            self._by_host[host] = found
        return found


def match(entries: list[list[Entry[T]]], path: bytes, plain: bool) -> T | None:
    """The destination for ``path`` among a host's entries; ``plain``: the path is its own normalised form.

    Raises :class:`AmbiguousPath` where the path's raw and normalised forms would part company.
    """
    found = _longest(entries, path)
    if not plain and _longest_normalised(entries, normalise_path(path)) is not found:
        raise AmbiguousPath
    return found


def _longest(entries: list[list[Entry[T]]], path: bytes) -> T | None:
    for routes in entries:
        for prefix, _, destination in routes:
            if path.startswith(prefix) and _ends_there(prefix, path):
                return destination
    return None


def _longest_normalised(entries: list[list[Entry[T]]], path: bytes) -> T | None:
    for routes in entries:
        for _, prefix, destination in routes:
            if path.startswith(prefix) and _ends_there(prefix, path):
                return destination
    return None


def _ends_there(prefix: bytes, path: bytes) -> bool:
    """Whether a segment of ``path`` ends where ``prefix`` does."""
    size = len(prefix)
    return len(path) == size or prefix[size - 1] == _SLASH or path[size] == _SLASH
