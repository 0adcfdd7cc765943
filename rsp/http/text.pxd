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
    cdef size_t left = <size_t>value
    if value < 0:
        at[0] = c"-"
        at += 1
        left = 0 - left
    while left or count == 0:
        digits[count] = <char>(c"0" + left % 10)
        left //= 10
        count += 1
    while count:
        count -= 1
        at[0] = digits[count]
        at += 1
    return at
