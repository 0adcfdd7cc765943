"""Which parts of an open file the kernel has in memory, so that sending them does not wait for a disk."""

from typing import Final

from rsp.files.calls import read, read_now

PART: Final = 2 << 20  # bytes that are sent at once, at most
_STEP: Final = 128 << 10  # bytes that the kernel reads ahead at once, and gives up together, by and large
_PIECE: Final = 256 << 10
_MOST: Final = 1024  # parts that are remembered


class Warm:
    """Of one file, for all that send it.  What was found in memory is taken to be there for a second, the worker's."""

    __slots__ = ("_ends", "_moment", "_starts")

    def set_up(self) -> None:
        self._moment = 0.0
        self._starts: dict[int, int] = {}  # by the number of a part: what of it is in memory
        self._ends: dict[int, int] = {}

    def has(self, descriptor: int, start: int, size: int, now: float) -> bool:
        """Whether these bytes, of one part, can be sent without waiting, as far as can be known."""
        part = start // PART
        if now == self._moment and self._starts.get(part, start + 1) <= start and start + size <= self._ends[part]:
            return True
        if not _is_in_memory(descriptor, start, size):
            return False
        self.note(start, size, now)
        return True

    def note(self, start: int, size: int, now: float) -> None:
        """These bytes are in memory."""
        if now != self._moment or len(self._starts) > _MOST:
            self._starts.clear()
            self._ends.clear()
            self._moment = now
        part = start // PART
        self._starts[part] = start
        self._ends[part] = start + size


def _is_in_memory(descriptor: int, start: int, size: int) -> bool:
    """By samples: to look at all of it costs as much as to copy it."""
    at, last = start, start + size - 1
    while at < last:
        if read_now(descriptor, at, 1) is None:
            return False
        at += _STEP
    return read_now(descriptor, last, 1) is not None


def warm(descriptor: int, start: int, size: int) -> None:
    """Bring these bytes into memory, however long it takes.  Raises :class:`OSError`."""
    end = start + size
    while start < end and read(descriptor, start, min(_PIECE, end - start)):
        start += _PIECE
