"""The compiled twin of pieces.py."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy


cpdef bytes joined(bytes first, bytes second):
    if first is None or second is None:
        raise TypeError("bytes are joined with bytes")
    cdef Py_ssize_t size = PyBytes_GET_SIZE(first), more = PyBytes_GET_SIZE(second)
    cdef bytes made = PyBytes_FromStringAndSize(NULL, size + more)
    memcpy(PyBytes_AS_STRING(made), PyBytes_AS_STRING(first), size)
    memcpy(PyBytes_AS_STRING(made) + size, PyBytes_AS_STRING(second), more)
    return made


cpdef bytes all_joined(tuple pieces):
    cdef Py_ssize_t size = 0
    cdef bytes piece, made
    for piece in pieces:
        if piece is None:
            raise TypeError("bytes are joined with bytes")
        size += PyBytes_GET_SIZE(piece)
    made = PyBytes_FromStringAndSize(NULL, size)
    cdef char *at = PyBytes_AS_STRING(made)
    for piece in pieces:
        memcpy(at, PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece))
        at += PyBytes_GET_SIZE(piece)
    return made


cpdef bytes part(bytes value, Py_ssize_t start, Py_ssize_t stop):
    if value is None:
        raise TypeError("only bytes have parts")
    cdef Py_ssize_t size = PyBytes_GET_SIZE(value)
    if stop > size:
        stop = size
    if start == 0 and stop == size:
        return value
    if start >= stop:
        return b""
    return PyBytes_FromStringAndSize(PyBytes_AS_STRING(value) + start, stop - start)
