# Bytes of field lines, looked at in words.

from libc.stdint cimport uint64_t
from libc.string cimport memcpy


cdef inline const unsigned char *behind_value(const unsigned char *at, const unsigned char *end) noexcept nogil:
    """The first byte from ``at`` on that no field value may have; there is one of these at ``end``."""
    cdef uint64_t word, low, delete
    while True:
        while end - at >= 8:
            memcpy(&word, at, 8)
            low = (word - 0x2020202020202020U) & ~word & 0x8080808080808080U
            delete = word ^ 0x7F7F7F7F7F7F7F7FU
            delete = (delete - 0x0101010101010101U) & ~delete & 0x8080808080808080U
            if low | delete:
                break
            at += 8
        while at[0] >= 0x20 and at[0] != 0x7F:
            at += 1
        if at[0] != c"\t":
            return at
        at += 1
