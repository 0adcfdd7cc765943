"""State that all workers share: a table of keys and values in memory that outlives every process but the master.

Nginx has it as lua_shared_dict, HAProxy as stick tables.  Bounded: when it is full, what was used longest ago goes.
The memory is divided into shards by the hash of the key, each with a lock of its own; how entries lie in a shard is
``entries.py``'s business, what is done with them is here.

Hashes are those of this family of processes, which are forked from one.
"""

import mmap
import struct
from typing import Final

from rsp.ipc.clock import monotonic
from rsp.ipc.entries import Entries, Full, Value
from rsp.system import memory

__all__ = ["Full", "Shard", "Shared", "Value", "hash_of"]

_SHARDS: Final = 16
_BITS: Final = 0xFFFFFFFFFFFFFF  # of a hash
_COUNT: Final = 0xFFFFFFFF  # of a word: how many a process holds
_LEAST: Final = 1 << 20  # bytes
_FIRST: Final = struct.Struct("=Q56x")  # a word, and room for those of seven processes more: all that fits a cell


def hash_of(key: bytes) -> int:
    return hash(key) & _BITS


class Shard:
    """``start``: its first byte in ``memory``; ``size``: in bytes.  Each operation is under the shard's lock."""

    __slots__ = ("_entries",)

    def __init__(self, memory: mmap.mmap, descriptor: int, start: int, size: int) -> None:
        self._entries = Entries(memory, descriptor, start, size)

    def get(self, key: bytes, hashed: int) -> Value | None:
        entries = self._entries
        entries.begin()
        try:
            cell = entries.find(key, hashed)
            if not cell:
                return None
            entries.touch(cell)
            return entries.value(cell)
        finally:
            entries.end()

    def put(self, key: bytes, hashed: int, value: Value, ttl: float, only_new: bool) -> bool:
        """False, and nothing done, if ``only_new`` and the key is there.  Raises :class:`Full`."""
        entries = self._entries
        entries.begin()
        try:
            cell = entries.find(key, hashed)
            if cell and only_new:
                return False
            if cell and not isinstance(value, bytes) and not entries.is_text(cell):
                entries.replace(cell, value, ttl)
                return True
            if cell:
                entries.remove(cell)
            entries.insert(key, hashed, value, ttl)
            return True
        finally:
            entries.end()

    def incr(self, key: bytes, hashed: int, by: float, first: float, ttl: float) -> float | None:
        """The sum; ``None`` if something other than a number is there.  ``ttl``: of a key that is new."""
        entries = self._entries
        entries.begin()
        try:
            cell = entries.find(key, hashed)
            if not cell:
                entries.insert(key, hashed, first + by, ttl)
                return first + by
            if not entries.is_number(cell):
                return None
            entries.touch(cell)
            total = entries.number(cell) + by
            entries.set_number(cell, total)
            return total
        finally:
            entries.end()

    def delete(self, key: bytes, hashed: int) -> bool:
        entries = self._entries
        entries.begin()
        try:
            cell = entries.find(key, hashed)
            if cell:
                entries.remove(cell)
            return cell != 0
        finally:
            entries.end()

    # Times, of what a hash stands for: keys are not kept, the 56 bits of a hash with a secret seed are enough.

    def draw(self, hashed: int, interval: float, burst: float, cost: float) -> float:
        """GCRA (ITU-T I.371, virtual scheduling): seconds until the bucket is full again if a request conforms now,
        else less than 0: the seconds until it would.

        ``interval``: seconds for each request; ``burst``: seconds that requests may be early.
        """
        entries = self._entries
        entries.begin()
        try:
            now = monotonic()
            cell = entries.find(b"", hashed)
            expected = entries.number(cell) if cell else now
            if expected < now:
                expected = now
            early = expected - now - burst
            if early > 1e-9:
                return -early
            expected += interval * cost
            self._set_time(hashed, cell, expected, now)
            return expected - now
        finally:
            entries.end()

    def reserve(self, hashed: int, seconds: float, credit: float) -> float:
        """Take the next ``seconds`` of a row that is served one after the other; how long until they begin.

        Less than 0: they have begun, because the row was empty; that is at most ``credit``.
        """
        entries = self._entries
        entries.begin()
        try:
            now = monotonic()
            cell = entries.find(b"", hashed)
            begins = entries.number(cell) if cell else now - credit
            if begins < now - credit:
                begins = now - credit
            self._set_time(hashed, cell, begins + seconds, now)
            return begins - now
        finally:
            entries.end()

    def _set_time(self, hashed: int, cell: int, moment: float, now: float) -> None:
        """A number that says nothing any more a second after ``moment``."""
        entries = self._entries
        if cell:
            entries.set_number(cell, moment)
            entries.expire(cell, moment + 1.0)
            entries.touch(cell)
        else:
            entries.insert(b"", hashed, moment, moment + 1.0 - now)

    # How many each process holds of what a hash stands for: a word for each, its pid and the number.  Words are changed
    # one by one and in place, so what a process holds that is killed is known, whatever it was about to do.

    def hold(self, hashed: int, owner: int, most: int) -> bool:
        """One more of ``most`` for the process ``owner``."""
        entries = self._entries
        entries.begin()
        try:
            cell = entries.find(b"", hashed)
            if not cell:
                entries.insert_words(hashed, (owner << 32) | 1)
                return True
            if entries.tally(cell, owner) >= most:
                return False
            if entries.own >= 0:
                entries.set_word(cell, entries.own, entries.word(cell, entries.own) + 1)
            elif entries.vacant >= 0:
                entries.set_word(cell, entries.vacant, (owner << 32) | 1)
            else:
                self._enlarge(cell, hashed, owner)
            return True
        finally:
            entries.end()

    def _enlarge(self, cell: int, hashed: int, owner: int) -> None:
        """One more process has some."""
        value = self._entries.value(cell)
        self._entries.remove(cell)
        if isinstance(value, bytes):
            self._entries.insert(b"", hashed, value + _FIRST.pack((owner << 32) | 1), 0.0)

    def let_go(self, hashed: int, owner: int) -> None:
        """What :meth:`hold` took.  Where no process holds any, nothing is left."""
        entries = self._entries
        entries.begin()
        try:
            cell = entries.find(b"", hashed)
            if not cell:
                return
            held = entries.tally(cell, owner)
            if entries.own >= 0 and held == 1:
                entries.remove(cell)
            elif entries.own >= 0:
                word = entries.word(cell, entries.own)
                entries.set_word(cell, entries.own, word - 1 if word & _COUNT > 1 else 0)
        finally:
            entries.end()

    def holders(self, hashed: int) -> set[int]:
        """The processes that hold some."""
        entries = self._entries
        entries.begin()
        try:
            cell = entries.find(b"", hashed)
            words = [entries.word(cell, index) for index in range(entries.count_words(cell) if cell else 0)]
            return {word >> 32 for word in words if word}
        finally:
            entries.end()

    def void(self, hashed: int, alive: set[int]) -> bool:
        """Whether processes that are not ``alive`` held some; they hold none any more."""
        entries = self._entries
        entries.begin()
        try:
            cell = entries.find(b"", hashed)
            found = False
            for index in range(entries.count_words(cell) if cell else 0):
                word = entries.word(cell, index)
                if word and word >> 32 not in alive:
                    entries.set_word(cell, index, 0)
                    found = True
            if found and not entries.tally(cell, 0):
                entries.remove(cell)
            return found
        finally:
            entries.end()

    def keys(self, prefix: bytes, limit: int) -> list[bytes]:
        """Those that begin with ``prefix``; 0: without a limit."""
        entries = self._entries
        entries.begin()
        try:
            found = []
            now = monotonic()
            for cell in entries.newest_first():
                key = entries.key(cell)
                if key.startswith(prefix) and not entries.expired(cell, now):
                    found.append(key)
                    if limit and len(found) >= limit:
                        break
            return found
        finally:
            entries.end()

    def usage(self) -> tuple[int, int]:
        """Entries, and how many had to go for others."""
        return self._entries.counts()

    def entries(self) -> Entries:
        """For rooms beside this one."""
        return self._entries


class Shared:
    """Create it before forking; children share the memory.  ``size`` in bytes: only what is used exists."""

    def __init__(self, size: int) -> None:
        each = max(size, _LEAST) // _SHARDS // 4096 * 4096
        self._descriptor, self._memory = memory.shared("rsp-shared", each * _SHARDS)
        self._shards = [Shard(self._memory, self._descriptor, each * index, each) for index in range(_SHARDS)]

    def shard(self, hashed: int) -> Shard:
        """Where that is kept which has this hash."""
        return self._shards[hashed & 15]

    def get(self, key: bytes) -> Value | None:
        hashed = hash_of(key)
        return self.shard(hashed).get(key, hashed)

    def put(self, key: bytes, value: Value, ttl: float, only_new: bool) -> bool:
        """``ttl`` in seconds; 0: for good.  Raises :class:`Full`."""
        hashed = hash_of(key)
        return self.shard(hashed).put(key, hashed, value, ttl, only_new)

    def incr(self, key: bytes, by: float, first: float, ttl: float) -> float | None:
        hashed = hash_of(key)
        shard = self.shard(hashed)
        return shard.incr(key, hashed, by, first, ttl)

    def delete(self, key: bytes) -> bool:
        hashed = hash_of(key)
        return self.shard(hashed).delete(key, hashed)

    def rate(self, key: bytes, interval: float, burst: float, cost: float) -> float:
        """0 if a request conforms now, else seconds until it would."""
        full = self.draw(key, interval, burst, cost)
        return -full if full < 0 else 0.0

    def draw(self, key: bytes, interval: float, burst: float, cost: float) -> float:
        hashed = hash_of(key)
        shard = self.shard(hashed)
        return shard.draw(hashed, interval, burst, cost)

    def hold(self, key: bytes, owner: int, most: int) -> bool:
        hashed = hash_of(key)
        shard = self.shard(hashed)
        return shard.hold(hashed, owner, most)

    def let_go(self, key: bytes, owner: int) -> None:
        hashed = hash_of(key)
        shard = self.shard(hashed)
        shard.let_go(hashed, owner)

    def void(self, key: bytes, alive: set[int]) -> bool:
        hashed = hash_of(key)
        shard = self.shard(hashed)
        return shard.void(hashed, alive)

    def entries_of(self, hashed: int) -> Entries:
        """Where entries of ``hashed`` lie."""
        shard = self.shard(hashed)
        return shard.entries()

    def keys(self, prefix: bytes, limit: int) -> list[bytes]:
        found: list[bytes] = []
        for shard in self._shards:
            found += shard.keys(prefix, limit - len(found) if limit else 0)
            if limit and len(found) >= limit:
                break
        return found

    def usage(self) -> tuple[int, int]:
        """Entries, and how many had to go for others."""
        each = [shard.usage() for shard in self._shards]
        return sum(entries for entries, _ in each), sum(evicted for _, evicted in each)
