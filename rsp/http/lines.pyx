# cython: boundscheck=False, wraparound=False
"""The compiled twin of lines.py."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr

from rsp.http.names import fold

ctypedef const unsigned char *Text


# What bytes of names are compared as: in lower case, or folded.
cdef bytes lower = bytes(range(256)).lower(), folded = fold(bytes(range(256)))
cdef Text LOWER = <Text>PyBytes_AS_STRING(lower)
cdef Text FOLDED = <Text>PyBytes_AS_STRING(folded)


cdef inline bint named(Text line, Text end, Text name, Py_ssize_t size, Text alike) noexcept nogil:
    """Whether the line at ``line``, which ends at ``end``, is a field of that name."""
    cdef Py_ssize_t index
    if end - line <= size or line[size] != c":":
        return False
    for index in range(size):
        if alike[line[index]] != alike[name[index]]:
            return False
    return True


cdef inline Text find(Text at, Text end, Text name, Py_ssize_t size, Text alike) noexcept nogil:
    """The beginning of the next field of that name, or NULL."""
    cdef Text stop
    while at < end:
        stop = <Text>memchr(at, c"\r", end - at)
        if stop == NULL:
            return NULL
        if named(at, stop, name, size, alike):
            return at
        at = stop + 2
    return NULL


cdef inline bytes value_at(Text line, Text end, Py_ssize_t size):
    cdef Text stop = <Text>memchr(line, c"\r", end - line)
    cdef Text start = line + size + 1
    while start < stop and (start[0] == c" " or start[0] == c"\t"):
        start += 1
    while stop > start and ((stop - 1)[0] == c" " or (stop - 1)[0] == c"\t"):
        stop -= 1
    return PyBytes_FromStringAndSize(<const char *>start, stop - start)


cpdef bytes get(bytes block, bytes name):
    cdef Text at = <Text>PyBytes_AS_STRING(block)
    cdef Text end = at + PyBytes_GET_SIZE(block)
    cdef Text wanted = <Text>PyBytes_AS_STRING(name)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(name)
    cdef Text line = find(at, end, wanted, size, LOWER)
    cdef Text stop
    if line == NULL:
        return None
    stop = <Text>memchr(line, c"\r", end - line)
    if find(stop + 2, end, wanted, size, LOWER) == NULL or name.lower() == b"set-cookie":
        return value_at(line, end, size)
    return (b"; " if name.lower() == b"cookie" else b", ").join(each(block, name))


cpdef list each(bytes block, bytes name):
    cdef Text at = <Text>PyBytes_AS_STRING(block)
    cdef Text end = at + PyBytes_GET_SIZE(block)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(name)
    cdef list found = []
    while True:
        at = find(at, end, <Text>PyBytes_AS_STRING(name), size, LOWER)
        if at == NULL:
            return found
        found.append(value_at(at, end, size))
        at = <Text>memchr(at, c"\r", end - at) + 2


cpdef bytes drop(bytes block, bytes name):
    cdef Text start = <Text>PyBytes_AS_STRING(block)
    cdef Text end = start + PyBytes_GET_SIZE(block)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(name)
    cdef Text line = find(start, end, <Text>PyBytes_AS_STRING(name), size, FOLDED)
    cdef list kept
    if line == NULL:
        return block
    kept = []
    while line != NULL:
        kept.append(PyBytes_FromStringAndSize(<const char *>start, line - start))
        start = <Text>memchr(line, c"\r", end - line) + 2
        line = find(start, end, <Text>PyBytes_AS_STRING(name), size, FOLDED)
    kept.append(PyBytes_FromStringAndSize(<const char *>start, end - start))
    return b"".join(kept)
