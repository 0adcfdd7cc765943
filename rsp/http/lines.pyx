# cython: boundscheck=False, wraparound=False
"""The compiled twin of lines.py."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.string cimport memchr

from rsp.http.names import fold
from rsp.http.text cimport put_literal

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


cdef inline unsigned int initials(tuple names, Text alike):
    """Bits for what names begin with: most lines are told apart by that, without a look for their colon."""
    cdef unsigned int found = 0
    cdef Py_ssize_t number
    for number in range(len(names)):
        found |= 1U << (alike[(<Text>PyBytes_AS_STRING(<bytes>PyTuple_GET_ITEM(names, number)))[0]] & 31)
    return found


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


cpdef int which(bytes block, tuple names) except -1:
    cdef Text at = <Text>PyBytes_AS_STRING(block)
    cdef Text end = at + PyBytes_GET_SIZE(block)
    cdef Text stop
    cdef Text colon
    cdef Py_ssize_t size, number, count = len(names)
    cdef int found = 0
    cdef unsigned int begins = initials(names, LOWER)
    cdef bytes name
    while at < end:
        stop = <Text>memchr(at, c"\r", end - at)
        if stop == NULL:
            break
        if not begins >> (LOWER[at[0]] & 31) & 1:
            at = stop + 2
            continue
        colon = <Text>memchr(at, c":", stop - at)
        size = colon - at if colon != NULL else 0
        for number in range(count):
            name = <bytes>PyTuple_GET_ITEM(names, number)
            if PyBytes_GET_SIZE(name) == size and named(at, stop, <Text>PyBytes_AS_STRING(name), size, LOWER):
                found |= 1 << number
        at = stop + 2
    return found


cpdef bytes drop(bytes block, bytes name):
    return without(block, (fold(name),))


cpdef bytes without(bytes block, names):
    cdef Text start = <Text>PyBytes_AS_STRING(block)
    cdef Text end = start + PyBytes_GET_SIZE(block)
    cdef Text at = start
    cdef Text stop
    cdef Text colon
    cdef Py_ssize_t size, number
    cdef tuple wanted = names if type(names) is tuple else tuple(names)
    cdef Py_ssize_t count = len(wanted)
    cdef unsigned int begins = initials(wanted, FOLDED)
    cdef bytes name
    cdef list kept = None
    while at < end:
        stop = <Text>memchr(at, c"\r", end - at)
        if stop == NULL:
            break
        stop += 2
        if not begins >> (FOLDED[at[0]] & 31) & 1:
            at = stop
            continue
        colon = <Text>memchr(at, c":", stop - at)
        size = colon - at if colon != NULL else 0
        for number in range(count):
            name = <bytes>PyTuple_GET_ITEM(wanted, number)
            if PyBytes_GET_SIZE(name) == size and named(at, stop, <Text>PyBytes_AS_STRING(name), size, FOLDED):
                if kept is None:
                    kept = []
                if at > start:
                    kept.append(PyBytes_FromStringAndSize(<const char *>start, at - start))
                start = stop
                break
        at = stop
    if kept is None:
        return block
    if end > start:
        kept.append(PyBytes_FromStringAndSize(<const char *>start, end - start))
    return b"".join(kept)


cpdef bytes with_line(bytes block, bytes start, bytes value):
    if block is None or start is None or value is None:
        raise TypeError("a line is made of bytes")
    cdef Py_ssize_t size = PyBytes_GET_SIZE(block), first = PyBytes_GET_SIZE(start), second = PyBytes_GET_SIZE(value)
    cdef bytes made = PyBytes_FromStringAndSize(NULL, size + first + second + 2)
    cdef char *at = PyBytes_AS_STRING(made)
    at = put_literal(at, PyBytes_AS_STRING(block), size)
    at = put_literal(at, PyBytes_AS_STRING(start), first)
    at = put_literal(at, PyBytes_AS_STRING(value), second)
    put_literal(at, "\r\n", 2)
    return made


cpdef bytes one_line(bytes value):
    cdef Text at = <Text>PyBytes_AS_STRING(value)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(value)
    if memchr(at, c"\r", size) == NULL and memchr(at, c"\n", size) == NULL and memchr(at, 0, size) == NULL:
        return value
    return value.translate(None, b"\r\n\0")
