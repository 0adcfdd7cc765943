"""State that all workers share: a table of keys and values in memory that outlives every process but the master.

Nginx has it as lua_shared_dict, HAProxy as stick tables.  Bounded: when it is full, what was used longest ago goes.

The memory is divided into shards by the hash of the key; each has a lock, buckets, and cells of 128 bytes.  An entry is
a chain of cells, so nothing fragments.  A process may die at any instruction: a shard is marked as dirty while it is
being changed, and whoever finds it so puts it in order from what the cells themselves say.

Hashes are those of this family of processes, which are forked from one.
"""

import mmap
import struct
from collections.abc import Iterator
from time import monotonic
from typing import Final

from rsp.ipc.lock import Lock
from rsp.system import memory

Value = bytes | float | bool

_SHARDS: Final = 16
_LEAST: Final = 1 << 20  # bytes
_CELL: Final = 16  # words
_CELL_BYTES: Final = 128
_HEAD_ROOM: Final = 64  # bytes for key and value in the first cell of an entry
_TAIL_ROOM: Final = 112  # and in the others

# Words of a shard, behind its lock.
_DIRTY: Final = 8
_FREE: Final = 9  # the first free cell
_NEWEST: Final = 10
_OLDEST: Final = 11
_ENTRIES: Final = 12
_EVICTED: Final = 13
_USED: Final = 14  # the highest cell that was ever used
_BUCKETS: Final = 16

# Words of a cell; cells are named by their number plus one, 0 is none.
_STATE: Final = 0
_NEXT: Final = 1  # of the entry, or of the free ones
_CHAIN: Final = 2  # the next entry of the bucket
_NEWER: Final = 3
_OLDER: Final = 4
_HASH: Final = 5
_EXPIRES: Final = 6  # a float: CLOCK_MONOTONIC in seconds; 0: never
_NUMBER: Final = 7  # a float

_IS_FREE: Final = 0
_IS_TAIL: Final = 1
_IS_HEAD: Final = 2

# Kinds of values.
_TEXT: Final = 1
_FLOAT: Final = 2
_BOOL: Final = 3

_PAIR: Final = struct.Struct("=II")


class Full(Exception):
    """The value is larger than a shard."""


class Shard:
    """``start``: its first byte in ``memory``; ``size``: in bytes."""

    # fmt: off
    __slots__ = ("_buckets", "_cells", "_first", "_floats", "_lock", "_raw", "_start", "_words")
    # fmt: on

    def __init__(self, memory: mmap.mmap, descriptor: int, start: int, size: int) -> None:
        whole = memoryview(memory)
        self._raw = whole
        self._words = whole.cast("Q")
        self._floats = whole.cast("d")
        self._start = start // 8
        self._lock = Lock(memory, descriptor, start, True)
        self._cells = (size - (_BUCKETS + 1) * 8) // (_CELL_BYTES + 8)
        self._buckets = 1 << max(0, self._cells.bit_length() - 1)  # at most one for each cell
        self._first = (self._start + _BUCKETS + self._buckets + _CELL - 1) // _CELL * _CELL
        self._cells = min(self._cells, (start + size) // _CELL_BYTES - self._first // _CELL)

    # -- what callers do, each under the lock

    def get(self, key: bytes, hashed: int) -> Value | None:
        self._begin()
        try:
            cell = self._live(key, hashed)
            if not cell:
                return None
            self._touch(cell)
            return self._value(cell)
        finally:
            self._end()

    def put(self, key: bytes, hashed: int, value: Value, ttl: float, only_new: bool) -> bool:
        """False, and nothing done, if ``only_new`` and the key is there.  Raises :class:`Full`."""
        self._begin()
        try:
            cell = self._live(key, hashed)
            if cell and only_new:
                return False
            if isinstance(value, bytes):
                if cell:
                    self._remove(cell)
                self._insert(key, hashed, _TEXT, value, 0.0, ttl)
            else:
                kind = _BOOL if isinstance(value, bool) else _FLOAT
                if cell and self._kind(cell) != _TEXT:
                    self._set_kind(cell, kind)
                    self._floats[self._at(cell) + _NUMBER] = float(value)
                    self._floats[self._at(cell) + _EXPIRES] = monotonic() + ttl if ttl else 0.0
                    self._touch(cell)
                else:
                    if cell:
                        self._remove(cell)
                    self._insert(key, hashed, kind, b"", float(value), ttl)
            return True
        finally:
            self._end()

    def incr(self, key: bytes, hashed: int, by: float, first: float, ttl: float) -> float | None:
        """The sum; ``None`` if something other than a number is there.  ``ttl``: of a key that is new."""
        self._begin()
        try:
            cell = self._live(key, hashed)
            if not cell:
                self._insert(key, hashed, _FLOAT, b"", first + by, ttl)
                return first + by
            if self._kind(cell) != _FLOAT:
                return None
            self._touch(cell)
            at = self._at(cell) + _NUMBER
            total = self._floats[at] + by
            self._floats[at] = total
            return total
        finally:
            self._end()

    def delete(self, key: bytes, hashed: int) -> bool:
        self._begin()
        try:
            cell = self._live(key, hashed)
            if cell:
                self._remove(cell)
            return cell != 0
        finally:
            self._end()

    def rate(self, key: bytes, hashed: int, interval: float, burst: float, cost: float) -> float:
        """GCRA (ITU-T I.371, virtual scheduling): 0 if a request conforms now, else seconds until it would.

        ``interval``: seconds for each request; ``burst``: seconds that requests may be early.
        """
        self._begin()
        try:
            now = monotonic()
            cell = self._live(key, hashed)
            expected = self._floats[self._at(cell) + _NUMBER] if cell else now
            if expected < now:
                expected = now
            early = expected - now - burst
            if early > 1e-9:
                return early
            expected += interval * cost
            if cell:
                self._floats[self._at(cell) + _NUMBER] = expected
                self._floats[self._at(cell) + _EXPIRES] = expected + 1.0
                self._touch(cell)
            else:
                self._insert(key, hashed, _FLOAT, b"", expected, expected + 1.0 - now)
            return 0.0
        finally:
            self._end()

    def hold(self, key: bytes, hashed: int, owner: int, alive: set[int], most: int) -> bool:
        """One more of ``most`` for the process ``owner``; what processes hold that are not ``alive`` is void."""
        self._begin()
        try:
            cell = self._live(key, hashed)
            held = self._held(cell, alive) if cell else {}
            if sum(held.values()) >= most:
                return False
            held[owner] = held.get(owner, 0) + 1
            self._set_held(key, hashed, cell, held)
            return True
        finally:
            self._end()

    def let_go(self, key: bytes, hashed: int, owner: int) -> None:
        """What :meth:`hold` took."""
        self._begin()
        try:
            cell = self._live(key, hashed)
            if not cell:
                return
            held = self._held(cell, None)
            if held.get(owner):
                held[owner] -= 1
            self._set_held(key, hashed, cell, {one: count for one, count in held.items() if count})
        finally:
            self._end()

    def keys(self, prefix: bytes, limit: int) -> list[bytes]:
        """Those that begin with ``prefix``; 0: without a limit."""
        self._begin()
        try:
            found = []
            now = monotonic()
            for cell in self._newest_first():
                key = self._key(cell)
                if key.startswith(prefix) and not self._expired(cell, now):
                    found.append(key)
                    if limit and len(found) >= limit:
                        break
            return found
        finally:
            self._end()

    def usage(self) -> tuple[int, int]:
        """Entries, and how many had to go for others."""
        return self._words[self._start + _ENTRIES], self._words[self._start + _EVICTED]

    # -- order

    def _begin(self) -> None:
        self._lock.acquire()
        if self._words[self._start + _DIRTY]:
            self._rebuild()
        self._words[self._start + _DIRTY] = 1

    def _end(self) -> None:
        self._words[self._start + _DIRTY] = 0
        self._lock.release()

    def _rebuild(self) -> None:
        """Buckets, order and free cells, from the entries that are whole."""
        words, start = self._words, self._start
        for bucket in range(self._buckets):
            words[start + _BUCKETS + bucket] = 0
        words[start + _FREE] = words[start + _NEWEST] = words[start + _OLDEST] = words[start + _ENTRIES] = 0
        used: set[int] = set()
        heads: list[int] = []
        last = min(words[start + _USED], self._cells)
        for cell in range(1, last + 1):
            if words[self._at(cell)] & 0xFF == _IS_HEAD:
                cells = self._chain_of(cell)
                if cells is not None and not used & set(cells):
                    used.update(cells)
                    heads.append(cell)
        for cell in range(1, last + 1):
            if cell not in used:
                self._free(cell)
        for cell in heads:
            self._link(cell)

    def _chain_of(self, cell: int) -> list[int] | None:
        """The cells of the entry that begins at ``cell``; ``None`` if it is not whole."""
        words = self._words
        state = words[self._at(cell)]
        left = ((state >> 16) & 0xFFFF) + (state >> 32) - _HEAD_ROOM
        cells = [cell]
        while left > 0:
            cell = words[self._at(cell) + _NEXT]
            if not 1 <= cell <= self._cells or words[self._at(cell)] & 0xFF != _IS_TAIL or cell in cells:
                return None
            cells.append(cell)
            left -= _TAIL_ROOM
        return cells

    def _newest_first(self) -> Iterator[int]:
        cell = self._words[self._start + _NEWEST]
        while cell:
            yield cell
            cell = self._words[self._at(cell) + _OLDER]

    # -- entries

    def _at(self, cell: int) -> int:
        """The first word of ``cell``."""
        return self._first + (cell - 1) * _CELL

    def _kind(self, cell: int) -> int:
        return (self._words[self._at(cell)] >> 8) & 0xFF

    def _set_kind(self, cell: int, kind: int) -> None:
        at = self._at(cell)
        self._words[at] = (self._words[at] & ~0xFF00) | (kind << 8)

    def _expired(self, cell: int, now: float) -> bool:
        expires = self._floats[self._at(cell) + _EXPIRES]
        return expires != 0.0 and expires <= now

    def _live(self, key: bytes, hashed: int) -> int:
        """The entry for ``key``; 0 if there is none.  One whose time is over is removed."""
        words = self._words
        cell = words[self._start + _BUCKETS + (hashed >> 8) % self._buckets]
        while cell:
            at = self._at(cell)
            if words[at + _HASH] == hashed and self._key(cell) == key:
                expires = self._floats[at + _EXPIRES]
                if expires != 0.0 and expires <= monotonic():
                    self._remove(cell)
                    return 0
                return cell
            cell = words[at + _CHAIN]
        return 0

    def _key(self, cell: int) -> bytes:
        at = self._at(cell)
        size = (self._words[at] >> 16) & 0xFFFF
        if size <= _HEAD_ROOM:
            begin = at * 8 + 64
            return bytes(self._raw[begin : begin + size])
        return self._content(cell)[:size]

    def _content(self, cell: int) -> bytes:
        """Key and value."""
        words = self._words
        state = words[self._at(cell)]
        left = ((state >> 16) & 0xFFFF) + (state >> 32)
        begin = self._at(cell) * 8 + 64
        parts = [bytes(self._raw[begin : begin + min(left, _HEAD_ROOM)])]
        left -= _HEAD_ROOM
        while left > 0:
            cell = words[self._at(cell) + _NEXT]
            begin = self._at(cell) * 8 + 16
            parts.append(bytes(self._raw[begin : begin + min(left, _TAIL_ROOM)]))
            left -= _TAIL_ROOM
        return b"".join(parts)

    def _value(self, cell: int) -> Value:
        kind = self._kind(cell)
        if kind == _TEXT:
            return self._content(cell)[(self._words[self._at(cell)] >> 16) & 0xFFFF :]
        number = self._floats[self._at(cell) + _NUMBER]
        return number != 0.0 if kind == _BOOL else number

    def _insert(self, key: bytes, hashed: int, kind: int, value: bytes, number: float, ttl: float) -> None:
        content = key + value
        tails = max(0, -(-(len(content) - _HEAD_ROOM) // _TAIL_ROOM))
        if tails + 1 > self._cells // 2 or len(key) > 0xFFFF:
            raise Full(f"{len(value)} bytes are too much for one value")
        words = self._words
        cell = self._take()
        at = self._at(cell)
        begin = at * 8 + 64
        part = content[:_HEAD_ROOM]
        self._raw[begin : begin + len(part)] = part
        last, offset = at, _HEAD_ROOM
        for _ in range(tails):
            tail = self._take()
            words[self._at(tail)] = _IS_TAIL
            words[last + _NEXT] = tail
            last = self._at(tail)
            words[last + _NEXT] = 0
            part = content[offset : offset + _TAIL_ROOM]
            begin = last * 8 + 16
            self._raw[begin : begin + len(part)] = part
            offset += _TAIL_ROOM
        if not tails:
            words[at + _NEXT] = 0
        words[at + _HASH] = hashed
        self._floats[at + _NUMBER] = number
        self._floats[at + _EXPIRES] = monotonic() + ttl if ttl else 0.0
        words[at] = _IS_HEAD | (kind << 8) | (len(key) << 16) | (len(value) << 32)
        self._link(cell)

    def _take(self) -> int:
        """A cell that nobody uses; the oldest entries go if there is none."""
        words, start = self._words, self._start
        if not words[start + _FREE] and words[start + _USED] < self._cells:
            words[start + _USED] += 1
            return words[start + _USED]
        while not words[start + _FREE]:
            words[start + _EVICTED] += 1
            self._remove(words[start + _OLDEST])
        cell = words[start + _FREE]
        words[start + _FREE] = words[self._at(cell) + _NEXT]
        return cell

    def _free(self, cell: int) -> None:
        at = self._at(cell)
        self._words[at] = _IS_FREE
        self._words[at + _NEXT] = self._words[self._start + _FREE]
        self._words[self._start + _FREE] = cell

    def _link(self, cell: int) -> None:
        """Into its bucket, and as the newest."""
        words, at, start = self._words, self._at(cell), self._start
        bucket = start + _BUCKETS + (words[at + _HASH] >> 8) % self._buckets
        words[at + _CHAIN] = words[bucket]
        words[bucket] = cell
        words[start + _ENTRIES] += 1
        self._link_newest(cell)

    def _link_newest(self, cell: int) -> None:
        words, at, start = self._words, self._at(cell), self._start
        newest = words[start + _NEWEST]
        words[at + _NEWER] = 0
        words[at + _OLDER] = newest
        if newest:
            words[self._at(newest) + _NEWER] = cell
        else:
            words[start + _OLDEST] = cell
        words[start + _NEWEST] = cell

    def _unlink_age(self, cell: int) -> None:
        words, at, start = self._words, self._at(cell), self._start
        newer, older = words[at + _NEWER], words[at + _OLDER]
        if newer:
            words[self._at(newer) + _OLDER] = older
        else:
            words[start + _NEWEST] = older
        if older:
            words[self._at(older) + _NEWER] = newer
        else:
            words[start + _OLDEST] = newer

    def _touch(self, cell: int) -> None:
        if self._words[self._start + _NEWEST] != cell:
            self._unlink_age(cell)
            self._link_newest(cell)

    def _remove(self, cell: int) -> None:
        words, at, start = self._words, self._at(cell), self._start
        bucket = start + _BUCKETS + (words[at + _HASH] >> 8) % self._buckets
        if words[bucket] == cell:
            words[bucket] = words[at + _CHAIN]
        else:
            other = self._at(words[bucket])
            while words[other + _CHAIN] != cell:
                other = self._at(words[other + _CHAIN])
            words[other + _CHAIN] = words[at + _CHAIN]
        self._unlink_age(cell)
        words[start + _ENTRIES] -= 1
        while cell:
            following = words[self._at(cell) + _NEXT]
            self._free(cell)
            cell = following

    # -- who holds how many

    def _held(self, cell: int, alive: set[int] | None) -> dict[int, int]:
        value = self._value(cell)
        pairs = _PAIR.iter_unpack(value) if isinstance(value, bytes) else ()
        return {owner: count for owner, count in pairs if alive is None or owner in alive}

    def _set_held(self, key: bytes, hashed: int, cell: int, held: dict[int, int]) -> None:
        if cell:
            self._remove(cell)
        if held:
            value = b"".join(_PAIR.pack(owner, count) for owner, count in held.items())
            self._insert(key, hashed, _TEXT, value, 0.0, 0.0)


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
