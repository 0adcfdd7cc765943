"""Routing: host and path to a destination.  Pure; built once per configuration.

The most specific host goes first: an exact name, then the longest wildcard (``*.example.com``), then routes
without a host.  Among those of one host the longest path prefix wins, and of equals the first declared.  A host
whose routes do not cover a path falls through to the less specific ones.
"""

from collections.abc import Iterable
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

T = TypeVar("T")

_HOSTS_REMEMBERED = 1024


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
    """``routes``: (host or ``None``, path prefix, destination), in the order of their declaration."""

    def __init__(self, routes: Iterable[tuple[str | None, str, T]]) -> None:
        self._exact: dict[bytes, list[tuple[bytes, T]]] = {}
        self._wildcard: dict[bytes, list[tuple[bytes, T]]] = {}
        self._any: list[tuple[bytes, T]] = []
        for host, path, destination in routes:
            entry = (path.encode(), destination)
            if host is None or host == "*":
                self._any.append(entry)
            elif host.startswith("*."):
                self._wildcard.setdefault(host[1:].lower().encode(), []).append(entry)
            else:
                self._exact.setdefault(normalise_host(host.encode()), []).append(entry)
        for entries in (*self._exact.values(), *self._wildcard.values(), self._any):
            entries.sort(key=lambda entry: -len(entry[0]))  # stable: equals stay in order
        # A host's suffixes are looked up from this length on: a Host of 12 KB of dots has 12,000 of them.
        self._longest_wildcard = max(map(len, self._wildcard), default=0)
        self._by_host: dict[bytes, list[tuple[bytes, T]]] = {}

    def entries(self, host: bytes) -> list[tuple[bytes, T]]:
        """Path prefixes and destinations for a Host value, in the order to try them; remembered, within bounds."""
        entries = self._by_host.get(host)
        if entries is not None:
            return entries
        name = normalise_host(host)
        entries = list(self._exact.get(name, ()))
        dot = name.find(b".", max(0, len(name) - self._longest_wildcard))
        while dot >= 0:
            entries += self._wildcard.get(name[dot:], ())
            dot = name.find(b".", dot + 1)
        entries += self._any
        if len(self._by_host) >= _HOSTS_REMEMBERED:
            self._by_host.clear()
        self._by_host[host] = entries
        return entries


def match(entries: list[tuple[bytes, T]], path: bytes, plain: bool) -> T | None:
    """The destination for ``path`` among a host's entries; ``plain``: the path is its own normalised form.

    Raises :class:`AmbiguousPath` where the path's raw and normalised forms would part company.
    """
    found = _longest(entries, path)
    if not plain and _longest(entries, normalise_path(path)) is not found:
        raise AmbiguousPath
    return found


def _longest(entries: list[tuple[bytes, T]], path: bytes) -> T | None:
    for prefix, destination in entries:
        if path.startswith(prefix):
            return destination
    return None
