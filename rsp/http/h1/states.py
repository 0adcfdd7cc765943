"""What a request on a client's connection is doing; plain integers, which compiled modules declare ``cdef int``."""

from typing import Final

BODY: Final = 1  # its body is arriving
WAIT: Final = 2  # it is complete
TUNNEL: Final = 3
