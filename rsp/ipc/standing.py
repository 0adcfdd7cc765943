"""Whether a peer may be asked, by its marks.

Rules of this room: plain integers, and no .pxd beside it; compiled modules import them and declare them ``cdef int``.
"""

from typing import Final

OPEN: Final = 0
HALF_OPEN: Final = 1  # its time out is over: one request may try it
DOUBTFUL: Final = 2  # active checks get wrong answers
OUT: Final = 3  # ejected, or dead for active checks
DRAINED: Final = 4
FULL: Final = 5  # no mark says that: it has as many exchanges as it may have
