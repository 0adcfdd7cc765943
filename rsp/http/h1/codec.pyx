# cython: boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of codec.py: plain heads in one pass over their bytes.

Whatever is not plain, be it wrong or only rare, is left to the specification in head.py and write.py, so this file
raises no errors and knows no rules of its own: it has to be right about what it takes, and may always decline.

``scan.pxi`` knows the bytes of a head, ``requests.pxi`` and ``responses.pxi`` read heads, ``write.pxi`` makes them.  They
are parts of this module, not modules: the C compiler sees all of it at once.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr, memcmp, memcpy

from rsp.http.message cimport RequestHead, ResponseHead
from rsp.http.scan cimport behind_value
from rsp.http.text cimport put_literal, put_number

from rsp.http.h1 import head as specification
from rsp.http import names
from rsp.http.h1 import write as writers

ctypedef const unsigned char *Text

cdef enum:
    CHUNKED = -1
    UNTIL_CLOSE = -2
    NO_LENGTH = -3
    MOST_RUNS = 24  # stretches of fields between dropped ones
    ANY_NUMBER = 1 << 30

include "scan.pxi"

# The last value of its kind: clients repeat themselves, and the same object saves making, hashing and comparing it.
cdef bytes last_host = b"", last_agent = b"", last_reason = b""
cdef bytes VERSION_10 = b"1.0", VERSION_11 = b"1.1"
cdef bytes GET = b"GET", HEAD = b"HEAD", POST = b"POST", PUT = b"PUT", PATCH = b"PATCH"
cdef list NOTHING = []


cdef inline bytes text(Span span):
    return PyBytes_FromStringAndSize(<const char *>span.start, span.end - span.start)


cdef inline bytes text_or(Span span, bytes known):
    """As :func:`text`, but ``known`` itself when it says the same."""
    cdef Py_ssize_t size = span.end - span.start
    if size == PyBytes_GET_SIZE(known) and memcmp(span.start, PyBytes_AS_STRING(known), size) == 0:
        return known
    return text(span)


cdef struct Runs:
    int count
    Py_ssize_t size
    Span spans[MOST_RUNS]


cdef inline bint keep(Runs *runs, Text start, Text end) noexcept nogil:
    """Note that the bytes from ``start`` to ``end`` are to be forwarded; false when there are too many pieces."""
    if end > start:
        if runs.count == MOST_RUNS:
            return False
        runs.spans[runs.count].start = start
        runs.spans[runs.count].end = end
        runs.count += 1
        runs.size += end - start
    return True


cdef bytes kept(Runs *runs):
    cdef bytes result = PyBytes_FromStringAndSize(NULL, runs.size)
    cdef char *at = PyBytes_AS_STRING(result)
    cdef Py_ssize_t size
    cdef int index
    for index in range(runs.count):
        size = runs.spans[index].end - runs.spans[index].start
        memcpy(at, runs.spans[index].start, size)
        at += size
    return result


cpdef Py_ssize_t end_of_head(bytes data, Py_ssize_t start):
    cdef const char *begin = PyBytes_AS_STRING(data)
    cdef const char *end = begin + PyBytes_GET_SIZE(data)
    cdef const char *at = begin + start
    while True:
        at = <const char *>memchr(at, c"\r", end - at) if at < end else NULL
        if at == NULL or end - at < 4:
            return -1
        if at[2] == c"\r" and at[1] == c"\n" and at[3] == c"\n":
            return at + 4 - begin
        at += 1


include "requests.pxi"
include "responses.pxi"
include "write.pxi"
