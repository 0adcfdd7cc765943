"""Watches: which requests the control process wants to see, as workers find it in shared memory at their next tick.

The page has a head of four cells and a list of watches.  The control process alone writes it, and renews its expiry
once a second, so that watches end with it.  Workers copy the page and check the copy, so that one that is being
written is left for the next tick, and one that another process has spoilt is ignored.
"""

import zlib
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from rsp.system import memory

MOST: Final = 8
LONGEST: Final = 8 << 10  # bytes of a condition
_GENERATION, _UNTIL, _LENGTH, _CHECK = range(4)  # the cells of the head: of the list, but for the expiry
_HEAD: Final = 32  # bytes
_SIZE: Final = _HEAD + MOST * (LONGEST + 96)
_LEASE: Final = 5.0  # seconds from one renewal until the page is stale
_TOTAL: Final = 1 << 53

Kind = Literal["line", "trace"]


class Watch(Struct, frozen=True):
    """``kind``: what to show of a request, the fields of the access log or what happened in it, with its heads.

    ``number``  whose it is, in :class:`tap.Seen`; no other watch of the instance has had it
    ``where``   the condition that requests have to meet; empty: all
    ``most``    how many of them each worker shows; 0: as many as there are
    ``slower``  only those that took longer, in seconds; it costs the others next to nothing
    """

    number: Annotated[int, Meta(ge=0, le=_TOTAL)]
    kind: Kind
    where: Annotated[str, Meta(max_length=LONGEST)] = ""
    most: Annotated[int, Meta(ge=0, le=_TOTAL)] = 0
    slower: Annotated[float, Meta(ge=0)] = 0.0


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Annotated[list[Watch], Meta(max_length=MOST)])


class Watches:
    """Create it before forking; children share the memory.  Times are those of CLOCK_MONOTONIC in seconds."""

    def __init__(self) -> None:
        self._memory = memory.shared("rsp-watches", _SIZE)[1]
        self._cells = memoryview(self._memory).cast("Q")
        self._seen = 0  # the generation that this process has read
        self._published = _encoder.encode([])
        self._generation = 0

    # -- the control process

    def publish(self, watches: list[Watch], now: float) -> None:
        """These, and no others, until ``now`` and a few seconds."""
        self._published = _encoder.encode(watches)
        self._write(now)

    def renew(self, now: float) -> None:
        """What was published, even where another process has spoilt it."""
        cells, data = self._cells, self._published
        held = self._memory[_HEAD : _HEAD + len(data)], cells[_LENGTH], cells[_CHECK], cells[_GENERATION]
        if held != (data, len(data), zlib.crc32(data), self._generation):
            self._write(now)
        cells[_UNTIL] = _until(now)

    def _write(self, now: float) -> None:
        cells, data = self._cells, self._published
        self._memory[_HEAD : _HEAD + len(data)] = data
        cells[_LENGTH], cells[_CHECK], cells[_UNTIL] = len(data), zlib.crc32(data), _until(now)
        # One that no worker has seen, whatever another process has written there.
        cells[_GENERATION] = self._generation = max(cells[_GENERATION], self._generation) % _TOTAL + 1

    # -- workers

    def changed(self, now: float) -> list[Watch] | None:
        """Those that there are from now on; ``None``: as before."""
        cells = self._cells
        if cells[_UNTIL] <= now * 1000:
            expired, self._seen = self._seen, 0
            return [] if expired else None
        generation, length = cells[_GENERATION], cells[_LENGTH]
        if generation == self._seen:
            return None
        data = self._memory[_HEAD : _HEAD + min(length, _SIZE)]
        if len(data) != length or zlib.crc32(data) != cells[_CHECK]:
            return None
        self._seen = generation
        try:
            found: list[Watch] = _decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return []
        return found


def _until(now: float) -> int:
    return int((now + _LEASE) * 1000)
