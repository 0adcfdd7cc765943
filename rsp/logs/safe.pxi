# What lines of logs have in common: which bytes stand in a quoted value as they are, and the longest time.

cdef unsigned char SAFE[256]
cdef double MOST = 1e12  # seconds


def _fill():
    cdef int byte
    for byte in range(256):
        SAFE[byte] = 0x20 <= byte < 0x7F and byte != c'"' and byte != c"\\"


_fill()
