# cython: boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of combined.py, which says what the line means."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy

from rsp.http.text cimport put_literal, put_number

cdef const char *HEX = b"0123456789ABCDEF"

include "safe.pxi"


cdef inline char *put(char *at, bytes piece) noexcept:
    cdef Py_ssize_t size = PyBytes_GET_SIZE(piece)
    if size == 0:
        at[0] = c"-"
        return at + 1
    memcpy(at, PyBytes_AS_STRING(piece), size)
    return at + size


cdef inline char *put_escaped(char *at, bytes piece) noexcept:
    cdef const unsigned char *next = <const unsigned char *>PyBytes_AS_STRING(piece)
    cdef const unsigned char *end = next + PyBytes_GET_SIZE(piece)
    if next == end:
        at[0] = c"-"
        return at + 1
    while next < end:
        if SAFE[next[0]]:
            at[0] = next[0]
            at += 1
        else:
            at[0] = c"\\"
            at[1] = c"x"
            at[2] = HEX[next[0] >> 4]
            at[3] = HEX[next[0] & 15]
            at += 4
        next += 1
    return at


cpdef bytes escape(bytes value):
    cdef Py_ssize_t size = PyBytes_GET_SIZE(value)
    cdef bytes large = PyBytes_FromStringAndSize(NULL, 4 * size + 1)
    cdef char *start = PyBytes_AS_STRING(large)
    return large[: put_escaped(start, value) - start] if size else value


cdef inline char *put_seconds(char *at, double seconds) noexcept nogil:
    cdef Py_ssize_t milliseconds = 0
    if seconds > 0:  # a conversion of what does not fit is not defined
        milliseconds = <Py_ssize_t>((seconds if seconds < MOST else MOST) * 1000 + 0.5)
    at = put_number(at, milliseconds // 1000)
    milliseconds %= 1000
    at[0] = c"."
    at[1] = <char>(c"0" + milliseconds // 100)
    at[2] = <char>(c"0" + milliseconds // 10 % 10)
    at[3] = <char>(c"0" + milliseconds % 10)
    return at + 4


cpdef bytes combined(
    bytes client, bytes stamp, bytes method, bytes target, bytes version, int status, Py_ssize_t sent, bytes referer,
    bytes agent, bytes upstreams, double seconds, double upstream_seconds, bytes request_id,
):
    cdef Py_ssize_t most = PyBytes_GET_SIZE(client) + PyBytes_GET_SIZE(stamp) + PyBytes_GET_SIZE(method)
    most += PyBytes_GET_SIZE(upstreams) + PyBytes_GET_SIZE(request_id) + PyBytes_GET_SIZE(version)
    most += 4 * (PyBytes_GET_SIZE(target) + PyBytes_GET_SIZE(referer) + PyBytes_GET_SIZE(agent)) + 200
    cdef char room[2048]
    cdef bytes large = None
    cdef char *start = room
    if most > <Py_ssize_t>sizeof(room):
        large = PyBytes_FromStringAndSize(NULL, most)
        start = PyBytes_AS_STRING(large)
    cdef char *at = put_literal(put(start, client), b" - - [", 6)
    at = put_literal(put(at, stamp), b'] "', 3)
    if PyBytes_GET_SIZE(method):
        at = put_escaped(put_literal(put(at, method), b" ", 1), target)
        at = put(put_literal(at, b" HTTP/", 6), version)
    else:
        at = put_literal(at, b"-", 1)
    at = put_number(put_literal(at, b'" ', 2), status)
    at = put_number(put_literal(at, b" ", 1), sent)
    at = put_escaped(put_literal(at, b' "', 2), referer)
    at = put_escaped(put_literal(at, b'" "', 3), agent)
    at = put(put_literal(at, b'" upstream=', 11), upstreams)
    at = put_seconds(put_literal(at, b" time=", 6), seconds)
    at = put_seconds(put_literal(at, b" upstream_time=", 15), upstream_seconds)
    at = put(put_literal(at, b" id=", 4), request_id)
    at = put_literal(at, b"\n", 1)
    return PyBytes_FromStringAndSize(start, at - start)
