"""What a worker keeps of files, of all trees together: bytes of small ones and descriptors of large ones, bounded.

What has not been wanted for a while goes; what is wanted again and again stays, by a second chance.
"""

from functools import lru_cache
from typing import Final

from rsp.files.entry import Entry
from rsp.system.descriptors import limit

_BYTES: Final = 32 << 20
_ENTRIES: Final = 16384
_FILES: Final = 256  # or a sixteenth of the descriptors that the process may have
_BYTES_TIME: Final = 60.0  # seconds without a request
_FILES_TIME: Final = 5.0
_AT_ONCE: Final = 512  # entries that a tick looks at
_CHANCES: Final = 64  # entries that are passed over for one that goes


class Shelf:
    """``now``: of the last tick; ``weight``: bytes of memory; ``files``: descriptors."""

    __slots__ = ("_entries", "_files", "_most_files", "files", "now", "weight")

    def __init__(self) -> None:
        self._entries: dict[Entry, int] = {}  # the next to go first; with the weight
        self._files: dict[Entry, int] = {}  # those with descriptors
        self._most_files = max(1, min(_FILES, limit() // 16))
        self.now = 0.0
        self.weight = self.files = 0

    def put(self, entry: Entry, home: dict[bytes, Entry], now: float) -> None:
        """Keep ``entry`` in ``home``, by its name, in the place of another."""
        former = home.get(entry.name)
        if former is not None:
            self.drop(former)
        entry.home, entry.used = home, now
        home[entry.name] = entry
        descriptors = entry.descriptors()
        if descriptors:
            self._files[entry] = descriptors
            self.files += descriptors
        else:
            weight = self._entries[entry] = entry.weight()
            self.weight += weight
        while self.files > self._most_files:
            self._evict(self._files)
        while self.weight > _BYTES or len(self._entries) > _ENTRIES:
            self._evict(self._entries)

    def drop(self, entry: Entry) -> None:
        """It is kept no longer; requests that have it go on."""
        self.weight -= self._entries.pop(entry, 0)
        self.files -= self._files.pop(entry, 0)
        if entry.home.get(entry.name) is entry:
            del entry.home[entry.name]
        entry.home = {}

    def empty_files(self) -> bool:
        """Close what only the shelf has open; whether there was anything."""
        files = list(self._files)
        for entry in files:
            self.drop(entry)
        return bool(files)

    def _evict(self, entries: dict[Entry, int]) -> None:
        """The first that has not been wanted since it was put here, or had its last chance."""
        entry = next(iter(entries))
        for _ in range(_CHANCES):
            if not entry.wanted:
                break
            entry.wanted = False
            entries[entry] = entries.pop(entry)
            entry = next(iter(entries))
        self.drop(entry)

    def tick(self, now: float) -> None:
        """Once a second, from each tree."""
        if now != self.now:
            self.now = now
            self._expire(self._files, now - _FILES_TIME)
            self._expire(self._entries, now - _BYTES_TIME)

    def _expire(self, entries: dict[Entry, int], since: float) -> None:
        for _ in range(min(_AT_ONCE, len(entries))):
            entry = next(iter(entries))
            if entry.used < since:
                self.drop(entry)
            else:  # another turn
                entries[entry] = entries.pop(entry)


@lru_cache(1)
def shelf() -> Shelf:
    """The worker's."""
    return Shelf()
