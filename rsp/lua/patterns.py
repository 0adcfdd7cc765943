# cython: wraparound=False
"""Lua's patterns, with a bound on their work: for those that Lua's own matcher could be busy with for too long.

``search`` is ``string.find`` with positions from 0, and counts steps; tests compare the two.  libraries.lua decides
which of them runs.  As in Lua 5.1, a pattern ends at a zero byte.
"""

from typing import Any, Final

_LONGEST: Final = 10_000_000  # steps of one search, while a configuration is loaded
_DEPTH_LIMIT: Final = 200  # of matches in matches; LuaJIT's own
_CAPTURES: Final = 32
_OPEN: Final = -1  # a capture whose end has not been met
_POSITION: Final = -2


def _table(chars: bytes) -> bytes:
    return bytes(char in chars for char in range(256))


_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = b"0123456789"
_VISIBLE: Final = bytes(range(33, 127))
_TABLES: Final = {
    ord("a"): _table(_LETTERS),
    ord("c"): _table(bytes(range(32)) + b"\x7f"),
    ord("d"): _table(_DIGITS),
    ord("g"): _table(_VISIBLE),
    ord("l"): _table(_LETTERS[26:]),
    ord("p"): _table(bytes(char for char in _VISIBLE if char not in _LETTERS + _DIGITS)),
    ord("s"): _table(b" \t\n\v\f\r"),
    ord("u"): _table(_LETTERS[:26]),
    ord("w"): _table(_LETTERS + _DIGITS),
    ord("x"): _table(_DIGITS + b"abcdefABCDEF"),
    ord("z"): _table(b"\0"),
}
_CLASSES: Final = [_TABLES.get(letter) for letter in range(128)]  # by the lower-case letter


class TooMuch(Exception):
    """More steps than are allowed."""


class Matcher:
    """``steps``: how many there are left; :class:`TooMuch` is raised past that."""

    __slots__ = ("_depth", "_end", "_lengths", "_level", "_pattern", "_sets", "_starts", "_stop", "_subject", "steps")

    def __init__(self, subject: bytes, pattern: bytes, steps: int) -> None:
        self._subject = subject
        self._end = len(subject)
        stop = pattern.find(b"\0")
        self._pattern = pattern
        self._stop = len(pattern) if stop < 0 else stop
        self.steps = steps
        self._depth = 0
        self._level = 0
        self._starts = [0] * _CAPTURES
        self._lengths = [0] * _CAPTURES
        self._sets: dict[int, bytes] = {}

    def search(self, start: int) -> tuple[Any, ...] | None:
        """Where the first match begins and ends, and what it captures; ``None``: there is none.

        Raises :class:`ValueError` for a malformed pattern, and :class:`TooMuch`.
        """
        anchored = self._stop > 0 and self._pattern[0] == 94  # ^
        first = 1 if anchored else 0
        while start <= self._end:
            self._level = self._depth = 0
            end = self._match(start, first)
            if end >= 0:
                return (start, end, *[self._capture(index) for index in range(self._level)])
            if anchored:
                break
            start += 1
        return None

    def _capture(self, index: int) -> Any:
        length, start = self._lengths[index], self._starts[index]
        if length == _POSITION:
            return start + 1
        if length == _OPEN:
            raise ValueError("unfinished capture")
        return self._subject[start : start + length]

    def _match(self, s: int, p: int) -> int:
        """Where the rest of the pattern, from ``p`` on, ends in the text from ``s`` on; -1: nowhere."""
        self._depth += 1
        if self._depth > _DEPTH_LIMIT:
            raise ValueError("pattern too complex")
        end = self._rest(s, p)
        self._depth -= 1
        return end

    def _rest(self, s: int, p: int) -> int:
        pattern, stop = self._pattern, self._stop
        while p < stop:
            self._step()
            char = pattern[p]
            follows = pattern[p + 1] if p + 1 < stop else 0
            if char == 40:  # (
                return self._open(s, p + 2, _POSITION) if follows == 41 else self._open(s, p + 1, _OPEN)
            if char == 41:  # )
                return self._close(s, p + 1)
            if char == 36 and p + 1 == stop:  # $
                return s if s == self._end else -1
            if char == 37:  # %
                if follows == 98:  # b
                    s, p = self._balance(s, p + 2), p + 4
                    if s < 0:
                        return -1
                    continue
                if follows == 102:  # f
                    after = self._frontier(s, p + 2)
                    if after < 0:
                        return -1
                    p = after
                    continue
                if 48 <= follows <= 57:
                    s, p = self._again(s, follows - 49), p + 2
                    if s < 0:
                        return -1
                    continue
            after = self._item_end(p)
            suffix = pattern[after] if after < stop else 0
            if suffix == 42 or suffix == 43:
                return self._longest(s, p, after, suffix - 42)
            if suffix == 45:  # -
                return self._shortest(s, p, after)
            fits = self._fits(s, p, after)
            if suffix == 63:  # ?
                if fits:
                    end = self._match(s + 1, after + 1)
                    if end >= 0:
                        return end
                p = after + 1
                continue
            if not fits:
                return -1
            s, p = s + 1, after
        return s

    def _step(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise TooMuch

    def _longest(self, s: int, p: int, after: int, least: int) -> int:
        end = s
        while self._fits(end, p, after):
            self._step()
            end += 1
        while end - s >= least:
            found = self._match(end, after + 1)
            if found >= 0:
                return found
            end -= 1
        return -1

    def _shortest(self, s: int, p: int, after: int) -> int:
        while True:
            found = self._match(s, after + 1)
            if found >= 0:
                return found
            if not self._fits(s, p, after):
                return -1
            s += 1

    def _item_end(self, p: int) -> int:
        """Behind the single item that begins at ``p``."""
        char = self._pattern[p]
        p += 1
        if char == 37:
            if p >= self._stop:
                raise ValueError("malformed pattern (ends with '%')")
            return p + 1
        return self._set_end(p) if char == 91 else p

    def _set_end(self, p: int) -> int:
        """Behind the ] of the set whose content begins at ``p``."""
        pattern, stop = self._pattern, self._stop
        if p < stop and pattern[p] == 94:
            p += 1
        while True:  # the first character is one of the set, even if it is ]
            if p >= stop:
                raise ValueError("malformed pattern (missing ']')")
            char = pattern[p]
            p += 1
            if char == 37 and p < stop:
                p += 1
            if p < stop and pattern[p] == 93:
                return p + 1

    def _fits(self, s: int, p: int, after: int) -> bool:
        """Whether the character at ``s`` is what the item at ``p`` stands for."""
        if s >= self._end:
            return False
        char, item = self._subject[s], self._pattern[p]
        if item == 46:  # .
            return True
        if item == 37:
            return self._in_class(char, self._pattern[p + 1])
        if item == 91:
            members = self._set(p, after)
            return members[char] != 0
        return char == item

    def _in_class(self, char: int, letter: int) -> bool:
        table = _CLASSES[letter | 32] if letter < 128 else None
        if table is None or not (65 <= letter <= 90 or letter >= 97):
            return char == letter
        return (table[char] != 0) == (letter >= 97)

    def _set(self, p: int, after: int) -> bytes:
        """The set at ``p`` as a table of all characters."""
        known = self._sets.get(p)
        if known is None:
            known = self._sets[p] = self._make_set(p + 1, after - 1)
        return known

    def _make_set(self, p: int, last: int) -> bytes:
        """``last``: where its ] is."""
        self.steps -= 256
        pattern = self._pattern
        excluded = pattern[p] == 94
        if excluded:
            p += 1
        members = [False] * 256
        while p < last:
            self._step()
            char = pattern[p]
            if char == 37:
                letter = pattern[p + 1]
                members = [old or self._in_class(index, letter) for index, old in enumerate(members)]
                self.steps -= 256
                p += 2
            elif p + 2 < last and pattern[p + 1] == 45:
                members[char : pattern[p + 2] + 1] = [True] * (pattern[p + 2] + 1 - char)
                p += 3
            else:
                members[char] = True
                p += 1
        return bytes(member != excluded for member in members)

    def _open(self, s: int, p: int, what: int) -> int:
        level = self._level
        if level >= _CAPTURES:
            raise ValueError("too many captures")
        self._starts[level] = s
        self._lengths[level] = what
        self._level = level + 1
        end = self._match(s, p)
        if end < 0:
            self._level -= 1
        return end

    def _close(self, s: int, p: int) -> int:
        for level in range(self._level - 1, -1, -1):
            if self._lengths[level] == _OPEN:
                break
        else:
            raise ValueError("invalid pattern capture")
        self._lengths[level] = s - self._starts[level]
        end = self._match(s, p)
        if end < 0:
            self._lengths[level] = _OPEN
        return end

    def _balance(self, s: int, p: int) -> int:
        if p + 1 >= self._stop:
            raise ValueError("unbalanced pattern")
        opening, closing = self._pattern[p], self._pattern[p + 1]
        if s >= self._end or self._subject[s] != opening:
            return -1
        depth = 1
        s += 1
        while s < self._end:
            self._step()
            char = self._subject[s]
            s += 1
            if char == closing:
                depth -= 1
                if depth == 0:
                    return s
            elif char == opening:
                depth += 1
        return -1

    def _frontier(self, s: int, p: int) -> int:
        """Behind the item, where ``s`` is on its border; else -1."""
        if p >= self._stop or self._pattern[p] != 91:
            raise ValueError("missing '[' after '%f' in pattern")
        after = self._set_end(p + 1)
        members = self._set(p, after)
        before = self._subject[s - 1] if s > 0 else 0
        here = self._subject[s] if s < self._end else 0
        return after if members[here] and not members[before] else -1

    def _again(self, s: int, level: int) -> int:
        """Behind what capture ``level`` has, once more."""
        if level < 0 or level >= self._level or self._lengths[level] == _OPEN:
            raise ValueError("invalid capture index")
        length, start = self._lengths[level], self._starts[level]
        if length == _POSITION:
            return -1
        self.steps -= length >> 3
        self._step()
        if self._end - s < length or self._subject[start : start + length] != self._subject[s : s + length]:
            return -1
        return s + length


def search(subject: bytes, pattern: bytes, start: float, steps: float) -> tuple[Any, ...]:
    """For Lua: the steps that it took, more than ``steps`` if those were too few, and what ``string.find`` gives.

    Raises :class:`ValueError`.
    """
    allowed = int(min(steps, _LONGEST))
    matcher = Matcher(subject, pattern, allowed)
    try:
        found = matcher.search(int(start) - 1)
    except TooMuch:
        return (steps + 1,)
    used = allowed - matcher.steps
    return (used, found[0] + 1, *found[1:]) if found is not None else (used,)


def find(subject: bytes, text: bytes, start: float) -> tuple[int, ...]:
    """For Lua: ``string.find`` of a plain text, in linear time."""
    at = subject.find(text, int(start) - 1)
    return (at + 1, at + len(text)) if at >= 0 else ()
