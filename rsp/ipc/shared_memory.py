"""State that all workers share: a table of keys and values in memory that outlives every process but the master.

Nginx has it as lua_shared_dict, HAProxy as stick tables.  Bounded: when it is full, what was used longest ago goes.
The memory is divided into shards by the hash of the key, each with a lock of its own; how entries lie in a shard is
``entries.py``'s business, what is done with them is here.

Hashes are those of this family of processes, which are forked from one.
"""

import mmap
import struct
from time import monotonic
from typing import Final

from rsp.ipc.entries import Entries, Full, Value
from rsp.system import memory

__all__ = ["Full", "Shard", "Shared", "Value"]

_SHARDS: Final = 16
_LEAST: Final = 1 << 20  # bytes
_PAIR: Final = struct.Struct("=II")


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

    def rate(self, key: bytes, hashed: int, interval: float, burst: float, cost: float) -> float:
        """GCRA (ITU-T I.371, virtual scheduling): 0 if a request conforms now, else seconds until it would.

        ``interval``: seconds for each request; ``burst``: seconds that requests may be early.
        """
        entries = self._entries
        entries.begin()
        try:
            now = monotonic()
            cell = entries.find(key, hashed)
            expected = entries.number(cell) if cell else now
            if expected < now:
                expected = now
            early = expected - now - burst
            if early > 1e-9:
                return early
            expected += interval * cost
            if cell:
                entries.set_number(cell, expected)
                entries.expire(cell, expected + 1.0)
                entries.touch(cell)
            else:
                entries.insert(key, hashed, expected, expected + 1.0 - now)
            return 0.0
        finally:
            entries.end()

    def hold(self, key: bytes, hashed: int, owner: int, alive: set[int], most: int) -> bool:
        """One more of ``most`` for the process ``owner``; what processes hold that are not ``alive`` is void."""
        entries = self._entries
        entries.begin()
        try:
            cell = entries.find(key, hashed)
            held = {pid: count for pid, count in self._held(cell).items() if pid in alive}
            if sum(held.values()) >= most:
                return False
            held[owner] = held.get(owner, 0) + 1
            self._set_held(key, hashed, cell, held)
            return True
        finally:
            entries.end()

    def let_go(self, key: bytes, hashed: int, owner: int) -> None:
        """What :meth:`hold` took."""
        entries = self._entries
        entries.begin()
        try:
            cell = entries.find(key, hashed)
            held = self._held(cell)
            if held.get(owner):
                held[owner] -= 1
            if cell:
                self._set_held(key, hashed, cell, {pid: count for pid, count in held.items() if count})
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

    # -- how many each process holds

    def _held(self, cell: int) -> dict[int, int]:
        """By pid."""
        value = self._entries.value(cell) if cell else b""
        return dict(_PAIR.iter_unpack(value)) if isinstance(value, bytes) else {}

    def _set_held(self, key: bytes, hashed: int, cell: int, held: dict[int, int]) -> None:
        if cell:
            self._entries.remove(cell)
        if held:
            value = b"".join(_PAIR.pack(pid, count) for pid, count in held.items())
            self._entries.insert(key, hashed, value, 0.0)


class Shared:
    """Create it before forking; children share the memory.  ``size`` in bytes: only what is used exists."""

    def __init__(self, size: int) -> None:
        each = max(size, _LEAST) // _SHARDS // 4096 * 4096
        self._descriptor, self._memory = memory.shared("rsp-shared", each * _SHARDS)
        self._shards = [Shard(self._memory, self._descriptor, each * index, each) for index in range(_SHARDS)]

    def get(self, key: bytes) -> Value | None:
        hashed = hash(key) & 0xFFFFFFFFFFFFFF
        return self._shards[hashed & 15].get(key, hashed)

    def put(self, key: bytes, value: Value, ttl: float, only_new: bool) -> bool:
        """``ttl`` in seconds; 0: for good.  Raises :class:`Full`."""
        hashed = hash(key) & 0xFFFFFFFFFFFFFF
        return self._shards[hashed & 15].put(key, hashed, value, ttl, only_new)

    def incr(self, key: bytes, by: float, first: float, ttl: float) -> float | None:
        hashed = hash(key) & 0xFFFFFFFFFFFFFF
        shard = self._shards[hashed & 15]
        return shard.incr(key, hashed, by, first, ttl)

    def delete(self, key: bytes) -> bool:
        hashed = hash(key) & 0xFFFFFFFFFFFFFF
        return self._shards[hashed & 15].delete(key, hashed)

    def rate(self, key: bytes, interval: float, burst: float, cost: float) -> float:
        hashed = hash(key) & 0xFFFFFFFFFFFFFF
        shard = self._shards[hashed & 15]
        return shard.rate(key, hashed, interval, burst, cost)

    def hold(self, key: bytes, owner: int, alive: set[int], most: int) -> bool:
        hashed = hash(key) & 0xFFFFFFFFFFFFFF
        return self._shards[hashed & 15].hold(key, hashed, owner, alive, most)

    def let_go(self, key: bytes, owner: int) -> None:
        hashed = hash(key) & 0xFFFFFFFFFFFFFF
        self._shards[hashed & 15].let_go(key, hashed, owner)

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
