"""What a connection is doing; plain integers, which compiled modules declare ``cdef int``."""

from typing import Final

OPEN: Final = 0
LINGERING: Final = 1  # GOAWAY is out; what still arrives is thrown away
CLOSED: Final = 2

LINGER_SECONDS: Final = 5  # for the other side to close as well
