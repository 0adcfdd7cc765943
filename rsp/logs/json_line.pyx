# cython: boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of json_line.py, which says what the line means."""

import json

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy
from libc.time cimport gmtime_r, strftime, time_t, tm

from rsp.http.text cimport put_literal, put_number

include "safe.pxi"

# The second that was written last, and how: many lines are of one second.
cdef Py_ssize_t known = -1
cdef char known_text[64]
cdef size_t known_size = 0


cdef inline bint is_safe(bytes value) noexcept:
    cdef const unsigned char *next = <const unsigned char *>PyBytes_AS_STRING(value)
    cdef const unsigned char *end = next + PyBytes_GET_SIZE(value)
    while next < end:
        if not SAFE[next[0]]:
            return False
        next += 1
    return True


cpdef bytes text(bytes value):
    if is_safe(value):
        return value
    cdef str quoted = json.dumps(value.decode("utf-8", "replace"))
    return quoted[1 : len(quoted) - 1].replace("\x7f", "\\u007f").encode()


cdef inline char *put(char *at, bytes piece) noexcept:
    cdef Py_ssize_t size = PyBytes_GET_SIZE(piece)
    memcpy(at, PyBytes_AS_STRING(piece), size)
    return at + size


cdef inline char *put_digits(char *at, Py_ssize_t value, int count) noexcept nogil:
    cdef int index
    for index in range(count - 1, -1, -1):
        at[index] = <char>(c"0" + value % 10)
        value //= 10
    return at + count


cdef inline char *put_seconds(char *at, double seconds) noexcept nogil:
    cdef Py_ssize_t microseconds = 0
    if seconds > 0:  # a conversion of what does not fit is not defined
        microseconds = <Py_ssize_t>((seconds if seconds < MOST else MOST) * 1000000 + 0.5)
    at = put_number(at, microseconds // 1000000)
    at[0] = c"."
    return put_digits(at + 1, microseconds % 1000000, 6)


cdef char *put_moment(char *at, double wall) noexcept:
    global known, known_size
    cdef Py_ssize_t milliseconds = 0
    cdef time_t second
    cdef tm parts
    if wall > 0:
        milliseconds = <Py_ssize_t>((wall if wall < MOST / 10 else MOST / 10) * 1000)
    second = milliseconds // 1000
    if second != known:
        gmtime_r(&second, &parts)
        known_size = strftime(known_text, sizeof(known_text), "%Y-%m-%dT%H:%M:%S", &parts)
        known = second
    at = put_literal(at, known_text, known_size)
    at[0] = c"."
    at = put_digits(at + 1, milliseconds % 1000, 3)
    at[0] = c"Z"
    return at + 1


cpdef bytes number(double seconds):
    cdef char room[64]
    return PyBytes_FromStringAndSize(room, put_seconds(room, seconds) - room)


cpdef bytes moment(double wall):
    cdef char room[80]
    return PyBytes_FromStringAndSize(room, put_moment(room, wall) - room)


cpdef bytes json_line(
    double wall, bytes client, bytes method, bytes target, bytes version, int status, Py_ssize_t sent, double seconds,
    bytes upstreams, double upstream_seconds, bytes route, bytes request_id,
):
    client, method, target = text(client), text(method), text(target)
    upstreams, request_id = text(upstreams), text(request_id)
    cdef Py_ssize_t most = PyBytes_GET_SIZE(client) + PyBytes_GET_SIZE(method) + PyBytes_GET_SIZE(target)
    most += PyBytes_GET_SIZE(version) + PyBytes_GET_SIZE(upstreams) + PyBytes_GET_SIZE(route)
    most += PyBytes_GET_SIZE(request_id) + 500
    cdef char room[2048]
    cdef bytes large = None
    cdef char *start = room
    if most > <Py_ssize_t>sizeof(room):
        large = PyBytes_FromStringAndSize(NULL, most)
        start = PyBytes_AS_STRING(large)
    cdef char *at = put_moment(put_literal(start, b'{"time":"', 9), wall)
    at = put(put_literal(at, b'","client":"', 12), client)
    at = put(put_literal(at, b'","method":"', 12), method)
    at = put(put_literal(at, b'","target":"', 12), target)
    at = put_literal(at, b'","protocol":"', 14)
    if PyBytes_GET_SIZE(method):
        at = put(put_literal(at, b"HTTP/", 5), version)
    at = put_number(put_literal(at, b'","status":', 11), status)
    at = put_number(put_literal(at, b',"bytes":', 9), sent)
    at = put_seconds(put_literal(at, b',"duration":', 12), seconds)
    at = put(put_literal(at, b',"upstream":"', 13), upstreams)
    at = put_seconds(put_literal(at, b'","upstream_time":', 18), upstream_seconds)
    at = put(put_literal(at, b',"route":"', 10), route)
    at = put(put_literal(at, b'","request_id":"', 16), request_id)
    at = put_literal(at, b'"}\n', 3)
    return PyBytes_FromStringAndSize(start, at - start)
