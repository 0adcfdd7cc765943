"""Which block of the sheet is whose.  The master decides that, because it outlives all other processes.

A route, upstream or listener keeps its block as long as a configuration has it, through reloads and restarts of any
child.  When it is gone, its block goes on being counted in, because requests may still end there, but as one of those
that have been removed; if it comes back it gets another one, so no total ever goes backwards.  When room gets scarce,
the blocks that were removed first are added to one for all that is gone, and are given away again.
"""

import time
from collections import deque
from collections.abc import Iterator

from rsp.config.route_names import route_names
from rsp.config.schema import Config
from rsp.ipc.scoreboard import MOST
from rsp.ipc.series_cells import FAMILIES, LISTENER, ROUTE, ROUTE_TIMES, UPSTREAM
from rsp.ipc.sheet import ARENA, FIRST, FIXED, OTHER, REMOVED, Block, Contents, Labels, Sheet

Key = tuple[str, Labels]
# A block is not given away before all processes know that it was removed, and most of its requests have ended.
_REST: float = 10.0


def keys(config: Config) -> Iterator[Key]:
    """The series of ``config``."""
    names = route_names(config)
    yield ROUTE.name, ("", "")
    for upstream in config.upstreams:
        yield ROUTE.name, ("", upstream.name)  # of requests that a hook sends past all routes
        yield UPSTREAM.name, (upstream.name,)
    for name, route in zip(names, config.routes, strict=True):
        yield ROUTE.name, (name, route.to or "")
        if route.metrics:
            yield ROUTE_TIMES.name, (name,)
    for listener in config.listeners:
        yield LISTENER.name, (str(listener.address),)


class SeriesRegistry:
    """``overflow``: how many series of the last configurations have no block of their own."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._blocks: dict[Key, int] = {}
        self._removed: dict[int, tuple[str, float]] = {}  # family, and since when; the oldest first
        self._free: dict[int, deque[tuple[int, str, float]]] = {}  # by size
        self._unused = FIRST  # the arena's cells from here on
        self._configs: tuple[Config, ...] = ()
        self.contents = Contents()
        self.overflow = 0

    @property
    def blocks(self) -> dict[Key, int]:
        """Those in use, by family and labels."""
        return self._blocks

    @property
    def removed(self) -> dict[int, str]:
        """The families of those that have been removed."""
        return {at: family for at, (family, _) in self._removed.items()}

    def arrange(self, *configs: Config) -> Contents:
        """The series of ``configs`` are those that there are."""
        if configs == self._configs and not self.overflow:
            return self.contents
        self._configs = configs
        wanted = dict.fromkeys(key for config in configs for key in keys(config))
        self._remove(wanted)
        self._make_room(wanted)
        missing = [key for key in wanted if key not in self._blocks]
        self.overflow = 0
        for key in missing:
            at = self._take(key)
            if at is None:
                self.overflow += 1
            else:
                self._blocks[key] = at
        blocks = [Block(family, labels, at) for (family, labels), at in self._blocks.items() if at >= FIRST]
        removed: dict[str, list[int]] = {}
        for at, (family, _) in self._removed.items():
            removed.setdefault(family, []).append(at)
        self.contents = Contents(blocks, removed)
        return self.contents

    def _remove(self, wanted: dict[Key, None]) -> None:
        """Those that no configuration has any more."""
        now = time.monotonic()
        gone = [key for key in self._blocks if key not in wanted]
        for key in gone:
            at = self._blocks.pop(key)
            if at >= FIRST:
                self._removed[at] = (key[0], now)

    def _take(self, key: Key) -> int | None:
        """A block for a new series; ``None``: there is no room."""
        name, labels = key
        size = FAMILIES[name].size
        for fixed, word in zip(FIXED[name], (REMOVED, OTHER), strict=True):
            if labels == (word,) * len(labels):  # a name that means this series anyway
                return fixed
        if self._unused + size <= ARENA:
            self._unused += size
            return self._unused - size
        free = self._free.get(size)
        if free and free[0][2] < time.monotonic() - _REST:
            at, family, _ = free.popleft()
            self._fold(at, family)  # requests may have ended there since
            return at
        return None

    # -- room

    def _make_room(self, wanted: dict[Key, None]) -> None:
        """Where that gets scarce, give up blocks that were removed long ago."""
        room = ARENA - self._unused + sum(size * len(free) for size, free in self._free.items())
        room -= sum(FAMILIES[name].size for name, labels in wanted if (name, labels) not in self._blocks)
        rested = time.monotonic() - _REST
        for at, (name, since) in list(self._removed.items()):
            if room >= ARENA // 4 or since > rested:
                return
            if self._sheet.is_inherited(at):
                continue
            del self._removed[at]
            self._fold(at, name)
            size = FAMILIES[name].size
            self._free.setdefault(size, deque()).append((at, name, time.monotonic()))
            room += size

    def _fold(self, at: int, name: str) -> None:
        """What was counted there becomes a part of what removed series have counted."""
        sheet = self._sheet
        with sheet.board.moving():
            counted = sheet.sums(at, FAMILIES[name].size)
            sheet.add(FIXED[name][0], counted)
            sheet.add(at, [-count & MOST for count in counted])
