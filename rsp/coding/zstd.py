"""Zstandard (RFC 8878) in windows of 128 KB, which bounds what a stream takes: 0.4 to 0.6 MB, by level.  Clients take
windows of 8 MB (RFC 9659).

Of 20 KB of JSON: level 4 makes 26 % in 55 us.
"""

from typing import Any, Final

import zstandard

from rsp.coding.coding import Coding, ObjectStream, Stream

_LEVELS: Final = (1, 1, 2, 3, 4, 5, 6, 7, 9)  # by level
_WINDOW: Final = 17  # bits
_TABLE: Final = 15  # bits; with the library's own tables a stream of level 9 takes 11 MB
_MEMORY: Final = 600 << 10  # measured


def _bounded(own: int) -> Any:
    """What a stream of this level may have."""
    usual = zstandard.ZstdCompressionParameters.from_level(own)
    hashes, chains = min(_TABLE, usual.hash_log), min(_TABLE, usual.chain_log)
    return zstandard.ZstdCompressionParameters.from_level(own, window_log=_WINDOW, hash_log=hashes, chain_log=chains)


class Zstd(Coding):
    __slots__ = ("_bounded", "_whole")

    def __init__(self) -> None:
        super().__init__(b"zstd", _MEMORY)
        self._bounded = {own: _bounded(own) for own in set(_LEVELS)}
        self._whole: dict[int, Any] = {}  # each takes one body at a time, and keeps its tables from one to the next

    def whole(self, data: bytes, level: int) -> bytes:
        own = _LEVELS[level - 1]
        made = self._whole.get(own)
        if made is None:
            made = self._whole[own] = zstandard.ZstdCompressor(level=own)
        return bytes(made.compress(data))

    def stream(self, level: int) -> Stream:
        made = zstandard.ZstdCompressor(compression_params=self._bounded[_LEVELS[level - 1]])
        return ObjectStream(made.compressobj(), zstandard.COMPRESSOBJ_FLUSH_BLOCK, zstandard.COMPRESSOBJ_FLUSH_FINISH)
