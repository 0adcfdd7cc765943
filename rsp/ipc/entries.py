"""Entries of a shard: keys and values in memory that processes share, found by key and ordered by their last use.

Cells of 128 bytes, and an entry is a chain of them, so nothing fragments; buckets by the hash of the key; when there is
no free cell, the entry that was used longest ago goes.  A process may die at any instruction: the shard is marked as
dirty between :meth:`Entries.begin` and :meth:`Entries.end`, and the next process that finds it so puts it in order from
what the cells themselves say.

This file knows the layout, and no other does; what operations on entries mean is ``shared_memory.py``'s business.
"""

import mmap
from collections.abc import Iterator
from time import monotonic
from typing import Final

from rsp.ipc.lock import Lock

Value = bytes | float | bool

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


class Full(Exception):
    """The value is larger than a shard."""


class Entries:
    """``start``: the shard's first byte in ``memory``; ``size``: in bytes.

    Entries are named by their first cell; 0 is none.  Everything but ``begin`` is called between ``begin`` and ``end``.
    """

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

    def begin(self) -> None:
        self._lock.acquire()
        if self._words[self._start + _DIRTY]:
            self._rebuild()
        self._words[self._start + _DIRTY] = 1

    def end(self) -> None:
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

    def newest_first(self) -> Iterator[int]:
        cell = self._words[self._start + _NEWEST]
        while cell:
            yield cell
            cell = self._words[self._at(cell) + _OLDER]

    def counts(self) -> tuple[int, int]:
        """Entries, and how many had to go for others."""
        return self._words[self._start + _ENTRIES], self._words[self._start + _EVICTED]

    # -- one entry

    def _at(self, cell: int) -> int:
        """The first word of ``cell``."""
        return self._first + (cell - 1) * _CELL

    def is_text(self, cell: int) -> bool:
        return (self._words[self._at(cell)] >> 8) & 0xFF == _TEXT

    def is_number(self, cell: int) -> bool:
        return (self._words[self._at(cell)] >> 8) & 0xFF == _FLOAT

    def number(self, cell: int) -> float:
        """Of an entry that is no text."""
        found: float = self._floats[self._at(cell) + _NUMBER]
        return found

    def set_number(self, cell: int, number: float) -> None:
        self._floats[self._at(cell) + _NUMBER] = number

    def expire(self, cell: int, moment: float) -> None:
        """The entry ends at ``moment`` (CLOCK_MONOTONIC in seconds); 0: never."""
        self._floats[self._at(cell) + _EXPIRES] = moment

    def replace(self, cell: int, value: float | bool, ttl: float) -> None:
        """What an entry that is no text holds, and for how long from now."""
        at = self._at(cell)
        kind = _BOOL if isinstance(value, bool) else _FLOAT
        self._words[at] = (self._words[at] & ~0xFF00) | (kind << 8)
        self._floats[at + _NUMBER] = float(value)
        self._floats[at + _EXPIRES] = monotonic() + ttl if ttl else 0.0
        self.touch(cell)

    def expired(self, cell: int, now: float) -> bool:
        expires = self._floats[self._at(cell) + _EXPIRES]
        return expires != 0.0 and expires <= now

    def find(self, key: bytes, hashed: int) -> int:
        """The entry of ``key``; 0 if there is none.  One whose time is over is removed."""
        words = self._words
        cell = words[self._start + _BUCKETS + (hashed >> 8) % self._buckets]
        while cell:
            at = self._at(cell)
            if words[at + _HASH] == hashed and self.key(cell) == key:
                expires = self._floats[at + _EXPIRES]
                if expires != 0.0 and expires <= monotonic():
                    self.remove(cell)
                    return 0
                return cell
            cell = words[at + _CHAIN]
        return 0

    def key(self, cell: int) -> bytes:
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

    def value(self, cell: int) -> Value:
        if self.is_text(cell):
            return self._content(cell)[(self._words[self._at(cell)] >> 16) & 0xFFFF :]
        number = self.number(cell)
        return number if self.is_number(cell) else number != 0.0

    def insert(self, key: bytes, hashed: int, value: Value, ttl: float) -> None:
        """A new entry; ``ttl`` in seconds, 0: for good.  Raises :class:`Full`."""
        content, number, kind = key, 0.0, _TEXT
        if isinstance(value, bytes):
            content = key + value
        else:
            kind = _BOOL if isinstance(value, bool) else _FLOAT
            number = float(value)
        tails = max(0, -(-(len(content) - _HEAD_ROOM) // _TAIL_ROOM))
        if tails + 1 > self._cells // 2 or len(key) > 0xFFFF:
            raise Full(f"{len(content) - len(key)} bytes are too much for one value")
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
        words[at] = _IS_HEAD | (kind << 8) | (len(key) << 16) | ((len(content) - len(key)) << 32)
        self._link(cell)

    def _take(self) -> int:
        """A free cell; the oldest entries go if there is none."""
        words, start = self._words, self._start
        if not words[start + _FREE] and words[start + _USED] < self._cells:
            words[start + _USED] += 1
            return words[start + _USED]
        while not words[start + _FREE]:
            words[start + _EVICTED] += 1
            self.remove(words[start + _OLDEST])
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

    def touch(self, cell: int) -> None:
        if self._words[self._start + _NEWEST] != cell:
            self._unlink_age(cell)
            self._link_newest(cell)

    def remove(self, cell: int) -> None:
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
