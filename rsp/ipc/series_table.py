"""Which block of the sheet is whose.  The master decides that, because it outlives all other processes.

A route, upstream or listener keeps its block as long as a configuration has it, through reloads and restarts of any
child.  When it is gone, its block goes on being counted in, because requests may still end there, but as one of those
that have been removed; if it comes back it gets another one, so no total ever goes backwards.  When there is no room,
or many blocks are left over, the one that was removed first is given away: what it has counted becomes a part of one
block for all that is gone.
"""

import time
from collections.abc import Iterator
from typing import Final

from rsp.config.route_names import route_names
from rsp.config.schema import Config
from rsp.ipc.scoreboard import MOST
from rsp.ipc.series_cells import FAMILIES, LISTENER, ROUTE, ROUTE_TIMES, UPSTREAM
from rsp.ipc.sheet import ARENA, FIRST, FIXED, OTHER, REMOVED, Block, Contents, Labels, Sheet

Key = tuple[str, Labels]
# A block is not given away before all processes know that it was removed, and most of its requests have ended.
_REST: float = 10.0
_MANY: Final = 16_384  # removed blocks, of which a scrape reads each


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
    """``overflow``: how many series of the last configurations have no block of their own for want of room.

    ``closed``: a successor has been told what blocks there are, so further series are counted as "other".
    """

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._blocks: dict[Key, int] = {}
        self._removed: dict[int, dict[int, tuple[str, float]]] = {}  # by size and place: family and since when
        self._unused = FIRST  # the arena's cells from here on
        self._configs: tuple[Config, ...] = ()
        self.contents = Contents()
        self.closed = False
        self.overflow = 0
        self._missing = False  # some series has no block of its own

    @property
    def blocks(self) -> dict[Key, int]:
        """Those in use, by family and labels."""
        return self._blocks

    @property
    def removed(self) -> list[tuple[int, str]]:
        """Place and family of those that have been removed."""
        return [(at, family) for blocks in self._removed.values() for at, (family, _) in blocks.items()]

    def arrange(self, *configs: Config) -> Contents:
        """The series of ``configs`` are those that there are."""
        if configs == self._configs and not self._missing:
            return self.contents
        self._configs = configs
        wanted = dict.fromkeys(key for config in configs for key in keys(config))
        self._remove(wanted)
        missing = [key for key in wanted if key not in self._blocks]
        taken = {} if self.closed else {key: self._take(key) for key in missing}
        self._blocks |= {key: at for key, at in taken.items() if at is not None}
        self.overflow = list(taken.values()).count(None)
        self._missing = any(taken.get(key) is None for key in missing)
        blocks = [Block(family, labels, at) for (family, labels), at in self._blocks.items() if at >= FIRST]
        self.contents = Contents(blocks, self._left_over())
        return self.contents

    def _remove(self, wanted: dict[Key, None]) -> None:
        """Those that no configuration has any more."""
        now = time.monotonic()
        for key in [key for key in self._blocks if key not in wanted]:
            at = self._blocks.pop(key)
            if at >= FIRST:
                self._removed.setdefault(FAMILIES[key[0]].size, {})[at] = (key[0], now)

    def _take(self, key: Key) -> int | None:
        """A block for a new series; ``None``: there is no room."""
        name, labels = key
        size = FAMILIES[name].size
        for fixed, word in zip(FIXED[name], (REMOVED, OTHER), strict=True):
            if labels == (word,) * len(labels):  # a name that means this series anyway
                return fixed
        removed = self._removed.get(size, {})
        there_is_room = self._unused + size <= ARENA
        if not there_is_room or len(removed) > _MANY:
            oldest = self._oldest(removed)
            if oldest is not None:
                self._fold(oldest, removed.pop(oldest)[0])
                return oldest
        if not there_is_room:
            return None
        self._unused += size
        return self._unused - size

    def _oldest(self, removed: dict[int, tuple[str, float]]) -> int | None:
        """The block that was removed first, if that was long enough ago."""
        rested = time.monotonic() - _REST
        long_ago = (at for at, (_, since) in removed.items() if since > rested or not self._sheet.is_inherited(at))
        at = next(long_ago, None)
        return None if at is None or removed[at][1] > rested else at

    def _fold(self, at: int, name: str) -> None:
        """What was counted there becomes a part of what all removed series have counted."""
        sheet = self._sheet
        with sheet.board.moving():
            counted = sheet.sums(at, FAMILIES[name].size)
            sheet.add(FIXED[name][0], counted)
            sheet.add(at, [-count & MOST for count in counted])

    def _left_over(self) -> dict[str, list[tuple[int, int]]]:
        """The removed blocks of each family as runs: the first one's place, and how many there are side by side."""
        runs: dict[str, list[tuple[int, int]]] = {}
        for at, name in sorted(self.removed):
            own = runs.setdefault(name, [])
            if own and own[-1][0] + own[-1][1] * FAMILIES[name].size == at:
                own[-1] = (own[-1][0], own[-1][1] + 1)
            else:
                own.append((at, 1))
        return runs
