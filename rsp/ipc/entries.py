# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""Entries of a shard: keys and values in memory that processes share, found by key and ordered by their last use.

Cells of 128 bytes, and an entry is a chain of them, so nothing fragments; buckets by the hash of the key; when there is
no free cell, the entry that was used longest ago goes.  A process may die at any instruction: the shard is marked as
dirty between :meth:`Entries.begin` and :meth:`Entries.end`, and the next process that finds it so puts it in order from
what the cells themselves say.

This file knows the layout, and no other does; what operations on entries mean is ``shared_memory.py``'s business.
"""

import mmap
from collections.abc import Iterator
from typing import Final

from rsp.ipc.clock import monotonic
from rsp.ipc.lock import Lock

Value = bytes | float | bool

_CELL: Final = 16  # words
_CELL_BYTES: Final = 128
_HEAD_ROOM: Final = 64  # bytes for key and value in the first cell of an entry
_TAIL_ROOM: Final = 112  # and in the others
_HEAD_WORDS: Final = 8  # that fit the room of the first cell
_COUNT: Final = 0xFFFFFFFF  # of a word: the half that is summed

# Words of a shard, behind its lock.
_DIRTY: Final = 8
_FREE: Final = 9  # the first free cell
_NEWEST: Final = 10
_OLDEST: Final = 11
_ENTRIES: Final = 12
_EVICTED: Final = 13
_USED: Final = 14  # the highest cell that was ever used
_BUCKETS: Final = 16

# Words of a cell; cells are named by their number plus one, 0 is no cell.
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

    Entries are named by their first cell; 0 is no entry.  All but ``begin`` is called between ``begin`` and ``end``.
    Hot methods say ``self._words`` each time: for a local name Cython counts a reference, atomically.
    """

    # fmt: off
    __slots__ = ("_buckets", "_cells", "_first", "_floats", "_lock", "_raw", "_start", "_words", "own", "vacant")
    # fmt: on

    def __init__(self, memory: mmap.mmap, descriptor: int, start: int, size: int) -> None:
        whole = memoryview(memory)
        self._raw = whole
        self._words = whole.cast("Q")
        self._floats = whole.cast("d")
        self._start = start // 8
        self._lock = Lock(memory, descriptor, start, True)
        self.own = self.vacant = -1
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
        cell = self._words[self._start + _BUCKETS + (hashed >> 8) % self._buckets]
        while cell:
            at = self._at(cell)
            if self._words[at + _HASH] == hashed and self._is_named(cell, key):
                expires = self._floats[at + _EXPIRES]
                if expires != 0.0 and expires <= monotonic():
                    self.remove(cell)
                    return 0
                return cell
            cell = self._words[at + _CHAIN]
        return 0

    def _is_named(self, cell: int, key: bytes) -> bool:
        if (self._words[self._at(cell)] >> 16) & 0xFFFF != len(key):
            return False
        return not key or self.key(cell) == key

    def key(self, cell: int) -> bytes:
        at = self._at(cell)
        size = (self._words[at] >> 16) & 0xFFFF
        if size <= _HEAD_ROOM:
            begin = at * 8 + 64
            return bytes(self._raw[begin : begin + size])
        return self._content(cell)[:size]

    def _content(self, cell: int) -> bytes:
        """Key and value."""
        state = self._words[self._at(cell)]
        left = ((state >> 16) & 0xFFFF) + (state >> 32)
        begin = self._at(cell) * 8 + 64
        parts = [bytes(self._raw[begin : begin + min(left, _HEAD_ROOM)])]
        left -= _HEAD_ROOM
        while left > 0:
            cell = self._words[self._at(cell) + _NEXT]
            begin = self._at(cell) * 8 + 16
            parts.append(bytes(self._raw[begin : begin + min(left, _TAIL_ROOM)]))
            left -= _TAIL_ROOM
        return b"".join(parts)

    def value(self, cell: int) -> Value:
        if self.is_text(cell):
            return self._content(cell)[(self._words[self._at(cell)] >> 16) & 0xFFFF :]
        number = self.number(cell)
        return number if self.is_number(cell) else number != 0.0

    # -- entries without a key, whose value is words of 64 bits

    def count_words(self, cell: int) -> int:
        """How many its value has."""
        return self._words[self._at(cell)] >> 35

    def tally(self, cell: int, owner: int) -> int:
        """The sum of the lower halves of its words; ``own`` is then the index of the word whose upper half is
        ``owner``, ``vacant`` that of one that is 0, each -1 if there is none."""
        first = self._at(cell) + 8
        total, count = 0, self.count_words(cell)
        self.own = self.vacant = -1
        for index in range(count):
            word = self._words[first + index] if index < _HEAD_WORDS else self.word(cell, index)
            if not word:
                self.vacant = index
                continue
            total += word & _COUNT
            if word >> 32 == owner:
                self.own = index
        return total

    def word(self, cell: int, index: int) -> int:
        return self._words[self._place(cell, index)]

    def set_word(self, cell: int, index: int, word: int) -> None:
        """In one write, so that a process that dies leaves the old one or the new one."""
        self._words[self._place(cell, index)] = word

    def real(self, cell: int, index: int) -> float:
        """One of the first eight words, as a number."""
        found: float = self._floats[self._at(cell) + 8 + index]
        return found

    def set_real(self, cell: int, index: int, number: float) -> None:
        self._floats[self._at(cell) + 8 + index] = number

    def _place(self, cell: int, index: int) -> int:
        if index < _HEAD_WORDS:
            return self._at(cell) + 8 + index
        index -= _HEAD_WORDS
        cell = self._words[self._at(cell) + _NEXT]
        while index >= _TAIL_ROOM // 8:
            index -= _TAIL_ROOM // 8
            cell = self._words[self._at(cell) + _NEXT]
        return self._at(cell) + 2 + index

    def insert_words(self, hashed: int, word: int) -> None:
        """A new entry with room for eight; ``word`` is the first one."""
        cell = self._take()
        at = self._at(cell)
        self._words[at + 8] = word
        for index in range(at + 9, at + 16):
            self._words[index] = 0
        self._words[at + _NEXT] = 0
        self._words[at + _HASH] = hashed
        self._floats[at + _EXPIRES] = 0.0
        size = _HEAD_ROOM  # a word in the compiled build, too
        self._words[at] = _IS_HEAD | (_TEXT << 8) | (size << 32)
        self._link(cell)

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
        cell = self._take()
        at = self._at(cell)
        begin = at * 8 + 64
        part = content[:_HEAD_ROOM]
        self._raw[begin : begin + len(part)] = part
        last, offset = at, _HEAD_ROOM
        for _ in range(tails):
            tail = self._take()
            self._words[self._at(tail)] = _IS_TAIL
            self._words[last + _NEXT] = tail
            last = self._at(tail)
            self._words[last + _NEXT] = 0
            part = content[offset : offset + _TAIL_ROOM]
            begin = last * 8 + 16
            self._raw[begin : begin + len(part)] = part
            offset += _TAIL_ROOM
        if not tails:
            self._words[at + _NEXT] = 0
        self._words[at + _HASH] = hashed
        self._floats[at + _NUMBER] = number
        self._floats[at + _EXPIRES] = monotonic() + ttl if ttl else 0.0
        self._words[at] = _IS_HEAD | (kind << 8) | (len(key) << 16) | ((len(content) - len(key)) << 32)
        self._link(cell)

    def _take(self) -> int:
        """A free cell; the oldest entries go if there is none."""
        start = self._start
        if not self._words[start + _FREE] and self._words[start + _USED] < self._cells:
            self._words[start + _USED] += 1
            return self._words[start + _USED]
        while not self._words[start + _FREE]:
            self._words[start + _EVICTED] += 1
            self.remove(self._words[start + _OLDEST])
        cell = self._words[start + _FREE]
        self._words[start + _FREE] = self._words[self._at(cell) + _NEXT]
        return cell

    def _free(self, cell: int) -> None:
        at = self._at(cell)
        self._words[at] = _IS_FREE
        self._words[at + _NEXT] = self._words[self._start + _FREE]
        self._words[self._start + _FREE] = cell

    def _link(self, cell: int) -> None:
        """Into its bucket, and as the newest."""
        at, start = self._at(cell), self._start
        bucket = start + _BUCKETS + (self._words[at + _HASH] >> 8) % self._buckets
        self._words[at + _CHAIN] = self._words[bucket]
        self._words[bucket] = cell
        self._words[start + _ENTRIES] += 1
        self._link_newest(cell)

    def _link_newest(self, cell: int) -> None:
        at, start = self._at(cell), self._start
        newest = self._words[start + _NEWEST]
        self._words[at + _NEWER] = 0
        self._words[at + _OLDER] = newest
        if newest:
            self._words[self._at(newest) + _NEWER] = cell
        else:
            self._words[start + _OLDEST] = cell
        self._words[start + _NEWEST] = cell

    def _unlink_age(self, cell: int) -> None:
        at, start = self._at(cell), self._start
        newer, older = self._words[at + _NEWER], self._words[at + _OLDER]
        if newer:
            self._words[self._at(newer) + _OLDER] = older
        else:
            self._words[start + _NEWEST] = older
        if older:
            self._words[self._at(older) + _NEWER] = newer
        else:
            self._words[start + _OLDEST] = newer

    def touch(self, cell: int) -> None:
        if self._words[self._start + _NEWEST] != cell:
            self._unlink_age(cell)
            self._link_newest(cell)

    def remove(self, cell: int) -> None:
        at, start = self._at(cell), self._start
        bucket = start + _BUCKETS + (self._words[at + _HASH] >> 8) % self._buckets
        if self._words[bucket] == cell:
            self._words[bucket] = self._words[at + _CHAIN]
        else:
            other = self._at(self._words[bucket])
            while self._words[other + _CHAIN] != cell:
                other = self._at(self._words[other + _CHAIN])
            self._words[other + _CHAIN] = self._words[at + _CHAIN]
        self._unlink_age(cell)
        self._words[start + _ENTRIES] -= 1
        while cell:
            following = self._words[self._at(cell) + _NEXT]
            self._free(cell)
            cell = following
