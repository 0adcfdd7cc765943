# cython: boundscheck=False, wraparound=False
"""The compiled twin of suspicion.py, which says what is suspect."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint64_t
from libc.string cimport memchr, memcpy

cdef enum:
    LONGEST = 63


def table(keys):
    lengths = [0] * 256
    for key in keys:
        for first in {key[0], key[:1].upper()[0]}:
            lengths[first] |= 1 << min(len(key), LONGEST)
    return b"".join([bits.to_bytes(8, "little") for bits in lengths])


cpdef bint has_at(bytes text):
    return memchr(PyBytes_AS_STRING(text), c"@", PyBytes_GET_SIZE(text)) != NULL


cpdef bint is_suspect(bytes text, bytes lengths):
    cdef const unsigned char *next = <const unsigned char *>PyBytes_AS_STRING(text)
    cdef const unsigned char *end = next + PyBytes_GET_SIZE(text)
    cdef const unsigned char *key = NULL  # where it begins; NULL: this is no key
    cdef bint escaped = False  # there is one in the key
    cdef Py_ssize_t size
    cdef uint64_t bits
    if memchr(next, c"=", end - next) == NULL and memchr(next, c"%", end - next) == NULL:
        return False
    while next < end:
        if next[0] == c"?" or next[0] == c"&" or next[0] == c";" or next[0] == c"#":
            key = next + 1
            escaped = False
        elif next[0] == c"%":
            # What is written as one byte ends in a zero byte, so there are two more to look at.
            if next[1] == c"3" and (next[2] == c"d" or next[2] == c"D"):
                return True
            escaped = True
        elif next[0] == c"=" and key != NULL:
            if escaped:
                return True
            size = next - key
            if size:
                memcpy(&bits, PyBytes_AS_STRING(lengths) + 8 * key[0], 8)
                if bits >> (size if size < LONGEST else LONGEST) & 1:
                    return True
            key = NULL
        next += 1
    return False
