# Text written into room that is known to be enough; each returns the place behind what it wrote.

cimport cython
from libc.string cimport memcpy


cdef inline char *put_literal(char *at, const char *piece, Py_ssize_t size) noexcept nogil:
    memcpy(at, piece, size)
    return at + size


@cython.cdivision(True)
cdef inline char *put_number(char *at, Py_ssize_t value) noexcept nogil:
    cdef char digits[24]
    cdef int count = 0
    while value or count == 0:
        digits[count] = <char>(c"0" + value % 10)
        value //= 10
        count += 1
    while count:
        count -= 1
        at[0] = digits[count]
        at += 1
    return at
