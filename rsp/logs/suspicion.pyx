# cython: boundscheck=False, wraparound=False
"""The compiled twin of suspicion.py, which says what is suspect."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint64_t
from libc.string cimport memchr, memcpy

cdef enum:
    LONGEST = 63


cdef unsigned char special[256]
cdef int place
for place in b"?&;#%+.[ \t\0=":
    special[place] = 1


def table(keys):
    lengths = [0] * 256
    for key in keys:
        for first in {key[0], key[:1].upper()[0]}:
            lengths[first] |= 1 << min(len(key), LONGEST)
    return b"".join([bits.to_bytes(8, "little") for bits in lengths])


cpdef bint has_at(bytes text):
    cdef const unsigned char *next = <const unsigned char *>PyBytes_AS_STRING(text)
    cdef const unsigned char *end = next + PyBytes_GET_SIZE(text)
    if memchr(next, c"@", end - next) != NULL:
        return True
    next = <const unsigned char *>memchr(next, c"%", end - next)
    while next != NULL:
        if (next[1] == c"4" and next[2] == c"0") or (next[1] == c"2" and next[2] == c"5"):
            return True
        next += 1
        next = <const unsigned char *>memchr(next, c"%", end - next)
    return False


cpdef bint is_suspect(bytes text, bytes lengths):
    cdef const unsigned char *next = <const unsigned char *>PyBytes_AS_STRING(text)
    cdef const unsigned char *end = next + PyBytes_GET_SIZE(text)
    cdef const unsigned char *key = NULL  # where it begins; NULL: this is no key
    cdef bint odd = False  # the key
    cdef Py_ssize_t size
    cdef uint64_t bits
    if memchr(next, c"=", end - next) == NULL and memchr(next, c"%", end - next) == NULL:
        return False
    while next < end:
        if not special[next[0]]:
            pass
        elif next[0] == c"?" or next[0] == c"&" or next[0] == c";" or next[0] == c"#":
            key = next + 1
            odd = False
        elif next[0] == c"%":
            # What is written as one byte ends in a zero byte, so there are two more to look at.
            if next[1] == c"3" and (next[2] == c"d" or next[2] == c"D"):
                return True
            if next[1] == c"2" and next[2] == c"5":
                return True
            if (next[1] == c"3" and (next[2] | 32 == c"b" or next[2] | 32 == c"f")) or (
                next[1] == c"2" and (next[2] == c"3" or next[2] == c"6")
            ):
                key = next + 3
                odd = False
            else:
                odd = True
        elif next[0] == c"+" or next[0] == c"." or next[0] == c"[" or next[0] == c" " or next[0] == c"\t" or not next[0]:
            odd = True
        elif next[0] == c"=" and key != NULL:
            if odd:
                return True
            size = next - key
            if size:
                memcpy(&bits, PyBytes_AS_STRING(lengths) + 8 * key[0], 8)
                if bits >> (size if size < LONGEST else LONGEST) & 1:
                    return True
            key = NULL
        next += 1
    return False
